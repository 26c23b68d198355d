/** What can be wrong with a session description; all of it is stage S2. */
export const SDP_CODES = {
  'sdp.malformed': { stage: 'S2', status: 400, text: 'malformed session description' },
  'sdp.too-large': { stage: 'S2', status: 513, text: 'session description is too large' },
  'sdp.no-audio': { stage: 'S2', status: 488, text: 'no audio that can be used' },
  'sdp.no-common-codec': { stage: 'S2', status: 488, text: 'no common codec' },
  'sdp.no-fingerprint': { stage: 'S2', status: 488, text: 'no DTLS fingerprint' },
  'sdp.unknown-fingerprint-hash': { stage: 'S2', status: 488, text: 'no fingerprint with a known hash' },
  'sdp.no-ice': { stage: 'S2', status: 488, text: 'no ICE credentials' },
  'sdp.no-rtcp-mux': { stage: 'S2', status: 488, text: 'no rtcp-mux' },
  'sdp.bad-setup': { stage: 'S2', status: 488, text: 'DTLS roles do not fit' },
  'sdp.profile-mismatch': { stage: 'S2', status: 488, text: 'transport profile does not fit the leg' },
  'sdp.no-usable-crypto': { stage: 'S2', status: 488, text: 'no usable a=crypto line' },
  'sdp.crypto-mismatch': { stage: 'S2', status: 488, text: 'answer chose no crypto line of the offer' },
  'sdp.line-mismatch': { stage: 'S2', status: 488, text: 'media lines of the answer do not match the offer' },
  'sdp.rejected': { stage: 'S2', status: 488, text: 'audio was rejected' },
} as const

export type SdpCode = keyof typeof SDP_CODES

/** The one error of `sdp/`. `expected` and `seen` never hold keys. */
export class SdpFailure extends Error {
  readonly code: SdpCode
  readonly expected: string | undefined
  readonly seen: string | undefined

  constructor(code: SdpCode, detail: { expected?: string; seen?: string; cause?: unknown } = {}) {
    const expected = detail.expected === undefined ? '' : `, expected ${detail.expected}`
    const seen = detail.seen === undefined ? '' : `, seen ${detail.seen}`
    super(`${SDP_CODES[code].text}${expected}${seen}`, { cause: detail.cause })
    this.name = 'SdpFailure'
    this.code = code
    this.expected = detail.expected
    this.seen = detail.seen
  }
}
