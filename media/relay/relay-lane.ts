import { formatAddress } from '../address.ts'
import type { Clock } from '../clock.ts'
import { MAX_LEGS_PER_SESSION } from '../engine.ts'
import { MediaFailure } from '../failure.ts'
import { hostCandidates } from '../ice/host-candidates.ts'
import { decodeBatch } from '../native/batch.ts'
import type { BoundSocket, LegId, NativeAddon, Relay, RelayRecord } from '../native/boundary.ts'
import type { IceCandidate } from '../parameters.ts'
import type { PortPool } from '../ports/port-pool.ts'
import { SharedPorts } from '../ports/shared-ports.ts'
import { RECEIVE_BUFFER_BYTES } from '../receive-buffer.ts'
import { RelayWatchdog } from './relay-watchdog.ts'

export interface RelayLaneOptions {
  /** Which one it is among the lanes of an engine, from 0 on. */
  readonly index: number
  readonly addresses: readonly string[]
  readonly announced: readonly string[]
  /** Of browser legs; 0 picks one. */
  readonly webrtcPort: number
  readonly ownAddresses: readonly string[]
  readonly maxSessions: number
  readonly gatherUs: number
  readonly dscp: number
}

/** What all lanes of an engine share. */
export interface RelayLaneParts {
  readonly addon: NativeAddon
  readonly ports: PortPool
  readonly clock: Clock
  /** An error that is our own: it is contained, but somebody should hear of it. */
  report(error: unknown): void
}

/** Tries to find one port that is free on all addresses. */
const BIND_ATTEMPTS = 16
/** Of the queue from the relay: 3 000 checks and handshake datagrams. */
const QUEUE_BYTES = 4 * 2 ** 20
/** Before its first check is answered a browser sends 20-50 datagrams a second; several sit behind one NAT. */
const STRAY_PER_SECOND = 200
const STRAY_BURST = 400
const MAX_STRAY_SOURCES = 4096
/** Legs that the relay's thread has yet to free. */
const SPARE_LEGS = 64
/** What the relay can number. */
const MAX_LEGS = 65_535
/** Batches handled before other work of the thread gets its turn. */
const BATCHES_PER_TURN = 4

/**
 * One relay thread and what belongs to it alone: a browser port, the ports that its trunk legs share, the numbers of its legs.
 * A leg lives and ends on the lane it was opened on.
 */
export class RelayLane {
  readonly relay: Relay
  /** As granted by the kernel for the browser port. */
  readonly receiveBufferBytes: number
  readonly candidates: readonly IceCandidate[]
  readonly shared: SharedPorts
  /** Of the thread, as `ps -L` shows it. */
  readonly name: string
  readonly #watchdog = new RelayWatchdog()
  readonly #legs = new Map<LegId, (record: RelayRecord) => void>()
  readonly #report: (error: unknown) => void
  #sessions = 0
  #isDraining = false
  #isClosed = false
  /** It stood still when it was to end. */
  #isLeftBehind = false

  /** Binds the browser port at once; throws `media.no-port` when it cannot. */
  constructor(options: RelayLaneOptions, { addon, ports, clock, report }: RelayLaneParts) {
    const { addresses, announced, ownAddresses } = options
    this.#report = report
    this.name = threadName(options.index)
    const { relay, port, receiveBufferBytes } = openRelay(addon, options, () => this.#drain())
    this.relay = relay
    this.receiveBufferBytes = receiveBufferBytes
    this.candidates = hostCandidates(addresses, announced, port)
    this.shared = new SharedPorts({
      relay,
      ports,
      clock,
      ownAddresses: [...addresses, ...announced, ...ownAddresses],
    })
  }

  get legs(): number {
    return this.#legs.size
  }

  /** Sessions that open their legs here. */
  get sessions(): number {
    return this.#sessions
  }

  sessionOpened(): void {
    this.#sessions++
  }

  sessionClosed(): void {
    this.#sessions--
  }

  /** From now on `onRecord`, which never throws, hears what the relay says of the leg. */
  enter(id: LegId, onRecord: (record: RelayRecord) => void): void {
    this.#legs.set(id, onRecord)
  }

  leave(id: LegId): void {
    this.#legs.delete(id)
  }

  load(): number {
    return this.relay.load()
  }

  /** The thread has not answered for seconds: it carries nothing. */
  get isStalled(): boolean {
    return this.#isLeftBehind || this.#watchdog.isStalled
  }

  /** To be called every `HEARTBEAT_MS`. True when the thread has just stalled, or answers again. */
  checkHeartbeat(): boolean {
    return this.#watchdog.look(this.relay.heartbeat())
  }

  /** Nothing of a thread that would have to be waited for. */
  tables(): Readonly<Record<string, number>> {
    return this.#isClosed || this.isStalled ? {} : this.relay.tables()
  }

  counters(): Readonly<Record<string, number>> {
    return this.#isClosed ? {} : this.relay.counters()
  }

  /** A thread that has stalled is left as it is: to close it would be to wait for it. */
  close(): void {
    this.#isClosed = true
    if (!this.isStalled) this.#isLeftBehind = !this.relay.close()
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
        const batch = this.#isClosed ? undefined : this.relay.takeBatch()
        if (batch === undefined) return false
        for (const record of decodeBatch(batch)) this.#legs.get(record.leg)?.(record)
      }
    } catch (error) {
      this.#report(error)
    }
    return true
  }
}

/** A relay with its browser port bound on every address: the first picks, the others follow, or all try again. */
function openRelay(
  addon: NativeAddon,
  options: RelayLaneOptions,
  onReady: () => void,
): { readonly relay: Relay; readonly port: number; readonly receiveBufferBytes: number } {
  for (let attempt = 1; ; attempt++) {
    const relay = addon.openRelay({
      threadName: threadName(options.index),
      // Whatever becomes of a session, each of its legs is on a lane at most once.
      maxLegs: Math.min(options.maxSessions * MAX_LEGS_PER_SESSION + SPARE_LEGS, MAX_LEGS),
      queueBytes: QUEUE_BYTES,
      strayPerSecond: STRAY_PER_SECOND,
      strayBurst: STRAY_BURST,
      maxStraySources: MAX_STRAY_SOURCES,
      gatherUs: options.gatherUs,
      sharedBufferBytes: RECEIVE_BUFFER_BYTES,
      dscp: options.dscp,
      onReady,
    })
    let port = options.webrtcPort
    let receiveBufferBytes = Infinity
    try {
      for (const address of options.addresses) {
        const bound = bind(relay, address, port)
        port = bound.port
        receiveBufferBytes = Math.min(receiveBufferBytes, bound.receiveBufferBytes)
      }
      return { relay, port, receiveBufferBytes }
    } catch (error) {
      relay.close()
      if (options.webrtcPort !== 0 || attempt === BIND_ATTEMPTS) throw error
    }
  }
}

/** As `top -H` and `ps -L` show it: fifteen letters is all that the kernel keeps. */
function threadName(index: number): string {
  return index === 0 ? 'webtrunk-relay' : `webtrunk-rel-${index}`
}

function bind(relay: Relay, address: string, port: number): BoundSocket {
  try {
    return relay.bind({ address, port })
  } catch (cause) {
    const seen = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new MediaFailure('media.no-port', { expected: formatAddress({ address, port }), seen, cause })
  }
}
