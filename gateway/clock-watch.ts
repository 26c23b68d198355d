import type { Log } from '../config/logging.ts'

/** A clock is put right by less in the time between two looks. */
const MOVED_MS = 5_000

export interface ClockWatchOptions {
  /** Monotonic. It stands still with the machine: our timers do not know of that time. */
  readonly nowMs: () => number
  /** Of the wall clock. */
  readonly dateMs: () => number
  readonly log: Pick<Log, 'warn'>
  /** Time may have passed that our timers know nothing of. */
  readonly onForward: () => void
}

/**
 * Tells when the wall clock has moved against the monotonic one. Forward, the machine may have been suspended (a virtual one while it
 * is saved or moved), and what a peer keeps for us for a time may be gone there, long before we would ask for it again.
 */
export class ClockWatch {
  readonly #options: ClockWatchOptions
  #offsetMs: number

  constructor(options: ClockWatchOptions) {
    this.#options = options
    this.#offsetMs = options.dateMs() - options.nowMs()
  }

  /** To be called every few seconds. */
  look(): void {
    const { nowMs, dateMs, log, onForward } = this.#options
    const offsetMs = dateMs() - nowMs()
    const movedMs = offsetMs - this.#offsetMs
    this.#offsetMs = offsetMs
    if (Math.abs(movedMs) < MOVED_MS) return
    const byS = Math.round(movedMs / 1_000)
    log.warn('the clock was set, or this machine stood still', { byS })
    if (movedMs > 0) onForward()
  }
}
