import { beforeEach, describe, expect, test } from 'vitest'
import type {
  NativeLegReport,
  NativeReceivedReport,
  NativeSentReport,
} from '../../../../media/native/boundary.ts'
import { formatRtcp, parseRtcp, type ReportBlock, type RtcpPacket } from '../../../../media/rtcp/rtcp.ts'
import { RtcpReporter, type RtcpReporterInput } from '../../../../media/rtcp/rtcp-reporter.ts'

const SSRC = 0x0102_0304
/** 2026-01-01T00:00:00.500Z */
const EPOCH_MS = 1_767_225_600_500

const RECEIVED: NativeReceivedReport = {
  ssrc: 9,
  epoch: 1,
  expected: 100,
  received: 90,
  highestSequence: 0x1_0063,
  jitterMs: 4,
  clockRateHz: 8000,
  expectedInAll: 100,
  receivedInAll: 90,
}
const SENT: NativeSentReport = {
  packets: 50,
  octets: 8000,
  firstSequence: 10,
  timestamp: 0xffff_ff00,
  clockRateHz: 8000,
  ageMs: 40,
}

let reporter: RtcpReporter
let random: number
beforeEach(() => {
  random = 0.5
  reporter = new RtcpReporter({ ssrc: SSRC, cname: 'us', epochMs: EPOCH_MS, random: () => random })
})

/** What it sends, read again. */
function sent(input: RtcpReporterInput, nowMs: number): readonly RtcpPacket[] | undefined {
  const [output, ...more] = reporter.handle(input, nowMs)
  expect(more).toEqual([])
  return output?.kind === 'send' ? parseRtcp(output.bytes) : undefined
}

function report(nowMs: number, figures: NativeLegReport): readonly RtcpPacket[] | undefined {
  return sent({ kind: 'timeout', report: figures }, nowMs)
}

function nextReport(figures: NativeLegReport): readonly RtcpPacket[] | undefined {
  return report(reporter.deadlineMs ?? Number.NaN, figures)
}

function kinds(packets: readonly RtcpPacket[] | undefined): readonly string[] | undefined {
  return packets?.map(({ kind }) => kind)
}

function blockOf(packets: readonly RtcpPacket[] | undefined): ReportBlock | undefined {
  const first = packets?.[0]
  return first?.kind === 'sender-report' || first?.kind === 'receiver-report' ? first.blocks[0] : undefined
}

/** The peer's answer to a report of ours. */
function answer(
  lastReport: number,
  delaySinceLastReport: number,
  ssrc = SSRC,
): RtcpReporterInput & { readonly kind: 'rtcp' } {
  const block = { fractionLost: 0, cumulativeLost: 3, highestSequence: 29, jitter: 80 }
  const blocks = [
    { ...block, ssrc: 1, lastReport: 5, delaySinceLastReport: 0 },
    { ...block, ssrc, lastReport, delaySinceLastReport },
  ]
  return { kind: 'rtcp', bytes: formatRtcp([{ kind: 'receiver-report', ssrc: 9, blocks }]), sentPackets: 0 }
}

describe('time', () => {
  test('nothing is due before the leg can send; starting again changes nothing', () => {
    expect(reporter.deadlineMs).toBeUndefined()
    reporter.handle({ kind: 'start' }, 1000)
    expect(reporter.deadlineMs).toBe(2500)
    reporter.handle({ kind: 'start' }, 2000)
    expect(reporter.deadlineMs).toBe(2500)
    expect(report(2499, {})).toBeUndefined()
    expect(report(2500, {})).toBeDefined()
  })

  test.each([
    [0, 1000, 2500],
    [0.999, 1999, 7495],
  ])('the first after 1 to 2 s, the next after 2.5 to 7.5 s: %d', (value, firstMs, intervalMs) => {
    random = value
    reporter.handle({ kind: 'start' }, 0)
    expect(reporter.deadlineMs).toBeCloseTo(firstMs)
    report(2000, {})
    expect(reporter.deadlineMs).toBeCloseTo(2000 + intervalMs)
  })

  test('while nothing can be sent the time passes, and the next one is tried', () => {
    reporter.handle({ kind: 'start' }, 0)
    expect(reporter.handle({ kind: 'timeout', report: undefined }, 1500)).toEqual([])
    expect(reporter.deadlineMs).toBe(6500)
  })
})

describe('what is sent', () => {
  beforeEach(() => reporter.handle({ kind: 'start' }, 0))

  test('a receiver report with the CNAME, also of nothing', () => {
    expect(nextReport({})).toEqual([
      { kind: 'receiver-report', ssrc: SSRC, blocks: [] },
      { kind: 'source-description', chunks: [{ ssrc: SSRC, cname: 'us' }] },
    ])
  })

  test('a sender report whose two times are of one moment', () => {
    expect(report(1500, { sent: SENT })?.[0]).toEqual({
      kind: 'sender-report',
      ssrc: SSRC,
      ntpSeconds: 1_767_225_602 + 2_208_988_800,
      ntpFraction: 0,
      // 40 ms after the newest packet, over the wrap.
      rtpTimestamp: 64,
      packets: 50,
      octets: 8000,
      blocks: [],
    })
  })

  test('who has not sent for two reports is a receiver again', () => {
    const first = (figures: NativeLegReport) => nextReport(figures)?.[0]?.kind
    expect(first({ sent: SENT })).toBe('sender-report')
    expect(first({ sent: SENT })).toBe('sender-report')
    expect(first({ sent: SENT })).toBe('receiver-report')
    expect(first({ sent: { ...SENT, packets: 51 } })).toBe('sender-report')
  })

  test('loss of the interval in 1/256, and since the beginning', () => {
    expect(blockOf(nextReport({ received: RECEIVED }))).toEqual({
      ssrc: 9,
      fractionLost: 25,
      cumulativeLost: 10,
      highestSequence: 0x1_0063,
      jitter: 32,
      lastReport: 0,
      delaySinceLastReport: 0,
    })
    const next = blockOf(nextReport({ received: { ...RECEIVED, expected: 200, received: 140 } }))
    expect(next).toMatchObject({ fractionLost: 128, cumulativeLost: 60 })
  })

  test('nothing of a source that was silent since the last report', () => {
    nextReport({ received: RECEIVED })
    expect(blockOf(nextReport({ received: RECEIVED }))).toBeUndefined()
    expect(blockOf(nextReport({ received: { ...RECEIVED, received: 91 } }))).toBeDefined()
  })

  test('a source that started over is not compared with what was before', () => {
    nextReport({ received: RECEIVED })
    const restarted = { ...RECEIVED, epoch: 2, expected: 10, received: 5 }
    expect(blockOf(nextReport({ received: restarted }))).toMatchObject({
      fractionLost: 128,
      cumulativeLost: 5,
    })
  })

  test('all lost is 255 of 256; repeated packets are a negative loss in the sum only; both stay in their bits', () => {
    const first = { ...RECEIVED, expected: 2 ** 25, received: 1 }
    expect(blockOf(nextReport({ received: first }))).toMatchObject({
      fractionLost: 255,
      cumulativeLost: 0x7f_ffff,
    })
    const second = { ...RECEIVED, epoch: 2, expected: 10, received: 15 }
    expect(blockOf(nextReport({ received: second }))).toMatchObject({ fractionLost: 0, cumulativeLost: -5 })
    const third = { ...RECEIVED, epoch: 3, expected: 1, received: 2 ** 25 }
    expect(blockOf(nextReport({ received: third }))).toMatchObject({
      fractionLost: 0,
      cumulativeLost: -0x80_0000,
    })
  })

  test("the peer's last report and how long ago it came, unless that is more than the field holds", () => {
    const withReport = (ageMs: number, received: number): NativeLegReport => ({
      received: { ...RECEIVED, received, senderReport: { ntpMiddle: 0x89ab_cdef, ageMs } },
    })
    expect(blockOf(nextReport(withReport(2500, 1)))).toMatchObject({
      lastReport: 0x89ab_cdef,
      delaySinceLastReport: 2.5 * 65_536,
    })
    const none = { lastReport: 0, delaySinceLastReport: 0 }
    expect(blockOf(nextReport(withReport(18.3 * 3_600_000, 2)))).toMatchObject(none)
  })
})

describe('the end', () => {
  test('is a BYE behind a report, and then nothing any more', () => {
    reporter.handle({ kind: 'start' }, 0)
    report(1500, { sent: SENT })
    const last = sent({ kind: 'end', report: { sent: SENT } }, 1600)
    expect(kinds(last)).toEqual(['sender-report', 'source-description', 'bye'])
    expect(last?.[2]).toEqual({ kind: 'bye', ssrcs: [SSRC] })
    expect(reporter.deadlineMs).toBeUndefined()
    expect(reporter.handle({ kind: 'start' }, 1700)).toEqual([])
    expect(reporter.handle({ kind: 'end', report: { sent: SENT } }, 1700)).toEqual([])
    expect(reporter.deadlineMs).toBeUndefined()
  })

  test('is silent for who never sent anything, and where nothing can be sent', () => {
    expect(reporter.handle({ kind: 'end', report: { received: RECEIVED } }, 100)).toEqual([])
    const other = new RtcpReporter({ ssrc: SSRC, cname: 'us', epochMs: 0, random: () => 0 })
    other.handle({ kind: 'start' }, 0)
    expect(other.handle({ kind: 'timeout', report: {} }, 1000)).toHaveLength(1)
    expect(other.handle({ kind: 'end', report: undefined }, 2000)).toEqual([])
  })
})

describe('what the peer says', () => {
  /** NTP second 0xED00_9702 of EPOCH_MS + 1500, no fraction. */
  const NTP_MIDDLE = ((1_767_225_602 + 2_208_988_800) % 65_536) * 65_536

  beforeEach(() => {
    reporter.handle({ kind: 'start' }, 0)
    report(1500, { sent: SENT })
  })

  test('the round trip is the time since our report less the delay of the peer', () => {
    expect(reporter.rttMs).toBeUndefined()
    reporter.handle(answer(NTP_MIDDLE, 2 * 65_536), 3580)
    expect(reporter.rttMs).toBeCloseTo(80, 6)
    expect(reporter.peerBlock).toMatchObject({ cumulativeLost: 3, jitter: 80 })
  })

  test('no round trip from a report that we did not send, of none, or of another stream', () => {
    reporter.handle(answer(NTP_MIDDLE + 1, 0), 1600)
    reporter.handle(answer(0, 0), 1600)
    reporter.handle(answer(NTP_MIDDLE, 0, 5), 1600)
    expect(reporter.rttMs).toBeUndefined()
  })

  test('a delay longer than the time that passed is no round trip; a little longer is none at all', () => {
    reporter.handle(answer(NTP_MIDDLE, 65_536), 1600)
    expect(reporter.rttMs).toBeUndefined()
    reporter.handle(answer(NTP_MIDDLE, Math.round(0.105 * 65_536)), 1600)
    expect(reporter.rttMs).toBe(0)
  })

  test('only the last eight reports are remembered', () => {
    for (let count = 1; count <= 7; count++) nextReport({ sent: { ...SENT, packets: 50 + count } })
    reporter.handle(answer(NTP_MIDDLE, 0), 60_000)
    expect(reporter.rttMs).toBe(58_500)
    nextReport({ sent: { ...SENT, packets: 60 } })
    reporter.handle(answer(NTP_MIDDLE, 0), 70_000)
    expect(reporter.rttMs).toBe(58_500)
  })

  test('everything is counted and nothing answered', () => {
    const pli = Buffer.from('81ce00020000000100000002', 'hex')
    const bytes = Buffer.concat([formatRtcp([{ kind: 'bye', ssrcs: [9] }]), pli])
    expect(reporter.handle({ kind: 'rtcp', bytes, sentPackets: 0 }, 2000)).toEqual([
      { kind: 'count', reason: 'rtcp.bye' },
      { kind: 'count', reason: 'rtcp.pli' },
    ])
    expect(reporter.handle({ kind: 'rtcp', bytes: bytes.subarray(1), sentPackets: 0 }, 2000)).toEqual([
      { kind: 'count', reason: 'rtcp.malformed' },
    ])
  })

  describe('reports of no stream', () => {
    /** The packets of ours before each, and how many blocks of which stream it has. */
    const emptyAfter = (...reports: readonly (readonly [sentPackets: number, ssrc?: number])[]): number => {
      for (const [sentPackets, ssrc] of reports) {
        const bytes = formatRtcp([{ kind: 'receiver-report', ssrc: 9, blocks: [] }])
        reporter.handle(
          ssrc === undefined ? { kind: 'rtcp', bytes, sentPackets } : { ...answer(0, 0, ssrc), sentPackets },
          0,
        )
      }
      return reporter.emptyReports
    }

    test('count while we send', () => {
      expect(emptyAfter([100], [350], [600])).toBe(3)
      expect(reporter.peerReports).toBe(3)
    })

    test('but not while we are silent, as on hold', () => {
      expect(emptyAfter([100], [100], [199], [350])).toBe(2)
    })

    test('are over with one block, be it of an SSRC that somebody on the way has changed', () => {
      expect(emptyAfter([100], [350], [600, SSRC])).toBe(0)
      expect(emptyAfter([850], [1_100, 77], [1_350])).toBe(1)
    })

    test('what is no report is none of them', () => {
      const bytes = formatRtcp([{ kind: 'bye', ssrcs: [9] }])
      reporter.handle({ kind: 'rtcp', bytes, sentPackets: 500 }, 0)
      expect([reporter.peerReports, reporter.emptyReports]).toEqual([0, 0])
    })
  })
})
