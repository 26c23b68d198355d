import type { MediaFailure } from './failure.ts'
import type {
  KeyFormat,
  KeyPress,
  LocalTransport,
  PayloadMapping,
  RemoteTransport,
  SdesKey,
  SrtpSuite,
} from './parameters.ts'
import type { ReceiveBuffer } from './receive-buffer.ts'

/**
 * The media plane as the gateway sees it: calls are async, parameters plain, no sockets and no SDP.
 * ICE, DTLS, SRTP and the latch live behind it. Errors are `MediaFailure`.
 */
export interface MediaEngine {
  /** `callId` is for logs only. Rejects with `media.overload`, `media.stalled`, `media.closed`. */
  openSession(callId: string, observer: MediaObserver): Promise<MediaSession>
  /** Closes every session. May be called twice. */
  close(): Promise<void>
  /** Live table sizes; all zero when no session is open. Used by the nothing-left-behind test helper. */
  tables(): Readonly<Record<string, number>>
  /** Share of the last second that the thread of the packet path worked which the next session would go to, 0 to 1. */
  load(): number
  /** The same of each thread. */
  loads(): readonly number[]
  /** How many of those threads have not answered for seconds: they carry nothing. While there is one, closing leaves it running. */
  readonly stalledThreads: number
  /** Of the browser ports, which the ports that trunk legs share are like. */
  readonly receiveBuffer: ReceiveBuffer
  /** Drop and overload counters since start, by reason (`stun.unknown-ufrag`, `srtp.auth-failed`, ...). */
  counters(): Readonly<Record<string, number>>
}

/** A leg is named by its place in the call: 'caller', 'callee', and during a transfer a third. */
export type LegName = string

/** Legs of one session; one more is refused with `media.wrong-leg`. */
export const MAX_LEGS_PER_SESSION = 4

export type LegParameters = {
  /**
   * Its peer may have our answer long before it must act on it, which is when the call is answered (RFC 3261 §13.2.1): the time
   * for its first check and its handshake runs from `watch`, not from its description.
   */
  readonly isPatient?: boolean
} & (
  | { readonly kind: 'webrtc' }
  | {
      readonly kind: 'rtp'
      /** The address that goes into the description and is bound. */
      readonly localAddress: string
      /** Keys in descriptions, one a suite. */
      readonly suites: readonly SrtpSuite[]
      /**
       * `required` (default): with `suites` encrypted, without plain. `optional`: encrypted where both descriptions have
       * keys, else plain. `dtls`: keys come of a handshake on the RTP port, with who speaks from where the peer's description
       * says; no suites then.
       */
      readonly keying?: 'required' | 'optional' | 'dtls'
      /**
       * `per-call` (default): a port pair of its own, where the peer's source is learnt. `shared`: one port pair for many legs,
       * for a peer that sends from exactly where its description says; what comes from elsewhere is dropped. The leg gets
       * ports of its own where its peer cannot be told apart there: another leg has the same remote, it is an address of ours
       * (`NativeEngineOptions.ownAddresses`), or it is not heard. With `dtls` always per call.
       */
      readonly ports?: 'per-call' | 'shared'
    }
)

/** What one leg's source does with the packets it receives. */
export type LegRoute =
  /**
   * Forward to another leg of the session through the map; payload types not in it are dropped and counted. While
   * there is no such leg, what comes in is discarded; the route applies as soon as there is one.
   */
  | {
      readonly kind: 'bridge'
      readonly to: LegName
      readonly map: readonly PayloadMapping[]
      /**
       * Key presses in the source's media, which are not in `map`. They are read, and pressed again in the other leg's
       * format, whatever came of their packets on the way; without `to` they go to `onKeyPress`.
       */
      readonly keys?: { readonly from: readonly KeyFormat[]; readonly to: KeyFormat | undefined } | undefined
      /** Packets of `isOneOctetATick` get this length, 10 to 60 ms, exactly paced. Opus keeps its own. */
      readonly packetMs?: number | undefined
    }
  /** Send back to where it came from (same payload types), through our own SSRC. */
  | { readonly kind: 'echo'; readonly map: readonly PayloadMapping[] }
  /** Ignore what comes in. */
  | { readonly kind: 'discard' }

/** A ring of encoded frames sent by the relay itself, one each `intervalMs`, forever. */
export interface Playback {
  readonly payloadType: number
  readonly frames: readonly Uint8Array[]
  readonly intervalMs: number
  /** RTP timestamp units per frame. */
  readonly timestampStep: number
}

export interface MediaSession {
  /**
   * Allocates the leg's transport. At most one leg of each name, and `MAX_LEGS_PER_SESSION` in all. Rejects with `media.no-port`,
   * `media.overload`, `media.system-limit`, `media.wrong-leg`.
   */
  addLeg(leg: LegName, parameters: LegParameters): Promise<LocalTransport>
  /**
   * Moves a live leg of another session of this engine into this one, where it is called `as`: with sockets, keys,
   * counters, and a playback towards it. Its observer calls come here from now on, stages told already are not told
   * again. Its route is discard until it is given one here; bridges that led to it end, and those here to `as` begin.
   * The session it came from may close without touching it.
   *
   * Rejects with `media.wrong-leg` when there is no such leg (any more), it has failed, `as` is taken, this session is
   * full, or the other is of another engine; with `media.closed` when either is closed. Then nothing has moved.
   */
  adopt(from: MediaSession, leg: LegName, as: LegName): Promise<void>
  /** Drops a leg and its transport (a fork that lost). */
  removeLeg(leg: LegName): Promise<void>
  /**
   * Tells what the peer's description said. For an `rtp` leg `localCrypto` is the line of ours the peer chose
   * (same tag; undefined for plain RTP). May be called again (re-INVITE): the same values change nothing. An `rtp`
   * address that is 0.0.0.0, :: or has port 0 is no target: nothing is sent until another is told.
   *
   * Resolves to our own side as it stands afterwards, which is what the answer says; after an answer of the peer's, an offer
   * must tell it what is new. It is the same as before, byte for byte, except when a leg leaves shared ports, and after an
   * ICE restart: a later description with another ufrag or password gives a `webrtc` leg new
   * credentials (RFC 8839 §4.4); all else of the leg goes on. A later description with another certificate means a new
   * DTLS association (RFC 8842 §5); the old keys serve until it has its own. The description before takes either back,
   * as long as the peer has not used the new one. No stage is told again; a handshake that fails ends the leg.
   */
  setRemote(leg: LegName, remote: RemoteTransport, localCrypto?: SdesKey): Promise<LocalTransport>
  /** What becomes of packets received on `leg`. Default: discard. */
  setRoute(leg: LegName, route: LegRoute): Promise<void>
  /** Starts or (undefined) stops a playback towards `leg`'s peer. */
  play(leg: LegName, playback: Playback | undefined): Promise<void>
  /** Presses a key towards `leg`'s peer, between its audio; several follow each other. 32 may wait, more are dropped. */
  press(leg: LegName, key: KeyPress, format: KeyFormat): Promise<void>
  /**
   * The call is answered: from now on `leg`'s peer must be heard, by RTP or RTCP, at least this often, else the leg fails with `media.silent` or
   * `media.none-from-trunk`, `media.none-from-browser` when it never was. Undefined: it may be silent.
   */
  watch(leg: LegName, silenceLimitS: number | undefined): Promise<void>
  stats(): Promise<SessionStats>
  /** Frees sockets (ports rest), keys, DTLS. May be called twice. */
  close(): Promise<void>
}

export interface SessionStats {
  readonly legs: Readonly<Partial<Record<LegName, LegStats>>>
  /** Of each leg whose handshakes are not over although its peer is known: what it would fail with if it had no more time. */
  readonly pending: Readonly<Partial<Record<LegName, MediaFailure>>>
}

export interface LegStats {
  readonly packetsReceived: number
  readonly octetsReceived: number
  readonly packetsSent: number
  readonly octetsSent: number
  /** Dropped packets of this leg by reason. */
  readonly drops: Readonly<Record<string, number>>
  /** Of one received packet in 64: how many were looked into, and how many of those held one byte all through: digital silence. */
  readonly payloadSamples: number
  readonly flatSamples: number
  /** How much faster than time the peer's RTP timestamps go, 1 when they are right; undefined before there are seconds of it. */
  readonly clockRatio: number | undefined
  /** Where media goes; undefined while unknown. */
  readonly remote: string | undefined
  /** Negotiated SRTP suite, 'none' for plain RTP, undefined while no keys. */
  readonly suite: SrtpSuite | 'none' | undefined
  /** Of what the peer sent, 0..1, over the leg's life and all its sources; undefined when nothing came. */
  readonly lossRatio: number | undefined
  /** Mean interarrival jitter (RFC 3550 §6.4.1) over the leg's life; undefined while no payload type had a route. */
  readonly jitterMs: number | undefined
  /** To the peer and back, as last measured; undefined when the peer answers no reports. */
  readonly rttMs: number | undefined
  /** What the above is worth to a listener, 1..4.41: the E-model as `quality.ts` has it. Undefined when nothing came. */
  readonly mos: number | undefined
  /** What the peer last said of the stream it receives; what was lost before it came to us counts too. */
  readonly remoteLossRatio: number | undefined
  readonly remoteJitterMs: number | undefined
  /** RTCP reports (SR, RR) of the peer. */
  readonly peerReports: number
  /** Of those how many in a row, up to the last one, report on no stream, although a hundred packets went out before each. */
  readonly emptyReports: number
}

/** Rungs a leg climbs, in this order; each is reported once. */
export type MediaStageEvent =
  | { readonly kind: 'ice-checked'; readonly remote: string }
  | { readonly kind: 'dtls-started' }
  | { readonly kind: 'dtls-connected'; readonly suite: SrtpSuite }
  | { readonly kind: 'keys-ready' }
  | { readonly kind: 'first-packet'; readonly direction: 'received' | 'sent'; readonly remote: string }

/** What else happens before media flows, for the history of a call; as often as it happens. */
export interface MediaNote {
  readonly what: 'ice-nominated' | 'ice-refused' | 'dtls-flight' | 'target-moved' | 'port-moved'
  readonly direction?: 'received' | 'sent'
  readonly detail: string
}

/** Called on the JavaScript thread, never re-entrantly from a call into the session. */
export interface MediaObserver {
  onStage(leg: LegName, event: MediaStageEvent): void
  /** The leg cannot carry media (any more); the call should end. Reported once per leg. */
  onFailure(leg: LegName, failure: MediaFailure): void
  /** The leg's peer pressed a key, and its route says that you are told. */
  onKeyPress(leg: LegName, key: KeyPress): void
  /** The leg has left shared ports by itself, and the peer must be told by an offer. */
  onMoved?(leg: LegName, local: LocalTransport): void
  onNote?(leg: LegName, note: MediaNote): void
}
