import type { Dialog } from '../dialog/dialog.ts'
import type { DialogUser, Stack } from '../dialog/stack.ts'
import type { Flow } from '../flow.ts'
import { buildResponse } from '../message/build.ts'
import { retryAfter } from '../message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../message/message.ts'
import type { ServerExchange } from '../transaction/server-exchange.ts'
import { TRANSACTION_LIFETIME_MS } from '../transaction/timers.ts'
import type {
  GrantOptions,
  NoAnswer,
  Notifier,
  NotifierHandler,
  NotifyOptions,
  ResponseOptions,
} from '../user-agent-contract.ts'
import { type EventName, eventOf, isSameEvent, MAX_SUBSCRIPTION_S } from './event.ts'
import type { SubscriptionTable } from './subscription-table.ts'

export interface NotifierOptions {
  readonly stack: Stack
  readonly table: SubscriptionTable
  readonly dialog: Dialog
  readonly flow: Flow
  readonly event: EventName
  /** The Event header of the SUBSCRIBE, for NOTIFY. */
  readonly eventHeader: Header
  readonly expiresS: number
  readonly handler: NotifierHandler
  /** Gives the place in the table back. */
  readonly leave: () => void
}

/** The notifier's side of a subscription, from the 2xx to its end (RFC 6665 §4.2). */
export class NotifierDialog implements Notifier, DialogUser {
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
  readonly #options: NotifierOptions
  #flow: Flow
  #leave: () => void
  #isOpen = true
  #stopTimer: () => void = () => {}

  constructor(options: NotifierOptions) {
    this.#options = options
    this.#flow = options.flow
    this.#leave = options.leave
    this.callId = options.dialog.callId
    this.localTag = options.dialog.localTag
    this.remoteTag = options.dialog.remoteTag
    options.table.add(options.flow.scope, this, this)
    this.#grant(options.expiresS)
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  notify(options: NotifyOptions, done: (response: SipResponse | NoAnswer) => void = () => {}): void {
    const { stack, dialog, eventHeader } = this.#options
    const state = { name: 'Subscription-State', value: options.state }
    const request = stack.compose(this.#flow, dialog.next('NOTIFY'), {
      ...options,
      headers: [eventHeader, state, ...(options.headers ?? [])],
    })
    if (!this.#isOpen) {
      const response = buildResponse(request, 481)
      stack.clock.soon(() => stack.guard(() => done(response), undefined))
      return
    }
    if (/^terminated\b/i.test(options.state)) this.close()
    const settle = (outcome: SipResponse | NoAnswer): void => {
      stack.guard(() => done(outcome), undefined)
      if (isLost(outcome)) this.#end('lost')
    }
    const events = {
      onResponse: (response: SipResponse): void => {
        if (response.status >= 200) settle(response)
      },
      onFailed: settle,
    }
    stack.send(request, this.#flow, events, () => dialog.next('NOTIFY').cseq)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#stopTimer()
    this.#options.table.remove(this.#flow.scope, this, this)
    this.#leave()
  }

  useFlow(flow: Flow): void {
    if (!this.#isOpen) return
    const { table } = this.#options
    table.remove(this.#flow.scope, this, this)
    this.#leave()
    this.#flow = flow
    const leave = table.enter(flow.scope)
    this.#leave = leave ?? (() => {})
    if (leave === undefined) this.#end('lost')
    else table.add(flow.scope, this, this)
  }

  onRequest(request: SipRequest, exchange: ServerExchange): void {
    const { dialog, event, stack, handler } = this.#options
    if (request.method !== 'SUBSCRIBE') {
      exchange.respond(405, { headers: [{ name: 'Allow', value: 'SUBSCRIBE' }] })
      return
    }
    if (!dialog.acceptCseq(request)) {
      exchange.respond(500, { reason: 'CSeq Out of Order' })
      return
    }
    const asked = eventOf(request)
    if (asked === undefined || !isSameEvent(asked, event)) {
      exchange.respond(489)
      return
    }
    dialog.refreshTarget(request)
    const refresh = {
      request,
      flow: exchange.flow,
      accept: (options: GrantOptions) => {
        if (exchange.respond(200, grantResponse(stack, exchange.flow, options)) !== undefined) {
          this.#grant(options.expiresS)
        }
      },
      reject: (status: number, options?: ResponseOptions) => {
        exchange.respond(status, options)
      },
    }
    if (!stack.guard(() => handler.onRefresh(refresh), request)) exchange.respond(500)
  }

  onAck(): void {
    this.#options.stack.count('stray-ack')
  }

  /** A refresh that is under way when the time is up may still be answered. */
  #grant(expiresS: number): void {
    if (!this.#isOpen) return
    this.#stopTimer()
    const { clock } = this.#options.stack
    const lastsMs = Math.min(expiresS, MAX_SUBSCRIPTION_S) * 1_000 + TRANSACTION_LIFETIME_MS
    this.#stopTimer = clock.schedule(clock.nowMs() + lastsMs, () => {
      // RFC 6665 §4.2.2: the subscriber is told once.
      this.notify({ state: 'terminated;reason=timeout' })
      this.#options.stack.guard(() => this.#options.handler.onEnd('expired'), undefined)
    })
  }

  #end(reason: 'lost'): void {
    if (!this.#isOpen) return
    this.close()
    this.#options.stack.guard(() => this.#options.handler.onEnd(reason), undefined)
  }
}

/** RFC 6665 §4.2.2: a subscriber that does not take its NOTIFY, and does not ask for patience, is gone. */
function isLost(outcome: SipResponse | NoAnswer): boolean {
  if (typeof outcome === 'string') return outcome !== 'overload'
  return outcome.status >= 300 && retryAfter(outcome) === undefined
}

/** What a 2xx to SUBSCRIBE has beside the caller's headers. */
export const grantResponse = (stack: Stack, flow: Flow, options: GrantOptions): ResponseOptions => ({
  headers: [
    { name: 'Expires', value: String(Math.min(options.expiresS, MAX_SUBSCRIPTION_S)) },
    ...stack.dialogHeaders(flow, options.headers),
  ],
})
