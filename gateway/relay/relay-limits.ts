import { GatewayFailure } from '../gateway-failure.ts'

/** Relayed requests without an answer: of one scope (a WebSocket, a trunk), and in all. */
export const MAX_PENDING_PER_SCOPE = 32
export const MAX_PENDING = 1_024

/**
 * Counts what waits for an answer. A request of a relay takes transactions of calls for up to 32 seconds when the other
 * side is silent; so only so many may wait.
 */
export class RelayLimits {
  readonly #perScope = new Map<string, number>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Returns how to leave, once. Throws `relay.overload`. */
  enter(scope: string): () => void {
    const inScope = this.#perScope.get(scope) ?? 0
    if (inScope >= MAX_PENDING_PER_SCOPE || this.#size >= MAX_PENDING) {
      throw new GatewayFailure('relay.overload', {
        expected: `at most ${MAX_PENDING_PER_SCOPE} of one peer and ${MAX_PENDING} in all`,
      })
    }
    this.#perScope.set(scope, inScope + 1)
    this.#size += 1
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      this.#size -= 1
      const left = (this.#perScope.get(scope) ?? 1) - 1
      if (left === 0) this.#perScope.delete(scope)
      else this.#perScope.set(scope, left)
    }
  }
}
