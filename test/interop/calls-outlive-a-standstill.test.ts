import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

/** A browser checks every 4 to 6 seconds. */
const CONSENT_S = 7
const TONE_HZ = 440

// As it went on it hung up every browser, whose checks it had not read yet.
test('a daemon that is stopped for longer than consent lasts, and goes on, goes on with its calls', async () => {
  const daemon = closing(await Daemon.start({ config: { media: { consentTimeoutS: CONSENT_S } } }))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  const call = await alice.call('tone', { toneHz: 1_000 })
  await call.waitForTone(TONE_HZ)
  process.kill(daemon.pid, 'SIGSTOP')
  await delay((CONSENT_S + 1) * 1_000)
  process.kill(daemon.pid, 'SIGCONT')
  await call.waitForMoreTone(TONE_HZ)
  expect([call.isOver, (await daemon.health()).calls]).toEqual([false, 1])
  await call.hangUp()
  await daemon.waitForNoCalls()
})
