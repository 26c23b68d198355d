import { SipFailure } from '../../sip/failure.ts'
import { header, maxForwards, seconds } from '../../sip/message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../../sip/message/message.ts'
import { eventOf } from '../../sip/subscription/event.ts'
import type { Body, NoAnswer } from '../../sip/user-agent.ts'
import { answerHeaders, type HeaderPolicy, requestHeaders } from '../calls/header-policy.ts'
import { unanswered } from '../calls/unanswered.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { Caller } from '../trunks/router.ts'

/** What is relayed outside a call. */
export type RelayedMethod = 'MESSAGE' | 'NOTIFY' | 'SUBSCRIBE'

/** Longest body of a relayed request. A whole SIP message may have 64 KiB; towards a trunk that would be 40 fragments. */
export const MAX_RELAYED_BODY_BYTES = 8_192

/** Longest subscription a peer is granted, in seconds: one that nobody wants any more is forgotten by then. */
export const MAX_RELAYED_EXPIRES_S = 3_600

/** Event packages that are relayed; any other is refused with 489. */
const EVENTS: readonly string[] = ['message-summary', 'presence', 'dialog']

export const ALLOW_EVENTS: Header = { name: 'Allow-Events', value: EVENTS.join(', ') }

/** Headers that pass, beside those that pass in any request. Event and Subscription-State are the stack's to write. */
const METHOD_HEADERS: Readonly<Record<RelayedMethod, readonly string[]>> = {
  MESSAGE: ['Content-Disposition', 'Content-Language', 'Date', 'Expires', 'In-Reply-To'],
  NOTIFY: ['Content-Disposition', 'Content-Language'],
  SUBSCRIBE: ['Accept'],
}

/** Headers of an answer that its asker can act on. */
const ANSWER_HEADERS: readonly string[] = ['Retry-After', 'Min-Expires', 'Accept', 'Allow-Events']

const DEFAULT_MAX_FORWARDS = 70

/** The Max-Forwards of the next leg, so that a loop of gateways ends (RFC 3261 §16.6). Throws `sip.too-many-hops`. */
export function nextHops(request: SipRequest): Header {
  const left = maxForwards(request) ?? DEFAULT_MAX_FORWARDS
  if (left === 0) throw new SipFailure('sip.too-many-hops')
  return { name: 'Max-Forwards', value: String(left - 1) }
}

/** Headers of the next leg: what `sender` may claim, and its receiver is to see. Throws `sip.too-many-hops`. */
export function relayedHeaders(
  method: RelayedMethod,
  request: SipRequest,
  sender: string,
  policy: HeaderPolicy,
): readonly Header[] {
  return [nextHops(request), ...requestHeaders(request, sender, policy, METHOD_HEADERS[method])]
}

/** The body as it came, of whatever type. Throws `sip.too-large`. */
export function relayedBody(message: SipRequest | SipResponse): { readonly body?: Body } {
  const { body } = message
  if (body.length === 0) return {}
  if (body.length > MAX_RELAYED_BODY_BYTES) {
    throw new SipFailure('sip.too-large', {
      expected: `at most ${MAX_RELAYED_BODY_BYTES} bytes of body`,
      seen: String(body.length),
    })
  }
  const contentType = header(message, 'Content-Type')
  // The stack has refused requests with a body of no type; an answer loses it.
  return contentType === undefined ? {} : { body: { contentType, bytes: body } }
}

/** Headers of an answer as they pass: what `responder` may claim, and who has asked is to see. */
export const answeredHeaders = (
  response: SipResponse,
  responder: string,
  policy: HeaderPolicy,
): readonly Header[] => answerHeaders(response, responder, policy, ANSWER_HEADERS)

/** Why a relayed request failed; a trunk's challenge and a redirection are no business of the one who asked. */
export function failureOf(response: SipResponse | NoAnswer, isTrunk: boolean): GatewayFailure {
  if (typeof response === 'string') return unanswered(response, isTrunk)
  const seen = `${response.status} ${response.reason}`
  if (response.status === 401 || response.status === 407) {
    return new GatewayFailure('trunk.credentials-wanted', { seen })
  }
  const status = response.status < 400 ? undefined : response.status
  return new GatewayFailure('relay.refused', { seen, ...(status === undefined ? {} : { status }) })
}

/** The package of a SUBSCRIBE or NOTIFY. Throws `sip.bad-event`. */
export function relayedEvent(request: SipRequest): string {
  const event = eventOf(request)
  if (event === undefined || !EVENTS.includes(event.name)) {
    throw new SipFailure('sip.bad-event', { expected: EVENTS.join(', '), seen: event?.name ?? 'none' })
  }
  return event.name
}

/** Seconds that a SUBSCRIBE asks for. */
export const askedExpires = (request: SipRequest): number =>
  Math.min(seconds(request, 'Expires') ?? MAX_RELAYED_EXPIRES_S, MAX_RELAYED_EXPIRES_S)

/**
 * A user's own mailbox is where their name would be routed if it were a number: a SUBSCRIBE to oneself for messages waiting
 * goes out by a trunk, since no browser can answer it.
 */
export const isOwnMailbox = (caller: Caller, dialled: string, event: string): boolean =>
  event === 'message-summary' && caller.kind === 'user' && caller.user === dialled
