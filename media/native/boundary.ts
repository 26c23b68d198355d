import type { KeyFormat, KeyPress, SrtpSuite, TransportAddress } from '../parameters.ts'

/**
 * The shape of the C++ addon: everything TypeScript can ask of it. `index.ts` loads it, `src/binding.cc` is the other
 * side. Wrong arguments are our own mistakes and throw TypeError/RangeError; system errors throw an Error with `code`
 * (`EADDRINUSE`, ...). Nothing that arrives from the network ever throws.
 */
export interface NativeAddon {
  /** `OPENSSL_VERSION_NUMBER` of the headers it was built with, and of the library it runs on. */
  readonly openssl: { readonly built: number; readonly running: number }
  createCertificate(options: CertificateOptions): Certificate
  createDtlsContext(options: DtlsContextOptions): DtlsContext
  /** Starts one relay thread. */
  openRelay(options: RelayOptions): Relay
  /**
   * Has all that the socket behind a file descriptor sends marked with a DSCP (RFC 2474), 0 to 63; 0 leaves it alone. Throws
   * an Error with `code` for what is no socket of IPv4 or IPv6.
   */
  setDscp(fileDescriptor: number, dscp: number): void
}

export interface CertificateOptions {
  readonly commonName: string
  readonly days: number
  /** DNS names and IP addresses for subjectAltName. */
  readonly names: readonly string[]
}

/** ECDSA P-256, self-signed. */
export interface Certificate {
  readonly certificatePem: string
  readonly privateKeyPem: string
}

export interface DtlsContextOptions extends Certificate {
  /** In order of preference. A suite that DTLS has no profile for (AES-192, AES-256 in counter mode) throws. */
  readonly suites: readonly SrtpSuite[]
  /** Largest datagram that we send, bytes of UDP payload. */
  readonly mtu: number
}

export interface DtlsContext {
  /** SHA-256 of our certificate: upper-case hex pairs joined by colons. */
  readonly fingerprint: string
  createSession(role: 'server' | 'client'): DtlsSession
}

/**
 * One DTLS association, without socket or timer: datagrams in by `feed`, out by `take`. Runs on the JavaScript thread.
 * The peer must present a certificate; whether it is the right one is for the caller to decide by `peerFingerprint`
 * before the keys are used. Once connected, records of any kind can only end it by an authenticated alert.
 */
export interface DtlsSession {
  readonly state: 'handshaking' | 'connected' | 'failed' | 'closed'
  /** Set when `failed`: OpenSSL's reason, and the fatal alert received from the peer if that was it. */
  readonly failure: { readonly reason: string; readonly alert: number | undefined } | undefined
  /** Milliseconds until `timeout()` must be called; undefined when no retransmission is pending. */
  readonly timeoutInMs: number | undefined
  /** Client role: sends the ClientHello. */
  start(): void
  feed(datagram: Uint8Array): void
  timeout(): void
  /** Datagrams to send, oldest first; empties the list. */
  take(): Buffer[]
  /** Once connected: negotiated suite and RFC 5764 §4.2 keying material, each key followed by its salt. */
  keys(): { readonly suite: SrtpSuite; readonly receive: Buffer; readonly send: Buffer } | undefined
  /** Once the peer's certificate is known. `hash`: sha-256, sha-384 or sha-512. */
  peerFingerprint(hash: string): string | undefined
  /** Sends close_notify if connected, frees OpenSSL state. May be called twice; afterwards every call is a no-op. */
  close(): void
}

export interface RelayOptions {
  /** 1 to 15 bytes. */
  readonly threadName: string
  readonly maxLegs: number
  /** Bytes of the queue towards TypeScript; a quarter of it is reserved for admitted 5-tuples and legs. */
  readonly queueBytes: number
  /** Token bucket per source address for datagrams that belong to no admitted 5-tuple. */
  readonly strayPerSecond: number
  readonly strayBurst: number
  /** Source addresses kept for the buckets; beyond it, the least recently seen is replaced. */
  readonly maxStraySources: number
  /**
   * Longest pause between two looks at the sockets, 0 to 5000 microseconds. There is none while it would gather less than two
   * packets, and a shorter one when 32 come in less.
   */
  readonly gatherUs: number
  /** Asked of the kernel, each way, for a socket that many legs share: 64 KiB to 256 MiB. */
  readonly sharedBufferBytes: number
  /** Mark of all packets that leave, 0 to 63; 0: none. Where the kernel refuses it they leave without. */
  readonly dscp: number
  /** Called on the JavaScript thread when `takeBatch` has something; not again before it was called. */
  readonly onReady: () => void
}

export interface BoundSocket {
  readonly socket: SocketId
  readonly port: number
  /** As granted, of `sharedBufferBytes`; more than was asked for is no more than a page. */
  readonly receiveBufferBytes: number
}

/** A small integer; never reused while any command for it may be under way (it carries a generation). */
export type LegId = number
/** Index of a bound socket. */
export type SocketId = number

export type NativeLeg =
  | { readonly kind: 'webrtc'; readonly ufrag: string; readonly ssrc: number }
  /** Binds its ports; throws with code EADDRINUSE. `dtls`: its keys come of a handshake there. */
  | ({ readonly kind: 'rtp'; readonly ssrc: number; readonly dtls?: boolean } & NativePorts)
  /**
   * Has its place on shared sockets, among other legs: what comes there from exactly the remote of its
   * description is its own, and nothing else ever is.
   */
  | { readonly kind: 'rtp'; readonly ssrc: number; readonly shared: NativePlace }

/** `rtpPort` and `rtpPort + 1` of `address`. */
export interface NativePorts {
  readonly address: string
  readonly rtpPort: number
}

/** A pair of shared sockets. */
export interface NativePlace {
  readonly rtp: SocketId
  readonly rtcp: SocketId
}

export interface NativeKey {
  readonly suite: SrtpSuite
  /** Master key, then master salt. Copied; the caller may wipe it. */
  readonly keySalt: Uint8Array
  /** Receiving only: what every packet must carry as master key identifier, 1 to 128 bytes (RFC 3711 §3.1). */
  readonly mki?: Uint8Array | undefined
}

export interface RtpTarget {
  readonly rtp: TransportAddress
  /** Undefined: RTCP is muxed on the RTP port. */
  readonly rtcp: TransportAddress | undefined
  /**
   * From now on, for this long, media from another source than `rtp` is accepted and becomes the target; then strict. 0: strict at once.
   * Without effect where `rtp` is in force already and the peer was heard within two seconds.
   */
  readonly latchMs: number
}

export interface NativeRoute {
  /** Leg to forward to; the leg itself for echo. */
  readonly target: LegId
  /**
   * Where it is a leg of another relay: a visitor there. Packets go over by a ring of 512 KiB for each pair of relays, those
   * that do not fit are dropped as `media.crossing-full`, those of a visitor that has gone as `media.crossing-late`. Of the
   * rest of this route only `map` and `events.from` count, and only for the figures of the leg: the visitor has them all.
   */
  readonly relay?: Relay
  readonly map: readonly {
    readonly from: number
    readonly to: number
    readonly clockRateHz: number
    /** PCMU, PCMA, G.722: packets may be cut anywhere. */
    readonly isOneOctetATick?: boolean
  }[]
  /**
   * Key presses as telephone-event (RFC 4733), whose payload types are not in `map`. They are read, and pressed again
   * towards the target's peer in its format; without `to` they go up as records `key-pressed`. 20 a second after a burst
   * of 64, the rest dropped as `dtmf.rate`.
   */
  readonly events?: { readonly from: readonly KeyFormat[]; readonly to?: KeyFormat | undefined } | undefined
  /** Packets of `isOneOctetATick` get this many octets of payload, 80 to 480, and are spaced by that. */
  readonly frameOctets?: number | undefined
}

export interface NativePlayback {
  readonly payloadType: number
  readonly frames: readonly Uint8Array[]
  readonly intervalMs: number
  readonly timestampStep: number
}

/**
 * One relay thread. Leg ids are its own. Commands go through its mailbox and are carried out between batches, in order; a command given before
 * a datagram arrived is in force for it. What one leg's peer may cause in records is limited, kind by kind (200 a second
 * after a burst of 400, dropped as `media.up-rate`).
 */
export interface Relay {
  /** Binds a mux socket for browser legs; port 0 picks one. At most 16, then throws with code ELIMIT. */
  bind(local: TransportAddress): BoundSocket
  /**
   * Binds a pair that trunk legs share. At most 16, then throws with code ELIMIT. What comes there from no leg's remote is
   * dropped as `media.unmatched`.
   */
  bindShared(ports: NativePorts): NativePlace
  /** Throws with code ELIMIT one past `maxLegs`. */
  addLeg(leg: NativeLeg): LegId
  /**
   * A place for a leg of another relay whose route leads to a leg of this one: it has no peer. What comes over for it goes
   * where its own route says, and the key presses in it are its own. Throws as `addLeg`.
   */
  addVisitor(): LegId
  /**
   * Browser leg: an authenticated check arrived from `remote` on `socket`. From now on DTLS and SRTP of this 5-tuple
   * belong to the leg. `nominated`: use it as the target until DTLS or authenticated SRTP shows a better one.
   * At most 16 tuples a leg; the oldest that is not the target is replaced.
   */
  admit(leg: LegId, socket: SocketId, remote: TransportAddress, nominated: boolean): void
  /**
   * Browser leg: the local ufrags by which its checks are known, in place of those before; two during an ICE restart.
   * Nominations choose the target again until DTLS or authenticated SRTP does. Throws when another leg has one of them.
   */
  setUfrags(leg: LegId, ufrags: readonly string[]): void
  /**
   * Trunk leg: where to send and whom to believe; never the unspecified address. Undefined: nothing is sent from now
   * on, and who was believed still is.
   *
   * On shared sockets `latchMs` is without effect, and a remote that another leg has there throws with code ECOLLISION and
   * changes nothing but this: for 10 s the other leg, if plain, believes no other SSRC than the one it hears, because its
   * source may send for both until its description says another port.
   */
  setRemote(leg: LegId, target: RtpTarget | undefined): void
  /**
   * Trunk leg on shared sockets: from now on it has ports of its own, with the remote, keys and stream that it has. Throws as
   * `addLeg`, and changes nothing then.
   */
  moveLeg(leg: LegId, ports: NativePorts): void
  /**
   * Keys or, for a plain RTP leg, 'none' (only then cleartext flows). Until set, everything on the leg is dropped and
   * counted. A repeated call with the same key keeps rollover counters; a new key starts a new context. A trunk leg goes
   * on where it was with any key it ever sent with, and refuses a 17th: then it sends nothing.
   */
  setKeys(leg: LegId, direction: 'receive' | 'send', key: NativeKey | 'none'): void
  setRoute(leg: LegId, route: NativeRoute | undefined): void
  /**
   * The leg plays until told otherwise, whatever is routed to it meanwhile (dropped as `media.playing`). Until it has
   * target and keys, the time passes unheard. Afterwards routed media continues the same stream.
   */
  play(leg: LegId, playback: NativePlayback | undefined): void
  /**
   * Presses a key towards the leg's peer, in the leg's stream and in place of what is routed or played there meanwhile
   * (dropped as `media.key-down`). 1 to 60 000 ms, cut to 100 when another press waits; 32 may wait, the next is dropped
   * as `dtmf.queue-full`.
   */
  press(leg: LegId, press: KeyPress & KeyFormat): void
  /**
   * From now on the peer is to be heard, by RTP or RTCP, at least this often: else there is a record `silent`, once.
   * Looked at every second. Undefined: it may be silent.
   */
  watch(leg: LegId, silenceLimitMs: number | undefined): void
  /** Next records for TypeScript, in the format of `batch.ts`; undefined when there are none. */
  takeBatch(): Buffer | undefined
  /** Sends bytes as they are (STUN response, DTLS flight) from a mux socket. */
  send(socket: SocketId, remote: TransportAddress, datagram: Uint8Array): void
  /** Trunk leg with `dtls`: sends a datagram of the handshake from its RTP port to its target. */
  sendDtls(leg: LegId, datagram: Uint8Array): void
  /** Sends RTCP to the leg's target, protected as the leg is; dropped and counted when there are no keys. */
  sendRtcp(leg: LegId, packet: Uint8Array): void
  stats(leg: LegId): NativeLegStats | undefined
  /** What reports of RTCP are made of. A consistent picture: all of a direction's figures are of one moment. */
  report(leg: LegId): NativeLegReport | undefined
  /** Of the thread: what belonged to no leg, by reason. A reason that did not occur is absent, here and in `drops`. */
  counters(): Readonly<Record<string, number>>
  /**
   * `legs`, `tuples`, `sockets` (bound ones and those of trunk legs), `players`, `straySources` (forgotten when their
   * bucket has recovered). Waits for the commands under way, so what was just removed is gone. All zero once closed.
   */
  tables(): Readonly<Record<string, number>>
  /** Share of the last second that the thread worked, 0 to 1; 0 once closed. */
  load(): number
  /**
   * Asks the thread for a sign of life, unless something is asked of it already; milliseconds that it has been owing one for what
   * was asked before, 0 when it owes none or is closed.
   */
  heartbeat(): number
  /** Frees the leg: sockets closed, keys cleansed. Unknown ids are ignored. */
  remove(leg: LegId): void
  /**
   * Carries out what was asked before, then ends the thread. May be called twice. Afterwards `bind` and `addLeg` throw
   * with code ECLOSED, and everything else is a no-op. False: the thread did not end within 5 s and was left behind.
   */
  close(): boolean
}

/** RTP that the leg accepted and sent; octets are of payload, as in sender reports (RFC 3550 §6.4.1). */
export interface NativeLegStats {
  readonly packetsReceived: number
  readonly octetsReceived: number
  readonly packetsSent: number
  readonly octetsSent: number
  /** Of one received packet in 64: how many were looked into, and how many of those held one byte all through. */
  readonly payloadSamples: number
  readonly flatSamples: number
  readonly drops: Readonly<Record<string, number>>
  readonly remote: TransportAddress | undefined
}

export interface NativeLegReport {
  /** Undefined before the first packet. */
  readonly received?: NativeReceivedReport | undefined
  readonly sent?: NativeSentReport | undefined
}

/** Of the source heard now (RFC 3550 A.1, A.3, A.8), and of all sources there were. */
export interface NativeReceivedReport {
  readonly ssrc: number
  /** Another number means another source, or this one started over; the figures of the one before say nothing of it. */
  readonly epoch: number
  readonly expected: number
  /** Late and repeated packets count, so it may be more than `expected`. */
  readonly received: number
  /** 32 bits: cycles and sequence number. */
  readonly highestSequence: number
  /** As RFC 3550 A.8 has it now. */
  readonly jitterMs: number
  /** 0 while no payload type heard has a route: then jitter is not measured. */
  readonly clockRateHz: number
  readonly expectedInAll: number
  readonly receivedInAll: number
  /** Mean over the leg's life; undefined when nothing was measured. */
  readonly meanJitterMs?: number | undefined
  /** How much faster than time its timestamps go, 1 when they are right; and over how long that was measured. */
  readonly clockRatio?: number | undefined
  readonly clockSpanMs?: number | undefined
  /** The source's last sender report: middle 32 bits of its NTP time, and how long ago it came. */
  readonly senderReport?: { readonly ntpMiddle: number; readonly ageMs: number } | undefined
}

export interface NativeSentReport {
  readonly packets: number
  readonly octets: number
  readonly firstSequence: number
  /** RTP timestamp of the newest packet, its clock rate, and how long ago it was sent. */
  readonly timestamp: number
  readonly clockRateHz: number
  readonly ageMs: number
}

/** What `takeBatch` yields, decoded by `batch.ts`. */
export type RelayRecord =
  /** From a 5-tuple whose USERNAME starts with a known local ufrag: the leg is named. */
  | {
      readonly kind: 'stun'
      readonly leg: LegId
      readonly socket: SocketId
      readonly remote: TransportAddress
      readonly bytes: Buffer
    }
  /**
   * From an admitted 5-tuple; on a trunk leg with `dtls` from its target only, from anywhere while it has none (`socket`
   * is of no meaning there).
   */
  | {
      readonly kind: 'dtls'
      readonly leg: LegId
      readonly socket: SocketId
      readonly remote: TransportAddress
      readonly bytes: Buffer
    }
  /** Decrypted, compound, at most one datagram. */
  | { readonly kind: 'rtcp'; readonly leg: LegId; readonly bytes: Buffer }
  /** First authenticated (or plain accepted) packet of a leg, and first sent one. */
  | { readonly kind: 'first-received' | 'first-sent'; readonly leg: LegId; readonly remote: TransportAddress }
  /** Its peer pressed a key: see `NativeRoute.events`. Told when it was let go. */
  | { readonly kind: 'key-pressed'; readonly leg: LegId; readonly event: number; readonly durationMs: number }
  /** The leg was not heard for as long as `watch` said. */
  | { readonly kind: 'silent'; readonly leg: LegId }
  /** The target of a leg moved (latch, or browser on a new path). */
  | { readonly kind: 'target-moved'; readonly leg: LegId; readonly remote: TransportAddress }
