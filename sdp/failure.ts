/** What can be wrong with a session description; all of it is stage S2. */
export const SDP_CODES = {
  'sdp.malformed': {
    stage: 'S2',
    status: 400,
    text: 'malformed session description',
    cause: 'a client or PBX that writes SDP wrongly, or a proxy that cut it',
    remedy: 'look at the line that is named in a capture; update the sender',
  },

  'sdp.too-large': {
    stage: 'S2',
    status: 513,
    text: 'session description is too large',
    cause: 'an offer with many codecs, candidates or video streams',
    remedy: 'turn off unused codecs and video at the sender',
  },

  'sdp.no-audio': {
    stage: 'S2',
    status: 488,
    text: 'no audio that can be used',
    cause: 'an offer of video, fax (T.38) or messages only',
    remedy: 'have the peer offer audio',
  },

  'sdp.no-common-codec': {
    stage: 'S2',
    status: 488,
    text: 'no common codec',
    cause: 'the trunk allows codecs that the other side does not have; nothing is transcoded',
    remedy: 'add PCMU, PCMA, G722 or opus to trunks[].codecs, and enable one of them at the PBX',
  },

  'sdp.no-fingerprint': {
    stage: 'S2',
    status: 488,
    text: 'no DTLS fingerprint',
    cause: 'a client without DTLS-SRTP, or a proxy that took the line away',
    remedy: 'use a WebRTC client; leave the SDP unchanged on the way',
  },

  'sdp.unknown-fingerprint-hash': {
    stage: 'S2',
    status: 488,
    text: 'no fingerprint with a known hash',
    cause: 'a client that offers only SHA-1 or MD5',
    remedy: 'update the client: it must offer sha-256',
  },

  'sdp.no-ice': {
    stage: 'S2',
    status: 488,
    text: 'no ICE credentials',
    cause: 'a client without ICE, or a proxy that took its lines away',
    remedy: 'use a WebRTC client; leave the SDP unchanged on the way',
  },

  'sdp.no-rtcp-mux': {
    stage: 'S2',
    status: 488,
    text: 'no rtcp-mux',
    cause:
      'a client, or a trunk with DTLS, that wants RTCP on a port of its own: DTLS would need a second handshake there',
    remedy:
      'a client: set its rtcpMuxPolicy to require; a trunk: turn rtcp-mux on there (Asterisk: rtcp_mux=yes; Linphone: rtcp_mux=1 under [rtp]), or take media: sdes',
  },

  'sdp.bad-setup': {
    stage: 'S2',
    status: 488,
    text: 'DTLS roles do not fit',
    cause: 'both sides want the same DTLS role, or one changed it in mid-call',
    remedy: 'update the client; actpass in an offer is right',
  },

  'sdp.profile-mismatch': {
    stage: 'S2',
    status: 488,
    text: 'transport profile does not fit the leg',
    cause: 'trunks[].media is not what the PBX sends: rtp, or sdes for RTP/SAVP',
    remedy: "set media of the trunk to what its offer or answer says, or change the PBX's encryption setting",
  },

  'sdp.no-usable-crypto': {
    stage: 'S2',
    status: 488,
    text: 'no usable a=crypto line',
    cause: 'no suite in common in a=crypto, or lines that we cannot take',
    remedy: 'add the suite that was seen to trunks[].suites, or enable AES_CM_128_HMAC_SHA1_80 at the PBX',
  },

  'sdp.crypto-mismatch': {
    stage: 'S2',
    status: 488,
    text: 'answer chose no crypto line of the offer',
    cause: 'a PBX that answers with a tag or suite that we did not offer',
    remedy: 'update the PBX; leave one suite in trunks[].suites',
  },

  'sdp.line-mismatch': {
    stage: 'S2',
    status: 488,
    text: 'media lines of the answer do not match the offer',
    cause: 'a peer that left out, added or swapped m= lines in its answer (RFC 3264)',
    remedy: 'turn video off at the peer; update it',
  },

  'sdp.rejected': {
    stage: 'S2',
    status: 488,
    text: 'audio was rejected',
    cause: 'the peer answered audio with port 0',
    remedy:
      'look at the peer why it wants no audio: no codec or no SRTP suite in common (trunks[].codecs, media, suites), licence, permission',
  },
  'sdp.audio-elsewhere': {
    stage: 'S2',
    status: 488,
    text: 'audio in a section of its own that cannot be used',
    cause:
      'a page that sends or hears in a new audio section outside the BUNDLE of the call, without a codec of it, or before the one it heard by',
    remedy:
      'use replaceTrack() for another microphone, and leave the section that the call began with open to hear by',
    isWarning: true,
  },
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
