/** A rate with a burst: it starts full. Pure: the time is the caller's. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #filledMs: number

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
    this.#filledMs = nowMs
  }

  /** False when so much is not left; then nothing is taken. */
  take(nowMs: number, amount = 1): boolean {
    const passedMs = Math.max(0, nowMs - this.#filledMs)
    this.#tokens = Math.min(this.#burst, this.#tokens + (passedMs * this.#perSecond) / 1_000)
    this.#filledMs = Math.max(nowMs, this.#filledMs)
    // What was gained in many small steps is a whole one all the same.
    if (this.#tokens <= amount - 1e-6) return false
    this.#tokens -= amount
    return true
  }
}
