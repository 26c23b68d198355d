import type { SipRequest } from '../message/message.ts'
import type { ServerExchange } from '../transaction/server-exchange.ts'
import type { IncomingReinvite, ResponseOptions } from '../user-agent-contract.ts'

export interface PendingReinviteEvents {
  accept(options: ResponseOptions, onAck: ((ack: SipRequest) => void) | undefined): void
  /** Answered or lapsed. */
  settled(): void
  /** The offer was not accepted. */
  failed(): void
}

/** A re-INVITE or UPDATE of the peer until it is answered. */
export class PendingReinvite implements IncomingReinvite {
  readonly request: SipRequest
  readonly #exchange: ServerExchange
  readonly #events: PendingReinviteEvents
  #isOpen = true
  /** Over a reliable transport the transaction of an UPDATE ends within its answer (Timer J is 0). */
  #isAccepting = false

  constructor(exchange: ServerExchange, events: PendingReinviteEvents) {
    this.request = exchange.request
    this.#exchange = exchange
    this.#events = events
  }

  accept(options: ResponseOptions, onAck?: (ack: SipRequest) => void): boolean {
    if (!this.#isOpen) return false
    this.#isAccepting = true
    try {
      this.#events.accept(options, onAck)
    } finally {
      this.#isAccepting = false
    }
    this.#settle()
    return true
  }

  reject(status: number, options?: ResponseOptions): void {
    if (!this.#isOpen) return
    this.#exchange.respond(status, options)
    this.lapse()
  }

  /** Nobody waits for an answer any more. */
  lapse(): void {
    if (!this.#isOpen || this.#isAccepting) return
    this.#settle()
    this.#events.failed()
  }

  #settle(): void {
    this.#isOpen = false
    this.#events.settled()
  }
}
