import { describe, expect, it } from 'vitest'
import { weightedOrder } from '../../../../sip/routing/weighted-order.ts'

const row = (name: string, priority: number, weight: number) => ({ name, priority, weight })

/** Evenly spread over [0, 1). */
const spread = (): (() => number) => {
  let turn = 0
  return () => {
    turn += 1
    return (turn * 0.618_033_988_75) % 1
  }
}

const firsts = (rows: readonly ReturnType<typeof row>[], turns: number): Readonly<Record<string, number>> => {
  const chance = spread()
  const counts: Record<string, number> = {}
  for (let turn = 0; turn < turns; turn += 1) {
    const name = weightedOrder(rows, chance)[0]?.name ?? 'none'
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

describe('the order of servers and trunks', () => {
  it('has every row once, lower priorities first', () => {
    const rows = [row('c', 3, 1), row('a1', 1, 1), row('b', 2, 0), row('a2', 1, 9)]
    for (const draw of [0, 0.05, 0.5, 0.999_999]) {
      const names = weightedOrder(rows, () => draw).map(({ name }) => name)
      expect(names.slice(0, 2).sort()).toEqual(['a1', 'a2'])
      expect(names.slice(2)).toEqual(['b', 'c'])
    }
    expect(weightedOrder([], () => 0)).toEqual([])
  })

  it('gives each its part', () => {
    const counts = firsts([row('a', 1, 60), row('b', 1, 30), row('c', 1, 10)], 10_000)
    expect(counts.a).toBeGreaterThan(5_800)
    expect(counts.a).toBeLessThan(6_200)
    expect(counts.b).toBeGreaterThan(2_800)
    expect(counts.c).toBeGreaterThan(800)
  })

  it('shares alike where no weight is given, and leaves weight 0 for last where one is', () => {
    const alike = firsts([row('a', 1, 0), row('b', 1, 0)], 1_000)
    expect(Math.abs((alike.a ?? 0) - (alike.b ?? 0))).toBeLessThan(40)
    expect(firsts([row('a', 1, 0), row('b', 1, 5)], 1_000)).toEqual({ b: 1_000 })
  })
})
