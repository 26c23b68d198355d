import { type ClientCredentials, type DigestAttempt, DigestClient } from '../authentication/digest-client.ts'
import { type Flow, isReliable } from '../flow.ts'
import { buildRequest } from '../message/build.ts'
import { encoded } from '../message/encoded.ts'
import { canonicalHeaderName } from '../message/header-names.ts'
import type { Header, SipRequest, Via } from '../message/message.ts'
import { ALLOW } from '../message/request-checks.ts'
import { sipUri } from '../message/uri.ts'
import { buildVia } from '../message/via.ts'
import { defaultSipPort } from '../routing/locate.ts'
import { nextHop } from '../routing/next-hop.ts'
import { AuthenticatedRequest, type RequestEvents } from '../transaction/authenticated-request.ts'
import { Clock } from '../transaction/clock.ts'
import type { ServerExchange } from '../transaction/server-exchange.ts'
import { dialogKey } from '../transaction/transaction-key.ts'
import { TransactionLayer, type TransactionUser } from '../transaction/transaction-layer.ts'
import type { Body, UserAgentHandler, UserAgentLimits, UserAgentOptions } from '../user-agent-contract.ts'
import type { DialogHead } from './dialog.ts'
import { FlowUses } from './flow-uses.ts'
import { MIN_SESSION_S, type SessionWish } from './session-terms.ts'

/** What requests inside a dialog are given to. */
export interface DialogUser {
  onRequest(request: SipRequest, exchange: ServerExchange): void
  /** ACK for a 2xx. */
  onAck(ack: SipRequest): void
}

/** The user of a call's dialog, from the INVITE to the end. */
export interface CallDialog extends DialogUser {
  readonly flow: Flow
  /** Whose it is, where that party may come back by another flow. */
  readonly party: string | undefined
}

export interface DialogId {
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
}

/** RFC 4028 §4 recommends half an hour. */
const DEFAULT_SESSION_S = 1_800

/** Methods whose Contact is the target of later requests; others go without (RFC 3261 table 3). */
const WITH_CONTACT: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY', 'REFER'])

/** What the parts of one user agent share: transactions, the table of dialogs, the clock, counters, and the boundary of errors. */
export class Stack {
  readonly clock: Clock
  readonly transactions: TransactionLayer
  readonly handler: UserAgentHandler
  readonly limits: UserAgentLimits
  readonly #options: UserAgentOptions
  readonly uses = new FlowUses()
  readonly #dialogs = new Map<string, CallDialog>()
  /** The same ones by their identity alone. */
  readonly #namesakes = new Map<string, Set<CallDialog>>()
  readonly #counters = new Map<string, number>()
  readonly #digestClients = new WeakMap<ClientCredentials, DigestClient>()

  constructor(options: UserAgentOptions, user: TransactionUser) {
    this.#options = options
    this.handler = options.handler
    this.limits = options.limits
    this.clock = new Clock(options.environment, (error) => this.fault(error, undefined))
    this.transactions = new TransactionLayer({
      clock: this.clock,
      user,
      product: options.product,
      limits: options.limits,
      count: (name) => this.count(name),
    })
  }

  /** What we want of session timers by this flow. */
  sessionWish(flow: Flow): SessionWish {
    const { sessionTimer } = this.#options
    if (sessionTimer === undefined) return { expiresS: DEFAULT_SESSION_S, minSeS: MIN_SESSION_S }
    return { expiresS: sessionTimer.expiresOf(flow), minSeS: sessionTimer.minSeOf(flow) }
  }

  /** The way of a request in a dialog: to the next hop that it names, where that is known to be the same peer's, else by the dialog's flow. */
  wayOf(request: SipRequest, flow: Flow): Flow {
    if (flow.transport !== 'udp') return flow
    const hop = nextHop(request)
    return (hop && this.#options.flowTowards?.(flow, hop)) ?? flow
  }

  /**
   * The way of answers to a request, and of what follows in its dialog. A peer that does not ask for the port it sends from
   * (RFC 3581) wants them at the port in its Via (RFC 3261 §18.2.2). One whose Via has another address is behind a NAT, and
   * that port is not to be reached.
   */
  wayBack({ via: [top] }: Pick<SipRequest, 'via'>, flow: Flow): Flow {
    if (flow.transport !== 'udp' || top === undefined || top.parameters.has('rport')) return flow
    const { host, port = defaultSipPort('udp') } = top
    if (host !== flow.remote.address.toLowerCase() || port === flow.remote.port) return flow
    return this.#options.flowToListener?.(flow, port) ?? flow
  }

  /** Undefined where we have no account. */
  digestAttempt(flow: Flow, request: SipRequest): DigestAttempt | undefined {
    return this.#digestClient(flow, request)?.attempt()
  }

  /** Sends a request that answers challenges, with the numbers of its dialog or Call-ID. */
  send(request: SipRequest, flow: Flow, events: RequestEvents, nextCseq: () => number): Abandonable {
    const attempt = this.digestAttempt(flow, request)
    if (attempt === undefined) return this.transactions.send(request, flow, events)
    const { transactions } = this
    const via = (): Via => this.#via(flow)
    return new AuthenticatedRequest({ transactions, flow, attempt, via, nextCseq, events }, request)
  }

  #digestClient(flow: Flow, request: SipRequest): DigestClient | undefined {
    const credentials = this.#options.credentialsFor?.(flow, request)
    if (credentials === undefined) return undefined
    const known = this.#digestClients.get(credentials)
    if (known !== undefined) return known
    const made = new DigestClient(credentials, () => this.clock.token())
    this.#digestClients.set(credentials, made)
    return made
  }

  get dialogCount(): number {
    return this.#dialogs.size
  }

  findDialog(flow: Flow, id: DialogId): CallDialog | undefined {
    return this.#dialogs.get(dialogKey(flow.scope, id.callId, id.localTag, id.remoteTag))
  }

  /** Dialogs with this identity, each in a scope of its own. */
  dialogsNamed(id: DialogId, scope: string | undefined): readonly CallDialog[] {
    if (scope !== undefined) {
      const user = this.#dialogs.get(dialogKey(scope, id.callId, id.localTag, id.remoteTag))
      return user === undefined ? [] : [user]
    }
    return [...(this.#namesakes.get(nameOf(id)) ?? [])]
  }

  /** Takes the place of a dialog with the same identity. */
  addDialog(flow: Flow, id: DialogId, user: CallDialog): void {
    const key = dialogKey(flow.scope, id.callId, id.localTag, id.remoteTag)
    const replaced = this.#dialogs.get(key)
    if (replaced !== undefined) this.#forgetName(id, replaced)
    this.#dialogs.set(key, user)
    const namesakes = this.#namesakes.get(nameOf(id))
    if (namesakes === undefined) this.#namesakes.set(nameOf(id), new Set([user]))
    else namesakes.add(user)
  }

  /** Removes `user` and nobody who has taken its place. */
  removeDialog(flow: Flow, id: DialogId, user: CallDialog): void {
    const key = dialogKey(flow.scope, id.callId, id.localTag, id.remoteTag)
    if (this.#dialogs.get(key) !== user) return
    this.#dialogs.delete(key)
    this.#forgetName(id, user)
  }

  #forgetName(id: DialogId, user: CallDialog): void {
    const namesakes = this.#namesakes.get(nameOf(id))
    namesakes?.delete(user)
    if (namesakes?.size === 0) this.#namesakes.delete(nameOf(id))
  }

  count(name: string): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + 1)
  }

  counters(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counters)
  }

  /** Calls a handler; false when it threw, which is reported and goes no further. */
  guard(action: () => void, request: SipRequest | undefined): boolean {
    try {
      action()
      return true
    } catch (error) {
      this.fault(error, request)
      return false
    }
  }

  fault(error: unknown, request: SipRequest | undefined): void {
    this.count('sip.handler-failed')
    try {
      this.handler.onError(error, request)
    } catch {
      // Nobody is left to tell.
    }
  }

  /** Where the peer behind `flow` reaches us. */
  contact(flow: Flow): Header {
    const { host, port } = this.#options.sentBy(flow)
    // RFC 7118 §5.2: `ws` stands for both, the scheme or the socket says which.
    const transport = flow.transport === 'wss' ? 'ws' : flow.transport
    return { name: 'Contact', value: `<${sipUri({ host, port, parameters: { transport } }).text}>` }
  }

  /** What every response that makes or changes a dialog has; headers of the caller come first and count. */
  dialogHeaders(flow: Flow, given: readonly Header[] = []): readonly Header[] {
    const headers = [...given]
    if (!hasHeader(given, 'Contact')) headers.push(this.contact(flow))
    if (!hasHeader(given, 'Allow')) headers.push(ALLOW)
    return headers
  }

  /** A request of ours, ready to be sent by `flow`. Asserts that headers and body of the caller can be written. */
  compose(
    flow: Flow,
    head: DialogHead,
    options: {
      readonly headers?: readonly Header[]
      readonly maxForwards?: number
      readonly body?: Body
    } = {},
  ): SipRequest {
    const given = options.headers ?? []
    const hops =
      options.maxForwards ??
      given.find((header) => canonicalHeaderName(header.name) === 'Max-Forwards')?.value
    const own: Header[] = [{ name: 'User-Agent', value: this.#options.product }]
    if (WITH_CONTACT.has(head.method)) {
      if (!hasHeader(given, 'Contact')) own.push(this.contact(flow))
      if (!hasHeader(given, 'Allow')) own.push(ALLOW)
    }
    const request = buildRequest({
      ...head,
      via: this.#via(flow),
      ...(hops === undefined ? {} : { maxForwards: Number(hops) }),
      headers: [...given.filter((header) => canonicalHeaderName(header.name) !== 'Max-Forwards'), ...own],
      body: options.body,
    })
    encoded(request)
    return request
  }

  #via(flow: Flow): Via {
    return buildVia({
      transport: flow.transport,
      ...this.#options.sentBy(flow),
      branch: `z9hG4bK${this.clock.token()}`,
      rport: !isReliable(flow),
    })
  }
}

/** What stops waiting for a response. */
export interface Abandonable {
  abandon(): void
}

const nameOf = ({ callId, localTag, remoteTag }: DialogId): string =>
  dialogKey('', callId, localTag, remoteTag)

const hasHeader = (headers: readonly Header[], name: string): boolean =>
  headers.some((header) => canonicalHeaderName(header.name) === name)
