import type { Dialog } from '../dialog/dialog.ts'
import { DialogRequests } from '../dialog/dialog-requests.ts'
import { allowsUpdate } from '../dialog/session-terms.ts'
import type { Stack } from '../dialog/stack.ts'
import type { Flow } from '../flow.ts'
import { rseq } from '../message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../message/message.ts'
import { hasBody, hasOption } from '../message/request-checks.ts'
import type { TokenBucket } from '../token-bucket.ts'
import type { ServerExchange } from '../transaction/server-exchange.ts'
import type { DialogHandler, NoAnswer } from '../user-agent-contract.ts'
import { questionFor } from './known-dialog.ts'
import { offerRate } from './offer-rate.ts'
import { PendingReinvite } from './pending-reinvite.ts'

export const RETRY_LATER: readonly Header[] = [{ name: 'Retry-After', value: '5' }]

/** What one To tag has told about an INVITE of ours before its final response: one branch of a fork. */
export class EarlyDialog {
  readonly dialog: Dialog
  readonly #stack: Stack
  readonly #flow: () => Flow
  readonly #requests: DialogRequests
  /** CSeq number of the INVITE. */
  readonly #cseq: number
  readonly #handler: DialogHandler
  readonly #offerRate: TokenBucket
  #rseq: number | undefined
  /** The PRACK for it was lost with its connection, or found none. */
  #isPrackLost = false
  /** The callee takes UPDATE. */
  #isUpdateAllowed = false
  /** A reliable response has answered our offer. */
  #isAgreed = false
  /** Its offer in UPDATE has no answer yet. */
  #isOffering = false

  constructor(stack: Stack, flow: () => Flow, dialog: Dialog, cseq: number, handler: DialogHandler) {
    this.#stack = stack
    this.#flow = flow
    this.dialog = dialog
    this.#requests = new DialogRequests(stack, dialog, flow)
    this.#cseq = cseq
    this.#handler = handler
    this.#offerRate = offerRate(stack.clock.nowMs())
  }

  /**
   * Acknowledges a reliable response (RFC 3262 §4). False when it is to be passed over: a repetition, whose PRACK is under
   * way if it was not lost, or one that came too soon and will come again.
   */
  take(response: SipResponse): boolean {
    this.#isUpdateAllowed = allowsUpdate(response) ?? this.#isUpdateAllowed
    const number = hasOption(response, 'Require', '100rel') ? rseq(response) : undefined
    if (number === undefined) return true
    if (this.#rseq !== undefined && number !== this.#rseq + 1) {
      this.#stack.count(number > this.#rseq ? 'provisional-out-of-order' : 'provisional-repeated')
      if (number === this.#rseq && this.#isPrackLost) this.#acknowledge(number)
      return false
    }
    this.#rseq = number
    if (hasBody(response)) this.#isAgreed = true
    this.dialog.refreshTarget(response)
    this.#acknowledge(number)
    return true
  }

  /** Whether the callee still has this dialog: told once. */
  ask(done: (answer: SipResponse | NoAnswer) => void): void {
    this.#requests.send(this.#requests.compose(questionFor(this.#isUpdateAllowed)), {
      onResponse: (response) => {
        if (response.status >= 200) done(response)
      },
      onFailed: done,
    })
  }

  /** Without an answer the response simply comes again or the peer ends the INVITE. */
  #acknowledge(number: number): void {
    this.#isPrackLost = false
    const headers = [{ name: 'RAck', value: `${number} ${this.#cseq} INVITE` }]
    this.#requests.send(this.#requests.compose('PRACK', { headers }), {
      onResponse: () => {},
      onFailed: (reason) => {
        if (reason === 'transport' && number === this.#rseq) this.#isPrackLost = true
      },
    })
  }

  /** A request of the callee before its 2xx: UPDATE is taken, all else must wait (RFC 3311 §5.2, RFC 3261 §14.2). */
  onRequest(request: SipRequest, exchange: ServerExchange): void {
    if (!this.dialog.acceptCseq(request)) {
      exchange.respond(500, { reason: 'CSeq Out of Order' })
    } else if (request.method === 'UPDATE' && !hasBody(request)) {
      this.dialog.refreshTarget(request)
      exchange.respond(200, { headers: this.#stack.dialogHeaders(this.#flow()) })
    } else if (request.method === 'UPDATE' && !this.#isAgreed) {
      exchange.respond(491)
    } else if (request.method !== 'UPDATE' || !this.#takesOffer(request, exchange)) {
      exchange.respond(500, { headers: RETRY_LATER })
    }
  }

  /** False: not now. */
  #takesOffer(request: SipRequest, exchange: ServerExchange): boolean {
    if (this.#isOffering || !this.#mayOffer()) return false
    const pending = new PendingReinvite(exchange, {
      accept: (options) => {
        this.dialog.refreshTarget(request)
        exchange.respond(200, {
          ...options,
          headers: this.#stack.dialogHeaders(exchange.flow, options.headers),
        })
      },
      settled: () => {
        this.#isOffering = false
      },
      failed: () => {},
    })
    this.#isOffering = true
    exchange.onEnd = () => pending.lapse()
    let isTaken = false
    const isWell = this.#stack.guard(() => {
      isTaken = this.#handler.onEarlyOffer?.(pending) ?? false
    }, request)
    if (!isWell) pending.reject(500)
    else if (!isTaken) this.#isOffering = false
    return isTaken || !isWell
  }

  #mayOffer(): boolean {
    if (this.#offerRate.take(this.#stack.clock.nowMs())) return true
    this.#stack.count('sip.too-many-offers')
    return false
  }
}
