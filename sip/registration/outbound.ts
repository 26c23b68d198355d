import { SipFailure } from '../failure.ts'
import { parseDecimal } from '../message/characters.ts'
import { headerValues, optionTags, parseSeconds, seconds } from '../message/headers.ts'
import { type Header, isSipUri, type NameAddr, type SipRequest } from '../message/message.ts'
import { parseNameAddr } from '../message/name-addr.ts'
import { readable } from '../message/readable.ts'

/** RFC 5626 §4.4: how long after a ping of the client we may leave it without an answer is ours to say; clients ping by this. */
const FLOW_TIMER_S = 120

/** `reg-id` of a Contact: 1 to 2^31 - 1, and of no meaning without an instance (RFC 5626 §6). */
export function regIdOf(contact: NameAddr): number | undefined {
  if (!contact.parameters.get('+sip.instance')) return undefined
  const regId = parseDecimal(contact.parameters.get('reg-id') ?? '', 0x7fff_ffff)
  return regId === 0 ? undefined : regId
}

/**
 * Whether a REGISTER asks for Outbound, and may (RFC 5626 §6).
 *
 * @throws SipFailure `sip.malformed` for several contacts with one flow, `sip.no-outbound` when it came through a proxy
 *   that keeps no flow to the client
 */
export function asksForOutbound(request: SipRequest, contacts: readonly NameAddr[]): boolean {
  const general = seconds(request, 'Expires')
  const added = contacts.filter(
    ({ parameters }) => (parseSeconds(parameters.get('expires')) ?? general) !== 0,
  )
  if (!added.some((contact) => regIdOf(contact) !== undefined)) return false
  if (added.length > 1) {
    throw new SipFailure('sip.malformed', { expected: 'one Contact with reg-id', seen: `${added.length}` })
  }
  if (!optionTags(request, 'Supported').has('outbound')) return false
  if (request.via.length > 1 && !isFirstHopOutbound(request)) throw new SipFailure('sip.no-outbound')
  return true
}

/** What a 200 says to a client that may rely on its flow. Every WebSocket of ours answers CRLF CRLF with CRLF. */
export const OUTBOUND_HEADERS: readonly Header[] = [
  { name: 'Require', value: 'outbound' },
  { name: 'Flow-Timer', value: String(FLOW_TIMER_S) },
]

/** The proxy next to the client put its Path in first, so it is the last one; `ob` says that it keeps the flow. */
function isFirstHopOutbound(request: SipRequest): boolean {
  const path = headerValues(request, 'Path').at(-1)
  const uri = path === undefined ? undefined : readable(() => parseNameAddr(path).uri)
  return uri !== undefined && isSipUri(uri) && uri.parameters.has('ob')
}
