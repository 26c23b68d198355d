import { strict as assert } from 'node:assert'
import type { Dialog } from '../dialog/dialog.ts'
import type { FlowUse } from '../dialog/flow-uses.ts'
import type { CallDialog, Stack } from '../dialog/stack.ts'
import type { Flow } from '../flow.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { hasBody, hasOption } from '../message/request-checks.ts'
import { NamedFlow } from '../named-flow.ts'
import { Drive } from '../transaction/drive.ts'
import type { ServerExchange } from '../transaction/server-exchange.ts'
import type {
  DialogHandler,
  IncomingInvite,
  IncomingInviteHandler,
  InviteDialog,
  ProgressOptions,
  ResponseOptions,
} from '../user-agent-contract.ts'
import { ConfirmedDialog } from './confirmed-dialog.ts'
import { RETRY_LATER } from './early-dialog.ts'
import { askWhetherKnown } from './known-dialog.ts'
import { offerStateAfterAnswer } from './offer-answer.ts'
import {
  isPrackFor,
  type ReliableInput,
  type ReliableName,
  type ReliableOutput,
  ReliableProvisionals,
} from './reliable-provisionals.ts'

interface Provisional {
  readonly status: number
  readonly options: ResponseOptions
}

/** An INVITE of a peer until its final response; it holds the place of its dialog in the table from the start. */
export class IncomingCall implements IncomingInvite, CallDialog, FlowUse {
  readonly request: SipRequest
  readonly supports100rel: boolean
  readonly requires100rel: boolean
  handler: IncomingInviteHandler | undefined
  readonly #stack: Stack
  readonly #exchange: ServerExchange
  readonly #dialog: Dialog
  readonly #reliable: ReliableProvisionals<Provisional>
  readonly #drive: Drive<ReliableInput<Provisional>, ReliableOutput<Provisional>>
  #flow: Flow
  #party: string | undefined
  /** A provisional response has told the caller our tag. */
  #isEarly = false
  /** The reliable response under way, to be repeated. */
  #unacknowledged: SipResponse | undefined
  #confirmed: ConfirmedDialog | undefined
  /** The refusal that waits for the caller, who is away. */
  #unheard: (() => void) | undefined
  /** The 2xx that waits for a PRACK. */
  #deferredAnswer: (() => void) | undefined

  constructor(stack: Stack, exchange: ServerExchange, dialog: Dialog) {
    this.request = exchange.request
    this.#flow = exchange.flow
    this.requires100rel = hasOption(this.request, 'Require', '100rel')
    this.supports100rel = this.requires100rel || hasOption(this.request, 'Supported', '100rel')
    this.#stack = stack
    this.#exchange = exchange
    this.#dialog = dialog
    this.#reliable = new ReliableProvisionals(1 + Number.parseInt(stack.clock.token().slice(0, 7), 16))
    this.#drive = new Drive<ReliableInput<Provisional>, ReliableOutput<Provisional>>({
      machine: this.#reliable,
      clock: stack.clock,
      settled: () => {},
      perform: (output) => this.#perform(output),
    })
    exchange.onCancel = (cancel) => this.#withdraw(cancel)
    stack.addDialog(this.#flow, dialog, this)
  }

  get flow(): Flow {
    return this.#flow
  }

  get party(): string | undefined {
    return this.#party
  }

  set party(party: string | undefined) {
    assert(this.#party === undefined && party !== undefined, 'who calls is found out once')
    this.#party = party
    if (this.#exchange.isPending) this.#stack.uses.add(this.#flow, this)
  }

  get peer(): string | undefined {
    return this.#flow.peer
  }

  set peer(name: string) {
    const { peer } = this.#flow
    assert(peer === undefined || peer === name, 'which trunk calls is found out once')
    if (peer === undefined) this.#flow = new NamedFlow(this.#flow, name)
  }

  progress(status: number, { reliable = false, ...options }: ProgressOptions = {}): void {
    assert(status > 100 && status < 200, 'a provisional status')
    if (!this.#isRinging) return
    const hasOffer = hasBody(this.request)
    if (this.requires100rel && !hasOffer) return
    if ((this.requires100rel || (reliable && this.supports100rel)) && hasOffer) {
      this.#drive.feed({ kind: 'progress', item: { status, options } })
      return
    }
    this.#isEarly = true
    this.#exchange.respond(status, {
      ...options,
      headers: this.#stack.dialogHeaders(this.#flow, options.headers),
    })
  }

  accept(options: ResponseOptions, handler: DialogHandler): InviteDialog {
    assert(this.#isRinging, 'an INVITE is answered once')
    const headers = this.#stack.dialogHeaders(this.#flow, options.headers)
    const confirmed = new ConfirmedDialog({
      stack: this.#stack,
      dialog: this.#dialog,
      flow: this.#flow,
      party: this.#party,
      handler,
      offerState: offerStateAfterAnswer('uas', hasBody(this.request)),
      made: this.request,
      inviteCseq: undefined,
    })
    this.#confirmed = confirmed
    const answer = (): void => {
      // What waits for a PRACK is not repeated any more, but may have one yet (RFC 3262 §3); what waits to be sent is of no use.
      confirmed.awaitPrack(this.#awaited)
      this.#drive.stop()
      this.#stack.uses.remove(this.#flow, this)
      const response = this.#exchange.respond(200, {
        ...options,
        headers: [...headers, ...confirmed.sessionHeaders(this.request)],
      })
      assert(response !== undefined)
      confirmed.awaitFirstAck(this.#exchange, response)
    }
    if (this.#reliable.awaited?.item.options.body === undefined) {
      answer()
      return confirmed
    }
    confirmed.awaitAnswer()
    // Until the 2xx is sent, what the peer sends is this INVITE's.
    this.#stack.addDialog(this.#flow, this.#dialog, this)
    this.#deferredAnswer = () => {
      this.#deferredAnswer = undefined
      this.#leave()
      confirmed.enter()
      answer()
    }
    return confirmed
  }

  reject(status: number, options?: ResponseOptions): void {
    assert(status >= 300 && status < 700, 'a final failure status')
    if (!this.#isRinging) return
    const answer = (): void => {
      this.#exchange.respond(status, options)
      this.#leave()
    }
    if (this.#party === undefined || this.#flow.isOpen) answer()
    else {
      this.#drive.stop()
      this.#unheard = answer
    }
  }

  /** Neither answered nor refused. */
  get #isRinging(): boolean {
    return this.#exchange.isPending && this.#confirmed === undefined && this.#unheard === undefined
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
        this.#onPrack(request, exchange)
        return
      case 'UPDATE':
        if (!hasBody(request)) {
          this.#dialog.refreshTarget(request)
          exchange.respond(200, { headers: this.#stack.dialogHeaders(this.#flow) })
          return
        }
        this.#postpone(exchange)
        return
      default:
        this.#postpone(exchange)
    }
  }

  onAck(): void {
    this.#stack.count('stray-ack')
  }

  get isTalking(): boolean {
    return false
  }

  get outlivesFlow(): boolean {
    return false
  }

  /** The caller's browser has come back. What it may have missed is said again, and it is asked whether it still calls. */
  useFlow(flow: Flow): void {
    const { uses, transactions } = this.#stack
    const isListed = this.#stack.findDialog(this.#flow, this.#dialog) === this
    uses.remove(this.#flow, this)
    this.#stack.removeDialog(this.#flow, this.#dialog, this)
    transactions.moveServer(this.#exchange, flow)
    this.#flow = flow
    uses.add(flow, this)
    if (isListed) this.#stack.addDialog(flow, this.#dialog, this)
    if (this.#confirmed !== undefined) return
    if (this.#unheard !== undefined) {
      this.#unheard()
      return
    }
    this.#exchange.repeat()
    if (this.#isEarly) askWhetherKnown(this.#stack, flow, this.#dialog, this.request, () => this.#lose())
  }

  forsake(): void {
    this.#lose()
  }

  /** The caller is gone, or has forgotten its INVITE. */
  #lose(): void {
    if (!this.#exchange.isPending || this.#confirmed !== undefined) return
    this.#exchange.respond(487)
    this.#leave()
    if (this.#unheard === undefined) this.#stack.guard(() => this.handler?.onLost?.(), undefined)
  }

  /** Nothing can be agreed before the INVITE is answered (RFC 3261 §14.2, RFC 3311 §5.2). */
  #postpone(exchange: ServerExchange): void {
    exchange.respond(500, { headers: RETRY_LATER })
  }

  get #awaited(): ReliableName | undefined {
    const { awaited } = this.#reliable
    return awaited && { rseq: awaited.rseq, inviteCseq: this.request.cseq.number }
  }

  #onPrack(prack: SipRequest, exchange: ServerExchange): void {
    const awaited = this.#awaited
    if (awaited === undefined || !isPrackFor(prack, awaited)) {
      this.#stack.count('sip.no-dialog')
      exchange.respond(481)
      return
    }
    // A second offer (RFC 3262 §5) must wait for the end of the first INVITE; the response is acknowledged all the same.
    exchange.respond(hasBody(prack) ? 488 : 200)
    this.#drive.feed({ kind: 'prack' })
  }

  #perform(output: ReliableOutput<Provisional>): void {
    switch (output.kind) {
      case 'send': {
        const { status, options } = output.item
        const reliability = [
          { name: 'Require', value: '100rel' },
          { name: 'RSeq', value: String(output.rseq) },
        ]
        const headers = [...this.#stack.dialogHeaders(this.#flow, options.headers), ...reliability]
        this.#isEarly = true
        this.#unacknowledged = this.#exchange.respond(status, { ...options, headers })
        return
      }
      case 'repeat':
        if (this.#unacknowledged !== undefined) this.#exchange.resend(this.#unacknowledged)
        return
      case 'acknowledged':
        this.#unacknowledged = undefined
        this.#deferredAnswer?.()
        return
      case 'too-many':
        this.#stack.count('too-many-provisionals')
        return
      case 'give-up':
        this.#giveUp()
        return
      default:
        output satisfies never
    }
  }

  /** RFC 3262 §3: no PRACK for 64*T1. */
  #giveUp(): void {
    this.#stack.count('prack-timeout')
    this.#exchange.respond(504)
    this.#leave()
    if (this.#confirmed !== undefined) this.#confirmed.withdraw('ack-timeout', undefined)
    else this.#stack.guard(() => this.handler?.onPrackTimeout?.(), undefined)
  }

  #withdraw(request: SipRequest): void {
    if (!this.#exchange.isPending) return
    this.#exchange.respond(487)
    this.#leave()
    if (this.#confirmed !== undefined) this.#confirmed.withdraw('bye', request)
    else if (this.#unheard === undefined) this.#stack.guard(() => this.handler?.onCancel(request), request)
  }

  #leave(): void {
    this.#drive.stop()
    this.#stack.uses.remove(this.#flow, this)
    this.#stack.removeDialog(this.#flow, this.#dialog, this)
  }
}
