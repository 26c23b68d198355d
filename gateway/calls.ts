import type { Config } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import type { MediaEngine } from '../media/engine.ts'
import { announcedFor } from '../media/host-candidates.ts'
import type { Flow } from '../sip/flow.ts'
import { header } from '../sip/headers.ts'
import { isSipUri, type Uri } from '../sip/message.ts'
import type { IncomingInvite, SipEnvironment, UserAgent } from '../sip/user-agent.ts'
import { Call } from './call.ts'
import { CallHistory } from './call-history.ts'
import { CallTrace } from './call-trace.ts'
import { type Cdr, cdrOf } from './cdr.ts'
import { type Verdict, verdictOf } from './diagnosis.ts'
import { dialledOf } from './dialled.ts'
import { logLevelOf, refusalHeaders } from './failure.ts'
import { GatewayFailure } from './gateway-failure.ts'
import type { Identity } from './identity.ts'
import type { LegMedia } from './leg.ts'
import { Parties } from './parties.ts'
import type { CalleePlan, CallerPlan, PartyPlan } from './plan.ts'
import { type Replaces, readReplaces } from './refer.ts'
import type { Registrar } from './registrar.ts'
import type { Caller, Destination } from './router.ts'
import type { Side } from './side.ts'
import type { Trunk, TrunkPath, TrunkTable } from './trunk.ts'
import type { TrunkChoice } from './trunk-choice.ts'
import type { TrunkDoor } from './trunk-door.ts'
import { TrunkPlans } from './trunk-plans.ts'
import type { TrunkStates } from './trunk-states.ts'

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
  readonly registration: Registrar
  readonly trunks: TrunkTable
  readonly choice: TrunkChoice
  readonly states: TrunkStates
  readonly door: TrunkDoor
  readonly flowTo: (path: TrunkPath) => Flow
  /** Is given one record of each call, and of each refused attempt of somebody we know. */
  readonly onRecord?: (record: Cdr) => void
}

/** Turns INVITEs into calls and keeps those that are live. */
export class Calls {
  readonly #options: CallsOptions
  readonly #live = new Set<Call>()
  /** How many of them each caller has placed. */
  readonly #perCaller = new Map<string, number>()
  readonly #parties: Parties
  readonly history: CallHistory
  readonly #trunkPlans: TrunkPlans
  #isDraining = false
  #whenEmpty: (() => void) | undefined

  constructor(options: CallsOptions) {
    this.#options = options
    this.#parties = new Parties(options)
    this.#trunkPlans = new TrunkPlans({
      ...options,
      parties: this.#parties,
      callsOver: (trunk) => this.callsOver(trunk),
      mediaOf: ({ name }, localAddress) => this.#trunkMedia(this.#trunk(name), localAddress),
    })
    const { keepCalls, keepCallsS } = options.config.calls
    this.history = new CallHistory({
      maxCalls: keepCalls,
      keepMs: keepCallsS * 1_000,
      nowMs: () => options.environment.nowMs(),
    })
  }

  get size(): number {
    return this.#live.size
  }

  /** Calls that a trunk carries, both ways, those that are being set up included. */
  callsOver(trunk: string): number {
    const party = `trunk:${trunk}`
    let count = 0
    for (const call of this.#live) count += call.parties.filter((name) => name === party).length
    return count
  }

  /** A new INVITE: challenged, refused with a reason, or a call from here on. Never throws. */
  onInvite(invite: IncomingInvite): void {
    let caller: string | undefined
    try {
      const plan = this.#admit(invite, (name) => {
        caller = name
      })
      if (plan !== undefined) this.#start(invite, plan.caller, plan.callee)
    } catch (error) {
      this.#refuse(invite, error, caller)
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
  #admit(
    invite: IncomingInvite,
    identified: (caller: string) => void,
  ): { caller: CallerPlan; callee: CalleePlan } | undefined {
    const { config } = this.#options
    if (this.#isDraining) throw new GatewayFailure('call.draining')
    const caller = this.#parties.identify(invite)
    if (caller === undefined) return undefined
    const plan = this.#callerPlan(caller, invite)
    if (caller.kind === 'user') invite.party = plan.name
    identified(plan.name)
    const replaces = header(invite.request, 'Replaces')
    if (replaces !== undefined) {
      this.#replace(invite, plan, readReplaces(replaces))
      return undefined
    }
    if (this.#live.size >= config.calls.maxCalls) {
      throw new GatewayFailure('call.overload', { expected: `at most ${config.calls.maxCalls}` })
    }
    const placed = this.#perCaller.get(plan.name) ?? 0
    if (caller.kind === 'user' && placed >= MAX_CALLS_PER_USER) {
      throw new GatewayFailure('call.overload', { expected: `at most ${MAX_CALLS_PER_USER} of one user` })
    }
    const destination = this.#parties.router.route(dialledOf(invite.request.uri, config.numbers), caller)
    return { caller: plan, callee: this.#plan(destination, this.#parties.identityOf(invite.request, caller)) }
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
  #planTransfer(party: string, target: Uri): CalleePlan {
    const { router } = this.#parties
    const caller = callerOf(party)
    const dialled = dialledOf(target, this.#options.config.numbers)
    const destination =
      caller.kind === 'trunk'
        ? (router.find(dialled, caller) ?? router.toTrunk(caller.trunk, dialled))
        : router.route(dialled, caller)
    return this.#plan(destination, this.#parties.knownIdentityOf(caller))
  }

  #plan(destination: Destination, identity: Identity): CalleePlan {
    switch (destination.kind) {
      case 'application':
        return { kind: 'application', name: `app:${destination.name}`, application: destination.name }
      case 'users':
        return this.#toUsers(destination.users, destination.number, identity)
      case 'trunk':
        return this.#trunkPlans.plan({ names: [destination.trunk], number: destination.number, identity })
      default:
        return destination satisfies never
    }
  }

  #callerPlan(caller: Caller, { flow }: IncomingInvite): CallerPlan {
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
      ...this.#parties.ofUsers(users, number, identity),
      media: { kind: 'webrtc', codecs: BROWSER_CODECS },
      passHeaders: 'all',
      redirectHosts: new Set(),
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
    this.history.begin(call.trace)
    this.#perCaller.set(caller.name, (this.#perCaller.get(caller.name) ?? 0) + 1)
    call.start()
  }

  #forget(call: Call, { name }: CallerPlan): void {
    this.#live.delete(call)
    this.history.end(call.trace)
    this.#options.onRecord?.(cdrOf(call.trace.report()))
    const left = (this.#perCaller.get(name) ?? 1) - 1
    if (left === 0) this.#perCaller.delete(name)
    else this.#perCaller.set(name, left)
    if (this.#live.size === 0) this.#whenEmpty?.()
  }

  #remember({ request }: IncomingInvite, caller: string, verdict: Verdict): void {
    const { environment, onRecord } = this.#options
    const trace = new CallTrace({
      callId: request.callId,
      caller,
      callee: askedFor(request.uri),
      nowMs: () => environment.nowMs(),
      startedAt: new Date(),
    })
    trace.end({ verdict, isCancelled: false })
    this.history.refuse(trace)
    onRecord?.(cdrOf(trace.report()))
  }

  #refuse(invite: IncomingInvite, error: unknown, caller: string | undefined): void {
    const verdict = verdictOf(error)
    // A stranger shall not crowd out of the history who belongs there.
    if (caller !== undefined) this.#remember(invite, caller, verdict)
    const { callId } = invite.request
    const fields = { callId, ...verdict, reason: verdict.message, source: invite.flow.remote.address }
    this.#options.log[logLevelOf(verdict)](
      'call refused',
      verdict.code === 'call.internal' ? { ...fields, error } : fields,
    )
    invite.reject(verdict.status, { headers: refusalHeaders(verdict) })
  }
}

const MAX_ASKED_LENGTH = 128

/** As it stood there, for a reader. */
const askedFor = (uri: Uri): string =>
  ((isSipUri(uri) ? uri.user : undefined) ?? uri.text).slice(0, MAX_ASKED_LENGTH)

/** The caller behind `user:alice` or `trunk:pbx`. */
function callerOf(party: string): Caller {
  const name = party.slice(party.indexOf(':') + 1)
  return party.startsWith('trunk:') ? { kind: 'trunk', trunk: name } : { kind: 'user', user: name }
}
