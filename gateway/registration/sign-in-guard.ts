import type { Flow } from '../../sip/flow.ts'
import { GuessLimiter } from './guess-limiter.ts'

/** Wrong passwords and tokens one WebSocket may try before it is cut. */
const MAX_FAILURES_PER_FLOW = 10

/** Makes guessing slow and dear, whoever judges the passwords: a WebSocket that goes on is cut, an address is barred for a while. */
export class SignInGuard {
  readonly #nowMs: () => number
  readonly #failures = new WeakMap<Flow, number>()
  readonly #guesses = new GuessLimiter()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Whoever comes from this address is refused without a look. */
  isBarred(address: string): boolean {
    return this.#guesses.isBarred(address, this.#nowMs())
  }

  /** Wrong credentials came from this address. */
  failedFrom(address: string): void {
    this.#guesses.failed(address, this.#nowMs())
  }

  /** Wrong credentials came by this WebSocket; it may be closed now. */
  failed(flow: Flow): void {
    const failures = (this.#failures.get(flow) ?? 0) + 1
    this.#failures.set(flow, failures)
    this.failedFrom(flow.remote.address)
    if (failures >= MAX_FAILURES_PER_FLOW) flow.close('too many failed sign-ins')
  }
}
