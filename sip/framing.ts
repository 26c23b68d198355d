export type FrameKind =
  /** A SIP message, or something that claims to be one. */
  | 'message'
  /** CRLF CRLF: the peer wants one CRLF back (RFC 5626 §3.5.1, RFC 7118 §6). */
  | 'ping'
  /** CRLF: the answer to ours. */
  | 'pong'
  /** Nothing at all, or zero bytes as some NAT keep-alives send: to be ignored. */
  | 'filler'

/** What to answer a `ping` with. */
export const PONG: Uint8Array = Buffer.from('\r\n')

/** On WebSocket and UDP one frame or datagram holds one message or one keep-alive. */
export function frameKind(bytes: Uint8Array): FrameKind {
  if (bytes.length > 4) return 'message'
  if (bytes.every((byte) => byte === 0)) return 'filler'
  const text = Buffer.from(bytes).toString('latin1')
  if (text === '\r\n\r\n') return 'ping'
  if (text === '\r\n') return 'pong'
  return 'message'
}
