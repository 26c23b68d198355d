import { expect, test } from 'vitest'
import { FUZZ_TARGETS, fuzz } from '../native/fuzz/fuzz.ts'

/** For each fuzzer. */
const seconds = Number(process.env.FUZZ_SECONDS ?? 600)

test.each(FUZZ_TARGETS)('%s', async (target) => {
  const { runs, finding } = await fuzz(target, seconds)
  expect(finding).toBe('')
  expect(runs).toBeGreaterThan(100)
})
