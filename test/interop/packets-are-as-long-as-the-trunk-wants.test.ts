import { afterEach, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { Capture, kindOfDatagram } from '../harness/capture.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { parseRtp } from '../harness/rtp-packet.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

const TRUNK_HZ = 440
const BROWSER_HZ = 1000
const PCMU_BYTES_PER_MS = 8

/** Lengths of the packets of trunk media that went from the gateway, and to it, in milliseconds. */
async function lengths(capture: Capture, { rtpPorts: { min, max } }: Daemon): Promise<readonly number[][]> {
  const isOurs = (port: number): boolean => port >= min && port <= max
  const packets = (await capture.soFar()).filter(({ payload }) => kindOfDatagram(payload) === 'rtp')
  const lengthsOf = (of: typeof packets): number[] => [
    ...new Set(of.map(({ payload }) => parseRtp(payload).payload.length / PCMU_BYTES_PER_MS)),
  ]
  return [
    lengthsOf(packets.filter(({ sourcePort }) => isOurs(sourcePort))),
    lengthsOf(packets.filter(({ destinationPort }) => isOurs(destinationPort))),
  ]
}

test('as configured, when we call: both hear each other', async () => {
  const capture = closing(await Capture.start('udp'))
  const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: TRUNK_HZ, user: '9100' }))
  const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort, ptimeMs: 40 }] }))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ, codecs: ['PCMU'] })
  await Promise.all([call.waitForTone(TRUNK_HZ, 1_000), pbx.waitForTone(BROWSER_HZ)])
  await call.hangUp()
  await pbx.waitForEvent('CALL_CLOSED')
  await daemon.waitForNoCalls()
  expect(await lengths(capture, daemon)).toEqual([[40], [40]])
})

test('as it asks, when it calls: both hear each other', async () => {
  const capture = closing(await Capture.start('udp'))
  const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: TRUNK_HZ, user: '9100', ptimeMs: 10 }))
  const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort }] }))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  pbx.dial(`sip:alice@${daemon.sipAddress}`)
  const call = await alice.nextInvitation()
  await call.answer({ toneHz: BROWSER_HZ })
  await Promise.all([call.waitForTone(TRUNK_HZ, 1_000), pbx.waitForTone(BROWSER_HZ)])
  await call.hangUp()
  await pbx.waitForEvent('CALL_CLOSED')
  await daemon.waitForNoCalls()
  expect(await lengths(capture, daemon)).toEqual([[10], [20]])
})
