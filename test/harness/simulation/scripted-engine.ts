import {
  type LegName,
  type LegParameters,
  type LegRoute,
  type LegStats,
  MAX_LEGS_PER_SESSION,
  type MediaEngine,
  type MediaObserver,
  type MediaSession,
  type MediaStageEvent,
  type SessionStats,
} from '../../../media/engine.ts'
import { type MediaCode, MediaFailure } from '../../../media/failure.ts'
import type { KeyPress, LocalTransport, RemoteTransport, SdesKey } from '../../../media/parameters.ts'
import { RECEIVE_BUFFER_BYTES } from '../../../media/receive-buffer.ts'
import type { VirtualTime } from '../virtual-time.ts'

const FINGERPRINT = Array.from({ length: 32 }, () => 'CD').join(':')
const PACKETS_A_SECOND = 50

interface ScriptedLeg {
  readonly kind: LegParameters['kind']
  local: LocalTransport
  remote: RemoteTransport | undefined
  route: LegRoute
  flowsSinceMs: number | undefined
  hasFailed: boolean
  seat: { session: ScriptedSession; name: LegName }
}

/**
 * The media plane without packets, on virtual time: it keeps the contract of `MediaEngine` to the letter, and fails when a test
 * says so. Audio flows both ways from the moment that both a peer and a route are known.
 */
export class ScriptedEngine implements MediaEngine {
  readonly time: VirtualTime
  readonly sessions = new Set<ScriptedSession>()
  /** How long each request of the gateway takes; 0: no time at all. */
  delayMs = 0
  /** The next requests for a session or a leg are refused with these. */
  readonly refusals: MediaCode[] = []
  readonly stalledThreads = 0
  readonly receiveBuffer = { askedBytes: RECEIVE_BUFFER_BYTES, grantedBytes: RECEIVE_BUFFER_BYTES }
  #port = 20_000
  #count = 0

  constructor(time: VirtualTime) {
    this.time = time
  }

  /** What happens within it takes its time, and may be refused. */
  async turn(refusable = false): Promise<void> {
    if (this.delayMs > 0) {
      await new Promise<void>((resolve) => {
        this.time.schedule(this.time.nowMs() + this.delayMs, resolve)
      })
    }
    const code = refusable ? this.refusals.shift() : undefined
    if (code !== undefined) throw new MediaFailure(code)
  }

  async openSession(_callId: string, observer: MediaObserver): Promise<MediaSession> {
    await this.turn(true)
    const session = new ScriptedSession(this, observer)
    this.sessions.add(session)
    return session
  }

  async close(): Promise<void> {
    for (const session of [...this.sessions]) await session.close()
  }

  /** Legs that a peer may have, in an order that repeats. */
  legs(): readonly { readonly session: ScriptedSession; readonly name: LegName }[] {
    return [...this.sessions].flatMap((session) => session.names.map((name) => ({ session, name })))
  }

  local(parameters: LegParameters): LocalTransport {
    this.#count += 1
    const common = { ssrc: this.#count, cname: 'gateway' }
    if (parameters.kind === 'rtp') {
      this.#port += 2
      const rtp = { address: parameters.localAddress, port: this.#port }
      return { kind: 'rtp', rtp, rtcpPort: this.#port + 1, crypto: [], ...common }
    }
    return {
      kind: 'webrtc',
      ice: this.credentials(),
      candidates: [{ foundation: '1', priority: 1, type: 'host', address: '127.0.0.1', port: 9_000 }],
      fingerprint: { hash: 'sha-256', value: FINGERPRINT },
      ...common,
    }
  }

  credentials(): { readonly ufrag: string; readonly pwd: string } {
    this.#count += 1
    return { ufrag: `u${this.#count}`.padEnd(4, 'x'), pwd: `p${this.#count}`.padEnd(24, 'x') }
  }

  tables(): Readonly<Record<string, number>> {
    return { sessions: this.sessions.size, legs: this.legs().length }
  }

  load(): number {
    return 0
  }

  loads(): readonly number[] {
    return [0]
  }

  counters(): Readonly<Record<string, number>> {
    return {}
  }
}

export class ScriptedSession implements MediaSession {
  readonly #engine: ScriptedEngine
  readonly #observer: MediaObserver
  readonly #legs = new Map<LegName, ScriptedLeg>()
  #isClosed = false

  constructor(engine: ScriptedEngine, observer: MediaObserver) {
    this.#engine = engine
    this.#observer = observer
  }

  get names(): readonly LegName[] {
    return [...this.#legs.keys()]
  }

  /** As the relay tells it: not at once, and not of a leg that is gone. */
  fail(name: LegName, code: MediaCode): void {
    const leg = this.#legs.get(name)
    if (leg === undefined || leg.hasFailed) return
    leg.hasFailed = true
    queueMicrotask(() => this.#tell(leg, (observer, at) => observer.onFailure(at, new MediaFailure(code))))
  }

  /** A leg leaves the ports that it shares, by itself. */
  move(name: LegName): boolean {
    const leg = this.#legs.get(name)
    if (leg === undefined || leg.hasFailed || leg.kind !== 'rtp' || leg.local.kind !== 'rtp') return false
    const moved = this.#engine.local({ kind: 'rtp', localAddress: leg.local.rtp.address, suites: [] })
    leg.local = moved
    queueMicrotask(() => this.#tell(leg, (observer, at) => observer.onMoved?.(at, moved)))
    return true
  }

  /** Its peer presses a key, in its media. */
  hear(name: LegName, key: KeyPress): void {
    const leg = this.#legs.get(name)
    if (leg === undefined || leg.hasFailed) return
    queueMicrotask(() => this.#tell(leg, (observer, at) => observer.onKeyPress(at, key)))
  }

  async addLeg(name: LegName, parameters: LegParameters): Promise<LocalTransport> {
    await this.#engine.turn(true)
    this.#assertOpen()
    if (this.#legs.has(name)) throw new MediaFailure('media.wrong-leg', { seen: `a second ${name} leg` })
    this.#assertRoom()
    const local = this.#engine.local(parameters)
    this.#legs.set(name, {
      kind: parameters.kind,
      local,
      remote: undefined,
      route: { kind: 'discard' },
      flowsSinceMs: undefined,
      hasFailed: false,
      seat: { session: this, name },
    })
    return local
  }

  async adopt(from: MediaSession, name: LegName, as: LegName): Promise<void> {
    await this.#engine.turn()
    this.#assertOpen()
    if (!(from instanceof ScriptedSession) || this.#legs.has(as)) throw new MediaFailure('media.wrong-leg')
    this.#assertRoom()
    const leg = from.#leg(name)
    if (leg.hasFailed) throw new MediaFailure('media.wrong-leg', { seen: 'a leg that has failed' })
    from.#legs.delete(name)
    leg.seat = { session: this, name: as }
    leg.route = { kind: 'discard' }
    this.#legs.set(as, leg)
  }

  async removeLeg(name: LegName): Promise<void> {
    await this.#engine.turn()
    this.#legs.delete(name)
  }

  async setRemote(name: LegName, remote: RemoteTransport, _crypto?: SdesKey): Promise<LocalTransport> {
    await this.#engine.turn()
    const leg = this.#leg(name)
    const { remote: before, local } = leg
    if (leg.hasFailed) return local
    if (remote.kind !== leg.kind) throw new MediaFailure('media.wrong-leg', { seen: remote.kind })
    leg.remote = remote
    if (before?.kind === 'webrtc' && remote.kind === 'webrtc' && before.ice.ufrag !== remote.ice.ufrag) {
      leg.local = local.kind === 'webrtc' ? { ...local, ice: this.#engine.credentials() } : local
    }
    this.#flow(leg)
    return leg.local
  }

  async setRoute(name: LegName, route: LegRoute): Promise<void> {
    await this.#engine.turn()
    const leg = this.#leg(name)
    leg.route = route
    this.#flow(leg)
  }

  async play(name: LegName): Promise<void> {
    await this.#engine.turn()
    this.#leg(name)
  }

  async press(name: LegName): Promise<void> {
    await this.#engine.turn()
    this.#leg(name)
  }

  async watch(name: LegName): Promise<void> {
    await this.#engine.turn()
    this.#leg(name)
  }

  async stats(): Promise<SessionStats> {
    await this.#engine.turn()
    const legs = Object.fromEntries([...this.#legs].map(([name, leg]) => [name, this.#statsOf(leg)]))
    return { legs, pending: {} }
  }

  async close(): Promise<void> {
    await this.#engine.turn()
    this.#isClosed = true
    this.#legs.clear()
    this.#engine.sessions.delete(this)
  }

  #flow(leg: ScriptedLeg): void {
    if (leg.remote === undefined || leg.route.kind === 'discard' || leg.flowsSinceMs !== undefined) return
    leg.flowsSinceMs = this.#engine.time.nowMs()
    const remote = '198.51.100.7:40000'
    const rungs: MediaStageEvent[] = [
      ...(leg.kind === 'webrtc'
        ? [
            { kind: 'ice-checked', remote } as const,
            { kind: 'dtls-started' } as const,
            { kind: 'dtls-connected', suite: 'AEAD_AES_128_GCM' } as const,
            { kind: 'keys-ready' } as const,
          ]
        : []),
      { kind: 'first-packet', direction: 'received', remote },
      { kind: 'first-packet', direction: 'sent', remote },
    ]
    queueMicrotask(() => {
      for (const rung of rungs) this.#tell(leg, (observer, at) => observer.onStage(at, rung))
    })
  }

  #statsOf(leg: ScriptedLeg): LegStats {
    const nowMs = this.#engine.time.nowMs()
    const packets = Math.floor(((nowMs - (leg.flowsSinceMs ?? nowMs)) / 1_000) * PACKETS_A_SECOND)
    return {
      packetsReceived: packets,
      octetsReceived: packets * 172,
      packetsSent: packets,
      octetsSent: packets * 172,
      drops: {},
      payloadSamples: 0,
      flatSamples: 0,
      clockRatio: undefined,
      remote: undefined,
      suite: leg.kind === 'webrtc' ? 'AEAD_AES_128_GCM' : 'none',
      lossRatio: undefined,
      jitterMs: undefined,
      rttMs: undefined,
      mos: undefined,
      remoteLossRatio: undefined,
      remoteJitterMs: undefined,
      peerReports: 0,
      emptyReports: 0,
    }
  }

  #tell(leg: ScriptedLeg, tell: (observer: MediaObserver, name: LegName) => void): void {
    const { session, name } = leg.seat
    if (session.#legs.get(name) === leg) tell(session.#observer, name)
  }

  #leg(name: LegName): ScriptedLeg {
    this.#assertOpen()
    const leg = this.#legs.get(name)
    if (leg === undefined) throw new MediaFailure('media.wrong-leg', { seen: `no ${name} leg` })
    return leg
  }

  #assertRoom(): void {
    if (this.#legs.size >= MAX_LEGS_PER_SESSION)
      throw new MediaFailure('media.wrong-leg', { seen: 'one more' })
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new MediaFailure('media.closed')
  }
}
