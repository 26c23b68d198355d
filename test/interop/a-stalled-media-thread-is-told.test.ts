import { afterEach, expect, test } from 'vitest'
import { closeAll } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { freezeThread } from '../harness/frozen-thread.ts'
import { headerOf } from '../harness/sip-text.ts'
import { TrunkSite } from '../harness/trunk-site.ts'

const TRUNK_HZ = 425
const THREAD = 'webtrunk-relay'
/** It is asked every second, and owes the answer for five when it counts as stalled. */
const PATIENT = { timeout: 20_000 }

afterEach(closeAll)

// `site.close` is not for these: to it an error in the log is a failure, and here one is looked for.

test('while a media thread stands still /healthz and the log say so and calls are refused; then all is well', async () => {
  const site = await TrunkSite.start()
  const { daemon } = site
  const status = async (): Promise<unknown> => (await daemon.health()).status
  const logged = (message: string) => daemon.log.filter((line) => line.message === message)
  const trunk = await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
  const alice = await site.phone()
  const frozen = await freezeThread(daemon.pid, THREAD)
  await expect.poll(status, PATIENT).toBe('media-stalled')
  expect(logged('a media thread does not answer: its calls are silent')).toMatchObject([
    { level: 'error', thread: THREAD, state: 't (tracing stop)', systemCall: expect.stringMatching(/^\d+ /) },
  ])
  expect((await daemon.command('metrics')).output).toContain('webtrunk_media_threads_stalled 1')
  daemon.expectsVerdicts(['media.stalled'])
  const refused = await alice.call('9100', { toneHz: 1_000 })
  const final = await refused.waitForFinal()
  expect(refused.finalStatus).toBe(503)
  expect(headerOf(final, 'Reason')).toContain('media.stalled')
  await frozen.close()
  await expect.poll(status, PATIENT).toBe('ok')
  expect(logged('a media thread answers again')).toMatchObject([{ level: 'warn', thread: THREAD }])
  const call = await alice.call('9100', { toneHz: 1_000 })
  await call.waitForTone(TRUNK_HZ)
  await call.hangUp()
  await expectSuccess(trunk)
  expect(await daemon.stop()).toBe(0)
})

test('a daemon whose media thread stands still can be stopped, with a call on it', async () => {
  const site = await TrunkSite.start()
  const { daemon } = site
  await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: 1_000 })
  await call.waitForTone(TRUNK_HZ)
  await freezeThread(daemon.pid, THREAD)
  await expect.poll(async () => (await daemon.health()).status, PATIENT).toBe('media-stalled')
  daemon.expectsVerdicts(['call.draining'])
  expect(await daemon.stop()).toBe(1)
  expect(daemon.log.map(({ message }) => message)).toContain('stopped')
  await call.waitForEnd()
})

test('and so can one whose media thread has stood still for too short a time to be known', async () => {
  const site = await TrunkSite.start()
  const { daemon } = site
  await freezeThread(daemon.pid, THREAD)
  expect(await daemon.stop()).toBe(1)
  expect(daemon.log.map(({ message }) => message)).toContain('stopped')
})
