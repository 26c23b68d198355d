const CR = 0x0d
const LF = 0x0a
const LONGEST = 16

/** Asks for a pong (RFC 5626 §3.5.1, RFC 7118 §6). */
export const isPing = (bytes: Uint8Array): boolean =>
  bytes.length === 4 && bytes[0] === CR && bytes[1] === LF && bytes[2] === CR && bytes[3] === LF

/** Nothing but line ends or zeros, or nothing at all: what phones send to keep a NAT binding open. */
export const isOnlyLineEnds = (bytes: Uint8Array): boolean =>
  bytes.length <= LONGEST && bytes.every((byte) => byte === CR || byte === LF || byte === 0)
