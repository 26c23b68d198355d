export interface StreamLimits {
  /** Connections that trunks opened, and those that we opened towards them. */
  readonly maxConnections: number
  /** Opened by one IPv4 address or IPv6 /64. */
  readonly maxConnectionsPerAddress: number
  /** Connections of peers that are no trunk. They never take the place of a trunk. */
  readonly maxStrangers: number
  /** New connections of one IPv4 address or IPv6 /64; at once, twice as many as may be open: all are lost, and lost again. */
  readonly openedPerSecond: number
  /** The same of all strangers together. */
  readonly strangersPerSecond: number
  /** What a stranger has to say its one message; it is closed then in any case. */
  readonly strangerMs: number
  readonly maxMessageBytes: number
  /** Bytes queued towards a peer that does not read, or to which the connection is not there yet, before it is cut. */
  readonly maxBufferedBytes: number
  /** From the first byte of a message to its last. */
  readonly messageMs: number
  /** Of an incoming TLS handshake. */
  readonly handshakeMs: number
  /** Until a connection of ours can carry a message. */
  readonly connectMs: number
  /** A connection that carries nothing for so long is closed; the next message opens another. */
  readonly idleMs: number
  /** After a connection that failed or said nothing; doubled for each that follows. */
  readonly minBackOffMs: number
  readonly maxBackOffMs: number
  /** Peers remembered. */
  readonly maxPeers: number
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  maxConnections: 1_024,
  maxConnectionsPerAddress: 256,
  maxStrangers: 32,
  openedPerSecond: 50,
  strangersPerSecond: 10,
  strangerMs: 10_000,
  maxMessageBytes: 65_536,
  maxBufferedBytes: 1_048_576,
  messageMs: 10_000,
  handshakeMs: 10_000,
  connectMs: 5_000,
  // Longer than a call says nothing that is refreshed each quarter of an hour. Ends that are dead are TCP's to find (keep-alive).
  idleMs: 7_200_000,
  minBackOffMs: 500,
  maxBackOffMs: 30_000,
  maxPeers: 1_024,
}

export const STREAM_COUNTERS = [
  'accepted',
  'connected',
  'closed',
  'refusedFull',
  'refusedOften',
  'refusedTls',
  'connectFailed',
  'backedOff',
  'cutMalformed',
  'cutTooLarge',
  'cutSlowSender',
  'cutSlowReader',
  'cutIdle',
  'cutSilent',
  'cutStranger',
  'keepAlive',
  'received',
  'sent',
  'sendFailed',
  'error',
] as const

export type StreamCounter = (typeof STREAM_COUNTERS)[number]
