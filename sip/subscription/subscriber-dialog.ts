import { Dialog } from '../dialog/dialog.ts'
import type { DialogUser, Stack } from '../dialog/stack.ts'
import { SipFailure } from '../failure.ts'
import type { Flow } from '../flow.ts'
import { buildResponse } from '../message/build.ts'
import { seconds } from '../message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../message/message.ts'
import { fromTag, toTag } from '../message/request-checks.ts'
import type { RequestEvents } from '../transaction/authenticated-request.ts'
import type { ServerExchange } from '../transaction/server-exchange.ts'
import { TRANSACTION_LIFETIME_MS } from '../transaction/timers.ts'
import type {
  NoAnswer,
  OutgoingSubscription,
  RefreshOptions,
  ResponseOptions,
  SubscriberHandler,
  SubscriptionEnd,
} from '../user-agent-contract.ts'
import { type EventName, eventOf, isSameEvent, MAX_SUBSCRIPTION_S, subscriptionState } from './event.ts'
import type { SubscriptionTable } from './subscription-table.ts'

export interface SubscriberOptions {
  readonly stack: Stack
  readonly table: SubscriptionTable
  readonly flow: Flow
  readonly request: SipRequest
  readonly event: EventName
  readonly eventHeader: Header
  readonly handler: SubscriberHandler
  /** Gives the place in the table back. */
  readonly leave: () => void
}

/** Answers to a refresh that end the subscription; any other leaves it as it was (RFC 5057 §5.3, RFC 6665 §4.1.2.2). */
const ENDING: ReadonlySet<number> = new Set([
  404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 502, 604,
])

/**
 * The subscriber's side of a subscription (RFC 6665 §4.1). Its dialog is made by the 2xx or by the first NOTIFY, which may
 * come before it; the first one is kept and NOTIFY of any other fork is answered 481.
 *
 * Timer N runs for the first SUBSCRIBE and for the last. Not for a refresh: many notifiers send nothing when nothing has
 * changed, and the subscription is none the worse for it.
 */
export class SubscriberDialog implements OutgoingSubscription, DialogUser {
  readonly callId: string
  readonly #options: SubscriberOptions
  readonly #localTag: string
  #dialog: Dialog | undefined
  #isOpen = true
  #isAccepted = false
  /** `unsubscribe` was called before there was a dialog to do it in. */
  #isUnwanted = false
  /** The SUBSCRIBE whose answer counts: the first, or the one with credentials. */
  #request: SipRequest
  #isLeaving = false
  #stopTimerN: () => void = () => {}
  #stopExpiry: () => void = () => {}

  constructor(options: SubscriberOptions) {
    this.#options = options
    this.#request = options.request
    this.callId = options.request.callId
    this.#localTag = fromTag(options.request)
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  start(): void {
    const { stack, table, flow, request } = this.#options
    table.add(flow.scope, this.#id(), this)
    this.#startTimerN()
    const events: RequestEvents = {
      onAgain: (next) => {
        this.#request = next
      },
      onResponse: (response) => {
        if (response.status >= 200) this.#onFirstResponse(response)
      },
      onFailed: (reason) => this.#end(reason),
    }
    stack.send(request, flow, events, () => this.#request.cseq.number + 1)
  }

  refresh(options: RefreshOptions, done: (response: SipResponse | NoAnswer) => void): void {
    const { stack, flow, request: first } = this.#options
    if (!this.#isOpen || this.#dialog === undefined) {
      const response = buildResponse(first, 481)
      stack.clock.soon(() => stack.guard(() => done(response), undefined))
      return
    }
    const dialog = this.#dialog
    const request = stack.compose(flow, dialog.next('SUBSCRIBE'), {
      ...options,
      headers: [
        this.#options.eventHeader,
        { name: 'Expires', value: String(options.expiresS) },
        ...(options.headers ?? []),
      ],
    })
    if (options.expiresS === 0) this.#startLeaving()
    const events: RequestEvents = {
      onResponse: (response) => {
        if (response.status < 200) return
        if (response.status < 300) {
          dialog.refreshTarget(response)
          this.#granted(Math.min(seconds(response, 'Expires') ?? options.expiresS, options.expiresS))
        }
        stack.guard(() => done(response), undefined)
        if (ENDING.has(response.status) || (response.status >= 300 && this.#isLeaving)) this.#end(response)
      },
      onFailed: (reason) => {
        stack.guard(() => done(reason), undefined)
        if (this.#isLeaving) this.#end(reason)
      },
    }
    stack.send(request, flow, events, () => dialog.next('SUBSCRIBE').cseq)
  }

  unsubscribe(headers: readonly Header[] = []): void {
    if (!this.#isOpen || this.#isLeaving) return
    if (this.#dialog === undefined) this.#isUnwanted = true
    else this.refresh({ expiresS: 0, headers }, () => {})
  }

  onRequest(request: SipRequest, exchange: ServerExchange): void {
    const { stack, event } = this.#options
    if (this.#dialog !== undefined && this.#dialog.remoteTag !== fromTag(request)) {
      stack.count('forked-notify')
      exchange.respond(481)
      return
    }
    if (request.method !== 'NOTIFY') {
      exchange.respond(405, { headers: [{ name: 'Allow', value: 'NOTIFY' }] })
      return
    }
    const notified = eventOf(request)
    if (notified === undefined || !isSameEvent(notified, event)) {
      exchange.respond(489)
      return
    }
    const state = subscriptionState(request)
    if (!this.#takeNotify(request, exchange)) return
    this.#stopTimerN()
    this.#passNotify(request, exchange, state.name === 'terminated', state.expiresS)
  }

  onAck(): void {
    this.#options.stack.count('stray-ack')
  }

  #id() {
    return { callId: this.callId, localTag: this.#localTag, remoteTag: '' }
  }

  /** False when it was refused. */
  #takeNotify(request: SipRequest, exchange: ServerExchange): boolean {
    if (this.#dialog === undefined) return this.#makeDialog(request, exchange)
    if (!this.#dialog.acceptCseq(request)) {
      exchange.respond(500, { reason: 'CSeq Out of Order' })
      return false
    }
    this.#dialog.refreshTarget(request)
    return true
  }

  #makeDialog(notify: SipRequest, exchange: ServerExchange): boolean {
    try {
      this.#dialog = Dialog.ofRequest(notify, this.#localTag, this.#request.cseq.number)
      return true
    } catch (error) {
      if (!(error instanceof SipFailure)) throw error
      this.#options.stack.count(error.code)
      exchange.respond(400)
      return false
    }
  }

  #passNotify(
    request: SipRequest,
    exchange: ServerExchange,
    isLast: boolean,
    expiresS: number | undefined,
  ): void {
    const { stack, handler } = this.#options
    if (expiresS !== undefined && !isLast && !this.#isLeaving) this.#granted(expiresS)
    const incoming = {
      request,
      flow: exchange.flow,
      respond: (status: number, options?: ResponseOptions) => {
        exchange.respond(status, options)
      },
    }
    if (!stack.guard(() => handler.onNotify(incoming), request)) exchange.respond(500)
    if (isLast) this.#end('terminated')
    else this.#leaveIfUnwanted()
  }

  #onFirstResponse(response: SipResponse): void {
    if (!this.#isOpen) return
    if (response.status >= 300) {
      this.#end(response)
      return
    }
    const { stack, handler } = this.#options
    const request = this.#request
    this.#isAccepted = true
    if (this.#dialog === undefined && toTag(response) !== '') {
      this.#dialog = Dialog.ofResponse(request, response)
    }
    const asked = seconds(request, 'Expires') ?? MAX_SUBSCRIPTION_S
    const expiresS = Math.min(seconds(response, 'Expires') ?? asked, asked)
    this.#granted(expiresS)
    stack.guard(() => handler.onAccept(response, expiresS), undefined)
    this.#leaveIfUnwanted()
  }

  #leaveIfUnwanted(): void {
    if (!this.#isUnwanted || this.#dialog === undefined) return
    this.#isUnwanted = false
    this.unsubscribe()
  }

  #startLeaving(): void {
    this.#isLeaving = true
    this.#startTimerN()
  }

  #startTimerN(): void {
    this.#stopTimerN()
    const { clock } = this.#options.stack
    this.#stopTimerN = clock.schedule(clock.nowMs() + TRANSACTION_LIFETIME_MS, () =>
      this.#end(this.#isAccepted ? 'no-notify' : 'timeout'),
    )
  }

  /** The notifier says how it ended when the time is up; a little later it is over in any case. */
  #granted(expiresS: number): void {
    if (!this.#isOpen) return
    this.#stopExpiry()
    const { clock } = this.#options.stack
    const lastsMs = Math.min(expiresS, MAX_SUBSCRIPTION_S) * 1_000 + TRANSACTION_LIFETIME_MS
    this.#stopExpiry = clock.schedule(clock.nowMs() + lastsMs, () => this.#end('expired'))
  }

  #end(reason: SubscriptionEnd): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#stopTimerN()
    this.#stopExpiry()
    const { stack, table, flow, handler, leave } = this.#options
    table.remove(flow.scope, this.#id(), this)
    leave()
    stack.guard(() => handler.onEnd(reason), undefined)
  }
}
