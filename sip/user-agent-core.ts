import { Dialog, type DialogHead } from './dialog/dialog.ts'
import { isTooBrief, minSe } from './dialog/session-terms.ts'
import { type DialogId, Stack } from './dialog/stack.ts'
import { SIP_CODES, type SipCode, SipFailure } from './failure.ts'
import type { Flow } from './flow.ts'
import { ConfirmedDialog } from './invite/confirmed-dialog.ts'
import { RETRY_LATER } from './invite/early-dialog.ts'
import { IncomingCall } from './invite/incoming-call.ts'
import { OutgoingCall } from './invite/outgoing-call.ts'
import { buildResponse, stampRequest } from './message/build.ts'
import { encoded } from './message/encoded.ts'
import { MalformedRequest } from './message/malformed-request.ts'
import type { Header, SipMessage, SipRequest, Uri } from './message/message.ts'
import { withTag } from './message/name-addr.ts'
import { parseMessage } from './message/parser.ts'
import { fromTag, inviteExtensions, refusalOf, toTag } from './message/request-checks.ts'
import { Subscriptions } from './subscription/subscriptions.ts'
import type { ClientEvents } from './transaction/client-exchange.ts'
import type { ServerExchange } from './transaction/server-exchange.ts'
import { dialogKey } from './transaction/transaction-key.ts'
import type { TransactionUser } from './transaction/transaction-layer.ts'
import type {
  InviteDialog,
  OutgoingInvite,
  OutgoingInviteHandler,
  OutgoingInviteOptions,
  OutgoingSubscription,
  ResponseOptions,
  SubscribeOptions,
  SubscriberHandler,
  UserAgent,
  UserAgentOptions,
} from './user-agent-contract.ts'

/** Methods that mean nothing outside a dialog or transaction of ours. */
const ONLY_INSIDE: ReadonlySet<string> = new Set(['BYE', 'PRACK', 'UPDATE'])

/** What a callee has no use for before its 2xx. */
const ONLY_CALLERS: ReadonlySet<string> = new Set(['BYE', 'PRACK'])

/** The user agent: reads messages, finds whom they belong to, and makes new calls. */
export class UserAgentCore implements UserAgent, TransactionUser {
  readonly #stack: Stack
  readonly #subscriptions: Subscriptions
  /** INVITEs of ours without a final response. */
  readonly #outgoing = new Map<string, OutgoingCall>()
  #isOpen = true

  constructor(options: UserAgentOptions) {
    this.#stack = new Stack(options, this)
    this.#subscriptions = new Subscriptions(this.#stack)
  }

  receive(bytes: Buffer, flow: Flow): void {
    if (!this.#isOpen) return
    try {
      this.#receive(bytes, flow)
    } catch (error) {
      this.#stack.fault(error, undefined)
    }
  }

  flowClosed(flow: Flow): void {
    this.#stack.transactions.flowClosed(flow)
  }

  rehome(from: Flow, to: Flow, party: string, contact: Uri | undefined): void {
    for (const use of this.#stack.uses.of(from)) {
      if (use.party === party) this.#stack.guard(() => use.useFlow(to, contact), undefined)
    }
  }

  forsake(flow: Flow, what: 'all' | 'not-vital' | 'not-talking'): void {
    for (const use of this.#stack.uses.of(flow)) {
      const isLeft = what === 'not-vital' ? use.outlivesFlow : what === 'not-talking' && use.isTalking
      if (!isLeft) this.#stack.guard(() => use.forsake(), undefined)
    }
  }

  usesOf(flow: Flow): number {
    return this.#stack.uses.of(flow).length
  }

  invite(options: OutgoingInviteOptions, handler: OutgoingInviteHandler): OutgoingInvite {
    const { flow } = options
    const head = this.#head('INVITE', options)
    const headers = [...(options.headers ?? []), inviteExtensions(options.body !== undefined)]
    const call: OutgoingCall = new OutgoingCall({
      stack: this.#stack,
      flow,
      firstCseq: head.cseq,
      party: options.party,
      isUrgent: options.isUrgent ?? false,
      compose: (cseq, session) =>
        this.#stack.compose(flow, { ...head, cseq }, { ...options, headers: [...headers, ...session] }),
      handler,
      dialogHandler: options.dialogHandler,
      onDecided: () => this.#outgoing.delete(keyOn(call.flow)),
      onMoved: (from) => {
        if (this.#outgoing.delete(keyOn(from))) this.#outgoing.set(keyOn(call.flow), call)
      },
    })
    const keyOn = ({ scope }: Flow): string => dialogKey(scope, call.callId, call.localTag, '')
    if (this.#hasNoPlaceFor(options)) {
      this.#stack.count('sip.overload')
      this.#stack.clock.soon(() => this.#stack.guard(() => handler.onReject('overload'), undefined))
      return call
    }
    this.#outgoing.set(keyOn(flow), call)
    // A bad way is better than none.
    if (options.isUrgent === true) flow.insist?.()
    call.start()
    return call
  }

  request(...[options, done]: Parameters<UserAgent['request']>): void {
    const request = this.#compose(options.method, options)
    let { number } = request.cseq
    const events: ClientEvents = {
      onResponse: (response) => {
        if (response.status >= 200) this.#stack.guard(() => done(response), undefined)
      },
      onFailed: (reason) => this.#stack.guard(() => done(reason), undefined),
    }
    this.#stack.send(request, options.flow, events, () => {
      number += 1
      return number
    })
  }

  subscribe(options: SubscribeOptions, handler: SubscriberHandler): OutgoingSubscription {
    const headers = [
      { name: 'Event', value: options.event },
      { name: 'Expires', value: String(options.expiresS) },
      ...(options.headers ?? []),
    ]
    return this.#subscriptions.send(options, this.#compose('SUBSCRIBE', { ...options, headers }), handler)
  }

  findDialog(callId: string, localTag: string, remoteTag: string, scope?: string): InviteDialog | undefined {
    const confirmed = this.#stack
      .dialogsNamed({ callId, localTag, remoteTag }, scope)
      .filter((user) => user instanceof ConfirmedDialog)
      .filter((dialog) => dialog.state === 'confirmed')
    // RFC 3891 §3: more than one is none.
    return confirmed.length === 1 ? confirmed[0] : undefined
  }

  tables(): Readonly<Record<string, number>> {
    const { transactions, clock, dialogCount, uses } = this.#stack
    return {
      clientTransactions: transactions.clientCount,
      unansweredRequests: transactions.unansweredCount,
      serverTransactions: transactions.serverCount,
      mergeKeys: transactions.mergeCount,
      busyScopes: transactions.busyScopeCount,
      busyConnections: transactions.busyConnectionCount,
      dialogs: dialogCount,
      flowsInUse: uses.size,
      outgoingInvites: this.#outgoing.size,
      subscriptions: this.#subscriptions.size,
      timers: clock.size,
    }
  }

  counters(): Readonly<Record<string, number>> {
    return this.#stack.counters()
  }

  close(): void {
    this.#isOpen = false
    this.#stack.clock.close()
  }

  /** For the transaction layer. */
  onRequest(request: SipRequest, exchange: ServerExchange): void {
    const handled = this.#stack.guard(() => this.#dispatch(request, exchange), request)
    if (!handled) exchange.respond(500)
  }

  /** For the transaction layer. */
  onAck(ack: SipRequest, flow: Flow): void {
    const dialog = this.#stack.findDialog(flow, idOf(ack))
    if (dialog === undefined) this.#stack.count('stray-ack')
    else dialog.onAck(ack)
  }

  /** For the transaction layer. */
  isInside(request: SipRequest, flow: Flow): boolean {
    return this.#stack.findDialog(flow, idOf(request)) !== undefined
  }

  #receive(bytes: Buffer, flow: Flow): void {
    const message = this.#read(bytes, flow)
    if (message === undefined) return
    const { transactions } = this.#stack
    if (message.kind === 'response') transactions.receiveResponse(message, flow)
    else {
      const way = this.#stack.wayBack(message, flow)
      transactions.receiveRequest(stampRequest(message, flow.remote), message, way)
    }
  }

  /** Undefined when it is no message; a request that can be answered was. */
  #read(bytes: Buffer, flow: Flow): SipMessage | undefined {
    try {
      return parseMessage(bytes)
    } catch (error) {
      if (!(error instanceof SipFailure)) throw error
      this.#stack.count(error.code)
      if (error instanceof MalformedRequest) this.#refuseUnread(error, flow)
      return undefined
    }
  }

  #refuseUnread(failure: MalformedRequest, flow: Flow): void {
    const { answerable } = failure
    if (answerable === undefined || answerable.method === 'ACK') return
    const response = buildResponse(stampRequest(answerable, flow.remote), SIP_CODES[failure.code].status, {
      toTag: this.#stack.clock.token(),
    })
    this.#stack.wayBack(answerable, flow).send(encoded(response))
  }

  #dispatch(request: SipRequest, exchange: ServerExchange): void {
    if (toTag(request) === '' && this.#stack.transactions.isMerged(exchange)) {
      this.#refuse(exchange, 'sip.merged-request')
      return
    }
    const refusal = refusalOf(request)
    if (refusal !== undefined) {
      this.#refuse(exchange, refusal.code, refusal.headers)
      return
    }
    if (toTag(request) !== '') this.#dispatchInside(request, exchange)
    else if (ONLY_INSIDE.has(request.method)) this.#refuse(exchange, 'sip.no-dialog')
    else if (request.method === 'INVITE') this.#receiveInvite(exchange)
    else if (request.method === 'SUBSCRIBE' && this.#stack.handler.onSubscribe !== undefined) {
      this.#subscriptions.receive(exchange, (subscribe) => this.#stack.handler.onSubscribe?.(subscribe))
    } else this.#receiveOther(request, exchange)
  }

  #dispatchInside(request: SipRequest, exchange: ServerExchange): void {
    const { flow } = exchange
    const id = idOf(request)
    const dialog = this.#stack.findDialog(flow, id) ?? this.#subscriptions.find(flow.scope, id)
    if (dialog !== undefined) {
      dialog.onRequest(request, exchange)
      return
    }
    const call = this.#outgoing.get(dialogKey(flow.scope, id.callId, id.localTag, ''))
    if (call === undefined) this.#dispatchForeign(request, exchange, id)
    // RFC 3261 §15: a callee must not send BYE before its 2xx is acknowledged, and PRACK is for INVITEs it sent.
    else if (ONLY_CALLERS.has(request.method)) this.#refuse(exchange, 'sip.no-dialog')
    else call.onEarlyRequest(request, exchange)
  }

  /** Whoever knows the name of a dialog is not the one who has it: that is for the owner to find out. */
  #dispatchForeign(request: SipRequest, exchange: ServerExchange, id: DialogId): void {
    const { handler } = this.#stack
    const named = this.#stack.dialogsNamed(id, undefined)
    const [dialog] = named
    const party = dialog?.party
    if (
      named.length !== 1 ||
      dialog === undefined ||
      party === undefined ||
      handler.onForeign === undefined
    ) {
      this.#refuse(exchange, 'sip.no-dialog')
      return
    }
    handler.onForeign({
      request,
      flow: exchange.flow,
      party,
      home: dialog.flow,
      respond: (status, options) => {
        exchange.respond(status, options)
      },
      resume: () => {
        const found = this.#stack.findDialog(exchange.flow, id)
        if (found === undefined) this.#refuse(exchange, 'sip.no-dialog')
        else this.#stack.guard(() => found.onRequest(request, exchange), request)
      },
    })
  }

  #receiveInvite(exchange: ServerExchange): void {
    if (this.#isFull()) {
      this.#refuse(exchange, 'sip.overload', RETRY_LATER)
      return
    }
    const dialog = this.#readDialog(exchange)
    if (dialog === undefined) return
    const { minSeS } = this.#stack.sessionWish(exchange.flow)
    if (isTooBrief(exchange.request, minSeS)) {
      this.#refuse(exchange, 'sip.session-too-brief', [minSe(minSeS)])
      return
    }
    const call = new IncomingCall(this.#stack, exchange, dialog)
    if (this.#stack.guard(() => this.#stack.handler.onInvite(call), exchange.request)) exchange.trying()
    else call.abort()
  }

  #readDialog(exchange: ServerExchange): Dialog | undefined {
    try {
      return Dialog.ofRequest(exchange.request, exchange.localTag)
    } catch (error) {
      if (!(error instanceof SipFailure)) throw error
      this.#refuse(exchange, error.code)
      return undefined
    }
  }

  #receiveOther(request: SipRequest, exchange: ServerExchange): void {
    this.#stack.handler.onRequest({
      request,
      flow: exchange.flow,
      respond: (status: number, options?: ResponseOptions) => {
        exchange.respond(status, options)
      },
    })
  }

  /**
   * Before anybody has asked who it is: whoever forges a trunk's address would have a refused INVITE answered up to eleven times over
   * UDP, to the trunk. A request that comes again is refused again (RFC 3261 §8.2.7).
   */
  #refuse(exchange: ServerExchange, code: SipCode, headers: readonly Header[] = []): void {
    this.#stack.count(code)
    const isOnce = exchange.request.method === 'INVITE'
    exchange.respond(SIP_CODES[code].status, { headers, isOnce })
  }

  #isFull(reserved = 0): boolean {
    return this.#stack.dialogCount + this.#outgoing.size >= this.#stack.limits.maxDialogs - reserved
  }

  /** Each device that rings takes a place in both tables; those of a few groups would take all. */
  #hasNoPlaceFor({ isUrgent = false }: OutgoingInviteOptions): boolean {
    const { limits, transactions } = this.#stack
    const reserved = isUrgent ? 0 : (limits.reserved ?? 0)
    return this.#isFull(reserved) || transactions.clientCount >= limits.maxClientTransactions - reserved
  }

  #compose(method: string, options: Omit<OutgoingInviteOptions, 'dialogHandler'>): SipRequest {
    return this.#stack.compose(options.flow, this.#head(method, options), options)
  }

  #head(method: string, options: Omit<OutgoingInviteOptions, 'dialogHandler'>): DialogHead {
    const { clock } = this.#stack
    return {
      method,
      uri: options.uri,
      route: options.route ?? [],
      from: options.from.parameters.has('tag') ? options.from : withTag(options.from, clock.token()),
      to: options.to,
      callId: options.numbers?.callId ?? clock.token(),
      cseq: options.numbers?.cseq ?? 1,
    }
  }
}

/** A dialog as a request of the peer names it. */
const idOf = (request: SipRequest): DialogId => ({
  callId: request.callId,
  localTag: toTag(request),
  remoteTag: fromTag(request),
})
