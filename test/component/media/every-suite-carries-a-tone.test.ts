import { describe, expect, test } from 'vitest'
import { sine, toneMs } from '../../../gateway/selftest/selftest-tone.ts'
import type { MediaSession } from '../../../media/engine.ts'
import { type Codec, type RtpLocal, SRTP_SUITES, type SrtpSuite } from '../../../media/parameters.ts'
import { answerCrypto, createAnswer, readAnswer } from '../../../sdp/answer.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import { decodeG711, encodeG711 } from '../../harness/g711.ts'
import { MediaLog, openEngine, PCMU } from '../../harness/media-bench.ts'
import { UdpPeer } from '../../harness/relay-bench.ts'
import { parseBareRtp, rtp } from '../../harness/rtp-packet.ts'
import { SrtpReference } from '../../harness/srtp-reference.ts'

const CODECS: readonly Codec[] = [
  { name: 'PCMU', clockRateHz: 8000, channels: 1, payloadType: 0, format: undefined },
]
const ORIGIN = { sessionId: '1', version: 1 }
const TONE_HZ = 440
const PACKETS = 50
const SUITES = Object.keys(SRTP_SUITES) as SrtpSuite[]

/** What a PBX writes about itself. */
const description = (port: number, crypto: string): Buffer =>
  Buffer.from(
    [
      'v=0',
      'o=- 1 1 IN IP4 127.0.0.1',
      's=-',
      'c=IN IP4 127.0.0.1',
      't=0 0',
      `m=audio ${port} RTP/SAVP 0`,
      `a=crypto:${crypto}`,
      'a=rtcp-mux',
      '',
    ].join('\r\n'),
  )

const addLeg = async (session: MediaSession, suites: readonly SrtpSuite[]): Promise<RtpLocal> => {
  const local = await session.addLeg('callee', { kind: 'rtp', localAddress: '127.0.0.1', suites })
  if (local.kind !== 'rtp') throw new Error('not a trunk leg')
  return local
}

/** The PBX reads our key as it stands in our description. */
function readKey(text: string, suite: SrtpSuite): { readonly tag: string; readonly keySalt: Buffer } {
  const [, tag, base64] =
    new RegExp(`^a=crypto:(\\d+) ${suite} inline:([A-Za-z0-9+/=]+)\\r$`, 'm').exec(text) ?? []
  if (tag === undefined || base64 === undefined) throw new Error(`no line of ${suite} in ${text}`)
  return { tag, keySalt: Buffer.from(base64, 'base64') }
}

/** A second of tone to the leg, which echoes; resolves with what came back, in ms of it. */
async function echoedTone(peer: UdpPeer, keys: SrtpReference, local: RtpLocal): Promise<number> {
  const voice = encodeG711('PCMU', sine(8000, TONE_HZ, PACKETS * 20))
  const heard: Buffer[] = []
  for (let at = 0; at < PACKETS; at++) {
    const payload = Buffer.from(voice.subarray(at * 160, (at + 1) * 160))
    peer.send(
      keys.protect(rtp({ sequence: 65_500 + at - 65_536 * Number(at > 35), timestamp: at * 160, payload })),
      local.rtp,
    )
    heard.push(parseBareRtp(keys.unprotect(await peer.next())).payload)
  }
  return toneMs(decodeG711('PCMU', Buffer.concat(heard)), { sampleRateHz: 8000, frequencyHz: TONE_HZ })
}

describe.each(SUITES)('%s', (suite) => {
  test('offered by a PBX with lifetime and MKI, answered, and heard both ways', async () => {
    const session = await openEngine().openSession('call', new MediaLog())
    const peer = await UdpPeer.open()
    const keys = new SrtpReference(suite, Buffer.from('00000001', 'hex'))
    const key = keys.toRelay.toString('base64')
    const offer = readOffer(description(peer.address.port, `7 ${suite} inline:${key}|2^31|1:4`), 'rtp', {
      suites: SUITES,
    })
    const local = await addLeg(session, SUITES)
    const own = answerCrypto(offer, local)
    const answer = createAnswer({
      offer,
      local,
      codecs: CODECS,
      origin: ORIGIN,
      direction: 'sendrecv',
      crypto: own,
    })
    expect(answer.match(/^a=crypto:/gm)).toHaveLength(1)
    const { tag, keySalt } = readKey(answer, suite)
    expect(tag).toBe('7')
    await session.setRemote('callee', offer.transport, own)
    await session.setRoute('callee', { kind: 'echo', map: [PCMU] })
    keys.receiveWith(keySalt)
    expect(await echoedTone(peer, keys, local)).toBeGreaterThan(900)
    expect((await session.stats()).legs.callee).toMatchObject({ suite })
  })

  test('chosen by a PBX from our offer of all (AES-192 of itself), and heard both ways', async () => {
    const session = await openEngine().openSession('call', new MediaLog())
    const peer = await UdpPeer.open()
    const keys = new SrtpReference(suite)
    const local = await addLeg(session, suite.startsWith('AES_192_') ? [suite] : SUITES)
    const { text, sent } = createOffer({ local, codecs: CODECS, origin: ORIGIN, direction: 'sendrecv' })
    const { tag, keySalt } = readKey(text, suite)
    const line = `${tag} ${suite} inline:${keys.toRelay.toString('base64')}`
    const answer = readAnswer(description(peer.address.port, line), sent)
    await session.setRemote('callee', answer.transport, answer.localCrypto)
    await session.setRoute('callee', { kind: 'echo', map: [PCMU] })
    keys.receiveWith(keySalt)
    expect(await echoedTone(peer, keys, local)).toBeGreaterThan(900)
  })
})
