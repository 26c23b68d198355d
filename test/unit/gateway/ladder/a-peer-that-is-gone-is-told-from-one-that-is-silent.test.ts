import { describe, expect, test } from 'vitest'
import { LegActivity } from '../../../../gateway/ladder/leg-activity.ts'
import type { LegStats } from '../../../../media/engine.ts'

const LOOK_MS = 5_000

/** Packets and reports that came between two looks; `hold`: one of the two sides wants no audio then. */
type Look = readonly [packets: number, reports: number, hold?: 'hold']

const times = (count: number, look: Look): readonly Look[] => Array.from({ length: count }, () => look)

/** For how many seconds the peer is gone after the last of these looks. */
function goneForS(kind: 'webrtc' | 'rtp' | 'sdes' | 'dtls', ...looks: readonly Look[]): number | undefined {
  const activity = new LegActivity(kind)
  let [packetsReceived, peerReports, nowMs] = [0, 0, 0]
  for (const [packets, reports, hold] of looks) {
    packetsReceived += packets
    peerReports += reports
    nowMs += LOOK_MS
    activity.look({ packetsReceived, peerReports } as LegStats, hold === undefined, nowMs)
  }
  const goneMs = activity.goneForMs(nowMs)
  return goneMs === undefined ? undefined : goneMs / 1_000
}

const TALK: readonly Look[] = times(3, [250, 1])
const TALK_WITHOUT_RTCP: readonly Look[] = times(3, [250, 0])

describe.each(['rtp', 'sdes', 'dtls'] as const)('a trunk (%s)', (kind) => {
  test('that sends is not gone', () => {
    expect(goneForS(kind, ...TALK)).toBe(0)
  })

  test('that sends neither RTP nor the reports it sent before is gone', () => {
    expect(goneForS(kind, ...TALK, ...times(6, [0, 0]))).toBe(30)
    expect(goneForS(kind, ...TALK, ...times(4, [0, 1]), ...times(6, [0, 0])), 'since the last report').toBe(
      30,
    )
  })

  test('that suppresses silence, records or has nothing to play still reports', () => {
    expect(goneForS(kind, ...TALK, ...times(60, [0, 1]))).toBe(0)
  })

  test('that never sent RTCP, or only once, may be silent', () => {
    expect(goneForS(kind, ...TALK_WITHOUT_RTCP, ...times(60, [0, 0]))).toBeUndefined()
    expect(goneForS(kind, [250, 1], ...times(60, [0, 0]))).toBeUndefined()
  })

  test('that was never heard is another finding', () => {
    expect(goneForS(kind, ...times(3, [0, 1]), ...times(60, [0, 0]))).toBeUndefined()
  })

  test('on hold is not missed, nor is one that holds and plays no music', () => {
    expect(goneForS(kind, ...TALK, ...times(60, [0, 0, 'hold']))).toBeUndefined()
  })

  test('that brings nothing since the hold is gone from its end on, whatever it reports', () => {
    const held = [...TALK_WITHOUT_RTCP, ...times(10, [0, 0, 'hold'])]
    expect(goneForS(kind, ...held, ...times(7, [0, 1]))).toBe(30)
    expect(goneForS(kind, ...held, ...times(7, [0, 0]))).toBe(30)
  })

  test('that came back after the hold may be silent again', () => {
    const back = [...TALK_WITHOUT_RTCP, ...times(3, [0, 0, 'hold']), [0, 0], [50, 0]] as const
    expect(goneForS(kind, ...back, ...times(60, [0, 0]))).toBeUndefined()
  })

  test('whose music ends with the hold, in the same look, may be silent', () => {
    const music = [...TALK_WITHOUT_RTCP, ...times(3, [250, 0, 'hold']), [100, 0]] as const
    expect(goneForS(kind, ...music, ...times(60, [0, 0]))).toBeUndefined()
  })

  test('in a call that began on hold was never heard in it', () => {
    expect(goneForS(kind, ...times(3, [0, 0, 'hold']), ...times(60, [0, 0]))).toBeUndefined()
  })
})

describe('a browser', () => {
  test('that is muted sends, and with DTX twice a second', () => {
    expect(goneForS('webrtc', ...TALK, ...times(60, [12, 1]))).toBe(0)
  })

  test('that sends nothing is gone, though it reports', () => {
    expect(goneForS('webrtc', ...TALK, ...times(6, [0, 1]))).toBe(30)
  })

  test('on hold is not missed', () => {
    expect(goneForS('webrtc', ...TALK, ...times(60, [0, 1, 'hold']))).toBeUndefined()
  })
})
