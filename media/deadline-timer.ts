import type { Clock } from './clock.ts'

/**
 * What every leg or call does every few seconds is done at multiples of this: with a thousand calls one wake-up then serves
 * sixty of them, where each by itself costs more to wake up for than to do.
 */
const ROUND_MS = 100

/** The next moment, at or after `atMs`, at which what is periodic and need not be punctual is done. Milliseconds of one clock. */
export function nextRoundMs(atMs: number): number {
  return Math.ceil(atMs / ROUND_MS) * ROUND_MS
}

/** The single timeout of a machine: `set` moves it, and it goes off once. */
export class DeadlineTimer {
  readonly #clock: Clock
  readonly #run: () => void
  #deadlineMs: number | undefined
  #cancel: (() => void) | undefined

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock
    this.#run = run
  }

  set(deadlineMs: number | undefined): void {
    if (deadlineMs === this.#deadlineMs) return
    this.#cancel?.()
    this.#deadlineMs = deadlineMs
    this.#cancel =
      deadlineMs === undefined
        ? undefined
        : this.#clock.schedule(Math.max(0, Math.ceil(deadlineMs - this.#clock.now())), () => this.#fire())
  }

  #fire(): void {
    this.#deadlineMs = undefined
    this.#cancel = undefined
    this.#run()
  }
}

/** The earliest of those that are set. */
export function earliest(...deadlines: readonly (number | undefined)[]): number | undefined {
  const set = deadlines.filter((deadline) => deadline !== undefined)
  return set.length === 0 ? undefined : Math.min(...set)
}
