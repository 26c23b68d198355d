import type { Config } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { MediaEngine } from '../../media/engine.ts'
import type { Flow } from '../../sip/flow.ts'
import { header } from '../../sip/message/headers.ts'
import { isSipUri, type Uri } from '../../sip/message/message.ts'
import type { IncomingInvite, SipEnvironment, UserAgent } from '../../sip/user-agent.ts'
import { type Verdict, verdictOf } from '../diagnosis.ts'
import { refusalHeaders } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { CallHistory } from '../ladder/call-history.ts'
import type { CallReport } from '../ladder/call-report.ts'
import { CallTrace } from '../ladder/call-trace.ts'
import { Reporters } from '../ladder/reporters.ts'
import type { Refusals } from '../refusals.ts'
import type { Registrar } from '../registration/registrar.ts'
import type { Upstream } from '../registration/upstream.ts'
import { dialledOf } from '../trunks/dialled.ts'
import type { TrunkPath, TrunkTable } from '../trunks/trunk.ts'
import type { TrunkChoice } from '../trunks/trunk-choice.ts'
import type { TrunkDoor } from '../trunks/trunk-door.ts'
import type { TrunkStates } from '../trunks/trunk-states.ts'
import { Admission } from './admission.ts'
import { Call } from './call.ts'
import { CallPlans } from './call-plans.ts'
import { partyName } from './party.ts'
import type { AdmittedPlan, CallerPlan } from './plan.ts'
import { type Replaces, readReplaces } from './refer.ts'
import type { Side } from './side.ts'

export interface CallsOptions {
  readonly config: Config
  readonly userAgent: UserAgent
  readonly engine: MediaEngine
  readonly environment: SipEnvironment
  readonly log: Log
  readonly refusals: Refusals
  readonly registration: Registrar
  readonly trunks: TrunkTable
  readonly choice: TrunkChoice
  readonly states: TrunkStates
  readonly door: TrunkDoor
  /** The PBX that users are registered at, where we are not the registrar. */
  readonly upstream?: Upstream | undefined
  readonly flowTo: (path: TrunkPath) => Flow
  /** Is given the last word on each call, and on each refused attempt of somebody we know. */
  readonly onReport?: (report: CallReport) => void
}

/** Of somebody we know, whether a call comes of it or not. */
interface Attempt {
  readonly caller: string
  /** Whom it was for, as far as that is known before it is routed. */
  readonly callee: string
  readonly isEmergency: boolean
}

/** Turns INVITEs into calls and keeps those that are live. */
export class Calls {
  readonly #options: CallsOptions
  readonly #live = new Set<Call>()
  readonly #reporters = new Reporters()
  /** What limits let pass, of calls and of messages. */
  readonly admission: Admission
  readonly #plans: CallPlans
  readonly history: CallHistory
  #isDraining = false
  #isOver = false
  readonly #waiting = new Set<{ readonly isOver: () => boolean; readonly resolve: () => void }>()

  constructor(options: CallsOptions) {
    this.#options = options
    this.admission = new Admission({
      config: options.config,
      nowMs: options.environment.nowMs.bind(options.environment),
      mediaLoad: () => options.engine.load(),
    })
    this.#plans = new CallPlans({
      ...options,
      admission: this.admission,
      callsOver: (trunk) => this.callsOver(trunk),
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
    let attempt: Attempt | undefined
    try {
      const plan = this.#admit(invite, (identified) => {
        attempt = identified
      })
      if (plan !== undefined) this.#start(invite, plan.caller, plan.callee)
    } catch (error) {
      this.#refuse(invite, error, attempt)
    }
  }

  /**
   * From now on only emergency calls are taken. All others are ended with a Reason; resolves when the last of them has given
   * everything back.
   */
  async drain(): Promise<void> {
    this.#isDraining = true
    for (const call of this.#live)
      if (!call.charges.isEmergency) call.end(new GatewayFailure('call.draining'))
    await this.#until(() => [...this.#live].every((call) => call.charges.isEmergency))
  }

  /** Resolves when the last call has given everything back. */
  async over(): Promise<void> {
    await this.#until(() => this.#live.size === 0)
  }

  /** Ends every call, emergency calls too: their time is over. None is taken from now on. */
  end(): void {
    this.#isOver = true
    for (const call of this.#live) {
      if (call.charges.isEmergency)
        this.#options.log.error('emergency call cut by the stop', { callId: call.id })
      call.end(new GatewayFailure('call.draining'))
    }
  }

  /** Of limits: who has placed how many calls, and what was refused. */
  counters(): ReturnType<Admission['counters']> {
    return this.admission.counters()
  }

  async #until(isOver: () => boolean): Promise<void> {
    if (isOver()) return
    await new Promise<void>((resolve) => {
      this.#waiting.add({ isOver, resolve })
    })
  }

  /** Undefined: the caller has been challenged and will come again, or has joined a live call. */
  #admit(
    invite: IncomingInvite,
    identified: (attempt: Attempt) => void,
  ): { caller: CallerPlan; callee: AdmittedPlan } | undefined {
    const { parties } = this.#plans
    const { numbers, emergency } = this.#options.config
    const dialled = dialledOf(invite.request.uri, numbers, emergency?.numbers)
    const isEmergency = parties.router.isEmergency(dialled)
    if (this.#isOver || (this.#isDraining && !isEmergency)) throw new GatewayFailure('call.draining')
    const caller = parties.identify(invite)
    if (caller === undefined) return undefined
    const name = partyName(caller)
    if (caller.kind === 'user') invite.party = name
    else invite.peer = caller.trunk
    const called = parties.calledBy(caller, invite.request)
    identified({
      caller: name,
      callee: called ?? askedFor(invite.request.uri),
      isEmergency: isEmergency && caller.kind === 'user',
    })
    const plan = this.#plans.ofCaller(caller, invite)
    const replaces = header(invite.request, 'Replaces')
    if (replaces !== undefined && !isEmergency) {
      this.#replace(invite, plan, readReplaces(replaces))
      return undefined
    }
    return { caller: plan, callee: this.#plans.ofCall(caller, plan.identity, called ?? dialled, invite) }
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

  #planTransfer(transferor: Side, target: Uri, far: Side): AdmittedPlan {
    const planned = this.#plans.ofTransfer(transferor, target, far)
    if (planned.ticket.isEmergency)
      this.#logEmergency({ caller: transferor.party, callee: planned.callee.name })
    return planned
  }

  /** Whoever watches the log shall not have to look for it. */
  #logEmergency(fields: Readonly<Record<string, unknown>>): void {
    this.#options.log.warn('emergency call', fields)
  }

  #start(invite: IncomingInvite, caller: CallerPlan, callee: AdmittedPlan): void {
    const { userAgent, engine, environment, log, refusals, config } = this.#options
    const call = new Call(
      {
        userAgent,
        engine,
        environment,
        log,
        refusals,
        limits: config.calls,
        silence: config.media,
        findSide: (replaces, party) => this.#find(replaces, party),
        planTransfer: (transferor, target, far) => this.#planTransfer(transferor, target, far),
        said: (side, message) => this.#plans.parties.identitySaid(side, message),
        shown: (side) => this.#plans.shown(side),
        admitMessage: (payer) => this.admission.passMessage({ payer, forms: undefined }),
        reporters: this.#reporters,
        maxDurationS: (parties) => this.admission.limits.maxDurationS(parties),
        onEnded: (ended) => this.#forget(ended),
      },
      invite,
      caller,
      callee,
    )
    this.#live.add(call)
    this.history.begin(call.trace)
    if (callee.ticket.isEmergency) {
      const source = invite.flow.remote.address
      this.#logEmergency({ callId: call.id, caller: caller.name, callee: callee.callee.name, source })
    }
    call.start()
  }

  #forget(call: Call): void {
    this.#live.delete(call)
    this.history.end(call.trace)
    const report = call.trace.report()
    // The other half of a sign-in follows, and that is the call.
    if (report.verdict?.code !== 'upstream.challenged') this.#options.onReport?.(report)
    for (const waiting of this.#waiting) {
      if (!waiting.isOver()) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }

  #remember({ request }: IncomingInvite, { caller, callee }: Attempt, verdict: Verdict): void {
    const { environment, onReport } = this.#options
    const trace = new CallTrace({
      callId: request.callId,
      caller,
      callee,
      nowMs: () => environment.nowMs(),
      startedAt: new Date(),
    })
    trace.end({ verdict, isCancelled: false })
    this.history.refuse(trace)
    onReport?.(trace.report())
  }

  #refuse(invite: IncomingInvite, error: unknown, attempt: Attempt | undefined): void {
    const verdict = verdictOf(error)
    const { callId } = invite.request
    const isTold = this.#options.refusals.tell('call refused', {
      verdict,
      error,
      fields: { callId, source: invite.flow.remote.address },
      party: attempt?.caller,
      isEmergency: attempt?.isEmergency ?? false,
    })
    // A stranger must not crowd our own calls out of the history.
    if (isTold && attempt !== undefined) this.#remember(invite, attempt, verdict)
    invite.reject(verdict.status, { headers: refusalHeaders(verdict), isOnce: attempt === undefined })
  }
}

const MAX_ASKED_LENGTH = 128

/** As it stood there, for a reader. */
const askedFor = (uri: Uri): string =>
  ((isSipUri(uri) ? uri.user : undefined) ?? uri.text).slice(0, MAX_ASKED_LENGTH)
