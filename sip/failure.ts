/** What can go wrong in signalling; all of it is stage S1. */
export const SIP_CODES = {
  'sip.malformed': { stage: 'S1', status: 400, text: 'malformed SIP message' },
  'sip.too-large': { stage: 'S1', status: 513, text: 'SIP message is too large' },
  'sip.uri-too-long': { stage: 'S1', status: 414, text: 'Request-URI is too long' },
  'sip.unsupported-version': { stage: 'S1', status: 505, text: 'SIP version is not 2.0' },
  'sip.unsupported-method': { stage: 'S1', status: 405, text: 'method is not supported' },
  'sip.unsupported-extension': { stage: 'S1', status: 420, text: 'required extension is not supported' },
  'sip.unsupported-media-type': { stage: 'S1', status: 415, text: 'body type is not supported' },
  'sip.merged-request': { stage: 'S1', status: 482, text: 'request arrived by two paths' },
  'sip.too-many-hops': { stage: 'S1', status: 483, text: 'Max-Forwards is used up' },
  'sip.no-dialog': { stage: 'S1', status: 481, text: 'no such dialog or transaction' },
  'sip.overload': { stage: 'S1', status: 503, text: 'signalling table is full' },
  'sip.handler-failed': { stage: 'S1', status: 500, text: 'internal error' },
  'sip.bad-credentials': { stage: 'S1', status: 403, text: 'wrong user name or password' },
  'sip.bad-token': { stage: 'S1', status: 401, text: 'bearer token is not valid' },
  'sip.foreign-address': { stage: 'S1', status: 403, text: 'address of record is not the user' },
  'sip.out-of-order': { stage: 'S1', status: 500, text: 'request is older than one already handled' },
  'sip.too-many-bindings': { stage: 'S1', status: 403, text: 'too many contacts for one address' },
  'sip.bad-event': { stage: 'S1', status: 489, text: 'event package is missing or not supported' },
  'sip.session-too-brief': { stage: 'S1', status: 422, text: 'session interval is too brief' },
  'sip.foreign-certificate': { stage: 'S1', status: 503, text: 'certificate is of another domain' },
  'sip.connect-timeout': { stage: 'S1', status: 503, text: 'connection did not come about in time' },
  'sip.interval-too-brief': { stage: 'S1', status: 423, text: 'registration interval is too brief' },
} as const

export type SipCode = keyof typeof SIP_CODES

/** The one error of `sip/`. */
export class SipFailure extends Error {
  readonly code: SipCode
  readonly expected: string | undefined
  readonly seen: string | undefined

  constructor(code: SipCode, detail: { expected?: string; seen?: string; cause?: unknown } = {}) {
    const expected = detail.expected === undefined ? '' : `, expected ${detail.expected}`
    const seen = detail.seen === undefined ? '' : `, seen ${detail.seen}`
    super(`${SIP_CODES[code].text}${expected}${seen}`, { cause: detail.cause })
    this.name = 'SipFailure'
    this.code = code
    this.expected = detail.expected
    this.seen = detail.seen
  }
}
