import type { Config } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import type { MediaEngine } from '../media/engine.ts'
import type { Flow } from '../sip/flow.ts'
import { header } from '../sip/headers.ts'
import { isSipUri, type SipUri, type Uri } from '../sip/message.ts'
import { sipUri } from '../sip/uri.ts'
import type { IncomingInvite, SipEnvironment, UserAgent } from '../sip/user-agent.ts'
import { Call } from './call.ts'
import type { CallSummary } from './call-summary.ts'
import { verdictOf } from './diagnosis.ts'
import { logLevelOf, refusalHeaders } from './failure.ts'
import { GatewayFailure } from './gateway-failure.ts'
import { fromForTrunk, fromForUser, type Identity, identityOf, nameAddr } from './identity.ts'
import type { LegMedia } from './leg.ts'
import type { CalleePlan, CallerPlan, PartyPlan } from './plan.ts'
import { type Replaces, readReplaces } from './refer.ts'
import type { Registration } from './registration.ts'
import { type Caller, type Destination, route } from './router.ts'
import type { Side } from './side.ts'
import type { Trunk, TrunkPath, TrunkTable } from './trunk.ts'

/** Codecs a browser leg may carry; nothing is transcoded. */
const BROWSER_CODECS: readonly string[] = ['opus', 'G722', 'PCMU', 'PCMA']

/** Live calls that one user may have placed: a stolen password shall not take the calls of all the others. */
const MAX_CALLS_PER_USER = 32

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
  /** How many of them each caller has placed. */
  readonly #perCaller = new Map<string, number>()
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

  /** The oldest first. */
  list(): readonly CallSummary[] {
    return [...this.#live].map((call) => call.summary())
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

  /** Undefined: the caller has been challenged and will come again, or has joined a live call. */
  #admit(invite: IncomingInvite): { caller: CallerPlan; callee: CalleePlan } | undefined {
    const { config } = this.#options
    if (this.#isDraining) throw new GatewayFailure('call.draining')
    const caller = this.#identify(invite)
    if (caller === undefined) return undefined
    const replaces = header(invite.request, 'Replaces')
    if (replaces !== undefined) {
      this.#replace(invite, caller.plan, readReplaces(replaces))
      return undefined
    }
    if (this.#live.size >= config.calls.maxCalls) {
      throw new GatewayFailure('call.overload', { expected: `at most ${config.calls.maxCalls}` })
    }
    const placed = this.#perCaller.get(caller.plan.name) ?? 0
    if (caller.party.kind === 'user' && placed >= MAX_CALLS_PER_USER) {
      throw new GatewayFailure('call.overload', { expected: `at most ${MAX_CALLS_PER_USER} of one user` })
    }
    const destination = route(dialledNumber(invite.request.uri), caller.party, this.#users, config.routes)
    const identity = identityOf(invite.request, caller.party, this.#isTrusted(caller.party))
    return { caller: caller.plan, callee: this.#plan(destination, identity) }
  }

  /** RFC 3891 §3: the dialog must be there, confirmed, and of the same party as the one who wants to replace it. */
  #replace(invite: IncomingInvite, caller: CallerPlan, replaces: Replaces): void {
    const found = this.#find(replaces, caller.name)
    if (found === undefined) throw new GatewayFailure('transfer.no-such-call')
    if (replaces.isEarlyOnly) throw new GatewayFailure('transfer.already-answered')
    found.call.takeOver(found.side, invite, caller)
  }

  #find(replaces: Replaces, party: string): { readonly call: Call; readonly side: Side } | undefined {
    for (const call of this.#live) {
      const side = call.sideOf(replaces)
      if (side !== undefined) return side.party === party ? { call, side } : undefined
    }
    return undefined
  }

  /** A transfer leads where a call of the transferor would; a trunk may send the call back to itself too. */
  #planTransfer(party: string, target: SipUri): CalleePlan {
    const [kind, name = ''] = party.split(':')
    const dialled = dialledNumber(target)
    const identity = { user: kind === 'user' ? name : 'anonymous', displayName: undefined, isPrivate: false }
    if (kind === 'trunk' && !this.#users.has(dialled)) return this.#toTrunk(name, dialled, identity)
    const caller: Caller = kind === 'user' ? { kind, user: name } : { kind: 'trunk', trunk: name }
    return this.#plan(route(dialled, caller, this.#users, this.#options.config.routes), identity)
  }

  #plan(destination: Destination, identity: Identity): CalleePlan {
    switch (destination.kind) {
      case 'application':
        return { kind: 'application', name: `app:${destination.name}`, application: destination.name }
      case 'user':
        return this.#toUser(destination.user, identity)
      case 'trunk':
        return this.#toTrunk(destination.trunk, destination.number, identity)
      default:
        return destination satisfies never
    }
  }

  #isTrusted(caller: Caller): boolean {
    return caller.kind === 'trunk' && (this.#options.trunks.get(caller.trunk)?.config.trusted ?? false)
  }

  #identify(invite: IncomingInvite): { party: Caller; plan: CallerPlan } | undefined {
    const { flow } = invite
    if (flow.transport === 'ws' || flow.transport === 'wss') {
      const user = this.#options.registration.authenticateCaller(invite)
      if (user === undefined) return undefined
      return {
        party: { kind: 'user', user },
        plan: {
          name: `user:${user}`,
          media: { kind: 'webrtc', codecs: BROWSER_CODECS },
          passHeaders: 'all',
        },
      }
    }
    const trunk = this.#options.trunks.ofFlow(flow)
    if (trunk === undefined) throw new GatewayFailure('call.forbidden', { seen: flow.remote.address })
    return {
      party: { kind: 'trunk', trunk: trunk.config.name },
      plan: {
        name: `trunk:${trunk.config.name}`,
        media: this.#trunkMedia(trunk, flow.local.address),
        passHeaders: trunk.config.passHeaders,
      },
    }
  }

  #trunkMedia(trunk: Trunk, localAddress: string): LegMedia {
    return {
      kind: 'rtp',
      ...trunk.media,
      localAddress,
      announced: this.#options.config.udp.announced,
    }
  }

  #toUser(user: string, identity: Identity): PartyPlan {
    const { config, registration } = this.#options
    const bindings = registration.bindingsOf(user)
    if (bindings.length === 0) throw new GatewayFailure('call.not-registered', { seen: user })
    return {
      kind: 'party',
      name: `user:${user}`,
      media: { kind: 'webrtc', codecs: BROWSER_CODECS },
      targets: bindings.map(({ flow, contact }) => ({ flow, uri: contact.uri })),
      from: fromForUser(identity, config.domain),
      to: nameAddr(sipUri({ user, host: config.domain })),
      passHeaders: 'all',
      headers: [],
      redirectHosts: new Set(),
    }
  }

  #toTrunk(name: string, number: string, identity: Identity): PartyPlan {
    const { config, trunks, flowTo } = this.#options
    const trunk = trunks.get(name)
    if (trunk === undefined) throw new Error(`route to an unknown trunk ${name}`)
    const path = trunks.pathOf(trunk)
    const { localAddress } = path
    const { host, port, callerId, trusted } = trunk.config
    const to = sipUri({ user: number, host, port: port === 5060 ? undefined : port })
    const own = { callerId, isTrusted: trusted, host: config.udp.announced ?? localAddress }
    return {
      kind: 'party',
      name: `trunk:${name}`,
      media: this.#trunkMedia(trunk, localAddress),
      passHeaders: trunk.config.passHeaders,
      targets: [{ flow: flowTo(path), uri: to }],
      to: nameAddr(to),
      redirectHosts: new Set([host.toLowerCase(), path.remote.address]),
      ...fromForTrunk(identity, own),
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
        findSide: (replaces, party) => this.#find(replaces, party),
        planTransfer: (party, target) => this.#planTransfer(party, target),
        onEnded: (ended) => this.#forget(ended, caller),
      },
      invite,
      caller,
      callee,
    )
    this.#live.add(call)
    this.#perCaller.set(caller.name, (this.#perCaller.get(caller.name) ?? 0) + 1)
    call.start()
  }

  #forget(call: Call, { name }: CallerPlan): void {
    this.#live.delete(call)
    const left = (this.#perCaller.get(name) ?? 1) - 1
    if (left === 0) this.#perCaller.delete(name)
    else this.#perCaller.set(name, left)
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

/** Longer than any number or name; a longer one would only make a long INVITE of ours. */
const MAX_DIALLED_LENGTH = 128

function dialledNumber(uri: Uri): string {
  const dialled = userPartOf(uri)
  if (dialled === undefined || dialled.length > MAX_DIALLED_LENGTH) {
    const seen = (dialled ?? uri.text).slice(0, MAX_DIALLED_LENGTH)
    throw new GatewayFailure('call.unknown-number', {
      expected: `at most ${MAX_DIALLED_LENGTH} characters`,
      seen,
    })
  }
  return dialled
}

function userPartOf(uri: Uri): string | undefined {
  if (isSipUri(uri)) return uri.user ?? ''
  return uri.scheme === 'tel' ? uri.text.replace(/^tel:/i, '').split(';')[0] : undefined
}
