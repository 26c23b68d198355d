/** What can go wrong in the media plane; stage and SIP status are data. S3 ICE, S4 DTLS, S5 SRTP, S6 media. */
export const MEDIA_CODES = {
  'media.no-port': {
    stage: 'S6',
    status: 503,
    text: 'no free media port',
    cause: 'every port of media.rtpPortMin to rtpPortMax is in use or rests, or the address is not ours',
    remedy: 'widen the range to two ports for each of calls.maxCalls; check media.addresses',
  },

  'media.overload': {
    stage: 'S6',
    status: 503,
    text: 'media plane is full',
    cause: 'as many calls as the media plane was made for',
    remedy: 'raise calls.maxCalls and the port range',
  },

  'media.closed': {
    stage: 'S6',
    status: 503,
    text: 'media plane is closed',
    cause: 'a call that came while the daemon stops',
    remedy: 'try again when it is up',
  },

  'media.internal': {
    stage: 'S6',
    status: 500,
    text: 'unexpected error in the media plane',
    cause: 'a defect of ours',
    remedy: "report it with the log line 'internal error in media' and its stack",
  },

  'media.wrong-leg': {
    stage: 'S6',
    status: 500,
    text: 'leg does not fit the request',
    cause: 'a defect of ours, or a trunk that drops encryption in mid-call',
    remedy: "look at the trunk's newest description; report it if that is sound",
  },

  'media.none-from-trunk': {
    stage: 'S6',
    status: 480,
    text: 'nothing came from the trunk',
    cause:
      'a firewall or NAT between the trunk and media.rtpPortMin to rtpPortMax, or an address in our SDP that it cannot reach',
    remedy:
      'open the range for UDP from the trunk; behind 1:1 NAT set udp.announced; see with tcpdump where its RTP goes',
  },

  'media.none-from-browser': {
    stage: 'S6',
    status: 480,
    text: 'no media came from the browser',
    cause: 'a client that connected and sends nothing',
    remedy: "look at the client's microphone and its outbound-rtp in chrome://webrtc-internals",
  },

  'media.silent': {
    stage: 'S6',
    status: 480,
    text: 'no RTP and no RTCP for too long',
    cause: 'the peer or the way to it died without a BYE',
    remedy:
      'look at the network of the peer; raise media.rtpTimeoutS or rtpHoldTimeoutS if it suppresses silence and sends no RTCP',
  },

  'ice.no-check-seen': {
    stage: 'S3',
    status: 480,
    text: 'no connectivity check arrived',
    cause:
      'UDP from the browser to media.webrtcPort is blocked, or the candidates name an address that it cannot reach',
    remedy:
      'open UDP media.webrtcPort in the firewall; behind 1:1 NAT set media.announced; else give browsers a TURN server (turn.urls)',
  },

  'ice.bad-integrity': {
    stage: 'S3',
    status: 480,
    text: 'connectivity checks carry a wrong password',
    cause: "something on the way changed the SDP, or another call's checks arrive",
    remedy: 'leave ice-ufrag and ice-pwd unchanged on the way; look for a proxy that rewrites SDP',
  },

  'ice.consent-lost': {
    stage: 'S3',
    status: 480,
    text: 'connectivity checks stopped',
    cause: 'the browser is gone: closed, asleep, or its network changed',
    remedy: 'none if it was closed; else look at the network of the browser (Wi-Fi, VPN)',
  },

  'dtls.no-client-hello': {
    stage: 'S4',
    status: 480,
    text: 'no DTLS ClientHello arrived',
    cause: 'a firewall that lets STUN pass but not DTLS, or a client that does not start',
    remedy:
      'look in chrome://webrtc-internals whether the transport is connecting; look for a firewall with deep inspection',
  },

  'dtls.handshake-timeout': {
    stage: 'S4',
    status: 480,
    text: 'DTLS handshake did not finish',
    cause: 'datagrams of the handshake are lost, often the large ones with the certificate',
    remedy: 'look for loss and for a path that drops datagrams above 1200 bytes',
  },

  'dtls.handshake-failed': {
    stage: 'S4',
    status: 480,
    text: 'DTLS handshake failed',
    cause: "the peer's DTLS is broken or too old",
    remedy: 'look at the reason that is seen; update the client',
  },

  'dtls.alert': {
    stage: 'S4',
    status: 480,
    text: 'peer sent a fatal DTLS alert',
    cause: 'the browser refused our certificate, cipher or version',
    remedy: 'fingerprint in our SDP must reach the browser unchanged; update the client',
  },

  'dtls.fingerprint-mismatch': {
    stage: 'S4',
    status: 480,
    text: 'certificate does not match the fingerprint',
    cause: 'something on the way changed the SDP, or sits in the middle of the media',
    remedy:
      'compare a=fingerprint as the client wrote it with what is expected here; take the proxy that rewrites SDP out',
  },

  'dtls.no-common-profile': {
    stage: 'S4',
    status: 480,
    text: 'no common SRTP profile in DTLS',
    cause: 'a client without AES-128-GCM and AES_CM_128_HMAC_SHA1',
    remedy: 'update the client: WebRTC asks for SRTP_AES128_CM_SHA1_80',
  },
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
