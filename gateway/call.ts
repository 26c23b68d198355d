import type { CallsConfig } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import type { LegName, MediaEngine, MediaSession, MediaStageEvent } from '../media/engine.ts'
import type { MediaFailure } from '../media/failure.ts'
import type { Codec } from '../media/parameters.ts'
import { answerableCodecs, offerableCodecs, STANDARD_CODECS } from '../sdp/codecs.ts'
import type { Offer } from '../sdp/session.ts'
import { SipFailure } from '../sip/failure.ts'
import type { Flow } from '../sip/flow.ts'
import { contentType } from '../sip/headers.ts'
import type { Header, NameAddr, SipRequest, SipResponse, Uri } from '../sip/message.ts'
import type {
  Body,
  DialogHandler,
  IncomingInvite,
  IncomingReinvite,
  IncomingRequest,
  InviteDialog,
  NoAnswer,
  OutgoingInviteHandler,
  SipEnvironment,
  UserAgent,
} from '../sip/user-agent.ts'
import { type Application, applicationCodecs, startApplication } from './applications.ts'
import { type CallEvent, type CallState, nextCallState } from './call-machine.ts'
import { type Verdict, verdictOf } from './diagnosis.ts'
import { logLevelOf, reasonHeader, refusalHeaders, refuseMethod } from './failure.ts'
import { GatewayFailure } from './gateway-failure.ts'
import { isSameCodec, Leg, type LegMedia, type Wish } from './leg.ts'
import { glareBackOffMs, Renegotiation, type RenegotiationInput } from './renegotiation.ts'
import { Ringing } from './ringing.ts'

/** What all calls of a daemon share. */
export interface CallContext {
  readonly userAgent: UserAgent
  readonly engine: MediaEngine
  readonly environment: SipEnvironment
  readonly log: Log
  readonly limits: CallsConfig
  /** The call has given everything back: dialogs ended, media closed. */
  readonly onEnded: (call: Call) => void
}

export interface CallerPlan {
  /** `user:alice` or `trunk:pbx`, for the log. */
  readonly name: string
  readonly media: LegMedia
}

/** One way to reach the callee: a device of a user, or the trunk. */
export interface Target {
  readonly flow: Flow
  readonly uri: Uri
}

export interface PartyPlan {
  readonly kind: 'party'
  readonly name: string
  readonly media: LegMedia
  /** Called in parallel; the first to answer has the call. */
  readonly targets: readonly Target[]
  readonly from: NameAddr
  readonly to: NameAddr
}

export type CalleePlan =
  | { readonly kind: 'application'; readonly name: string; readonly application: Application }
  | PartyPlan

const SDP_TYPE = 'application/sdp'
const ALLOW: Header = { name: 'Allow', value: 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK' }

/** One side of the call: its leg, its dialog once there is one, and what is still to be offered to it. */
interface Side {
  readonly leg: Leg
  readonly party: string
  readonly isCallIdOwner: boolean
  readonly renegotiation: Renegotiation
  dialog: InviteDialog | undefined
  cancelBackOff: () => void
}

/**
 * One call: two sides and one media session, joined. Everything that happens is a step in one queue, so that a step finds
 * the state its predecessor left; an error in a step ends this call and nothing else.
 *
 * The sides are independent: an offer in mid-call is answered at once from what both sides have agreed before, and then
 * the other side is told what has changed for it (`Renegotiation`). So a trunk never has a part in a browser's ICE or DTLS.
 */
export class Call {
  /** Call-ID of the caller's leg. */
  readonly id: string
  readonly #context: CallContext
  readonly #invite: IncomingInvite
  readonly #callerPlan: CallerPlan
  readonly #callee: CalleePlan
  readonly #log: Log
  readonly #startedAtMs: number
  #state: CallState = 'routing'
  #steps: Promise<void> = Promise.resolve()
  #cancelTimer: () => void = () => {}
  #session: MediaSession | undefined
  #offer: Offer | undefined
  #caller: Side | undefined
  #calleeSide: Side | undefined
  /** Set with the first answer; the caller sees the same bytes in every 18x and 2xx. */
  #answer: Body | undefined
  #ringing: Ringing | undefined

  constructor(context: CallContext, invite: IncomingInvite, caller: CallerPlan, callee: CalleePlan) {
    this.id = invite.request.callId
    this.#context = context
    this.#invite = invite
    this.#callerPlan = caller
    this.#callee = callee
    this.#log = context.log.child({ callId: this.id })
    this.#startedAtMs = context.environment.nowMs()
    invite.handler = { onCancel: () => this.#end('cancelled') }
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

  #run(step: () => Promise<void> | void): void {
    this.#steps = this.#steps
      .then(async () => {
        if (this.#state !== 'ended') await step()
      })
      .catch((error: unknown) => this.#fail(error))
  }

  async #setUp(): Promise<void> {
    requireSdp(this.#invite.request)
    const session = await this.#context.engine.openSession(this.id, {
      onStage: (leg, event) => this.#logStage(leg, event),
      onFailure: (leg, failure) => this.#onMediaFailure(leg, failure),
    })
    this.#session = session
    if (this.#hasEnded()) return
    const caller = await this.#openSide('caller', this.#callerPlan.media, this.#callerPlan.name, false)
    this.#caller = caller
    const { body } = this.#invite.request
    this.#offer = body.length === 0 ? undefined : caller.leg.read(body)
    if (this.#hasEnded()) return
    await (this.#callee.kind === 'application'
      ? this.#answerByApplication(session, caller, this.#callee.application)
      : this.#dial(caller, this.#callee))
  }

  async #openSide(name: LegName, media: LegMedia, party: string, isCallIdOwner: boolean): Promise<Side> {
    const session = this.#session
    if (session === undefined) throw new Error('a leg before its session')
    const leg = await Leg.open(session, name, media, this.#newSessionId())
    const side: Side = {
      leg,
      party,
      isCallIdOwner,
      renegotiation: new Renegotiation(),
      dialog: undefined,
      cancelBackOff: () => {},
    }
    return side
  }

  async #answerByApplication(session: MediaSession, caller: Side, application: Application): Promise<void> {
    const offer = this.#offer
    if (offer === undefined) throw new GatewayFailure('call.no-offer')
    const codecs = applicationCodecs(application, offer)
    await startApplication(application, session, codecs)
    const text = await caller.leg.answer(offer, { direction: 'sendrecv', codecs, ptimeMs: offer.ptimeMs })
    this.#answer = sdpBody(text)
    if (!this.#hasEnded()) this.#accept()
  }

  async #dial(caller: Side, callee: PartyPlan): Promise<void> {
    const offer = this.#offer
    const codecs = offerableCodecs(offer?.codecs ?? STANDARD_CODECS, callee.media.codecs)
    const side = await this.#openSide('callee', callee.media, callee.name, true)
    this.#calleeSide = side
    if (this.#hasEnded()) return
    const wish = { direction: offer?.direction ?? 'sendrecv', codecs, ptimeMs: offer?.ptimeMs } as const
    const body = sdpBody(side.leg.offer(wish))
    this.#move('dialled')
    this.#startTimer(this.#context.limits.ringTimeoutS, () => new GatewayFailure('call.no-answer'))
    const { userAgent } = this.#context
    const { from, to } = callee
    const dialogHandler = this.#dialogHandler(side)
    const places = callee.targets.map(
      ({ flow, uri }) =>
        (handler: OutgoingInviteHandler) =>
          userAgent.invite({ flow, uri, from, to, headers: [ALLOW], body, dialogHandler }, handler),
    )
    this.#ringing = new Ringing(places, {
      onProgress: (response) => this.#run(() => this.#onProgress(caller, side, response)),
      onAccept: (response, dialog) => this.#onAccept(caller, side, response, dialog),
      onReject: (response) => this.#run(() => this.#end('refused', verdictOf(this.#refusal(response)))),
    })
  }

  /** Takes the callee's answer and makes the caller's, once; a trunk's later ones change the trunk's leg only. */
  async #establish(caller: Side, callee: Side, body: Buffer): Promise<void> {
    const answer = await callee.leg.take(body)
    const offer = this.#offer
    if (this.#answer === undefined && offer !== undefined) {
      const codecs = answerableCodecs(offer, answer.codecs)
      this.#answer = sdpBody(await caller.leg.answer(offer, { ...answer, codecs }))
    }
    await this.#join(caller, callee)
  }

  async #join(a: Side, b: Side): Promise<void> {
    await a.leg.feed(b.leg)
    await b.leg.feed(a.leg)
  }

  async #onProgress(caller: Side, callee: Side, response: SipResponse): Promise<void> {
    const hasAnswer = response.body.length > 0
    if (hasAnswer) await this.#establish(caller, callee, response.body)
    if (!this.#move('progressed')) return
    const body = hasAnswer ? this.#answer : undefined
    this.#invite.progress(response.status, body === undefined ? {} : { body })
  }

  #onAccept(caller: Side, callee: Side, response: SipResponse, dialog: InviteDialog): void {
    dialog.acknowledge()
    if (this.#state === 'ended') {
      // The 200 crossed the end of the call.
      dialog.bye()
      return
    }
    callee.dialog = dialog
    this.#run(async () => {
      if (response.body.length > 0) await this.#establish(caller, callee, response.body)
      if (!callee.leg.isAgreed) throw new GatewayFailure('call.no-answer-body')
      // Without an offer in the INVITE the 200 carries ours, and ACK the answer (RFC 3261 §13.2.1).
      this.#answer ??= sdpBody(caller.leg.offer(this.#wishFor(caller, callee)))
      if (!this.#hasEnded()) this.#accept()
    })
  }

  #accept(): void {
    const [body, caller] = [this.#answer, this.#caller]
    if (body === undefined || caller === undefined || !this.#move('answered')) return
    this.#startTimer(this.#context.limits.maxDurationS, () => new GatewayFailure('call.too-long'))
    caller.dialog = this.#invite.accept({ headers: [ALLOW], body }, this.#dialogHandler(caller))
    this.#log.info('call answered')
  }

  #dialogHandler(side: Side): DialogHandler {
    return {
      onEnd: (reason) => {
        if (reason === 'bye') this.#end('hung-up', undefined, side.leg.name)
        else this.#fail(new GatewayFailure('call.ack-missing', { seen: side.leg.name }))
      },
      onAck: (ack) => {
        if (this.#offer === undefined && side === this.#caller)
          this.#run(() => this.#takeAnswer(side, ack.body))
      },
      onReinvite: (reinvite) => this.#run(() => this.#onReinvite(side, reinvite)),
      onRequest: (request) => answerInDialog(request),
    }
  }

  // ----- changes of a call in progress

  /** An offer of one side in mid-call; a failure refuses it and leaves the session as it was (RFC 3261 §14.2). */
  async #onReinvite(side: Side, reinvite: IncomingReinvite): Promise<void> {
    try {
      requireSdp(reinvite.request)
      const { body } = reinvite.request
      if (body.length > 0) {
        const text = await this.#answerOffer(side, side.leg.read(body))
        reinvite.accept({ headers: [ALLOW], body: sdpBody(text) })
        await this.#changed(side)
        return
      }
      // RFC 6337 §5.2: all that we have, whatever the peer's own hold state is.
      const text = side.leg.offer(this.#wishFor(side, this.#other(side)))
      reinvite.accept({ headers: [ALLOW], body: sdpBody(text) }, (ack) =>
        this.#run(() => this.#takeAnswer(side, ack.body)),
      )
    } catch (error) {
      const verdict = verdictOf(error)
      this.#log[logLevelOf(verdict)]('change refused', {
        leg: side.leg.name,
        ...verdict,
        reason: verdict.message,
      })
      reinvite.reject(verdict.status, { headers: [reasonHeader(verdict)] })
    }
  }

  async #answerOffer(side: Side, offer: Offer): Promise<string> {
    const other = this.#other(side)
    const agreed = other?.leg.codecs ?? side.leg.codecs
    const codecs = answerableCodecs(offer, agreed)
    const direction = other?.leg.direction ?? 'sendrecv'
    return side.leg.answer(offer, { direction, codecs, ptimeMs: other?.leg.ptimeMs })
  }

  async #takeAnswer(side: Side, body: Buffer): Promise<void> {
    if (body.length === 0) throw new GatewayFailure('call.no-answer-body', { seen: 'ACK' })
    await side.leg.take(body)
    await this.#changed(side)
  }

  /** One side's media has changed: routes follow, and the other side is told what is new for it. */
  async #changed(side: Side): Promise<void> {
    const other = this.#other(side)
    if (other === undefined) return
    await this.#join(side, other)
    if (!other.leg.isTold(this.#wishFor(other, side))) this.#renegotiate(other, { kind: 'wish' })
  }

  #renegotiate(side: Side, input: RenegotiationInput): void {
    const { environment } = this.#context
    const mustOffer = side.renegotiation.handle(input, environment.nowMs())
    side.cancelBackOff()
    const { deadlineMs } = side.renegotiation
    if (deadlineMs !== undefined) {
      side.cancelBackOff = environment.schedule(deadlineMs, () =>
        this.#run(() => this.#renegotiate(side, { kind: 'timeout' })),
      )
    }
    if (mustOffer) this.#sendOffer(side)
  }

  #sendOffer(side: Side): void {
    const wish = this.#wishFor(side, this.#other(side))
    if (side.dialog === undefined) throw new Error(`an offer to the ${side.leg.name} leg before its dialog`)
    side.dialog.reinvite({ headers: [ALLOW], body: sdpBody(side.leg.offer(wish)) }, (response) =>
      this.#run(() => this.#onReinviteAnswered(side, response)),
    )
  }

  async #onReinviteAnswered(side: Side, response: SipResponse | NoAnswer): Promise<void> {
    if (typeof response === 'string' || response.status === 408 || response.status === 481) {
      const seen = typeof response === 'string' ? response : `${response.status} ${response.reason}`
      throw new GatewayFailure('call.dialog-lost', { seen: `${side.leg.name}: ${seen}` })
    }
    if (response.status === 491) {
      const chance = Number.parseInt(this.#context.environment.token().slice(0, 8), 16) / 2 ** 32
      this.#renegotiate(side, { kind: 'glare', backOffMs: glareBackOffMs(side.isCallIdOwner, chance) })
      return
    }
    if (response.status >= 300) {
      this.#log.warn('change refused by peer', { leg: side.leg.name, status: response.status })
      this.#renegotiate(side, { kind: 'refused' })
      return
    }
    await side.leg.take(response.body)
    await this.#changed(side)
    this.#renegotiate(side, { kind: 'answered' })
  }

  #other(side: Side): Side | undefined {
    return side === this.#caller ? this.#calleeSide : this.#caller
  }

  /** What `side` is offered: what the other one does, in codecs that both have. */
  #wishFor(side: Side, other: Side | undefined): Wish {
    const common = (codecs: readonly Codec[]): readonly Codec[] =>
      other === undefined
        ? codecs
        : codecs.filter((codec) => other.leg.codecs.some((row) => isSameCodec(row, codec)))
    const codecs =
      side.leg.codecs.length > 0 ? common(side.leg.codecs) : (other?.leg.codecs ?? STANDARD_CODECS)
    return { direction: other?.leg.direction ?? 'sendrecv', codecs, ptimeMs: other?.leg.ptimeMs }
  }

  #refusal(response: SipResponse | NoAnswer): GatewayFailure {
    const isTrunk = this.#callee.kind === 'party' && this.#callee.media.kind === 'rtp'
    if (response === 'timeout' || response === 'transport') {
      return new GatewayFailure(isTrunk ? 'trunk.unreachable' : 'call.unreachable', { seen: response })
    }
    const seen = `${response.status} ${response.reason}`
    if (response.status === 401 || response.status === 407) {
      return new GatewayFailure('trunk.credentials-wanted', { seen })
    }
    // A redirection is ours to follow or to refuse, never the browser's: its Contact may be a private address.
    return response.status < 400
      ? new GatewayFailure('call.refused', { seen })
      : new GatewayFailure('call.refused', { seen, status: response.status })
  }

  #onMediaFailure(leg: LegName, failure: MediaFailure): void {
    this.#fail(failure, leg)
  }

  #fail(error: unknown, leg?: LegName): void {
    const verdict = verdictOf(error)
    if (verdict.code === 'call.internal') this.#log.error('internal error', { error })
    this.#end('failed', verdict, undefined, leg)
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

  #end(event: CallEvent, verdict?: Verdict, hungUpBy?: LegName, failedLeg?: LegName): void {
    if (!this.#move(event)) return
    this.#cancelTimer()
    this.#logEnd(event, verdict, hungUpBy ?? failedLeg)
    const reason = verdict === undefined ? [] : [reasonHeader(verdict)]
    if (this.#caller?.dialog === undefined && verdict !== undefined) {
      this.#invite.reject(verdict.status, { headers: refusalHeaders(verdict) })
    }
    if (this.#calleeSide?.dialog === undefined) this.#ringing?.cancel(reason)
    for (const side of [this.#caller, this.#calleeSide]) {
      side?.cancelBackOff()
      if (side?.leg.name !== hungUpBy) side?.dialog?.bye(reason)
    }
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

  #startTimer(seconds: number, failure: () => GatewayFailure): void {
    this.#cancelTimer()
    const { environment } = this.#context
    this.#cancelTimer = environment.schedule(environment.nowMs() + seconds * 1_000, () =>
      this.#fail(failure()),
    )
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

const sdpBody = (text: string): Body => ({ contentType: SDP_TYPE, bytes: Buffer.from(text) })

/** Throws unless the body is SDP or absent. */
function requireSdp(request: SipRequest): void {
  if (request.body.length === 0) return
  const type = contentType(request)
  const seen = type?.type ?? 'none'
  if (seen !== SDP_TYPE) throw new SipFailure('sip.unsupported-media-type', { expected: SDP_TYPE, seen })
}

function answerInDialog(request: IncomingRequest): void {
  if (request.request.method === 'OPTIONS') request.respond(200, { headers: [ALLOW] })
  else refuseMethod(request, ALLOW)
}
