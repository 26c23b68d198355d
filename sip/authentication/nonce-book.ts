import { createHmac, timingSafeEqual } from 'node:crypto'
import { detached } from '../message/characters.ts'

export interface NonceOptions {
  readonly realm: string
  /** Process secret; under another one every nonce is stale. */
  readonly secret: string
  readonly lifetimeMs: number
  /** Nonces in use whose count is remembered at most. */
  readonly maxNonces: number
}

export type NonceState = 'fresh' | 'stale'

/**
 * Issues nonces without remembering them: `time, serial, HMAC(time, serial, realm)`, in hex. Only a nonce that someone
 * has proven a password with takes room, for its highest count. When that table is full, its oldest entry goes, and
 * every nonce not younger than that one is stale from then on, so that forgetting never permits a replay.
 */
export class NonceBook {
  readonly #options: NonceOptions
  /** Nonce to the highest count accepted; insertion order is order of first use. */
  readonly #counts = new Map<string, number>()
  #serial = 0
  #staleUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: NonceOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#counts.size
  }

  issue(nowMs: number): string {
    // The serial keeps two clients challenged in one millisecond from sharing a count.
    this.#serial = (this.#serial + 1) % 0x1_0000_0000
    const stamp = hex(Math.trunc(nowMs), 12) + hex(this.#serial, 8)
    return stamp + this.#sign(stamp)
  }

  /** Whether a nonce is ours and not expired. */
  judge(nonce: string, nowMs: number): NonceState {
    const issuedAtMs = this.#issuedAtMs(nonce)
    if (issuedAtMs === undefined || issuedAtMs <= this.#staleUntilMs) return 'stale'
    return nowMs - issuedAtMs > this.#options.lifetimeMs ? 'stale' : 'fresh'
  }

  /** Takes a count once: true when it is above every count taken with this fresh nonce before. */
  take(nonce: string, count: number, nowMs: number): boolean {
    const highest = this.#counts.get(nonce)
    if (highest !== undefined && count <= highest) return false
    if (highest === undefined) this.#makeRoom(nowMs)
    this.#counts.set(highest === undefined ? detached(nonce) : nonce, count)
    return true
  }

  #makeRoom(nowMs: number): void {
    for (const oldest of this.#counts.keys()) {
      const isExpired = this.judge(oldest, nowMs) === 'stale'
      if (!isExpired && this.#counts.size < this.#options.maxNonces) return
      this.#counts.delete(oldest)
      if (!isExpired) this.#staleUntilMs = Math.max(this.#staleUntilMs, this.#issuedAtMs(oldest) ?? 0)
    }
  }

  #issuedAtMs(nonce: string): number | undefined {
    if (!/^[0-9a-f]{52}$/.test(nonce)) return undefined
    const stamp = nonce.slice(0, 20)
    const isOurs = timingSafeEqual(Buffer.from(nonce.slice(20)), Buffer.from(this.#sign(stamp)))
    return isOurs ? Number.parseInt(stamp.slice(0, 12), 16) : undefined
  }

  #sign(stamp: string): string {
    return createHmac('sha256', this.#options.secret)
      .update(`${stamp}:${this.#options.realm}`)
      .digest('hex')
      .slice(0, 32)
  }
}

const hex = (value: number, length: number): string => value.toString(16).padStart(length, '0')
