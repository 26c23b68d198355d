import type { Dialog } from '../dialog/dialog.ts'
import type { Stack } from '../dialog/stack.ts'
import type { Flow } from '../flow.ts'
import { header } from '../message/headers.ts'
import type { SipRequest } from '../message/message.ts'
import type { ServerExchange } from '../transaction/server-exchange.ts'
import type {
  GrantOptions,
  IncomingSubscribe,
  Notifier,
  NotifierHandler,
  ResponseOptions,
} from '../user-agent-contract.ts'
import type { EventName } from './event.ts'
import { grantResponse, NotifierDialog } from './notifier-dialog.ts'
import type { SubscriptionTable } from './subscription-table.ts'

export interface IncomingSubscriptionOptions {
  readonly stack: Stack
  readonly table: SubscriptionTable
  readonly exchange: ServerExchange
  readonly dialog: Dialog
  readonly event: EventName
  /** Gives the place in the table back. */
  readonly leave: () => void
}

/** A SUBSCRIBE of a peer until its final response; it holds its place in the table from the start. */
export class IncomingSubscription implements IncomingSubscribe {
  readonly request: SipRequest
  readonly flow: Flow
  readonly #options: IncomingSubscriptionOptions
  #isAccepting = false
  #notifier: NotifierDialog | undefined

  constructor(options: IncomingSubscriptionOptions) {
    const { exchange } = options
    this.request = exchange.request
    this.flow = exchange.flow
    this.#options = options
    const before = exchange.onEnd
    exchange.onEnd = () => {
      before?.()
      if (!this.#isAccepting && this.#notifier === undefined) options.leave()
    }
  }

  accept(grant: GrantOptions, handler: NotifierHandler): Notifier | undefined {
    const { stack, table, dialog, event, leave } = this.#options
    if (!this.#answer(grant)) {
      leave()
      return undefined
    }
    this.#notifier = new NotifierDialog({
      stack,
      table,
      dialog,
      flow: this.flow,
      event,
      eventHeader: { name: 'Event', value: header(this.request, 'Event') ?? event.name },
      expiresS: grant.expiresS,
      handler,
      leave,
    })
    return this.#notifier
  }

  reject(status: number, options?: ResponseOptions): void {
    if (this.#options.exchange.respond(status, options) !== undefined) this.#options.leave()
  }

  /** False: too late. Over a reliable transport the transaction ends within the answer (Timer J is 0), before there is a notifier. */
  #answer(grant: GrantOptions): boolean {
    const { stack, exchange } = this.#options
    this.#isAccepting = true
    try {
      return exchange.respond(200, grantResponse(stack, this.flow, grant)) !== undefined
    } finally {
      this.#isAccepting = false
    }
  }

  /** After an exception of the handler. */
  abort(): void {
    if (this.#notifier === undefined) this.reject(500)
    else this.#notifier.notify({ state: 'terminated;reason=noresource' })
  }
}
