import { expect, test } from 'vitest'
import { FUZZ_TARGETS, type FuzzTarget, fuzz } from '../native/fuzz/fuzz.ts'

/** A handshake takes a hundred times as long as all else. */
const seconds = (target: FuzzTarget): number => (target === 'dtls' ? 4 : 1)

test.each(FUZZ_TARGETS)(
  '%s',
  async (target) => {
    const { runs, finding } = await fuzz(target, seconds(target))
    expect(finding).toBe('')
    expect(runs).toBeGreaterThan(100)
  },
  300_000,
)
