import { type Clock, systemClock } from './clock.ts'
import type { MediaEngine, MediaObserver, MediaSession } from './engine.ts'
import { MediaFailure } from './failure.ts'
import { sumOf } from './leg/leg-routing.ts'
import type { LegTimeouts } from './leg-host.ts'
import type { DtlsContext, NativeAddon } from './native/boundary.ts'
import { native } from './native/index.ts'
import { NativeSession, type SessionHost } from './native-session.ts'
import type { SrtpSuite } from './parameters.ts'
import { PortPool } from './ports/port-pool.ts'
import { RECEIVE_BUFFER_BYTES, type ReceiveBuffer } from './receive-buffer.ts'
import { RelayLane, type RelayLaneParts } from './relay/relay-lane.ts'
import { HEARTBEAT_MS } from './relay/relay-watchdog.ts'
import { type ThreadState, threadsOf } from './relay/threads.ts'

export interface NativeEngineOptions extends LegTimeouts {
  /** Local addresses of browser media, in order of preference; at least one. */
  readonly addresses: readonly string[]
  /** Replaces them in candidates (1:1 NAT). */
  readonly announced: readonly string[]
  /** Threads of the packet path, 1 to 64; default 1. A session stays on one. */
  readonly threads?: number
  /**
   * Shared by all browser legs of a thread on each address: this one those of the first, the next one those of the second,
   * and so on; 0: each picks one.
   */
  readonly webrtcPort: number
  /** Further addresses from which a socket of ours may send, or under which it is known: those towards trunks. */
  readonly ownAddresses?: readonly string[]
  readonly rtpPortMin: number
  readonly rtpPortMax: number
  readonly portRestMs: number
  readonly maxSessions: number
  /** A thread whose load is that high takes new sessions only when all others are as busy; default 1. */
  readonly maxLoad?: number
  /** Longest time that packets wait for each other under load; default 500. */
  readonly gatherUs?: number
  /** Mark of all media that leaves (RFC 2474), 0 to 63; default 0, none. */
  readonly dscp?: number
}

/** For tests, and for whoever wants to hear of contained errors. */
export interface NativeEngineParts {
  readonly addon?: NativeAddon
  readonly clock?: Clock
  /** In [0, 1). */
  readonly random?: () => number
  /** Errors that are our own and were contained. */
  readonly report?: (error: unknown) => void
  /** A thread of the packet path has not answered for seconds; what the kernel says of it, if it does. */
  readonly onStalled?: (name: string, thread: ThreadState | undefined) => void
  /** It answers again. */
  readonly onRecovered?: (name: string) => void
}

/** Less delay than a browser's jitter buffer evens out anyway. */
const GATHER_US = 500
/** Chromium and Firefox judge the certificate by its fingerprint only; it lives as long as the process. */
const CERTIFICATE_DAYS = 3650
/**
 * Best first. AES-128 is as strong as the handshake's curves and cheaper than AES-256, which is for peers that insist.
 * GCM is one pass, HMAC-SHA1 a second one that costs more than AES; four bytes of tag are better than no media.
 */
const DTLS_SUITES: readonly SrtpSuite[] = [
  'AEAD_AES_128_GCM',
  'AEAD_AES_256_GCM',
  'AES_CM_128_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_32',
]
/** Fits any path that carries the browsers' own flights. */
const DTLS_MTU = 1200

/**
 * The embedded media engine: ICE and the order of things here, packets in the addon. Binds the browser port at once;
 * throws `media.no-port` when it cannot.
 */
export function createNativeEngine(options: NativeEngineOptions, parts: NativeEngineParts = {}): MediaEngine {
  return new NativeEngine(options, parts)
}

class NativeEngine implements MediaEngine {
  readonly #options: NativeEngineOptions
  readonly #lanes: readonly RelayLane[]
  readonly #ports: PortPool
  readonly #sessions = new Set<NativeSession>()
  readonly #counts = new Map<string, number>()
  readonly #report: (error: unknown) => void
  readonly #host: SessionHost
  #cancelHeartbeat = (): void => undefined
  #isClosed = false

  constructor(options: NativeEngineOptions, parts: NativeEngineParts) {
    const addon = parts.addon ?? native
    const random = parts.random ?? Math.random
    const clock = parts.clock ?? systemClock
    this.#options = options
    this.#report = parts.report ?? (() => undefined)
    this.#ports = new PortPool({
      min: options.rtpPortMin,
      max: options.rtpPortMax,
      restMs: options.portRestMs,
      random,
    })
    const report = (error: unknown): void => this.#reportError(error)
    const dtls = createDtls(addon)
    this.#lanes = openLanes(options, { addon, ports: this.#ports, clock, report })
    this.#host = {
      dtls,
      ports: this.#ports,
      clock,
      timeouts: options,
      random,
      count: (reason) => this.#count(reason),
      report,
      closed: (session) => this.#sessions.delete(session),
    }
    this.#checkHeartbeats(parts)
  }

  async openSession(callId: string, observer: MediaObserver): Promise<MediaSession> {
    if (this.#isClosed) throw new MediaFailure('media.closed')
    const { maxSessions } = this.#options
    if (this.#sessions.size >= maxSessions) {
      this.#count('media.overload')
      throw new MediaFailure('media.overload', { expected: `at most ${maxSessions} sessions` })
    }
    const lane = this.#nextLane()
    if (lane.isStalled) {
      this.#count('media.stalled')
      throw new MediaFailure('media.stalled')
    }
    const session = new NativeSession(callId, observer, this.#host, lane)
    this.#sessions.add(session)
    return session
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelHeartbeat()
    for (const session of [...this.#sessions]) await session.close()
    for (const lane of this.#lanes) lane.close()
  }

  tables(): Readonly<Record<string, number>> {
    const sessions = [...this.#sessions]
    const { legs = 0, tuples = 0, players = 0 } = sumOf(...this.#lanes.map((lane) => lane.tables()))
    return {
      sessions: sessions.length,
      legs: sessions.reduce((sum, session) => sum + session.legs, 0),
      dtlsSessions: sessions.reduce((sum, session) => sum + session.dtlsSessions, 0),
      rtpPorts: this.#ports.leased,
      legIds: this.#lanes.reduce((sum, lane) => sum + lane.legs, 0),
      relayLegs: legs,
      relayTuples: tuples,
      relayPlayers: players,
    }
  }

  load(): number {
    return this.#nextLane().load()
  }

  get receiveBuffer(): ReceiveBuffer {
    const granted = this.#lanes.map((lane) => lane.receiveBufferBytes)
    return { askedBytes: RECEIVE_BUFFER_BYTES, grantedBytes: Math.min(...granted) }
  }

  loads(): readonly number[] {
    return this.#lanes.map((lane) => lane.load())
  }

  get stalledThreads(): number {
    return this.#lanes.filter((lane) => lane.isStalled).length
  }

  counters(): Readonly<Record<string, number>> {
    return { ...sumOf(...this.#lanes.map((lane) => lane.counters())), ...Object.fromEntries(this.#counts) }
  }

  #nextLane(): RelayLane {
    const { maxLoad = 1 } = this.#options
    return this.#lanes.reduce((best, lane) =>
      isLess(busyness(lane, maxLoad), busyness(best, maxLoad)) ? lane : best,
    )
  }

  /** By the real time, in which the threads are. */
  #checkHeartbeats(parts: NativeEngineParts): void {
    this.#cancelHeartbeat = systemClock.schedule(HEARTBEAT_MS, () => {
      // First, whatever becomes of this one.
      this.#checkHeartbeats(parts)
      for (const lane of this.#lanes) {
        if (!lane.checkHeartbeat()) continue
        if (!lane.isStalled) parts.onRecovered?.(lane.name)
        else
          parts.onStalled?.(
            lane.name,
            threadsOf().find(({ name }) => name === lane.name),
          )
      }
    })
  }

  #count(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1)
  }

  #reportError(error: unknown): void {
    this.#count('media.internal')
    this.#report(error)
  }
}

/**
 * What a lane has to do: legs, and sessions that will have some. Load follows with a second's delay, so that calls that come
 * together would all go to one; but where it is too high already (a flood on one port), legs say too little. One that has stalled
 * comes last of all.
 */
function busyness(lane: RelayLane, maxLoad: number): readonly number[] {
  const load = lane.load()
  const isFull = load >= maxLoad
  return [lane.isStalled ? 2 : isFull ? 1 : 0, lane.legs, lane.sessions, load]
}

/** By the first that differs. */
function isLess(one: readonly number[], other: readonly number[]): boolean {
  const at = one.findIndex((value, index) => value !== other[index])
  return at >= 0 && (one[at] ?? 0) < (other[at] ?? 0)
}

function createDtls(addon: NativeAddon): DtlsContext {
  const certificate = addon.createCertificate({ commonName: 'webtrunk', days: CERTIFICATE_DAYS, names: [] })
  return addon.createDtlsContext({
    ...certificate,
    suites: DTLS_SUITES,
    mtu: DTLS_MTU,
  })
}

/** All of them, or none. */
function openLanes(options: NativeEngineOptions, parts: RelayLaneParts): readonly RelayLane[] {
  const { threads = 1, webrtcPort, ownAddresses = [], gatherUs = GATHER_US, dscp = 0 } = options
  const lanes: RelayLane[] = []
  try {
    for (let index = 0; index < threads; index++) {
      const port = webrtcPort === 0 ? 0 : webrtcPort + index
      lanes.push(new RelayLane({ ...options, index, webrtcPort: port, ownAddresses, gatherUs, dscp }, parts))
    }
    return lanes
  } catch (error) {
    for (const lane of lanes) lane.close()
    throw error
  }
}
