import type { Config, UserAccountConfig } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { Flow } from '../../sip/flow.ts'
import {
  type Header,
  isSipUri,
  type SipRequest,
  type SipResponse,
  type SipUri,
  type Uri,
} from '../../sip/message/message.ts'
import { sipUri } from '../../sip/message/uri.ts'
import { defaultSipPort } from '../../sip/routing/locate.ts'
import type { ClientCredentials, NoAnswer, SipEnvironment, UserAgent } from '../../sip/user-agent.ts'
import { nameAddr } from '../calls/identity.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { dialledOf } from '../trunks/dialled.ts'
import type { Trunk } from '../trunks/trunk.ts'
import { AccountRegistration } from './account-registration.ts'
import { privacy } from './browser-upstream.ts'
import type { Registrar } from './registrar.ts'
import { PBX, seenIn, type Upstream, type UpstreamWay, unreachable } from './upstream.ts'
import { isChallenge } from './upstream-credentials.ts'
import type { UpstreamLine } from './upstream-line.ts'
import { serviceRoute } from './upstream-register.ts'

export interface ExtensionsOptions {
  readonly config: Config
  readonly line: UpstreamLine
  readonly userAgent: UserAgent
  readonly environment: SipEnvironment
  readonly log: Log
  /** Where users sign in to us. */
  readonly registrar: Pick<Registrar, 'bindingsOf'>
}

/** A user's account at the PBX. */
interface Extension {
  readonly account: UserAccountConfig
  /** User part of our Contact there: opaque and unguessable. */
  readonly token: string
  /** While the user is here, and for the grace time after. */
  registration: AccountRegistration | undefined
  route: readonly string[]
  cancelGrace: (() => void) | undefined
}

/**
 * `credentials: gateway`. A user signs in to us; while one of the user's devices is here, we are registered at the PBX with the
 * user's account, and answer what it asks of the user. What it sends to the extension is for all devices of the user.
 */
export class Extensions implements Upstream {
  readonly #options: ExtensionsOptions
  readonly #byUser: ReadonlyMap<string, Extension>
  readonly #userByToken: ReadonlyMap<string, string>
  /** By user part of our From: the token, or the name of the account. */
  readonly #accounts: ReadonlyMap<string, ClientCredentials>
  #isStopped = false

  constructor(options: ExtensionsOptions) {
    const { config, environment } = options
    this.#options = options
    this.#byUser = new Map(
      config.users.flatMap(({ name, account }) => {
        const fresh = { registration: undefined, route: [], cancelGrace: undefined }
        return account === undefined
          ? []
          : [[name, { account, token: environment.token(), ...fresh }] as const]
      }),
    )
    this.#userByToken = new Map([...this.#byUser].map(([user, { token }]) => [token, user]))
    this.#accounts = new Map(
      [...this.#byUser.values()].flatMap(({ account, token }) => [
        [account.user, account] as const,
        [token, account] as const,
      ]),
    )
  }

  get trunk(): Trunk {
    return this.#options.line.trunk
  }

  /** How many extensions should be registered: those that are, and those that are not. */
  counts(): Readonly<Record<'registered' | 'unregistered', number>> {
    const wanted = [...this.#byUser.values()].flatMap(({ registration }) => registration ?? [])
    const registered = wanted.filter(({ isRegistered }) => isRegistered).length
    return { registered, unregistered: wanted.length - registered }
  }

  isFrom(flow: Flow): boolean {
    return this.#options.line.isFrom(flow)
  }

  /** The account that answers challenges to a request of ours. */
  accountFor(flow: Flow, request: SipRequest): ClientCredentials | undefined {
    const { uri } = request.from
    return this.#options.line.leadsThere(flow) && isSipUri(uri) && uri.user !== undefined
      ? this.#accounts.get(uri.user)
      : undefined
  }

  /** The devices of a user have become more or fewer. */
  devicesChanged(user: string): void {
    const extension = this.#byUser.get(user)
    if (extension === undefined || this.#isStopped) return
    if (this.#options.registrar.bindingsOf(user).length > 0) {
      extension.cancelGrace?.()
      extension.cancelGrace = undefined
      extension.registration ??= this.#register(user, extension)
    } else if (extension.registration !== undefined) this.#scheduleEnd(extension)
  }

  /** Registers again whoever is registered at the PBX: what it keeps may be over. */
  renew(): void {
    for (const { registration } of this.#byUser.values()) registration?.renew()
  }

  /** Takes all registrations back, and makes no other; resolves when the PBX has answered, or will not. */
  async stop(): Promise<void> {
    this.#isStopped = true
    const ended = [...this.#byUser.values()].flatMap((extension) => {
      extension.cancelGrace?.()
      const { registration } = extension
      extension.registration = undefined
      return registration === undefined ? [] : [registration.stop()]
    })
    await Promise.all(ended)
  }

  wayOut(user: string, request: SipRequest): UpstreamWay {
    return { ...this.#way(user, request.uri), headers: privacy(request) }
  }

  wayFor(user: string, target: Uri): UpstreamWay {
    return this.#way(user, target)
  }

  devicesFor(request: SipRequest) {
    const { uri } = request
    const user = isSipUri(uri) && uri.user !== undefined ? this.#userByToken.get(uri.user) : undefined
    if (user === undefined) throw new GatewayFailure('upstream.unknown-token', { seen: uri.text })
    return { user, devices: this.#options.registrar.bindingsOf(user) }
  }

  #way(user: string, target: Uri): UpstreamWay {
    const { config, line } = this.#options
    const extension = this.#byUser.get(user)
    if (extension === undefined) throw new Error('a user without an account')
    const way = line.path()
    const dialled = dialledOf(target, config.numbers)
    // Users of ours are extensions there, by whatever name they are called here.
    const uri = this.#addressOf(this.#byUser.get(dialled)?.account.user ?? dialled)
    return {
      targets: [{ flow: way.flow, uri, party: PBX }],
      localAddress: way.localAddress,
      from: nameAddr(this.#addressOf(extension.account.user)),
      to: nameAddr(uri),
      headers: [],
      route: extension.route,
      redirectHosts: way.hosts,
      failureOf: (outcome) => {
        way.heard(outcome)
        return typeof outcome === 'object' && isChallenge(outcome)
          ? new GatewayFailure('upstream.bad-account', { seen: seenIn(outcome) })
          : unreachable(outcome)
      },
    }
  }

  #addressOf(user: string): SipUri {
    const { domain, trunk } = this.#options.line.config
    const isDefault = trunk.transport !== 'auto' && trunk.port === defaultSipPort(trunk.transport)
    // A domain of its own says nothing about ports.
    const port = isDefault || domain !== trunk.host.toLowerCase() ? undefined : trunk.port
    return sipUri({ user, host: domain, port })
  }

  #register(user: string, extension: Extension): AccountRegistration {
    const { environment, log, line } = this.#options
    const registration = new AccountRegistration({
      owner: { kind: 'extension', name: user },
      expiresS: line.config.expiresS,
      environment,
      log,
      send: (headers, done) => this.#send(extension, headers, done),
      contact: () => line.uriOf(extension.token, line.path().flow),
      onRegistered: (response) => {
        extension.route = serviceRoute(response)
      },
      isReplaced: () => extension.registration !== undefined,
    })
    registration.start()
    return registration
  }

  #send(
    { account }: Extension,
    headers: readonly Header[],
    done: (outcome: SipResponse | NoAnswer) => void,
  ): void {
    const { userAgent, line } = this.#options
    const own = nameAddr(this.#addressOf(account.user))
    const { flow, heard } = line.path()
    const { host, port } = this.#addressOf('')
    userAgent.request(
      { method: 'REGISTER', flow, uri: sipUri({ host, port }), from: own, to: own, headers },
      (outcome) => {
        heard(outcome)
        done(outcome)
      },
    )
  }

  #scheduleEnd(extension: Extension): void {
    const { environment, line } = this.#options
    extension.cancelGrace ??= environment.schedule(environment.nowMs() + line.config.graceS * 1_000, () => {
      const { registration } = extension
      extension.cancelGrace = undefined
      extension.registration = undefined
      extension.route = []
      void registration?.stop()
    })
  }
}
