import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { Linphone } from '../harness/linphone.ts'
import { headerOf, methodOf } from '../harness/sip-text.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const TRUNK_HZ = 440
const BROWSER_HZ = 1000
const DTMF: readonly [string, string] = ['Content-Type', 'application/dtmf-relay']

const started: { close(): Promise<void> }[] = []

// A stack of its own beside those of SIPp and baresip: belle-sip, mediastreamer2 and oRTP.
let phone: Linphone
let daemon: Daemon
let alice: WebrtcClient

beforeAll(async () => {
  phone = await Linphone.start({ media: 'sdes', toneHz: TRUNK_HZ, user: '9100' })
  started.unshift(phone)
  daemon = await Daemon.start({ trunks: [{ port: phone.sipPort, media: 'sdes' }] })
  started.unshift(daemon)
  alice = await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice)
  started.unshift(alice)
  await alice.register()
})
afterEach(closeAll)
afterAll(async () => {
  for (const peer of started) await peer.close()
})

test('it is called: a key each way, hold and resume, and hardly a packet is missed', async () => {
  const call = closing(await alice.call('9100', { toneHz: BROWSER_HZ }))
  await Promise.all([call.waitForTone(TRUNK_HZ), phone.waitForTone(BROWSER_HZ)])
  phone.type('5')
  const pressed = await call.waitForRequest('INFO')
  expect([headerOf(pressed, 'Content-Type'), pressed.body]).toEqual([
    DTMF[1],
    expect.stringMatching(/^Signal=5\r\n/),
  ])
  await call.request('INFO', [DTMF], 'Signal=7\r\nDuration=160\r\n')
  await phone.waitForOutput('the key', /Receiving tone 7/)
  phone.type('pause')
  await call.waitForRemoteDirection('sendonly')
  phone.type('resume')
  await call.waitForRemoteDirection('sendrecv')
  await Promise.all([call.waitForMoreTone(TRUNK_HZ), phone.waitForMoreTone(BROWSER_HZ, 500)])
  phone.type('terminate')
  await call.waitForEnd()
  expect(call.received.map(methodOf).filter((method) => method === 'INFO')).toHaveLength(1)
  await daemon.waitForNoCalls()
  const { legs } = (await daemon.reports())[0] ?? {}
  expect(legs).toHaveLength(2)
  // A machine that is busy loses one now and then.
  for (const { stats } of legs ?? []) expect(stats?.lossRatio).toBeLessThan(0.02)
})

test('it calls', async () => {
  phone.type(`call sip:alice@${daemon.sipAddress}`)
  const call = closing(await alice.nextInvitation())
  await call.answer({ toneHz: BROWSER_HZ })
  await Promise.all([call.waitForTone(TRUNK_HZ), phone.waitForMoreTone(BROWSER_HZ)])
  await call.hangUp()
  await phone.waitForOutput('its end', /Call 2 with .* ended/)
  await daemon.waitForNoCalls()
})
