import { TokenBucket } from './token-bucket.ts'

export interface Rate {
  readonly perSecond: number
  /** So many at once, before that counts. */
  readonly burst: number
}

/** Parties whose rates are remembered. Past it the one that was heard of longest ago starts anew: it has been quiet for longest. */
export const MAX_RATED_PARTIES = 10_000

/** How often each party may do a thing. */
export class PartyRates {
  readonly #buckets = new Map<string, TokenBucket>()

  get size(): number {
    return this.#buckets.size
  }

  /** False when the party has had all that it may. */
  take(party: string, { perSecond, burst }: Rate, nowMs: number): boolean {
    const bucket = this.#buckets.get(party) ?? new TokenBucket(perSecond, burst, nowMs)
    this.#buckets.delete(party)
    this.#buckets.set(party, bucket)
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size > MAX_RATED_PARTIES && oldest !== undefined) this.#buckets.delete(oldest)
    return bucket.take(nowMs)
  }
}
