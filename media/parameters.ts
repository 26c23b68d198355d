/**
 * Plain values that describe media: what `sdp/` reads and writes, and what a `MediaEngine` takes and gives.
 * Types only (and the lists they come from), so that every layer may use them.
 */

/** An IP address and port as text and number, never a host name. */
export interface TransportAddress {
  /** IPv4 dotted or IPv6 without brackets. */
  readonly address: string
  readonly port: number
}

/** Bytes of a key, password or hash. Prints as `[redacted]` wherever it is logged or serialised. */
export interface SecretBytes {
  reveal(): Uint8Array
  toString(): string
  toJSON(): string
}

/** One RTP payload format as it stands on one leg. */
export interface Codec {
  /** Encoding name as registered, compared without case: `opus`, `G722`, `PCMU`, `PCMA`, `telephone-event`. */
  readonly name: string
  /** RTP clock rate in Hz (G722 is 8000 here: RFC 3551 §4.5.2). */
  readonly clockRateHz: number
  readonly channels: number
  /** 0..127 */
  readonly payloadType: number
  /** The value of `a=fmtp` as sent, without the payload type; undefined when there is none. */
  readonly format: string | undefined
}

/** `receives` and `sends` as seen from the party that wrote the description (RFC 3264 §5.1). */
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** Names as in the IANA registries of RFC 4568 and 6188 (SDES) and RFC 5764 and 7714 (DTLS), SDES spelling. */
export type SrtpSuite =
  | 'AES_CM_128_HMAC_SHA1_80'
  | 'AES_CM_128_HMAC_SHA1_32'
  | 'AES_192_CM_HMAC_SHA1_80'
  | 'AES_192_CM_HMAC_SHA1_32'
  | 'AES_256_CM_HMAC_SHA1_80'
  | 'AES_256_CM_HMAC_SHA1_32'
  | 'AEAD_AES_128_GCM'
  | 'AEAD_AES_256_GCM'

/** Key and salt lengths in bytes. */
export const SRTP_SUITES = {
  AES_CM_128_HMAC_SHA1_80: { keyLength: 16, saltLength: 14 },
  AES_CM_128_HMAC_SHA1_32: { keyLength: 16, saltLength: 14 },
  AES_192_CM_HMAC_SHA1_80: { keyLength: 24, saltLength: 14 },
  AES_192_CM_HMAC_SHA1_32: { keyLength: 24, saltLength: 14 },
  AES_256_CM_HMAC_SHA1_80: { keyLength: 32, saltLength: 14 },
  AES_256_CM_HMAC_SHA1_32: { keyLength: 32, saltLength: 14 },
  AEAD_AES_128_GCM: { keyLength: 16, saltLength: 12 },
  AEAD_AES_256_GCM: { keyLength: 32, saltLength: 12 },
} as const satisfies Record<SrtpSuite, { keyLength: number; saltLength: number }>

/** Hashes that we compute, strongest first, and their lengths in bytes. RFC 8122 §5 forbids MD5; SHA-1 is broken. */
export const FINGERPRINT_HASHES = [
  ['sha-512', 64],
  ['sha-384', 48],
  ['sha-256', 32],
] as const

/** One usable `a=crypto` line (RFC 4568 §9.1). */
export interface SdesKey {
  readonly tag: number
  readonly suite: SrtpSuite
  /** Master key followed by master salt, lengths as in `SRTP_SUITES`. */
  readonly keySalt: SecretBytes
  /** Master key identifier that the line's writer puts into its packets, as it stands there; ours have none. */
  readonly mki?: Uint8Array | undefined
}

export interface Fingerprint {
  /** Lower case: `sha-256`. */
  readonly hash: string
  /** Upper-case hex pairs joined by colons. */
  readonly value: string
}

export interface IceCredentials {
  readonly ufrag: string
  readonly pwd: string
}

/** A host candidate of ours, component 1, UDP (RFC 8839 §5.1). */
export interface IceCandidate extends TransportAddress {
  readonly foundation: string
  readonly priority: number
  readonly type: 'host'
}

/** RFC 4145 §4. `holdconn` never gets this far. */
export type DtlsSetup = 'active' | 'passive' | 'actpass'

/** What a description says of the association that its media keys come of. */
export interface DtlsRemote {
  /** Those with a hash we can compute, strongest first; at least one. */
  readonly fingerprints: readonly Fingerprint[]
  /** The peer's role as it stands after offer/answer; an offered `actpass` means that we answered `passive`. */
  readonly setup: DtlsSetup
  /** RFC 8842 §4; undefined where the peer does not write it, as browsers. */
  readonly tlsId?: string | undefined
}

/** Our side of a browser leg. Always ICE-lite, always muxed. */
export interface WebrtcLocal {
  readonly kind: 'webrtc'
  readonly ice: IceCredentials
  readonly candidates: readonly IceCandidate[]
  readonly fingerprint: Fingerprint
  /** Another one with each new DTLS association; told to a peer that tells its own. */
  readonly tlsId?: string | undefined
  /** SSRC and CNAME of what we send. */
  readonly ssrc: number
  readonly cname: string
}

/** Our side of a trunk leg. */
export interface RtpLocal {
  readonly kind: 'rtp'
  readonly rtp: TransportAddress
  readonly rtcpPort: number
  /** What we send with; one line per suite offered, or the single chosen one. Empty: plain RTP. */
  readonly crypto: readonly SdesKey[]
  /** Keys come of a handshake on the RTP port. */
  readonly dtls?: { readonly fingerprint: Fingerprint; readonly tlsId: string } | undefined
  readonly ssrc: number
  readonly cname: string
}

export type LocalTransport = WebrtcLocal | RtpLocal

/** The peer's side of a browser leg, as its description says. Its candidates are ignored on purpose (learnt as prflx). */
export interface WebrtcRemote extends DtlsRemote {
  readonly kind: 'webrtc'
  readonly ice: IceCredentials
}

/** The peer's side of a trunk leg. */
export interface RtpRemote {
  readonly kind: 'rtp'
  readonly rtp: TransportAddress
  /** Undefined when RTCP is muxed on the RTP port. */
  readonly rtcp: TransportAddress | undefined
  /** What the peer sends with, and the tag both agreed on; undefined: plain RTP. */
  readonly crypto: SdesKey | undefined
  /** Of a leg whose keys come of a handshake. */
  readonly dtls?: DtlsRemote | undefined
}

export type RemoteTransport = WebrtcRemote | RtpRemote

/** One payload type of the source leg and what it becomes on the other. */
export interface PayloadMapping {
  readonly from: number
  readonly to: number
  readonly clockRateHz: number
  /** PCMU, PCMA, G.722: an octet is a tick of the clock, so packets may be cut anywhere. */
  readonly isOneOctetATick?: boolean
}

/** telephone-event (RFC 4733) as one leg has it. */
export interface KeyFormat {
  readonly payloadType: number
  readonly clockRateHz: number
}

/** A key that was pressed. */
export interface KeyPress {
  /** RFC 4733 §3.2: 0-9, 10 `*`, 11 `#`, 12-15 A-D, 16 flash; there are others. */
  readonly event: number
  readonly durationMs: number
}
