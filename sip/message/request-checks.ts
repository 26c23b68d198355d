import { SIP_CODES, type SipCode, SipFailure } from '../failure.ts'
import { contentType, headerValues, maxForwards, optionTags } from './headers.ts'
import type { Header, SipMessage, SipRequest } from './message.ts'
import { readable } from './readable.ts'

/** Methods the stack can carry; sent where the caller names none. */
export const ALLOW: Header = {
  name: 'Allow',
  value: 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, SUBSCRIBE, NOTIFY, REFER, UPDATE, PRACK',
}

/** Option tags a peer may require of us. */
const SUPPORTED: ReadonlySet<string> = new Set(['100rel', 'timer', 'replaces'])

/**
 * What our INVITEs offer. 100rel only with a body: without, a reliable provisional response would be the offer, and PRACK
 * would have to answer it.
 */
export const inviteExtensions = (hasOffer: boolean): Header => ({
  name: 'Supported',
  value: hasOffer ? '100rel, timer' : 'timer',
})

/** What ends something is never refused for its form. */
const UNCHECKED: ReadonlySet<string> = new Set(['ACK', 'BYE', 'CANCEL'])

export interface Refusal {
  readonly code: SipCode
  readonly status: number
  readonly headers: readonly Header[]
}

const refusal = (code: SipCode, headers: readonly Header[] = []): Refusal => ({
  code,
  status: SIP_CODES[code].status,
  headers,
})

/** Why no one may handle `request` (RFC 3261 §8.2.2, §8.2.3); undefined when it is in order. */
export function refusalOf(request: SipRequest): Refusal | undefined {
  if (UNCHECKED.has(request.method)) return undefined
  try {
    return extensionRefusal(request) ?? bodyRefusal(request) ?? hopRefusal(request)
  } catch (error) {
    if (error instanceof SipFailure) return refusal(error.code)
    throw error
  }
}

function extensionRefusal(request: SipRequest): Refusal | undefined {
  const unknown = [...optionTags(request, 'Require')].filter((tag) => !SUPPORTED.has(tag))
  if (unknown.length === 0) return undefined
  return refusal('sip.unsupported-extension', [{ name: 'Unsupported', value: unknown.join(', ') }])
}

function bodyRefusal(request: SipRequest): Refusal | undefined {
  if (request.body.length === 0) return undefined
  const isEncoded = headerValues(request, 'Content-Encoding').some(
    (name) => name.toLowerCase() !== 'identity',
  )
  if (isEncoded)
    return refusal('sip.unsupported-media-type', [{ name: 'Accept-Encoding', value: 'identity' }])
  // RFC 3261 §20.15: a body has a type. An unreadable one throws.
  return contentType(request) === undefined ? refusal('sip.malformed') : undefined
}

/** A user agent need not look at Max-Forwards, but our calls go on to another leg. */
function hopRefusal(request: SipRequest): Refusal | undefined {
  const isSpent = request.method === 'INVITE' && maxForwards(request) === 0
  return isSpent ? refusal('sip.too-many-hops') : undefined
}

/** Whether a list of option tags names `tag`; false when it cannot be read. */
export const hasOption = (
  message: Pick<SipMessage, 'headers'>,
  name: 'Supported' | 'Require',
  tag: string,
): boolean => readable(() => optionTags(message, name).has(tag)) === true

/** True for a body that offers or answers; which kinds do is the handler's to know. */
export const hasBody = (message: { readonly body: Buffer }): boolean => message.body.length > 0

/** The tag of To or From; '' when absent (RFC 2543 peers). */
export const toTag = (message: Pick<SipRequest, 'to'>): string => message.to.parameters.get('tag') ?? ''
export const fromTag = (message: Pick<SipRequest, 'from'>): string => message.from.parameters.get('tag') ?? ''
