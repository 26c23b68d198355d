/**
 * Lets `burst` events through at once and `perSecond` on average. Time is given by the caller. As `sip/token-bucket.ts`, which this
 * layer may not import; here time begins with the first event.
 */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #lastMs: number | undefined

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
  }

  take(nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - (this.#lastMs ?? nowMs))
    this.#lastMs = nowMs
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSecond) / 1000)
    // What was gained in many small steps is a whole one all the same.
    if (this.#tokens <= 1 - 1e-6) return false
    this.#tokens -= 1
    return true
  }
}
