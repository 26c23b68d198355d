import type { SessionTerms } from '../dialog/session-terms.ts'
import type { Machine } from '../transaction/state-table.ts'

export type SessionTimerInput =
  /** A request that refreshes the session was answered 2xx, by whomever it was sent. */
  | { readonly kind: 'agreed'; readonly terms: SessionTerms }
  /** The same, but without a timer. */
  | { readonly kind: 'off' }
  | { readonly kind: 'timeout' }

export type SessionTimerOutput = { readonly kind: 'refresh' } | { readonly kind: 'expire' }

/** A refresh that came to nothing is tried again after this share of the interval: seven times before the end. */
const RETRY_SHARE = 16

/**
 * The timer of one session (RFC 4028 §10). Whoever refreshes does so at half the interval, and again while no refresh
 * succeeds. The session ends at the interval, and for the side that waits for the other's refresh a little before.
 */
export class SessionTimer implements Machine<SessionTimerInput, SessionTimerOutput> {
  #refreshMs: number | undefined
  #retryMs = 0
  #expireMs: number | undefined

  get deadlineMs(): number | undefined {
    return this.#refreshMs === undefined || this.#expireMs === undefined
      ? this.#expireMs
      : Math.min(this.#refreshMs, this.#expireMs)
  }

  handle(input: SessionTimerInput, nowMs: number): readonly SessionTimerOutput[] {
    switch (input.kind) {
      case 'agreed':
        this.#start(input.terms, nowMs)
        return []
      case 'off':
        this.#stop()
        return []
      case 'timeout':
        return this.#onTimeout(nowMs)
      default:
        return input satisfies never
    }
  }

  #start({ intervalS, refresher }: SessionTerms, nowMs: number): void {
    const intervalMs = intervalS * 1_000
    const marginMs = refresher === 'us' ? 0 : Math.min(32_000, Math.floor(intervalMs / 3))
    this.#expireMs = nowMs + intervalMs - marginMs
    this.#refreshMs = refresher === 'us' ? nowMs + intervalMs / 2 : undefined
    this.#retryMs = intervalMs / RETRY_SHARE
  }

  #stop(): void {
    this.#expireMs = undefined
    this.#refreshMs = undefined
  }

  #onTimeout(nowMs: number): readonly SessionTimerOutput[] {
    if (this.#expireMs !== undefined && nowMs >= this.#expireMs) {
      this.#stop()
      return [{ kind: 'expire' }]
    }
    if (this.#refreshMs === undefined || nowMs < this.#refreshMs) return []
    this.#refreshMs = nowMs + this.#retryMs
    return [{ kind: 'refresh' }]
  }
}
