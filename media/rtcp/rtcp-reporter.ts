import type { Machine } from '../machine.ts'
import type { NativeLegReport, NativeReceivedReport, NativeSentReport } from '../native/boundary.ts'
import { formatRtcp, type OwnRtcp, parseRtcp, type ReportBlock } from './rtcp.ts'

export interface RtcpReporterOptions {
  /** Of our stream. */
  readonly ssrc: number
  readonly cname: string
  /** Added to the machine's time it gives milliseconds since 1970. */
  readonly epochMs: number
  /** In [0, 1). */
  readonly random: () => number
}

export type RtcpReporterInput =
  /** The leg can send for the first time; again is without effect. */
  | { readonly kind: 'start' }
  /** `report`: what the relay knows of the leg; undefined: nothing can be sent now. */
  | { readonly kind: 'timeout'; readonly report: NativeLegReport | undefined }
  /** From the peer, plain. `sentPackets`: RTP of ours until now. */
  | { readonly kind: 'rtcp'; readonly bytes: Uint8Array; readonly sentPackets: number }
  /** Ends the machine, with a BYE if it can be sent. */
  | { readonly kind: 'end'; readonly report: NativeLegReport | undefined }

export type RtcpReporterOutput =
  | { readonly kind: 'send'; readonly bytes: Buffer }
  /** For the engine's counters. */
  | { readonly kind: 'count'; readonly reason: string }

/** RFC 3550 §6.2: the mean of two parties, whatever their bandwidth; each interval is 0.5 to 1.5 of it. */
const INTERVAL_MS = 5_000
/** Sooner than RFC 3550 §6.2 has it (half the interval), so that short calls have figures too. */
const FIRST_MS = 1_000
/** Reports of ours that the peer may still refer to; it uses the last one. */
const MAX_SENT_REPORTS = 8
/** Of so many packets since its last report a peer must have heard some. */
const MIN_SENT = 100
/** Between the epochs of NTP (1900) and of JavaScript. */
const NTP_EPOCH_S = 2_208_988_800
const MAX_LOST = 0x7f_ffff
/** RFC 3550's unit of delays, 1/65536 s. */
const UNITS_PER_MS = 65.536
/** The peer's clock and ours may differ a little; a round trip is never less than nothing. */
const TOLERATED_MS = 10

/**
 * One leg's part in RTCP: sender or receiver reports with the CNAME every 5 s, a BYE at the end, and what the peer's
 * reports say of us. Counts all that it was sent, and answers none of it: there is no encoder here.
 */
export class RtcpReporter implements Machine<RtcpReporterInput, RtcpReporterOutput> {
  readonly #options: RtcpReporterOptions
  #state: 'idle' | 'running' | 'ended' = 'idle'
  #deadlineMs: number | undefined
  #hasReported = false
  /** RTP packets sent, at the last report and at the one before it. */
  #packetsAtReports: readonly [number, number] = [0, 0]
  /** As the last report block had it. */
  #reported: Pick<NativeReceivedReport, 'epoch' | 'expected' | 'received'> | undefined
  /** Newest last. */
  readonly #sent: { readonly ntpMiddle: number; readonly atMs: number }[] = []
  #rttMs: number | undefined
  #peerBlock: ReportBlock | undefined
  #peerReports = 0
  #emptyReports = 0
  /** RTP packets sent, when the peer's last report came. */
  #sentAtReport = 0

  constructor(options: RtcpReporterOptions) {
    this.#options = options
  }

  get deadlineMs(): number | undefined {
    return this.#deadlineMs
  }

  /** The last round trip measured; undefined while the peer has answered no report of ours. */
  get rttMs(): number | undefined {
    return this.#rttMs
  }

  /** The last that the peer said of our stream. */
  get peerBlock(): ReportBlock | undefined {
    return this.#peerBlock
  }

  /** How many SR and RR came. */
  get peerReports(): number {
    return this.#peerReports
  }

  /** How many of them in a row, up to the last, report on no stream at all although ours was sent. */
  get emptyReports(): number {
    return this.#emptyReports
  }

  handle(input: RtcpReporterInput, nowMs: number): readonly RtcpReporterOutput[] {
    if (this.#state === 'ended') return []
    switch (input.kind) {
      case 'start':
        if (this.#state === 'idle') this.#deadlineMs = nowMs + FIRST_MS * (1 + this.#options.random())
        this.#state = 'running'
        return []
      case 'timeout':
        return this.#timeout(input.report, nowMs)
      case 'rtcp':
        return this.#received(input.bytes, input.sentPackets, nowMs)
      case 'end':
        return this.#end(input.report, nowMs)
      default:
        return input satisfies never
    }
  }

  #timeout(report: NativeLegReport | undefined, nowMs: number): readonly RtcpReporterOutput[] {
    if (this.#deadlineMs === undefined || nowMs < this.#deadlineMs) return []
    this.#deadlineMs = nowMs + INTERVAL_MS * (0.5 + this.#options.random())
    return report === undefined ? [] : [this.#send(this.#compound(report, nowMs))]
  }

  /** A party that never sent anything says no BYE (RFC 3550 §6.3.7). */
  #end(report: NativeLegReport | undefined, nowMs: number): readonly RtcpReporterOutput[] {
    this.#state = 'ended'
    this.#deadlineMs = undefined
    if (report === undefined || (!this.#hasReported && report.sent === undefined)) return []
    return [this.#send([...this.#compound(report, nowMs), { kind: 'bye', ssrcs: [this.#options.ssrc] }])]
  }

  #send(packets: readonly OwnRtcp[]): RtcpReporterOutput {
    this.#hasReported = true
    return { kind: 'send', bytes: formatRtcp(packets) }
  }

  #compound({ received, sent }: NativeLegReport, nowMs: number): readonly OwnRtcp[] {
    const { ssrc, cname } = this.#options
    const blocks = received === undefined ? [] : this.#blocks(received)
    const [last, beforeLast] = this.#packetsAtReports
    const packets = sent?.packets ?? 0
    this.#packetsAtReports = [packets, last]
    const description: OwnRtcp = { kind: 'source-description', chunks: [{ ssrc, cname }] }
    // RFC 3550 §6.4: a sender is one that has sent since the report before the last one.
    if (sent === undefined || packets === beforeLast) {
      return [{ kind: 'receiver-report', ssrc, blocks }, description]
    }
    return [this.#senderReport(sent, blocks, nowMs), description]
  }

  #senderReport(sent: NativeSentReport, blocks: readonly ReportBlock[], nowMs: number): OwnRtcp {
    const wallMs = this.#options.epochMs + nowMs
    const seconds = Math.floor(wallMs / 1000)
    const ntpSeconds = (seconds + NTP_EPOCH_S) >>> 0
    const ntpFraction = Math.floor(((wallMs - seconds * 1000) / 1000) * 2 ** 32)
    const ntpMiddle = (((ntpSeconds & 0xffff) << 16) | (ntpFraction >>> 16)) >>> 0
    if (this.#sent.length === MAX_SENT_REPORTS) this.#sent.shift()
    this.#sent.push({ ntpMiddle, atMs: nowMs })
    return {
      kind: 'sender-report',
      ssrc: this.#options.ssrc,
      ntpSeconds,
      ntpFraction,
      // What the stream's clock shows now: it follows the wall clock over pauses.
      rtpTimestamp: modulo32(sent.timestamp + Math.round((sent.ageMs * sent.clockRateHz) / 1000)),
      packets: modulo32(sent.packets),
      octets: modulo32(sent.octets),
      blocks,
    }
  }

  /** Only of a source that was heard since the last report (RFC 3550 §6.4). */
  #blocks(received: NativeReceivedReport): readonly ReportBlock[] {
    const { epoch, expected, received: packets, senderReport } = received
    const before = this.#reported?.epoch === epoch ? this.#reported : { expected: 0, received: 0 }
    if (packets === before.received) return []
    this.#reported = { epoch, expected, received: packets }
    const delay = senderReport === undefined ? 0 : Math.round(senderReport.ageMs * UNITS_PER_MS)
    const isReportRecent = senderReport !== undefined && delay < 2 ** 32
    return [
      {
        ssrc: received.ssrc,
        fractionLost: fractionLost(expected - before.expected, packets - before.received),
        cumulativeLost: Math.max(-MAX_LOST - 1, Math.min(MAX_LOST, expected - packets)),
        highestSequence: received.highestSequence,
        jitter: Math.floor((received.jitterMs * received.clockRateHz) / 1000),
        lastReport: isReportRecent ? senderReport.ntpMiddle : 0,
        delaySinceLastReport: isReportRecent ? delay : 0,
      },
    ]
  }

  #received(bytes: Uint8Array, sentPackets: number, nowMs: number): readonly RtcpReporterOutput[] {
    const packets = parseRtcp(bytes)
    if (packets === undefined) return [{ kind: 'count', reason: 'rtcp.malformed' }]
    const reports = packets.filter(
      (packet) => packet.kind === 'sender-report' || packet.kind === 'receiver-report',
    )
    const blocks = reports.flatMap((report) => report.blocks)
    if (reports.length > 0) this.#countReport(blocks, sentPackets)
    this.#learn(blocks, nowMs)
    return packets.map(({ kind }) => ({ kind: 'count', reason: `rtcp.${kind}` }))
  }

  #countReport(blocks: readonly ReportBlock[], sentPackets: number): void {
    this.#peerReports += 1
    // RFC 3550 §6.4: of each source that was heard since the last report. Of another than ours: somebody on the way has changed SSRCs.
    const isAboutUs = blocks.length > 0
    // Those that follow each other more closely are counted as one.
    if (!isAboutUs && sentPackets - this.#sentAtReport < MIN_SENT) return
    this.#emptyReports = isAboutUs ? 0 : this.#emptyReports + 1
    this.#sentAtReport = sentPackets
  }

  #learn(blocks: readonly ReportBlock[], nowMs: number): void {
    const block = blocks.find(({ ssrc }) => ssrc === this.#options.ssrc)
    if (block === undefined) return
    this.#peerBlock = block
    // Only a report that we did send: the peer cannot make figures up.
    const answered = this.#sent.find(({ ntpMiddle }) => ntpMiddle === block.lastReport)
    if (answered === undefined) return
    const rttMs = nowMs - answered.atMs - block.delaySinceLastReport / UNITS_PER_MS
    if (rttMs >= -TOLERATED_MS) this.#rttMs = Math.max(0, rttMs)
  }
}

/** RFC 3550 A.3, in 1/256; repeated packets are no negative loss. */
function fractionLost(expected: number, received: number): number {
  const lost = expected - received
  return expected <= 0 || lost <= 0 ? 0 : Math.min(255, Math.floor((lost * 256) / expected))
}

function modulo32(value: number): number {
  return value % 2 ** 32
}
