export interface Weighted {
  /** Lower ones first. */
  readonly priority: number
  /** Its part of what goes to this priority, beside the weights of the others. */
  readonly weight: number
}

/**
 * Rows in the order they are to be tried, drawn anew for each request: by priority, and within one by weight (RFC 2782). A row
 * of weight 0 comes after all others of its priority; where all are 0, they share alike.
 *
 * @param chance draws from 0 to less than 1
 */
export function weightedOrder<Row extends Weighted>(
  rows: readonly Row[],
  chance: () => number,
): readonly Row[] {
  const priorities = [...new Set(rows.map(({ priority }) => priority))].sort((a, b) => a - b)
  return priorities.flatMap((wanted) =>
    drawn(
      rows.filter(({ priority }) => priority === wanted),
      chance,
    ),
  )
}

function drawn<Row extends Weighted>(rows: readonly Row[], chance: () => number): readonly Row[] {
  const [only] = rows
  if (only === undefined || rows.length === 1) return rows
  const next = draw(rows, chance())
  return [next, ...drawn(rows.toSpliced(rows.indexOf(next), 1), chance)]
}

function draw<Row extends Weighted>(rows: readonly Row[], part: number): Row {
  const total = rows.reduce((sum, { weight }) => sum + weight, 0)
  let left = part * (total === 0 ? rows.length : total)
  const found = rows.find(({ weight }) => {
    left -= total === 0 ? 1 : weight
    return left < 0
  })
  // Rounding may leave a rest of nothing behind the last one.
  const chosen = found ?? rows.at(-1)
  if (chosen === undefined) throw new Error('nothing to draw from')
  return chosen
}
