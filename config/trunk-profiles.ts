/** Names of the IANA registry (RFC 4568, 6188, 7714). */
export type SuiteName =
  | 'AES_CM_128_HMAC_SHA1_80'
  | 'AES_CM_128_HMAC_SHA1_32'
  | 'AES_192_CM_HMAC_SHA1_80'
  | 'AES_192_CM_HMAC_SHA1_32'
  | 'AES_256_CM_HMAC_SHA1_80'
  | 'AES_256_CM_HMAC_SHA1_32'
  | 'AEAD_AES_128_GCM'
  | 'AEAD_AES_256_GCM'

/** Kinds of peer with defaults of their own. Nothing but this table ever looks at the name. */
export type ProfileName = 'generic' | 'asterisk' | 'freeswitch' | 'kamailio' | 'teams' | 'twilio'

/** How key presses travel: RFC 4733 in the media, or INFO with `application/dtmf-relay` or `application/dtmf`. */
export type DtmfWay = 'rfc4733' | 'info-relay' | 'info-dtmf'

/** What a trunk is like where it does not say so itself: each value is a key of `trunks[]` that wins over this one. */
export interface TrunkProfile {
  /** Plain RTP, SRTP with keys in the SDP, or SRTP with keys of a DTLS handshake, without ICE. */
  readonly media: 'rtp' | 'sdes' | 'dtls'
  /** For `rtp`: SRTP with keys in the SDP of a plain profile, where the peer can, or always (RFC 8643). */
  readonly osrtp: 'off' | 'optional' | 'required'
  /** Offer the profile with feedback, AVPF and SAVPF; either is taken. */
  readonly avpf: boolean
  /** Offer RTCP on the port of RTP; it is taken when offered, and always so with DTLS. */
  readonly rtcpMux: boolean
  /** Keys in the SDP may travel over UDP and TCP, where everyone on the way reads them (RFC 4568 §8.3). */
  readonly clearKeys: boolean
  /** Offered and accepted where keys are in the SDP, best first. */
  readonly suites: readonly SuiteName[]
  readonly codecs: readonly string[]
  readonly dtmf: DtmfWay
  /** Packet time that the trunk insists on; undefined: it takes what comes. */
  readonly ptimeMs: number | undefined
  /** Session-Expires asked for and granted (RFC 4028); undefined: `calls.sessionExpiresS`. */
  readonly sessionExpiresS: number | undefined
  /** What it is told of the other leg's headers: those that are known to be of use and `X-`, only the former, nothing. */
  readonly passHeaders: 'all' | 'known' | 'none'
}

/** Suites that every PBX knows: more lines make an INVITE larger, and UDP carries it in one datagram. */
const USUAL_SUITES: readonly SuiteName[] = ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32']

const GENERIC: TrunkProfile = {
  media: 'rtp',
  osrtp: 'off',
  avpf: false,
  rtcpMux: false,
  clearKeys: true,
  suites: USUAL_SUITES,
  codecs: ['opus', 'G722', 'PCMU', 'PCMA'],
  dtmf: 'rfc4733',
  ptimeMs: undefined,
  sessionExpiresS: undefined,
  passHeaders: 'all',
}

/**
 * `generic` and `kamailio` are met by tests with SIPp, baresip and Kamailio. The others cannot be: they follow what their
 * makers document (README, "What no test here can meet").
 */
export const PROFILES: Readonly<Record<ProfileName, TrunkProfile>> = {
  generic: GENERIC,
  /** A proxy: what is behind it decides about media. */
  kamailio: GENERIC,
  /** chan_pjsip: `media_encryption=sdes` takes all that libsrtp has; `dtmf_mode=rfc4733`; `timers_sess_expires=1800`. */
  asterisk: { ...GENERIC, suites: [...USUAL_SUITES, 'AES_256_CM_HMAC_SHA1_80'], sessionExpiresS: 1_800 },
  /** mod_sofia: GCM is the first of `rtp_secure_media_suites`; `minimum-session-expires` 120. */
  freeswitch: { ...GENERIC, suites: ['AEAD_AES_256_GCM', ...USUAL_SUITES], sessionExpiresS: 1_800 },
  /** Direct Routing: TLS and SRTP only, one suite, SILK and G.711 and G.722, no header it does not know. */
  teams: {
    ...GENERIC,
    media: 'sdes',
    clearKeys: false,
    suites: ['AES_CM_128_HMAC_SHA1_80'],
    codecs: ['G722', 'PCMU', 'PCMA'],
    ptimeMs: 20,
    sessionExpiresS: 1_800,
    passHeaders: 'known',
  },
  /** Elastic SIP Trunking with secure trunking: TLS and SRTP, one suite, G.711 in 20 ms. */
  twilio: {
    ...GENERIC,
    media: 'sdes',
    clearKeys: false,
    suites: ['AES_CM_128_HMAC_SHA1_80'],
    codecs: ['PCMU', 'PCMA'],
    ptimeMs: 20,
  },
}

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[]
