import { strict as assert } from 'node:assert'
import type { Dialog } from '../dialog/dialog.ts'
import { type DialogRequestOptions, DialogRequests } from '../dialog/dialog-requests.ts'
import type { FlowUse } from '../dialog/flow-uses.ts'
import type { CallDialog, Stack } from '../dialog/stack.ts'
import type { Flow } from '../flow.ts'
import { buildResponse } from '../message/build.ts'
import { encoded } from '../message/encoded.ts'
import type { Header, NameAddr, SipMessage, SipRequest, SipResponse } from '../message/message.ts'
import { hasBody, hasOption } from '../message/request-checks.ts'
import type { TokenBucket } from '../token-bucket.ts'
import type { ServerExchange } from '../transaction/server-exchange.ts'
import type {
  Body,
  DialogHandler,
  EndReason,
  InviteDialog,
  NoAnswer,
  ReinviteOutcome,
  ResponseOptions,
} from '../user-agent-contract.ts'
import { Farewell, type FarewellOwner } from './farewell.ts'
import { questionFor, saysUnknown } from './known-dialog.ts'
import type { OfferState } from './offer-answer.ts'
import { OfferExchange } from './offer-exchange.ts'
import { offerRate } from './offer-rate.ts'
import { OutgoingReinvites, type ReinviteOptions, type ReinviteOwner } from './outgoing-reinvite.ts'
import { PendingReinvite } from './pending-reinvite.ts'
import { isPrackFor, type ReliableName } from './reliable-provisionals.ts'
import { type SessionOwner, SessionRefresh } from './session-refresh.ts'
import { UnacknowledgedAnswers } from './unacknowledged-answers.ts'

type Done = (response: SipResponse | NoAnswer) => void

/** How long who has shown that it knows the dialog may take to send ACK for a 2xx that it may have heard just now. */
const READY_MS = 2_000

const SESSION_EXPIRED: readonly Header[] = [{ name: 'Reason', value: 'SIP;cause=408;text="Session Expired"' }]

export interface ConfirmedDialogOptions {
  readonly stack: Stack
  readonly dialog: Dialog
  readonly flow: Flow
  readonly party: string | undefined
  readonly handler: DialogHandler
  readonly offerState: OfferState
  /** What the peer sent of the INVITE that made the dialog: that, or its 2xx. */
  readonly made: SipMessage
  /** UAC: the number of the INVITE whose 2xx wants an ACK. */
  readonly inviteCseq: number | undefined
  /** UAC: what that INVITE was authenticated by. */
  readonly inviteCredentials?: readonly Header[]
}

/** A confirmed INVITE dialog, from its 2xx to the end of BYE. */
export class ConfirmedDialog
  implements InviteDialog, CallDialog, FlowUse, SessionOwner, ReinviteOwner, FarewellOwner
{
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
  readonly party: string | undefined
  readonly #stack: Stack
  readonly #dialog: Dialog
  readonly #handler: DialogHandler
  readonly #isRenameable: boolean
  #flow: Flow
  #state: 'confirmed' | 'ended' = 'confirmed'
  readonly #requests: DialogRequests
  readonly #offers: OfferExchange
  /** UAC: the INVITE's number until `acknowledge`. */
  #inviteCseq: number | undefined
  readonly #inviteCredentials: readonly Header[]
  /** UAC: the ACK of the first INVITE, to be repeated. */
  #ack: SipRequest | undefined
  readonly #unacknowledged: UnacknowledgedAnswers
  /** UAS: a reliable provisional response that had no PRACK before the 2xx. */
  #unpracked: ReliableName | undefined
  /** UAS: the first INVITE's 2xx has no ACK yet. */
  #isAckDue = false
  /** It has gone on by another flow than the one it began on. */
  #isMoved = false
  /** An ACK that did not come may have been lost with a flow, and the peer has not said yet that it knows the dialog. */
  #isAckLost = false
  /**
   * It is asked whether it knows the dialog, and may have to take our 2xx first: SIP.js drops a re-INVITE that it gets before it has
   * sent ACK, and refuses all that follow.
   */
  #isUnready = false
  #stopReadying = (): void => {}
  /** UAS: says the first INVITE's 2xx anew, to who comes back and may never have heard it. Its BYE does not wait for the ACK of that. */
  #answerAnew = (): void => {}
  /** Its BYE waits for that ACK, before which RFC 3261 §15 forbids the callee one. */
  readonly #farewell: Farewell
  /** A re-INVITE or UPDATE with an offer of the peer that the handler has not answered. */
  #reinvite: PendingReinvite | undefined
  readonly #offerRate: TokenBucket
  readonly #session: SessionRefresh
  readonly #reinvites: OutgoingReinvites

  constructor(options: ConfirmedDialogOptions) {
    this.#stack = options.stack
    this.#dialog = options.dialog
    this.#flow = options.flow
    this.party = options.party
    this.#handler = options.handler
    this.#isRenameable = hasOption(options.made, 'Supported', 'from-change')
    this.#requests = new DialogRequests(options.stack, options.dialog, () => this.#flow)
    this.#offers = new OfferExchange(options.offerState, () => options.stack.count('offer-out-of-turn'))
    this.#offerRate = offerRate(options.stack.clock.nowMs())
    this.#unacknowledged = new UnacknowledgedAnswers(options.stack.clock)
    this.#inviteCseq = options.inviteCseq
    this.#inviteCredentials = options.inviteCredentials ?? []
    this.callId = options.dialog.callId
    this.localTag = options.dialog.localTag
    this.remoteTag = options.dialog.remoteTag
    this.#farewell = new Farewell(this.#stack.clock, this.#requests, this)
    this.#session = new SessionRefresh(this.#stack, this)
    this.#reinvites = new OutgoingReinvites({
      stack: this.#stack,
      requests: this.#requests,
      offers: this.#offers,
      session: this.#session,
      owner: this,
    })
    if (this.party !== undefined) this.#stack.uses.add(this.#flow, this)
    this.enter()
  }

  /** Takes its place in the table; again, after the INVITE it came from has held it. */
  enter(): void {
    this.#stack.addDialog(this.#flow, this, this)
  }

  get state(): 'confirmed' | 'ended' {
    return this.#state
  }

  get flow(): Flow {
    return this.#flow
  }

  get isAway(): boolean {
    return this.party !== undefined && !this.#flow.isOpen
  }

  probe(withinMs: number): boolean {
    if (this.party === undefined) return false
    if (this.isAway) return true
    this.#flow.probe?.(withinMs)
    return this.#flow.probe !== undefined
  }

  /** For re-INVITEs of ours: before ACK they would find the peer not ready. */
  get mustWait(): boolean {
    return (this.#isAckDue || this.#isUnready || this.isAway) && this.#state === 'confirmed'
  }

  get isTalking(): boolean {
    return this.#state === 'confirmed'
  }

  get takesUpdate(): boolean {
    return this.#session.isUpdateAllowed
  }

  rename(address: NameAddr): void {
    if (this.#isRenameable) this.#dialog.rename(address)
  }

  get outlivesFlow(): boolean {
    return this.isTalking && this.#handler.outlivesFlow?.() === true
  }

  acknowledge(body?: Body): void {
    if (this.#inviteCseq === undefined) return
    const headers = this.#inviteCredentials
    this.#ack = this.#requests.acknowledge(
      this.#inviteCseq,
      body === undefined ? { headers } : { headers, body },
    )
    this.#inviteCseq = undefined
    if (body !== undefined) this.#offers.move('send-answer')
  }

  /** The 2xx came again. */
  repeatAck(): void {
    if (this.#ack !== undefined) this.#requests.sendAck(this.#ack)
  }

  bye(headers: readonly Header[] = []): void {
    if (this.#state === 'ended') return
    const request = this.#requests.compose('BYE', { headers })
    // The peer must see ACK before BYE, or it goes on repeating its 2xx.
    this.acknowledge()
    this.#end()
    if (this.#isAckDue) this.#farewell.defer(request, headers)
    else this.#sendBye(request, headers)
  }

  reinvite(options: ReinviteOptions, done: (outcome: ReinviteOutcome) => void): void {
    assert(this.#inviteCseq === undefined, 'ACK comes before re-INVITE')
    this.#reinvites.start(options, done)
  }

  request(method: string, options: DialogRequestOptions, done: Done): void {
    const isUpdate = method === 'UPDATE'
    const headers = isUpdate ? [...(options.headers ?? []), ...this.#session.proposal()] : options.headers
    const request = this.#requests.compose(method, {
      ...options,
      ...(headers === undefined ? {} : { headers }),
    })
    const isOffer = isUpdate && hasBody(request)
    if (this.refuseLocally(() => request, isOffer, done)) return
    if (isOffer) this.#offers.move('send-offer')
    this.#requests.send(request, {
      onResponse: (response) => {
        if (response.status < 200) return
        if (isUpdate && response.status < 300) this.refreshed(response)
        if (isOffer) this.#offers.move(response.status < 300 ? 'receive-answer' : 'offer-failed')
        this.#stack.guard(() => done(response), undefined)
      },
      onFailed: (reason) => {
        if (isOffer) this.#offers.move('offer-failed')
        this.#stack.guard(() => done(reason), undefined)
      },
    })
  }

  useFlow(flow: Flow): void {
    const isListed = this.#stack.findDialog(this.#flow, this) === this
    this.#stack.removeDialog(this.#flow, this, this)
    this.#stack.uses.remove(this.#flow, this)
    const from = this.#flow
    this.#flow = flow
    this.#isMoved = true
    this.#reinvites.useFlow(from, flow)
    if (this.party !== undefined) this.#stack.uses.add(flow, this)
    if (isListed) this.#stack.addDialog(flow, this, this)
    // Until ACK our 2xx goes on asking.
    if (this.#isAckDue) return
    // A question about a dialog that it has never heard of would be answered 481.
    if (this.#isAckLost) this.#answerAnew()
    if (this.#state === 'confirmed') this.#askWhetherKnown()
    // Behind what the peer has come back with: its offer comes first.
    this.#stack.clock.soon(() => this.#runDeferred())
  }

  forsake(): void {
    const wasTalking = this.isTalking
    if (wasTalking) this.#end()
    this.#close()
    if (wasTalking) this.#stack.guard(() => this.#handler.onEnd('flow-lost', undefined), undefined)
  }

  /** The peer has come back by another flow; a page that was loaded again has another memory. */
  #askWhetherKnown(): void {
    if (this.#isAckLost) {
      this.#stopReadying()
      this.#isUnready = true
    }
    this.request(questionFor(this.#session.isUpdateAllowed), {}, (answer) => {
      if (this.#state === 'ended') return
      if (this.#isAckLost && answer === 'timeout') {
        this.#endUnacknowledged()
        return
      }
      if (typeof answer !== 'string') this.#isAckLost = false
      if (!saysUnknown(answer)) {
        if (this.#isUnready) this.#becomeReady()
        return
      }
      this.#end()
      this.#close()
      this.#stack.guard(() => this.#handler.onEnd('forgotten', undefined), undefined)
    })
  }

  /** Where it has heard our 2xx long ago no ACK will follow. */
  #becomeReady(): void {
    const { clock } = this.#stack
    this.#stopReadying()
    this.#stopReadying = clock.schedule(clock.nowMs() + READY_MS, () => {
      this.#isUnready = false
      this.#reinvites.resume()
    })
  }

  /** UAC: the 2xx that made the dialog. */
  openSession(response: SipResponse): void {
    this.#session.onSuccess(response)
  }

  /** Headers of our 2xx to a request that makes the dialog or changes it. */
  sessionHeaders(request: SipRequest): readonly Header[] {
    return this.#session.answer(request)
  }

  /** For the session timer. */
  sendUpdate(done: Done): void {
    this.request('UPDATE', {}, done)
  }

  /** For the session timer. */
  askForReinvite(): void {
    if (this.#reinvites.isBusy || this.#reinvite !== undefined) return
    this.#stack.guard(() => this.#handler.onRefreshDue(), undefined)
  }

  /** For the session timer. */
  expire(isChallenged: boolean): void {
    if (this.#state === 'ended') return
    // Nobody can refresh a session with a party that is away.
    if (this.isAway && this.outlivesFlow) return
    const reason = isChallenged ? 'refresh-challenged' : 'session-expired'
    this.#stack.count(reason)
    this.bye(SESSION_EXPIRED)
    this.#stack.guard(() => this.#handler.onEnd(reason, undefined), undefined)
  }

  /** Repeats `response`, a 2xx to the INVITE `exchange`, until its ACK. */
  awaitAck(
    exchange: ServerExchange,
    response: SipResponse,
    acknowledged: (ack: SipRequest) => void,
    gaveUp = (): void => this.#giveUp(),
  ): void {
    const bytes = encoded(response)
    this.#unacknowledged.add(exchange.request.cseq.number, {
      repeat: () => this.#flow.send(bytes),
      acknowledged,
      gaveUp,
    })
  }

  /** The first INVITE's 2xx must not be sent yet: `awaitFirstAck` follows, or `withdraw`. */
  awaitAnswer(): void {
    this.#isAckDue = true
  }

  /** UAS: the response whose PRACK the 2xx overtakes. */
  awaitPrack(response: ReliableName | undefined): void {
    this.#unpracked = response
  }

  /** BYE came, or the first INVITE was ended before its 2xx. */
  withdraw(reason: EndReason, request: SipRequest | undefined): void {
    const wasConfirmed = this.#state === 'confirmed'
    this.#end()
    this.#close()
    if (wasConfirmed) this.#stack.guard(() => this.#handler.onEnd(reason, request), request)
  }

  /** `awaitAck` for the first INVITE, which the dialog came from. */
  awaitFirstAck(exchange: ServerExchange, response: SipResponse): void {
    this.#isAckDue = true
    const isOffer = this.#offers.state === 'local-offer'
    const acknowledged = (ack: SipRequest): void => {
      this.#isAckDue = false
      this.#isAckLost = false
      this.#isUnready = false
      this.#stopReadying()
      // Not one that was made since, when ACK is late.
      if (isOffer) this.#offers.move('receive-answer')
      if (this.#state === 'confirmed') this.#stack.guard(() => this.#handler.onAck(ack), ack)
      this.#runDeferred()
    }
    this.#answerAnew = () => {
      this.#flow.send(encoded(response))
      // What becomes of the call, the answer to the question behind it says.
      this.awaitAck(exchange, response, acknowledged, () => {})
    }
    this.awaitAck(exchange, response, acknowledged)
  }

  onAck(ack: SipRequest): void {
    this.#unacknowledged.take(ack)
  }

  onRequest(request: SipRequest, exchange: ServerExchange): void {
    if (!this.#dialog.acceptCseq(request)) {
      exchange.respond(500, { reason: 'CSeq Out of Order' })
      return
    }
    if (request.method === 'BYE') {
      this.#onBye(request, exchange)
      return
    }
    if (request.method === 'PRACK' && this.#isAwaitedPrack(request)) {
      // A second offer in it (RFC 3262 §5) comes between: the peer may make it again, by re-INVITE.
      exchange.respond(hasBody(request) ? 488 : 200)
      return
    }
    if (this.#state === 'ended' || request.method === 'PRACK') {
      this.#stack.count('sip.no-dialog')
      exchange.respond(481)
      return
    }
    if (request.method === 'INVITE' || (request.method === 'UPDATE' && hasBody(request))) {
      this.#onReinvite(request, exchange)
      return
    }
    if (request.method === 'UPDATE') {
      this.#onRefresh(request, exchange)
      return
    }
    const incoming = {
      request,
      flow: exchange.flow,
      respond: (status: number, options?: ResponseOptions) => {
        exchange.respond(status, options)
      },
    }
    if (!this.#stack.guard(() => this.#handler.onRequest(incoming), request)) exchange.respond(500)
  }

  /** Once: a copy of it is its transaction's. */
  #isAwaitedPrack(request: SipRequest): boolean {
    const response = this.#unpracked
    if (response === undefined || !isPrackFor(request, response)) return false
    this.#unpracked = undefined
    return true
  }

  #onBye(request: SipRequest, exchange: ServerExchange): void {
    exchange.respond(200)
    this.withdraw('bye', request)
  }

  /** UPDATE without a body: RFC 4028 §9, and RFC 3311 §5.2 for its Contact. */
  #onRefresh(request: SipRequest, exchange: ServerExchange): void {
    if (this.#refuseSession(request, exchange)) return
    this.#dialog.refreshTarget(request)
    const headers = [...this.#stack.dialogHeaders(exchange.flow), ...this.#session.answer(request)]
    exchange.respond(200, { headers })
    this.#stack.guard(() => this.#handler.onRefreshed?.(request), request)
  }

  #refuseSession(request: SipRequest, exchange: ServerExchange): boolean {
    const headers = this.#session.refusal(request)
    if (headers === undefined) return false
    this.#stack.count('sip.session-too-brief')
    exchange.respond(422, { headers })
    return true
  }

  /** For re-INVITEs of ours. */
  refreshed(response: SipResponse): void {
    this.#dialog.refreshTarget(response)
    this.#session.onSuccess(response)
  }

  #onReinvite(request: SipRequest, exchange: ServerExchange): void {
    if (this.#refuseSession(request, exchange)) return
    const busy = this.#glare(request) ?? this.#flood()
    if (busy !== undefined) {
      // RFC 3261 §14.2: try again within ten seconds, not all at once.
      const retry =
        busy === 500 ? [{ name: 'Retry-After', value: String(1 + (request.cseq.number % 10)) }] : []
      exchange.respond(busy, { headers: retry })
      return
    }
    this.#dialog.refreshTarget(request)
    if (request.method === 'INVITE') exchange.respond(100)
    if (hasBody(request)) this.#offers.move('receive-offer')
    const pending = new PendingReinvite(exchange, {
      accept: (options, onAck) => this.#acceptReinvite(exchange, options, onAck),
      settled: () => {
        this.#reinvite = undefined
      },
      failed: () => this.#offers.move('offer-failed'),
    })
    this.#reinvite = pending
    exchange.onCancel = () => pending.reject(487)
    exchange.onEnd = () => pending.lapse()
    if (!this.#stack.guard(() => this.#handler.onReinvite(pending), request)) pending.reject(500)
  }

  /** RFC 3261 §14.2, RFC 3311 §5.2: an offer while another one is open. */
  #glare(request: SipRequest): 491 | 500 | undefined {
    if (this.#reinvite !== undefined || this.#offers.state === 'remote-offer') return 500
    if (this.#offers.state === 'local-offer') return 491
    const isOurInviteOpen = this.#reinvites.isOpen || this.#inviteCseq !== undefined
    return isOurInviteOpen && request.method === 'INVITE' ? 491 : undefined
  }

  #flood(): 500 | undefined {
    if (this.#offerRate.take(this.#stack.clock.nowMs())) return undefined
    this.#stack.count('sip.too-many-offers')
    return 500
  }

  #acceptReinvite(
    exchange: ServerExchange,
    options: ResponseOptions,
    onAck: ((ack: SipRequest) => void) | undefined,
  ): void {
    const { request } = exchange
    const headers = [
      ...this.#stack.dialogHeaders(exchange.flow, options.headers),
      ...this.#session.answer(request),
    ]
    const response = exchange.respond(200, { ...options, headers })
    if (hasBody(request)) this.#offers.move('send-answer')
    else if (options.body !== undefined) this.#offers.move('send-offer')
    if (request.method !== 'INVITE' || response === undefined) return
    this.awaitAck(exchange, response, (ack) => {
      if (!hasBody(request)) this.#offers.move('receive-answer')
      if (onAck !== undefined) this.#stack.guard(() => onAck(ack), ack)
    })
  }

  /** Answers a request that must not be sent now, as the peer would, after control has returned. */
  refuseLocally(request: () => SipRequest, isOffer: boolean, done: Done): boolean {
    const isGlare = isOffer && (this.#offers.state !== 'stable' || this.#reinvite !== undefined)
    const status = this.#state === 'ended' ? 481 : 491
    if (this.#state !== 'ended' && !isGlare) return false
    const response = buildResponse(request(), status)
    this.#stack.clock.soon(() => this.#stack.guard(() => done(response), undefined))
    return true
  }

  #sendBye(bye: SipRequest, headers: readonly Header[]): void {
    this.#unacknowledged.stop()
    this.#farewell.send(bye, headers)
  }

  /** For BYE. */
  onOver(): void {
    this.#close()
  }

  /** No ACK for 64*T1: RFC 3261 §13.3.1.4. */
  #giveUp(): void {
    this.#stack.count('ack-timeout')
    this.#isAckDue = false
    // Not where it is the only one to bring an answer.
    this.#isAckLost = (this.isAway || this.#isMoved) && this.#offers.state !== 'local-offer'
    if (this.#state === 'ended') this.#runDeferred()
    else if (!this.#isAckLost) this.#endUnacknowledged()
    else if (!this.isAway) {
      // A peer that knows the dialog has our 2xx; one that is away is asked when it is back.
      this.#askWhetherKnown()
      this.#runDeferred()
    }
  }

  #endUnacknowledged(): void {
    this.#end()
    this.#sendBye(this.#requests.compose('BYE'), [])
    this.#stack.guard(() => this.#handler.onEnd('ack-timeout', undefined), undefined)
  }

  #runDeferred(): void {
    this.#farewell.resume()
    this.#reinvites.resume()
  }

  /** No more calls of the handler. RFC 3261 §15.1.2: what the peer still asks is answered 487. */
  #end(): void {
    this.#state = 'ended'
    this.#stopReadying()
    this.#session.stop()
    this.#reinvite?.reject(487)
    // Finds the dialog ended and answers its caller 481.
    this.#reinvites.resume()
  }

  /** Nothing of the dialog is left. */
  #close(): void {
    this.#unacknowledged.stop()
    this.#isAckDue = false
    this.#farewell.stop()
    this.#stack.uses.remove(this.#flow, this)
    this.#stack.removeDialog(this.#flow, this, this)
  }
}
