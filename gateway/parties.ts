import type { Config, UserConfig } from '../config/config.ts'
import { announcedFor } from '../media/host-candidates.ts'
import type { Flow } from '../sip/flow.ts'
import type { Header, NameAddr, SipRequest } from '../sip/message.ts'
import { sipUri } from '../sip/uri.ts'
import type { IncomingInvite } from '../sip/user-agent.ts'
import { deviceTarget } from './device-target.ts'
import { GatewayFailure } from './gateway-failure.ts'
import {
  fromForTrunk,
  fromForUser,
  type Identity,
  identityOfTrunk,
  identityOfUser,
  nameAddr,
  shownNumberOf,
} from './identity.ts'
import type { Target } from './plan.ts'
import { type Registrar, waysToDevices } from './registrar.ts'
import { type Caller, Router } from './router.ts'
import type { TrunkPath, TrunkTable } from './trunk.ts'
import type { TrunkChoice } from './trunk-choice.ts'
import type { TrunkDoor } from './trunk-door.ts'
import { trunkUri } from './trunk-uri.ts'

export interface PartiesOptions {
  readonly config: Config
  readonly registration: Registrar
  readonly trunks: TrunkTable
  readonly choice: TrunkChoice
  readonly door: TrunkDoor
  readonly flowTo: (path: TrunkPath) => Flow
}

/** Whom a request is for: how to get there, and what may be known there of the one who sends it. */
export interface Party {
  /** `user:bob`, `users:alice,bob` or `trunk:pbx`. */
  readonly name: string
  /** A device of a user each, or the trunk. */
  readonly targets: readonly Target[]
  readonly from: NameAddr
  readonly to: NameAddr
  readonly headers: readonly Header[]
}

export interface TrunkParty extends Party {
  readonly path: TrunkPath
}

/** Who sends a request outside a dialog, and how whom it is for is reached: the same for calls and for all else. */
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
    const { request, flow, reject } = incoming
    if (flow.transport === 'ws' || flow.transport === 'wss') {
      const user = this.#options.registration.authenticateCaller(incoming)
      return user === undefined ? undefined : { kind: 'user', user }
    }
    const trunk = this.#options.door.identify(request, flow, (status, more) => reject(status, more))
    return trunk === undefined ? undefined : { kind: 'trunk', trunk: trunk.config.name }
  }

  identityOf(request: SipRequest, caller: Caller): Identity {
    if (caller.kind === 'trunk') {
      return identityOfTrunk(request, this.#options.trunks.get(caller.trunk)?.config.trusted ?? false)
    }
    return identityOfUser(request, this.#user(caller.user), this.router.directory)
  }

  /** Of somebody who has sent no request of his own, such as who transfers a call. */
  knownIdentityOf(caller: Caller): Identity {
    if (caller.kind === 'trunk') return { user: 'anonymous', displayName: undefined, isPrivate: false }
    const user = this.#user(caller.user)
    return {
      user: user.name,
      number: shownNumberOf(user),
      displayName: undefined,
      isPrivate: user.callerId === 'anonymous',
    }
  }

  /** `number`: what was called, when it is not their name. Throws `call.not-registered`. */
  ofUsers(users: readonly string[], number: string | undefined, identity: Identity): Party {
    const { config, registration } = this.#options
    const targets = users.flatMap((user) =>
      waysToDevices(registration.bindingsOf(user)).map((way) => deviceTarget(registration, user, way)),
    )
    const [first = ''] = users
    if (targets.length === 0) throw new GatewayFailure('call.not-registered', { seen: users.join(', ') })
    return {
      name: users.length === 1 ? `user:${first}` : `users:${users.join(',')}`,
      targets,
      from: fromForUser(identity, config.domain),
      to: nameAddr(sipUri({ user: number ?? first, host: config.domain })),
      headers: [],
    }
  }

  /** By the way that is tried first; `name`: of a trunk or a group. Throws `trunk.unresolved`. */
  ofTrunk(name: string, number: string, identity: Identity): TrunkParty {
    const [path] = this.#options.choice.waysTo([name])
    if (path === undefined) throw new Error(`no way to ${name}`)
    return this.byPath(path, number, identity)
  }

  byPath(path: TrunkPath, number: string, identity: Identity): TrunkParty {
    const { config, flowTo } = this.#options
    const { trunk } = path
    const { name, callerId, trusted, userNumbers = true } = trunk
    const to = trunkUri(trunk, number)
    return {
      path,
      name: `trunk:${name}`,
      targets: [{ flow: flowTo(path), uri: to, party: `trunk:${name}` }],
      to: nameAddr(to),
      ...fromForTrunk(identity, {
        callerId,
        showsUsers: userNumbers,
        isTrusted: trusted,
        host: announcedFor(path.localAddress, config.udp.announced),
      }),
    }
  }

  #user(name: string): Pick<UserConfig, 'name' | 'numbers' | 'callerId'> {
    return this.#users.get(name) ?? { name }
  }
}
