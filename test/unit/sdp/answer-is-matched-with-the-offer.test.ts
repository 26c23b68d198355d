import { describe, expect, it } from 'vitest'
import { readAnswer } from '../../../sdp/answer.ts'
import { offerableCodecs, STANDARD_CODECS } from '../../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import type { SentOffer } from '../../../sdp/session.ts'
import {
  browserOffer,
  FINGERPRINT,
  failure,
  failureOf,
  fixture,
  ORIGIN,
  RTP_LOCAL,
  SDES_LOCAL,
  SUITE_32,
  SUITE_80,
  trunkSdp,
  WEBRTC_LOCAL,
} from './samples.ts'

const KEY = 'd0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj'

function sent(local: SentOffer['local'], codecs = STANDARD_CODECS): SentOffer {
  return createOffer({ local, codecs, origin: ORIGIN, direction: 'sendrecv' }).sent
}

describe('from a browser', () => {
  const read = (body: Uint8Array) => readAnswer(body, sent(WEBRTC_LOCAL))

  it.each(['chromium-answer', 'firefox-answer'])('%s', (name) => {
    const answer = read(fixture(name))
    expect(answer.transport).toMatchObject({
      kind: 'webrtc',
      setup: 'active',
      fingerprints: [{ hash: 'sha-256' }],
    })
    expect(answer.codecs.map((codec) => codec.payloadType).slice(0, 4)).toEqual([111, 9, 0, 8])
    expect(answer).toMatchObject({ direction: 'sendrecv', localCrypto: undefined })
  })

  it.each(['chromium-answer-to-hold', 'firefox-answer-to-hold'])('%s', (name) => {
    expect(read(fixture(name)).direction).toBe('recvonly')
  })

  it('row 6: the role must be chosen', () => {
    expect(failureOf(() => read(browserOffer()))).toBe('sdp.bad-setup')
    const chosen = (setup: string) => read(browserOffer({ without: ['a=setup'], media: [setup] })).transport
    expect(chosen('a=setup:passive')).toMatchObject({ setup: 'passive' })
    expect(failureOf(() => chosen('a=setup:holdconn'))).toBe('sdp.bad-setup')
  })

  it('row 6: a missing role is passive (RFC 4145 §4)', () => {
    expect(read(browserOffer({ without: ['a=setup'] })).transport).toMatchObject({ setup: 'passive' })
  })

  it.each([
    ['a=rtcp-mux', 'sdp.no-rtcp-mux'],
    ['a=fingerprint', 'sdp.no-fingerprint'],
    ['a=ice-pwd', 'sdp.no-ice'],
  ])('without %s it is refused', (line, code) => {
    const body = browserOffer({ without: [line, 'a=setup'], media: ['a=setup:active'] })
    expect(failureOf(() => read(body))).toBe(code)
  })
})

describe('from a trunk', () => {
  const read = (body: Uint8Array) => readAnswer(body, sent(RTP_LOCAL))

  it('keeps the payload types that the peer wrote, in its order, of what was offered', () => {
    const answer = read(
      trunkSdp('m=audio 4000 RTP/AVP 8 18 97 0', [
        'a=rtpmap:97 telephone-event/8000',
        'a=fmtp:97 0-16',
        'a=ptime:30',
      ]),
    )
    expect(answer.codecs.map(({ name, payloadType }) => `${payloadType} ${name}`)).toEqual([
      '8 PCMA',
      '97 telephone-event',
      '0 PCMU',
    ])
    expect(answer).toMatchObject({ ptimeMs: 30, transport: { rtp: { port: 4000 }, crypto: undefined } })
  })

  it('Asterisk manner', () => {
    expect(read(fixture('in-the-manner-of-asterisk-answer-plain')).codecs).toHaveLength(3)
  })

  it('nothing that we offered is no common codec, and names both', () => {
    const body = trunkSdp('m=audio 4000 RTP/AVP 18 101', ['a=rtpmap:101 telephone-event/8000'])
    const { code, message } = failure(() => read(body))
    expect(code).toBe('sdp.no-common-codec')
    expect(message).toContain('opus/48000 G722/8000')
    expect(message).toContain('G729/8000')
  })

  it('row 14: number and order of m-lines must be ours', () => {
    const two = trunkSdp('m=audio 4000 RTP/AVP 0', ['m=video 0 RTP/AVP 96'])
    expect(failureOf(() => read(two))).toBe('sdp.line-mismatch')
    expect(failureOf(() => read(trunkSdp('m=video 4000 RTP/AVP 96')))).toBe('sdp.line-mismatch')
    expect(failure(() => read(trunkSdp('a=sendrecv')))).toMatchObject({
      code: 'sdp.line-mismatch',
      seen: 'none',
    })
  })

  it('port 0 is a rejection of all that we offered', () => {
    expect(failure(() => read(trunkSdp('m=audio 0 RTP/AVP 0')))).toMatchObject({
      code: 'sdp.rejected',
      expected: 'one of opus G722 PCMU PCMA',
      seen: 'port 0',
    })
    // Linphone, when it has none of the suites.
    const offer = sent(SDES_LOCAL, offerableCodecs(STANDARD_CODECS, ['PCMU']))
    expect(failure(() => readAnswer(trunkSdp('m=audio 0 RTP/SAVP 0'), offer))).toMatchObject({
      code: 'sdp.rejected',
      expected: `one of PCMU with one of ${SUITE_80} ${SUITE_32}`,
    })
  })

  it('row 11: rtcp-mux, which we did not offer, means nothing', () => {
    const answer = read(trunkSdp('m=audio 4000 RTP/AVP 0', ['a=rtcp-mux']))
    expect(answer.transport).toMatchObject({ rtcp: { port: 4001 } })
  })

  it('row 21: hold by 0.0.0.0', () => {
    expect(read(trunkSdp('m=audio 4000 RTP/AVP 0', ['c=IN IP4 0.0.0.0'])).direction).toBe('sendonly')
  })

  it.each(['RTP/SAVP', 'UDP/TLS/RTP/SAVPF', 'udptl'])('%s does not answer RTP/AVP', (profile) => {
    const body = trunkSdp(`m=audio 4000 ${profile} 0`, [`a=crypto:1 ${SUITE_80} inline:${KEY}`])
    expect(failureOf(() => read(body))).toBe('sdp.profile-mismatch')
  })
})

describe('from a trunk with SDES', () => {
  const read = (...crypto: readonly string[]) =>
    readAnswer(
      trunkSdp(
        'm=audio 4000 RTP/SAVP 0',
        crypto.map((line) => `a=crypto:${line}`),
      ),
      sent(SDES_LOCAL),
    )

  it('finds the line of ours by its tag', () => {
    const answer = read(`2 ${SUITE_32} inline:${KEY}|2^31`)
    expect(answer.localCrypto).toBe(SDES_LOCAL.crypto[1])
    expect(answer.transport).toMatchObject({ crypto: { tag: 2, suite: SUITE_32 } })
  })

  it.each([
    ['a tag that was not offered', `3 ${SUITE_80} inline:${KEY}`],
    ['a tag with the suite of another', `1 ${SUITE_32} inline:${KEY}`],
  ])('%s is refused', (_, line) => {
    const { code, message } = failure(() => read(line))
    expect(code).toBe('sdp.crypto-mismatch')
    expect(message).not.toContain(KEY)
  })

  it.each([
    ['no line', []],
    ['a suite that was not offered', [`1 AEAD_AES_128_GCM inline:${KEY}`]],
    ['several keys', [`1 ${SUITE_80} inline:${KEY}|2^20|1:4;inline:${KEY}|2^20|2:4`]],
    ['cleartext', [`1 ${SUITE_80} inline:${KEY} UNENCRYPTED_SRTP`]],
  ])('%s is refused', (_, lines) => {
    expect(failureOf(() => read(...lines))).toBe('sdp.no-usable-crypto')
  })

  it('an MKI is of the key that the peer sends with', () => {
    const answer = read(`1 ${SUITE_80} inline:${KEY}|2^20|5:2`)
    if (answer.transport.kind !== 'rtp') throw new Error('not a trunk transport')
    expect(answer.transport.crypto?.mki).toEqual(Buffer.from([0, 5]))
    expect(answer.localCrypto?.mki).toBeUndefined()
  })

  it('a plain answer is refused, with or without a key', () => {
    for (const lines of [[], [`a=crypto:1 ${SUITE_80} inline:${KEY}`]]) {
      const body = trunkSdp('m=audio 4000 RTP/AVP 0', lines)
      expect(failureOf(() => readAnswer(body, sent(SDES_LOCAL)))).toBe('sdp.profile-mismatch')
    }
  })
})

describe('row 14: a re-offer keeps the slots of the dialog', () => {
  it.each(['chromium', 'firefox'])('%s', (browser) => {
    const offer = readOffer(fixture(`${browser}-offer-with-video`), 'webrtc')
    const codecs = offerableCodecs(offer.codecs, ['opus', 'PCMU'])
    const { text, sent } = createOffer({
      local: WEBRTC_LOCAL,
      codecs,
      origin: ORIGIN,
      direction: 'sendonly',
      slots: offer,
    })
    const written = readOffer(Buffer.from(text), 'webrtc')
    expect(written.sections.map(({ media, mid, port }) => [media, mid, port > 0])).toEqual(
      offer.sections.map(({ media, mid }) => [media, mid, media === 'audio']),
    )
    expect(readAnswer(fixture(`${browser}-reanswer-with-slots`), sent).direction).toBe('recvonly')
    expect(failureOf(() => readAnswer(fixture(`${browser}-answer`), sent))).toBe('sdp.line-mismatch')
  })
})

it('a fingerprint of the answer comes as the peer wrote it', () => {
  const body = browserOffer({ without: ['a=setup'], media: ['a=setup:active'] })
  expect(readAnswer(body, sent(WEBRTC_LOCAL)).transport).toMatchObject({
    fingerprints: [{ value: FINGERPRINT }],
  })
})
