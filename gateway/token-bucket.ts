/** Lets so many through in a minute, all at once or one by one. Pure: time is given. */
export class TokenBucket {
  readonly #perMinute: number
  #tokens: number
  #atMs: number

  /** `perMinute`: at least 1. It starts full. */
  constructor(perMinute: number, nowMs: number) {
    this.#perMinute = perMinute
    this.#tokens = perMinute
    this.#atMs = nowMs
  }

  /** False: none is left. */
  take(nowMs: number): boolean {
    if (!this.hasOne(nowMs)) return false
    this.#tokens -= 1
    return true
  }

  hasOne(nowMs: number): boolean {
    const gained = (Math.max(nowMs - this.#atMs, 0) * this.#perMinute) / 60_000
    this.#tokens = Math.min(this.#perMinute, this.#tokens + gained)
    this.#atMs = Math.max(nowMs, this.#atMs)
    // What was gained in many small steps is a whole one all the same.
    return this.#tokens > 1 - 1e-6
  }
}
