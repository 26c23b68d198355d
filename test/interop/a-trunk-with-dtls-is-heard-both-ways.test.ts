import { afterEach, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

const TRUNK_HZ = 440
const BROWSER_HZ = 1000

// baresip's module dtls_srtp: DTLS-SRTP without ICE, as a PBX has it.
async function start(): Promise<{ daemon: Daemon; pbx: Baresip; alice: WebrtcClient }> {
  const pbx = closing(await Baresip.start({ media: 'dtls', toneHz: TRUNK_HZ, user: '9100' }))
  const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort, media: 'dtls' }] }))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  return { daemon, pbx, alice }
}

const rungsOf = (daemon: Daemon, leg: string): unknown[] =>
  daemon.log.filter((line) => line.leg === leg).map((line) => line.message)

test('a browser calls baresip', async () => {
  const { daemon, pbx, alice } = await start()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ, codecs: ['PCMU'] })
  await Promise.all([call.waitForTone(TRUNK_HZ, 1_000), pbx.waitForTone(BROWSER_HZ)])
  expect(rungsOf(daemon, 'callee')).toContain('dtls-connected')
  await call.hangUp()
  await pbx.waitForEvent('CALL_CLOSED')
  await daemon.waitForNoCalls()
})

test('baresip calls a browser', async () => {
  const { daemon, pbx, alice } = await start()
  pbx.dial(`sip:alice@${daemon.sipAddress}`)
  const call = await alice.nextInvitation()
  await call.answer({ toneHz: BROWSER_HZ })
  await Promise.all([call.waitForTone(TRUNK_HZ, 1_000), pbx.waitForTone(BROWSER_HZ)])
  expect(rungsOf(daemon, 'caller')).toContain('dtls-connected')
  pbx.hangUp()
  await call.waitForEnd()
  await daemon.waitForNoCalls()
})
