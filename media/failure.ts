/** What can go wrong in the media plane; stage and SIP status are data. S3 ICE, S4 DTLS, S5 SRTP, S6 media. */
export const MEDIA_CODES = {
  'media.no-port': { stage: 'S6', status: 503, text: 'no free media port' },
  'media.overload': { stage: 'S6', status: 503, text: 'media plane is full' },
  'media.closed': { stage: 'S6', status: 503, text: 'media plane is closed' },
  'media.internal': { stage: 'S6', status: 500, text: 'unexpected error in the media plane' },
  'media.wrong-leg': { stage: 'S6', status: 500, text: 'leg does not fit the request' },
  'ice.no-check-seen': { stage: 'S3', status: 480, text: 'no connectivity check arrived' },
  'ice.bad-integrity': { stage: 'S3', status: 480, text: 'connectivity checks carry a wrong password' },
  'ice.consent-lost': { stage: 'S3', status: 480, text: 'connectivity checks stopped' },
  'dtls.no-client-hello': { stage: 'S4', status: 480, text: 'no DTLS ClientHello arrived' },
  'dtls.handshake-timeout': { stage: 'S4', status: 480, text: 'DTLS handshake did not finish' },
  'dtls.handshake-failed': { stage: 'S4', status: 480, text: 'DTLS handshake failed' },
  'dtls.alert': { stage: 'S4', status: 480, text: 'peer sent a fatal DTLS alert' },
  'dtls.fingerprint-mismatch': {
    stage: 'S4',
    status: 480,
    text: 'certificate does not match the fingerprint',
  },
  'dtls.no-common-profile': { stage: 'S4', status: 480, text: 'no common SRTP profile in DTLS' },
} as const

export type MediaCode = keyof typeof MEDIA_CODES

/** The one error of `media/`. `expected` and `seen` never hold keys. */
export class MediaFailure extends Error {
  readonly code: MediaCode
  readonly expected: string | undefined
  readonly seen: string | undefined

  constructor(code: MediaCode, detail: { expected?: string; seen?: string; cause?: unknown } = {}) {
    const expected = detail.expected === undefined ? '' : `, expected ${detail.expected}`
    const seen = detail.seen === undefined ? '' : `, seen ${detail.seen}`
    super(`${MEDIA_CODES[code].text}${expected}${seen}`, { cause: detail.cause })
    this.name = 'MediaFailure'
    this.code = code
    this.expected = detail.expected
    this.seen = detail.seen
  }
}
