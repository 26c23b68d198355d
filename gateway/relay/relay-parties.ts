import type { SipRequest } from '../../sip/message/message.ts'
import type { IncomingInvite, IncomingRequest } from '../../sip/user-agent.ts'
import type { Admission, Asked } from '../calls/admission.ts'
import type { HeaderPolicy } from '../calls/header-policy.ts'
import { Parties, type PartiesOptions, type Party } from '../calls/parties.ts'
import { partyName } from '../calls/party.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { dialledOf } from '../trunks/dialled.ts'
import { type Caller, type Destination, isPbx } from '../trunks/router.ts'
import type { TrunkPath } from '../trunks/trunk.ts'
import type { TrunkChoice } from '../trunks/trunk-choice.ts'

export interface RelayPartiesOptions extends PartiesOptions {
  readonly choice: TrunkChoice
  readonly admission: Pick<Admission, 'passMessage' | 'passSubscribe' | 'useTrunkForMessage'>
}

/** Where a request goes: a device of a user each, or a trunk. */
export interface RelayPlan extends Party {
  readonly isTrunk: boolean
  /** Who sends it, `user:alice` or `trunk:pbx`. */
  readonly sender: string
  /** What is seen of the headers of the other: there, and by the sender of what comes back. */
  readonly passHeaders: { readonly there: HeaderPolicy; readonly back: HeaderPolicy }
}

/** Who sends a request outside a call and whom it is for: the rules of calls, without media. */
export class RelayParties {
  readonly #options: RelayPartiesOptions
  readonly #parties: Parties

  constructor(options: RelayPartiesOptions) {
    this.#options = options
    this.#parties = new Parties(options)
  }

  /** The sender. Undefined: challenged, the answer is out. Throws `call.forbidden`, `call.wrong-identity`. */
  identify({ request, flow, respond }: IncomingRequest): Caller | undefined {
    return this.#parties.identify({ request, flow, reject: respond })
  }

  /** What the request is for; '' when it is for the gateway itself. Throws `call.unknown-number`. */
  dialledOf(request: SipRequest): string {
    return dialledOf(request.uri, this.#options.config.numbers)
  }

  #destinationOf(caller: Caller, request: SipRequest, isMailbox = false): Destination {
    const called = this.#parties.calledBy(caller, request) ?? this.dialledOf(request)
    return this.#parties.destinationOf(caller, called, request, { isMailbox })
  }

  /**
   * The way to what `caller` has asked for. Throws `call.unknown-number`, `call.not-registered`, `trunk.unresolved`, `limit.rate`, and of a
   * MESSAGE `limit.destination`.
   *
   * @param isMailbox the name is routed as a number, past the users of ours
   */
  plan(incoming: Pick<IncomingInvite, 'request' | 'flow'>, caller: Caller, isMailbox = false): RelayPlan {
    const { request } = incoming
    const { admission } = this.#options
    const identity = this.#parties.identityOf(request, caller)
    const admit = (of: Partial<Pick<Asked, 'forms' | 'pbxForms'>> = {}): void => {
      const payer = partyName(caller)
      if (isMessage(request)) admission.passMessage({ payer, forms: undefined, ...of })
      else if (request.method === 'SUBSCRIBE') admission.passSubscribe(payer)
    }
    const sent = (there: HeaderPolicy): Pick<RelayPlan, 'sender' | 'passHeaders'> => ({
      sender: partyName(caller),
      passHeaders: { there, back: this.#policyOf(caller) },
    })
    if (isPbx(caller)) {
      admit()
      return { ...this.#parties.ofPbx(request, identity), ...sent('all'), isTrunk: false }
    }
    const destination = this.#destinationOf(caller, request, isMailbox)
    switch (destination.kind) {
      case 'users':
        admit()
        return {
          ...this.#parties.ofUsers(destination.users, destination.number, identity),
          ...sent('all'),
          isTrunk: false,
        }
      case 'trunk': {
        admit({ forms: destination.forms })
        const way = this.#wayTo(request, destination.trunk, destination.forms)
        const party = this.#parties.byPath(way, destination.number, identity)
        return { ...party, ...sent(way.trunk.passHeaders), isTrunk: true }
      }
      case 'emergency':
        throw new GatewayFailure('call.unknown-number', { seen: destination.number })
      case 'upstream': {
        admit({ pbxForms: destination.forms })
        const party = this.#parties.toPbx(caller, incoming)
        return { ...party, ...sent(party.trunk.config.passHeaders), isTrunk: true }
      }
      case 'application':
        // An application speaks and hears, and reads nothing.
        throw new GatewayFailure('call.unknown-number', { seen: destination.name })
      default:
        return destination satisfies never
    }
  }

  #policyOf(caller: Caller): HeaderPolicy {
    const { trunks, upstream } = this.#options
    if (caller.kind === 'user') return 'all'
    return (isPbx(caller) ? upstream?.trunk : trunks.get(caller.trunk))?.config.passHeaders ?? 'none'
  }

  /** By the way that is tried first; `name`: of a trunk or a group, of which a MESSAGE goes by the first trunk that is for it. */
  #wayTo(request: SipRequest, name: string, forms: readonly string[]): TrunkPath {
    const { admission, choice } = this.#options
    const refusals = new Map<string, GatewayFailure>()
    for (const way of choice.waysTo([name])) {
      const { trunk } = way
      if (refusals.has(trunk.name)) continue
      try {
        if (isMessage(request)) admission.useTrunkForMessage(trunk.name, forms)
        return way
      } catch (error) {
        if (!(error instanceof GatewayFailure)) throw error
        refusals.set(trunk.name, error)
      }
    }
    const [first] = refusals.values()
    throw first ?? new Error(`no way to ${name}`)
  }

  /** Throws what a call to there would be refused with before it rings. */
  probe(request: SipRequest, caller: Caller): void {
    if (isPbx(caller)) {
      this.#parties.ofPbx(request, this.#parties.identityOf(request, caller))
      return
    }
    const destination = this.#destinationOf(caller, request)
    if (destination.kind !== 'users') return
    const { users } = destination
    if (users.every((user) => this.#options.registration.bindingsOf(user).length === 0)) {
      throw new GatewayFailure('call.not-registered', { seen: users.join(', ') })
    }
  }
}

/** It says something to somebody, and by a trunk it may cost money. */
const isMessage = ({ method }: SipRequest): boolean => method === 'MESSAGE'
