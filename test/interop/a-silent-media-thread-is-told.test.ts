import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { closeAll } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { freezeThread } from '../harness/frozen-thread.ts'
import { headerOf } from '../harness/sip-text.ts'
import { TrunkSite } from '../harness/trunk-site.ts'

const TRUNK_HZ = 425
const THREAD = 'webtrunk-relay'
/** It is asked every second, and owes the answer for five when it counts as silent. */
const PATIENT = { timeout: 20_000 }

let site: TrunkSite
beforeAll(async () => {
  site = await TrunkSite.start()
})
afterEach(closeAll)
// Not `site.close`, to which an error in the log is a failure: here one is what is looked for.
afterAll(() => site.daemon.stop())

test('while a media thread stands still /healthz and the log say so and calls are refused; then all is well', async () => {
  const { daemon } = site
  const status = async (): Promise<unknown> => (await daemon.health()).status
  const logged = (message: string) => daemon.log.filter((line) => line.message === message)
  const trunk = await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
  const alice = await site.phone()
  const resume = await freezeThread(daemon.pid, THREAD)
  try {
    await expect.poll(status, PATIENT).toBe('media-silent')
    expect(logged('a media thread does not answer: its calls are silent')).toMatchObject([
      {
        level: 'error',
        thread: THREAD,
        state: 't (tracing stop)',
        systemCall: expect.stringMatching(/^\d+ /),
      },
    ])
    expect((await daemon.command('metrics')).output).toContain('webtrunk_media_threads_silent 1')
    daemon.expectsVerdicts(['call.media-busy'])
    const refused = await alice.call('9100', { toneHz: 1_000 })
    const final = await refused.waitForFinal()
    expect(refused.finalStatus).toBe(503)
    expect(headerOf(final, 'Reason')).toContain('call.media-busy')
  } finally {
    await resume()
  }
  await expect.poll(status, PATIENT).toBe('ok')
  expect(logged('a media thread answers again')).toMatchObject([{ level: 'warn', thread: THREAD }])
  const call = await alice.call('9100', { toneHz: 1_000 })
  await call.waitForTone(TRUNK_HZ)
  await call.hangUp()
  await expectSuccess(trunk)
})
