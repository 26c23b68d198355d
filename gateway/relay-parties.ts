import type { Config } from '../config/config.ts'
import type { Flow } from '../sip/flow.ts'
import { type Header, isSipUri, type NameAddr, type SipRequest, type Uri } from '../sip/message.ts'
import { sipUri } from '../sip/uri.ts'
import type { IncomingRequest } from '../sip/user-agent.ts'
import { GatewayFailure } from './gateway-failure.ts'
import { fromForTrunk, fromForUser, type Identity, identityOf, nameAddr } from './identity.ts'
import type { Registration } from './registration.ts'
import { type Caller, route } from './router.ts'
import type { TrunkPath, TrunkTable } from './trunk.ts'

export interface RelayTarget {
  readonly flow: Flow
  readonly uri: Uri
}

/** Where a request goes: a device of a user each, or a trunk. */
export interface RelayPlan {
  /** `user:bob` or `trunk:pbx`, for the log. */
  readonly name: string
  readonly isTrunk: boolean
  readonly targets: readonly RelayTarget[]
  readonly from: NameAddr
  readonly to: NameAddr
  /** What the other side may know of the sender beside From. */
  readonly headers: readonly Header[]
}

export interface RelayPartiesOptions {
  readonly config: Config
  readonly registration: Registration
  readonly trunks: TrunkTable
  readonly flowTo: (path: TrunkPath) => Flow
}

/** Who sends a request outside a call and whom it is for: the rules of calls, without media. */
export class RelayParties {
  readonly #options: RelayPartiesOptions
  readonly #users: ReadonlySet<string>

  constructor(options: RelayPartiesOptions) {
    this.#options = options
    this.#users = new Set(options.config.users.map((user) => user.name))
  }

  /** The sender. Undefined: challenged, the answer is out. Throws `call.forbidden`, `call.wrong-identity`. */
  identify({ request, flow, respond }: IncomingRequest): Caller | undefined {
    if (flow.transport === 'ws' || flow.transport === 'wss') {
      const user = this.#options.registration.authenticateCaller({ request, flow, reject: respond })
      return user === undefined ? undefined : { kind: 'user', user }
    }
    const trunk = this.#options.trunks.ofFlow(flow)
    if (trunk === undefined) throw new GatewayFailure('call.forbidden', { seen: flow.remote.address })
    return { kind: 'trunk', trunk: trunk.config.name }
  }

  /**
   * The way to what `caller` has asked for. Throws `call.unknown-number`, `call.not-registered`, `trunk.unresolved`.
   *
   * @param isMailbox the name is routed as a number, past the users of ours
   */
  plan(request: SipRequest, caller: Caller, isMailbox = false): RelayPlan {
    const { routes } = this.#options.config
    const destination = route(dialledOf(request.uri), caller, isMailbox ? new Set() : this.#users, routes)
    const identity = identityOf(request, caller, this.#isTrusted(caller))
    switch (destination.kind) {
      case 'user':
        return this.#toUser(destination.user, identity)
      case 'trunk':
        return this.#toTrunk(destination.trunk, destination.number, identity)
      case 'application':
        // An application speaks and hears, and reads nothing.
        throw new GatewayFailure('call.unknown-number', { seen: destination.name })
      default:
        return destination satisfies never
    }
  }

  /** Throws what a call to there would be refused with before it rings. */
  probe(request: SipRequest, caller: Caller): void {
    const { config, registration } = this.#options
    const destination = route(dialledOf(request.uri), caller, this.#users, config.routes)
    if (destination.kind === 'user' && registration.bindingsOf(destination.user).length === 0) {
      throw new GatewayFailure('call.not-registered', { seen: destination.user })
    }
  }

  #isTrusted(caller: Caller): boolean {
    return caller.kind === 'trunk' && (this.#options.trunks.get(caller.trunk)?.config.trusted ?? false)
  }

  #toUser(user: string, identity: Identity): RelayPlan {
    const { config, registration } = this.#options
    const bindings = registration.bindingsOf(user)
    if (bindings.length === 0) throw new GatewayFailure('call.not-registered', { seen: user })
    return {
      name: `user:${user}`,
      isTrunk: false,
      targets: bindings.map(({ flow, contact }) => ({ flow, uri: contact.uri })),
      from: fromForUser(identity, config.domain),
      to: nameAddr(sipUri({ user, host: config.domain })),
      headers: [],
    }
  }

  #toTrunk(name: string, number: string, identity: Identity): RelayPlan {
    const { config, trunks, flowTo } = this.#options
    const trunk = trunks.get(name)
    if (trunk === undefined) throw new Error(`route to an unknown trunk ${name}`)
    const path = trunks.pathOf(trunk)
    const { host, port, callerId, trusted } = trunk.config
    const own = { callerId, isTrusted: trusted, host: config.udp.announced ?? path.localAddress }
    const to = sipUri({ user: number, host, port: port === 5060 ? undefined : port })
    return {
      name: `trunk:${name}`,
      isTrunk: true,
      targets: [{ flow: flowTo(path), uri: to }],
      to: nameAddr(to),
      ...fromForTrunk(identity, own),
    }
  }
}

/** The user part or number a request is for; '' when it is for the gateway itself. Throws `call.unknown-number`. */
export function dialledOf(uri: Uri): string {
  if (isSipUri(uri)) return uri.user ?? ''
  if (uri.scheme === 'tel') return uri.text.replace(/^tel:/i, '').split(';')[0] ?? ''
  throw new GatewayFailure('call.unknown-number', { seen: uri.text })
}
