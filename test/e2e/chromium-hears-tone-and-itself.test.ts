import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { toneMs } from '../../gateway/selftest/selftest-tone.ts'
import { Capture, entropyBits, kindOfDatagram } from '../harness/capture.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon } from '../harness/daemon.ts'
import { decodeG711 } from '../harness/g711.ts'
import { parseRtp } from '../harness/rtp-packet.ts'

const MICROPHONE_HZ = 620

let chromium: Chromium
beforeAll(async () => {
  chromium = await Chromium.start(MICROPHONE_HZ)
})
afterEach(closeAll)
afterAll(() => chromium.close())

test('Chromium calls tone, recognises it, and nothing but SRTP goes over the wire', async () => {
  const daemon = closing(await Daemon.start())
  const capture = closing(await Capture.start(`udp port ${daemon.webrtcPort}`))
  const phone = closing(await chromium.newSoftphone())
  await phone.signIn(daemon.pageFor('alice'))
  await phone.dial('tone')
  await phone.waitForCall('active')
  await phone.waitForTone(440)
  const stats = await phone.waitForPackets(100)
  expect(stats.codec).toMatch(/^audio\/PCM[UA]$/)
  expect(stats.srtpCipher).toMatch(/AES|AEAD/)
  await phone.hangUp()
  await phone.waitForCall('none')
  expect(await phone.text('#problem')).toBe('')
  await daemon.waitForNoCalls()

  const datagrams = await capture.stop()
  const kinds = new Set(datagrams.map(({ payload }) => kindOfDatagram(payload)))
  // RTCP comes every few seconds: this call may be too short for it.
  kinds.delete('rtcp')
  expect([...kinds].sort()).toEqual(['dtls', 'rtp', 'stun'])
  // What the gateway sends is the tone: decoded as it is on the wire it must be noise.
  const sent = datagrams
    .filter(
      ({ sourcePort, payload }) => sourcePort === daemon.webrtcPort && kindOfDatagram(payload) === 'rtp',
    )
    .map(({ payload }) => parseRtp(payload).payload)
  expect(sent.length).toBeGreaterThan(50)
  const bytes = Buffer.concat(sent)
  expect(entropyBits(bytes)).toBeGreaterThan(7.9)
  for (const codec of ['PCMU', 'PCMA'] as const)
    expect(toneMs(decodeG711(codec, bytes), { sampleRateHz: 8000, frequencyHz: 440 })).toBe(0)
})

test('Chromium calls echo and hears its own microphone', async () => {
  const daemon = closing(await Daemon.start())
  const phone = closing(await chromium.newSoftphone())
  await phone.signIn(daemon.pageFor('alice'))
  await phone.dial('echo')
  await phone.waitForTone(MICROPHONE_HZ)
  const stats = await phone.waitForPackets(100)
  // A busy machine loses a packet now and then.
  expect(stats.packetsLost / stats.packetsReceived).toBeLessThan(0.02)
  await phone.hangUp()
  await daemon.waitForNoCalls()
})

test('the password leaves the address bar, and the page keeps to its content policy', async () => {
  const daemon = closing(await Daemon.start())
  const phone = closing(await chromium.newSoftphone())
  await phone.signIn(daemon.pageFor('alice'))
  expect(await phone.evaluate('location.href')).toBe(daemon.pageUrl)
  expect(phone.console.filter((line) => line.includes('Content Security Policy'))).toEqual([])
})

test('mute silences what the far end hears, and only that', async () => {
  const daemon = closing(await Daemon.start())
  const phone = closing(await chromium.newSoftphone())
  await phone.signIn(daemon.pageFor('alice'))
  await phone.dial('echo')
  await phone.waitForTone(MICROPHONE_HZ)
  await phone.toggleMute()
  await phone.waitForSilence()
  await phone.toggleMute()
  await phone.waitForTone(MICROPHONE_HZ)
  await phone.hangUp()
  await daemon.waitForNoCalls()
})
