import { describe, expect, it } from 'vitest'
import type { RtpLocal } from '../../../media/parameters.ts'
import { createAnswer, readAnswer } from '../../../sdp/answer.ts'
import { answerableCodecs, offerableCodecs, STANDARD_CODECS } from '../../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import type { TrunkTerms } from '../../../sdp/trunk-terms.ts'
import {
  browserOffer,
  FINGERPRINT,
  failureOf,
  fixture,
  ORIGIN,
  RTP_LOCAL,
  SDES_LOCAL,
  SUITE_80,
  trunkSdp,
  WEBRTC_LOCAL,
} from './samples.ts'

// UDP/TLS/RTP/SAVPF with each profile a trunk may have: offers and answers both ways, delayed offers, re-offers.

const ALLOWED = ['opus', 'G722', 'PCMU', 'PCMA']
const KEY = 'd0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj'
const CRYPTO = `a=crypto:1 ${SUITE_80} inline:${KEY}`
const OTHER_PRINT = FINGERPRINT.replaceAll('A', '9')
const OWN_TLS_ID = 'ourAssociation0123456789'
const DTLS_LOCAL: RtpLocal = {
  ...RTP_LOCAL,
  dtls: { fingerprint: { hash: 'sha-256', value: FINGERPRINT }, tlsId: OWN_TLS_ID },
}
const dtls = (setup: string) => [`a=fingerprint:sha-256 ${OTHER_PRINT}`, `a=setup:${setup}`, 'a=rtcp-mux']

interface Pair {
  readonly name: string
  readonly terms: TrunkTerms
  readonly local: RtpLocal
  /** In our offer to the trunk, besides codecs and direction. */
  readonly offered: { readonly protocol: string; readonly attributes: readonly string[] }
  /** What the trunk answers to that, and offers itself. */
  readonly answers: readonly string[]
  readonly offers: readonly string[]
  /** In our answer to its offer. */
  readonly answered: readonly string[]
  readonly isEncrypted: boolean
}

const suites = [SUITE_80, 'AES_CM_128_HMAC_SHA1_32'] as const
const BASE = { suites: [], avpf: false, rtcpMux: false } as const
const SDES_LINES = ['a=crypto:1', 'a=crypto:2']
const DTLS_LINES = ['a=rtcp-mux', `a=fingerprint:sha-256 ${FINGERPRINT}`, 'a=setup:actpass']

const plain = (name: string, avpf: boolean): Pair => ({
  name,
  terms: { ...BASE, keying: 'none', avpf },
  local: RTP_LOCAL,
  offered: { protocol: name, attributes: [] },
  answers: [],
  offers: [],
  answered: [],
  isEncrypted: false,
})
const sdes = (name: string, avpf: boolean): Pair => ({
  name,
  terms: { ...BASE, keying: 'sdes', suites, avpf },
  local: SDES_LOCAL,
  offered: { protocol: name, attributes: SDES_LINES },
  answers: [CRYPTO],
  offers: [CRYPTO],
  answered: ['a=crypto:1'],
  isEncrypted: true,
})
const osrtp = (name: string, keying: 'osrtp' | 'osrtp-required', hasKeys: boolean): Pair => ({
  name,
  terms: { ...BASE, keying, suites },
  local: SDES_LOCAL,
  offered: { protocol: 'RTP/AVP', attributes: SDES_LINES },
  answers: hasKeys ? [CRYPTO] : [],
  offers: hasKeys ? [CRYPTO] : [],
  answered: hasKeys ? ['a=crypto:1'] : [],
  isEncrypted: hasKeys,
})
const handshake = (name: string, avpf: boolean): Pair => ({
  name,
  terms: { ...BASE, keying: 'dtls', avpf },
  local: DTLS_LOCAL,
  offered: { protocol: name, attributes: DTLS_LINES },
  answers: dtls('active'),
  offers: dtls('actpass'),
  answered: ['a=rtcp-mux', `a=fingerprint:sha-256 ${FINGERPRINT}`, 'a=setup:passive'],
  isEncrypted: true,
})

const PAIRS: readonly Pair[] = [
  plain('RTP/AVP', false),
  plain('RTP/AVPF', true),
  sdes('RTP/SAVP', false),
  sdes('RTP/SAVPF', true),
  osrtp('OSRTP, the trunk takes keys', 'osrtp', true),
  osrtp('OSRTP, the trunk knows none', 'osrtp', false),
  osrtp('OSRTP required', 'osrtp-required', true),
  handshake('UDP/TLS/RTP/SAVP', false),
  handshake('UDP/TLS/RTP/SAVPF', true),
]

/** Attributes that secure or multiplex; the rest is codecs and direction. */
const securityOf = (text: string): string[] =>
  text
    .split('\r\n')
    .filter((line) =>
      /^a=(crypto|fingerprint|setup|tls-id|ice|candidate|rtcp-mux|group|mid|ssrc|msid)/.test(line),
    )
    .map((line) => line.replace(/^(a=crypto:\d+) .*/, '$1'))

const protocolOf = (text: string): string | undefined => /^m=audio \d+ (\S+) /m.exec(text)?.[1]

const browserCodecs = () => readOffer(browserOffer(), 'webrtc')

describe.each(PAIRS)('UDP/TLS/RTP/SAVPF and $name', (pair) => {
  const { terms, local, offered } = pair
  const trunk = (lines: readonly string[], port = 4000) =>
    trunkSdp(`m=audio ${port} ${offered.protocol} 0 8`, lines)

  const toTrunk = (over: Partial<Parameters<typeof createOffer>[0]> = {}) =>
    createOffer({
      local,
      codecs: offerableCodecs(browserCodecs().codecs, ALLOWED),
      origin: ORIGIN,
      direction: 'sendrecv',
      terms,
      ...over,
    })

  it('offer of a browser, answer of the trunk', () => {
    const browser = browserCodecs()
    const { text, sent } = toTrunk()
    expect(protocolOf(text)).toBe(offered.protocol)
    expect(securityOf(text)).toEqual(offered.attributes)
    const answer = readAnswer(trunk(pair.answers), sent)
    expect(answer.transport).toMatchObject({ kind: 'rtp', rtp: { port: 4000 } })
    const isKeyed =
      answer.localCrypto !== undefined || ('dtls' in answer.transport && answer.transport.dtls !== undefined)
    expect(isKeyed).toBe(pair.isEncrypted)
    const back = createAnswer({
      offer: browser,
      local: WEBRTC_LOCAL,
      codecs: answerableCodecs(browser, answer.codecs),
      origin: ORIGIN,
      direction: answer.direction,
    })
    expect(protocolOf(back)).toBe('UDP/TLS/RTP/SAVPF')
    expect(back).not.toContain('a=crypto')
    expect(back).not.toContain(OTHER_PRINT)
  })

  it('offer of the trunk, answer of a browser', () => {
    const offer = readOffer(trunk(pair.offers), 'rtp', terms)
    const leg = createOffer({
      local: WEBRTC_LOCAL,
      codecs: offerableCodecs(offer.codecs, ALLOWED),
      origin: ORIGIN,
      direction: offer.direction,
    })
    expect(leg.text).not.toContain('a=crypto')
    expect(leg.text).not.toContain(OTHER_PRINT)
    const answer = readAnswer(fixture('chromium-answer'), leg.sent)
    const text = createAnswer({
      offer,
      local,
      codecs: answerableCodecs(offer, answer.codecs),
      origin: ORIGIN,
      direction: answer.direction,
    })
    expect(protocolOf(text)).toBe(offered.protocol)
    expect(securityOf(text).toSorted()).toEqual(pair.answered.toSorted())
  })

  it('delayed offer: the trunk called without one, gets ours in 200 and answers in ACK', () => {
    const { text, sent } = toTrunk({ codecs: offerableCodecs(STANDARD_CODECS, ALLOWED) })
    expect(securityOf(text)).toEqual(offered.attributes)
    expect(readAnswer(trunk(pair.answers), sent).codecs.map(({ name }) => name)).toEqual(['PCMU', 'PCMA'])
  })

  it('re-offer of ours in the slots of the trunk, after it has offered: profile, order and mux stay', () => {
    const offer = readOffer(
      trunkSdp(`m=audio 4000 ${offered.protocol} 0 8`, [...pair.offers, 'm=video 0 RTP/AVP 31']),
      'rtp',
      terms,
    )
    const { text, sent } = toTrunk({ slots: offer, direction: 'sendonly' })
    expect(text.match(/^m=.*$/gm)?.map((line) => line.replace(/ \d.*/, ''))).toEqual(['m=audio', 'm=video'])
    expect(protocolOf(text)).toBe(offered.protocol)
    const answer = trunkSdp(`m=audio 4000 ${offered.protocol} 0 8`, [
      ...pair.answers,
      'a=recvonly',
      'm=video 0 RTP/AVP 31',
    ])
    expect(readAnswer(answer, sent).direction).toBe('recvonly')
  })

  it('re-offer of the trunk: the answer keeps the role and names the same keys', () => {
    const offer = readOffer(trunk([...pair.offers, 'a=sendonly']), 'rtp', terms)
    const answer = (currentRole?: 'active' | 'passive') =>
      createAnswer({ offer, local, codecs: offer.codecs, origin: ORIGIN, direction: 'sendrecv', currentRole })
    expect(answer()).toContain('a=recvonly')
    expect(answer()).toBe(answer('passive'))
    expect(answer('active').includes('a=setup:active')).toBe(terms.keying === 'dtls')
  })

  it('an answer in another profile is a mismatch', () => {
    const { sent } = toTrunk()
    const answer = trunkSdp('m=audio 4000 RTP/XAVP 0 8', pair.answers)
    expect(failureOf(() => readAnswer(answer, sent))).toBe('sdp.profile-mismatch')
  })
})

describe('what a trunk must not lack', () => {
  const read = (protocol: string, lines: readonly string[], terms: Partial<TrunkTerms>) =>
    readOffer(trunkSdp(`m=audio 4000 ${protocol} 0`, lines), 'rtp', terms)
  const SDES = { keying: 'sdes', suites } as const
  const OSRTP = { keying: 'osrtp', suites } as const
  const REQUIRED = { keying: 'osrtp-required', suites } as const
  const DTLS = { keying: 'dtls' } as const

  it.each([
    ['keys under SAVP', 'RTP/SAVP', [], SDES, 'sdp.no-usable-crypto'],
    ['keys under SAVP where they are optional in AVP', 'RTP/SAVP', [], OSRTP, 'sdp.no-usable-crypto'],
    ['keys where OSRTP is required', 'RTP/AVP', [], REQUIRED, 'sdp.profile-mismatch'],
    ['encryption where we have none', 'RTP/SAVP', [CRYPTO], {}, 'sdp.profile-mismatch'],
    ['DTLS where we have none', 'UDP/TLS/RTP/SAVP', dtls('actpass'), {}, 'sdp.profile-mismatch'],
    ['a handshake where only that will do', 'RTP/AVP', [], DTLS, 'sdp.profile-mismatch'],
    ['a fingerprint', 'UDP/TLS/RTP/SAVP', ['a=setup:actpass', 'a=rtcp-mux'], DTLS, 'sdp.no-fingerprint'],
    ['rtcp-mux with DTLS', 'UDP/TLS/RTP/SAVP', dtls('actpass').slice(0, 2), DTLS, 'sdp.no-rtcp-mux'],
    ['a role', 'UDP/TLS/RTP/SAVP', dtls('holdconn'), DTLS, 'sdp.bad-setup'],
  ] as const)('%s', (_, protocol, lines, terms, code) => {
    expect(failureOf(() => read(protocol, lines, terms))).toBe(code)
  })

  it('keys under AVP are of no meaning to a plain trunk, and never answered', () => {
    const offer = read('RTP/AVP', [CRYPTO], {})
    expect(offer.transport).toMatchObject({ crypto: undefined })
    const text = createAnswer({
      offer,
      local: RTP_LOCAL,
      codecs: offer.codecs,
      origin: ORIGIN,
      direction: 'sendrecv',
    })
    expect(text).not.toContain('crypto')
  })

  it('OSRTP takes the best of several m-lines: SAVP with keys, AVP with keys, AVP', () => {
    const lines = (...sections: string[]) =>
      readOffer(trunkSdp('m=audio 4000 RTP/AVP 0', sections), 'rtp', OSRTP)
    expect(lines('m=audio 4002 RTP/SAVP 0', CRYPTO).audioIndex).toBe(1)
    expect(lines('m=audio 4002 RTP/AVP 0', CRYPTO).audioIndex).toBe(1)
    expect(lines('m=audio 4002 RTP/SAVP 0').audioIndex).toBe(0)
  })

  it('an answer of keys that we did not offer is none', () => {
    const { sent } = createOffer({
      local: SDES_LOCAL,
      codecs: STANDARD_CODECS,
      origin: ORIGIN,
      direction: 'sendrecv',
      terms: OSRTP,
    })
    const answer = trunkSdp('m=audio 4000 RTP/AVP 0', [CRYPTO.replace('crypto:1', 'crypto:9')])
    expect(failureOf(() => readAnswer(answer, sent))).toBe('sdp.crypto-mismatch')
  })
})

describe('RTCP of a trunk', () => {
  const offerWith = (terms: Partial<TrunkTerms>) =>
    createOffer({ local: RTP_LOCAL, codecs: STANDARD_CODECS, origin: ORIGIN, direction: 'sendrecv', terms })
  const answer = (...lines: string[]) => trunkSdp('m=audio 4000 RTP/AVP 0', lines)

  it('is muxed where we offer it and the trunk takes it, else on the next port or where a=rtcp says', () => {
    const { text, sent } = offerWith({ rtcpMux: true })
    expect(text).toContain('a=rtcp-mux\r\n')
    expect(readAnswer(answer('a=rtcp-mux'), sent).transport).toMatchObject({ rtcp: undefined })
    expect(readAnswer(answer(), sent).transport).toMatchObject({ rtcp: { port: 4001 } })
    expect(readAnswer(answer('a=rtcp:4050'), sent).transport).toMatchObject({ rtcp: { port: 4050 } })
  })

  it('is not muxed by an answer to an offer without', () => {
    const { text, sent } = offerWith({})
    expect(text).not.toContain('rtcp-mux')
    expect(readAnswer(answer('a=rtcp-mux'), sent).transport).toMatchObject({ rtcp: { port: 4001 } })
  })

  it('stays muxed in our re-offer to a trunk that muxed', () => {
    const slots = readOffer(answer('a=rtcp-mux'), 'rtp')
    const { text } = createOffer({
      local: RTP_LOCAL,
      codecs: STANDARD_CODECS,
      origin: ORIGIN,
      direction: 'sendrecv',
      slots,
    })
    expect(text).toContain('a=rtcp-mux\r\n')
  })
})

describe('tls-id (RFC 8842)', () => {
  const THEIRS = 'theirAssociation0123456789'
  const answerTo = (tlsId: string | undefined) => {
    const lines = [...dtls('actpass'), ...(tlsId === undefined ? [] : [`a=tls-id:${tlsId}`])]
    const offer = readOffer(trunkSdp('m=audio 4000 UDP/TLS/RTP/SAVP 0', lines), 'rtp', { keying: 'dtls' })
    const text = createAnswer({
      offer,
      local: DTLS_LOCAL,
      codecs: offer.codecs,
      origin: ORIGIN,
      direction: 'sendrecv',
    })
    return { offer, text }
  }

  it('is read, and ours told to who tells its own', () => {
    const { offer, text } = answerTo(THEIRS)
    expect(offer.transport).toMatchObject({ dtls: { tlsId: THEIRS } })
    expect(text).toContain(`a=tls-id:${OWN_TLS_ID}\r\n`)
  })

  it.each([undefined, 'too-short', 'x'.repeat(256), 'with blank and 0123456789'])('%s is none', (tlsId) => {
    const { offer, text } = answerTo(tlsId)
    expect(offer.transport).toMatchObject({ dtls: { tlsId: undefined } })
    expect(text).not.toContain('tls-id')
  })

  it('of a browser too', () => {
    const offer = readOffer(browserOffer({ media: [`a=tls-id:${THEIRS}`] }), 'webrtc')
    const text = createAnswer({
      offer,
      local: { ...WEBRTC_LOCAL, tlsId: OWN_TLS_ID },
      codecs: offer.codecs,
      origin: ORIGIN,
      direction: 'sendrecv',
    })
    expect(text).toContain(`a=tls-id:${OWN_TLS_ID}\r\n`)
  })
})
