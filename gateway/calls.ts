import type { Config } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import type { MediaEngine } from '../media/engine.ts'
import type { Flow } from '../sip/flow.ts'
import type { NameAddr, Uri } from '../sip/message.ts'
import { isSipUri } from '../sip/message.ts'
import { sipUri } from '../sip/uri.ts'
import type { IncomingInvite, SipEnvironment, UserAgent } from '../sip/user-agent.ts'
import { Call, type CalleePlan, type CallerPlan } from './call.ts'
import { verdictOf } from './diagnosis.ts'
import { logLevelOf, refusalHeaders } from './failure.ts'
import { GatewayFailure } from './gateway-failure.ts'
import type { LegMedia } from './leg.ts'
import type { Registration } from './registration.ts'
import { type Caller, route } from './router.ts'
import type { Trunk, TrunkPath, TrunkTable } from './trunk.ts'

/** Codecs a browser leg may carry; nothing is transcoded. */
const BROWSER_CODECS: readonly string[] = ['opus', 'G722', 'PCMU', 'PCMA']

export interface CallsOptions {
  readonly config: Config
  readonly userAgent: UserAgent
  readonly engine: MediaEngine
  readonly environment: SipEnvironment
  readonly log: Log
  readonly registration: Registration
  readonly trunks: TrunkTable
  readonly flowTo: (path: TrunkPath) => Flow
}

/** Turns INVITEs into calls and keeps those that are live. */
export class Calls {
  readonly #options: CallsOptions
  readonly #live = new Set<Call>()
  readonly #users: ReadonlySet<string>
  #isDraining = false
  #whenEmpty: (() => void) | undefined

  constructor(options: CallsOptions) {
    this.#options = options
    this.#users = new Set(options.config.users.map((user) => user.name))
  }

  get size(): number {
    return this.#live.size
  }

  /** A new INVITE: challenged, refused with a reason, or a call from here on. Never throws. */
  onInvite(invite: IncomingInvite): void {
    try {
      const plan = this.#admit(invite)
      if (plan !== undefined) this.#start(invite, plan.caller, plan.callee)
    } catch (error) {
      this.#refuse(invite, error)
    }
  }

  /** Ends all calls with a Reason and refuses new ones; resolves when the last has given everything back. */
  async drain(): Promise<void> {
    this.#isDraining = true
    for (const call of this.#live) call.end(new GatewayFailure('call.draining'))
    if (this.#live.size === 0) return
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve
    })
  }

  /** Undefined: the caller has been challenged and will come again. */
  #admit(invite: IncomingInvite): { caller: CallerPlan; callee: CalleePlan } | undefined {
    const { config } = this.#options
    if (this.#isDraining) throw new GatewayFailure('call.draining')
    if (this.#live.size >= config.calls.maxCalls) {
      throw new GatewayFailure('call.overload', { expected: `at most ${config.calls.maxCalls}` })
    }
    const caller = this.#identify(invite)
    if (caller === undefined) return undefined
    const dialled = dialledNumber(invite.request.uri)
    const destination = route(dialled, caller.party, this.#users, config.routes)
    const displayed = this.#displayed(invite, caller.party)
    switch (destination.kind) {
      case 'application':
        return {
          caller: caller.plan,
          callee: { kind: 'application', name: `app:${destination.name}`, application: destination.name },
        }
      case 'user':
        return { caller: caller.plan, callee: this.#toUser(destination.user, displayed) }
      case 'trunk':
        return {
          caller: caller.plan,
          callee: this.#toTrunk(destination.trunk, destination.number, displayed),
        }
      default:
        return destination satisfies never
    }
  }

  #identify(invite: IncomingInvite): { party: Caller; plan: CallerPlan } | undefined {
    const { flow } = invite
    if (flow.transport === 'ws' || flow.transport === 'wss') {
      const user = this.#options.registration.authenticateCaller(invite)
      if (user === undefined) return undefined
      return {
        party: { kind: 'user', user },
        plan: { name: `user:${user}`, media: { kind: 'webrtc', codecs: BROWSER_CODECS } },
      }
    }
    const trunk = this.#options.trunks.bySource(flow.remote.address)
    if (trunk === undefined) throw new GatewayFailure('call.forbidden', { seen: flow.remote.address })
    return {
      party: { kind: 'trunk', trunk: trunk.config.name },
      plan: { name: `trunk:${trunk.config.name}`, media: this.#trunkMedia(trunk, flow.local.address) },
    }
  }

  #trunkMedia(trunk: Trunk, localAddress: string): LegMedia {
    return {
      kind: 'rtp',
      codecs: trunk.media.codecs,
      suites: trunk.media.suites,
      localAddress,
      announced: this.#options.config.udp.announced,
    }
  }

  /** User part of the caller's identity as the callee sees it. */
  #displayed(invite: IncomingInvite, caller: Caller): { user: string; displayName: string | undefined } {
    if (caller.kind === 'user') return { user: caller.user, displayName: undefined }
    const { from } = invite.request
    return {
      user: isSipUri(from.uri) ? (from.uri.user ?? 'anonymous') : from.uri.text.replace(/^[^:]*:/, ''),
      displayName: from.displayName,
    }
  }

  #toUser(user: string, displayed: { user: string; displayName: string | undefined }): CalleePlan {
    const { config, registration } = this.#options
    const bindings = registration.bindingsOf(user)
    if (bindings.length === 0) throw new GatewayFailure('call.not-registered', { seen: user })
    return {
      kind: 'party',
      name: `user:${user}`,
      media: { kind: 'webrtc', codecs: BROWSER_CODECS },
      targets: bindings.map(({ flow, contact }) => ({ flow, uri: contact.uri })),
      from: nameAddr(sipUri({ user: displayed.user, host: config.domain }), displayed.displayName),
      to: nameAddr(sipUri({ user, host: config.domain })),
    }
  }

  #toTrunk(
    name: string,
    number: string,
    displayed: { user: string; displayName: string | undefined },
  ): CalleePlan {
    const { config, trunks, flowTo } = this.#options
    const trunk = trunks.get(name)
    if (trunk === undefined) throw new Error(`route to an unknown trunk ${name}`)
    const path = trunks.pathOf(trunk)
    const { localAddress } = path
    const { host, port, callerId } = trunk.config
    const from = sipUri({ user: callerId ?? displayed.user, host: config.udp.announced ?? localAddress })
    const to = sipUri({ user: number, host, port: port === 5060 ? undefined : port })
    return {
      kind: 'party',
      name: `trunk:${name}`,
      media: this.#trunkMedia(trunk, localAddress),
      targets: [{ flow: flowTo(path), uri: to }],
      from: nameAddr(from, displayed.displayName),
      to: nameAddr(to),
    }
  }

  #start(invite: IncomingInvite, caller: CallerPlan, callee: CalleePlan): void {
    const { userAgent, engine, environment, log, config } = this.#options
    const call = new Call(
      {
        userAgent,
        engine,
        environment,
        log,
        limits: config.calls,
        onEnded: (ended) => this.#forget(ended),
      },
      invite,
      caller,
      callee,
    )
    this.#live.add(call)
    call.start()
  }

  #forget(call: Call): void {
    this.#live.delete(call)
    if (this.#live.size === 0) this.#whenEmpty?.()
  }

  #refuse(invite: IncomingInvite, error: unknown): void {
    const verdict = verdictOf(error)
    const { callId } = invite.request
    const fields = { callId, ...verdict, reason: verdict.message, source: invite.flow.remote.address }
    this.#options.log[logLevelOf(verdict)](
      'call refused',
      verdict.code === 'call.internal' ? { ...fields, error } : fields,
    )
    invite.reject(verdict.status, { headers: refusalHeaders(verdict) })
  }
}

function dialledNumber(uri: Uri): string {
  if (isSipUri(uri)) return uri.user ?? ''
  if (uri.scheme === 'tel') return uri.text.replace(/^tel:/i, '').split(';')[0] ?? ''
  throw new GatewayFailure('call.unknown-number', { seen: uri.text })
}

function nameAddr(uri: Uri, displayName?: string): NameAddr {
  return { displayName, uri, parameters: new Map() }
}
