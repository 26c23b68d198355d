import type { TrunkConfig } from '../../config/config.ts'
import type { Uri } from '../../sip/message/message.ts'
import { isWorthAnother } from '../calls/fail-over.ts'
import type { Identity } from '../calls/identity.ts'
import type { LegMedia } from '../calls/leg.ts'
import type { Parties } from '../calls/parties.ts'
import type { PartyPlan } from '../calls/plan.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { TrunkPath, TrunkTable } from './trunk.ts'
import { domainAt } from './trunk-account.ts'
import type { TrunkChoice } from './trunk-choice.ts'
import type { TrunkStates } from './trunk-states.ts'

export interface TrunkPlansOptions {
  readonly trunks: TrunkTable
  readonly parties: Parties
  readonly choice: TrunkChoice
  readonly states: TrunkStates
  /** Calls that a trunk carries now, those that are being set up included. */
  readonly callsOver: (trunk: string) => number
  /** Throws when the trunk is not for this number, or takes no more calls now. */
  readonly admit: (trunk: string, forms: readonly string[]) => void
  /** How media looks on the leg of a trunk, from this address of ours. */
  readonly mediaOf: (trunk: TrunkConfig, localAddress: string, isEmergency: boolean) => LegMedia
}

/** What is called, and by whom, whichever trunk takes it. */
export interface TrunkCall {
  /** Trunks and groups in the order to try. */
  readonly names: readonly string[]
  readonly number: string
  /** As `Destination` has them. */
  readonly forms: readonly string[]
  readonly identity: Identity
  /** Throws when the trunk may not send the call on to there: to a number that could not have been dialled. */
  readonly checkRedirection: (trunk: string, uri: Uri) => void
  /** Goes out by whatever trunk takes it: full or not, allowed or not, and by the next after any refusal. */
  readonly isEmergency: boolean
}

/** What each trunk asked so far has said to a call; undefined: it takes it. */
type Verdicts = Map<string, GatewayFailure | undefined>

/** How a call gets to a trunk, and to the next one when that does not take it. */
export class TrunkPlans {
  readonly #options: TrunkPlansOptions

  constructor(options: TrunkPlansOptions) {
    this.#options = options
  }

  /**
   * Throws `trunk.unresolved` when none has an address, `trunk.full` when none has room, `limit.destination` and `limit.rate`
   * when none is for this call.
   */
  plan(call: TrunkCall): PartyPlan {
    const rest = [...this.#options.choice.waysTo(call.names)]
    const verdicts: Verdicts = new Map()
    const first = this.#next(rest, call, verdicts)
    if (first !== undefined) return first
    const refusals = [...verdicts.values()].filter((verdict) => verdict !== undefined)
    throw refusals[0] ?? new GatewayFailure('trunk.full', { seen: call.names.join(', ') })
  }

  /** Takes from `rest` what is tried now, and what has no room. `left`: the trunk that the call still counts for, and leaves. */
  #next(rest: TrunkPath[], call: TrunkCall, verdicts: Verdicts, left?: string): PartyPlan | undefined {
    for (let path = rest.shift(); path !== undefined; path = rest.shift()) {
      if (call.isEmergency || this.#isOpen(path.trunk, call, verdicts, left)) {
        return this.#planBy(path, rest, call, verdicts)
      }
    }
    return undefined
  }

  /** A trunk is asked once for a call, however many addresses it has. */
  #isOpen(
    { name, maxCalls }: TrunkConfig,
    { forms }: TrunkCall,
    verdicts: Verdicts,
    left: string | undefined,
  ): boolean {
    const others = (): number => this.#options.callsOver(name) - (name === left ? 1 : 0)
    if (maxCalls !== 0 && others() >= maxCalls) return false
    if (verdicts.has(name)) return verdicts.get(name) === undefined
    try {
      this.#options.admit(name, forms)
      verdicts.set(name, undefined)
      return true
    } catch (error) {
      if (!(error instanceof GatewayFailure)) throw error
      verdicts.set(name, error)
      return false
    }
  }

  #planBy(way: TrunkPath, rest: TrunkPath[], call: TrunkCall, verdicts: Verdicts): PartyPlan {
    const { parties, states, mediaOf } = this.#options
    const { path, ...party } = parties.byPath(way, call.number, call.identity)
    const { trunk, localAddress, remote } = path
    return {
      kind: 'party',
      ...party,
      media: mediaOf(trunk, localAddress, call.isEmergency),
      passHeaders: trunk.passHeaders,
      isEmergency: call.isEmergency,
      redirectHosts: new Set([trunk.host.toLowerCase(), domainAt(trunk).toLowerCase(), remote.address]),
      checkRedirection: (uri) => call.checkRedirection(trunk.name, uri),
      onReached: () => states.answered(path),
      trouble: (how) => states.troubleOf(path.trunk.name, how),
      next: (how) => {
        if (!call.isEmergency && !isWorthAnother(how)) return undefined
        if (how !== 'unfit' && how !== 'overload' && isWorthAnother(how)) states.failed(path, how)
        // A refusal is that of the trunk, at whichever of its addresses.
        if (!isWorthAnother(how)) removeWaysOf(trunk.name, rest)
        return this.#next(rest, call, verdicts, trunk.name)
      },
    }
  }
}

function removeWaysOf(trunk: string, ways: TrunkPath[]): void {
  ways.splice(0, ways.length, ...ways.filter((way) => way.trunk.name !== trunk))
}
