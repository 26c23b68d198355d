import { expect, test } from 'vitest'
import { type JudgedLeg, judgeMedia } from '../../../../gateway/ladder/media-judge.ts'
import type { LegStats } from '../../../../media/engine.ts'

const stats = (packetsReceived: number, octetsReceived: number): LegStats => ({
  ...{ packetsReceived, octetsReceived, packetsSent: packetsReceived, octetsSent: octetsReceived },
  ...{
    drops: {},
    payloadSamples: 0,
    flatSamples: 0,
    clockRatio: undefined,
    remote: undefined,
    suite: 'none',
  },
  ...{ lossRatio: 0, jitterMs: 0, rttMs: undefined, mos: undefined },
  ...{ remoteLossRatio: undefined, remoteJitterMs: undefined, peerReports: 0, emptyReports: 0 },
})

const judged = (now: LegStats, isSettled: boolean) => {
  const leg: JudgedLeg = {
    ...{ name: 'callee', kind: 'rtp', stats: now, readyForMs: 60_000, firstDirection: 'sendrecv' },
    ...{ isToSend: true, isToReceive: false, codec: 'PCMU', ptimeMs: 20 },
    ...{ goneForMs: undefined, isReporting: false },
  }
  const before = new Map([['callee', stats(500, 500 * 60)]])
  return judgeMedia({ legs: [leg], patienceMs: 4_000, isSettled }, before).map(({ failure }) => failure.code)
}

test('a call that began with another codec is judged by the packets of the one it has now', () => {
  const first = 500 * 60
  expect(judged(stats(800, first + 300 * 160), true)).toEqual([])
  expect(judged(stats(800, first + 300 * 480), true)).toEqual(['media.wrong-ptime'])
  // What came since the last look is of both.
  expect(judged(stats(800, first + 300 * 480), false)).toEqual([])
})

test('media that a thread past its capacity drops is told as that', () => {
  const shed = (count: number) => ({ ...stats(800, 500 * 60 + 300 * 160), drops: { 'media.shed': count } })
  expect(judged(shed(100), true)).toEqual(['media.shed'])
  expect(judged(shed(50), true), 'a short time of it').toEqual([])
})
