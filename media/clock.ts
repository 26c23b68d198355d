/** Time as the media plane sees it; tests make their own. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number
  /** Runs `run` once after `delayMs`; the result cancels it. */
  schedule(delayMs: number, run: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  schedule(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
}
