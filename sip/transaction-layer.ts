import { buildResponse } from './build.ts'
import { ClientTransaction } from './client-transaction.ts'
import type { Clock } from './clock.ts'
import { Drive } from './drive.ts'
import { encoded } from './encoded.ts'
import { type Flow, isReliable } from './flow.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { ServerTransaction } from './server-transaction.ts'
import { clientKey, mergeKey, serverKey } from './transaction-key.ts'
import type { NoAnswer, ResponseOptions, UserAgentLimits } from './user-agent-contract.ts'

/** Whom new requests are given to. */
export interface TransactionUser {
  /** A new request that is neither ACK nor CANCEL. */
  onRequest(request: SipRequest, exchange: ServerExchange): void
  /** An ACK that belongs to no failed INVITE, so to a 2xx or to nothing. */
  onAck(ack: SipRequest, flow: Flow): void
  /** Whether the request names a dialog we have. */
  isInside(request: SipRequest, flow: Flow): boolean
}

export interface ClientEvents {
  /** Each provisional response (100 too), the final one, and each 2xx to INVITE that follows. */
  onResponse(response: SipResponse): void
  /** No final response will come. */
  onFailed(reason: NoAnswer): void
  /** The transaction is out of the table; called before the event that ended it is handed on. */
  onEnd?(): void
}

export interface TransactionLayerOptions {
  readonly clock: Clock
  readonly user: TransactionUser
  /** `Server` of our responses. */
  readonly product: string
  readonly limits: UserAgentLimits
  readonly count: (name: string) => void
}

/** Part of the server transactions that one flow scope may have, unless its limit is given. */
const SCOPE_SHARE = 0.75

/** The tables of all transactions: matching (RFC 3261 §17.1.3, §17.2.3), CANCEL, merged requests, limits. */
export class TransactionLayer {
  readonly #options: TransactionLayerOptions
  readonly #clients = new Map<string, ClientExchange>()
  readonly #servers = new Map<string, ServerExchange>()
  /** How many of them each flow scope has. */
  readonly #serversPerScope = new Map<string, number>()
  /** Requests without To tag, to notice the same one on another path. */
  readonly #merges = new Map<string, ServerExchange>()
  /** Client transactions of each connection that can be lost. */
  readonly #byConnection = new Map<string, Set<ClientExchange>>()

  constructor(options: TransactionLayerOptions) {
    this.#options = options
  }

  get clientCount(): number {
    return this.#clients.size
  }

  /** Client transactions that have no final response yet. */
  get unansweredCount(): number {
    return [...this.#clients.values()].filter((exchange) => exchange.isUnanswered).length
  }

  get serverCount(): number {
    return this.#servers.size
  }

  /** Flow scopes with a server transaction. */
  get busyScopeCount(): number {
    return this.#serversPerScope.size
  }

  get mergeCount(): number {
    return this.#merges.size
  }

  /** Connections with a client transaction on them. */
  get busyConnectionCount(): number {
    return this.#byConnection.size
  }

  /**
   * Sends a request. A refusal by the limit and a closed flow are reported as 'transport' after control has returned.
   * Requests that end something (BYE, CANCEL) pass the limit, or a full table could never empty.
   */
  send(request: SipRequest, flow: Flow, events: ClientEvents): ClientExchange {
    const { clock, limits, count } = this.#options
    const exchange = new ClientExchange(request, flow, events, clock)
    const isEnding = request.method === 'BYE' || request.method === 'CANCEL'
    const isFull = this.#clients.size >= limits.maxClientTransactions && !isEnding
    if (isFull) count('sip.overload')
    if (isFull || !flow.isOpen) {
      clock.soon(() => {
        events.onEnd?.()
        events.onFailed('transport')
      })
      return exchange
    }
    this.#admitClient(exchange)
    exchange.start()
    return exchange
  }

  /** `request` with its Via stamped; `received` as it came. */
  receiveRequest(request: SipRequest, received: SipRequest, flow: Flow): void {
    if (request.method === 'ACK') {
      this.#receiveAck(request, received, flow)
      return
    }
    const key = serverKey(received, flow.scope, request.method)
    const known = this.#servers.get(key)
    if (known !== undefined) {
      known.repeat()
      return
    }
    if (this.#isServerTableFull(flow) && !this.#isEnding(received, flow)) {
      this.#options.count('sip.overload')
      this.#refuse(request, flow)
      return
    }
    const exchange = this.#admitServer(key, request, flow)
    if (request.method === 'CANCEL') this.#receiveCancel(request, received, exchange)
    else this.#options.user.onRequest(request, exchange)
  }

  receiveResponse(response: SipResponse, flow: Flow): void {
    const exchange = this.#clients.get(clientKey(response, flow.scope))
    // RFC 3261 §8.1.3.3: more than one Via means that it was not for us.
    if (exchange === undefined || response.via.length !== 1) {
      this.#options.count('stray-response')
      return
    }
    exchange.receive(response)
  }

  flowClosed(flow: Flow): void {
    for (const exchange of [...(this.#byConnection.get(flow.id) ?? [])]) exchange.fail()
  }

  /** True when the request came by another path before (RFC 3261 §8.2.2.2); otherwise it is remembered. */
  isMerged(exchange: ServerExchange): boolean {
    const { request, flow } = exchange
    if (request.from.parameters.get('tag') === undefined) return false
    const key = mergeKey(request, flow.scope)
    if (this.#merges.has(key)) return true
    this.#merges.set(key, exchange)
    exchange.onEnd = () => this.#merges.delete(key)
    return false
  }

  #receiveAck(ack: SipRequest, received: SipRequest, flow: Flow): void {
    const exchange = this.#servers.get(serverKey(received, flow.scope, 'INVITE'))
    if (exchange === undefined) this.#options.user.onAck(ack, flow)
    else exchange.acknowledge(ack)
  }

  /** RFC 3261 §9.2. */
  #receiveCancel(cancel: SipRequest, received: SipRequest, exchange: ServerExchange): void {
    const invite = this.#servers.get(serverKey(received, exchange.flow.scope, 'INVITE'))
    if (invite === undefined) {
      this.#options.count('sip.no-dialog')
      exchange.respond(481)
      return
    }
    exchange.respondTagged(200, invite.localTag)
    if (invite.isPending) invite.onCancel?.(cancel)
  }

  /** What ends a call we know passes the limit, or a full table would keep calls alive. At most one of each per call. */
  #isEnding(request: SipRequest, flow: Flow): boolean {
    if (request.method === 'CANCEL') return this.#servers.has(serverKey(request, flow.scope, 'INVITE'))
    return request.method === 'BYE' && this.#options.user.isInside(request, flow)
  }

  /** Without a transaction, so that a full table costs nothing more; a copy of the request gets the same answer. */
  #refuse(request: SipRequest, flow: Flow): void {
    const { clock, product } = this.#options
    const headers = [
      { name: 'Retry-After', value: '5' },
      { name: 'Server', value: product },
    ]
    flow.send(encoded(buildResponse(request, 503, { headers, toTag: clock.token() })))
  }

  #admitClient(exchange: ClientExchange): void {
    const { request, flow } = exchange
    const key = clientKey(request, flow.scope)
    this.#clients.set(key, exchange)
    const siblings = isReliable(flow) ? this.#siblings(flow) : undefined
    siblings?.add(exchange)
    exchange.onOver = () => {
      this.#clients.delete(key)
      siblings?.delete(exchange)
      if (siblings?.size === 0) this.#byConnection.delete(flow.id)
    }
  }

  #siblings(flow: Flow): Set<ClientExchange> {
    const known = this.#byConnection.get(flow.id)
    if (known !== undefined) return known
    const made = new Set<ClientExchange>()
    this.#byConnection.set(flow.id, made)
    return made
  }

  #admitServer(key: string, request: SipRequest, flow: Flow): ServerExchange {
    const { clock, product, user } = this.#options
    const exchange = new ServerExchange(request, flow, clock, product, (ack) => user.onAck(ack, flow))
    this.#servers.set(key, exchange)
    this.#countServer(flow.scope, 1)
    exchange.onOver = () => {
      this.#servers.delete(key)
      this.#countServer(flow.scope, -1)
      exchange.onEnd?.()
    }
    return exchange
  }

  #countServer(scope: string, change: 1 | -1): void {
    const count = (this.#serversPerScope.get(scope) ?? 0) + change
    if (count === 0) this.#serversPerScope.delete(scope)
    else this.#serversPerScope.set(scope, count)
  }

  #isServerTableFull({ scope }: Flow): boolean {
    const { maxServerTransactions, maxServerTransactionsPerScope } = this.#options.limits
    const perScope = maxServerTransactionsPerScope ?? Math.ceil(maxServerTransactions * SCOPE_SHARE)
    return this.#servers.size >= maxServerTransactions || (this.#serversPerScope.get(scope) ?? 0) >= perScope
  }
}

/** A request of ours that is under way. */
export class ClientExchange {
  readonly request: SipRequest
  readonly flow: Flow
  /** Set by the layer. */
  onOver: (() => void) | undefined
  readonly #machine: ClientTransaction
  readonly #drive: Drive<
    Parameters<ClientTransaction['handle']>[0],
    ReturnType<ClientTransaction['handle']>[number]
  >
  readonly #events: ClientEvents
  #isOver = false

  constructor(request: SipRequest, flow: Flow, events: ClientEvents, clock: Clock) {
    this.request = request
    this.flow = flow
    this.#events = events
    encoded(request)
    this.#machine = new ClientTransaction(request, isReliable(flow), clock.nowMs())
    this.#drive = new Drive({
      machine: this.#machine,
      clock,
      settled: () => this.#settle(),
      perform: (output) => {
        if (output.kind === 'send') flow.send(encoded(output.request))
        else if (output.kind === 'pass') this.#events.onResponse(output.response)
        else this.#events.onFailed(output.reason)
      },
    })
  }

  start(): void {
    this.#drive.feed({ kind: 'start' })
  }

  /** It waits for a final response. */
  get isUnanswered(): boolean {
    const { state } = this.#machine
    return state !== 'accepted' && state !== 'completed' && state !== 'terminated'
  }

  receive(response: SipResponse): void {
    this.#drive.feed({ kind: 'response', response })
  }

  /** The flow is gone. */
  fail(): void {
    this.#drive.feed({ kind: 'transport' })
  }

  /** Stops waiting for the final response to an INVITE that has shown a provisional one. */
  abandon(): void {
    this.#drive.feed({ kind: 'abandon' })
  }

  #settle(): void {
    if (this.#machine.state !== 'terminated' || this.#isOver) return
    this.#isOver = true
    this.onOver?.()
    this.#events.onEnd?.()
  }
}

/** A request of a peer that is being answered. */
export class ServerExchange {
  readonly request: SipRequest
  readonly flow: Flow
  /** The To tag of every response to a request that came without one. */
  readonly localTag: string
  /** Set by the layer. */
  onOver: (() => void) | undefined
  onEnd: (() => void) | undefined
  /** CANCEL for this INVITE, answered 200 already; called only while a final response is due. */
  onCancel: ((cancel: SipRequest) => void) | undefined
  readonly #machine: ServerTransaction
  readonly #drive: Drive<
    Parameters<ServerTransaction['handle']>[0],
    ReturnType<ServerTransaction['handle']>[number]
  >
  readonly #product: string
  #isOver = false

  constructor(
    request: SipRequest,
    flow: Flow,
    clock: Clock,
    product: string,
    passAck: (ack: SipRequest) => void,
  ) {
    this.request = request
    this.flow = flow
    this.localTag = clock.token()
    this.#product = product
    this.#machine = new ServerTransaction(request, isReliable(flow), clock.nowMs())
    this.#drive = new Drive({
      machine: this.#machine,
      clock,
      settled: () => this.#settle(),
      perform: (output) => {
        if (output.kind === 'send') flow.send(encoded(output.response))
        else passAck(output.ack)
      },
    })
  }

  /** True as long as no final response was given. */
  get isPending(): boolean {
    return this.#machine.isPending
  }

  /** Ignored after a final response. Returns what was sent. */
  respond(status: number, options: ResponseOptions = {}): SipResponse | undefined {
    return this.respondTagged(status, this.localTag, options)
  }

  respondTagged(status: number, toTag: string, options: ResponseOptions = {}): SipResponse | undefined {
    if (!this.isPending) return undefined
    const headers = [...(options.headers ?? []), { name: 'Server', value: this.#product }]
    const response = buildResponse(this.request, status, { ...options, headers, toTag })
    encoded(response)
    this.#drive.feed({ kind: 'respond', response })
    return response
  }

  /** A provisional response that was sent before, again. */
  resend(response: SipResponse): void {
    if (this.isPending) this.#drive.feed({ kind: 'respond', response })
  }

  /** The request came again. */
  repeat(): void {
    this.#drive.feed({ kind: 'request' })
  }

  acknowledge(ack: SipRequest): void {
    this.#drive.feed({ kind: 'ack', ack })
  }

  #settle(): void {
    if (this.#machine.state !== 'terminated' || this.#isOver) return
    this.#isOver = true
    this.onOver?.()
  }
}
