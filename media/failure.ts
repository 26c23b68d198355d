/** What can go wrong in the media plane; stage and SIP status are data. S3 ICE, S4 DTLS, S5 SRTP, S6 media. */
export const MEDIA_CODES = {
  'media.no-port': {
    stage: 'S6',
    status: 503,
    text: 'no free media port',
    cause:
      'every port of media.rtpPortMin to rtpPortMax is in use or rests; or, where an address is expected, it is not ours',
    remedy:
      'widen the range to two ports for each of calls.maxCalls; check the address: towards browsers it is one of media.addresses, towards trunks the host of udp, tcp or tls',
  },

  'media.overload': {
    stage: 'S6',
    status: 503,
    text: 'media plane is full',
    cause: 'as many calls as the media plane was made for',
    remedy: 'raise calls.maxCalls and the port range',
  },

  'media.system-limit': {
    stage: 'S6',
    status: 503,
    text: 'system gives no socket for media',
    cause:
      'EMFILE: as many open files as the process may have (ENFILE: as the machine may); ENOMEM, ENOBUFS: no memory left for sockets',
    remedy:
      'raise LimitNOFILE of the service to one for each browser and two for each trunk call, or fs.file-max; look at the memory of the machine or the limit of the container',
  },

  'media.stalled': {
    stage: 'S6',
    status: 503,
    text: 'media thread does not answer',
    cause:
      'a defect of ours, or of the kernel: the thread that carries this call, or every one that could, stands still',
    remedy:
      "restart the daemon; report the log line 'a media thread does not answer', which says where it stands",
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
      'open the range for UDP from the trunk; behind 1:1 NAT set udp.announced; see with tcpdump where its RTP goes; leave out mediaPorts: shared',
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

  'media.stopped': {
    stage: 'S6',
    status: 480,
    text: 'audio of the peer stopped in mid-call, or did not come back after a hold',
    cause:
      'the media of a PBX died or its address changed, a NAT on the way forgot the call, a PBX that resumes without sending; a browser whose microphone was taken away',
    remedy:
      'webtrunk explain --timeline shows what was agreed before; see with tcpdump whether its RTP still leaves the peer; at a browser look at its microphone',
    isWarning: true,
  },

  'ice.no-check-seen': {
    stage: 'S3',
    status: 480,
    text: 'no connectivity check arrived',
    cause:
      'UDP from the browser to media.webrtcPort is blocked, or the candidates name an address that it cannot reach',
    remedy:
      'open UDP media.webrtcPort in the firewall (with media.threads so many ports from it on); behind 1:1 NAT set media.announced; else give browsers a TURN server (turn.urls)',
  },

  'ice.bad-integrity': {
    stage: 'S3',
    status: 480,
    text: 'connectivity checks carry a wrong password',
    cause: "something on the way changed the SDP, or another call's checks arrive",
    remedy: 'leave ice-ufrag and ice-pwd unchanged on the way; look for a proxy that rewrites SDP',
  },

  'ice.check-refused': {
    stage: 'S3',
    status: 480,
    text: 'connectivity checks came, and none could be taken',
    cause:
      'a client that leaves the checks to us, which ICE-lite never makes (stun.role-conflict), or one that insists on an attribute we do not know (stun.unknown-attribute)',
    remedy: 'let the client be full ICE and take the controlling role (RFC 8445 §6.1.1); update it',
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

  'dtls.wrong-source': {
    stage: 'S4',
    status: 480,
    text: 'DTLS came from another address than the description names',
    cause:
      'a phone or PBX behind a NAT that describes its own address; or one that names a candidate of ICE and sends from another address',
    remedy:
      'let the peer describe the address it sends from (its external address, or STUN), or stand where no NAT is between; with media: sdes the address is learnt',
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
  'ice.stale-ufrag': {
    stage: 'S3',
    status: 480,
    text: 'connectivity checks are for other credentials',
    cause: 'the browser restarted ICE and its description did not get here, or an old page sends',
    remedy: 'look whether a proxy drops re-INVITE or UPDATE; reload the page',
  },
  'ice.no-nomination': {
    stage: 'S3',
    status: 480,
    text: 'connectivity checks came, and none nominates a path',
    cause: 'a client whose ICE never comes to an end: it is not controlling, or loses our answers',
    remedy:
      'look in chrome://webrtc-internals at the candidate pairs; look for a firewall that lets only one direction pass',
  },
  'dtls.flight-unanswered': {
    stage: 'S4',
    status: 480,
    text: 'peer repeats its ClientHello and never goes on',
    cause:
      'our answers do not reach it: a firewall that lets one direction pass, or a path that drops datagrams near 1200 bytes',
    remedy: 'capture UDP at the client: our ServerHello must arrive there; lower the MTU of a VPN on the way',
  },
  'dtls.no-common-cipher': {
    stage: 'S4',
    status: 480,
    text: 'no common cipher in DTLS',
    cause: 'a client without ECDHE-ECDSA or ECDHE-RSA with AES-GCM',
    remedy: 'update the client',
  },
  'dtls.no-common-group': {
    stage: 'S4',
    status: 480,
    text: 'no common group for the key exchange in DTLS',
    cause: 'a client that offers only groups which our OpenSSL does not have',
    remedy: 'enable X25519 or P-256 in the client; update Node.js',
  },
  'dtls.no-common-version': {
    stage: 'S4',
    status: 480,
    text: 'no common version of DTLS',
    cause: 'a client of DTLS 1.0 only, or of 1.3 only',
    remedy: 'update the client: DTLS 1.2 is what both must have',
  },
  'srtp.auth-failed': {
    stage: 'S5',
    status: 480,
    text: 'SRTP packets do not authenticate',
    cause:
      'another key than the description says: a PBX or SBC that changed a=crypto on the way, or took the wrong line',
    remedy:
      'compare the a=crypto lines at both ends of the trunk; set media: rtp to prove it is only encryption',
    isWarning: true,
  },
  'srtp.auth-lost': {
    stage: 'S5',
    status: 480,
    text: 'SRTP packets authenticated, and do no more',
    cause:
      'the peer lost its rollover counter (after a hold, or 11 minutes of pause), or took a new key without telling',
    remedy: 'update the PBX; let it re-INVITE with a new key after a hold',
    isWarning: true,
  },
  'srtp.replay': {
    stage: 'S5',
    status: 480,
    text: 'SRTP packets come twice or far too late',
    cause:
      'a peer that restarts its sequence numbers under one key, a loop in the network, or an attacker that replays them',
    remedy: 'look in a capture whether sequence numbers repeat; update the PBX',
    isWarning: true,
  },
  'srtp.mki-not-described': {
    stage: 'S5',
    status: 480,
    text: 'SRTP packets carry an MKI that the description does not have',
    cause: 'a PBX that adds a master key identifier and leaves it out of a=crypto',
    remedy: 'turn MKI off at the PBX, or let it write MKI:length into a=crypto',
    isWarning: true,
  },
  'srtp.wrong-mki': {
    stage: 'S5',
    status: 480,
    text: 'SRTP packets carry another MKI than described',
    cause: 'a PBX that uses another of its keys than it said',
    remedy: 'leave one key in its a=crypto line',
    isWarning: true,
  },
  'srtp.too-many-ssrcs': {
    stage: 'S5',
    status: 480,
    text: 'peer uses more SSRCs with one key than are kept',
    cause: 'a mixer that makes a new source for each talk spurt',
    remedy: 'let it keep its SSRC',
    isWarning: true,
  },
  'media.wrong-source': {
    stage: 'S6',
    status: 480,
    text: 'audio comes from another source than the trunk described',
    cause:
      'a PBX with several addresses, NAT that changes ports in mid-call, or an attacker that injects audio',
    remedy: 'raise media.latchMs if the trunk is slow to start; else look in a capture which host sends',
    isWarning: true,
  },
  'media.wrong-payload-type': {
    stage: 'S6',
    status: 480,
    text: 'audio comes with payload types that nobody agreed on',
    cause:
      'a peer that sends its own numbers instead of those in the SDP, or goes on with a codec that a re-INVITE took away',
    remedy: 'leave one codec in trunks[].codecs; update the peer',
    isWarning: true,
  },
  'media.direction-forbids': {
    stage: 'S6',
    status: 480,
    text: 'peer said in its description that it sends nothing',
    cause:
      'an answer with a=recvonly, inactive or c=0.0.0.0: a trunk that holds the call from the first on, or a client without microphone',
    remedy:
      'look at the description in webtrunk explain --timeline; at the PBX, for music on hold or a missing permission',
    isWarning: true,
  },
  'media.digital-silence': {
    stage: 'S6',
    status: 480,
    text: 'audio is nothing but digital silence',
    cause: 'a muted microphone, or a wrong input device',
    remedy: 'unmute; choose another microphone',
    isWarning: true,
  },
  'media.wrong-clock': {
    stage: 'S6',
    status: 480,
    text: 'RTP timestamps do not go with the clock rate',
    cause:
      'a peer that counts another rate than the codec has: 16000 for G722 instead of 8000, 8000 for opus',
    remedy: 'update the peer; leave another codec in trunks[].codecs',
    isWarning: true,
  },
  'media.wrong-ptime': {
    stage: 'S6',
    status: 480,
    text: 'packets hold more or less audio than asked for',
    cause: 'a PBX that ignores a=ptime',
    remedy: 'set the packet time at the PBX to what is expected here',
    isWarning: true,
  },
  'media.poor': {
    stage: 'S6',
    status: 480,
    text: 'audio is lost or late on its way to us',
    cause: 'loss or jitter in the network of this leg: Wi-Fi, a full line',
    remedy: 'look at loss and jitter of the leg; mark voice in the network (DSCP)',
    isWarning: true,
  },
  'media.shed': {
    stage: 'S6',
    status: 480,
    text: 'the media thread of this call cannot carry all of its calls, and drops what would be late',
    cause: 'more calls than a core carries, a flood, or another program on that core',
    remedy:
      'see webtrunk_media_load and webtrunk_drops_total; give it another core (media.threads), or lower media.maxLoad',
    isWarning: true,
  },
  'media.lost-towards-peer': {
    stage: 'S6',
    status: 480,
    text: 'most of what we send does not arrive',
    cause:
      'a firewall at the peer that lets one direction pass, an address in its SDP that is not where it listens, or a full line',
    remedy: 'capture RTP at the peer; open its firewall',
    isWarning: true,
  },
  'media.not-forwarded': {
    stage: 'S6',
    status: 480,
    text: 'audio of one leg does not go out on the other',
    cause: 'the other leg has no target or no keys yet, or its description names no address',
    remedy: 'look at the other leg above; report it if that is sound',
    isWarning: true,
  },
} as const

export type MediaCode = keyof typeof MEDIA_CODES

/** What a leg fails with whose peer is not heard (`MediaSession.watch`). */
export const SILENCE_CODES: ReadonlySet<MediaCode> = new Set([
  'media.silent',
  'media.none-from-trunk',
  'media.none-from-browser',
])

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
