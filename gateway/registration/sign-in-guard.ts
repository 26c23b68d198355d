import { SipFailure } from '../../sip/failure.ts'
import type { Flow } from '../../sip/flow.ts'
import type { Header } from '../../sip/message/message.ts'
import { TokenBucket } from '../../sip/token-bucket.ts'
import { verdictOf } from '../diagnosis.ts'
import { reasonHeader } from '../failure.ts'
import { GuessLimiter } from './guess-limiter.ts'

/** Wrong passwords and tokens one WebSocket may try before it is cut. */
const MAX_FAILURES_PER_FLOW = 10
/** Old nonces that one WebSocket may send before each more is a failure: a client has one new one after each. */
const STALE_PER_SECOND = 0.1
const STALE_BURST = 10

export interface BarredRefusal {
  readonly status: number
  readonly headers: readonly Header[]
}

/** Makes guessing slow and dear, whoever judges the passwords: a WebSocket that goes on is cut, an address is barred for a while. */
export class SignInGuard {
  readonly #nowMs: () => number
  readonly #failures = new WeakMap<Flow, number>()
  readonly #stale = new WeakMap<Flow, TokenBucket>()
  readonly #guesses = new GuessLimiter()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Whether wrong credentials have come by this WebSocket. */
  hasFailed(flow: Flow): boolean {
    return this.#failures.has(flow)
  }

  /**
   * As `refusal`, of what comes by a WebSocket. A user who has signed in by it (`isKnown`), and guessed nothing, goes on: a stranger
   * at the same address must not end their calls.
   */
  refusalOf(flow: Flow, isKnown: boolean): BarredRefusal | undefined {
    return isKnown && !this.hasFailed(flow) ? undefined : this.refusal(flow.remote.address)
  }

  /** What whoever comes from a barred address is told: to come again. Undefined: it is not barred. */
  refusal(address: string): BarredRefusal | undefined {
    const barredMs = this.#guesses.barredForMs(address, this.#nowMs())
    if (barredMs === 0) return undefined
    const verdict = verdictOf(new SipFailure('sip.barred'))
    const retry = { name: 'Retry-After', value: String(Math.ceil(barredMs / 1_000)) }
    return { status: verdict.status, headers: [retry, reasonHeader(verdict)] }
  }

  /** Wrong credentials came from this address. */
  failedFrom(address: string): void {
    this.#guesses.failed(address, this.#nowMs())
  }

  /** Credentials with an old nonce, of which nobody knows whether they were right, came by this WebSocket; it may be closed now. */
  stale(flow: Flow): void {
    const nowMs = this.#nowMs()
    const bucket = this.#stale.get(flow) ?? new TokenBucket(STALE_PER_SECOND, STALE_BURST, nowMs)
    this.#stale.set(flow, bucket)
    if (!bucket.take(nowMs)) this.failed(flow)
  }

  /** Wrong credentials came by this WebSocket; it may be closed now. */
  failed(flow: Flow): void {
    const failures = (this.#failures.get(flow) ?? 0) + 1
    this.#failures.set(flow, failures)
    this.failedFrom(flow.remote.address)
    if (failures >= MAX_FAILURES_PER_FLOW) flow.close('too many failed sign-ins')
  }
}
