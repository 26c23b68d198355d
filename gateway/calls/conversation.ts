import type { MediaConfig } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { LegName } from '../../media/engine.ts'
import type { Codec, LocalTransport } from '../../media/parameters.ts'
import { answerableCodecs, isAudio } from '../../sdp/codecs.ts'
import { receives, sends } from '../../sdp/direction.ts'
import type { Offer } from '../../sdp/session.ts'
import { retryAfter } from '../../sip/message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../../sip/message/message.ts'
import { readable } from '../../sip/message/readable.ts'
import type { Body, IncomingReinvite, ReinviteOutcome, SipEnvironment } from '../../sip/user-agent.ts'
import { type Verdict, verdictOf } from '../diagnosis.ts'
import { logLevelOf, reasonHeader, verdictFields } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { requireSdp, sdpBody, sdpIn } from './body.ts'
import { commonCodecs, isIn } from './codec-memory.ts'
import type { Leg, Wish } from './leg.ts'
import { keysOn } from './leg-route.ts'
import { glareBackOffMs, type RenegotiationInput } from './renegotiation.ts'
import type { Side } from './side.ts'

export interface ConversationOptions {
  readonly environment: SipEnvironment
  readonly log: Log
  /** Runs a step in the call's queue. */
  readonly run: (step: () => Promise<void> | void) => void
  /** How long a peer may be silent now; 0: forever. */
  readonly silence: () => SilenceLimits
  /** Headers of our requests and answers to a side. */
  readonly headers: (side: Side) => readonly Header[]
  /** A side has said something in which it may say who is there. */
  readonly heed: (side: Side, message: SipRequest | SipResponse) => void
  /** Tells a side who the other one is, unless it knows. */
  readonly introduce: (side: Side) => void
  /** An offer in mid-call was refused, by us or by the peer; the call goes on as it was. */
  readonly onChangeRefused: (verdict: Verdict) => void
}

export type SilenceLimits = Pick<MediaConfig, 'rtpTimeoutS' | 'rtpHoldTimeoutS'>

/** RFC 3261 §14.2 lets a peer that is busy with the offer before say 0 to 10 s. */
const MAX_RETRY_S = 10
/** How long the connection of a browser that has not answered may take to show that it lives. */
const PROBE_MS = 5_000
const RECONNECT_MS = 10_000

/**
 * Two sides that talk. They are independent: an offer in mid-call is answered at once from what both have agreed before,
 * and then the other side is told what has changed for it. So a trunk never has a part in a browser's ICE or DTLS.
 */
export class Conversation {
  readonly #options: ConversationOptions
  #sides: readonly Side[] = []
  #isWatched = false

  constructor(options: ConversationOptions) {
    this.#options = options
  }

  get sides(): readonly Side[] {
    return this.#sides
  }

  /** Enters a side; a conversation has two at most. */
  add(side: Side): void {
    if (this.#sides.length === 2) throw new Error('a third side in a conversation')
    this.#sides = [...this.#sides, side]
  }

  remove(side: Side): void {
    side.cancelBackOff()
    this.#sides = this.#sides.filter((other) => other !== side)
  }

  /** Undefined too for a side that is not, or no longer, part of this. */
  other(side: Side): Side | undefined {
    return this.#sides.includes(side) ? this.#sides.find((candidate) => candidate !== side) : undefined
  }

  /** The side across from the leg of this name; undefined when there is no such leg here, or nobody across. */
  otherThan(leg: LegName): Side | undefined {
    const side = this.#sides.find((one) => one.leg.name === leg)
    return side === undefined ? undefined : this.other(side)
  }

  /** Media of both sides as they are described now. */
  async join(): Promise<void> {
    const [a, b] = this.#sides
    if (a === undefined || b === undefined) return
    await a.leg.feed(b.leg)
    await b.leg.feed(a.leg)
    if (!this.#isWatched) return
    for (const side of [a, b]) await this.#watch(side)
  }

  /** From the answer on, each peer must be heard: a phone that rings may be silent for minutes. Again where the limits have changed. */
  async watch(): Promise<void> {
    this.#isWatched = true
    for (const side of this.#sides) await this.#watch(side)
  }

  async #watch(side: Side): Promise<void> {
    const { rtpTimeoutS, rtpHoldTimeoutS } = this.#options.silence()
    const other = this.other(side)
    const isTalking = other !== undefined && sends(side.leg.direction) && receives(other.leg.direction)
    const limitS = isTalking ? rtpTimeoutS : rtpHoldTimeoutS
    await side.leg.watch(limitS === 0 ? undefined : limitS)
  }

  /** An offer in mid-call; a failure refuses it and leaves the session as it was (RFC 3261 §14.2): false. */
  async onReinvite(side: Side, reinvite: IncomingReinvite): Promise<boolean> {
    try {
      // One that has been replaced, and whose BYE is under way.
      if (!this.#sides.includes(side)) throw new GatewayFailure('call.dialog-lost')
      const body = requireSdp(reinvite.request)
      const headers = this.#options.headers(side)
      if (body.length > 0) {
        const text = await this.#answer(side, side.leg.read(body))
        reinvite.accept({ headers, body: sdpBody(text) })
        await this.changed(side)
        return true
      }
      const text = side.leg.offer(this.#allFor(side))
      const isSent = reinvite.accept({ headers, body: sdpBody(text) }, (ack) =>
        this.#options.run(() => this.takeAnswer(side, ack.body)),
      )
      if (isSent) this.offered(side)
      return true
    } catch (error) {
      const verdict = verdictOf(error, { leg: side.leg.name })
      this.#options.log[logLevelOf(verdict)]('change refused', verdictFields(verdict, error))
      this.#options.onChangeRefused(verdict)
      reinvite.reject(verdict.status, { headers: [reasonHeader(verdict)] })
      return false
    }
  }

  /** A 2xx of ours has an offer: until ACK brings the answer, no other one is made. */
  offered(side: Side): void {
    this.#renegotiate(side, { kind: 'offered' })
  }

  /** The answer to an offer that we made in a 2xx came in ACK. */
  async takeAnswer(side: Side, body: Buffer): Promise<void> {
    if (!this.#sides.includes(side)) return
    if (body.length === 0) {
      const failure = new GatewayFailure('call.no-answer-body', { seen: 'ACK' })
      if (!side.leg.isAgreed) throw side.blamed(failure)
      side.leg.refused()
      this.#renegotiate(side, { kind: 'refused' })
      this.#tellRefused(side, failure)
      return
    }
    await side.leg.take(body)
    this.#reopenFor(side)
    await this.changed(side)
    this.#renegotiate(side, { kind: 'answered' })
    this.tellMove(side)
  }

  /** A side has come to something in the place of another one: what the other side was told may not be so any more. */
  follow(side: Side): void {
    const other = this.other(side)
    if (other === undefined) return
    this.#reopenFor(side)
    this.inform(other)
  }

  /** Where a leg has agreed on what the other one has not, that may be offered it. */
  #reopenFor(side: Side): void {
    const other = this.other(side)?.leg
    const isNew = (codec: Codec): boolean => isAudio(codec) && !isIn(codec, other?.codecs ?? [])
    if (side.leg.codecs.some(isNew)) other?.reopen()
  }

  /** One side's media has changed: routes follow, and the other side is told what is new for it. */
  async changed(side: Side): Promise<void> {
    const other = this.other(side)
    if (other === undefined) return
    await this.join()
    this.inform(other)
  }

  /** Offers to a side what it has not been told yet, and tells it who the other one is. */
  inform(side: Side): void {
    if (side.dialog === undefined) return
    if (!side.leg.isTold(this.wishFor(side))) this.#renegotiate(side, { kind: 'wish' })
    else this.#options.introduce(side)
  }

  /** Offers to a side the ports that its leg has now, where the last description named others. */
  tellMove(side: Side): void {
    if (side.dialog !== undefined && side.leg.hasMoved) this.#renegotiate(side, { kind: 'wish' })
  }

  /** The media plane has moved this leg. */
  moved(leg: LegName, local: LocalTransport): void {
    const side = this.#sides.find((one) => one.leg.name === leg)
    side?.leg.moved(local)
    if (side !== undefined) this.tellMove(side)
  }

  /** Offers to a side what holds already: its session must be refreshed and it takes no UPDATE (RFC 4028). */
  refresh(side: Side): void {
    if (side.dialog !== undefined) this.#renegotiate(side, { kind: 'wish' })
  }

  /** What `side` is offered: what the other one does, in codecs that both have. */
  wishFor(side: Side): Wish {
    const other = this.other(side)?.leg
    const direction = other?.direction ?? 'sendrecv'
    return { direction, codecs: codecsFor(side.leg, other), ptimeMs: other?.ptimeMs }
  }

  /** RFC 6337 §5.2: all that both have, agreed or not, whatever the peer's own hold state is. */
  #allFor(side: Side): Wish {
    const wish = this.wishFor(side)
    const { codecs, memory } = side.leg
    const other = this.other(side)?.leg
    if (other === undefined || codecs.length === 0) return wish
    const all = commonCodecs(codecs, memory.known, other.memory.willing)
    return all.some(isAudio) ? { ...wish, codecs: all } : wish
  }

  close(): void {
    for (const side of this.#sides) side.cancelBackOff()
  }

  #answer(side: Side, offer: Offer): Promise<string> {
    const { direction, ptimeMs, codecs: agreed } = this.wishFor(side)
    const other = this.other(side)?.leg
    const isKept = agreed.some((codec) => isAudio(codec) && isIn(codec, offer.codecs))
    const codecs = answerableCodecs(
      offer,
      isKept ? agreed : (other?.memory.willing ?? agreed),
      keysOn(side.leg.media),
    )
    if (!isKept) other?.reopen()
    return side.leg.answer(offer, { direction, codecs, ptimeMs })
  }

  #renegotiate(side: Side, input: RenegotiationInput): void {
    const { environment, run } = this.#options
    const mustOffer = side.renegotiation.handle(input, environment.nowMs())
    side.cancelBackOff()
    const { deadlineMs } = side.renegotiation
    if (deadlineMs !== undefined) {
      side.cancelBackOff = environment.schedule(deadlineMs, () =>
        run(() => this.#renegotiate(side, { kind: 'timeout' })),
      )
    }
    if (mustOffer) this.#offer(side)
    if (side.renegotiation.state !== 'offering') side.onSettled()
  }

  #offer(side: Side): void {
    if (!this.#sides.includes(side) || side.dialog === undefined || side.dialog.state === 'ended') return
    const body = (): Body => {
      side.renegotiation.handle({ kind: 'offered' }, this.#options.environment.nowMs())
      return sdpBody(side.leg.offer(this.wishFor(side)))
    }
    side.dialog.reinvite({ headers: this.#options.headers(side), body }, (response) =>
      this.#options.run(() => this.#onAnswered(side, response)),
    )
  }

  async #onAnswered(side: Side, response: ReinviteOutcome): Promise<void> {
    // A transfer may have taken the side away meanwhile.
    if (!this.#sides.includes(side)) return
    const answer = typeof response === 'string' || response.status >= 300 ? undefined : sdpIn(response)
    if (answer === undefined || answer.length === 0) {
      side.leg.refused()
      this.#onUntaken(side, response)
      return
    }
    if (typeof response !== 'string') this.#options.heed(side, response)
    await side.leg.take(answer)
    await this.changed(side)
    this.#renegotiate(side, { kind: 'answered' })
    this.tellMove(side)
  }

  /** The peer has not taken an offer: it is made again, or both go on with what held before (RFC 3261 §14.1), or the peer is gone. */
  #onUntaken(side: Side, response: ReinviteOutcome): void {
    if (response === 'transport') {
      // It ends no dialog (RFC 5057 §5.1). A trunk that stays away is found out by the session timer, or by its silence.
      this.#renegotiate(side, { kind: 'unreached', backOffMs: RECONNECT_MS })
      return
    }
    if (response === 'timeout' && side.dialog?.probe(PROBE_MS)) {
      // A connection may be dead and nobody has noticed: then it is told when it is back.
      this.#renegotiate(side, { kind: 'glare', backOffMs: 2 * PROBE_MS })
      return
    }
    const status = typeof response === 'string' ? undefined : response.status
    const seen = typeof response === 'string' ? response : `${response.status} ${response.reason}`
    if (status === 408 || status === 481 || response === 'timeout' || response === 'too-large') {
      const code = status === 481 ? 'call.dialog-lost' : 'call.contact-unreachable'
      throw side.blamed(new GatewayFailure(code, { seen: `${side.leg.name}: ${seen}` }))
    }
    const chance = Number.parseInt(this.#options.environment.token().slice(0, 8), 16) / 2 ** 32
    const backOffMs = retryMs(response, side.isCallIdOwner, chance)
    this.#renegotiate(side, backOffMs === undefined ? { kind: 'refused' } : { kind: 'glare', backOffMs })
    // One that is made again has not been refused yet, what a table of ours has no place for never is, and BYE follows a 487 of the peer's own.
    if (response === 'overload' || status === 487 || side.renegotiation.state === 'backing-off') return
    // With a refresh nothing is lost but time.
    if (side.leg.isTold(this.wishFor(side))) return
    const code = status !== undefined && status < 300 ? 'call.no-answer-body' : 'call.change-refused'
    this.#tellRefused(side, new GatewayFailure(code, { seen }))
  }

  #tellRefused(side: Side, failure: GatewayFailure): void {
    const verdict = verdictOf(failure, { leg: side.leg.name })
    this.#options.log.warn('change refused by peer', verdictFields(verdict))
    this.#options.onChangeRefused(verdict)
  }
}

/**
 * When an offer that was not taken may be taken: after glare (RFC 3261 §14.1), as the refusal says (§14.2, §21.5.4), or soon where the
 * peer has a fault. Undefined: it was meant.
 */
function retryMs(response: ReinviteOutcome, isCallIdOwner: boolean, chance: number): number | undefined {
  // It has had its time, in which the peer's own offers were refused.
  if (response === 'cancelled') return undefined
  if (typeof response === 'string' || response.status === 491) return glareBackOffMs(isCallIdOwner, chance)
  const askedS = response.status < 300 ? undefined : readable(() => retryAfter(response))
  if (askedS !== undefined) return askedS > MAX_RETRY_S ? undefined : Math.max(askedS, 1) * 1_000
  return response.status >= 500 && response.status < 600 ? glareBackOffMs(true, chance) : undefined
}

/** What a leg is to have: what is agreed on both, or what its peer is willing to do of what the other leg has come to. */
function codecsFor(leg: Leg, other: Leg | undefined): readonly Codec[] {
  if (leg.codecs.length === 0) return leg.offerable(other?.codecs)
  if (other === undefined) return leg.codecs
  const common = commonCodecs(leg.codecs, leg.isReopened ? leg.memory.willing : [], other.codecs)
  // The other leg is on its way to what this one has.
  return common.some(isAudio) ? common : leg.codecs
}
