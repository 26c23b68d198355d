import { expect, test } from 'vitest'
import { CallChurn, type Footprint, footprint } from '../harness/call-churn.ts'
import { openEngine } from '../harness/media-bench.ts'

const WARM = 10_000
const CALLS = 100_000
const STEP = 10_000
/** What V8 keeps of compiled code and inline caches: 90 000 calls that leak 12 octets each are more. */
const MAX_JAVASCRIPT = 2 ** 20
/** Pages come and go by themselves; a leak of 48 octets a call is more. */
const MAX_RESIDENT = 4 * 2 ** 20

test('100 000 calls made and ended: memory is what it was after 10 000, and no table has an entry', async () => {
  const engine = openEngine({ maxSessions: CallChurn.maxSessions, portRestMs: 0 })
  const churn = await CallChurn.open(engine)
  const seen: Footprint[] = []
  for (let total = WARM; total <= CALLS; total += STEP) {
    await churn.runTo(total)
    seen.push(await footprint())
  }
  const kib = (bytes: number): number => Math.round(bytes / 1024)
  console.log(
    seen.map(({ javascript, resident }) => `${kib(javascript)}/${kib(resident)}`).join(' '),
    churn.counts,
    engine.counters(),
  )
  const [first, last] = [seen[0], seen.at(-1)]
  if (first === undefined || last === undefined) throw new Error('nothing was measured')
  expect(last.javascript - first.javascript).toBeLessThan(MAX_JAVASCRIPT)
  expect(last.resident - first.resident).toBeLessThan(MAX_RESIDENT)
  expect(Object.values(engine.tables()).filter((size) => size !== 0)).toEqual([])
  expect(Math.min(...Object.values(churn.counts))).toBeGreaterThan(1_000)
  expect(churn.sharedPorts.size).toBe(1)
  churn.close()
}, 480_000)
