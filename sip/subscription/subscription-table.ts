import type { DialogId, DialogUser } from '../dialog/stack.ts'
import { dialogKey } from '../transaction/transaction-key.ts'

export interface SubscriptionLimits {
  /** Of both roles, those that wait for an answer included. */
  readonly maxSubscriptions: number
  /** Those that peers made through one flow scope: a WebSocket, or a trunk. */
  readonly maxSubscriptionsPerScope: number
}

/** A panel of a hundred lamps fits, with a few packages for each of its owner's devices. */
const DEFAULT_SUBSCRIPTION_LIMITS: SubscriptionLimits = {
  maxSubscriptions: 10_000,
  maxSubscriptionsPerScope: 256,
}

/**
 * Every subscription and the dialogs they are found by. Apart from the table of calls, so that no number of
 * subscriptions takes the place of a call.
 */
export class SubscriptionTable {
  readonly #limits: SubscriptionLimits
  readonly #users = new Map<string, DialogUser>()
  readonly #perScope = new Map<string, number>()
  #size = 0

  constructor(limits: Partial<SubscriptionLimits>) {
    this.#limits = {
      maxSubscriptions: limits.maxSubscriptions ?? DEFAULT_SUBSCRIPTION_LIMITS.maxSubscriptions,
      maxSubscriptionsPerScope:
        limits.maxSubscriptionsPerScope ?? DEFAULT_SUBSCRIPTION_LIMITS.maxSubscriptionsPerScope,
    }
  }

  get size(): number {
    return this.#size
  }

  /** Takes a place, of the scope too when one is given. Returns how to give it back, or undefined when there is none. */
  enter(scope: string | undefined): (() => void) | undefined {
    const inScope = scope === undefined ? 0 : (this.#perScope.get(scope) ?? 0)
    const { maxSubscriptions, maxSubscriptionsPerScope } = this.#limits
    if (this.#size >= maxSubscriptions || inScope >= maxSubscriptionsPerScope) return undefined
    this.#size += 1
    if (scope !== undefined) this.#perScope.set(scope, inScope + 1)
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      this.#size -= 1
      if (scope !== undefined) this.#leaveScope(scope)
    }
  }

  add(scope: string, id: DialogId, user: DialogUser): void {
    this.#users.set(keyOf(scope, id), user)
  }

  remove(scope: string, id: DialogId, user: DialogUser): void {
    const key = keyOf(scope, id)
    if (this.#users.get(key) === user) this.#users.delete(key)
  }

  /** A subscription of ours is known by its own tag alone: which NOTIFY makes its dialog is for it to say. */
  find(scope: string, id: DialogId): DialogUser | undefined {
    return this.#users.get(keyOf(scope, id)) ?? this.#users.get(keyOf(scope, { ...id, remoteTag: '' }))
  }

  #leaveScope(scope: string): void {
    const left = (this.#perScope.get(scope) ?? 1) - 1
    if (left === 0) this.#perScope.delete(scope)
    else this.#perScope.set(scope, left)
  }
}

const keyOf = (scope: string, { callId, localTag, remoteTag }: DialogId): string =>
  dialogKey(scope, callId, localTag, remoteTag)
