import { expect, test } from 'vitest'
import { FUZZ_TARGETS, fuzz } from '../native/fuzz/fuzz.ts'

const SECONDS = 1

test.each(FUZZ_TARGETS)(
  '%s',
  async (target) => {
    const { runs, finding } = await fuzz(target, SECONDS)
    expect(finding).toBe('')
    expect(runs).toBeGreaterThan(100)
  },
  300_000,
)
