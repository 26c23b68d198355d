import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Stage } from '../../config/stage.ts'
import type { CallReport, LegReport } from './call-report.ts'

/** Figures of the daemon's parts, asked when somebody scrapes. Names in them are of a fixed set or of the configuration. */
export interface MetricSources {
  readonly calls: () => number
  /** Of each thread, 0 to 1. */
  readonly mediaLoads: () => readonly number[]
  readonly stalledMediaThreads: () => number
  readonly registrations: () => number
  readonly webSockets: () => number
  /** Of each trunk that is asked by OPTIONS: whether it lives. */
  readonly trunks: () => ReadonlyMap<string, 'up' | 'down' | 'unknown'>
  /** Of each trunk where we should be registered. */
  readonly trunkRegistrations: () => ReadonlyMap<string, boolean>
  /** Days until the end of each certificate that we show, by its file. */
  readonly certificateDays: () => ReadonlyMap<string, number>
  /** What was dropped or refused since start, by reason: part of the gateway, then reasons. */
  readonly drops: () => Readonly<Record<string, Readonly<Record<string, number>>>>
}

const STAGE_BUCKETS_S = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30]
const CALL_BUCKETS_S = [1, 5, 15, 60, 180, 600, 1_800, 7_200]
const LOSS_BUCKETS = [0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
const JITTER_BUCKETS_MS = [1, 2, 5, 10, 20, 40, 80, 160]
const MOS_BUCKETS = [1.5, 2, 2.5, 3, 3.5, 3.8, 4, 4.2, 4.3]

/** What a Prometheus scrapes. No label takes a value from the network: codes, stages, kinds of leg, names of the configuration. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #ended: Counter<'outcome' | 'stage' | 'code'>
  readonly #findings: Counter<'stage' | 'code'>
  readonly #talk: Histogram<string>
  readonly #stages: Histogram<'stage' | 'kind'>
  readonly #packets: Counter<'kind' | 'direction'>
  readonly #legDrops: Counter<'kind' | 'reason'>
  readonly #mos: Histogram<'kind'>
  readonly #loss: Histogram<'kind'>
  readonly #jitter: Histogram<'kind'>

  constructor(sources: MetricSources) {
    const registers = [this.#registry]
    // Event-loop lag, memory, garbage collection.
    collectDefaultMetrics({ register: this.#registry })
    this.#ended = new Counter({
      name: 'webtrunk_calls_total',
      help: 'Calls that ended, and attempts that were refused, by outcome and what decided it',
      labelNames: ['outcome', 'stage', 'code'],
      registers,
    })
    this.#findings = new Counter({
      name: 'webtrunk_call_findings_total',
      help: 'What was found wrong with calls, the failures that ended them included',
      labelNames: ['stage', 'code'],
      registers,
    })
    this.#talk = new Histogram({
      name: 'webtrunk_call_seconds',
      help: 'From the answer of a call to its end',
      buckets: CALL_BUCKETS_S,
      registers,
    })
    this.#stages = new Histogram({
      name: 'webtrunk_stage_seconds',
      help: 'From the rung before to this one, on one leg; S3 and above count from the answer at the earliest',
      labelNames: ['stage', 'kind'],
      buckets: STAGE_BUCKETS_S,
      registers,
    })
    this.#packets = new Counter({
      name: 'webtrunk_rtp_packets_total',
      help: 'RTP packets of ended calls, by kind of leg and direction',
      labelNames: ['kind', 'direction'],
      registers,
    })
    this.#legDrops = new Counter({
      name: 'webtrunk_rtp_drops_total',
      help: 'Packets of ended calls that were dropped, by kind of leg and reason',
      labelNames: ['kind', 'reason'],
      registers,
    })
    const quality = (name: string, help: string, buckets: number[]) =>
      new Histogram({ name, help, labelNames: ['kind'] as const, buckets, registers })
    this.#mos = quality(
      'webtrunk_leg_mos',
      'Mean opinion score of what a leg received (E-model)',
      MOS_BUCKETS,
    )
    this.#loss = quality(
      'webtrunk_leg_loss_ratio',
      'Share of packets that a leg lost on the way to us',
      LOSS_BUCKETS,
    )
    this.#jitter = quality(
      'webtrunk_leg_jitter_ms',
      'Mean interarrival jitter of what a leg received',
      JITTER_BUCKETS_MS,
    )
    this.#gauges(sources)
  }

  /** The text format's media type. */
  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  /** A call has ended, or an attempt was refused. */
  ended(report: CallReport): void {
    const { outcome, verdict, answeredMs, endedMs } = report
    this.#ended.inc({ outcome, stage: verdict?.stage ?? 'none', code: verdict?.code ?? 'none' })
    for (const { stage, code } of report.findings) this.#findings.inc({ stage, code })
    if (answeredMs !== undefined && endedMs !== undefined) this.#talk.observe((endedMs - answeredMs) / 1_000)
    for (const leg of report.legs) this.#leg(leg, answeredMs)
  }

  #leg({ kind, rungs, stats }: LegReport, answeredMs: number | undefined): void {
    let before = 0
    for (const { stage, state, atMs } of rungs) {
      if (atMs === undefined || state !== 'climbed') continue
      if (isMedia(stage)) before = Math.max(before, answeredMs ?? 0)
      this.#stages.observe({ stage, kind }, Math.max(0, atMs - before) / 1_000)
      // The two directions of media begin beside each other.
      if (stage !== 'S6') before = Math.max(before, atMs)
    }
    if (stats === undefined) return
    this.#packets.inc({ kind, direction: 'received' }, stats.packetsReceived)
    this.#packets.inc({ kind, direction: 'sent' }, stats.packetsSent)
    for (const [reason, count] of Object.entries(stats.drops)) this.#legDrops.inc({ kind, reason }, count)
    if (stats.mos !== undefined) this.#mos.observe({ kind }, stats.mos)
    if (stats.lossRatio !== undefined) this.#loss.observe({ kind }, stats.lossRatio)
    if (stats.jitterMs !== undefined) this.#jitter.observe({ kind }, stats.jitterMs)
  }

  #gauges(sources: MetricSources): void {
    const registers = [this.#registry]
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read())
        },
      })
    }
    gauge('webtrunk_calls', 'Calls that are going on', sources.calls)
    new Gauge({
      name: 'webtrunk_media_load',
      help: 'Share of the last second that a thread of the packet path worked, of one core',
      labelNames: ['thread'],
      registers,
      collect() {
        for (const [thread, load] of sources.mediaLoads().entries()) this.set({ thread }, load)
      },
    })
    gauge(
      'webtrunk_media_threads_stalled',
      'Threads of the packet path that have not answered for seconds: their calls carry nothing',
      sources.stalledMediaThreads,
    )
    gauge('webtrunk_registrations', 'Devices that are registered', sources.registrations)
    gauge('webtrunk_websockets', 'WebSockets that are open', sources.webSockets)
    new Gauge({
      name: 'webtrunk_trunk_up',
      help: 'Whether a trunk answers OPTIONS; absent while unknown',
      labelNames: ['trunk'],
      registers,
      collect() {
        this.reset()
        for (const [trunk, state] of sources.trunks()) {
          if (state !== 'unknown') this.set({ trunk }, state === 'up' ? 1 : 0)
        }
      },
    })
    new Gauge({
      name: 'webtrunk_trunk_registered',
      help: 'Whether we are registered at a trunk where we should be',
      labelNames: ['trunk'],
      registers,
      collect() {
        this.reset()
        for (const [trunk, isRegistered] of sources.trunkRegistrations())
          this.set({ trunk }, isRegistered ? 1 : 0)
      },
    })
    new Gauge({
      name: 'webtrunk_certificate_days',
      help: 'Whole days until a certificate that we show expires; less than 0 when it has',
      labelNames: ['file'],
      registers,
      collect() {
        this.reset()
        for (const [file, days] of sources.certificateDays()) this.set({ file }, days)
      },
    })
    new Counter({
      name: 'webtrunk_drops_total',
      help: 'Messages and packets of no call that were dropped or refused, by part of the gateway and reason',
      labelNames: ['part', 'reason'],
      registers,
      collect() {
        this.reset()
        for (const [part, reasons] of Object.entries(sources.drops())) {
          for (const [reason, count] of Object.entries(reasons)) this.inc({ part, reason }, count)
        }
      },
    })
  }
}

/** What begins with the answer at the earliest: a phone may ring for minutes before. */
const isMedia = (stage: Stage): boolean => stage >= 'S3'
