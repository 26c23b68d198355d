import { rawValues, reasons } from '../../sip/message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../../sip/message/message.ts'
import { readable } from '../../sip/message/readable.ts'
import { isTrunkParty } from './party.ts'

/** What an INVITE, its answers and requests inside the call may carry from one leg to the other, beside any `X-` header. */
const CALL_HEADERS = [
  'User-to-User',
  'Alert-Info',
  'Call-Info',
  'Diversion',
  'History-Info',
  'Subject',
  'Priority',
  // Where the caller is (RFC 6442), and who vouches for the number (RFC 8224, which needs the Date it signed).
  'Geolocation',
  'Geolocation-Routing',
  'Geolocation-Error',
  'Identity',
  'Date',
] as const

/** What an emergency call may say beside: it asks networks for precedence (RFC 4412, RFC 7135), so nobody else may. */
const EMERGENCY_HEADERS: readonly string[] = ['Resource-Priority', 'Accept-Resource-Priority']

/** One leg cannot make us send more than this to the other: a trunk INVITE has to fit a datagram. */
const MAX_PASSED = 16
const MAX_VALUE_LENGTH = 512
/** A signature with its certificate's address takes about 600. */
const MAX_IDENTITY_LENGTH = 2_048
const MAX_NAME_LENGTH = 64

/**
 * The headers that pass from one leg to the other: those on the list and `X-*`, nothing else. What claims who somebody is
 * without proof (P-Asserted-Identity, Remote-Party-ID), how to reach them (Contact, Via, Route) or what they know (Authorization) is
 * never on it. Too long ones and what is past the maximum are left out.
 */
export function passedHeaders(
  message: SipRequest | SipResponse,
  more: readonly string[] = [],
): readonly Header[] {
  const names = new Set([...CALL_HEADERS, ...more].map((name) => name.toLowerCase()))
  return message.headers
    .filter(({ name, value }) => {
      const lower = name.toLowerCase()
      return (
        (names.has(lower) || lower.startsWith('x-')) &&
        name.length <= MAX_NAME_LENGTH &&
        value.length <= (lower === 'identity' ? MAX_IDENTITY_LENGTH : MAX_VALUE_LENGTH) &&
        isClean(value)
      )
    })
    .slice(0, MAX_PASSED)
}

/** How much of what passes a peer is told: all, only what is on the list, or nothing. */
export type HeaderPolicy = 'all' | 'known' | 'none'

/** Those of the passed headers that a peer with this policy is to see. */
export function visibleHeaders(headers: readonly Header[], policy: HeaderPolicy): readonly Header[] {
  if (policy === 'all') return headers
  return policy === 'none' ? [] : headers.filter(({ name }) => !/^x-/i.test(name))
}

/** Who has diverted a call is what carriers may bill by; that a user says so proves nothing. */
const CLAIMED_BY_TRUNKS: ReadonlySet<string> = new Set(['diversion', 'history-info'])

/** Not of a user: what only a trunk may claim, and that a call is an emergency, which the number says. */
const isClaimed = ({ name, value }: Header): boolean =>
  CLAIMED_BY_TRUNKS.has(name.toLowerCase()) ||
  (name.toLowerCase() === 'priority' && value.trim().toLowerCase() === 'emergency')

/** What a callee's INVITE has of the caller's. An emergency call says that it is one (RFC 3261 §20.26), and loses nothing on the list. */
export function inviteHeaders(
  request: SipRequest,
  caller: { readonly name: string },
  callee: { readonly passHeaders: HeaderPolicy; readonly isEmergency?: boolean },
): readonly Header[] {
  const { passHeaders, isEmergency = false } = callee
  const visible = (more: readonly string[], policy: HeaderPolicy): readonly Header[] =>
    claimedBy(caller.name, visibleHeaders(passedHeaders(request, more), policy))
  if (!isEmergency) return visible([], passHeaders)
  const passed = visible(EMERGENCY_HEADERS, passHeaders === 'none' ? 'known' : passHeaders)
  return [...passed.filter(({ name }) => name !== 'Priority'), { name: 'Priority', value: 'emergency' }]
}

/** What a request inside a call, its BYE too, or beside calls, has of the one of `sender`: the rule of INVITE. `named`: what its body needs, which passes to all. */
export function requestHeaders(
  request: SipRequest,
  sender: string,
  policy: HeaderPolicy,
  named: readonly string[] = [],
): readonly Header[] {
  return headersOf(request, sender, policy, named)
}

/** What whoever asked `responder` sees of its answer. `named`: what is to be acted on, which passes to all. */
export function answerHeaders(
  response: SipResponse,
  responder: string,
  policy: HeaderPolicy,
  named: readonly string[] = [],
): readonly Header[] {
  return headersOf(response, responder, policy, named)
}

function headersOf(
  message: SipRequest | SipResponse,
  sender: string,
  policy: HeaderPolicy,
  named: readonly string[],
): readonly Header[] {
  const needed = new Set(named.map((name) => name.toLowerCase()))
  const passed = passedHeaders(message, named)
  const visible = new Set(visibleHeaders(passed, policy))
  return claimedBy(
    sender,
    passed.filter((row) => visible.has(row) || needed.has(row.name.toLowerCase())),
  )
}

/** Without what this party may not claim. */
const claimedBy = (party: string, headers: readonly Header[]): readonly Header[] =>
  isTrunkParty(party) ? headers : headers.filter((row) => !isClaimed(row))

/** Q.850 causes pass through the gateway (RFC 3326); SIP causes are each leg's own. */
export function passedReasons(message: SipRequest | SipResponse): readonly Header[] {
  return rawValues(message, 'Reason')
    .filter((value) => /^\s*Q\.850\s*;/i.test(value) && value.length <= MAX_VALUE_LENGTH && isClean(value))
    .slice(0, 1)
    .map((value) => ({ name: 'Reason', value }))
}

/** What a refusal says of its own reasons beside its status (RFC 3261 §20.43), for the log. */
export function warningsOf(response: SipResponse): readonly string[] {
  return rawValues(response, 'Warning')
    .filter((value) => value.length <= MAX_VALUE_LENGTH && isClean(value))
    .slice(0, 2)
    .map((value) => `Warning: ${value}`)
}

/** Why a peer ends a call, in its own words (RFC 3326), for the log. */
export function saidReasons(message: SipRequest): string | undefined {
  const said = rawValues(message, 'Reason').filter(
    (value) => value.length <= MAX_VALUE_LENGTH && isClean(value),
  )
  return said.length === 0 ? undefined : said.slice(0, 2).join(', ')
}

/** A client that can do nothing with our description ends the call by BYE, and says a status for the reason. */
export const isOverSdp = (reasons: string | undefined): boolean =>
  reasons !== undefined && /(?:^|,\s*)SIP\s*;[^,]*\bcause\s*=\s*(?:415|488|606)\b/i.test(reasons)

/** Of the CANCEL to a phone whose call was answered by another: it shows no missed call. */
export const ANSWERED_ELSEWHERE: Header = {
  name: 'Reason',
  value: 'SIP;cause=200;text="Call completed elsewhere"',
}

/** What a CANCEL tells the phones that ring: Q.850 causes, and that somebody else has the call, which a PBX says of its own phones. */
export function cancelReasons(cancel: SipRequest): readonly Header[] {
  const said = readable(() => reasons(cancel)) ?? []
  const isElsewhere = said.some(({ protocol, cause }) => protocol === 'SIP' && cause === 200)
  return isElsewhere ? [ANSWERED_ELSEWHERE, ...passedReasons(cancel)] : passedReasons(cancel)
}

/** Control characters pass no leg. */
function isClean(value: string): boolean {
  for (let at = 0; at < value.length; at += 1) {
    const code = value.charCodeAt(at)
    if (code < 0x20 || code === 0x7f) return false
  }
  return true
}
