import type { TrunkConfig } from '../config/config.ts'
import { isWorthAnother } from './fail-over.ts'
import { GatewayFailure } from './gateway-failure.ts'
import type { Identity } from './identity.ts'
import type { LegMedia } from './leg.ts'
import type { Parties } from './parties.ts'
import type { PartyPlan } from './plan.ts'
import type { TrunkPath, TrunkTable } from './trunk.ts'
import type { TrunkChoice } from './trunk-choice.ts'
import type { TrunkStates } from './trunk-states.ts'

export interface TrunkPlansOptions {
  readonly trunks: TrunkTable
  readonly parties: Parties
  readonly choice: TrunkChoice
  readonly states: TrunkStates
  /** Calls that a trunk carries now, those that are being set up included. */
  readonly callsOver: (trunk: string) => number
  /** How media looks on the leg of a trunk, from this address of ours. */
  readonly mediaOf: (trunk: TrunkConfig, localAddress: string) => LegMedia
}

/** What is called, and by whom, whichever trunk takes it. */
export interface TrunkCall {
  /** Trunks and groups in the order to try. */
  readonly names: readonly string[]
  readonly number: string
  readonly identity: Identity
}

/** How a call gets to a trunk, and to the next one when that does not take it. */
export class TrunkPlans {
  readonly #options: TrunkPlansOptions

  constructor(options: TrunkPlansOptions) {
    this.#options = options
  }

  /** Throws `trunk.unresolved` when none has an address, `trunk.full` when none has room. */
  plan(call: TrunkCall): PartyPlan {
    const rest = [...this.#options.choice.waysTo(call.names)]
    const first = this.#next(rest, call)
    if (first === undefined) throw new GatewayFailure('trunk.full', { seen: call.names.join(', ') })
    return first
  }

  /** Takes from `rest` what is tried now, and what has no room. */
  #next(rest: TrunkPath[], call: TrunkCall): PartyPlan | undefined {
    for (let path = rest.shift(); path !== undefined; path = rest.shift()) {
      if (this.#hasRoom(path.trunk)) return this.#planBy(path, rest, call)
    }
    return undefined
  }

  #hasRoom({ name, maxCalls }: TrunkConfig): boolean {
    return maxCalls === 0 || this.#options.callsOver(name) < maxCalls
  }

  #planBy(way: TrunkPath, rest: TrunkPath[], call: TrunkCall): PartyPlan {
    const { parties, states, mediaOf } = this.#options
    const { path, ...party } = parties.byPath(way, call.number, call.identity)
    const { trunk, localAddress, remote } = path
    return {
      kind: 'party',
      ...party,
      media: mediaOf(trunk, localAddress),
      passHeaders: trunk.passHeaders,
      redirectHosts: new Set([trunk.host.toLowerCase(), remote.address]),
      onReached: () => states.answered(path),
      next: (how) => {
        if (!isWorthAnother(how)) return undefined
        if (how !== 'unfit') states.failed(path, how)
        return this.#next(rest, call)
      },
    }
  }
}
