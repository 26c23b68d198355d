import { describe, expect, it } from 'vitest'
import { answerCrypto, createAnswer, readAnswer } from '../../../sdp/answer.ts'
import { answerableCodecs, offerableCodecs, STANDARD_CODECS } from '../../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import {
  bytes,
  failureOf,
  fixture,
  linesOf,
  ORIGIN,
  RTP_LOCAL,
  SDES_LOCAL,
  SUITE_32,
  SUITE_80,
  sdesKey,
  trunkSdp,
} from './samples.ts'

const BOTH = { suites: [SUITE_80, SUITE_32] }

function offerText(local = RTP_LOCAL, codecs = STANDARD_CODECS): string {
  return createOffer({ local, codecs, origin: ORIGIN, direction: 'sendrecv' }).text
}

function answerTo(body: Uint8Array, local = RTP_LOCAL, policy = {}): string[] {
  const offer = readOffer(body, 'rtp', policy)
  const codecs = answerableCodecs(offer, STANDARD_CODECS)
  return linesOf(createAnswer({ offer, local, codecs, origin: ORIGIN, direction: 'sendrecv' }))
}

describe('row 33: what a browser offered stays with us', () => {
  it.each(['chromium', 'firefox'])('%s', (browser) => {
    const offer = readOffer(fixture(`${browser}-offer-with-video`), 'webrtc')
    const lines = linesOf(offerText(RTP_LOCAL, offerableCodecs(offer.codecs, ['G722', 'PCMU', 'PCMA'])))
    const kinds = new Set(lines.map((line) => line.replace(/^(a=[\w-]+|.=).*/, '$1')))
    expect([...kinds]).toEqual([
      'v=',
      'o=',
      's=',
      'c=',
      't=',
      'm=',
      'a=rtpmap',
      'a=fmtp',
      'a=ptime',
      'a=sendrecv',
    ])
    expect(lines.filter((line) => line.startsWith('m='))).toEqual([
      expect.stringMatching(/^m=audio 30000 RTP\/AVP 9 0 8 \d+( 13)?$/),
    ])
  })

  it('AES-192 is offered alone or not at all', () => {
    const suites = ['AES_192_CM_HMAC_SHA1_80', SUITE_80, 'AES_192_CM_HMAC_SHA1_32', SUITE_32] as const
    const crypto = suites.map((suite, index) => sdesKey(index + 1, suite, index))
    const offer = (own: typeof crypto) =>
      createOffer({
        local: { ...RTP_LOCAL, crypto: own },
        codecs: STANDARD_CODECS,
        origin: ORIGIN,
        direction: 'sendrecv',
      })
    const tags = (text: string) =>
      linesOf(text).flatMap((line) => /^a=crypto:(\d+ \S+)/.exec(line)?.[1] ?? [])
    const { text, sent } = offer(crypto)
    expect(tags(text)).toEqual([`2 ${SUITE_80}`, `4 ${SUITE_32}`])
    const key = Buffer.alloc(38).toString('base64')
    const answer = trunkSdp('m=audio 4000 RTP/SAVP 0', [`a=crypto:1 ${suites[0]} inline:${key}`])
    expect(failureOf(() => readAnswer(answer, sent))).toBe('sdp.no-usable-crypto')

    const alone = offer(crypto.filter((_, index) => index % 2 === 0))
    expect(tags(alone.text)).toEqual([`1 ${suites[0]}`, `3 ${suites[2]}`])
    expect(readAnswer(answer, alone.sent).localCrypto).toBe(crypto[0])
  })

  it('an INVITE with four codecs and two keys stays under 1300 bytes', () => {
    // Long but ordinary names; written out, because sdp/ knows nothing of SIP.
    const headers = [
      'INVITE sip:+4915112345678901@trunk-primary.carrier.example.com:5060;user=phone SIP/2.0',
      'Via: SIP/2.0/UDP gateway-1.example.com:5060;rport;branch=z9hG4bK8f3d2a1c9b7e6f50',
      'Max-Forwards: 69',
      'From: "Alice Example" <sip:+49301234567@gateway-1.example.com>;tag=8f3d2a1c9b7e',
      'To: <sip:+4915112345678901@trunk-primary.carrier.example.com>',
      'Call-ID: 0c9f3b5e7a1d4c2f8e6b9d0a3c5f7e1b',
      'CSeq: 1 INVITE',
      'Contact: <sip:c1a2b3@203.0.113.10:5060>',
      'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS',
      'Content-Type: application/sdp',
      'Content-Length: 620',
      '',
      '',
    ].join('\r\n')
    expect(bytes(headers + offerText(SDES_LOCAL)).length).toBeLessThan(1300)
  })
})

describe('our offer', () => {
  it('is AVP without keys and SAVP with them', () => {
    expect(linesOf(offerText())).toContain('m=audio 30000 RTP/AVP 111 9 0 8 110 101')
    const lines = linesOf(offerText(SDES_LOCAL))
    expect(lines).toContain('m=audio 30000 RTP/SAVP 111 9 0 8 110 101')
    expect(lines.filter((line) => line.startsWith('a=crypto'))).toEqual([
      `a=crypto:1 ${SUITE_80} inline:${Buffer.alloc(30, 0x11).toString('base64')}`,
      `a=crypto:2 ${SUITE_32} inline:${Buffer.alloc(30, 0x22).toString('base64')}`,
    ])
  })

  it('names the RTCP port only when it is not the next one', () => {
    expect(offerText()).not.toContain('a=rtcp')
    expect(linesOf(offerText({ ...RTP_LOCAL, rtcpPort: 31_007 }))).toContain('a=rtcp:31007')
  })

  it('row 34: has the family of its own leg', () => {
    const lines = linesOf(offerText({ ...RTP_LOCAL, rtp: { address: '2001:db8::10', port: 30_000 } }))
    expect(lines).toContain('c=IN IP6 2001:db8::10')
    expect(lines).toContain('o=- 1600000001 1 IN IP6 2001:db8::10')
  })
})

describe('our answer', () => {
  it('row 1: has the tag of the line that is taken, and neither lifetime nor MKI', () => {
    const lines = answerTo(fixture('in-the-manner-of-freeswitch-offer-sdes'), SDES_LOCAL, BOTH)
    expect(lines.filter((line) => line.startsWith('a=crypto'))).toEqual([
      `a=crypto:3 ${SUITE_80} inline:${Buffer.alloc(30, 0x11).toString('base64')}`,
    ])
  })

  it('takes the key that it is given', () => {
    const offer = readOffer(fixture('in-the-manner-of-asterisk-offer-sdes'), 'rtp', BOTH)
    const text = createAnswer({
      offer,
      local: SDES_LOCAL,
      codecs: answerableCodecs(offer, STANDARD_CODECS),
      origin: ORIGIN,
      direction: 'sendrecv',
      crypto: sdesKey(1, SUITE_80, 0x33),
    })
    expect(text).toContain(`a=crypto:1 ${SUITE_80} inline:${Buffer.alloc(30, 0x33).toString('base64')}\r\n`)
    expect(answerCrypto(offer, SDES_LOCAL)).toMatchObject({ tag: 1, suite: SUITE_80 })
    expect(() => answerCrypto(offer, RTP_LOCAL)).toThrow(TypeError)
  })

  it('row 3: takes one of a twin and gives the other port 0', () => {
    const twin = fixture('in-the-manner-of-polycom-offer-twin')
    const mLines = (lines: readonly string[]) => lines.filter((line) => line.startsWith('m='))
    expect(mLines(answerTo(twin, SDES_LOCAL, BOTH))).toEqual([
      'm=audio 30000 RTP/SAVP 0 8 127',
      'm=audio 0 RTP/AVP 0',
    ])
    expect(mLines(answerTo(twin))).toEqual(['m=audio 0 RTP/SAVP 0', 'm=audio 30000 RTP/AVP 0 8 127'])
  })

  it('row 15: rejects video', () => {
    const body = trunkSdp('m=audio 4000 RTP/AVP 0', ['m=video 4002 RTP/AVP 31 34', 'm=image 4004 udptl t38'])
    expect(answerTo(body).slice(-2)).toEqual(['m=video 0 RTP/AVP 31', 'm=image 0 udptl t38'])
  })

  it('row 11: muxes RTCP only for a peer that offers it', () => {
    expect(answerTo(trunkSdp('m=audio 4000 RTP/AVP 0', ['a=rtcp-mux']))).toContain('a=rtcp-mux')
    expect(answerTo(trunkSdp('m=audio 4000 RTP/AVP 0'))).not.toContain('a=rtcp-mux')
  })

  it('row 21: hold is answered by direction, never by address', () => {
    const lines = answerTo(fixture('in-the-manner-of-an-old-phone-hold'))
    expect(lines).toContain('a=recvonly')
    expect(lines.join()).not.toContain('0.0.0.0')
  })
})
