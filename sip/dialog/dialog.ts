import { SipFailure } from '../failure.ts'
import { contacts, headerValues } from '../message/headers.ts'
import {
  isSipUri,
  type NameAddr,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  type SipUri,
  type Uri,
} from '../message/message.ts'
import { formatNameAddr, parseNameAddr, withTag } from '../message/name-addr.ts'
import { readable } from '../message/readable.ts'
import { parseUri } from '../message/uri.ts'

const tagOf = (address: NameAddr): string => address.parameters.get('tag') ?? ''

/** Where the next request inside a dialog goes (RFC 3261 §12.2.1.1). */
export interface DialogHead {
  readonly method: string
  readonly uri: Uri
  readonly route: readonly string[]
  readonly from: NameAddr
  readonly to: NameAddr
  readonly callId: string
  readonly cseq: number
}

interface DialogParts {
  readonly callId: string
  readonly local: NameAddr
  readonly remote: NameAddr
  readonly routeSet: readonly string[]
  readonly remoteTarget: Uri
  readonly localCseq: number
  readonly remoteCseq: number | undefined
}

/** The state two peers share (RFC 3261 §12): addresses, tags, route set, targets and sequence numbers. No timers, no messages sent. */
export class Dialog {
  readonly callId: string
  readonly remote: NameAddr
  readonly routeSet: readonly string[]
  #local: NameAddr
  #remoteTarget: Uri
  #localCseq: number
  #remoteCseq: number | undefined

  private constructor(parts: DialogParts) {
    this.callId = parts.callId
    this.#local = parts.local
    this.remote = parts.remote
    this.routeSet = parts.routeSet
    this.#remoteTarget = parts.remoteTarget
    this.#localCseq = parts.localCseq
    this.#remoteCseq = parts.remoteCseq
  }

  /**
   * The dialog that our response to `request` makes (§12.1.1).
   *
   * @param localCseq the number of the last request of ours, where NOTIFY has come before the answer to it
   * @throws SipFailure `sip.malformed` when Contact or Record-Route of the request is missing or unreadable
   */
  static ofRequest(request: SipRequest, localTag: string, localCseq = 0): Dialog {
    const remoteTarget = contactOf(request)
    if (remoteTarget === undefined) throw new SipFailure('sip.malformed', { expected: 'a Contact' })
    return new Dialog({
      callId: request.callId,
      local: withTag(request.to, localTag),
      remote: request.from,
      routeSet: routesOf(request),
      remoteTarget,
      localCseq,
      remoteCseq: request.cseq.number,
    })
  }

  /**
   * The dialog that `response` to our `request` makes (§12.1.2). All is read from this very response, so that a 2xx
   * counts and not the 1xx before it (§13.2.2.4). Without a Contact, requests go where the first one went. Numbers go on
   * from `early`, the dialog that a 1xx made. What is unreadable counts as absent: a response cannot be refused.
   */
  static ofResponse(request: SipRequest, response: SipResponse, early?: Dialog): Dialog {
    return new Dialog({
      callId: request.callId,
      local: request.from,
      remote: response.to,
      routeSet: readable(() => routesOf(response).toReversed()) ?? [],
      remoteTarget: readable(() => contactOf(response)) ?? request.uri,
      localCseq: early === undefined ? request.cseq.number : early.#localCseq,
      remoteCseq: early === undefined ? undefined : early.#remoteCseq,
    })
  }

  /** We, as our requests name us. */
  get local(): NameAddr {
    return this.#local
  }

  /** From now on our requests name us so (RFC 4916 §4.5); the tag stays. */
  rename(address: NameAddr): void {
    this.#local = withTag(address, this.localTag)
  }

  get localTag(): string {
    return tagOf(this.#local)
  }

  get remoteTag(): string {
    return tagOf(this.remote)
  }

  get remoteTarget(): Uri {
    return this.#remoteTarget
  }

  /** False when the request is older than one seen before (§12.2.2); otherwise its number is remembered. */
  acceptCseq(request: SipRequest): boolean {
    if (this.#remoteCseq !== undefined && request.cseq.number <= this.#remoteCseq) return false
    this.#remoteCseq = request.cseq.number
    return true
  }

  /** Takes the Contact of a target refresh request or of its 2xx; without a readable one the target stays. */
  refreshTarget(message: SipMessage): void {
    this.#remoteTarget = readable(() => contactOf(message)) ?? this.#remoteTarget
  }

  /** The next request with a number of its own. */
  next(method: string): DialogHead {
    this.#localCseq += 1
    return this.#head(method, this.#localCseq)
  }

  /** ACK for a 2xx has the number of its INVITE (§13.2.2.4). */
  ack(cseq: number): DialogHead {
    return this.#head('ACK', cseq)
  }

  #head(method: string, cseq: number): DialogHead {
    return {
      method,
      ...routed(this.#remoteTarget, this.routeSet),
      from: this.#local,
      to: this.remote,
      callId: this.callId,
      cseq,
    }
  }
}

/** Request-URI and Route values. A first route without `lr` is a strict router and becomes the Request-URI (§12.2.1.1). */
export function routed(target: Uri, routeSet: readonly string[]): Pick<DialogHead, 'uri' | 'route'> {
  const [first, ...others] = routeSet
  if (first === undefined) return { uri: target, route: [] }
  const { uri } = parseNameAddr(first)
  if (!isSipUri(uri) || uri.parameters.has('lr')) return { uri: target, route: routeSet }
  return { uri: withoutHeaders(uri), route: [...others, formatNameAddr(addressOf(target))] }
}

const addressOf = (uri: Uri): NameAddr => ({ displayName: undefined, uri, parameters: new Map() })

/** A Request-URI has no headers (§19.1.1). */
const withoutHeaders = (uri: SipUri): Uri =>
  uri.headers === undefined
    ? uri
    : parseUri(uri.text.slice(0, uri.text.indexOf('?', uri.text.indexOf('@') + 1)))

/** Undefined when there is none. @throws SipFailure when there is one of no use */
export function contactOf(message: SipMessage): Uri | undefined {
  const list = contacts(message)
  const [contact] = list === '*' ? [] : list
  if (contact === undefined) {
    if (list === '*') throw new SipFailure('sip.malformed', { expected: 'a Contact', seen: '*' })
    return undefined
  }
  const { uri } = contact
  if (!isSipUri(uri))
    throw new SipFailure('sip.malformed', { expected: 'a SIP URI as Contact', seen: uri.scheme })
  return withoutHeaders(uri)
}

/** @throws SipFailure when a route could not be used later */
function routesOf(message: SipMessage): readonly string[] {
  const values = headerValues(message, 'Record-Route')
  for (const value of values) {
    if (!isSipUri(parseNameAddr(value).uri)) {
      throw new SipFailure('sip.malformed', { expected: 'a SIP URI as Record-Route' })
    }
  }
  return values
}
