import { afterEach, expect, test } from 'vitest'
import { toneMs } from '../../gateway/selftest/selftest-tone.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { headerOf } from '../harness/sip-text.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

const start = async (): Promise<{ daemon: Daemon; alice: WebrtcClient }> => {
  const daemon = closing(await Daemon.start())
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  return { daemon, alice }
}

test('tone is 440 Hz and nothing else; hang-up leaves no call', async () => {
  const { daemon, alice } = await start()
  const call = await alice.call('tone', { toneHz: 1000 })
  await call.waitForConnection()
  await call.waitForTone(440, 1_000)
  expect(toneMs(call.heard, { sampleRateHz: 8000, frequencyHz: 1000 })).toBe(0)
  await call.hangUp()
  await daemon.waitForNoCalls()
  expect(await daemon.stop()).toBe(0)
})

test.each(['PCMU', 'PCMA'] as const)('echo sends %s back', async (codec) => {
  const { alice } = await start()
  const call = await alice.call('echo', { toneHz: 620, codecs: [codec] })
  await call.waitForConnection()
  await call.waitForTone(620, 1_000)
  await call.hangUp()
})

test('a wrong password is refused with 403 and a reason', async () => {
  const daemon = closing(await Daemon.start())
  const mallory = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', 'guess'))
  const response = await mallory.register(300, 403)
  expect(headerOf(response, 'Reason')).toContain('sip.bad-credentials')
})

test('an unknown number is refused with 404 and a reason', async () => {
  const { daemon, alice } = await start()
  const call = await alice.call('nobody', { toneHz: 620 })
  const response = await call.waitForFinal()
  expect(call.finalStatus).toBe(404)
  expect(headerOf(response, 'Reason')).toContain('call.unknown-number')
  daemon.expectsVerdicts('call.unknown-number')
  await daemon.waitForNoCalls()
})

test('a stop ends calls with BYE and exits with 0', async () => {
  const { daemon, alice } = await start()
  const call = await alice.call('tone', { toneHz: 620 })
  await call.waitForTone(440)
  const stopped = daemon.stop()
  await call.waitForEnd()
  expect(await stopped).toBe(0)
  daemon.expectsVerdicts('call.draining')
})
