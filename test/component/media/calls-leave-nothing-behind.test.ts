import { expect, test } from 'vitest'
import { CallChurn, footprint } from '../../harness/call-churn.ts'
import { openEngine } from '../../harness/media-bench.ts'

/** Until code is compiled and malloc has what it needs at a time. */
const WARM = 1_500
const CALLS = 3_500
/** Half a kilobyte a call. What is less shows over 100 000 of them (test/long). */
const MAX_JAVASCRIPT = 2 ** 20
/** Pages come and go by themselves; the legs of a call are more. */
const MAX_RESIDENT = 6 * 2 ** 20

test('2 000 calls of all kinds, made and ended, leave no entry in any table and no memory', async () => {
  const engine = openEngine({ maxSessions: CallChurn.maxSessions, portRestMs: 0 })
  const churn = await CallChurn.open(engine)
  await churn.runTo(WARM)
  const before = await footprint()
  await churn.runTo(CALLS)
  const after = await footprint()
  churn.close()
  expect(after.javascript - before.javascript).toBeLessThan(MAX_JAVASCRIPT)
  expect(after.resident - before.resident).toBeLessThan(MAX_RESIDENT)
  expect(Object.values(engine.tables()).filter((size) => size !== 0)).toEqual([])
  expect(Math.min(...Object.values(churn.counts))).toBeGreaterThan(50)
  expect(churn.sharedPorts.size).toBe(1)
}, 60_000)
