import type { Codec, Direction, LocalTransport, RemoteTransport, SdesKey } from '../media/parameters.ts'
import type { KeyNeed } from './trunk-terms.ts'

/** Which kind of leg a description belongs to. */
export type LegKind = 'webrtc' | 'rtp'

/** What we keep per leg over its life: the `o=` line (RFC 3264 §8: version +1 on each change only). */
export interface LocalOrigin {
  readonly sessionId: string
  readonly version: number
}

/** One m-section of a peer's description, as far as order and rejection need it. */
export interface Section {
  /** `audio`, `video`, `application`... */
  readonly media: string
  /** As sent, `UDP/TLS/RTP/SAVPF`. */
  readonly protocol: string
  readonly formats: string
  readonly port: number
  readonly mid: string | undefined
}

/** Which sections are in use. */
export interface AudioSections {
  /** Index of the audio section that the peer hears us by, and in most descriptions is heard by too. */
  readonly audioIndex: number
  /** Of the one that a browser's microphone is in, where that is another one of its BUNDLE. */
  readonly microphoneIndex?: number | undefined
  /** Of others of that BUNDLE that live on, without audio. */
  readonly idle: readonly number[]
}

/** A peer's offer, read and checked for its kind of leg. */
export interface Offer extends AudioSections {
  readonly kind: LegKind
  readonly sections: readonly Section[]
  /** In the peer's order, of all sections that carry audio; only well-formed ones; telephone-event included. */
  readonly codecs: readonly Codec[]
  readonly direction: Direction
  readonly ptimeMs: number | undefined
  /** Its first usable crypto is `transport.crypto` (rtp). */
  readonly transport: RemoteTransport
  /** All usable crypto lines, in the peer's order (rtp). */
  readonly crypto: readonly SdesKey[]
  /** `a=group:BUNDLE` members. */
  readonly bundle: readonly string[]
  readonly isMuxed: boolean
  /** A browser sends or hears in a section that we cannot use: one direction has no audio. */
  readonly isAudioElsewhere: boolean
}

/** The m-lines of a dialog: once there, a slot stays, in number and order (RFC 3264 §8). What the peer muxed stays so too. */
export type MediaSlots = Pick<Offer, 'sections' | 'audioIndex'> &
  Partial<Pick<Offer, 'microphoneIndex' | 'idle' | 'bundle' | 'isMuxed'>>

/** What we offered, kept until the answer comes. */
export interface SentOffer {
  readonly kind: LegKind
  readonly codecs: readonly Codec[]
  readonly local: LocalTransport
  /** The m-lines that we sent; undefined: one, audio. */
  readonly slots?: MediaSlots | undefined
  /** Of a trunk leg: what was offered. */
  readonly trunk?: {
    readonly keys: KeyNeed
    readonly protocol: string
    readonly isMuxed: boolean
  }
}

/** A peer's answer to our offer. */
export interface Answer {
  /** Accepted codecs with the payload types that the PEER put in its answer, in its order. */
  readonly codecs: readonly Codec[]
  readonly direction: Direction
  readonly ptimeMs: number | undefined
  readonly transport: RemoteTransport
  /** The line of ours whose tag the peer chose. */
  readonly localCrypto: SdesKey | undefined
}

export interface SdpLimits {
  readonly maxBytes: number
  readonly maxLines: number
  readonly maxLineBytes: number
  readonly maxSections: number
  readonly maxCodecs: number
}

export const DEFAULT_SDP_LIMITS: SdpLimits = {
  maxBytes: 32_768,
  maxLines: 1_000,
  maxLineBytes: 2_048,
  maxSections: 16,
  maxCodecs: 64,
}
