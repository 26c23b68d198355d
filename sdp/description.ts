/**
 * A session description as `parseDescription` reads it and `formatDescription` writes it. Ordinary lines are typed;
 * every other line is kept as it came, in its order, so that nothing is lost between the two.
 */
export interface SessionDescription {
  readonly origin: DescriptionOrigin
  /** `s=`; may be empty (RFC 8866 forbids it, the field does it). */
  readonly name: string
  readonly connection: Connection | undefined
  /** `i u e p b t r z k` lines of the session block, in their order. */
  readonly lines: readonly Line[]
  readonly attributes: readonly Attribute[]
  readonly sections: readonly MediaSection[]
}

/** `o=`. The two numbers are text: 64 bits do not fit a JavaScript number, and some peers write more. */
export interface DescriptionOrigin extends Connection {
  readonly username: string
  readonly sessionId: string
  readonly version: string
}

/** `c=`, and the tail of `o=`. The address is as written: it may be a host name, and is checked where it is used. */
export interface Connection {
  readonly family: 4 | 6
  readonly address: string
}

export interface Line {
  readonly type: string
  readonly value: string
}

/** `a=name` or `a=name:value`. */
export interface Attribute {
  readonly name: string
  readonly value: string | undefined
}

/** One `m=` line and what stands below it. */
export interface MediaSection {
  readonly media: string
  readonly port: number
  /** The `/2` of `m=audio 4000/2`. */
  readonly portCount: number | undefined
  readonly protocol: string
  readonly formats: readonly string[]
  readonly connection: Connection | undefined
  /** `i b k` lines, in their order. */
  readonly lines: readonly Line[]
  readonly mid: string | undefined
  readonly rtpmaps: readonly Rtpmap[]
  readonly fmtps: readonly Fmtp[]
  readonly ptime: number | undefined
  readonly maxptime: number | undefined
  readonly rtcp: { readonly port: number; readonly connection: Connection | undefined } | undefined
  /** All other attributes, and those of the kinds above that repeat an earlier one or cannot be read. */
  readonly attributes: readonly Attribute[]
}

export interface Rtpmap {
  readonly payloadType: number
  readonly name: string
  readonly clockRateHz: number
  readonly channels: number
}

export interface Fmtp {
  readonly payloadType: number
  readonly format: string
}

/** A section with nothing but its `m=` line. */
export const EMPTY_SECTION = {
  portCount: undefined,
  connection: undefined,
  lines: [],
  mid: undefined,
  rtpmaps: [],
  fmtps: [],
  ptime: undefined,
  maxptime: undefined,
  rtcp: undefined,
  attributes: [],
} as const satisfies Partial<MediaSection>
