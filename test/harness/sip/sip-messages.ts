import { SIP_CODES, type SipCode, SipFailure } from '../../../sip/failure.ts'
import type { SipRequest } from '../../../sip/message/message.ts'
import { parseMessage } from '../../../sip/message/parser.ts'

/** The failure that `work` must end in, and the status it stands for. Any other error is passed on. */
export function failureOf(work: () => unknown): {
  readonly failure: SipFailure
  readonly code: SipCode
  readonly status: number
} {
  try {
    work()
  } catch (failure) {
    if (!(failure instanceof SipFailure)) throw failure
    return { failure, code: failure.code, status: SIP_CODES[failure.code].status }
  }
  throw new Error('nothing was refused')
}

/** A request of these header lines; each stands for the default of its name, or beside them. */
export function requestText(method: string, lines: readonly string[] = [], body = ''): string {
  const nameOf = (line: string): string => line.slice(0, line.indexOf(':')).trim().toLowerCase()
  const given = new Set(lines.map(nameOf))
  const defaults = [
    'Via: SIP/2.0/WSS 7hs5jd8v2n4c.invalid;branch=z9hG4bK8431659',
    'Max-Forwards: 70',
    'From: "Alice" <sip:alice@example.com>;tag=u1f4k2l9sd',
    'To: <sip:bob@example.com>',
    'Call-ID: 1jhv7d1rkp1m0l8b3a9c',
    `CSeq: 1 ${method}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ].filter((line) => !given.has(nameOf(line)))
  return [`${method} sip:bob@example.com SIP/2.0`, ...defaults, ...lines, '', body].join('\r\n')
}

export function parseRequest(text: string | Buffer): SipRequest {
  const message = parseMessage(Buffer.from(text))
  if (message.kind !== 'request') throw new Error('not a request')
  return message
}
