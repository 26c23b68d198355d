import { strict as assert } from 'node:assert'
import type { Dialog } from './dialog.ts'
import type { Flow } from './flow.ts'
import { ConfirmedDialog } from './invite-dialog.ts'
import type { SipRequest } from './message.ts'
import { offerStateAfterAnswer } from './offer-answer.ts'
import { hasBody } from './request-checks.ts'
import type { DialogUser, Stack } from './stack.ts'
import type { ServerExchange } from './transaction-layer.ts'
import type {
  DialogHandler,
  IncomingInvite,
  IncomingInviteHandler,
  InviteDialog,
  ResponseOptions,
} from './user-agent-contract.ts'

/** An INVITE of a peer until its final response; it holds the place of its dialog in the table from the start. */
export class IncomingCall implements IncomingInvite, DialogUser {
  readonly request: SipRequest
  readonly flow: Flow
  handler: IncomingInviteHandler | undefined
  readonly #stack: Stack
  readonly #exchange: ServerExchange
  readonly #dialog: Dialog
  #confirmed: ConfirmedDialog | undefined

  constructor(stack: Stack, exchange: ServerExchange, dialog: Dialog) {
    this.request = exchange.request
    this.flow = exchange.flow
    this.#stack = stack
    this.#exchange = exchange
    this.#dialog = dialog
    exchange.onCancel = (cancel) => this.#withdraw(cancel)
    stack.addDialog(this.flow, dialog, this)
  }

  progress(status: number, options: ResponseOptions = {}): void {
    assert(status > 100 && status < 200, 'a provisional status')
    this.#exchange.respond(status, {
      ...options,
      headers: this.#stack.dialogHeaders(this.flow, options.headers),
    })
  }

  accept(options: ResponseOptions, handler: DialogHandler): InviteDialog {
    assert(this.#exchange.isPending, 'an INVITE is answered once')
    const headers = this.#stack.dialogHeaders(this.flow, options.headers)
    const response = this.#exchange.respond(200, { ...options, headers })
    assert(response !== undefined)
    const dialog = new ConfirmedDialog({
      stack: this.#stack,
      dialog: this.#dialog,
      flow: this.flow,
      handler,
      offerState: offerStateAfterAnswer('uas', hasBody(this.request)),
      inviteCseq: undefined,
    })
    dialog.awaitFirstAck(this.#exchange, response)
    this.#confirmed = dialog
    return dialog
  }

  reject(status: number, options?: ResponseOptions): void {
    assert(status >= 300 && status < 700, 'a final failure status')
    this.#exchange.respond(status, options)
    this.#leave()
  }

  /** After an exception of the handler: whatever it has reached, the call is over. */
  abort(): void {
    if (this.#confirmed === undefined) this.reject(500)
    else this.#confirmed.bye()
  }

  /** Requests inside the early dialog. */
  onRequest(request: SipRequest, exchange: ServerExchange): void {
    if (!this.#dialog.acceptCseq(request)) {
      exchange.respond(500, { reason: 'CSeq Out of Order' })
      return
    }
    switch (request.method) {
      case 'BYE':
        // RFC 3261 §15: the caller may end an early dialog so; it means what CANCEL means.
        exchange.respond(200)
        this.#withdraw(request)
        return
      case 'PRACK':
        this.#stack.count('sip.no-dialog')
        exchange.respond(481)
        return
      default:
        // Nothing can be agreed before the INVITE is answered (RFC 3261 §14.2, RFC 3311 §5.2).
        exchange.respond(500, { headers: [{ name: 'Retry-After', value: '5' }] })
    }
  }

  onAck(): void {
    this.#stack.count('stray-ack')
  }

  #withdraw(request: SipRequest): void {
    if (!this.#exchange.isPending) return
    this.#exchange.respond(487)
    this.#leave()
    this.#stack.guard(() => this.handler?.onCancel(request), request)
  }

  #leave(): void {
    this.#stack.removeDialog(this.flow, this.#dialog, this)
  }
}
