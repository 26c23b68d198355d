import { type Flow, isBrowserFlow, isReliable } from '../flow.ts'
import { buildResponse } from '../message/build.ts'
import { encoded } from '../message/encoded.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { UserAgentLimits } from '../user-agent-contract.ts'
import { type ClientEvents, ClientExchange } from './client-exchange.ts'
import type { Clock } from './clock.ts'
import { ServerExchange } from './server-exchange.ts'
import { clientKey, inviteKey, mergeKey, rescoped, serverKey } from './transaction-key.ts'
import { overFlow, WiderWays } from './wider-ways.ts'

/** What new requests are given to. */
export interface TransactionUser {
  /** A new request that is neither ACK nor CANCEL. */
  onRequest(request: SipRequest, exchange: ServerExchange): void
  /** An ACK that belongs to no failed INVITE, so to a 2xx or to nothing. */
  onAck(ack: SipRequest, flow: Flow): void
  /** Whether the request names a dialog we have. */
  isInside(request: SipRequest, flow: Flow): boolean
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
/** Of a WebSocket, whose calls and keys take a tenth of that. */
const MAX_OF_BROWSER = 256
/** Part of the places that any request may have; the last ones are for INVITEs: pings and messages keep no call out. */
const SHARE_OF_ANY = 0.875

/** The tables of all transactions: matching (RFC 3261 §17.1.3, §17.2.3), CANCEL, merged requests, limits. */
export class TransactionLayer {
  readonly #options: TransactionLayerOptions
  readonly #clients = new Map<string, ClientExchange>()
  readonly #servers = new Map<string, ServerExchange>()
  /** Their keys, which change with the flow. */
  readonly #serverPlaces = new Map<ServerExchange, string>()
  /** How many of them each flow scope has. */
  readonly #serversPerScope = new Map<string, number>()
  /** Requests without To tag, to notice the same one on another path. */
  readonly #merges = new Map<string, ServerExchange>()
  readonly #wider = new WiderWays()
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
   * Sends a request. A refusal by the limit is reported as 'overload', a closed flow as 'transport', after control has returned.
   * Requests that end something (BYE, CANCEL) pass the limit, or a full table could never empty. One too large for UDP goes by
   * the flow's wider way, and by UDP after all when no connection comes about (RFC 3261 §18.1.1). CANCEL goes after its INVITE.
   */
  send(request: SipRequest, flow: Flow, events: ClientEvents): ClientExchange {
    const { clock, count } = this.#options
    const cancelled =
      request.method === 'CANCEL' ? this.#clients.get(inviteKey(request, flow.scope)) : undefined
    if (cancelled !== undefined && cancelled.flow.transport !== flow.transport) {
      return this.#begin(overFlow(request, cancelled.flow), cancelled.flow, events)
    }
    const wider = this.#wider.wayFor(request, flow, clock.nowMs())
    if (wider === undefined) return this.#begin(request, flow, events)
    count('sip.large-request')
    let hasResponse = false
    return this.#begin(overFlow(request, wider), wider, {
      ...events,
      onResponse: (response) => {
        hasResponse = true
        events.onResponse(response)
      },
      onFailed: (reason) => {
        if (!hasResponse && reason !== 'overload') this.#wider.failed(wider, clock.nowMs())
        if (hasResponse || reason !== 'transport') {
          events.onFailed(reason)
          return
        }
        count('sip.large-request-by-udp')
        const again = this.#begin(request, flow, events)
        events.onReplaced?.(again)
      },
      // One of which nothing was heard goes by UDP now.
      onFlowLost: () => hasResponse && (events.onFlowLost?.() ?? false),
    })
  }

  #begin(request: SipRequest, flow: Flow, events: ClientEvents): ClientExchange {
    const { clock, limits, count } = this.#options
    const exchange = new ClientExchange(request, flow, events, clock)
    const isEnding = request.method === 'BYE' || request.method === 'CANCEL'
    const isFull = this.#clients.size >= limits.maxClientTransactions && !isEnding
    if (isFull) count('sip.overload')
    if (isFull || !flow.isOpen) {
      clock.soon(() => {
        events.onEnd?.()
        events.onFailed(isFull ? 'overload' : 'transport')
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
    if (this.#isServerTableFull(flow, request.method) && !this.#isEnding(received, flow)) {
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
    for (const exchange of [...(this.#byConnection.get(flow.id) ?? [])]) {
      if (!exchange.outlivesFlow()) exchange.fail()
    }
  }

  /** A request of ours that is under way, or whose 2xx may come again. */
  findClient(request: SipRequest, { scope }: Flow): ClientExchange | undefined {
    return this.#clients.get(clientKey(request, scope))
  }

  /** From now on the responses to a request of ours are found, and what it sends goes, by this flow; no-op when it is over. */
  moveClient(exchange: ClientExchange, flow: Flow): void {
    if (this.#clients.get(clientKey(exchange.request, exchange.flow.scope)) !== exchange) return
    this.#forgetClient(exchange)
    exchange.moved(flow)
    this.#enterClient(exchange)
  }

  /** The answers to a request of a peer go, and its repetitions, CANCEL and ACK are found, by this flow. */
  moveServer(exchange: ServerExchange, flow: Flow): void {
    const place = this.#serverPlaces.get(exchange)
    if (place === undefined) return
    this.#servers.delete(place)
    this.#countServer(exchange.flow.scope, -1)
    const moved = rescoped(place, exchange.flow.scope, flow.scope)
    exchange.moved(flow)
    this.#servers.set(moved, exchange)
    this.#serverPlaces.set(exchange, moved)
    this.#countServer(flow.scope, 1)
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
    this.#enterClient(exchange)
    exchange.onOver = () => this.#forgetClient(exchange)
  }

  #enterClient(exchange: ClientExchange): void {
    const { request, flow } = exchange
    this.#clients.set(clientKey(request, flow.scope), exchange)
    if (isReliable(flow)) this.#siblings(flow).add(exchange)
  }

  #forgetClient(exchange: ClientExchange): void {
    const { request, flow } = exchange
    this.#clients.delete(clientKey(request, flow.scope))
    const siblings = this.#byConnection.get(flow.id)
    siblings?.delete(exchange)
    if (siblings?.size === 0) this.#byConnection.delete(flow.id)
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
    const exchange: ServerExchange = new ServerExchange(request, flow, clock, product, (ack) =>
      user.onAck(ack, exchange.flow),
    )
    this.#servers.set(key, exchange)
    this.#serverPlaces.set(exchange, key)
    this.#countServer(flow.scope, 1)
    exchange.onOver = () => {
      this.#servers.delete(this.#serverPlaces.get(exchange) ?? key)
      this.#serverPlaces.delete(exchange)
      this.#countServer(exchange.flow.scope, -1)
      exchange.onEnd?.()
    }
    return exchange
  }

  #countServer(scope: string, change: 1 | -1): void {
    const count = (this.#serversPerScope.get(scope) ?? 0) + change
    if (count === 0) this.#serversPerScope.delete(scope)
    else this.#serversPerScope.set(scope, count)
  }

  #isServerTableFull(flow: Flow, method: string): boolean {
    const { maxServerTransactions, maxServerTransactionsPerScope } = this.#options.limits
    const share = maxServerTransactionsPerScope ?? Math.ceil(maxServerTransactions * SCOPE_SHARE)
    const perScope = isBrowserFlow(flow) ? Math.min(share, MAX_OF_BROWSER) : share
    const usable = (places: number): number =>
      method === 'INVITE' ? places : Math.floor(places * SHARE_OF_ANY)
    return (
      this.#servers.size >= usable(maxServerTransactions) ||
      (this.#serversPerScope.get(flow.scope) ?? 0) >= usable(perScope)
    )
  }
}
