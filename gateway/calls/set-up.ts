import type { Log } from '../../config/logging.ts'
import type { LegName, MediaSession } from '../../media/engine.ts'
import { answerableCodecs } from '../../sdp/codecs.ts'
import type { Offer } from '../../sdp/session.ts'
import { maxForwards } from '../../sip/message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../../sip/message/message.ts'
import type { Body, IncomingInvite } from '../../sip/user-agent.ts'
import { verdictOf } from '../diagnosis.ts'
import { verdictFields } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { CallTrace } from '../ladder/call-trace.ts'
import { applicationCodecs, startApplication } from './applications.ts'
import { locationsIn, requireSdp, sdpBody } from './body.ts'
import type { CallEvent } from './call-machine.ts'
import type { Conversation } from './conversation.ts'
import type { Dialling, Progress } from './dialling.ts'
import { EarlyAnswers } from './early-answers.ts'
import { fittingPlan } from './fail-over.ts'
import { answerHeaders, inviteHeaders } from './header-policy.ts'
import { calledIdentity } from './identity.ts'
import { keysOn } from './leg-route.ts'
import type { ApplicationPlan, CalleePlan, CallerPlan, LegPlan, PartyPlan } from './plan.ts'
import { sessionUuidOf } from './session-id.ts'
import type { Side } from './side.ts'

const NOTHING = Buffer.alloc(0)

/** The call that is set up. */
export interface SetUpHost {
  readonly log: Log
  readonly trace: CallTrace
  readonly conversation: Conversation
  token(): string
  openSession(): Promise<MediaSession>
  openSide(name: LegName, plan: LegPlan, isCallIdOwner: boolean): Promise<Side>
  place(side: Side, plan: PartyPlan, text: string, progress: Progress): Dialling
  /** What each of our requests and answers to a side carries. */
  headers(side: Side): readonly Header[]
  /** What the callee has answered may say who it is. */
  heed(side: Side, response: SipResponse): void
  /** False when the event lost a race and nothing must be done about it. */
  move(event: CallEvent): boolean
  hasEnded(): boolean
  /** The caller has its answer. */
  onAnswered(): void
  /** Nobody is left to call. */
  onRefused(failure: GatewayFailure): void
}

export interface SetUpOptions {
  readonly host: SetUpHost
  readonly invite: IncomingInvite
  readonly caller: CallerPlan
  readonly callee: CalleePlan
}

/**
 * A call until it is answered: the caller's offer, the party that is called and those that stand in for it, and the one answer
 * that the caller gets.
 */
export class SetUp {
  readonly #host: SetUpHost
  readonly #invite: IncomingInvite
  readonly #callerPlan: CallerPlan
  readonly #calleePlan: CalleePlan
  #offer: Offer | undefined
  #caller: Side | undefined
  #callee: Side | undefined
  /** Of the callee. */
  #answers = new EarlyAnswers()
  /** Set with the first answer; the caller sees the same bytes in every 18x and 2xx. */
  #answer: Body | undefined
  /** Until the caller has its answer. */
  #dialling: Dialling | undefined
  #dialled: string

  constructor({ host, invite, caller, callee }: SetUpOptions) {
    this.#host = host
    this.#invite = invite
    this.#callerPlan = caller
    this.#calleePlan = callee
    this.#dialled = callee.name
  }

  /** Who is being called, by the callee's name or that of the party that stands in for it. */
  get dialled(): string {
    return this.#dialled
  }

  /** The first ACK of this side has the answer to an offer of ours (RFC 3261 §13.2.1). */
  awaitsAnswerOf(side: Side): boolean {
    return this.#offer === undefined && side === this.#caller
  }

  /** What whoever gives up now should know of the party that is called. */
  silence(): GatewayFailure | undefined {
    return this.#dialling?.silence()
  }

  cancel(reasons: readonly Header[]): void {
    this.#dialling?.cancel(reasons)
  }

  async start(): Promise<void> {
    const host = this.#host
    const { request } = this.#invite
    const sdp = requireSdp(request)
    const session = await host.openSession()
    if (host.hasEnded()) return
    const caller = await host.openSide('caller', this.#callerPlan, false)
    caller.identity = this.#callerPlan.identity
    caller.from = request.from
    caller.sessionUuid = sessionUuidOf(request) ?? host.token()
    this.#caller = caller
    host.conversation.add(caller)
    this.#offer = sdp.length === 0 ? undefined : caller.leg.read(sdp)
    if (host.hasEnded()) return
    await (this.#calleePlan.kind === 'application'
      ? this.#answerByApplication(session, caller, this.#calleePlan)
      : this.#dial(caller, this.#calleePlan))
  }

  async #answerByApplication(
    session: MediaSession,
    caller: Side,
    { application }: ApplicationPlan,
  ): Promise<void> {
    const offer = this.#offer
    if (offer === undefined) throw new GatewayFailure('call.no-offer')
    const codecs = applicationCodecs(application, offer)
    await startApplication(application, session, codecs)
    const text = await caller.leg.answer(offer, { direction: 'sendrecv', codecs, ptimeMs: offer.ptimeMs })
    this.#answer = sdpBody(text)
    if (!this.#host.hasEnded()) this.#accept(caller)
  }

  async #dial(caller: Side, first: PartyPlan): Promise<void> {
    const host = this.#host
    const offer = this.#offer
    const wanted = offer?.codecs ?? caller.leg.offerable()
    // A caller that has an answer already, of a party that was left, is held to it where that is possible.
    const told = caller.leg.codecs
    const { plan, codecs } = fittingPlan(first, told.length > 0 ? told : wanted, wanted)
    this.#dialled = plan.name
    const callee = await host.openSide('callee', plan, true)
    this.#callee = callee
    callee.identity = calledIdentity(plan)
    callee.from = plan.to
    host.conversation.add(callee)
    if (host.hasEnded()) return
    const text = callee.leg.offer({
      direction: offer?.direction ?? 'sendrecv',
      codecs,
      ptimeMs: offer?.ptimeMs,
    })
    const { request } = this.#invite
    const hops = maxForwards(request)
    const answers = new EarlyAnswers()
    this.#answers = answers
    host.move('dialled')
    this.#dialling = host.place(callee, plan, text, {
      headers: [...host.headers(callee), ...inviteHeaders(request, this.#callerPlan, plan)],
      // Browsers read no body of several parts.
      locations: plan.media.kind === 'rtp' ? locationsIn(request) : [],
      maxForwards: hops === undefined ? undefined : hops - 1,
      onProgress: (response) =>
        this.#heed(
          callee,
          () => this.#onProgress(caller, callee, response, answers.from(response)),
          // Nobody else is left to call in an emergency: the 200 may be of more use.
          plan.isEmergency ? () => this.#onProgress(caller, callee, response, NOTHING) : undefined,
        ),
      onAnswered: (response) =>
        this.#heed(callee, () => this.#onAnswered(caller, callee, response, answers.from(response))),
      onNext: (next) => {
        this.#dialled = next.name
      },
      onFailed: (failure, next) =>
        next === undefined ? host.onRefused(failure) : this.#goOn(caller, callee, failure, next),
    })
  }

  /** What a party says, unless it has been left. `instead`: when that cannot be used, and nobody is left to call. */
  async #heed(callee: Side, step: () => Promise<void>, instead?: () => Promise<void>): Promise<void> {
    if (callee !== this.#callee) return
    try {
      await step()
    } catch (error) {
      if (await this.leave(callee, error)) return
      if (instead === undefined) throw error
      const verdict = verdictOf(error, { leg: 'callee' })
      this.#host.log.warn('early answer cannot be used', {
        ...verdictFields(verdict, error),
        from: callee.party,
      })
      await instead()
    }
  }

  /** Whether a party that has not accepted yet may change what it has answered: the one whose answer holds. */
  takesEarlyOffer(side: Side, request: SipRequest): boolean {
    return side === this.#callee && this.#dialling !== undefined && this.#answers.isOfLatest(request)
  }

  /** It has changed it. */
  onEarlyOffer(side: Side, request: SipRequest): void {
    if (side === this.#callee) this.#answers.supersede(request)
  }

  /** With what a party says or with its media the call cannot be. True: it has been left, and an emergency call goes on elsewhere. */
  async leave(callee: Side, why: unknown): Promise<boolean> {
    if (callee !== this.#callee || this.#dialling?.hasFailed) return true
    const next = this.#dialling?.leave()
    if (next === undefined || this.#caller === undefined) return false
    this.#dialled = next.name
    await this.#goOn(this.#caller, callee, why, next)
    return true
  }

  /** Nothing has rung, or it is an emergency. The leg of the next one may be of another kind. */
  async #goOn(caller: Side, callee: Side, why: unknown, next: PartyPlan): Promise<void> {
    const host = this.#host
    const verdict = verdictOf(why, { leg: 'callee' })
    if (verdict.code === 'call.internal') host.log.error('internal error', { error: why })
    host.log.warn('call tried elsewhere', {
      ...verdictFields(verdict, why),
      from: callee.party,
      to: next.name,
    })
    host.trace.goesOn('callee', next.name, verdict.message)
    host.conversation.remove(callee)
    await callee.leg.close()
    if (!host.hasEnded()) await this.#dial(caller, next)
  }

  async #onProgress(caller: Side, callee: Side, response: SipResponse, answer: Buffer): Promise<void> {
    const hasAnswer = answer.length > 0
    if (hasAnswer) await this.#establish(caller, callee, answer)
    if (!this.#host.move('progressed')) return
    const body = hasAnswer ? this.#answer : undefined
    callee.sessionUuid = sessionUuidOf(response)
    this.#host.heed(callee, response)
    const headers = [...this.#host.headers(caller), ...this.#passed(callee, response)]
    // SIP.js plays early media only from a reliable response, JsSIP takes any.
    this.#invite.progress(
      response.status,
      body === undefined ? { headers } : { headers, body, reliable: true },
    )
  }

  async #onAnswered(caller: Side, callee: Side, response: SipResponse, answer: Buffer): Promise<void> {
    const { conversation } = this.#host
    const hasEarlyAnswer = this.#answer !== undefined
    if (answer.length > 0) await this.#establish(caller, callee, answer)
    if (!callee.leg.isAgreed) throw callee.blamed(new GatewayFailure('call.no-answer-body'))
    if (callee.dialog === undefined) {
      throw callee.blamed(
        new GatewayFailure('call.refused', { seen: `${callee.party}: BYE behind its answer` }),
      )
    }
    callee.sessionUuid = sessionUuidOf(response) ?? callee.sessionUuid ?? this.#host.token()
    this.#host.heed(callee, response)
    // Without an offer in the INVITE the 200 carries ours, and ACK the answer (RFC 3261 §13.2.1).
    this.#answer ??= sdpBody(caller.leg.offer(conversation.wishFor(caller)))
    if (!this.#host.hasEnded()) this.#accept(caller, this.#passed(callee, response))
    if (this.#offer === undefined) conversation.offered(caller)
    // Its answer may be that of a party that has refused since, or of one that wanted something else then.
    if (hasEarlyAnswer) conversation.follow(callee)
    conversation.tellMove(callee)
  }

  /** Headers of the callee's response that the caller may see. */
  #passed({ party }: Side, response: SipResponse): readonly Header[] {
    return answerHeaders(response, party, this.#callerPlan.passHeaders)
  }

  /** Takes the callee's answer and makes the caller's, once: what a later one changes, the caller is told by a re-INVITE. */
  async #establish(caller: Side, callee: Side, body: Buffer): Promise<void> {
    const answer = await callee.leg.take(body)
    const offer = this.#offer
    if (this.#answer === undefined && offer !== undefined) {
      const codecs = answerableCodecs(offer, answer.codecs, keysOn(caller.leg.media))
      this.#answer = sdpBody(await caller.leg.answer(offer, { ...answer, codecs }))
    }
    await this.#host.conversation.join()
  }

  #accept(caller: Side, headers: readonly Header[] = []): void {
    const body = this.#answer
    if (body === undefined || !this.#host.move('answered')) return
    caller.dialog = this.#invite.accept(
      { headers: [...this.#host.headers(caller), ...headers], body },
      caller.dialogHandler,
    )
    this.#dialling = undefined
    this.#host.onAnswered()
  }
}
