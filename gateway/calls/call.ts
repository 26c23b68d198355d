import type { CallsConfig } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { LegName, MediaEngine } from '../../media/engine.ts'
import { type MediaFailure, SILENCE_CODES } from '../../media/failure.ts'
import type { Header, NameAddr, SipRequest, SipResponse, Uri } from '../../sip/message/message.ts'
import type {
  EndReason,
  IncomingInvite,
  IncomingReinvite,
  IncomingRequest,
  SipEnvironment,
  UserAgent,
} from '../../sip/user-agent.ts'
import { type Verdict, verdictOf } from '../diagnosis.ts'
import { logLevelOf, reasonHeader, refusalHeaders, verdictFields } from '../failure.ts'
import { type GatewayCode, GatewayFailure } from '../gateway-failure.ts'
import { CallObserver } from '../ladder/call-observer.ts'
import { CallTrace } from '../ladder/call-trace.ts'
import type { Reporters } from '../ladder/reporters.ts'
import type { Refusals } from '../refusals.ts'
import { relayInDialog } from '../relay/relay-in-dialog.ts'
import { answeredHeaders } from '../relay/relay-policy.ts'
import { bodyWith, sdpBody } from './body.ts'
import { CallCharges } from './call-charges.ts'
import { type CallEvent, type CallState, nextCallState } from './call-machine.ts'
import { CallMedia } from './call-media.ts'
import { Conversation, type SilenceLimits } from './conversation.ts'
import { Dialling, type Progress } from './dialling.ts'
import { cancelReasons, isOverSdp, passedReasons, requestHeaders, saidReasons } from './header-policy.ts'
import type { Identity } from './identity.ts'
import { Introductions } from './introductions.ts'
import { KeyPresses } from './key-presses.ts'
import type { AdmittedPlan, CalleePlan, CallerPlan, LegPlan, PartyPlan } from './plan.ts'
import type { Replaces } from './refer.ts'
import { sessionIdHeader } from './session-id.ts'
import { SetUp } from './set-up.ts'
import { Side, type SideOwner } from './side.ts'
import { type FoundSide, type JoinableCall, Transfers } from './transfers.ts'

/** What all calls of a daemon share. */
export interface CallContext {
  readonly userAgent: UserAgent
  readonly engine: MediaEngine
  readonly environment: SipEnvironment
  readonly log: Log
  readonly refusals: Refusals
  readonly limits: Pick<CallsConfig, 'ringTimeoutS' | 'attemptS' | 'progressS'>
  readonly silence: SilenceLimits
  /** The side of a live call that a transfer names; undefined when there is none that `party` may take part in. */
  readonly findSide: (replaces: Replaces, party: string) => FoundSide | undefined
  /** Where a transfer leads; throws what a call of the transferor's to there would be refused with. */
  readonly planTransfer: (transferor: Side, target: Uri, far: Side) => AdmittedPlan
  /** As `IntroductionsOptions` has them. */
  readonly said: (side: Side, message: SipRequest | SipResponse) => Identity | undefined
  readonly shown: (side: Side) => NameAddr
  /** One more MESSAGE inside a call. Throws `limit.rate`. */
  readonly admitMessage: (payer: string) => void
  /** How long a call of these parties may last. */
  readonly maxDurationS: (parties: readonly string[]) => number
  /** As `MediaWatchOptions` has them. */
  readonly reporters: Reporters
  /** The call has given everything back: dialogs ended, media closed. */
  readonly onEnded: (call: Call) => void
}

/** A caller that cannot be heard may still hear the fire brigade, and the tone. */
const NEVER_MISSED: SilenceLimits = { rtpTimeoutS: 0, rtpHoldTimeoutS: 0 }

/** What it means that a dialog ends without BYE. */
const CODE_OF_END: Readonly<Partial<Record<EndReason, GatewayCode>>> = {
  'ack-timeout': 'call.ack-missing',
  'session-expired': 'call.session-expired',
  'refresh-challenged': 'call.refresh-challenged',
  forgotten: 'call.dialog-lost',
  'flow-lost': 'call.connection-lost',
}

const ALLOW: Header = {
  name: 'Allow',
  value: 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, UPDATE, PRACK, REFER, NOTIFY',
}

/**
 * One call from INVITE to the last of its resources. Everything that happens is a step in one queue, so that a step finds
 * the state its predecessor left; an error in a step ends this call and nothing else.
 */
export class Call implements SideOwner, JoinableCall {
  /** Call-ID of the caller's leg. */
  readonly id: string
  readonly #context: CallContext
  readonly #invite: IncomingInvite
  readonly #callerPlan: CallerPlan
  readonly #callee: CalleePlan
  readonly #log: Log
  readonly #startedAtMs: number
  readonly #observer: CallObserver
  readonly #media: CallMedia
  readonly #conversation: Conversation
  readonly #keys: KeyPresses
  readonly #introductions: Introductions
  readonly #setUp: SetUp
  readonly #transfers: Transfers
  /** What it holds of the limits, and until when it may last. */
  readonly charges: CallCharges
  #state: CallState = 'routing'
  #steps: Promise<void> = Promise.resolve()

  constructor(
    context: CallContext,
    invite: IncomingInvite,
    caller: CallerPlan,
    { callee, ticket }: AdmittedPlan,
  ) {
    this.id = invite.request.callId
    this.#context = context
    this.#invite = invite
    this.#callerPlan = caller
    this.#callee = callee
    this.#log = context.log.child({ callId: this.id })
    this.#startedAtMs = context.environment.nowMs()
    this.#observer = new CallObserver(
      new CallTrace({
        callId: this.id,
        caller: caller.name,
        callee: callee.name,
        nowMs: () => context.environment.nowMs(),
        startedAt: new Date(),
      }),
    )
    this.charges = new CallCharges({ ...context, onTooLong: (failure) => this.#fail(failure) }, ticket)
    this.#keys = new KeyPresses(
      () => context.environment.nowMs(),
      [ALLOW],
      ({ leg }, error) => this.#addFinding(verdictOf(error, { leg: leg.name })),
    )
    this.#introductions = new Introductions({
      nowMs: () => context.environment.nowMs(),
      said: context.said,
      shown: context.shown,
      run: (step) => this.#run(step),
      refresh: (side) => this.#conversation.refresh(side),
    })
    this.#conversation = new Conversation({
      environment: context.environment,
      log: this.#log,
      run: (step) => this.#run(step),
      silence: () => (this.charges.isEmergency || this.isWithApplication ? NEVER_MISSED : context.silence),
      headers: (side) => this.#headers(side),
      heed: (side, message) => this.#heed(side, message),
      introduce: (side) => this.#introduce(side),
      onChangeRefused: (verdict) => this.#onChangeRefused(verdict),
    })
    this.#media = new CallMedia({
      callId: this.id,
      engine: context.engine,
      environment: context.environment,
      log: this.#log,
      observer: this.#observer,
      reporters: context.reporters,
      sides: () => this.#conversation.sides,
      onFailure: (leg, failure) => this.#onMediaFailure(leg, failure),
      onKeyPress: (leg, key) => this.#keys.onHeard(this.#conversation.otherThan(leg), key),
      onMoved: (leg, local) => this.#run(() => this.#conversation.moved(leg, local)),
      onFinding: ({ failure, ...place }) => this.#addFinding(verdictOf(failure, place)),
    })
    this.#setUp = new SetUp({
      host: {
        log: this.#log,
        trace: this.trace,
        conversation: this.#conversation,
        token: () => context.environment.token(),
        openSession: () => this.#media.open(),
        openSide: (name, plan, isCallIdOwner) => this.#openSide(name, plan, isCallIdOwner),
        place: (side, plan, text, progress) => this.#place(side, plan, text, progress),
        headers: (side) => this.#headers(side),
        heed: (side, response) => this.#heed(side, response),
        move: (event) => this.#move(event),
        hasEnded: () => this.#hasEnded(),
        onAnswered: () => this.#onAnswered(),
        onRefused: (failure) => {
          const verdict = verdictOf(failure, { leg: 'callee' })
          this.#end('refused', { verdict, headers: failure.headers })
        },
      },
      invite,
      caller,
      callee,
    })
    this.#transfers = new Transfers({
      conversation: this.#conversation,
      log: this.#log,
      owner: this,
      environment: context.environment,
      isConnected: () => this.#state === 'connected',
      run: (step, lost) => this.#run(step, lost),
      session: () => this.#media.session,
      introductions: this.#introductions,
      openSide: (name, plan, isCallIdOwner) => this.#openSide(name, plan, isCallIdOwner),
      place: (side, plan, text, handler) => this.#place(side, plan, text, handler),
      headers: (side, other) => this.#headers(side, other),
      planTransfer: context.planTransfer,
      dropped: ({ leg }, why) => this.trace.dropped(leg.name, why),
      named: (callId) => this.trace.dialog(callId),
      charges: this.charges,
      findSide: context.findSide,
      refused: (message, error, { leg, party }) => {
        const verdict = verdictOf(error)
        const fields = { callId: this.id, leg: leg.name }
        context.refusals.tell(message, { verdict, error, fields, party })
        return verdict
      },
    })
    invite.handler = {
      onCancel: (cancel) =>
        this.#end('cancelled', { reasons: cancelReasons(cancel), said: saidReasons(cancel) }),
      onPrackTimeout: () => this.#fail(new GatewayFailure('call.prack-missing'), 'caller'),
      onLost: () => this.#fail(new GatewayFailure('call.connection-lost'), 'caller'),
    }
  }

  get state(): CallState {
    return this.#state
  }

  /** Who takes part, those who are still being called included. */
  get parties(): readonly string[] {
    if (this.#state !== 'connected') return [this.#callerPlan.name, this.#setUp.dialled]
    const target = this.#transfers.target
    return [...this.#conversation.sides.map(({ party }) => party), ...(target === undefined ? [] : [target])]
  }

  /** What has happened in it so far. */
  get trace(): CallTrace {
    return this.#observer.trace
  }

  start(): void {
    this.#log.info('call started', { caller: this.#callerPlan.name, callee: this.#callee.name })
    this.#run(() => this.#setUp.start())
  }

  /** Ends the call from outside (drain, administrator). No-op when it has ended. */
  end(failure: GatewayFailure): void {
    this.#fail(failure)
  }

  /**
   * The side whose dialog this is, while the call is connected. Tags the wrong way round are taken too: JsSIP names a call
   * that came in so, and a peer that knows both tags knows the dialog.
   */
  sideOf({ callId, toTag, fromTag }: Replaces): Side | undefined {
    if (this.#state !== 'connected') return undefined
    return this.#conversation.sides.find(({ dialog }) => {
      if (dialog?.callId !== callId) return false
      const [ours, theirs] = [dialog.localTag, dialog.remoteTag]
      return (ours === toTag && theirs === fromTag) || (ours === fromTag && theirs === toTag)
    })
  }

  /** INVITE with Replaces (RFC 3891 §4): its sender takes the place of `side`. A failure refuses it, and this call goes on. */
  takeOver(side: Side, invite: IncomingInvite, caller: CallerPlan): void {
    this.#transfers.takeOver(side, invite, caller)
  }

  get isWithApplication(): boolean {
    return this.#callee.kind === 'application'
  }

  farSideOf(side: Side): Side | undefined {
    return this.#conversation.other(side)
  }

  release(side: Side): void {
    this.#conversation.remove(side)
  }

  endJoined(): void {
    this.#end('hung-up', { by: 'transfer' })
  }

  rungsOf(side: Side): readonly string[] {
    return this.trace.rungsOf(side.leg.name)
  }

  adopted(side: Side, rungs: readonly string[]): void {
    this.#observer.adopted(side, rungs)
  }

  onDescribed(side: Side, direction: 'received' | 'sent', text: string): void {
    this.#observer.described(side, direction, text)
  }

  onAgreed(side: Side, codec: string | undefined): void {
    this.#observer.agreed(side, codec)
  }

  onBlamed(side: Side, error: unknown): void {
    this.#observer.blame(side.leg.name, error)
  }

  onImpaired({ leg }: Side, error: unknown): void {
    this.#addFinding(verdictOf(error, { leg: leg.name, direction: 'received' }))
  }

  onDialogEnd(side: Side, reason: EndReason, request: SipRequest | undefined): void {
    side.dialog = undefined
    // Of a target that has just answered: the step that takes its answer finds it gone.
    if (this.#transfers.hasLeft(side) || this.#transfers.isTarget(side)) return
    const code = CODE_OF_END[reason]
    if (code !== undefined) this.#fail(new GatewayFailure(code, { seen: side.leg.name }), side.leg.name)
    else if (this.#transfers.isTransferor(side))
      this.#run(async () => {
        if (!(await this.#transfers.withdraw(side))) this.#hungUp(side, request)
      })
    else this.#hungUp(side, request)
  }

  #hungUp(side: Side, request: SipRequest | undefined): void {
    const leg = side.leg.name
    const said = request === undefined ? undefined : saidReasons(request)
    if (isOverSdp(said))
      this.#addFinding(verdictOf(new GatewayFailure('call.sdp-refused', { seen: `BYE ${said}` }), { leg }))
    const other = this.#conversation.other(side)
    this.#end('hung-up', {
      by: leg,
      reasons: request === undefined ? [] : passedReasons(request),
      farewell:
        request === undefined || other === undefined
          ? []
          : requestHeaders(request, side.party, other.passHeaders),
      said,
    })
  }

  onDialogAck(side: Side, ack: SipRequest): void {
    if (this.#setUp.awaitsAnswerOf(side)) this.#run(() => this.#conversation.takeAnswer(side, ack.body))
  }

  onReinvite(side: Side, reinvite: IncomingReinvite): void {
    this.#run(async () => void (await this.#onReinvite(side, reinvite)))
  }

  /** False: it was refused. */
  async #onReinvite(side: Side, reinvite: IncomingReinvite): Promise<boolean> {
    this.#heed(side, reinvite.request)
    const isAccepted = await this.#conversation.onReinvite(side, reinvite)
    const other = this.#conversation.other(side)
    if (other !== undefined) this.#introduce(other)
    return isAccepted
  }

  onRefreshed(side: Side, request: SipRequest): void {
    this.#run(() => {
      this.#heed(side, request)
      const other = this.#conversation.other(side)
      if (other !== undefined) this.#introduce(other)
    })
  }

  onEarlyOffer(side: Side, reinvite: IncomingReinvite): boolean {
    const isTaken = this.#setUp.takesEarlyOffer(side, reinvite.request)
    if (isTaken)
      this.#run(
        async () => {
          if (await this.#onReinvite(side, reinvite)) this.#setUp.onEarlyOffer(side, reinvite.request)
        },
        // An early dialog that ends answers nothing by itself.
        () => reinvite.reject(487),
      )
    return isTaken || this.#transfers.takesEarlyOffer(side, reinvite)
  }

  onRefreshDue(side: Side): void {
    this.#run(() => this.#conversation.refresh(side))
  }

  onRequest(side: Side, request: IncomingRequest): void {
    if (request.request.method === 'REFER')
      this.#run(
        () => this.#transfers.onRefer(side, request),
        // RFC 3261 §15.1.2.
        () => request.respond(487),
      )
    else {
      const other = this.#conversation.other(side)
      if (!this.#keys.takeInfo(side, other, request)) {
        const admitMessage = (): void => this.#context.admitMessage(side.party)
        relayInDialog(request, other?.dialog, {
          allowed: ALLOW,
          admitMessage,
          headers: (message, named) =>
            requestHeaders(message, side.party, other?.passHeaders ?? 'none', named),
          answered: (response) => answeredHeaders(response, other?.party ?? '', side.passHeaders),
        })
      }
    }
  }

  /** An emergency call goes on without the connection of its page: a lost ICE consent ends it as any other, a lost WebSocket does not. */
  outlivesFlow(): boolean {
    return this.charges.isEmergency
  }

  /** `lost`: the call has ended before the turn of this step. */
  #run(step: () => Promise<void> | void, lost: () => void = () => {}): void {
    this.#steps = this.#steps
      .then(async () => {
        if (this.#hasEnded()) lost()
        else await step()
      })
      .catch((error: unknown) => this.#fail(error))
  }

  async #openSide(name: LegName, plan: LegPlan, isCallIdOwner: boolean): Promise<Side> {
    const { name: party, media, passHeaders } = plan
    // Before it is there: what keeps it from being opened is its own.
    this.#observer.opened(name, party, media)
    // Who has called us need not take an answer before it is final.
    const leg = await this.#media.openLeg(name, media, {
      isCaller: !isCallIdOwner,
      // Only a transfer fails then.
      isPassing: this.#state === 'connected',
    })
    // A party that we did not call has called us.
    if (!isCallIdOwner) this.trace.climb(name, 'S1')
    return new Side({ leg, party, passHeaders, isCallIdOwner, owner: this })
  }

  #place(side: Side, plan: PartyPlan, text: string, progress: Progress): Dialling {
    const { userAgent, environment, limits } = this.#context
    return new Dialling({
      userAgent,
      environment,
      plan,
      side,
      body: bodyWith(sdpBody(text), progress.locations ?? [], () => environment.token()),
      headers: progress.headers,
      limits,
      maxForwards: progress.maxForwards,
      handler: {
        onProgress: (response) => {
          this.#observer.heard(side, response.status, response.reason)
          this.#run(() => progress.onProgress(response))
        },
        onAnswered: (response) => {
          this.#observer.heard(side, response.status, response.reason)
          this.#observer.answered(side)
          this.#run(() => progress.onAnswered(response))
        },
        onFailed: (failure, next) => {
          if (next !== undefined) progress.onNext?.(next)
          this.#run(() => progress.onFailed(failure, next))
        },
      },
    })
  }

  #onAnswered(): void {
    this.charges.answered(this.parties)
    this.#log.info('call answered')
    this.#run(() => this.#conversation.watch())
    this.#media.startWatching()
  }

  #onMediaFailure(leg: LegName, failure: MediaFailure): void {
    // The target of a transfer is no part of the conversation yet: only the transfer fails.
    if (this.#transfers.onMediaFailure(leg, failure)) return
    if (SILENCE_CODES.has(failure.code)) {
      this.#run(async () => this.#fail((await this.#media.whySilent(leg)) ?? failure, leg, 'received'))
      return
    }
    const side = this.#conversation.sides.find((one) => one.leg.name === leg)
    if (leg !== 'callee' || side === undefined || !this.charges.isEmergency) this.#fail(failure, leg)
    else
      this.#run(async () => {
        if (!(await this.#setUp.leave(side, failure))) this.#fail(failure, leg)
      })
  }

  /** Something is wrong that the call goes on with. */
  #addFinding(verdict: Verdict): void {
    if (this.trace.addFinding(verdict)) this.#log.warn('call impaired', verdictFields(verdict))
  }

  /** Who describes what cannot be used has hold or resume undone; glare, and a fax that was tried, are every day's. */
  #onChangeRefused(verdict: Verdict): void {
    if (verdict.stage === 'S2' && verdict.code !== 'sdp.no-audio') this.#addFinding(verdict)
    else this.trace.note('change refused', verdict, verdict.message)
  }

  #fail(error: unknown, leg?: LegName, direction?: 'received'): void {
    const at = leg ?? this.#observer.blamed(error)
    const verdict = verdictOf(error, { leg: at, direction })
    if (verdict.code === 'call.internal') this.#log.error('internal error', { error })
    const end = (): void => this.#end('failed', { verdict, ...(leg === undefined ? {} : { leg }) })
    const side = this.#conversation.sides.find((one) => one.leg.name === at)
    if (side === undefined || !this.#transfers.isTransferor(side)) end()
    else
      this.#run(async () => {
        if (!(await this.#transfers.withdraw(side))) end()
        else this.#log.warn('transfer goes on without its transferor', verdictFields(verdict, error))
      })
  }

  #hasEnded(): boolean {
    return this.#state === 'ended'
  }

  /** False when the event lost a race and nothing must be done about it. */
  #move(event: CallEvent): boolean {
    const next = nextCallState(this.#state, event)
    if (next === undefined) return false
    this.#state = next
    this.trace.enter(next)
    return true
  }

  #end(
    event: CallEvent,
    why: {
      readonly verdict?: Verdict
      /** Who hung up: the leg that needs no BYE. */
      readonly by?: LegName
      /** The leg that failed. */
      readonly leg?: LegName
      /** Reason headers of the peer that pass to the other side. */
      readonly reasons?: readonly Header[]
      /** What else its BYE hands over to the other side. */
      readonly farewell?: readonly Header[]
      /** Why the peer ends it, in its own words. */
      readonly said?: string | undefined
      /** What the caller must see of the refusal. */
      readonly headers?: readonly Header[]
    },
  ): void {
    const wasConnected = this.#state === 'connected'
    if (!this.#move(event)) return
    const silence = event === 'cancelled' ? this.#setUp.silence() : undefined
    if (silence !== undefined) this.#addFinding(verdictOf(silence, { leg: 'callee' }))
    this.charges.stop()
    this.#media.stopWatching()
    this.trace.end({ verdict: why.verdict, by: why.by, said: why.said, isCancelled: event === 'cancelled' })
    this.#logEnd(event, why.verdict, why.by ?? why.leg, why.said)
    const reasons = why.verdict === undefined ? (why.reasons ?? []) : [reasonHeader(why.verdict)]
    this.#setUp.cancel(reasons)
    this.#transfers.close(reasons)
    this.#conversation.close()
    if (!wasConnected && why.verdict !== undefined) {
      const headers = [...refusalHeaders(why.verdict), ...(why.headers ?? [])]
      this.#invite.reject(why.verdict.status, { headers })
    }
    const farewell = [...reasons, ...(why.farewell ?? [])]
    for (const side of this.#conversation.sides) side.dialog?.bye(farewell)
    // Behind the step under way, so that nothing it still opens is left.
    this.#steps = this.#steps.then(async () => {
      await this.#media.close()
      this.charges.close()
      this.#context.onEnded(this)
    })
  }

  /** What each of our requests and answers to a side carries. `other`: who it will talk to, when not yet in place. */
  #headers(side: Side, other: Side | undefined = this.#conversation.other(side)): readonly Header[] {
    const sessionId = sessionIdHeader(other?.sessionUuid, side.sessionUuid)
    return [ALLOW, sessionId, ...this.#introductions.headers(side, other)]
  }

  #heed(side: Side, message: SipRequest | SipResponse): void {
    if (!this.#introductions.heed(side, message)) return
    this.trace.note('identity changed', { leg: side.leg.name, direction: 'received' })
  }

  #introduce(side: Side): void {
    this.#introductions.tell(
      side,
      () => this.#conversation.other(side),
      () => this.#headers(side),
    )
  }

  #logEnd(
    event: CallEvent,
    verdict: Verdict | undefined,
    leg: LegName | undefined,
    said: string | undefined,
  ): void {
    const durationMs = Math.round(this.#context.environment.nowMs() - this.#startedAtMs)
    const fields = {
      event,
      durationMs,
      ...(leg === undefined ? {} : { leg }),
      ...(said === undefined ? {} : { said }),
    }
    if (verdict === undefined) this.#log.info('call ended', fields)
    else {
      const level = this.charges.isEmergency ? 'error' : logLevelOf(verdict)
      const message = verdict.code === 'upstream.challenged' ? 'call challenged' : 'call failed'
      this.#log[level](message, { ...fields, ...verdictFields(verdict) })
    }
  }
}
