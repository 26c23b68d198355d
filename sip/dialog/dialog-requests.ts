import type { Flow } from '../flow.ts'
import { encoded } from '../message/encoded.ts'
import type { Header, SipRequest } from '../message/message.ts'
import { cancellation } from '../transaction/acknowledgement.ts'
import type { RequestEvents } from '../transaction/authenticated-request.ts'
import type { Body } from '../user-agent-contract.ts'
import type { Dialog } from './dialog.ts'
import type { Abandonable, Stack } from './stack.ts'

export interface DialogRequestOptions {
  readonly headers?: readonly Header[]
  readonly body?: Body
}

/** What our end of a dialog sends, with the dialog's numbers and by the flow it has at that time. */
export class DialogRequests {
  readonly #stack: Stack
  readonly #dialog: Dialog
  readonly #flow: () => Flow

  constructor(stack: Stack, dialog: Dialog, flow: () => Flow) {
    this.#stack = stack
    this.#dialog = dialog
    this.#flow = flow
  }

  /** The next request, ready to be sent. Asserts that headers and body can be written. */
  compose(method: string, options: DialogRequestOptions = {}): SipRequest {
    return this.#stack.compose(this.#flow(), this.#dialog.next(method), options)
  }

  send(request: SipRequest, events: RequestEvents): Abandonable {
    const way = this.#stack.wayOf(request, this.#flow())
    return this.#stack.send(request, way, events, () => this.#dialog.next(request.method).cseq)
  }

  /** For an INVITE that has shown a provisional response. A challenge is not answered: CANCEL has the number and branch of its INVITE. */
  cancel(invite: SipRequest): void {
    const cancel = cancellation(invite, [])
    const way = this.#stack.wayOf(cancel, this.#flow())
    this.#stack.transactions.send(cancel, way, { onResponse: () => {}, onFailed: () => {} })
  }

  /** ACK for the 2xx to the INVITE with this number, sent already: it is what answers a repeated 2xx. */
  acknowledge(cseq: number, options: DialogRequestOptions): SipRequest {
    const ack = this.#stack.compose(this.#flow(), this.#dialog.ack(cseq), options)
    this.sendAck(ack)
    return ack
  }

  /** Without a transaction. */
  sendAck(ack: SipRequest): void {
    this.#stack.wayOf(ack, this.#flow()).send(encoded(ack))
  }
}
