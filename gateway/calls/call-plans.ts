import type { Config } from '../../config/config.ts'
import { UPSTREAM } from '../../config/upstream.ts'
import { announcedFor } from '../../media/ice/host-candidates.ts'
import type { NameAddr, Uri } from '../../sip/message/message.ts'
import type { IncomingInvite } from '../../sip/user-agent.ts'
import { dialledOf } from '../trunks/dialled.ts'
import { type Caller, type Destination, type EmergencyDestination, isPbx } from '../trunks/router.ts'
import type { Trunk } from '../trunks/trunk.ts'
import type { TrunkChoice } from '../trunks/trunk-choice.ts'
import { TrunkPlans } from '../trunks/trunk-plans.ts'
import type { TrunkStates } from '../trunks/trunk-states.ts'
import type { Admission, Asked } from './admission.ts'
import { fromForUser, type Identity } from './identity.ts'
import type { LegMedia } from './leg.ts'
import { Parties, type PartiesOptions, type Party, type UpstreamParty } from './parties.ts'
import { callerOf, partyName } from './party.ts'
import type { AdmittedPlan, CalleePlan, CallerPlan, PartyPlan } from './plan.ts'
import type { Side } from './side.ts'

/** Codecs a browser leg may carry; nothing is transcoded. */
const BROWSER_CODECS: readonly string[] = ['opus', 'G722', 'PCMU', 'PCMA']

export interface CallPlansOptions extends PartiesOptions {
  readonly config: Config
  readonly choice: TrunkChoice
  readonly states: TrunkStates
  readonly admission: Admission
  /** Calls that a trunk carries now, both ways. */
  readonly callsOver: (trunk: string) => number
}

/** Who takes part in a transfer: `identity` where the party does not say who. */
type TransferParty = Pick<Side, 'party' | 'identity'>

/** Whom the target of a transfer talks to, and who has made it. */
interface Transferred {
  readonly shown: Identity
  readonly by: Identity
}

/** Where a call leads and what each of its legs is like, with its place among the calls of the party that placed it. */
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
      mediaOf: ({ name }, localAddress, isEmergency) =>
        this.#trunkMedia(this.#trunk(name), localAddress, isEmergency),
    })
  }

  /** The caller's leg. */
  ofCaller(caller: Caller, { request, flow }: Pick<IncomingInvite, 'request' | 'flow'>): CallerPlan {
    const identity = this.parties.identityOf(request, caller)
    if (caller.kind === 'user') {
      const { user } = caller
      return {
        name: `user:${user}`,
        identity,
        media: { kind: 'webrtc', codecs: BROWSER_CODECS },
        passHeaders: 'all',
      }
    }
    const trunk = this.#trunk(caller.trunk)
    return {
      name: `trunk:${caller.trunk}`,
      identity,
      media: this.#trunkMedia(trunk, flow.local.address),
      passHeaders: trunk.config.passHeaders,
    }
  }

  /** Where a call leads that `caller` has dialled; `invite`: the caller's. */
  ofCall(
    caller: Caller,
    identity: Identity,
    dialled: string,
    invite: Pick<IncomingInvite, 'request' | 'flow'>,
  ): AdmittedPlan {
    const payer = partyName(caller)
    if (isPbx(caller)) {
      // It calls what it has registered, not numbers.
      return this.#admitted({ payer, forms: undefined, isEmergency: false }, () =>
        this.#toBrowsers(this.parties.ofPbx(invite.request, identity)),
      )
    }
    const destination = this.parties.destinationOf(caller, dialled, invite.request)
    return this.#planFor(payer, destination, identity, () => this.parties.toPbx(caller, invite))
  }

  /**
   * A transfer leads where a call of the transferor would; a trunk may send the call back to itself too. `far`: who will talk to the
   * target, and whom a user is shown. A trunk is shown the transferor, who pays.
   */
  ofTransfer(transferor: TransferParty, target: Uri, far: TransferParty): AdmittedPlan {
    const { router } = this.parties
    const { party } = transferor
    const caller = callerOf(party)
    if (isPbx(caller)) {
      // What the PBX asks of a call of a user's, it asks of that user.
      const asked = { payer: party, forms: undefined, isEmergency: false, isTransfer: true }
      return this.#admitted(asked, () => this.#toPbx(this.parties.toPbxFor(callerOf(far.party), target)))
    }
    const { numbers, emergency } = this.#options.config
    const dialled = dialledOf(target, numbers, emergency?.numbers)
    const destination =
      caller.kind === 'trunk'
        ? (router.find(dialled, caller) ?? router.toTrunk(caller.trunk, dialled))
        : router.route(dialled, caller)
    const toPbx = () => this.parties.toPbxFor(caller, target)
    const transfer = { shown: this.#identityOf(far), by: this.#identityOf(transferor) }
    return this.#planFor(party, destination, this.parties.knownIdentityOf(caller), toPbx, transfer)
  }

  /** Who is at this side of a call, for a user. */
  shown(party: TransferParty): NameAddr {
    return fromForUser(this.#identityOf(party), this.#options.config.domain)
  }

  #identityOf({ party, identity }: TransferParty): Identity {
    return identity ?? this.parties.knownIdentityOf(callerOf(party))
  }

  /** Takes a place, and plans the way. Throws what refuses either; no place is taken then. */
  #planFor(
    payer: string,
    destination: Destination,
    identity: Identity,
    toPbx: () => UpstreamParty,
    transfer?: Transferred,
  ): AdmittedPlan {
    const asked = {
      payer,
      forms: destination.kind === 'trunk' ? destination.forms : undefined,
      pbxForms: destination.kind === 'upstream' ? destination.forms : undefined,
      isEmergency: destination.kind === 'emergency',
      isTransfer: transfer !== undefined,
    }
    return this.#admitted(asked, () =>
      destination.kind === 'upstream'
        ? this.#toPbx(toPbx())
        : this.#plan(payer, destination, identity, transfer),
    )
  }

  #admitted(asked: Asked, plan: () => CalleePlan): AdmittedPlan {
    const ticket = this.#options.admission.enter(asked)
    try {
      return { ticket, callee: plan() }
    } catch (error) {
      ticket.release()
      throw error
    }
  }

  #plan(
    payer: string,
    destination: Exclude<Destination, { kind: 'upstream' }>,
    identity: Identity,
    transfer?: Transferred,
  ): CalleePlan {
    switch (destination.kind) {
      case 'application':
        return { kind: 'application', name: `app:${destination.name}`, application: destination.name }
      case 'users':
        return this.#toBrowsers(
          this.parties.ofUsers(
            destination.users,
            destination.number,
            transfer?.shown ?? identity,
            transfer?.by,
          ),
        )
      case 'trunk':
        return this.#trunkPlans.plan({
          names: [destination.trunk],
          number: destination.number,
          forms: destination.forms,
          identity,
          checkRedirection: (trunk, uri) => this.#checkRedirection(payer, trunk, uri),
          isEmergency: false,
        })
      case 'emergency':
        return this.#toEmergency(destination, identity)
      default:
        return destination satisfies never
    }
  }

  #trunk(name: string): Trunk {
    const { trunks, upstream } = this.#options
    const trunk = name === UPSTREAM ? upstream?.trunk : trunks.get(name)
    if (trunk === undefined) throw new Error(`no trunk ${name}`)
    return trunk
  }

  /** An emergency call is heard from wherever its trunk sends: its source is learnt, on ports of its own. */
  #trunkMedia(trunk: Trunk, localAddress: string, isEmergency = false): LegMedia {
    const { udp, upstream } = this.#options.config
    const isOfPbx = trunk.config.name === UPSTREAM && upstream !== undefined
    const announced = announcedFor(localAddress, (isOfPbx ? upstream.local : udp).announced)
    const ports = isEmergency ? 'per-call' : trunk.config.mediaPorts
    return { kind: 'rtp', ...trunk.media, localAddress, announced, ports }
  }

  #toPbx({ trunk, localAddress, ...party }: UpstreamParty): PartyPlan {
    const media = this.#trunkMedia(trunk, localAddress)
    return { kind: 'party', ...party, media, passHeaders: trunk.config.passHeaders }
  }

  #toBrowsers(party: Party): PartyPlan {
    return {
      kind: 'party',
      ...party,
      media: { kind: 'webrtc', codecs: BROWSER_CODECS },
      passHeaders: 'all',
      redirectHosts: new Set(),
    }
  }

  /** A caller for help is not hidden: it is called back, and found, by its number. */
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
      // An emergency is never refused for its number.
      checkRedirection: () => {},
      isEmergency: true,
    })
  }

  #checkRedirection(payer: string, trunk: string, uri: Uri): void {
    const { admission, config } = this.#options
    const { forms } = this.parties.router.toTrunk(trunk, dialledOf(uri, config.numbers))
    admission.checkRedirection(payer, trunk, forms)
  }
}
