import type { NativeLegReport } from '../native/boundary.ts'
import type { ReportBlock } from './rtcp.ts'

/** One direction of a stream, as far as it is known where it is received. */
export interface PathFigures {
  /** 0..1 */
  readonly lossRatio: number
  readonly jitterMs: number
  readonly rttMs: number | undefined
}

/** Figures of one leg that a person can judge; undefined: not known. */
export interface LegQuality {
  readonly lossRatio: number | undefined
  readonly jitterMs: number | undefined
  readonly rttMs: number | undefined
  readonly mos: number | undefined
  readonly remoteLossRatio: number | undefined
  readonly remoteJitterMs: number | undefined
  /** How much faster than time its timestamps go. */
  readonly clockRatio: number | undefined
}

/** Shorter, and jitter alone could bend the ratio. */
const MIN_CLOCK_SPAN_MS = 5_000

/** ITU-T G.107 with all defaults: what is left of 100 for a narrow-band call without delay, loss or echo. */
const BASE_RATING = 93.2
/** ITU-T G.113 Appendix I, G.711 with loss concealment: `Ie`, and `Bpl` for random loss. */
const EQUIPMENT_IMPAIRMENT = 0
const LOSS_ROBUSTNESS = 25.1
/** One way, where no round trip was measured: a path inside a continent. */
const ASSUMED_DELAY_MS = 50
/** One frame of 20 ms, and 10 ms for coding it and playing it out. */
const FRAME_DELAY_MS = 30
/** A jitter buffer holds about twice the mean deviation. */
const BUFFER_PER_JITTER = 2

/**
 * Mean opinion score, 1..4.41, by the E-model of ITU-T G.107, simplified to what the network does:
 *
 *     d    = rtt / 2 + 2 jitter + 30 ms                              mouth to ear
 *     Id   = 0.024 d + 0.11 (d - 177.3)  if d > 177.3                (Cole and Rosenbluth, 2001, a fit of G.107)
 *     Ie   = 0 + (95 - 0) Ppl / (Ppl + 25.1)                         Ppl: loss in per cent, taken as random
 *     R    = 93.2 - Id - Ie
 *     MOS  = 1 + 0.035 R + R (R - 60) (100 - R) 7e-6                 never below 1
 *
 * It compares calls and tells bad ones apart; it has heard none of them. The codec is taken to be G.711 with
 * concealment, because the relay looks into no payload.
 */
export function meanOpinionScore({ lossRatio, jitterMs, rttMs }: PathFigures): number {
  const oneWayMs = rttMs === undefined ? ASSUMED_DELAY_MS : rttMs / 2
  const delayMs = oneWayMs + BUFFER_PER_JITTER * jitterMs + FRAME_DELAY_MS
  const delayImpairment = 0.024 * delayMs + 0.11 * Math.max(0, delayMs - 177.3)
  const lossPercent = Math.min(100, Math.max(0, lossRatio * 100))
  const lossImpairment =
    EQUIPMENT_IMPAIRMENT + ((95 - EQUIPMENT_IMPAIRMENT) * lossPercent) / (lossPercent + LOSS_ROBUSTNESS)
  const rating = BASE_RATING - delayImpairment - lossImpairment
  // The polynomial dips below 1 between 0 and 6.5.
  return rating <= 0 ? 1 : Math.max(1, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)
}

/** `peerBlock`: the peer's last report of what we send. */
export function legQuality(
  report: NativeLegReport | undefined,
  rttMs: number | undefined,
  peerBlock: ReportBlock | undefined,
): LegQuality {
  const received = receivedFigures(report?.received, rttMs)
  const mos = received === undefined ? undefined : meanOpinionScore(received)
  return {
    lossRatio: rounded(received?.lossRatio, 4),
    jitterMs: report?.received?.meanJitterMs === undefined ? undefined : rounded(received?.jitterMs, 1),
    rttMs: rounded(rttMs, 1),
    mos: rounded(mos, 2),
    ...remoteFigures(report?.sent, peerBlock),
    clockRatio:
      (report?.received?.clockSpanMs ?? 0) < MIN_CLOCK_SPAN_MS
        ? undefined
        : rounded(report?.received?.clockRatio, 3),
  }
}

function receivedFigures(
  received: NativeLegReport['received'],
  rttMs: number | undefined,
): PathFigures | undefined {
  if (received === undefined) return undefined
  const lost = Math.max(0, received.expectedInAll - received.receivedInAll)
  return { lossRatio: lost / received.expectedInAll, jitterMs: received.meanJitterMs ?? 0, rttMs }
}

/** What was lost before it came to us is a gap in our stream too, and so it is in the peer's loss. */
function remoteFigures(
  sent: NativeLegReport['sent'],
  block: ReportBlock | undefined,
): Pick<LegQuality, 'remoteLossRatio' | 'remoteJitterMs'> {
  if (sent === undefined || block === undefined) {
    return { remoteLossRatio: undefined, remoteJitterMs: undefined }
  }
  const expected = block.highestSequence - sent.firstSequence + 1
  const lossRatio = expected <= 0 ? undefined : Math.min(1, Math.max(0, block.cumulativeLost / expected))
  return {
    remoteLossRatio: rounded(lossRatio, 4),
    remoteJitterMs: rounded((block.jitter / sent.clockRateHz) * 1000, 1),
  }
}

function rounded(value: number | undefined, digits: number): number | undefined {
  return value === undefined ? undefined : Number(value.toFixed(digits))
}
