import { formatAddress } from './address.ts'
import { type Clock, systemClock } from './clock.ts'
import { MAX_LEGS_PER_SESSION, type MediaEngine, type MediaObserver, type MediaSession } from './engine.ts'
import { MediaFailure } from './failure.ts'
import { hostCandidates } from './host-candidates.ts'
import type { LegTimeouts } from './leg-host.ts'
import { decodeBatch } from './native/batch.ts'
import type { DtlsContext, LegId, NativeAddon, Relay } from './native/boundary.ts'
import { native } from './native/index.ts'
import { NativeSession, type SessionHost } from './native-session.ts'
import type { SrtpSuite } from './parameters.ts'
import { PortPool } from './port-pool.ts'
import { SharedPorts } from './shared-ports.ts'

export interface NativeEngineOptions extends LegTimeouts {
  /** Local addresses of browser media, in order of preference; at least one. */
  readonly addresses: readonly string[]
  /** Replaces them in candidates (1:1 NAT). */
  readonly announced: readonly string[]
  /** Shared by all browser legs on each address; 0 picks one. */
  readonly webrtcPort: number
  /** Further addresses from which a socket of ours may send, or under which it is known: those towards trunks. */
  readonly ownAddresses?: readonly string[]
  readonly rtpPortMin: number
  readonly rtpPortMax: number
  readonly portRestMs: number
  readonly maxSessions: number
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
}

/** Tries to find one port that is free on all addresses. */
const BIND_ATTEMPTS = 16
/** Of the queue from the relay: 3 000 checks and handshake datagrams. */
const QUEUE_BYTES = 4 * 2 ** 20
/** Before its first check is answered a browser sends 20-50 datagrams a second; several sit behind one NAT. */
const STRAY_PER_SECOND = 200
const STRAY_BURST = 400
const MAX_STRAY_SOURCES = 4096
/** Less delay than a browser's jitter buffer evens out anyway. */
const GATHER_US = 500
/** Legs that the relay's thread has yet to free. */
const SPARE_LEGS = 64
/** What the relay can number. */
const MAX_LEGS = 65_535
/** Batches handled before other work of the thread gets its turn. */
const BATCHES_PER_TURN = 4
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
  readonly #relay: Relay
  readonly #ports: PortPool
  readonly #sessions = new Set<NativeSession>()
  readonly #legs = new Map<LegId, NativeSession>()
  readonly #counts = new Map<string, number>()
  readonly #report: (error: unknown) => void
  readonly #host: SessionHost
  #isDraining = false
  #isClosed = false

  constructor(options: NativeEngineOptions, parts: NativeEngineParts) {
    const addon = parts.addon ?? native
    const random = parts.random ?? Math.random
    this.#options = options
    this.#report = parts.report ?? (() => undefined)
    this.#ports = new PortPool({
      min: options.rtpPortMin,
      max: options.rtpPortMax,
      restMs: options.portRestMs,
      random,
    })
    const dtls = createDtls(addon)
    const { relay, port } = openRelay(addon, options, () => this.#drain())
    this.#relay = relay
    const clock = parts.clock ?? systemClock
    const { addresses, announced, ownAddresses = [] } = options
    this.#host = {
      relay,
      dtls,
      candidates: hostCandidates(options.addresses, options.announced, port),
      ports: this.#ports,
      shared: new SharedPorts({
        relay,
        ports: this.#ports,
        clock,
        ownAddresses: [...addresses, ...announced, ...ownAddresses],
      }),
      clock,
      timeouts: options,
      random,
      count: (reason) => this.#count(reason),
      report: (error) => this.#reportError(error),
      enter: (id, session) => this.#legs.set(id, session),
      leave: (id) => this.#legs.delete(id),
      closed: (session) => this.#sessions.delete(session),
    }
  }

  async openSession(callId: string, observer: MediaObserver): Promise<MediaSession> {
    if (this.#isClosed) throw new MediaFailure('media.closed')
    const { maxSessions } = this.#options
    if (this.#sessions.size >= maxSessions) {
      this.#count('media.overload')
      throw new MediaFailure('media.overload', { expected: `at most ${maxSessions} sessions` })
    }
    const session = new NativeSession(callId, observer, this.#host)
    this.#sessions.add(session)
    return session
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const session of [...this.#sessions]) await session.close()
    this.#relay.close()
  }

  tables(): Readonly<Record<string, number>> {
    const sessions = [...this.#sessions]
    const { legs = 0, tuples = 0, players = 0 } = this.#isClosed ? {} : this.#relay.tables()
    return {
      sessions: sessions.length,
      legs: sessions.reduce((sum, session) => sum + session.legs, 0),
      dtlsSessions: sessions.reduce((sum, session) => sum + session.dtlsSessions, 0),
      rtpPorts: this.#ports.leased,
      legIds: this.#legs.size,
      relayLegs: legs,
      relayTuples: tuples,
      relayPlayers: players,
    }
  }

  load(): number {
    return this.#relay.load()
  }

  counters(): Readonly<Record<string, number>> {
    return { ...(this.#isClosed ? {} : this.#relay.counters()), ...Object.fromEntries(this.#counts) }
  }

  /** A few batches, then again in the next turn of the event loop while there are more. */
  #drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    if (this.#takeBatches()) {
      setImmediate(() => {
        this.#isDraining = false
        this.#drain()
      })
    } else this.#isDraining = false
  }

  /** Whether there may be more. */
  #takeBatches(): boolean {
    try {
      for (let turn = 0; turn < BATCHES_PER_TURN; turn++) {
        const batch = this.#isClosed ? undefined : this.#relay.takeBatch()
        if (batch === undefined) return false
        for (const record of decodeBatch(batch)) this.#legs.get(record.leg)?.onRecord(record)
      }
    } catch (error) {
      this.#reportError(error)
    }
    return true
  }

  #count(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1)
  }

  #reportError(error: unknown): void {
    this.#count('media.internal')
    this.#report(error)
  }
}

function createDtls(addon: NativeAddon): DtlsContext {
  const certificate = addon.createCertificate({ commonName: 'webtrunk', days: CERTIFICATE_DAYS, names: [] })
  return addon.createDtlsContext({
    ...certificate,
    suites: DTLS_SUITES,
    mtu: DTLS_MTU,
  })
}

/** A relay with its browser port bound on every address: the first picks, the others follow, or all try again. */
function openRelay(
  addon: NativeAddon,
  options: NativeEngineOptions,
  onReady: () => void,
): { readonly relay: Relay; readonly port: number } {
  for (let attempt = 1; ; attempt++) {
    const relay = addon.openRelay({
      maxLegs: Math.min(options.maxSessions * MAX_LEGS_PER_SESSION + SPARE_LEGS, MAX_LEGS),
      queueBytes: QUEUE_BYTES,
      strayPerSecond: STRAY_PER_SECOND,
      strayBurst: STRAY_BURST,
      maxStraySources: MAX_STRAY_SOURCES,
      gatherUs: options.gatherUs ?? GATHER_US,
      dscp: options.dscp ?? 0,
      onReady,
    })
    let port = options.webrtcPort
    try {
      for (const address of options.addresses) port = bind(relay, address, port)
      return { relay, port }
    } catch (error) {
      relay.close()
      if (options.webrtcPort !== 0 || attempt === BIND_ATTEMPTS) throw error
    }
  }
}

function bind(relay: Relay, address: string, port: number): number {
  try {
    return relay.bind({ address, port }).port
  } catch (cause) {
    const seen = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new MediaFailure('media.no-port', { expected: formatAddress({ address, port }), seen, cause })
  }
}
