import { formatAddress } from './address.ts'
import type { Clock } from './clock.ts'
import {
  type LegName,
  type LegParameters,
  type LegRoute,
  MAX_LEGS_PER_SESSION,
  type MediaNote,
  type MediaObserver,
  type MediaSession,
  type MediaStageEvent,
  type Playback,
  type SessionStats,
} from './engine.ts'
import { MediaFailure } from './failure.ts'
import { type Leg, openLeg } from './leg/leg-opening.ts'
import { LegReports } from './leg/leg-reports.ts'
import { LegRouting } from './leg/leg-routing.ts'
import { legStats } from './leg/leg-stats.ts'
import { RtpLeg } from './leg/rtp-leg.ts'
import { WebrtcLeg } from './leg/webrtc-leg.ts'
import type { LegHost, LegTimeouts } from './leg-host.ts'
import type { DtlsContext, NativeLegStats, RelayRecord } from './native/boundary.ts'
import type { KeyFormat, KeyPress, LocalTransport, RemoteTransport, SdesKey } from './parameters.ts'
import type { PortPool } from './ports/port-pool.ts'
import type { RelayLane } from './relay/relay-lane.ts'

/** What all sessions of an engine share. */
export interface SessionHost {
  readonly dtls: DtlsContext
  readonly ports: PortPool
  readonly clock: Clock
  readonly timeouts: LegTimeouts
  /** In [0, 1). */
  readonly random: () => number
  count(reason: string): void
  /** An error that is our own: it is contained, but somebody should hear of it. */
  report(error: unknown): void
  closed(session: NativeSession): void
}

/** Where a leg is at home; `adopt` moves it. */
interface Seat {
  session: NativeSession
  name: LegName
}

interface LegEntry {
  readonly seat: Seat
  /** Whichever session it comes to. */
  readonly lane: RelayLane
  readonly leg: Leg
  readonly routing: LegRouting
  readonly reports: LegReports
  route: LegRoute
  /** Rungs already reported. */
  readonly rungs: Set<string>
  /** The last figures of a leg that failed and is no longer in the relay. */
  final: NativeLegStats | undefined
  /** How long its peer may be silent; undefined: forever. */
  silenceLimitS: number | undefined
  hasFailed: boolean
}

type RelayLegRecord = Exclude<RelayRecord, { readonly kind: 'stun' | 'dtls' | 'rtcp' }>

const NEVER_HEARD = { rtp: 'media.none-from-trunk', webrtc: 'media.none-from-browser' } as const

/** A call's media: a few legs in the relay, and the routes between them. Made by the engine. */
export class NativeSession implements MediaSession {
  readonly callId: string
  readonly #host: SessionHost
  readonly #observer: MediaObserver
  /** Where legs are opened; one that was adopted may be elsewhere. */
  readonly #lane: RelayLane
  readonly #legs = new Map<LegName, LegEntry>()
  #isClosed = false

  constructor(callId: string, observer: MediaObserver, host: SessionHost, lane: RelayLane) {
    this.callId = callId
    this.#observer = observer
    this.#host = host
    this.#lane = lane
    lane.sessionOpened()
  }

  get legs(): number {
    return this.#legs.size
  }

  get dtlsSessions(): number {
    return [...this.#legs.values()].reduce((sum, { leg }) => sum + leg.dtlsSessions, 0)
  }

  async addLeg(name: LegName, parameters: LegParameters): Promise<LocalTransport> {
    this.#assertOpen()
    this.#assertRoomFor(name)
    const seat: Seat = { session: this, name }
    const lane = this.#lane
    const { candidates, shared, relay } = lane
    const leg = openLeg(parameters, { candidates, shared, ports: this.#host.ports }, this.#legHost(seat))
    const entry: LegEntry = {
      seat,
      lane,
      leg,
      routing: new LegRouting({ lane, id: leg.id }, (record) => seat.session.#onRecord(seat.name, record)),
      reports: new LegReports(leg, { ...this.#host, relay }),
      route: { kind: 'discard' },
      rungs: new Set(),
      final: undefined,
      silenceLimitS: undefined,
      hasFailed: false,
    }
    this.#legs.set(name, entry)
    this.#applyRoutesTo(name)
    return leg.local
  }

  async adopt(from: MediaSession, name: LegName, as: LegName): Promise<void> {
    this.#assertOpen()
    if (!(from instanceof NativeSession) || from.#host !== this.#host) {
      throw new MediaFailure('media.wrong-leg', { expected: 'a session of the same engine' })
    }
    const entry = from.#entry(name)
    if (entry.hasFailed) throw new MediaFailure('media.wrong-leg', { seen: `a ${name} leg that has failed` })
    this.#assertRoomFor(as)
    from.#legs.delete(name)
    from.#applyRoutesTo(name)
    this.#legs.set(as, entry)
    entry.seat.session = this
    entry.seat.name = as
    entry.route = { kind: 'discard' }
    this.#applyRoute(entry)
    this.#applyRoutesTo(as)
  }

  async removeLeg(name: LegName): Promise<void> {
    const entry = this.#legs.get(name)
    if (entry === undefined) return
    this.#legs.delete(name)
    this.#applyRoutesTo(name)
    this.#free(entry)
  }

  async setRemote(name: LegName, remote: RemoteTransport, localCrypto?: SdesKey): Promise<LocalTransport> {
    const { leg, reports, hasFailed } = this.#entry(name)
    if (hasFailed) return leg.local
    if (leg.kind === 'webrtc' && remote.kind === 'webrtc') leg.setRemote(remote)
    else if (leg.kind === 'rtp' && remote.kind === 'rtp') leg.setRemote(remote, localCrypto)
    else throw new MediaFailure('media.wrong-leg', { expected: leg.kind, seen: remote.kind })
    reports.start()
    return leg.local
  }

  async setRoute(name: LegName, route: LegRoute): Promise<void> {
    const entry = this.#entry(name)
    entry.route = route
    this.#applyRoute(entry)
  }

  async play(name: LegName, playback: Playback | undefined): Promise<void> {
    const { leg, lane, hasFailed } = this.#entry(name)
    if (!hasFailed) lane.relay.play(leg.id, playback)
  }

  async press(name: LegName, key: KeyPress, format: KeyFormat): Promise<void> {
    const { leg, lane, hasFailed } = this.#entry(name)
    if (!hasFailed) lane.relay.press(leg.id, { ...key, ...format })
  }

  async watch(name: LegName, silenceLimitS: number | undefined): Promise<void> {
    const entry = this.#entry(name)
    entry.silenceLimitS = silenceLimitS
    if (entry.hasFailed) return
    entry.leg.expectMedia()
    entry.lane.relay.watch(entry.leg.id, silenceLimitS === undefined ? undefined : silenceLimitS * 1000)
  }

  async stats(): Promise<SessionStats> {
    const legs = [...this.#legs].map(([name, entry]) => [name, legStats(entry)] as const)
    const pending = [...this.#legs].flatMap(([name, { leg, lane }]) =>
      leg.pending === undefined ? [] : [[name, causeOf(leg.pending, lane)] as const],
    )
    return { legs: Object.fromEntries(legs), pending: Object.fromEntries(pending) }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const entry of this.#legs.values()) this.#free(entry)
    this.#legs.clear()
    this.#lane.sessionClosed()
    this.#host.closed(this)
  }

  /** What the relay has to say about one of our legs. Never throws. */
  #onRecord(name: LegName, record: RelayRecord): void {
    const entry = this.#legs.get(name)
    if (entry === undefined) return
    const { leg, reports } = entry
    if (record.kind === 'rtcp') {
      reports.onRtcp(record.bytes)
    } else if (record.kind !== 'stun' && record.kind !== 'dtls') {
      this.#onLegRecord(name, record)
    } else {
      const path = { socket: record.socket, remote: record.remote }
      if (record.kind === 'dtls' && !(leg instanceof RtpLeg)) leg.onDtls(record.bytes, path)
      if (record.kind === 'stun' && leg instanceof WebrtcLeg) leg.onStun(record.bytes, path)
    }
  }

  #onLegRecord(name: LegName, record: RelayLegRecord): void {
    switch (record.kind) {
      case 'first-received':
      case 'first-sent': {
        const direction = record.kind === 'first-received' ? 'received' : 'sent'
        this.#stage(name, { kind: 'first-packet', direction, remote: formatAddress(record.remote) })
        return
      }
      case 'target-moved':
        this.#note(name, { what: record.kind, detail: formatAddress(record.remote) })
        this.#host.count('relay.target-moved')
        return
      case 'key-pressed':
        this.#keyPressed(name, { event: record.event, durationMs: record.durationMs })
        return
      case 'silent':
        this.#silent(name)
        return
      default:
        record satisfies never
    }
  }

  #keyPressed(name: LegName, key: KeyPress): void {
    const entry = this.#legs.get(name)
    if (entry !== undefined) this.#notify(entry, (observer, at) => observer.onKeyPress(at, key))
  }

  #silent(name: LegName): void {
    const entry = this.#legs.get(name)
    // Told to be patient meanwhile.
    if (entry?.silenceLimitS === undefined) return
    const { leg, lane, silenceLimitS } = entry
    const { packetsReceived = 0, drops = {} } = lane.relay.stats(leg.id) ?? {}
    const code = packetsReceived > 0 ? 'media.silent' : NEVER_HEARD[leg.kind]
    const dropped = Object.entries(drops).map(([reason, count]) => `${count} ${reason}`)
    this.#failed(
      name,
      new MediaFailure(code, {
        expected: `RTP or RTCP within ${silenceLimitS} s`,
        ...(dropped.length === 0 ? {} : { seen: `dropped so far: ${dropped.join(', ')}` }),
      }),
    )
  }

  /** What the leg says goes to the session it is in at that time. */
  #legHost(seat: Seat): LegHost {
    const { dtls, clock, timeouts } = this.#host
    return {
      relay: this.#lane.relay,
      dtls,
      clock,
      timeouts,
      stage: (event) => seat.session.#stage(seat.name, event),
      fail: (failure) => seat.session.#failed(seat.name, failure),
      count: (reason) => this.#host.count(reason),
      moved: (local) => seat.session.#moved(seat.name, local),
      note: (note) => seat.session.#note(seat.name, note),
    }
  }

  #moved(name: LegName, local: LocalTransport): void {
    const entry = this.#legs.get(name)
    if (entry !== undefined) this.#notify(entry, (observer, at) => observer.onMoved?.(at, local))
  }

  #note(name: LegName, note: MediaNote): void {
    const entry = this.#legs.get(name)
    if (entry !== undefined) this.#notify(entry, (observer, at) => observer.onNote?.(at, note))
  }

  #stage(name: LegName, event: MediaStageEvent): void {
    const entry = this.#legs.get(name)
    const rung = event.kind === 'first-packet' ? `${event.kind} ${event.direction}` : event.kind
    if (entry === undefined || entry.rungs.has(rung)) return
    entry.rungs.add(rung)
    if (event.kind === 'keys-ready') entry.reports.start()
    this.#notify(entry, (observer, at) => observer.onStage(at, event))
  }

  /** A failed leg leaves the relay at once (RFC 7675 §5.1: no media without consent) but stays in the call's books. */
  #failed(name: LegName, symptom: MediaFailure): void {
    const entry = this.#legs.get(name)
    if (entry === undefined || entry.hasFailed) return
    const failure = causeOf(symptom, entry.lane)
    entry.hasFailed = true
    entry.final = entry.lane.relay.stats(entry.leg.id)
    entry.reports.end()
    this.#leaveRelay(entry)
    this.#applyRoutesTo(name)
    if (failure.code === 'media.internal') this.#host.report(failure)
    this.#notify(entry, (observer, at) => observer.onFailure(at, failure))
  }

  /** Not now: the observer must never be called from inside a call of its own. By then the leg may have moved or gone. */
  #notify({ seat }: LegEntry, tell: (observer: MediaObserver, name: LegName) => void): void {
    queueMicrotask(() => seat.session.#deliver(seat, tell))
  }

  #deliver(seat: Seat, tell: (observer: MediaObserver, name: LegName) => void): void {
    if (this.#legs.get(seat.name)?.seat !== seat) return
    try {
      tell(this.#observer, seat.name)
    } catch (error) {
      this.#host.report(error)
    }
  }

  /** After a leg came or went. */
  #applyRoutesTo(target: LegName): void {
    for (const entry of this.#legs.values()) {
      if (entry.route.kind === 'bridge' && entry.route.to === target) this.#applyRoute(entry)
    }
  }

  #applyRoute(entry: LegEntry): void {
    if (entry.hasFailed) return
    const { route, routing } = entry
    if (route.kind === 'discard') {
      routing.hold()
      return
    }
    const target = route.kind === 'echo' ? entry : this.#legs.get(route.to)
    if (target === undefined || target.hasFailed) {
      routing.discard()
      return
    }
    try {
      routing.lead(route, { lane: target.lane, id: target.leg.id })
    } catch (error) {
      if (!(error instanceof MediaFailure)) throw error
      this.#failed(entry.seat.name, error)
    }
  }

  #free(entry: LegEntry): void {
    entry.reports.end()
    entry.leg.close()
    if (!entry.hasFailed) this.#leaveRelay(entry)
  }

  #leaveRelay({ leg, routing }: LegEntry): void {
    const { ports, clock } = this.#host
    routing.end()
    if (leg.kind === 'rtp') ports.release(leg.local.rtp.port, clock.now())
  }

  #entry(name: LegName): LegEntry {
    this.#assertOpen()
    const entry = this.#legs.get(name)
    if (entry === undefined) throw new MediaFailure('media.wrong-leg', { seen: `no ${name} leg` })
    return entry
  }

  #assertRoomFor(name: LegName): void {
    if (this.#legs.has(name)) throw new MediaFailure('media.wrong-leg', { seen: `a second ${name} leg` })
    if (this.#legs.size < MAX_LEGS_PER_SESSION) return
    const expected = `at most ${MAX_LEGS_PER_SESSION} legs`
    throw new MediaFailure('media.wrong-leg', { expected, seen: `one more, ${name}` })
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new MediaFailure('media.closed')
  }
}

/** What a thread that stands still does not pass on is nobody's silence. */
function causeOf(failure: MediaFailure, lane: RelayLane): MediaFailure {
  if (!lane.isStalled || failure.code === 'media.internal') return failure
  return new MediaFailure('media.stalled', { seen: failure.code, cause: failure })
}
