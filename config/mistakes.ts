import type { Mistake } from './failure.ts'
import type { Settings } from './settings.ts'

/** A rule about more than one value. It is asked only when the keys it reads are each right by themselves. */
export interface CrossCheck {
  readonly keys: readonly string[]
  find(settings: Settings, isDemo: boolean): readonly Mistake[]
}

export const when = (isWrong: boolean, key: string, expected: string, seen: string): readonly Mistake[] =>
  isWrong ? [{ key, expected, seen }] : []

/** Every row whose identity an earlier row has already. */
export function repeated<Row>(
  list: string,
  rows: readonly Row[],
  what: string,
  identity: (row: Row) => string,
): readonly Mistake[] {
  const first = new Map<string, number>()
  return rows.flatMap((row, index) => {
    const name = identity(row)
    const earlier = first.get(name)
    if (earlier === undefined) first.set(name, index)
    return when(
      earlier !== undefined,
      `${list}[${index}]`,
      `a ${what} of its own`,
      `that of ${list}[${earlier}]`,
    )
  })
}

/** A key of a mapping, whose defaults are not filled in. */
export const isGiven = (value: unknown): boolean => value !== undefined && value !== null
