import type { BenchOptions } from './arguments.ts'
import type { Cell } from './measurement.ts'

/** All that is to be measured: each round has everything once, the systems in turn, so that they meet the same disturbances. */
export function cellsOf({ scenarios, calls, rounds, systems }: BenchOptions): readonly Cell[] {
  const round = scenarios.flatMap((scenario) =>
    calls.flatMap((count) => systems.map((system): Cell => ({ scenario, system, calls: count }))),
  )
  return Array.from({ length: rounds }, () => round).flat()
}
