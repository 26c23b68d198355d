/** What one step said: within the limits, beyond them, or the generator could not drive so many calls. */
export type Verdict = 'holds' | 'fails' | 'unknown'

export interface Capacity {
  /** The most calls within the limits; 0 when no step was. */
  readonly calls: number
  /** Whether more was not tried, for the generator was at its end. */
  readonly isAtLeast: boolean
}

const STEP = 1.15
const ROUND_TO = 50
const MOST_STEPS = 12

/**
 * Steps up from `start` while it holds, and down from there when the first step does not. Each step is 15 % away from the one
 * before, so the answer is right to that.
 */
export async function findCapacity(
  start: number,
  most: number,
  judge: (calls: number) => Promise<Verdict>,
): Promise<Capacity> {
  let calls = Math.min(most, rounded(start))
  let best = 0
  let direction: 'up' | 'down' | undefined
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const verdict = await judge(calls)
    if (verdict === 'unknown') return { calls: best, isAtLeast: true }
    const holds = verdict === 'holds'
    if (holds) best = Math.max(best, calls)
    if (direction === undefined) direction = holds ? 'up' : 'down'
    // The end: the first that fails on the way up, the first that holds on the way down.
    if (holds === (direction === 'down')) return { calls: best, isAtLeast: false }
    if (holds && calls >= most) return { calls: best, isAtLeast: true }
    calls = direction === 'up' ? Math.min(most, stepUp(calls)) : stepDown(calls)
    if (calls === 0) break
  }
  return { calls: best, isAtLeast: direction === 'up' }
}

const stepUp = (calls: number): number => Math.max(calls + ROUND_TO, rounded(calls * STEP))
const stepDown = (calls: number): number => Math.min(calls - ROUND_TO, rounded(calls / STEP))
const rounded = (calls: number): number => Math.max(ROUND_TO, Math.round(calls / ROUND_TO) * ROUND_TO)
