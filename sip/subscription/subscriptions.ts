import { Dialog } from '../dialog/dialog.ts'
import type { DialogId, DialogUser, Stack } from '../dialog/stack.ts'
import { SIP_CODES, type SipCode, SipFailure } from '../failure.ts'
import type { Header, SipRequest } from '../message/message.ts'
import type { ServerExchange } from '../transaction/server-exchange.ts'
import type {
  IncomingSubscribe,
  OutgoingSubscription,
  SubscribeOptions,
  SubscriberHandler,
} from '../user-agent-contract.ts'
import { type EventName, eventOf } from './event.ts'
import { IncomingSubscription } from './incoming-subscription.ts'
import { SubscriberDialog } from './subscriber-dialog.ts'
import { SubscriptionTable } from './subscription-table.ts'

/** Makes the subscriptions of a user agent, in both roles, and finds them for requests inside their dialogs (RFC 6665). */
export class Subscriptions {
  readonly #stack: Stack
  readonly #table: SubscriptionTable

  constructor(stack: Stack) {
    this.#stack = stack
    this.#table = new SubscriptionTable(stack.limits)
  }

  get size(): number {
    return this.#table.size
  }

  find(scope: string, id: DialogId): DialogUser | undefined {
    return this.#table.find(scope, id)
  }

  /** A SUBSCRIBE outside a dialog. */
  receive(exchange: ServerExchange, onSubscribe: (subscribe: IncomingSubscribe) => void): void {
    const read = this.#read(exchange)
    if (read === undefined) return
    const leave = this.#table.enter(exchange.flow.scope)
    if (leave === undefined) {
      this.#refuse(exchange, 'sip.overload', [{ name: 'Retry-After', value: '60' }])
      return
    }
    const made = new IncomingSubscription({
      stack: this.#stack,
      table: this.#table,
      exchange,
      leave,
      ...read,
    })
    if (!this.#stack.guard(() => onSubscribe(made), exchange.request)) made.abort()
  }

  /** `request`: the SUBSCRIBE, composed. */
  send(options: SubscribeOptions, request: SipRequest, handler: SubscriberHandler): OutgoingSubscription {
    const eventHeader: Header = { name: 'Event', value: options.event }
    const event = eventOf({ headers: [eventHeader] }) ?? { name: '', id: '' }
    const leave = this.#table.enter(undefined)
    const { flow } = options
    const made = new SubscriberDialog({
      stack: this.#stack,
      table: this.#table,
      flow,
      request,
      event,
      eventHeader,
      handler,
      leave: leave ?? (() => {}),
    })
    if (leave !== undefined) made.start()
    else {
      this.#stack.count('sip.overload')
      this.#stack.clock.soon(() => this.#stack.guard(() => handler.onEnd('overload'), undefined))
    }
    return made
  }

  /** Undefined after a refusal. */
  #read(exchange: ServerExchange): { readonly dialog: Dialog; readonly event: EventName } | undefined {
    try {
      const event = eventOf(exchange.request)
      if (event !== undefined) return { dialog: Dialog.ofRequest(exchange.request, exchange.localTag), event }
      this.#refuse(exchange, 'sip.bad-event')
    } catch (error) {
      if (!(error instanceof SipFailure)) throw error
      this.#refuse(exchange, error.code)
    }
    return undefined
  }

  #refuse(exchange: ServerExchange, code: SipCode, headers: readonly Header[] = []): void {
    this.#stack.count(code)
    exchange.respond(SIP_CODES[code].status, { headers })
  }
}
