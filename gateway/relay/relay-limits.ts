import { GatewayFailure } from '../gateway-failure.ts'

/** How many there may be at a time: of one party, and in all. */
export interface RelayMost {
  readonly each: number
  readonly all: number
}

/**
 * Relayed requests without an answer, by scope (a WebSocket, a trunk). A request of a relay takes transactions of calls for up to
 * 32 seconds when the other side is silent; so only so many may wait.
 */
export const PENDING_MOST: RelayMost = { each: 32, all: 1_024 }

/**
 * Relayed subscriptions, by user or trunk. Each takes two places among the subscriptions of the stack, which knows of connections
 * and not of users: whoever opens many of them gets no more than this.
 */
export const SUBSCRIPTIONS_MOST: RelayMost = { each: 512, all: 5_000 }

/** Counts what is under way. */
export class RelayLimits {
  readonly #most: RelayMost
  readonly #counts = new Map<string, number>()
  #size = 0

  constructor(most: RelayMost) {
    this.#most = most
  }

  get size(): number {
    return this.#size
  }

  /** Returns how to leave; may be called twice. Throws `relay.overload`. */
  enter(party: string): () => void {
    const { each, all } = this.#most
    const count = this.#counts.get(party) ?? 0
    if (count >= each || this.#size >= all) {
      throw new GatewayFailure('relay.overload', {
        expected: `at most ${each} of one peer and ${all} in all`,
      })
    }
    this.#counts.set(party, count + 1)
    this.#size += 1
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      this.#size -= 1
      const left = (this.#counts.get(party) ?? 1) - 1
      if (left === 0) this.#counts.delete(party)
      else this.#counts.set(party, left)
    }
  }
}
