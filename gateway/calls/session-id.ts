import { header } from '../../sip/message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../../sip/message/message.ts'

/** RFC 7989 §5: stands for a party that has not told its own yet. */
const NIL = '0'.repeat(32)
const UUID = /^[0-9a-f]{32}$/

/** The sender's half of Session-ID; undefined when there is none or it is malformed (it is never repaired). */
export function sessionUuidOf(message: SipRequest | SipResponse): string | undefined {
  const [uuid] = (header(message, 'Session-ID') ?? '').split(';')
  const value = uuid?.trim().toLowerCase()
  return value !== undefined && UUID.test(value) && value !== NIL ? value : undefined
}

/** Session-ID towards one party of a call: the other party's half first, as if both spoke directly (RFC 7989 §7). */
export function sessionIdHeader(other: string | undefined, own: string | undefined): Header {
  return { name: 'Session-ID', value: `${other ?? NIL};remote=${own ?? NIL}` }
}
