import type { Log } from '../../config/logging.ts'
import type { LegName, MediaSession } from '../../media/engine.ts'
import type { MediaFailure } from '../../media/failure.ts'
import type { Codec } from '../../media/parameters.ts'
import { answerableCodecs, isAudio, isSameCodec } from '../../sdp/codecs.ts'
import type { Header, SipResponse, Uri } from '../../sip/message/message.ts'
import type {
  IncomingInvite,
  IncomingReinvite,
  IncomingRequest,
  SipEnvironment,
} from '../../sip/user-agent.ts'
import { type Verdict, verdictOf } from '../diagnosis.ts'
import { refusalHeaders, verdictFields } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { Ticket } from './admission.ts'
import { requireSdp, sdpBody } from './body.ts'
import type { CallCharges } from './call-charges.ts'
import type { Conversation } from './conversation.ts'
import type { Dialling, Progress } from './dialling.ts'
import { EarlyAnswers } from './early-answers.ts'
import { fittingPlan } from './fail-over.ts'
import { calledIdentity } from './identity.ts'
import type { Introductions } from './introductions.ts'
import { keysOn } from './leg-route.ts'
import type { AdmittedPlan, CallerPlan, LegPlan, PartyPlan } from './plan.ts'
import { type Replaces, readRefer } from './refer.ts'
import { sessionUuidOf } from './session-id.ts'
import type { Side, SideOwner } from './side.ts'
import { TransferReport } from './transfer-report.ts'

/** The other call of an attended transfer. */
export interface JoinableCall {
  readonly id: string
  readonly charges: CallCharges
  /** Its other end is one of ours, which joins nobody. */
  readonly isWithApplication: boolean
  /** Who talks to `side` there. */
  farSideOf(side: Side): Side | undefined
  /** `side` has been taken into another call, with its dialog and its leg. */
  release(side: Side): void
  /** The far sides talk to each other now; this call ends. */
  endJoined(): void
  /** What `side` has climbed there. */
  rungsOf(side: Side): readonly string[]
  /** `side` has come here from another call, with its dialog and its leg, and has climbed these there. */
  adopted(side: Side, rungs: readonly string[]): void
}

/** A side of a live call that a transfer names. */
export interface FoundSide {
  readonly call: JoinableCall
  readonly side: Side
}

/** What transfers need of the call they happen in. */
export interface TransferOptions {
  readonly log: Log
  readonly conversation: Conversation
  readonly owner: SideOwner & JoinableCall
  readonly environment: SipEnvironment
  readonly isConnected: () => boolean
  /** Runs a step in the call's queue; `lost`: the call has ended before its turn. */
  readonly run: (step: () => Promise<void> | void, lost?: () => void) => void
  readonly session: () => MediaSession
  readonly introductions: Pick<Introductions, 'heed' | 'replaced'>
  readonly openSide: (name: LegName, plan: LegPlan, isCallIdOwner: boolean) => Promise<Side>
  readonly place: (side: Side, plan: PartyPlan, text: string, progress: Progress) => Dialling
  readonly headers: (side: Side, other?: Side) => readonly Header[]
  /** `far`: who will talk to the target. */
  readonly planTransfer: (transferor: Side, target: Uri, far: Side) => AdmittedPlan
  /** A side that was opened is no part of the call; `why` for its history. */
  readonly dropped: (side: Side, why: string) => void
  /** A side that has called us has its dialog: by its Call-ID this call can be found. */
  readonly named: (callId: string) => void
  readonly charges: CallCharges
  readonly findSide: (replaces: Replaces, party: string) => FoundSide | undefined
  /** What `side` asked for cannot be: tells it, as often as its party may be told of. */
  readonly refused: (message: string, error: unknown, side: Side) => Verdict
}

/** A blind transfer under way: the new party rings, the transferor may still be there. */
interface Transfer extends AskedTransfer {
  readonly target: Side
  readonly dialling: Dialling
  /** Of the target. */
  readonly answers: EarlyAnswers
}

/** How long an attended transfer waits for the answer to an offer; phones put the second call on hold right before it. */
const JOIN_WAIT_MS = 5_000

interface AskedTransfer {
  readonly transferor: Side
  /** The party that stays. */
  readonly far: Side
  readonly ticket: Ticket
  readonly report: TransferReport
}

/** How one side of a call is exchanged for another: REFER with and without Replaces, and INVITE with Replaces. */
export class Transfers {
  readonly #options: TransferOptions
  /** Sides that have been replaced and not been hung up yet. */
  readonly #leaving = new Set<Side>()
  #transfer: Transfer | undefined
  /** Of an attended transfer that waits for the party it joins. */
  #cancelWait: (() => void) | undefined
  #legCount = 0

  constructor(options: TransferOptions) {
    this.#options = options
  }

  /** REFER: the gateway makes the transfer itself; the transferor hears of it by NOTIFY and is hung up at the end. */
  async onRefer(side: Side, incoming: IncomingRequest): Promise<void> {
    const { environment } = this.#options
    const report = new TransferReport(side, incoming)
    await this.#follow(side, incoming, report, environment.nowMs() + JOIN_WAIT_MS)
  }

  /** `untilMs`: how long the party of another call may take until it can be joined. */
  async #follow(
    side: Side,
    incoming: IncomingRequest,
    report: TransferReport,
    untilMs: number,
  ): Promise<void> {
    const { conversation, owner, planTransfer, findSide, isConnected } = this.#options
    try {
      const far = conversation.other(side)
      const isBusy = this.#transfer !== undefined || this.#cancelWait !== undefined
      if (far?.dialog === undefined || isBusy || !isConnected()) {
        throw new GatewayFailure('transfer.not-now')
      }
      const refer = readRefer(incoming.request)
      if (refer.replaces === undefined) {
        await this.#transferTo(side, far, planTransfer(side, refer.target, far), report)
        return
      }
      const found = findSide(refer.replaces, side.party)
      if (found === undefined || found.call === owner) throw new GatewayFailure('transfer.no-such-call')
      const moved = movedBy(found)
      // One that is to be offered something again later can be joined: it is offered what holds by then.
      if (moved.renegotiation.state !== 'offering')
        await this.#joinWith(side, far, { ...found, moved }, report)
      else {
        this.#await(moved, untilMs, () => this.#follow(side, incoming, report, untilMs))
        report.accept()
      }
    } catch (error) {
      report.refuse(this.#options.refused('transfer refused', error, side))
    }
  }

  /** Until no offer to `moved` waits for its answer. */
  #await(moved: Side, untilMs: number, next: () => Promise<void>): void {
    const { environment, run } = this.#options
    if (environment.nowMs() >= untilMs) throw new GatewayFailure('transfer.not-now')
    const go = (): void => {
      this.#cancelWait?.()
      run(next)
    }
    const cancelTimer = environment.schedule(untilMs, go)
    moved.onSettled = go
    this.#cancelWait = () => {
      cancelTimer()
      moved.onSettled = () => {}
      this.#cancelWait = undefined
    }
  }

  /** INVITE with Replaces (RFC 3891 §4): its sender takes the place of `side`. A failure refuses it, and the call goes on. */
  takeOver(side: Side, invite: IncomingInvite, caller: CallerPlan): void {
    const { run, refused } = this.#options
    let isCancelled = false
    invite.handler = {
      onCancel: () => {
        isCancelled = true
      },
    }
    const refuse = (error: unknown): void => {
      const verdict = refused('take-over refused', error, side)
      invite.reject(verdict.status, { headers: refusalHeaders(verdict) })
    }
    run(
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

  /** Whether `side` had been replaced already, and its end means nothing more. */
  hasLeft(side: Side): boolean {
    return this.#leaving.delete(side)
  }

  /** Who is being called for a transfer. */
  get target(): string | undefined {
    return this.#transfer?.target.party
  }

  /** Whether `side` is being called, and its answer not taken yet. */
  isTarget(side: Side): boolean {
    return this.#transfer?.target === side
  }

  /** Whether `side` waits for the target of its own transfer. */
  isTransferor(side: Side): boolean {
    return this.#transfer?.transferor === side
  }

  /** An offer of the target before its answer is taken. False: what it has answered so far is not to be changed. */
  takesEarlyOffer(side: Side, reinvite: IncomingReinvite): boolean {
    const transfer = this.#transfer
    if (transfer?.target !== side || !transfer.answers.isOfLatest(reinvite.request)) return false
    this.#options.run(
      () => this.#takeEarlyOffer(transfer, reinvite),
      () => reinvite.reject(487),
    )
    return true
  }

  /** A failure refuses it, and leaves what was answered before. */
  async #takeEarlyOffer({ target, far, answers }: Transfer, reinvite: IncomingReinvite): Promise<void> {
    const { introductions, headers, refused } = this.#options
    try {
      if (!this.isTarget(target)) throw new GatewayFailure('call.dialog-lost')
      const offer = target.leg.read(requireSdp(reinvite.request))
      introductions.heed(target, reinvite.request)
      const codecs = answerableCodecs(offer, far.leg.codecs, keysOn(target.leg.media))
      const text = await target.leg.answer(offer, { direction: 'sendrecv', codecs, ptimeMs: far.leg.ptimeMs })
      reinvite.accept({ headers: headers(target, far), body: sdpBody(text) })
      answers.supersede(reinvite.request)
    } catch (error) {
      const verdict = refused('change refused', error, target)
      reinvite.reject(verdict.status, { headers: refusalHeaders(verdict) })
    }
  }

  /**
   * The transferor hung up, or was lost, before the target answered: the others go on without it. False: the transfer has failed
   * meanwhile, and the party that stays would be alone.
   */
  async withdraw(transferor: Side): Promise<boolean> {
    const { conversation } = this.#options
    // Its target has answered, and has its place.
    if (!conversation.sides.includes(transferor)) return true
    if (!this.isTransferor(transferor)) return false
    conversation.remove(transferor)
    await transferor.leg.close()
    this.#hangUp(transferor)
    return true
  }

  /** True when the leg is that of a target, which is no part of the conversation yet: only the transfer fails. */
  onMediaFailure(leg: LegName, failure: MediaFailure): boolean {
    const transfer = this.#transfer
    if (transfer?.target.leg.name !== leg) return false
    transfer.dialling.cancel([])
    const { target } = transfer
    this.#options.run(async () => {
      if (this.#transfer === transfer)
        await this.#leave(
          transfer,
          new GatewayFailure('transfer.no-media', {
            seen: `${failure.code}: ${failure.message}`,
            cause: failure,
          }),
        )
      // Its answer came first, and now it is part of the call.
      else if (this.#options.conversation.sides.includes(target)) throw target.blamed(failure)
    })
    return true
  }

  /** The call ends, and with it what is under way here. */
  close(reasons: readonly Header[]): void {
    this.#cancelWait?.()
    this.#transfer?.dialling.cancel(reasons)
    this.#transfer?.target.dialog?.bye(reasons)
    for (const side of this.#leaving) side.dialog?.bye(reasons)
  }

  /** Blind transfer: the target is called with what the remaining side speaks; the transferor may go meanwhile. */
  async #transferTo(
    transferor: Side,
    far: Side,
    { callee, ticket }: AdmittedPlan,
    report: TransferReport,
  ): Promise<void> {
    const { charges, conversation, log } = this.#options
    charges.add(ticket)
    try {
      // It may be an emergency call from here on.
      await conversation.watch()
      if (callee.kind !== 'party') throw new GatewayFailure('transfer.to-application', { seen: callee.name })
      await this.#callTarget({ transferor, far, ticket, report }, callee)
    } catch (error) {
      charges.drop(ticket)
      await conversation.watch()
      throw error
    }
    report.accept()
    log.info('transfer started', { leg: transferor.leg.name, target: callee.name })
  }

  async #callTarget(asked: AskedTransfer, first: PartyPlan): Promise<void> {
    const { plan, codecs } = fittingPlan(first, asked.far.leg.codecs)
    const { openSide, isConnected } = this.#options
    const target = await openSide(this.#newLegName(), plan, true)
    try {
      // The call may have ended meanwhile.
      if (!isConnected()) throw new GatewayFailure('transfer.not-now')
      const answers = new EarlyAnswers()
      const dialling = this.#dial(asked, target, answers, plan, codecs)
      this.#transfer = { ...asked, target, answers, dialling }
    } catch (error) {
      await this.#drop(target, error)
      throw error
    }
  }

  #dial(
    asked: AskedTransfer,
    target: Side,
    answers: EarlyAnswers,
    plan: PartyPlan,
    codecs: readonly Codec[],
  ): Dialling {
    const { transferor, far, report } = asked
    const { log, place, charges, conversation, headers, introductions } = this.#options
    target.identity = calledIdentity(plan)
    target.from = plan.to
    const text = target.leg.offer({ direction: 'sendrecv', codecs, ptimeMs: far.leg.ptimeMs })
    return place(target, plan, text, {
      headers: headers(target, far),
      maxForwards: undefined,
      onProgress: async (response) => {
        if (await this.#agree(target, response, answers)) report.progress(response.status, response.reason)
      },
      onAnswered: async (response) => {
        introductions.heed(target, response)
        target.sessionUuid = sessionUuidOf(response) ?? this.#options.environment.token()
        if (!(await this.#agree(target, response, answers))) return
        if (target.dialog === undefined) {
          await this.#onFailed(target, new GatewayFailure('call.refused', { seen: 'BYE behind its answer' }))
          return
        }
        this.#transfer = undefined
        await this.#replace(transferor, target)
        report.finish(200, 'OK', () => this.#hangUp(transferor))
        charges.answered(conversation.sides.map(({ party }) => party))
        log.info('transfer done', { target: plan.name })
      },
      onFailed: async (failure, next) => {
        if (next === undefined) {
          await this.#onFailed(target, failure)
          return
        }
        await this.#goOn(asked, target, failure, next)
      },
    })
  }

  async #goOn(asked: AskedTransfer, target: Side, why: unknown, next: PartyPlan): Promise<void> {
    const reason = verdictOf(why).message
    this.#options.log.warn('transfer tried elsewhere', { reason, from: target.party, to: next.name })
    await this.#drop(target, why)
    try {
      await this.#callTarget(asked, next)
    } catch (error) {
      await this.#giveUp(next.name, error)
    }
  }

  /**
   * Takes what the target answers: a reliable 18x may have it, and its 200 none then (RFC 3262 §5). False: it has been left. An 18x
   * of no use is passed over where nobody else is to be called: the 200 may be better.
   */
  async #agree(target: Side, response: SipResponse, answers: EarlyAnswers): Promise<boolean> {
    const transfer = this.#transfer
    if (transfer?.target !== target) return false
    try {
      const answer = answers.from(response)
      if (answer.length > 0) await target.leg.take(answer)
      else if (response.status >= 200 && !target.leg.isAgreed) throw new GatewayFailure('call.no-answer-body')
      return true
    } catch (error) {
      return !(await this.#leave(transfer, error, response.status < 200))
    }
  }

  /** True: the target, with which it cannot be, is called no more. `isEarly`: it is where nobody else is to be called. */
  async #leave(transfer: Transfer, why: unknown, isEarly = false): Promise<boolean> {
    const { target, dialling } = transfer
    // What it has said since decides.
    if (dialling.hasFailed) return true
    const next = dialling.leave()
    if (next !== undefined) {
      await this.#goOn(transfer, target, why, next)
      return true
    }
    if (isEarly) {
      const verdict = verdictOf(why)
      this.#options.log.warn('early answer cannot be used', {
        ...verdictFields(verdict, why),
        target: target.party,
      })
      return false
    }
    dialling.cancel([])
    target.dialog?.bye()
    target.dialog = undefined
    await this.#onFailed(target, why)
    return true
  }

  async #onFailed(target: Side, failure: unknown): Promise<void> {
    await this.#drop(target, target.blamed(failure))
    await this.#giveUp(target.party, failure)
  }

  /** A target that was called, or was to be, is no part of the call. */
  async #drop(target: Side, why: unknown): Promise<void> {
    this.#options.dropped(target, verdictOf(why).message)
    await target.leg.close()
  }

  async #giveUp(target: string, failure: unknown): Promise<void> {
    const transfer = this.#transfer
    this.#transfer = undefined
    const verdict = verdictOf(failure)
    const { log, conversation, charges } = this.#options
    log.warn('transfer failed', { target, ...verdictFields(verdict, failure) })
    transfer?.report.finish(verdict.status, 'Transfer Failed', () => {})
    if (transfer !== undefined) charges.drop(transfer.ticket)
    await conversation.watch()
    // With the transferor gone there is nobody left to go back to.
    if (conversation.sides.length < 2) throw failure
  }

  /** Attended transfer: the far sides of two calls of the same transferor are joined here, the other call ends. */
  async #joinWith(
    transferor: Side,
    far: Side,
    { call: other, moved }: FoundSide & { readonly moved: Side },
    report: TransferReport,
  ): Promise<void> {
    const { log, owner, session, charges } = this.#options
    if (
      !far.leg.codecs.filter(isAudio).some((codec) => moved.leg.codecs.some((row) => isSameCodec(row, codec)))
    ) {
      throw new GatewayFailure('transfer.no-common-codec')
    }
    report.accept()
    const rungs = other.rungsOf(moved)
    await moved.leg.move(session(), this.#newLegName())
    other.release(moved)
    moved.owner = owner
    owner.adopted(moved, rungs)
    // Who was called knows from the INVITE whom it talks to; this one does not.
    this.#options.introductions.replaced(far)
    await this.#replace(transferor, moved)
    report.finish(200, 'OK', () => this.#hangUp(transferor))
    charges.takeOver(other.charges)
    // Only now it may be known for an emergency call, in which nobody's silence counts.
    await this.#options.conversation.join()
    other.endJoined()
    log.info('transfer done', { target: moved.party, joined: other.id })
  }

  async #takeOver(side: Side, invite: IncomingInvite, plan: CallerPlan): Promise<void> {
    const sdp = requireSdp(invite.request)
    const { log, conversation, openSide, headers, environment } = this.#options
    const far = conversation.other(side)
    if (far === undefined || !conversation.sides.includes(side)) {
      throw new GatewayFailure('transfer.no-such-call')
    }
    // Its successor is being called, and both cannot have the place.
    if (this.isTransferor(side)) throw new GatewayFailure('transfer.not-now')
    if (sdp.length === 0) throw new GatewayFailure('call.no-offer')
    const taker = await openSide(this.#newLegName(), plan, false)
    try {
      const offer = taker.leg.read(sdp)
      const codecs = answerableCodecs(offer, far.leg.codecs, keysOn(taker.leg.media))
      const text = await taker.leg.answer(offer, { direction: 'sendrecv', codecs, ptimeMs: far.leg.ptimeMs })
      taker.identity = plan.identity
      taker.from = invite.request.from
      taker.sessionUuid = sessionUuidOf(invite.request) ?? environment.token()
      taker.dialog = invite.accept({ headers: headers(taker, far), body: sdpBody(text) }, taker.dialogHandler)
      this.#options.named(taker.dialog.callId)
    } catch (error) {
      this.#options.dropped(taker, `take-over refused: ${verdictOf(error).message}`)
      await taker.leg.close()
      throw error
    }
    await this.#replace(side, taker)
    this.#hangUp(side)
    log.info('side replaced', { by: taker.party })
  }

  /** `to` has the place of `from`, whose media ends here and now; its dialog is ended by `#hangUp`. */
  async #replace(from: Side, to: Side): Promise<void> {
    const { conversation } = this.#options
    const far = conversation.sides.find((side) => side !== from)
    if (conversation.sides.includes(from)) {
      conversation.remove(from)
      this.#leaving.add(from)
      await from.leg.close()
    }
    conversation.add(to)
    this.#options.introductions.replaced(to)
    await conversation.join()
    for (const side of [far, to]) if (side !== undefined) conversation.inform(side)
  }

  #hangUp(side: Side): void {
    this.#leaving.delete(side)
    side.dialog?.bye()
    side.dialog = undefined
  }

  #newLegName(): LegName {
    this.#legCount += 1
    return `transfer-${this.#legCount}`
  }
}

/** Who an attended transfer takes out of the other call. */
function movedBy({ call, side }: FoundSide): Side {
  if (call.isWithApplication) throw new GatewayFailure('transfer.to-application')
  const moved = call.farSideOf(side)
  if (moved?.dialog === undefined) throw new GatewayFailure('transfer.no-such-call')
  return moved
}
