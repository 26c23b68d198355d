import { TokenBucket } from '../token-bucket.ts'

/** Re-INVITEs and offers in UPDATE of one peer in one dialog: faster than anybody presses hold, and each costs us a description. */
const OFFERS_PER_SECOND = 2
const OFFER_BURST = 20

export const offerRate = (nowMs: number): TokenBucket =>
  new TokenBucket(OFFERS_PER_SECOND, OFFER_BURST, nowMs)
