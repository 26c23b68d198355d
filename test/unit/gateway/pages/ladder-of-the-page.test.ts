import { describe, expect, test } from 'vitest'
import { CODES } from '../../../../gateway/diagnosis.ts'
import { readSample } from '../../../../gateway/pages/audio-sample.ts'
import {
  climbed,
  ended,
  type Ladder,
  newLadder,
  RUNGS,
  type RungEvent,
  rungOf,
} from '../../../../gateway/pages/ladder.ts'

const climb = (...events: readonly RungEvent[]): Ladder =>
  events.reduce((ladder, event, index) => climbed(ladder, event, (index + 1) * 100), newLadder())

const iceOf = (ladder: Ladder) => ladder.find(({ name }) => name === 'ice')

describe('the ladder of the page', () => {
  test('begins with six rungs that wait, in the order of the stages', () => {
    expect(newLadder().map(({ name }) => name)).toEqual(RUNGS)
    expect((['S1', 'S2', 'S3', 'S4', 'S5', 'S6'] as const).map(rungOf)).toEqual(RUNGS)
    expect(new Set(newLadder().map(({ state }) => state))).toEqual(new Set(['waiting']))
  })

  test('a rung that is reached keeps the time of the first time', () => {
    const ladder = climb(
      { rung: 'ice', kind: 'began', detail: 'looking' },
      { rung: 'ice', kind: 'reached', detail: 'found' },
      { rung: 'ice', kind: 'lost', detail: 'interrupted' },
      { rung: 'ice', kind: 'reached', detail: 'found again' },
    )
    expect(iceOf(ladder)).toEqual({ name: 'ice', state: 'reached', detail: 'found again', atMs: 200 })
  })

  test('what is lost climbs again; a rung that was never reached cannot be lost', () => {
    const reached: RungEvent = { rung: 'ice', kind: 'reached', detail: 'found' }
    const lost: RungEvent = { rung: 'ice', kind: 'lost', detail: 'interrupted' }
    expect(iceOf(climb(reached, lost))?.state).toBe('climbing')
    expect(iceOf(climb(lost))?.state).toBe('waiting')
  })

  test('a beginning does not undo what is reached', () => {
    const ladder = climb(
      { rung: 'ice', kind: 'reached', detail: 'found' },
      { rung: 'ice', kind: 'began', detail: 'looking' },
    )
    expect(iceOf(ladder)).toMatchObject({ state: 'reached', detail: 'found' })
  })

  test('a failure stays, and names its own rung only', () => {
    const ladder = climb(
      { rung: 'ice', kind: 'failed', detail: CODES['ice.no-check-seen'].text },
      { rung: 'ice', kind: 'reached', detail: 'found' },
    )
    expect(iceOf(ladder)).toMatchObject({ state: 'failed', atMs: 100 })
    expect(ladder.filter(({ state }) => state !== 'waiting')).toHaveLength(1)
  })

  test('nothing is under way when the call is over', () => {
    const ladder = ended(
      climb(
        { rung: 'signalling', kind: 'reached', detail: 'answered' },
        { rung: 'ice', kind: 'began', detail: 'looking' },
        { rung: 'media', kind: 'failed', detail: 'no audio' },
      ),
    )
    expect(ladder.map(({ state }) => state)).toEqual([
      'reached',
      'waiting',
      'waiting',
      'waiting',
      'waiting',
      'failed',
    ])
  })
})

describe('statistics of a connection', () => {
  test('of audio are read, those of video are not', () => {
    const sample = readSample([
      ['v', { type: 'inbound-rtp', kind: 'video', packetsReceived: 9 }],
      [
        'a',
        {
          type: 'inbound-rtp',
          kind: 'audio',
          packetsReceived: 50,
          packetsLost: 2,
          jitter: 0.004,
          audioLevel: 0.5,
          codecId: 'c',
        },
      ],
      ['o', { type: 'outbound-rtp', kind: 'audio', packetsSent: 51 }],
      ['r', { type: 'remote-inbound-rtp', kind: 'audio', roundTripTime: 0.02 }],
      ['c', { type: 'codec', mimeType: 'audio/opus' }],
      ['t', { type: 'transport', srtpCipher: 'SRTP_AEAD_AES_128_GCM' }],
    ])
    expect(sample).toEqual({
      packetsReceived: 50,
      packetsLost: 2,
      packetsSent: 51,
      jitterMs: 4,
      roundTripMs: 20,
      codec: 'opus',
      cipher: 'SRTP_AEAD_AES_128_GCM',
    })
  })

  test('that are missing count as nothing', () => {
    expect(readSample([])).toMatchObject({ packetsReceived: 0, packetsSent: 0, codec: undefined })
  })

  test('losses below zero, which duplicates cause, are none', () => {
    expect(readSample([['a', { type: 'inbound-rtp', kind: 'audio', packetsLost: -3 }]]).packetsLost).toBe(0)
  })
})
