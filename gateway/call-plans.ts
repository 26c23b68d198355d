import type { Config } from '../config/config.ts'
import { announcedFor } from '../media/host-candidates.ts'
import type { Flow } from '../sip/flow.ts'
import type { SipRequest, Uri } from '../sip/message.ts'
import type { Admission } from './admission.ts'
import { dialledOf } from './dialled.ts'
import type { Identity } from './identity.ts'
import type { LegMedia } from './leg.ts'
import { Parties, type PartiesOptions } from './parties.ts'
import { partyName } from './party-limits.ts'
import type { AdmittedPlan, CalleePlan, CallerPlan, PartyPlan } from './plan.ts'
import type { Caller, Destination, EmergencyDestination } from './router.ts'
import type { Trunk } from './trunk.ts'
import { TrunkPlans } from './trunk-plans.ts'
import type { TrunkStates } from './trunk-states.ts'

/** Codecs a browser leg may carry; nothing is transcoded. */
const BROWSER_CODECS: readonly string[] = ['opus', 'G722', 'PCMU', 'PCMA']

export interface CallPlansOptions extends PartiesOptions {
  readonly config: Config
  readonly states: TrunkStates
  readonly admission: Admission
  /** Calls that a trunk carries now, both ways. */
  readonly callsOver: (trunk: string) => number
}

/** Where a call leads and what each of its legs is like, with its place among the calls of who placed it. */
export class CallPlans {
  readonly parties: Parties
  readonly #options: CallPlansOptions
  readonly #trunkPlans: TrunkPlans

  constructor(options: CallPlansOptions) {
    this.#options = options
    this.parties = new Parties(options)
    this.#trunkPlans = new TrunkPlans({
      ...options,
      parties: this.parties,
      admit: (trunk, forms) => options.admission.useTrunk(trunk, forms),
      mediaOf: ({ name }, localAddress) => this.#trunkMedia(this.#trunk(name), localAddress),
    })
  }

  /** The caller's leg. `flow`: by which the INVITE came. */
  ofCaller(caller: Caller, flow: Flow): CallerPlan {
    if (caller.kind === 'user') {
      const { user } = caller
      return {
        name: `user:${user}`,
        media: { kind: 'webrtc', codecs: BROWSER_CODECS },
        passHeaders: 'all',
      }
    }
    const trunk = this.#trunk(caller.trunk)
    return {
      name: `trunk:${caller.trunk}`,
      media: this.#trunkMedia(trunk, flow.local.address),
      passHeaders: trunk.config.passHeaders,
    }
  }

  /** Where a call leads that `caller` has dialled; `request`: his INVITE. */
  ofCall(caller: Caller, dialled: string, request: SipRequest): AdmittedPlan {
    const destination = this.parties.router.route(dialled, caller)
    return this.#planFor(partyName(caller), destination, this.parties.identityOf(request, caller))
  }

  /** A transfer leads where a call of the transferor would; a trunk may send the call back to itself too. */
  ofTransfer(party: string, target: Uri): AdmittedPlan {
    const { router } = this.parties
    const caller = callerOf(party)
    const dialled = dialledOf(target, this.#options.config.numbers)
    const destination =
      caller.kind === 'trunk'
        ? (router.find(dialled, caller) ?? router.toTrunk(caller.trunk, dialled))
        : router.route(dialled, caller)
    return this.#planFor(party, destination, this.parties.knownIdentityOf(caller), true)
  }

  /** Takes a place, and plans the way. Throws what refuses either; no place is taken then. */
  #planFor(payer: string, destination: Destination, identity: Identity, isTransfer = false): AdmittedPlan {
    const ticket = this.#options.admission.enter({
      payer,
      forms: destination.kind === 'trunk' ? destination.forms : undefined,
      isEmergency: destination.kind === 'emergency',
      isTransfer,
    })
    try {
      return { ticket, callee: this.#plan(destination, identity) }
    } catch (error) {
      ticket.release()
      throw error
    }
  }

  #plan(destination: Destination, identity: Identity): CalleePlan {
    switch (destination.kind) {
      case 'application':
        return { kind: 'application', name: `app:${destination.name}`, application: destination.name }
      case 'users':
        return this.#toUsers(destination.users, destination.number, identity)
      case 'trunk':
        return this.#trunkPlans.plan({
          names: [destination.trunk],
          number: destination.number,
          forms: destination.forms,
          identity,
          isEmergency: false,
        })
      case 'emergency':
        return this.#toEmergency(destination, identity)
      default:
        return destination satisfies never
    }
  }

  #trunk(name: string): Trunk {
    const trunk = this.#options.trunks.get(name)
    if (trunk === undefined) throw new Error(`no trunk ${name}`)
    return trunk
  }

  #trunkMedia(trunk: Trunk, localAddress: string): LegMedia {
    return {
      kind: 'rtp',
      ...trunk.media,
      localAddress,
      announced: announcedFor(localAddress, this.#options.config.udp.announced),
    }
  }

  #toUsers(users: readonly string[], number: string | undefined, identity: Identity): PartyPlan {
    return {
      kind: 'party',
      ...this.parties.ofUsers(users, number, identity),
      media: { kind: 'webrtc', codecs: BROWSER_CODECS },
      passHeaders: 'all',
      redirectHosts: new Set(),
    }
  }

  /** Who asks for help is not hidden: it is called back, and found, by its number. */
  #toEmergency({ trunks, number }: EmergencyDestination, identity: Identity): PartyPlan {
    return this.#trunkPlans.plan({
      names: trunks,
      number,
      forms: [number],
      identity: {
        ...identity,
        number: identity.number ?? this.#options.config.emergency?.callerId,
        isPrivate: false,
      },
      isEmergency: true,
    })
  }
}

/** The caller behind `user:alice` or `trunk:pbx`. */
function callerOf(party: string): Caller {
  const name = party.slice(party.indexOf(':') + 1)
  return party.startsWith('trunk:') ? { kind: 'trunk', trunk: name } : { kind: 'user', user: name }
}
