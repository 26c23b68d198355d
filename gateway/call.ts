import type { CallsConfig } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import type { LegName, MediaEngine, MediaSession, MediaStageEvent } from '../media/engine.ts'
import type { MediaFailure } from '../media/failure.ts'
import { answerableCodecs, offerableCodecs, STANDARD_CODECS } from '../sdp/codecs.ts'
import type { Offer } from '../sdp/session.ts'
import { maxForwards } from '../sip/headers.ts'
import type { Header, SipRequest, SipResponse, SipUri } from '../sip/message.ts'
import type {
  Body,
  EndReason,
  IncomingInvite,
  IncomingReinvite,
  IncomingRequest,
  SipEnvironment,
  UserAgent,
} from '../sip/user-agent.ts'
import { applicationCodecs, startApplication } from './applications.ts'
import { requireSdp, sdpBody } from './body.ts'
import { type CallEvent, type CallState, nextCallState } from './call-machine.ts'
import { Conversation } from './conversation.ts'
import { type Verdict, verdictOf } from './diagnosis.ts'
import { Dialling } from './dialling.ts'
import { logLevelOf, reasonHeader, refusalHeaders } from './failure.ts'
import { GatewayFailure } from './gateway-failure.ts'
import { passedHeaders, passedReasons } from './header-policy.ts'
import { isSameCodec, Leg, type LegMedia } from './leg.ts'
import type { ApplicationPlan, CalleePlan, CallerPlan, PartyPlan } from './plan.ts'
import { type Replaces, readRefer } from './refer.ts'
import { relayInDialog } from './relay-in-dialog.ts'
import { sessionIdHeader, sessionUuidOf } from './session-id.ts'
import { Side, type SideOwner } from './side.ts'
import { TransferReport } from './transfer-report.ts'

/** What all calls of a daemon share. */
export interface CallContext {
  readonly userAgent: UserAgent
  readonly engine: MediaEngine
  readonly environment: SipEnvironment
  readonly log: Log
  readonly limits: CallsConfig
  /** The side of a live call that a transfer names; undefined when there is none that `party` may take part in. */
  readonly findSide: (
    replaces: Replaces,
    party: string,
  ) => { readonly call: Call; readonly side: Side } | undefined
  /** Where a transfer by `party` leads; throws what a call of theirs to there would be refused with. */
  readonly planTransfer: (party: string, target: SipUri) => CalleePlan
  /** The call has given everything back: dialogs ended, media closed. */
  readonly onEnded: (call: Call) => void
}

const ALLOW: Header = {
  name: 'Allow',
  value: 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, UPDATE, PRACK, REFER, NOTIFY',
}

/** A transfer under way: the new party rings, the transferor may still be there. */
interface Transfer {
  readonly transferor: Side
  readonly target: Side
  readonly dialling: Dialling
  readonly report: TransferReport
}

/**
 * One call from INVITE to the last of its resources. Everything that happens is a step in one queue, so that a step finds
 * the state its predecessor left; an error in a step ends this call and nothing else.
 */
export class Call implements SideOwner {
  /** Call-ID of the caller's leg. */
  readonly id: string
  readonly #context: CallContext
  readonly #invite: IncomingInvite
  readonly #callerPlan: CallerPlan
  readonly #callee: CalleePlan
  readonly #log: Log
  readonly #startedAtMs: number
  readonly #conversation: Conversation
  /** Sides that a transfer has replaced and that have not been hung up yet. */
  readonly #leaving = new Set<Side>()
  #state: CallState = 'routing'
  #steps: Promise<void> = Promise.resolve()
  #cancelTimer: () => void = () => {}
  #session: MediaSession | undefined
  #offer: Offer | undefined
  #caller: Side | undefined
  /** Set with the first answer; the caller sees the same bytes in every 18x and 2xx. */
  #answer: Body | undefined
  #dialling: Dialling | undefined
  #transfer: Transfer | undefined
  #legCount = 0

  constructor(context: CallContext, invite: IncomingInvite, caller: CallerPlan, callee: CalleePlan) {
    this.id = invite.request.callId
    this.#context = context
    this.#invite = invite
    this.#callerPlan = caller
    this.#callee = callee
    this.#log = context.log.child({ callId: this.id })
    this.#startedAtMs = context.environment.nowMs()
    this.#conversation = new Conversation({
      environment: context.environment,
      log: this.#log,
      run: (step) => this.#run(step),
      headers: (side) => this.#headers(side),
    })
    invite.handler = {
      onCancel: (cancel) => this.#end('cancelled', { reasons: passedReasons(cancel) }),
      onPrackTimeout: () => this.#fail(new GatewayFailure('call.prack-missing'), 'caller'),
    }
  }

  get state(): CallState {
    return this.#state
  }

  start(): void {
    this.#log.info('call started', { caller: this.#callerPlan.name, callee: this.#callee.name })
    this.#run(() => this.#setUp())
  }

  /** Ends the call from outside (drain, administrator). No-op when it has ended. */
  end(failure: GatewayFailure): void {
    this.#fail(failure)
  }

  /**
   * The side whose dialog this is, while the call is connected. Tags the wrong way round are taken too: JsSIP names a call
   * that came in so, and who knows both tags knows the dialog.
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
    let isCancelled = false
    invite.handler = {
      onCancel: () => {
        isCancelled = true
      },
    }
    const refuse = (error: unknown): void => {
      const verdict = verdictOf(error)
      this.#log[logLevelOf(verdict)]('take-over refused', { ...verdict, reason: verdict.message })
      invite.reject(verdict.status, { headers: refusalHeaders(verdict) })
    }
    this.#run(
      async () => {
        try {
          if (!isCancelled) await this.#takeOver(side, invite, caller)
        } catch (error) {
          refuse(error)
        }
      },
      () => refuse(new GatewayFailure('transfer.no-such-call')),
    )
  }

  // ----- SideOwner: what the dialogs of our sides report

  onDialogEnd(side: Side, reason: EndReason, request: SipRequest | undefined): void {
    side.dialog = undefined
    if (this.#leaving.delete(side)) return
    if (reason === 'ack-timeout')
      this.#fail(new GatewayFailure('call.ack-missing', { seen: side.leg.name }), side.leg.name)
    else if (reason === 'session-expired')
      this.#fail(new GatewayFailure('call.session-expired', { seen: side.leg.name }), side.leg.name)
    else if (this.#transfer?.transferor === side) this.#run(() => this.#withdraw(side))
    else
      this.#end('hung-up', {
        by: side.leg.name,
        reasons: request === undefined ? [] : passedReasons(request),
      })
  }

  onDialogAck(side: Side, ack: SipRequest): void {
    if (this.#offer === undefined && side === this.#caller) {
      this.#run(() => this.#conversation.takeAnswer(side, ack.body))
    }
  }

  onReinvite(side: Side, reinvite: IncomingReinvite): void {
    this.#run(() => this.#conversation.onReinvite(side, reinvite))
  }

  onRefreshDue(side: Side): void {
    this.#run(() => this.#conversation.refresh(side))
  }

  onRequest(side: Side, request: IncomingRequest): void {
    if (request.request.method === 'REFER') this.#run(() => this.#onRefer(side, request))
    else relayInDialog(request, this.#conversation.other(side)?.dialog, ALLOW)
  }

  // ----- set-up

  /** `lost`: the call has ended before the turn of this step. */
  #run(step: () => Promise<void> | void, lost: () => void = () => {}): void {
    this.#steps = this.#steps
      .then(async () => {
        if (this.#hasEnded()) lost()
        else await step()
      })
      .catch((error: unknown) => this.#fail(error))
  }

  async #setUp(): Promise<void> {
    const { request } = this.#invite
    requireSdp(request)
    this.#session = await this.#context.engine.openSession(this.id, {
      onStage: (leg, event) => this.#logStage(leg, event),
      onFailure: (leg, failure) => this.#onMediaFailure(leg, failure),
    })
    if (this.#hasEnded()) return
    const caller = await this.#openSide('caller', this.#callerPlan.name, this.#callerPlan.media, false)
    caller.sessionUuid = sessionUuidOf(request) ?? this.#context.environment.token()
    this.#caller = caller
    this.#conversation.add(caller)
    this.#offer = request.body.length === 0 ? undefined : caller.leg.read(request.body)
    if (this.#hasEnded()) return
    await (this.#callee.kind === 'application'
      ? this.#answerByApplication(caller, this.#callee)
      : this.#dial(caller, this.#callee))
  }

  async #openSide(name: LegName, party: string, media: LegMedia, isCallIdOwner: boolean): Promise<Side> {
    const leg = await Leg.open(this.#openSession(), name, media, this.#newSessionId())
    return new Side({ leg, party, isCallIdOwner, owner: this })
  }

  async #answerByApplication(caller: Side, { application }: ApplicationPlan): Promise<void> {
    const offer = this.#offer
    if (offer === undefined) throw new GatewayFailure('call.no-offer')
    const codecs = applicationCodecs(application, offer)
    await startApplication(application, this.#openSession(), codecs)
    const text = await caller.leg.answer(offer, { direction: 'sendrecv', codecs, ptimeMs: offer.ptimeMs })
    this.#answer = sdpBody(text)
    if (!this.#hasEnded()) this.#accept(caller)
  }

  async #dial(caller: Side, plan: PartyPlan): Promise<void> {
    const offer = this.#offer
    const codecs = offerableCodecs(offer?.codecs ?? STANDARD_CODECS, plan.media.codecs)
    const callee = await this.#openSide('callee', plan.name, plan.media, true)
    this.#conversation.add(callee)
    if (this.#hasEnded()) return
    const text = callee.leg.offer({
      direction: offer?.direction ?? 'sendrecv',
      codecs,
      ptimeMs: offer?.ptimeMs,
    })
    const hops = maxForwards(this.#invite.request)
    this.#move('dialled')
    this.#dialling = this.#place(callee, plan, text, {
      headers: passedHeaders(this.#invite.request),
      maxForwards: hops === undefined ? undefined : hops - 1,
      onProgress: (response) => this.#onProgress(caller, callee, response),
      onAnswered: (response) => this.#onAnswered(caller, callee, response),
      onFailed: (failure) => this.#end('refused', { verdict: verdictOf(failure) }),
    })
  }

  #place(
    side: Side,
    plan: PartyPlan,
    text: string,
    handler: {
      readonly headers: readonly Header[]
      readonly maxForwards: number | undefined
      readonly onProgress: (response: SipResponse) => Promise<void> | void
      readonly onAnswered: (response: SipResponse) => Promise<void> | void
      readonly onFailed: (failure: GatewayFailure) => Promise<void> | void
    },
  ): Dialling {
    const { userAgent, environment, limits } = this.#context
    return new Dialling({
      userAgent,
      environment,
      plan,
      side,
      body: sdpBody(text),
      headers: [...this.#headers(side), ...handler.headers],
      ringTimeoutS: limits.ringTimeoutS,
      maxForwards: handler.maxForwards,
      handler: {
        onProgress: (response) => this.#run(() => handler.onProgress(response)),
        onAnswered: (response) => this.#run(() => handler.onAnswered(response)),
        onFailed: (failure) => this.#run(() => handler.onFailed(failure)),
      },
    })
  }

  async #onProgress(caller: Side, callee: Side, response: SipResponse): Promise<void> {
    const hasAnswer = response.body.length > 0
    if (hasAnswer) await this.#establish(caller, callee, response.body)
    if (!this.#move('progressed')) return
    const body = hasAnswer ? this.#answer : undefined
    callee.sessionUuid = sessionUuidOf(response)
    const headers = [...this.#headers(caller), ...passedHeaders(response)]
    // SIP.js plays early media only from a reliable response, JsSIP takes any.
    this.#invite.progress(
      response.status,
      body === undefined ? { headers } : { headers, body, reliable: true },
    )
  }

  async #onAnswered(caller: Side, callee: Side, response: SipResponse): Promise<void> {
    if (response.body.length > 0) await this.#establish(caller, callee, response.body)
    if (!callee.leg.isAgreed) throw new GatewayFailure('call.no-answer-body')
    callee.sessionUuid = sessionUuidOf(response) ?? callee.sessionUuid ?? this.#context.environment.token()
    // Without an offer in the INVITE the 200 carries ours, and ACK the answer (RFC 3261 §13.2.1).
    this.#answer ??= sdpBody(caller.leg.offer(this.#conversation.wishFor(caller)))
    if (!this.#hasEnded()) this.#accept(caller, passedHeaders(response))
  }

  /** Takes the callee's answer and makes the caller's, once; a trunk's later ones change the trunk's leg only. */
  async #establish(caller: Side, callee: Side, body: Buffer): Promise<void> {
    const answer = await callee.leg.take(body)
    const offer = this.#offer
    if (this.#answer === undefined && offer !== undefined) {
      const codecs = answerableCodecs(offer, answer.codecs)
      this.#answer = sdpBody(await caller.leg.answer(offer, { ...answer, codecs }))
    }
    await this.#conversation.join()
  }

  #accept(caller: Side, headers: readonly Header[] = []): void {
    const body = this.#answer
    if (body === undefined || !this.#move('answered')) return
    const { environment, limits } = this.#context
    this.#cancelTimer = environment.schedule(environment.nowMs() + limits.maxDurationS * 1_000, () =>
      this.#fail(new GatewayFailure('call.too-long')),
    )
    caller.dialog = this.#invite.accept(
      { headers: [...this.#headers(caller), ...headers], body },
      caller.dialogHandler,
    )
    this.#log.info('call answered')
  }

  // ----- transfer

  /** REFER: the gateway makes the transfer itself; the transferor hears of it by NOTIFY and is hung up at the end. */
  async #onRefer(side: Side, incoming: IncomingRequest): Promise<void> {
    const report = new TransferReport(side, incoming)
    try {
      const far = this.#conversation.other(side)
      if (far?.dialog === undefined || this.#transfer !== undefined || this.#state !== 'connected') {
        throw new GatewayFailure('transfer.not-now')
      }
      const refer = readRefer(incoming.request)
      if (refer.replaces === undefined) {
        await this.#transferTo(side, far, this.#context.planTransfer(side.party, refer.target), report)
        return
      }
      const found = this.#context.findSide(refer.replaces, side.party)
      if (found === undefined || found.call === this) throw new GatewayFailure('transfer.no-such-call')
      await this.#joinWith(side, far, found.call, found.side, report)
    } catch (error) {
      const verdict = verdictOf(error)
      this.#log[logLevelOf(verdict)]('transfer refused', {
        leg: side.leg.name,
        ...verdict,
        reason: verdict.message,
      })
      report.refuse(verdict)
    }
  }

  /** Blind transfer: the target is called with what the remaining side speaks; the transferor may go meanwhile. */
  async #transferTo(transferor: Side, far: Side, plan: CalleePlan, report: TransferReport): Promise<void> {
    if (plan.kind !== 'party') throw new GatewayFailure('call.unknown-number', { seen: plan.name })
    const codecs = offerableCodecs(far.leg.codecs, plan.media.codecs)
    const target = await this.#openSide(this.#newLegName(), plan.name, plan.media, true)
    const text = target.leg.offer({ direction: 'sendrecv', codecs, ptimeMs: far.leg.ptimeMs })
    report.accept()
    this.#log.info('transfer started', { leg: transferor.leg.name, target: plan.name })
    const dialling = this.#place(target, plan, text, {
      headers: [],
      maxForwards: undefined,
      onProgress: (response) => report.progress(response.status, response.reason),
      onAnswered: async (response) => {
        target.sessionUuid = sessionUuidOf(response) ?? this.#context.environment.token()
        try {
          await target.leg.take(response.body)
        } catch (error) {
          target.dialog?.bye()
          target.dialog = undefined
          await this.#onTransferFailed(target, error)
          return
        }
        this.#transfer = undefined
        await this.#replace(transferor, target)
        report.finish(200, 'OK', () => this.#hangUp(transferor))
        this.#log.info('transfer done', { target: plan.name })
      },
      onFailed: (failure) => this.#onTransferFailed(target, failure),
    })
    this.#transfer = { transferor, target, dialling, report }
  }

  async #onTransferFailed(target: Side, failure: unknown): Promise<void> {
    const transfer = this.#transfer
    this.#transfer = undefined
    const verdict = verdictOf(failure)
    this.#log.warn('transfer failed', { target: target.party, ...verdict, reason: verdict.message })
    transfer?.report.finish(verdict.status, 'Transfer Failed', () => {})
    await target.leg.close()
    // With the transferor gone there is nobody left to go back to.
    if (this.#conversation.sides.length < 2) throw failure
  }

  /** The transferor hung up before the target answered: the others go on without it. */
  async #withdraw(transferor: Side): Promise<void> {
    this.#conversation.remove(transferor)
    await transferor.leg.close()
  }

  /** Attended transfer: the far sides of two calls of the same transferor are joined here, the other call ends. */
  async #joinWith(
    transferor: Side,
    far: Side,
    other: Call,
    otherSide: Side,
    report: TransferReport,
  ): Promise<void> {
    const moved = other.#conversation.other(otherSide)
    if (moved?.dialog === undefined) throw new GatewayFailure('transfer.no-such-call')
    if (moved.renegotiation.state !== 'idle') throw new GatewayFailure('transfer.not-now')
    if (!far.leg.codecs.some((codec) => moved.leg.codecs.some((row) => isSameCodec(row, codec)))) {
      throw new GatewayFailure('transfer.no-common-codec')
    }
    report.accept()
    await moved.leg.move(this.#openSession(), this.#newLegName())
    other.#conversation.remove(moved)
    moved.owner = this
    await this.#replace(transferor, moved)
    report.finish(200, 'OK', () => this.#hangUp(transferor))
    other.#end('hung-up', { by: 'transfer', reasons: [] })
    this.#log.info('transfer done', { target: moved.party, joined: other.id })
  }

  async #takeOver(side: Side, invite: IncomingInvite, plan: CallerPlan): Promise<void> {
    requireSdp(invite.request)
    const far = this.#conversation.other(side)
    if (far === undefined || !this.#conversation.sides.includes(side))
      throw new GatewayFailure('transfer.no-such-call')
    // Its successor is being called, and both cannot have the place.
    if (this.#transfer?.transferor === side) throw new GatewayFailure('transfer.not-now')
    if (invite.request.body.length === 0) throw new GatewayFailure('call.no-offer')
    const taker = await this.#openSide(this.#newLegName(), plan.name, plan.media, false)
    try {
      const offer = taker.leg.read(invite.request.body)
      const codecs = answerableCodecs(offer, far.leg.codecs)
      const text = await taker.leg.answer(offer, { direction: 'sendrecv', codecs, ptimeMs: far.leg.ptimeMs })
      taker.sessionUuid = sessionUuidOf(invite.request) ?? this.#context.environment.token()
      taker.dialog = invite.accept(
        { headers: this.#headers(taker, far), body: sdpBody(text) },
        taker.dialogHandler,
      )
    } catch (error) {
      await taker.leg.close()
      throw error
    }
    await this.#replace(side, taker)
    this.#hangUp(side)
    this.#log.info('side replaced', { by: taker.party })
  }

  /** `to` has the place of `from`, whose media ends here and now; its dialog is ended by `#hangUp`. */
  async #replace(from: Side, to: Side): Promise<void> {
    const far = this.#conversation.sides.find((side) => side !== from)
    if (this.#conversation.sides.includes(from)) {
      this.#conversation.remove(from)
      this.#leaving.add(from)
      await from.leg.close()
    }
    this.#conversation.add(to)
    await this.#conversation.join()
    for (const side of [far, to]) if (side !== undefined) this.#conversation.inform(side)
  }

  #hangUp(side: Side): void {
    this.#leaving.delete(side)
    side.dialog?.bye()
    side.dialog = undefined
  }

  // ----- the end

  #onMediaFailure(leg: LegName, failure: MediaFailure): void {
    // The target of a transfer is no part of the conversation yet: only the transfer fails.
    const transfer = this.#transfer
    if (transfer?.target.leg.name === leg) {
      transfer.dialling.cancel([])
      this.#run(() =>
        this.#onTransferFailed(transfer.target, new GatewayFailure('transfer.no-media', { cause: failure })),
      )
      return
    }
    this.#fail(failure, leg)
  }

  #fail(error: unknown, leg?: LegName): void {
    const verdict = verdictOf(error)
    if (verdict.code === 'call.internal') this.#log.error('internal error', { error })
    this.#end('failed', { verdict, ...(leg === undefined ? {} : { leg }) })
  }

  #hasEnded(): boolean {
    return this.#state === 'ended'
  }

  /** False when the event lost a race and nothing must be done about it. */
  #move(event: CallEvent): boolean {
    const next = nextCallState(this.#state, event)
    if (next !== undefined) this.#state = next
    return next !== undefined
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
    },
  ): void {
    const wasConnected = this.#state === 'connected'
    if (!this.#move(event)) return
    this.#cancelTimer()
    this.#logEnd(event, why.verdict, why.by ?? why.leg)
    const reasons = why.verdict === undefined ? (why.reasons ?? []) : [reasonHeader(why.verdict)]
    this.#dialling?.cancel(reasons)
    this.#transfer?.dialling.cancel(reasons)
    this.#conversation.close()
    if (!wasConnected && why.verdict !== undefined) {
      this.#invite.reject(why.verdict.status, { headers: refusalHeaders(why.verdict) })
    }
    for (const side of [...this.#conversation.sides, ...this.#leaving]) side.dialog?.bye(reasons)
    this.#transfer?.target.dialog?.bye(reasons)
    // Behind the step under way, so that nothing it still opens is left.
    this.#steps = this.#steps.then(() => this.#closeMedia())
  }

  async #closeMedia(): Promise<void> {
    try {
      const session = this.#session
      if (session !== undefined) {
        const { legs } = await session.stats()
        await session.close()
        this.#log.info('media closed', { legs })
      }
    } catch (error) {
      this.#log.error('media did not close', { error })
    }
    this.#context.onEnded(this)
  }

  /** What each of our requests and answers to a side carries. `other`: who it will talk to, when not yet in place. */
  #headers(side: Side, other: Side | undefined = this.#conversation.other(side)): readonly Header[] {
    return [ALLOW, sessionIdHeader(other?.sessionUuid, side.sessionUuid)]
  }

  #openSession(): MediaSession {
    if (this.#session === undefined) throw new Error('a leg before its session')
    return this.#session
  }

  #newLegName(): LegName {
    this.#legCount += 1
    return `transfer-${this.#legCount}`
  }

  /** RFC 8866 §5.2: unique numbers; 52 bits so that every reader can hold them. */
  #newSessionId(): string {
    return String(Number.parseInt(this.#context.environment.token().slice(-13), 16))
  }

  #logStage(leg: LegName, event: MediaStageEvent): void {
    this.#log.info(event.kind, { leg, ...event })
  }

  #logEnd(event: CallEvent, verdict: Verdict | undefined, leg: LegName | undefined): void {
    const durationMs = Math.round(this.#context.environment.nowMs() - this.#startedAtMs)
    const fields = { event, durationMs, ...(leg === undefined ? {} : { leg }), ...verdict }
    if (verdict === undefined) this.#log.info('call ended', fields)
    else this.#log[logLevelOf(verdict)]('call failed', { ...fields, reason: verdict.message })
  }
}
