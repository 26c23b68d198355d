import type { CallsConfig } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import type { LegName, LegParameters, MediaEngine, MediaSession, MediaStageEvent } from '../media/engine.ts'
import type { MediaFailure } from '../media/failure.ts'
import type { Codec, LocalTransport, RemoteTransport, SdesKey, SrtpSuite } from '../media/parameters.ts'
import { createAnswer, readAnswer } from '../sdp/answer.ts'
import { answerableCodecs, offerableCodecs, payloadMap } from '../sdp/codecs.ts'
import { createOffer, readOffer } from '../sdp/offer.ts'
import type { LocalOrigin, Offer, SentOffer } from '../sdp/session.ts'
import { SipFailure } from '../sip/failure.ts'
import type { Flow } from '../sip/flow.ts'
import { header } from '../sip/headers.ts'
import type { Header, NameAddr, SipResponse, Uri } from '../sip/message.ts'
import type {
  Body,
  DialogHandler,
  IncomingInvite,
  IncomingRequest,
  InviteDialog,
  NoAnswer,
  OutgoingInvite,
  SipEnvironment,
  UserAgent,
} from '../sip/user-agent.ts'
import { type Application, applicationCodecs, startApplication } from './applications.ts'
import { type CallEvent, type CallState, nextCallState } from './call-machine.ts'
import { type Verdict, verdictOf } from './diagnosis.ts'
import { logLevelOf, reasonHeader, refusalHeaders, refuseMethod } from './failure.ts'
import { GatewayFailure } from './gateway-failure.ts'

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

/** How media looks on one leg. */
export type LegMedia =
  | { readonly kind: 'webrtc'; readonly codecs: readonly string[] }
  | {
      readonly kind: 'rtp'
      readonly codecs: readonly string[]
      readonly suites: readonly SrtpSuite[]
      /** Bound by the media plane. */
      readonly localAddress: string
      /** Stands in the description instead of `localAddress` (1:1 NAT). */
      readonly announced: string | undefined
    }

export interface CallerPlan {
  /** `user:alice` or `trunk:pbx`, for the log. */
  readonly name: string
  readonly media: LegMedia
}

export type CalleePlan =
  | { readonly kind: 'application'; readonly name: string; readonly application: Application }
  | {
      readonly kind: 'party'
      readonly name: string
      readonly media: LegMedia
      readonly flow: Flow
      readonly uri: Uri
      readonly from: NameAddr
      readonly to: NameAddr
    }

type Party = Extract<CalleePlan, { kind: 'party' }>

const SDP_TYPE = 'application/sdp'
const ALLOW: Header = { name: 'Allow', value: 'INVITE, ACK, CANCEL, BYE, OPTIONS' }

/**
 * One call: two SIP legs and one media session, joined. Everything that happens is a step in one queue, so that a step
 * finds the state its predecessor left; an error in a step ends this call and nothing else.
 */
export class Call {
  /** Call-ID of the caller's leg. */
  readonly id: string
  readonly #context: CallContext
  readonly #invite: IncomingInvite
  readonly #caller: CallerPlan
  readonly #callee: CalleePlan
  readonly #log: Log
  readonly #startedAtMs: number
  #state: CallState = 'routing'
  #steps: Promise<void> = Promise.resolve()
  #cancelTimer: () => void = () => {}
  #session: MediaSession | undefined
  #offer: Offer | undefined
  #callerLocal: LocalTransport | undefined
  #sent: SentOffer | undefined
  /** Set with the first answer; the caller sees the same bytes in every 18x and 2xx. */
  #answer: { readonly body: Body; readonly codecs: readonly Codec[] } | undefined
  #outgoing: OutgoingInvite | undefined
  #callerDialog: InviteDialog | undefined
  #calleeDialog: InviteDialog | undefined

  constructor(context: CallContext, invite: IncomingInvite, caller: CallerPlan, callee: CalleePlan) {
    this.id = invite.request.callId
    this.#context = context
    this.#invite = invite
    this.#caller = caller
    this.#callee = callee
    this.#log = context.log.child({ callId: this.id })
    this.#startedAtMs = context.environment.nowMs()
    invite.handler = { onCancel: () => this.#end('cancelled') }
  }

  get state(): CallState {
    return this.#state
  }

  start(): void {
    this.#log.info('call started', { caller: this.#caller.name, callee: this.#callee.name })
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
    const offer = this.#readOffer()
    this.#offer = offer
    const session = await this.#context.engine.openSession(this.id, {
      onStage: (leg, event) => this.#logStage(leg, event),
      onFailure: (leg, failure) => this.#onMediaFailure(leg, failure),
    })
    this.#session = session
    if (this.#hasEnded()) return
    const callerLocal = await session.addLeg('caller', legParameters(this.#caller.media))
    this.#callerLocal = announce(callerLocal, this.#caller.media)
    if (this.#hasEnded()) return
    await (this.#callee.kind === 'application'
      ? this.#answerByApplication(session, offer, this.#callee.application)
      : this.#dial(session, offer, this.#callee))
  }

  #readOffer(): Offer {
    const { request } = this.#invite
    if (request.body.length === 0) throw new GatewayFailure('call.no-offer')
    const type = header(request, 'Content-Type')?.split(';')[0]?.trim().toLowerCase()
    if (type !== SDP_TYPE) {
      throw new SipFailure('sip.unsupported-media-type', { expected: SDP_TYPE, seen: type ?? 'none' })
    }
    const { media } = this.#caller
    return readOffer(request.body, media.kind, media.kind === 'rtp' ? { suites: media.suites } : {})
  }

  async #answerByApplication(session: MediaSession, offer: Offer, application: Application): Promise<void> {
    const codecs = applicationCodecs(application, offer)
    await startApplication(application, session, codecs)
    this.#answer = await this.#answerCaller(session, offer, codecs, 'sendrecv')
    if (!this.#hasEnded()) this.#accept()
  }

  async #dial(session: MediaSession, offer: Offer, callee: Party): Promise<void> {
    const codecs = offerableCodecs(offer.codecs, callee.media.codecs)
    const local = await session.addLeg('callee', legParameters(callee.media))
    if (this.#hasEnded()) return
    const { text, sent } = createOffer({
      local: announce(local, callee.media),
      codecs,
      origin: this.#newOrigin(),
      direction: offer.direction,
    })
    this.#sent = sent
    this.#move('dialled')
    this.#startTimer(this.#context.limits.ringTimeoutS, () => new GatewayFailure('call.no-answer'))
    this.#outgoing = this.#context.userAgent.invite(
      {
        flow: callee.flow,
        uri: callee.uri,
        from: callee.from,
        to: callee.to,
        headers: [ALLOW],
        body: { contentType: SDP_TYPE, bytes: Buffer.from(text) },
        dialogHandler: this.#dialogHandler('callee'),
      },
      {
        onProgress: (response) => this.#run(() => this.#onProgress(response)),
        onAccept: (response, dialog) => this.#onAccept(response, dialog),
        onReject: (response) => this.#run(() => this.#onReject(response)),
      },
    )
  }

  async #onProgress(response: SipResponse): Promise<void> {
    if (response.body.length > 0) await this.#establish(response.body)
    if (!this.#move('progressed')) return
    const body = response.body.length > 0 ? this.#answer?.body : undefined
    this.#invite.progress(response.status, body === undefined ? {} : { body })
  }

  #onAccept(response: SipResponse, dialog: InviteDialog): void {
    this.#calleeDialog = dialog
    dialog.acknowledge()
    if (this.#state === 'ended') {
      // The 200 crossed the end of the call.
      dialog.bye()
      return
    }
    this.#run(async () => {
      if (response.body.length > 0) await this.#establish(response.body)
      if (this.#answer === undefined) throw new GatewayFailure('call.no-answer-body')
      if (!this.#hasEnded()) this.#accept()
    })
  }

  #onReject(response: SipResponse | NoAnswer): void {
    const failure = this.#refusal(response)
    this.#end('refused', verdictOf(failure))
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

  /** Takes the callee's answer: joins the media of both legs, and makes the caller's answer if there is none yet. */
  async #establish(body: Buffer): Promise<void> {
    const [session, offer, sent] = [this.#session, this.#offer, this.#sent]
    if (session === undefined || offer === undefined || sent === undefined) {
      throw new Error('an answer came before the offer was sent')
    }
    const answer = readAnswer(body, sent)
    const callerCodecs = this.#answer?.codecs ?? answerableCodecs(offer, answer.codecs)
    // RFC 3264 §5.1: a description's payload types are those its writer wants to receive.
    await session.setRoute('caller', { kind: 'bridge', map: payloadMap(callerCodecs, answer.codecs) })
    await session.setRoute('callee', { kind: 'bridge', map: payloadMap(sent.codecs, callerCodecs) })
    await session.setRemote('callee', answer.transport, answer.localCrypto)
    this.#answer ??= await this.#answerCaller(session, offer, callerCodecs, answer.direction)
  }

  async #answerCaller(
    session: MediaSession,
    offer: Offer,
    codecs: readonly Codec[],
    direction: Offer['direction'],
  ): Promise<{ body: Body; codecs: readonly Codec[] }> {
    const local = this.#callerLocal
    if (local === undefined) throw new Error('the caller leg has no transport')
    const crypto = chooseCrypto(offer, local)
    await session.setRemote('caller', crypto?.remote ?? offer.transport, crypto?.local)
    const text = createAnswer({
      offer,
      local,
      codecs,
      origin: this.#newOrigin(),
      direction,
      ...(crypto === undefined ? {} : { crypto: crypto.local }),
    })
    return { body: { contentType: SDP_TYPE, bytes: Buffer.from(text) }, codecs }
  }

  #accept(): void {
    const body = this.#answer?.body
    if (body === undefined || !this.#move('answered')) return
    this.#startTimer(this.#context.limits.maxDurationS, () => new GatewayFailure('call.too-long'))
    this.#callerDialog = this.#invite.accept({ headers: [ALLOW], body }, this.#dialogHandler('caller'))
    this.#log.info('call answered')
  }

  #dialogHandler(leg: LegName): DialogHandler {
    return {
      onEnd: (reason) => {
        if (reason === 'bye') this.#end('hung-up', undefined, leg)
        else this.#fail(new GatewayFailure('call.ack-missing', { seen: leg }))
      },
      onAck: () => {},
      onReinvite: (reinvite) => {
        const verdict = verdictOf(new GatewayFailure('call.change-unsupported'))
        reinvite.reject(verdict.status, { headers: [reasonHeader(verdict)] })
      },
      onRequest: (request) => answerInDialog(request),
    }
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
    if (this.#callerDialog !== undefined) {
      if (hungUpBy !== 'caller') this.#callerDialog.bye(reason)
    } else if (verdict !== undefined) {
      this.#invite.reject(verdict.status, { headers: refusalHeaders(verdict) })
    }
    if (this.#calleeDialog !== undefined) {
      if (hungUpBy !== 'callee') this.#calleeDialog.bye(reason)
    } else {
      this.#outgoing?.cancel(reason)
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

  #newOrigin(): LocalOrigin {
    // RFC 8866 §5.2: unique numbers; 52 bits so that every reader can hold them.
    return {
      sessionId: String(Number.parseInt(this.#context.environment.token().slice(0, 13), 16)),
      version: 1,
    }
  }

  #logStage(leg: LegName, event: MediaStageEvent): void {
    this.#log.info(event.kind, { leg, ...event })
  }

  #logEnd(event: CallEvent, verdict: Verdict | undefined, leg: LegName | undefined): void {
    const durationMs = this.#context.environment.nowMs() - this.#startedAtMs
    const fields = { event, durationMs, ...(leg === undefined ? {} : { leg }), ...verdict }
    if (verdict === undefined) this.#log.info('call ended', fields)
    else this.#log[logLevelOf(verdict)]('call failed', { ...fields, reason: verdict.message })
  }
}

function legParameters(media: LegMedia): LegParameters {
  return media.kind === 'webrtc'
    ? { kind: 'webrtc' }
    : { kind: 'rtp', localAddress: media.localAddress, suites: media.suites }
}

function announce(local: LocalTransport, media: LegMedia): LocalTransport {
  if (local.kind !== 'rtp' || media.kind !== 'rtp' || media.announced === undefined) return local
  return { ...local, rtp: { ...local.rtp, address: media.announced } }
}

/** RFC 4568 §5.1.2: the answer takes one offered line, its tag and suite, with a key of our own. */
function chooseCrypto(
  offer: Offer,
  local: LocalTransport,
): { readonly remote: RemoteTransport; readonly local: SdesKey } | undefined {
  if (local.kind !== 'rtp' || offer.transport.kind !== 'rtp') return undefined
  for (const theirs of offer.crypto) {
    const ours = local.crypto.find((key) => key.suite === theirs.suite)
    if (ours !== undefined) {
      return { remote: { ...offer.transport, crypto: theirs }, local: { ...ours, tag: theirs.tag } }
    }
  }
  return undefined
}

function answerInDialog(request: IncomingRequest): void {
  if (request.request.method === 'OPTIONS') request.respond(200, { headers: [ALLOW] })
  else refuseMethod(request, ALLOW)
}
