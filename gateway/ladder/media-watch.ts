import { nextRoundMs } from '../../media/deadline-timer.ts'
import type { LegName, LegStats, MediaSession } from '../../media/engine.ts'
import type { MediaFailure } from '../../media/failure.ts'
import { receives, sends } from '../../sdp/direction.ts'
import type { SipEnvironment } from '../../sip/user-agent.ts'
import type { Side } from '../calls/side.ts'
import { legKind } from './call-observer.ts'
import type { CallTrace } from './call-trace.ts'
import { LegActivity } from './leg-activity.ts'
import { dropShare, type JudgedLeg, judgeMedia, type MediaFinding } from './media-judge.ts'
import type { Reporters } from './reporters.ts'

export interface MediaWatchOptions {
  readonly environment: SipEnvironment
  readonly trace: CallTrace
  readonly session: () => MediaSession | undefined
  readonly sides: () => readonly Side[]
  readonly reporters: Reporters
  readonly onFinding: (finding: MediaFinding) => void
  /** An error of our own, contained. */
  readonly onError: (error: unknown) => void
}

const LOOK_MS = 5_000
/** After so much silence something is wrong; at the end of a short call already after less. */
const PATIENCE_MS = 4_000
const PATIENCE_AT_END_MS = 2_000
/** The first figures that stand in a call's history, and how far apart those after them are. */
const EARLY_NOTES_MS = 30_000
const NOTE_MS = 60_000

interface LegMoment {
  readonly answeredMs: number
  readonly pending: MediaFailure | undefined
}

/** Looks at the figures of a connected call every few seconds, and has them judged. */
export class MediaWatch {
  readonly #options: MediaWatchOptions
  #before: ReadonlyMap<string, LegStats> = new Map()
  /** At the look before that. */
  #earlier: ReadonlyMap<string, LegStats> = new Map()
  #activities: ReadonlyMap<string, LegActivity> = new Map()
  #cancelTimer: () => void = () => {}
  #notedMs = 0
  #lookedMs = 0
  #isClosed = false

  constructor(options: MediaWatchOptions) {
    this.#options = options
  }

  /** The call is connected. */
  start(): void {
    const { environment } = this.#options
    this.#cancelTimer = environment.schedule(nextRoundMs(environment.nowMs() + LOOK_MS), () => {
      this.#look(PATIENCE_MS).then(
        () => {
          if (!this.#isClosed) this.start()
        },
        (error: unknown) => this.#options.onError(error),
      )
    })
  }

  /** No timer from here on. May be called twice. */
  stop(): void {
    this.#isClosed = true
    this.#cancelTimer()
  }

  /** The last look, before media is closed. */
  async finish(): Promise<void> {
    this.stop()
    await this.#look(PATIENCE_AT_END_MS)
  }

  /** Why a leg whose peer is not heard has taken nothing of what came in the last seconds; undefined: nothing came. */
  async whySilent(leg: LegName): Promise<MediaFailure | undefined> {
    const stats = (await this.#options.session()?.stats())?.legs[leg]
    return stats === undefined ? undefined : dropShare(stats, this.#earlier.get(leg))
  }

  async #look(patienceMs: number): Promise<void> {
    const { session, trace, sides, onFinding } = this.#options
    const found = await session()?.stats()
    if (found === undefined) return
    const stats = new Map(
      Object.entries(found.legs).flatMap(([name, leg]) => (leg === undefined ? [] : [[name, leg] as const])),
    )
    for (const [name, leg] of stats) trace.measured(name, leg)
    this.#note(stats)
    const { answeredMs } = trace
    if (answeredMs === undefined) return
    const talking = sides()
    const legs = talking.flatMap((side) => {
      const own = stats.get(side.leg.name)
      const other = talking.find((one) => one !== side)
      const pending = found.pending[side.leg.name]
      return own === undefined ? [] : [this.#judged(side, other, own, { answeredMs, pending })]
    })
    // What came meanwhile may have been by the old terms: a peer that is told new ones goes on with the old until it has answered.
    const isSettled = talking.every(({ leg }) => (trace.changedMs(leg.name) ?? -1) < this.#lookedMs)
    for (const finding of judgeMedia({ legs, patienceMs, isSettled }, this.#before)) onFinding(finding)
    this.#activities = new Map(legs.map(({ name, activity }) => [name, activity]))
    this.#earlier = this.#before
    this.#before = stats
    this.#lookedMs = trace.nowMs
  }

  #judged(
    { leg, party }: Side,
    other: Side | undefined,
    stats: LegStats,
    { answeredMs, pending }: LegMoment,
  ): JudgedLeg & { readonly activity: LegActivity } {
    const { trace, reporters } = this.#options
    const beganMs = Math.max(answeredMs, trace.changedMs(leg.name) ?? 0)
    const kind = legKind(leg.media)
    const readyMs = trace.climbedMs(leg.name, kind === 'webrtc' || kind === 'dtls' ? 'S5' : 'S2')
    const theirs = other?.leg.direction ?? 'sendrecv'
    const isToSend = sends(leg.direction) && receives(theirs)
    const isToReceive = receives(leg.direction) && sends(theirs)
    const activity = this.#activities.get(leg.name) ?? new LegActivity(kind)
    activity.look(stats, isToSend && isToReceive, trace.nowMs)
    if (kind !== 'webrtc' && stats.remoteLossRatio !== undefined) reporters.add(party, stats.remote)
    return {
      name: leg.name,
      kind,
      stats,
      pending: pending && { failure: pending, forMs: trace.nowMs - beganMs },
      readyForMs: readyMs === undefined ? undefined : trace.nowMs - Math.max(readyMs, answeredMs),
      firstDirection: leg.firstDirection,
      isToSend,
      isToReceive,
      activity,
      // What ended the call says why it is gone.
      goneForMs: trace.failedLeg === leg.name ? undefined : activity.goneForMs(trace.nowMs),
      isReporting: reporters.has(party, stats.remote),
      codec: leg.codecs[0]?.name,
      ptimeMs: leg.toldPtimeMs,
    }
  }

  /** Figures for a reader, often at first and then seldom. */
  #note(stats: ReadonlyMap<string, LegStats>): void {
    const { trace } = this.#options
    const { nowMs } = trace
    if (nowMs > EARLY_NOTES_MS && nowMs - this.#notedMs < NOTE_MS) return
    this.#notedMs = nowMs
    for (const [leg, { packetsReceived, packetsSent, lossRatio = 0, jitterMs, rttMs, mos }] of stats) {
      const figures = [
        `in ${packetsReceived}, out ${packetsSent}`,
        `loss ${(lossRatio * 100).toFixed(1)} %`,
        ...(jitterMs === undefined ? [] : [`jitter ${jitterMs} ms`]),
        ...(rttMs === undefined ? [] : [`round trip ${rttMs} ms`]),
        ...(mos === undefined ? [] : [`MOS ${mos}`]),
      ]
      trace.note('media', { leg }, figures.join(', '))
    }
  }
}
