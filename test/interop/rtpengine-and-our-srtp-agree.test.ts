import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sine, toneMs } from '../../gateway/selftest/selftest-tone.ts'
import type { MediaSession } from '../../media/engine.ts'
import { type Codec, type RtpLocal, SRTP_SUITES, type SrtpSuite } from '../../media/parameters.ts'
import { answerCrypto, createAnswer, readAnswer } from '../../sdp/answer.ts'
import { createOffer, readOffer } from '../../sdp/offer.ts'
import type { TrunkTerms } from '../../sdp/trunk-terms.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { decodeG711, encodeG711 } from '../harness/g711.ts'
import { MediaLog, openEngine, PCMU } from '../harness/media-bench.ts'
import { UdpPeer } from '../harness/relay-bench.ts'
import { parseBareRtp, rtp } from '../harness/rtp-packet.ts'
import { Rtpengine } from '../harness/rtpengine.ts'

// rtpengine between a plain telephone and a trunk leg of ours that echoes: a tone that comes back was protected by rtpengine and
// unprotected here, and the other way round.

const CODECS: readonly Codec[] = [
  { name: 'PCMU', clockRateHz: 8000, channels: 1, payloadType: 0, format: undefined },
]
const ORIGIN = { sessionId: '1', version: 1 }
const TONE_HZ = 440
const PACKETS = 60
/** All of ours: AES-192 too, where libsrtp goes a way of its own. */
const SUITES = Object.keys(SRTP_SUITES) as SrtpSuite[]
const DTLS: Partial<TrunkTerms> = { keying: 'dtls' }

let rtpengine: Rtpengine
beforeEach(async () => {
  rtpengine = closing(await Rtpengine.start())
})
afterEach(closeAll)

const plainSdp = ({ port }: { readonly port: number }): string =>
  [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${port} RTP/AVP 0`,
    'a=rtpmap:0 PCMU/8000',
    'a=sendrecv',
    '',
  ].join('\r\n')

const secured = (suite: SrtpSuite | undefined): Readonly<Record<string, string | readonly string[]>> =>
  suite === undefined
    ? { 'transport-protocol': 'UDP/TLS/RTP/SAVP', SDES: ['off'], 'rtcp-mux': ['offer', 'require'] }
    : { 'transport-protocol': 'RTP/SAVP', DTLS: 'off', SDES: [`only-${suite}`] }

/** Where an SDP says that its audio is. */
function portOf(sdp: string): number {
  const port = /^m=audio (\d+) /m.exec(sdp)?.[1]
  if (port === undefined) throw new Error(`no audio in ${sdp}`)
  return Number(port)
}

async function openLeg(
  suite: SrtpSuite | undefined,
): Promise<{ session: MediaSession; local: RtpLocal; log: MediaLog }> {
  const log = new MediaLog()
  const session = await openEngine().openSession('call', log)
  const local = await session.addLeg('trunk', {
    kind: 'rtp',
    localAddress: '127.0.0.1',
    suites: suite === undefined ? [] : [suite],
    keying: suite === undefined ? 'dtls' : 'required',
  })
  if (local.kind !== 'rtp') throw new Error('not a trunk leg')
  await session.setRoute('trunk', { kind: 'echo', map: [PCMU] })
  return { session, local, log }
}

/** A tone to rtpengine's plain port in its own time; how many ms of it came back. */
async function echoedTone(phone: UdpPeer, port: number): Promise<number> {
  const voice = encodeG711('PCMU', sine(8000, TONE_HZ, PACKETS * 20))
  const to = { address: '127.0.0.1', port }
  const heard = (async () => {
    const payloads: Buffer[] = []
    while (payloads.length < PACKETS - 5) payloads.push(parseBareRtp(await phone.next()).payload)
    return payloads
  })()
  for (let at = 0; at < PACKETS; at++) {
    const payload = Buffer.from(voice.subarray(at * 160, (at + 1) * 160))
    phone.send(rtp({ sequence: at, timestamp: at * 160, payload }), to)
    await delay(20)
  }
  return toneMs(decodeG711('PCMU', Buffer.concat(await heard)), { sampleRateHz: 8000, frequencyHz: TONE_HZ })
}

async function expectTone(
  phone: UdpPeer,
  sdp: string,
  { session, log }: { readonly session: MediaSession; readonly log: MediaLog },
  suite: SrtpSuite | undefined,
): Promise<void> {
  await expect.poll(() => log.rungs('trunk'), { timeout: 10_000 }).toContain('keys-ready')
  expect(await echoedTone(phone, portOf(sdp)), suite ?? 'DTLS').toBeGreaterThan(900)
  const { suite: negotiated } = (await session.stats()).legs.trunk ?? {}
  if (suite === undefined) expect(negotiated).toMatch(/^A/)
  else expect(negotiated).toBe(suite)
}

/** rtpengine offers, we answer. */
async function called(suite: SrtpSuite | undefined): Promise<void> {
  const phone = await UdpPeer.open()
  const call = { 'call-id': `called-${suite ?? 'dtls'}`, 'from-tag': 'phone' }
  const written = await rtpengine.describe('offer', {
    ...call,
    sdp: plainSdp(phone.address),
    ICE: 'remove',
    ...secured(suite),
  })
  const leg = await openLeg(suite)
  const terms = suite === undefined ? DTLS : { suites: [suite] }
  const offer = readOffer(Buffer.from(written), 'rtp', terms)
  const own = answerCrypto(offer, leg.local)
  const text = createAnswer({
    offer,
    local: leg.local,
    codecs: CODECS,
    origin: ORIGIN,
    direction: 'sendrecv',
    crypto: own,
  })
  await leg.session.setRemote('trunk', offer.transport, own)
  const answer = await rtpengine.describe('answer', { ...call, 'to-tag': 'trunk', sdp: text, ICE: 'remove' })
  await expectTone(phone, answer, leg, suite)
}

/** We offer, rtpengine answers. */
async function calling(suite: SrtpSuite | undefined): Promise<void> {
  const phone = await UdpPeer.open()
  const call = { 'call-id': `calling-${suite ?? 'dtls'}`, 'from-tag': 'trunk' }
  const leg = await openLeg(suite)
  const { text, sent } = createOffer({
    local: leg.local,
    codecs: CODECS,
    origin: ORIGIN,
    direction: 'sendrecv',
    terms: suite === undefined ? DTLS : { suites: [suite] },
  })
  const forPhone = await rtpengine.describe('offer', {
    ...call,
    sdp: text,
    ICE: 'remove',
    'transport-protocol': 'RTP/AVP',
    'rtcp-mux': ['accept'],
  })
  const written = await rtpengine.describe('answer', {
    ...call,
    'to-tag': 'phone',
    sdp: plainSdp(phone.address),
    ICE: 'remove',
  })
  const answer = readAnswer(Buffer.from(written), sent)
  await leg.session.setRemote('trunk', answer.transport, answer.localCrypto)
  await expectTone(phone, forPhone, leg, suite)
}

test('each suite that both know, offered by either, carries a tone both ways', async () => {
  await Promise.all(SUITES.flatMap((suite) => [called(suite), calling(suite)]))
}, 40_000)

test('DTLS without ICE, offered by either, carries a tone both ways', async () => {
  await Promise.all([called(undefined), calling(undefined)])
}, 40_000)
