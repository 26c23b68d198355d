import type { CallsConfig } from '../../config/config.ts'
import { contacts } from '../../sip/message/headers.ts'
import { type Header, isSipUri, type SipResponse, type Uri } from '../../sip/message/message.ts'
import { readable } from '../../sip/message/readable.ts'
import { bareUri } from '../../sip/message/uri.ts'
import type {
  Body,
  InviteDialog,
  NoAnswer,
  OutgoingInvite,
  OutgoingInviteHandler,
  SipEnvironment,
  UserAgent,
} from '../../sip/user-agent.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { BodyPart } from './multipart.ts'
import type { PartyPlan, Target } from './plan.ts'
import { refusalOf } from './refusal.ts'
import { Ringing } from './ringing.ts'
import { serialInvite } from './serial-invite.ts'
import type { Side } from './side.ts'
import { unanswered } from './unanswered.ts'

export interface DiallingHandler {
  /** A provisional response, 100 excepted. */
  onProgress(response: SipResponse): void
  /** The party has answered; `side.dialog` is set, ACK is out, the other targets are cancelled. */
  onAnswered(response: SipResponse): void
  /** `next`: the party to be called instead; nothing has rung yet, unless it is an emergency. */
  onFailed(failure: GatewayFailure, next: PartyPlan | undefined): void
}

/** What a call does with what it hears of a party it is calling, each as a step in its queue. */
export interface Progress {
  /** Of the INVITE, beside those of its plan. */
  readonly headers: readonly Header[]
  /** Where the caller is, for parties that may know. */
  readonly locations?: readonly BodyPart[]
  readonly maxForwards: number | undefined
  readonly onProgress: (response: SipResponse) => Promise<void> | void
  readonly onAnswered: (response: SipResponse) => Promise<void> | void
  /** At once, before the step: from now on `next` takes up a place at its party. */
  readonly onNext?: (next: PartyPlan) => void
  readonly onFailed: (failure: GatewayFailure, next: PartyPlan | undefined) => Promise<void> | void
}

export interface DiallingOptions {
  readonly userAgent: UserAgent
  readonly environment: SipEnvironment
  readonly plan: PartyPlan
  readonly side: Side
  readonly body: Body
  readonly headers: readonly Header[]
  readonly limits: Pick<CallsConfig, 'ringTimeoutS' | 'attemptS' | 'progressS'>
  readonly maxForwards?: number | undefined
  readonly handler: DiallingHandler
}

/** RFC 3261 §8.1.3.4 asks for loop detection only; a trunk that redirects more often than this is turning in circles. */
const MAX_REDIRECTS = 3
/** Three tries of a lost INVITE over UDP (Timer A); a peer that lives has said 100 long before. */
const SILENT_MS = 2_000

/**
 * Calls one party until it answers, refuses or is given up: rings on all its targets, follows redirections. A party that has
 * another to stand in for it (`plan.next`) gets only so long to show that it is there, and to ring. An emergency call rings, or
 * waits in a queue, for as long as the caller does, and goes on elsewhere though it has rung.
 */
export class Dialling {
  readonly #options: DiallingOptions
  readonly #cancelTimer: () => void
  #cancelAttempt: () => void = () => {}
  #ringing: Ringing | undefined
  #hasRung = false
  /** Since when the party has been asked and has said nothing; undefined: it has. */
  #silentSinceMs: number | undefined
  #redirects = 0
  #isOver = false
  #hasFailed = false

  constructor(options: DiallingOptions) {
    this.#options = options
    const { environment, limits } = options
    this.#cancelTimer = options.plan.isEmergency
      ? () => {}
      : environment.schedule(environment.nowMs() + limits.ringTimeoutS * 1_000, () => {
          const failure = this.#neverHeard() ?? new GatewayFailure('call.no-answer')
          this.cancel([])
          this.#fail(failure, undefined)
        })
    this.#ring(options.plan.targets)
  }

  /** Gives up. Nothing is reported any more, and a 200 that crosses is ended inside. May be called twice. */
  cancel(headers: readonly Header[]): void {
    if (this.#isOver) return
    this.#finish()
    this.#ringing?.cancel(headers)
  }

  /** `onFailed` was called, and has decided how it goes on. */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /**
   * What the party says cannot be used. In an emergency it is left, also when it has answered; returns the party to call instead.
   * Undefined: nobody, and it is not left.
   */
  leave(): PartyPlan | undefined {
    const { plan, side } = this.#options
    const next = plan.isEmergency ? plan.next?.('unfit') : undefined
    if (next === undefined) return undefined
    this.cancel([])
    side.dialog?.bye()
    side.dialog = undefined
    return next
  }

  /** What whoever gives up now should know of a trunk that has not even said 100, which takes no second (RFC 3261 §8.2.6.1). */
  silence(): GatewayFailure | undefined {
    const silentMs = this.#silentMs()
    if (silentMs === undefined || silentMs < SILENT_MS) return undefined
    if (this.#options.plan.media.kind !== 'rtp') return undefined
    const seen = this.#nothingIn(silentMs)
    return new GatewayFailure('trunk.silent', { expected: '100 or more to our INVITE', seen })
  }

  /** Why a call that has no more time was not answered, where nobody has even said that it arrived. */
  #neverHeard(): GatewayFailure | undefined {
    const silentMs = this.#silentMs()
    if (silentMs === undefined) return undefined
    return unanswered('timeout', this.#options.plan.media.kind === 'rtp', this.#nothingIn(silentMs))
  }

  #silentMs(): number | undefined {
    const sinceMs = this.#silentSinceMs
    return sinceMs === undefined ? undefined : this.#options.environment.nowMs() - sinceMs
  }

  #nothingIn(silentMs: number): string {
    const { name, trouble } = this.#options.plan
    const why = trouble?.('timeout')
    return `${name}: nothing in ${(silentMs / 1_000).toFixed(1)} s${why === undefined ? '' : `, ${why}`}`
  }

  #ring(targets: readonly Target[]): void {
    const { userAgent, environment, plan, side, body, headers, maxForwards, limits } = this.#options
    this.#silentSinceMs = environment.nowMs()
    const { from, to } = plan
    const place = ({ flow, uri, party, next }: Target, handler: OutgoingInviteHandler): OutgoingInvite =>
      userAgent.invite(
        {
          flow,
          uri,
          ...(next === undefined ? {} : { party }),
          from,
          to,
          headers: [...headers, ...plan.headers],
          ...(plan.route === undefined ? {} : { route: plan.route }),
          ...(plan.numbers === undefined ? {} : { numbers: plan.numbers }),
          body,
          dialogHandler: side.dialogHandler,
          ...(maxForwards === undefined ? {} : { maxForwards }),
          isUrgent: plan.isEmergency === true,
        },
        {
          ...handler,
          onAccept: (response, dialog) => {
            side.party = party
            handler.onAccept(response, dialog)
          },
        },
      )
    const places = targets.map(
      (target) => (handler: OutgoingInviteHandler) => serialInvite(target, handler, place),
    )
    if (!this.#isDecided) this.#giveTime(limits.attemptS, 'silent')
    this.#ringing = new Ringing(places, {
      onTrying: () => {
        this.#silentSinceMs = undefined
        plan.onReached?.()
        // What has rung before it was sent here may take as long again.
        if (this.#hasRung) this.#cancelAttempt()
        else this.#giveTime(limits.progressS, 'slow')
      },
      onProgress: (response) => {
        this.#silentSinceMs = undefined
        plan.onReached?.()
        this.#hasRung = true
        this.#cancelAttempt()
        this.#options.handler.onProgress(response)
      },
      onAccept: (response, dialog) => this.#onAccept(response, dialog),
      onReject: (response) => this.#onReject(response),
    })
  }

  #onAccept(response: SipResponse, dialog: InviteDialog): void {
    dialog.acknowledge()
    this.#finish()
    this.#options.plan.onReached?.()
    this.#options.side.dialog = dialog
    this.#options.handler.onAnswered(response)
  }

  #onReject(response: SipResponse | NoAnswer): void {
    if (this.#isOver) return
    const target = this.#redirection(response)
    if (target !== undefined && !(target instanceof GatewayFailure)) {
      this.#redirects += 1
      this.#ring([target])
      return
    }
    this.#finish()
    const { plan } = this.#options
    this.#fail(target ?? refusalOf(response, plan), this.#isDecided ? undefined : plan.next?.(response))
  }

  /** The caller has heard it ring, and nobody stands in for this party any more. */
  get #isDecided(): boolean {
    return this.#hasRung && !this.#options.plan.isEmergency
  }

  #giveTime(limitS: number, how: 'silent' | 'slow'): void {
    const { plan, environment } = this.#options
    if (plan.next === undefined) return
    this.#cancelAttempt()
    this.#cancelAttempt = environment.schedule(environment.nowMs() + limitS * 1_000, () => this.#moveOn(how))
  }

  /** Its time is over, and the next one has the call; where there is no other, it keeps it. */
  #moveOn(how: 'silent' | 'slow'): void {
    const { plan } = this.#options
    const next = plan.next?.(how)
    if (next === undefined) return
    this.cancel([])
    this.#fail(new GatewayFailure('trunk.unreachable', { seen: `${plan.name}: ${how}` }), next)
  }

  /** Where a 3xx of an allowed host sends us, or why not there; the way is the one we have. */
  #redirection(response: SipResponse | NoAnswer): Target | GatewayFailure | undefined {
    const { plan } = this.#options
    if (typeof response === 'string' || response.status < 300 || response.status >= 400) return undefined
    const [way] = plan.targets
    if (way === undefined || this.#redirects >= MAX_REDIRECTS) return undefined
    const uri = contactsOf(response).find((found) => isSipUri(found) && plan.redirectHosts.has(found.host))
    if (uri === undefined) return undefined
    try {
      plan.checkRedirection?.(uri)
      return { ...way, uri: bareUri(uri) }
    } catch (error) {
      if (error instanceof GatewayFailure) return error
      throw error
    }
  }

  #fail(failure: GatewayFailure, next: PartyPlan | undefined): void {
    this.#hasFailed = true
    this.#options.handler.onFailed(failure, next)
  }

  #finish(): void {
    this.#isOver = true
    this.#cancelTimer()
    this.#cancelAttempt()
  }
}

function contactsOf(response: SipResponse): readonly Uri[] {
  const found = readable(() => contacts(response)) ?? []
  return found === '*' ? [] : found.map((contact) => contact.uri)
}
