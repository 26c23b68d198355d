import { expect, test } from 'vitest'
import { findCapacity } from '../../bench/media/capacity.ts'

/** A core that holds `limit` calls, and what was asked of it. */
function core(limit: number): {
  readonly asked: number[]
  readonly judge: (calls: number) => Promise<'holds' | 'fails'>
} {
  const asked: number[] = []
  return {
    asked,
    judge: async (calls) => {
      asked.push(calls)
      return calls <= limit ? 'holds' : 'fails'
    },
  }
}

test('from below it climbs until the first that fails', async () => {
  const { asked, judge } = core(1_400)
  expect(await findCapacity(1_000, 6_000, judge)).toEqual({ calls: 1_300, isAtLeast: false })
  expect(asked).toEqual([1_000, 1_150, 1_300, 1_500])
})

test('from above it goes down until the first that holds', async () => {
  const { asked, judge } = core(800)
  expect(await findCapacity(1_000, 6_000, judge)).toEqual({ calls: 750, isAtLeast: false })
  expect(asked).toEqual([1_000, 850, 750])
})

test('it does not go beyond what there is', async () => {
  const { asked, judge } = core(10_000)
  expect(await findCapacity(2_000, 2_400, judge)).toEqual({ calls: 2_400, isAtLeast: true })
  expect(asked).toEqual([2_000, 2_300, 2_400])
})

test('a core that holds nothing has a capacity of nothing', async () => {
  const { asked, judge } = core(0)
  expect(await findCapacity(100, 6_000, judge)).toEqual({ calls: 0, isAtLeast: false })
  expect(asked.at(-1)).toBe(50)
})

test('where the generator is at its end, it is at least what held before', async () => {
  const judge = async (calls: number) => (calls <= 1_200 ? 'holds' : 'unknown') as 'holds' | 'unknown'
  expect(await findCapacity(1_000, 6_000, judge)).toEqual({ calls: 1_150, isAtLeast: true })
})
