import type { Clock } from '../../media/clock.ts'

/** Time that stands still until `advance`. */
export class VirtualMediaClock implements Clock {
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>()
  #nowMs = 0

  get pending(): number {
    return this.#timers.size
  }

  now(): number {
    return this.#nowMs
  }

  schedule(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Runs what falls due, in order, each at its own time. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs
    for (;;) {
      const due = [...this.#timers]
        .filter((timer) => timer.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.#nowMs = due.atMs
      due.run()
    }
    this.#nowMs = untilMs
  }
}
