import { expect, test } from 'vitest'
import type { NativeLegReport } from '../../../../media/native/boundary.ts'
import { legQuality, meanOpinionScore } from '../../../../media/rtcp/quality.ts'
import type { ReportBlock } from '../../../../media/rtcp/rtcp.ts'

const PERFECT = { lossRatio: 0, jitterMs: 0, rttMs: 0 }

/** The score by hand from the polynomial of ITU-T G.107 Annex B; the figures that give the rating as well. */
test.each([
  // d = 133.3 ms, Id = 3.2
  [90, 4.34, { ...PERFECT, rttMs: 206.7 }],
  // The same delay out of a jitter buffer.
  [90, 4.34, { ...PERFECT, jitterMs: 51.67 }],
  // d = 244.1 ms, Id = 5.86 + 7.34
  [80, 4.02, { ...PERFECT, rttMs: 428.1 }],
  // d = 30 ms, Id = 0.72; Ie = 22.48 = 95 * 7.78 / 32.88
  [70, 3.6, { ...PERFECT, lossRatio: 0.0778 }],
  // Ie = 32.48 = 95 * 13.04 / 38.14
  [60, 3.1, { ...PERFECT, lossRatio: 0.1304 }],
  // Ie = 42.48 = 95 * 20.3 / 45.4
  [50, 2.58, { ...PERFECT, lossRatio: 0.203 }],
])('a rating of %d is a score of %d', (_, mos, figures) => {
  expect(meanOpinionScore(figures)).toBeCloseTo(mos, 2)
})

test('an unknown round trip counts as 100 ms', () => {
  expect(meanOpinionScore({ ...PERFECT, rttMs: undefined })).toBe(
    meanOpinionScore({ ...PERFECT, rttMs: 100 }),
  )
})

test('more loss, jitter or delay is never better, and the score stays between 1 and 4.41', () => {
  const steps = Array.from({ length: 101 }, (_, step) => step / 100)
  const scores = [
    steps.map((step) => meanOpinionScore({ ...PERFECT, lossRatio: step })),
    steps.map((step) => meanOpinionScore({ ...PERFECT, jitterMs: step * 500 })),
    steps.map((step) => meanOpinionScore({ ...PERFECT, rttMs: step * 3000 })),
  ]
  for (const series of scores) {
    expect(series).toEqual(series.toSorted((a, b) => b - a))
    for (const score of series) {
      expect(score).toBeGreaterThanOrEqual(1)
      expect(score).toBeLessThan(4.41)
    }
  }
})

const REPORT: NativeLegReport = {
  received: {
    ssrc: 9,
    epoch: 2,
    expected: 10,
    received: 10,
    highestSequence: 5,
    jitterMs: 99,
    clockRateHz: 8000,
    expectedInAll: 300,
    receivedInAll: 299,
    meanJitterMs: 2.345,
  },
  sent: { packets: 5, octets: 5, firstSequence: 101, timestamp: 0, clockRateHz: 48_000, ageMs: 0 },
}
const BLOCK: ReportBlock = {
  ssrc: 1,
  fractionLost: 0,
  cumulativeLost: 10,
  highestSequence: 0x1_0000 + 100,
  jitter: 480,
  lastReport: 0,
  delaySinceLastReport: 0,
}

test("a leg's figures are of all its sources, rounded for a reader; the peer's are of our whole stream", () => {
  expect(legQuality(REPORT, 20.06, BLOCK)).toEqual({
    lossRatio: 0.0033,
    jitterMs: 2.3,
    rttMs: 20.1,
    mos: 4.36,
    remoteLossRatio: Number((10 / 65_536).toFixed(4)),
    remoteJitterMs: 10,
  })
})

test('what is not known is undefined, not zero', () => {
  const nothing = {
    lossRatio: undefined,
    jitterMs: undefined,
    rttMs: undefined,
    mos: undefined,
    remoteLossRatio: undefined,
    remoteJitterMs: undefined,
  }
  expect(legQuality(undefined, undefined, undefined)).toEqual(nothing)
  expect(legQuality({}, undefined, BLOCK)).toEqual(nothing)
  const { meanJitterMs, ...received } = { ...REPORT.received, ssrc: 9 } as NonNullable<
    NativeLegReport['received']
  >
  expect(meanJitterMs).toBe(2.345)
  expect(legQuality({ received }, undefined, undefined)).toMatchObject({
    jitterMs: undefined,
    lossRatio: 0.0033,
  })
})

test('figures that cannot be are cut to what can: repeated packets, and a peer that says anything', () => {
  const received = { ...REPORT.received, receivedInAll: 400 } as NonNullable<NativeLegReport['received']>
  expect(legQuality({ received }, undefined, undefined).lossRatio).toBe(0)
  const remote = (block: Partial<ReportBlock>) =>
    legQuality(REPORT, undefined, { ...BLOCK, ...block }).remoteLossRatio
  expect(remote({ cumulativeLost: 0x7f_ffff, highestSequence: 200 })).toBe(1)
  expect(remote({ cumulativeLost: -5 })).toBe(0)
  expect(remote({ highestSequence: 100 })).toBeUndefined()
})
