import type { Config, UserConfig } from '../../config/config.ts'
import { UPSTREAM } from '../../config/upstream.ts'
import { announcedFor } from '../../media/ice/host-candidates.ts'
import { type Flow, isBrowserFlow } from '../../sip/flow.ts'
import {
  type Header,
  isSipUri,
  type NameAddr,
  type SipRequest,
  type SipResponse,
  type Uri,
} from '../../sip/message/message.ts'
import { bareUri, sipUri } from '../../sip/message/uri.ts'
import type { IncomingInvite, NoAnswer, RequestNumbers } from '../../sip/user-agent.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { type Device, type Registrar, waysToDevices } from '../registration/registrar.ts'
import { PBX, type Upstream, type UpstreamWay } from '../registration/upstream.ts'
import { dialledOf } from '../trunks/dialled.ts'
import { type Caller, type Destination, isPbx, type RouteOptions, Router } from '../trunks/router.ts'
import type { Trunk, TrunkPath, TrunkTable } from '../trunks/trunk.ts'
import { domainAt } from '../trunks/trunk-account.ts'
import type { TrunkDoor } from '../trunks/trunk-door.ts'
import { trunkUri } from '../trunks/trunk-uri.ts'
import { deviceTarget } from './device-target.ts'
import {
  fromForTrunk,
  fromForUser,
  type Identity,
  identityOfTrunk,
  identityOfUser,
  identitySaid,
  identityWithoutRequest,
  nameAddr,
  referredBy,
} from './identity.ts'
import { callerOf } from './party.ts'
import type { Target } from './plan.ts'
import type { Side } from './side.ts'

/** Of a To that names nobody, in our log. */
const MAX_TO = 128

export interface PartiesOptions {
  readonly config: Config
  readonly registration: Registrar
  readonly trunks: TrunkTable
  readonly door: TrunkDoor
  /** The PBX that users are registered at, where we are not the registrar. */
  readonly upstream?: Upstream | undefined
  readonly flowTo: (path: TrunkPath) => Flow
}

/** The party that a request is for: how to get there, and what may be known there of the one who sends it. */
export interface Party {
  /** `user:bob`, `users:alice,bob` or `trunk:pbx`. */
  readonly name: string
  /** A device of a user each, or the trunk. */
  readonly targets: readonly Target[]
  readonly from: NameAddr
  readonly to: NameAddr
  readonly headers: readonly Header[]
  /** User name of our account there, that answers its challenges. */
  readonly account?: string | undefined
  /** Through where it goes (RFC 3608). */
  readonly route?: readonly string[]
  /** What it goes on with, where it is the second half of a sign-in. */
  readonly numbers?: RequestNumbers
  /** What an outcome means that means something else with this party. */
  readonly failureOf?: (outcome: SipResponse | NoAnswer) => GatewayFailure | undefined
}

export interface UpstreamParty extends UpstreamWay {
  readonly name: string
  readonly trunk: Trunk
}

export interface TrunkParty extends Party {
  readonly path: TrunkPath
}

/** The sender of a request outside a dialog, and how the party it is for is reached: the same for calls and for all else. */
export class Parties {
  readonly router: Router
  readonly #options: PartiesOptions
  readonly #users: ReadonlyMap<string, UserConfig>

  constructor(options: PartiesOptions) {
    const { config } = options
    this.#options = options
    this.router = new Router(config)
    this.#users = new Map(config.users.map((user) => [user.name, user]))
  }

  /** The sender. Undefined: challenged, the answer is out. Throws `call.forbidden`, `call.wrong-identity`. */
  identify(incoming: Pick<IncomingInvite, 'request' | 'flow' | 'reject'>): Caller | undefined {
    const { request, flow } = incoming
    if (isBrowserFlow(flow)) {
      const user = this.#options.registration.authenticateCaller(incoming)
      return user === undefined ? undefined : { kind: 'user', user }
    }
    const { upstream, door } = this.#options
    if (upstream?.isFrom(flow)) return { kind: 'trunk', trunk: UPSTREAM }
    const trunk = door.identify(request, flow, (status, more) =>
      incoming.reject(status, { ...more, isOnce: true }),
    )
    return trunk === undefined ? undefined : { kind: 'trunk', trunk: trunk.config.name }
  }

  /**
   * What a provider says was dialled. It calls what we have registered, our Contact with the account in it; which number of the
   * account that was is in To. Undefined: that names nobody here, and the Request-URI is to be read.
   */
  calledBy(caller: Caller, request: SipRequest): string | undefined {
    const { to, uri } = request
    if (!this.#isForAccount(caller, request) || userOf(to.uri) === userOf(uri)) return undefined
    try {
      const called = dialledOf(to.uri, this.#options.config.numbers)
      return this.router.find(called, caller) === undefined ? undefined : called
    } catch (error) {
      if (error instanceof GatewayFailure) return undefined
      throw error
    }
  }

  /** Where what `caller` has dialled leads. Throws `call.unknown-number`, `call.nothing-to-dial`. */
  destinationOf(
    caller: Caller,
    dialled: string,
    request: SipRequest,
    options: Pick<RouteOptions, 'isMailbox'> = {},
  ): Destination {
    const found = this.router.find(dialled, caller, options)
    if (found !== undefined) return found
    // Its calls look alike but for that.
    const to = this.#isForAccount(caller, request)
      ? `, To ${JSON.stringify(request.to.uri.text.slice(0, MAX_TO))}`
      : ''
    throw new GatewayFailure('call.unknown-number', { seen: `${dialled}${to}` })
  }

  /** Not where it has registered in bulk: then the number is in the Request-URI, and To what was dialled first (RFC 6140 §5.2). */
  #isForAccount(caller: Caller, { uri }: SipRequest): boolean {
    const row = this.#options.config.trunks.find(
      ({ name }) => caller.kind === 'trunk' && name === caller.trunk,
    )
    const { account } = row ?? {}
    return account?.register === true && !account.bulk && userOf(uri) === account.user
  }

  identityOf(request: SipRequest, caller: Caller): Identity {
    if (caller.kind === 'trunk') return identityOfTrunk(request, this.#trusts(caller), this.router.directory)
    return identityOfUser(request, this.#user(caller.user), this.router.directory)
  }

  /**
   * Who a peer says is there now, in a request inside its call or in its answer; undefined: nobody else than before. Of a user
   * nothing is believed but the sign-in.
   */
  identitySaid(
    { party, from, hidden }: Pick<Side, 'party' | 'from' | 'hidden'>,
    message: SipRequest | SipResponse,
  ): Identity | undefined {
    const peer = callerOf(party)
    if (peer.kind !== 'trunk') return undefined
    return identitySaid(message, this.#trusts(peer), this.router.directory, {
      from: message.kind === 'request' ? from : undefined,
      hidden,
    })
  }

  /** The PBX that users are registered at knows who calls, or nobody does. */
  #trusts(peer: Caller & { readonly kind: 'trunk' }): boolean {
    return isPbx(peer) || (this.#options.trunks.get(peer.trunk)?.config.trusted ?? false)
  }

  /** Of a party that has sent no request of its own, such as the one that transfers a call. */
  knownIdentityOf(caller: Caller): Identity {
    return identityWithoutRequest(caller.kind === 'user' ? this.#user(caller.user) : undefined)
  }

  /** `number`: what was called, when it is not their name; `by`: who sends `identity` there. Throws `call.not-registered`. */
  ofUsers(users: readonly string[], number: string | undefined, identity: Identity, by?: Identity): Party {
    const { registration } = this.#options
    const targets = users.flatMap((user) => this.#targetsOf(user, registration.bindingsOf(user)))
    const { domain } = this.#options.config
    return { ...this.#userParty(users, targets, number, identity), headers: referredBy(by, domain) }
  }

  /** The user that the PBX asks for by one of its registrations. Throws `upstream.unknown-token`, `call.not-registered`. */
  ofPbx(request: SipRequest, identity: Identity): Party {
    const { user, devices } = this.#pbx.devicesFor(request)
    return this.#userParty([user], this.#targetsOf(user, devices), undefined, identity)
  }

  /** The PBX, for what a user asks. Throws `upstream.*`. */
  toPbx(caller: Caller, { request, flow }: Pick<IncomingInvite, 'request' | 'flow'>): UpstreamParty {
    if (caller.kind !== 'user') throw new GatewayFailure('call.unknown-number', { seen: request.uri.text })
    return this.#upstreamParty(this.#pbx.wayOut(caller.user, request, flow))
  }

  /** The PBX, for what we ask in the name of a user. Throws `upstream.*`. */
  toPbxFor(caller: Caller, target: Uri): UpstreamParty {
    if (caller.kind !== 'user') throw new GatewayFailure('call.unknown-number', { seen: target.text })
    return this.#upstreamParty(this.#pbx.wayFor(caller.user, bareUri(target)))
  }

  byPath(path: TrunkPath, number: string, identity: Identity): TrunkParty {
    const { config, flowTo } = this.#options
    const { trunk } = path
    const { name, callerId, trusted, userNumbers = true, account } = trunk
    const to = trunkUri(trunk, number)
    return {
      path,
      name: `trunk:${name}`,
      targets: [{ flow: flowTo(path), uri: to, party: `trunk:${name}` }],
      to: nameAddr(to),
      account: account?.authUser ?? account?.user,
      ...fromForTrunk(identity, {
        callerId,
        accountUser: account?.user,
        showsUsers: userNumbers,
        isTrusted: trusted,
        // A provider knows us by its own domain, a PBX by our address.
        host: account === undefined ? announcedFor(path.localAddress, config.udp.announced) : domainAt(trunk),
      }),
    }
  }

  #targetsOf(user: string, devices: readonly Device[]): readonly Target[] {
    const { registration } = this.#options
    return waysToDevices(devices).map((way) => deviceTarget(registration, user, way))
  }

  #userParty(
    users: readonly string[],
    targets: readonly Target[],
    number: string | undefined,
    identity: Identity,
  ): Party {
    const [first = ''] = users
    if (targets.length === 0) throw new GatewayFailure('call.not-registered', { seen: users.join(', ') })
    const { domain } = this.#options.config
    return {
      name: users.length === 1 ? `user:${first}` : `users:${users.join(',')}`,
      targets,
      from: fromForUser(identity, domain),
      to: nameAddr(sipUri({ user: number ?? first, host: domain })),
      headers: [],
    }
  }

  get #pbx(): Upstream {
    const { upstream } = this.#options
    if (upstream === undefined) throw new Error('a PBX that is not there')
    return upstream
  }

  #upstreamParty(way: UpstreamWay): UpstreamParty {
    return { name: PBX, trunk: this.#pbx.trunk, ...way }
  }

  #user(name: string): Pick<UserConfig, 'name' | 'numbers' | 'callerId'> {
    return this.#users.get(name) ?? { name }
  }
}

const userOf = (uri: Uri): string | undefined => (isSipUri(uri) ? uri.user : undefined)
