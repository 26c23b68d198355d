import type { Config, PartyLimits } from '../../config/config.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { isTrunkParty } from './party.ts'

/** What a user or a trunk may do, its own values put over those of all. */
export interface OwnLimits extends PartyLimits {
  /** Calls at a time that it has placed. */
  readonly maxCalls: number
}

/** The limits of each user and trunk. A user the configuration does not name has those of all users. */
export class PartyLimitTable {
  readonly #limits = new Map<string, OwnLimits>()
  readonly #ofUsers: OwnLimits
  readonly #ofTrunks: OwnLimits
  readonly #maxDurationS: number

  constructor({ users, trunks, limits, calls }: Pick<Config, 'users' | 'trunks' | 'limits' | 'calls'>) {
    const share = (percent: number): number => Math.ceil((calls.maxCalls * percent) / 100)
    this.#maxDurationS = calls.maxDurationS
    this.#ofUsers = limits.user
    this.#ofTrunks = { ...limits.trunk, maxCalls: share(limits.trunk.maxShare) }
    for (const user of users) this.#limits.set(`user:${user.name}`, { ...limits.user, ...user.limits })
    for (const trunk of trunks) {
      const own = { ...limits.trunk, ...trunk.limits }
      this.#limits.set(`trunk:${trunk.name}`, { ...own, maxCalls: share(own.maxShare) })
    }
  }

  /** `party`: `user:alice` or `trunk:pbx`. */
  of(party: string): OwnLimits {
    return this.#limits.get(party) ?? (isTrunkParty(party) ? this.#ofTrunks : this.#ofUsers)
  }

  /** How long a call may last that these take part in or have placed. */
  maxDurationS(parties: readonly string[]): number {
    return Math.min(this.#maxDurationS, ...parties.map((party) => this.of(party).maxDurationS ?? Infinity))
  }
}

/**
 * Throws `limit.destination` for a number that `party` may not call. `forms`: as it is sent first, then other ways to write
 * it; the first has to be allowed, and none of them denied.
 */
export function checkDestination(
  party: string,
  { allow, deny }: Pick<PartyLimits, 'allow' | 'deny'>,
  forms: readonly string[],
): void {
  const denied = forms.find((form) => deny.some((beginning) => form.startsWith(beginning)))
  const [sent = ''] = forms
  const isAllowed = allow.length === 0 || allow.some((beginning) => sent.startsWith(beginning))
  if (denied === undefined && isAllowed) return
  throw new GatewayFailure('limit.destination', { seen: `${party} to ${denied ?? sent}` })
}
