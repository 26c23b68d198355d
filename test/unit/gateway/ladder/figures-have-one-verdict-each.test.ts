import { describe, expect, it } from 'vitest'
import { type JudgedLeg, type JudgedMedia, judgeMedia } from '../../../../gateway/ladder/media-judge.ts'
import type { LegStats } from '../../../../media/engine.ts'
import { MediaFailure } from '../../../../media/failure.ts'

const PACKETS = 1_000
/** A minute that nothing is wrong with. */
const GOOD: LegStats = {
  ...{
    packetsReceived: PACKETS,
    octetsReceived: PACKETS * 160,
    packetsSent: PACKETS,
    octetsSent: PACKETS * 160,
  },
  ...{ drops: {}, payloadSamples: 20, flatSamples: 0, clockRatio: 1, remote: undefined, suite: 'none' },
  ...{ lossRatio: 0, jitterMs: 0, rttMs: undefined, mos: 4.4 },
  ...{ remoteLossRatio: 0, remoteJitterMs: undefined, peerReports: 0, emptyReports: 0 },
}
const LEG: JudgedLeg = {
  ...{ name: 'callee', kind: 'rtp', stats: GOOD, readyForMs: 60_000, firstDirection: 'sendrecv' },
  ...{ isToSend: true, isToReceive: true, codec: 'PCMU', ptimeMs: 20 },
  ...{ goneForMs: undefined, isReporting: true },
}
const OTHER: JudgedLeg = { ...LEG, name: 'caller' }
/** Of one of two legs, the other is as it should be. */
const verdicts = (
  leg: Partial<JudgedLeg>,
  stats: Partial<LegStats> = {},
  more: Partial<JudgedMedia> = {},
): readonly string[] => {
  const one = { ...LEG, ...leg, stats: { ...GOOD, ...stats } }
  return judgeMedia({ legs: [one, OTHER], patienceMs: 4_000, isSettled: true, ...more }, new Map()).map(
    ({ failure, leg: name, direction = 'both' }) => `${name} ${direction} ${failure.code}`,
  )
}
const NOTHING_CAME: Partial<LegStats> = {
  packetsReceived: 0,
  octetsReceived: 0,
  payloadSamples: 0,
  mos: undefined,
}
const pending = (forMs: number) => ({
  pending: { failure: new MediaFailure('dtls.handshake-timeout'), forMs },
})

describe('nothing is wrong', () => {
  it.each<[string, Partial<JudgedLeg>, Partial<LegStats>, Partial<JudgedMedia>?]>([
    ['with what is good', {}, {}],
    ['as long as a handshake may take', pending(7_999), {}],
    ['before a leg can receive', { readyForMs: undefined }, NOTHING_CAME],
    ['before patience ends', { readyForMs: 3_999 }, NOTHING_CAME],
    ['where the peer is held and was not at first', { isToSend: false }, NOTHING_CAME],
    ['where the peer sends alone', { isToSend: false, firstDirection: 'sendonly' }, NOTHING_CAME],
    [
      'where who was told to wait is not sent to',
      { isToReceive: false },
      { packetsSent: 0, remoteLossRatio: 1 },
    ],
    ['with few drops', {}, { drops: { 'srtp.auth-failed': 24 } }],
    [
      'with drops of a time when other terms were told',
      {},
      { drops: { 'srtp.auth-failed': 900 } },
      { isSettled: false },
    ],
    ['with a few of another payload type', {}, { drops: { 'rtp.unmapped-payload-type': 499 } }],
    ['with one flat sample less than all', {}, { flatSamples: 19 }],
    ['with few samples', {}, { payloadSamples: 14, flatSamples: 14 }],
    ['with silence of a codec whose bytes change', { codec: 'opus' }, { flatSamples: 20 }],
    ['with a clock a little off', {}, { clockRatio: 1.09 }],
    ['with a mean of few packets', {}, { packetsReceived: 249, octetsReceived: 249 * 80, mos: 1 }],
    ['with reports of no stream so far', {}, { emptyReports: 2 }],
    ['with reports of another who reports nothing', { isReporting: false }, { emptyReports: 3 }],
    ['with reports of a browser', { kind: 'webrtc' }, { emptyReports: 3 }],
    ['with little lost on the way to the peer', {}, { remoteLossRatio: 0.49 }],
    ['with one that is away for less than a network change takes', { goneForMs: 29_999 }, {}],
  ])('%s', (_name, leg, stats, more) => {
    expect(verdicts(leg, stats, more)).toEqual([])
  })
})

describe('a verdict', () => {
  it.each<[string, Partial<JudgedLeg>, Partial<LegStats>, readonly string[]]>([
    ['a handshake that goes on', pending(8_000), {}, ['both dtls.handshake-timeout']],
    ['nothing of a trunk', { readyForMs: 4_000 }, NOTHING_CAME, ['received media.none-from-trunk']],
    ['nothing of a browser', { kind: 'webrtc' }, NOTHING_CAME, ['received media.none-from-browser']],
    [
      'a description that forbids it',
      { isToSend: false, firstDirection: 'inactive' },
      {},
      ['received media.direction-forbids'],
    ],
    ['wrong keys', {}, { drops: { 'srtp.auth-failed': 250 } }, ['received srtp.auth-failed']],
    [
      'streams beyond the most',
      {},
      { drops: { 'srtp.too-many-ssrcs': 1 } },
      ['received srtp.too-many-ssrcs'],
    ],
    [
      'another payload type',
      {},
      { drops: { 'rtp.unmapped-payload-type': 500 } },
      ['received media.wrong-payload-type'],
    ],
    ['one who stopped', { goneForMs: 30_000 }, {}, ['received media.stopped']],
    ['digital silence', { codec: 'pcma' }, { flatSamples: 20 }, ['received media.digital-silence']],
    ['a wrong clock', {}, { clockRatio: 0.5 }, ['received media.wrong-clock']],
    ['other packet times', {}, { octetsReceived: PACKETS * 80 }, ['received media.wrong-ptime']],
    ['bad sound', {}, { mos: 2.5 }, ['received media.poor']],
    ['what is lost on the way to the peer', {}, { remoteLossRatio: 0.5 }, ['sent media.lost-towards-peer']],
    ['reports of no stream', {}, { emptyReports: 3 }, ['sent media.lost-towards-peer']],
    ['what is not sent on', {}, { packetsSent: 0 }, ['sent media.not-forwarded']],
  ])('of %s', (_name, leg, stats, codes) => {
    expect(verdicts(leg, stats)).toEqual(codes.map((code) => `callee ${code}`))
  })
})
