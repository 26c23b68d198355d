import { TokenBucket } from '../../sip/token-bucket.ts'
import { addressGroup } from '../../sip/transport/address-group.ts'

/** Wrong credentials that one address may send: an office of people who mistype, not a dictionary. */
const FAILURES_PER_SECOND = 2
const FAILURE_BURST = 60
/** How long an address that has used them up is refused without a look, and without a log line. */
const BARRED_MS = 10_000
/** Addresses that are remembered; beyond it the one that failed longest ago is forgotten. */
const MAX_ADDRESSES = 4_096

interface Entry {
  readonly bucket: TokenBucket
  barredUntilMs: number
}

/** Slows down guesses at passwords, by address (IPv4, or IPv6 /64). Only failures count. Pure: the time is given. */
export class GuessLimiter {
  /** Least recently failed first. */
  readonly #entries = new Map<string, Entry>()

  isBarred(address: string, nowMs: number): boolean {
    return this.barredForMs(address, nowMs) > 0
  }

  /** 0: not at all. */
  barredForMs(address: string, nowMs: number): number {
    return Math.max(0, (this.#entries.get(addressGroup(address))?.barredUntilMs ?? 0) - nowMs)
  }

  failed(address: string, nowMs: number): void {
    const key = addressGroup(address)
    const entry = this.#entries.get(key) ?? {
      bucket: new TokenBucket(FAILURES_PER_SECOND, FAILURE_BURST, nowMs),
      barredUntilMs: 0,
    }
    if (!entry.bucket.take(nowMs)) entry.barredUntilMs = nowMs + BARRED_MS
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > MAX_ADDRESSES && oldest !== undefined) this.#entries.delete(oldest)
  }
}
