import { describe, expect, it } from 'vitest'
import { isUnspecified } from '../../../sdp/address.ts'
import { formatCrypto } from '../../../sdp/crypto.ts'
import { readOffer } from '../../../sdp/offer.ts'
import type { Offer } from '../../../sdp/session.ts'
import { failure, failureOf, fixture, SUITE_32, SUITE_80, sdesKey, sdp, trunkSdp } from './samples.ts'

const KEY = 'd0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj'
const BOTH = { suites: [SUITE_80, SUITE_32] }
const plain = (body: Uint8Array) => readOffer(body, 'rtp')
const sdes = (body: Uint8Array) => readOffer(body, 'rtp', BOTH)
const secure = (...crypto: readonly string[]) =>
  trunkSdp(
    'm=audio 4000 RTP/SAVP 0',
    crypto.map((line) => `a=crypto:${line}`),
  )
const tags = (offer: Offer) => offer.crypto.map(({ tag, suite }) => `${tag} ${suite}`)

function rtp(offer: Offer) {
  if (offer.transport.kind !== 'rtp') throw new Error('not a trunk transport')
  return offer.transport
}

describe('captures and manners', () => {
  it('baresip, plain', () => {
    const offer = plain(fixture('baresip-offer-plain'))
    expect(offer.codecs.map(({ name, payloadType }) => `${payloadType} ${name}`)).toEqual([
      '0 PCMU',
      '8 PCMA',
      '9 G722',
      '96 opus',
      '101 telephone-event',
    ])
    expect(rtp(offer)).toEqual({
      kind: 'rtp',
      rtp: { address: '192.0.2.2', port: 32510 },
      rtcp: { address: '192.0.2.2', port: 32511 },
      crypto: undefined,
    })
    expect(offer).toMatchObject({ isMuxed: false, ptimeMs: 20, bundle: [], direction: 'sendrecv' })
  })

  it('baresip, SDES', () => {
    const offer = sdes(fixture('baresip-offer-sdes'))
    expect(tags(offer)).toEqual([`1 ${SUITE_80}`])
    const key = Buffer.from(rtp(offer).crypto?.keySalt.reveal() ?? [])
    expect(key.toString('base64')).toBe('9XAA+Syg/ejJDFdrKIgYVKuU48JoHLHGkfBwSg3s')
  })

  it('baresip, DTLS: no trunk leg speaks it', () => {
    expect(failureOf(() => plain(fixture('baresip-offer-dtls')))).toBe('sdp.profile-mismatch')
    expect(failureOf(() => sdes(fixture('baresip-offer-dtls')))).toBe('sdp.profile-mismatch')
  })

  it('Linphone, SDES: four suites, a key press on each clock, codecs that nobody else has', () => {
    const offer = sdes(fixture('linphone-offer-sdes'))
    expect(tags(offer)).toEqual([`1 ${SUITE_80}`, `2 ${SUITE_32}`])
    const events = offer.codecs.filter(({ name }) => name === 'telephone-event')
    expect(events.map(({ payloadType, clockRateHz }) => `${payloadType} ${clockRateHz}`)).toEqual([
      '99 48000',
      '100 16000',
      '101 8000',
    ])
  })

  it('Linphone with ICE and feedback: read as if it had none', () => {
    const offer = plain(fixture('linphone-offer-plain'))
    expect(rtp(offer).rtp).toEqual({ address: '192.0.2.2', port: 10986 })
    expect(offer).toMatchObject({ isMuxed: false, direction: 'sendrecv' })
    expect(plain(fixture('linphone-offer-video')).sections.map(({ media }) => media)).toEqual([
      'audio',
      'video',
    ])
  })

  it('Linphone, DTLS with ICE and feedback', () => {
    const offer = readOffer(fixture('linphone-offer-dtls'), 'rtp', { keying: 'dtls' })
    const at = { address: '192.0.2.2', port: 10922 }
    expect(offer.transport).toMatchObject({ rtp: at, dtls: { setup: 'actpass' } })
    expect(offer.isMuxed).toBe(true)
  })

  it('SIPp and FreeSWITCH manner', () => {
    expect(plain(fixture('in-the-manner-of-sipp-offer')).codecs).toHaveLength(1)
    const offer = plain(fixture('in-the-manner-of-freeswitch-offer-plain'))
    expect(offer.codecs.map(({ payloadType }) => payloadType)).toEqual([102, 9, 0, 8, 103, 101])
  })
})

describe('row 1: crypto lines are judged one by one', () => {
  it('unknown suites are skipped, the first usable line is taken', () => {
    const offer = sdes(fixture('in-the-manner-of-freeswitch-offer-sdes'))
    expect(tags(offer)).toEqual([`3 ${SUITE_80}`])
    expect(rtp(offer).crypto?.tag).toBe(3)
    expect(tags(sdes(fixture('in-the-manner-of-asterisk-offer-sdes')))).toEqual([
      `1 ${SUITE_80}`,
      `2 ${SUITE_32}`,
    ])
  })

  it.each([`|2^31`, `|2^20`, `|1000000`])('a lifetime of %s is accepted', (lifetime) => {
    expect(tags(sdes(secure(`1 ${SUITE_80} inline:${KEY}${lifetime}`)))).toHaveLength(1)
  })

  it.each([
    ['an MKI of no bytes', `${SUITE_80} inline:${KEY}|1:0`],
    ['an MKI of 129 bytes', `${SUITE_80} inline:${KEY}|2^31|1:129`],
    ['an MKI that its length cannot hold', `${SUITE_80} inline:${KEY}|256:1`],
    ['an MKI before the lifetime', `${SUITE_80} inline:${KEY}|1:4|2^31`],
    ['an MKI in hexadecimal', `${SUITE_80} inline:${KEY}|0x1:4`],
    ['two keys', `${SUITE_80} inline:${KEY}|2^20|1:4;inline:${KEY}|2^20|2:4`],
    ['UNENCRYPTED_SRTP', `${SUITE_80} inline:${KEY} UNENCRYPTED_SRTP`],
    ['UNENCRYPTED_SRTCP', `${SUITE_80} inline:${KEY} UNENCRYPTED_SRTCP`],
    ['UNAUTHENTICATED_SRTP', `${SUITE_80} inline:${KEY} UNAUTHENTICATED_SRTP`],
    ['KDR', `${SUITE_80} inline:${KEY} KDR=5`],
    ['FEC_ORDER', `${SUITE_80} inline:${KEY} FEC_ORDER=FEC_SRTP`],
    ['FEC_KEY', `${SUITE_80} inline:${KEY} FEC_KEY=inline:${KEY}`],
    ['UNENCRYPTED_SRTP marked optional', `${SUITE_80} inline:${KEY} -UNENCRYPTED_SRTP`],
    ['unauthenticated_srtp in small letters', `${SUITE_80} inline:${KEY} -unauthenticated_srtp`],
    ['WSH without a number', `${SUITE_80} inline:${KEY} WSH=wide`],
    ['an unknown parameter', `${SUITE_80} inline:${KEY} new=1`],
    ['an unknown parameter behind an optional one', `${SUITE_80} inline:${KEY} -x new=1`],
    ['a NULL cipher', `NULL_HMAC_SHA1_80 inline:${KEY}`],
    ['another key method', `${SUITE_80} uri:${KEY}`],
    ['no key', SUITE_80],
  ])('%s skips the line, not the offer', (_, line) => {
    expect(tags(sdes(secure(`1 ${line}`, `2 ${SUITE_32} inline:${KEY}`)))).toEqual([`2 ${SUITE_32}`])
    expect(failureOf(() => sdes(secure(`1 ${line}`)))).toBe('sdp.no-usable-crypto')
  })

  it.each(['-x=1', 'WSH=128', 'wsh=64 -x'])('%s is ignored, as the RFC allows', (parameters) => {
    expect(tags(sdes(secure(`1 ${SUITE_80} inline:${KEY} ${parameters}`)))).toHaveLength(1)
  })

  it.each([
    ['|1:4', '00000001'],
    ['|2^31|1:4', '00000001'],
    ['|1000000|258:2', '0102'],
    ['|255:1', 'ff'],
    [`|${2n ** 1024n - 1n}:128`, 'ff'.repeat(128)],
  ])('an MKI of %s goes with the key, as it stands in packets', (written, bytes) => {
    const { crypto } = rtp(sdes(secure(`1 ${SUITE_80} inline:${KEY}${written}`)))
    expect(Buffer.from(crypto?.mki ?? []).toString('hex')).toBe(bytes)
  })

  it.each(['0x1', '-1', '', '1234567890'])('a tag of "%s" skips the line', (tag) => {
    expect(failureOf(() => sdes(secure(`${tag} ${SUITE_80} inline:${KEY}`)))).toBe('sdp.no-usable-crypto')
  })

  it('of two lines with one tag the first usable counts', () => {
    const offer = sdes(
      secure(`1 ${SUITE_80} inline:short`, `1 ${SUITE_32} inline:${KEY}`, `1 ${SUITE_80} inline:${KEY}`),
    )
    expect(tags(offer)).toEqual([`1 ${SUITE_32}`])
  })

  it('suites that the trunk does not allow are skipped', () => {
    const offer = fixture('in-the-manner-of-asterisk-offer-sdes')
    expect(tags(readOffer(offer, 'rtp', { suites: [SUITE_32] }))).toEqual([`2 ${SUITE_32}`])
    expect(failureOf(() => readOffer(offer, 'rtp', { suites: ['AEAD_AES_128_GCM'] }))).toBe(
      'sdp.no-usable-crypto',
    )
  })

  it('the failure names suites and no key', () => {
    const { message } = failure(() => sdes(secure(`1 ${SUITE_80} inline:${KEY} KDR=1`)))
    expect(message).toContain(SUITE_80)
    expect(message).not.toContain(KEY)
    expect(failure(() => sdes(secure())).message).toContain('none')
  })

  it.each(['m=video 6000 RTP/SAVP 96', 'm=audio 0 RTP/SAVP 0'])(
    'keys of "%s" are not those of the call',
    (other) => {
      const crypto = `a=crypto:1 ${SUITE_80} inline:${KEY}`
      const body = trunkSdp('m=audio 4000 RTP/AVP 0', [other, crypto])
      const offer = readOffer(body, 'rtp', { keying: 'osrtp', suites: [SUITE_80] })
      expect([rtp(offer).rtp.port, rtp(offer).crypto]).toEqual([4000, undefined])
    },
  )

  it('keys print as [redacted]', () => {
    const { crypto } = rtp(sdes(secure(`1 ${SUITE_80} inline:${KEY}`)))
    expect(`${crypto?.keySalt} ${JSON.stringify(crypto)}`).toBe(
      `[redacted] {"tag":1,"suite":"${SUITE_80}","keySalt":"[redacted]"}`,
    )
  })
})

describe('row 2: suite spelling and base64', () => {
  it('accepts the words of a suite turned round, and small letters', () => {
    expect(tags(sdes(secure(`1 AES_128_CM_HMAC_SHA1_80 inline:${KEY}`)))).toEqual([`1 ${SUITE_80}`])
    expect(tags(sdes(secure(`1 aes_cm_128_hmac_sha1_32 inline:${KEY}`)))).toEqual([`1 ${SUITE_32}`])
  })

  it.each([
    ['AES_CM_256_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_80', 46],
    ['AES_256_CM_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_80', 46],
    ['AES_CM_256_HMAC_SHA1_32', 'AES_256_CM_HMAC_SHA1_32', 46],
    ['AES_CM_192_HMAC_SHA1_80', 'AES_192_CM_HMAC_SHA1_80', 38],
    ['AES_192_CM_HMAC_SHA1_32', 'AES_192_CM_HMAC_SHA1_32', 38],
    ['AEAD_AES_256_GCM', 'AEAD_AES_256_GCM', 44],
  ] as const)('%s is %s, and answered so', (written, suite, length) => {
    const key = Buffer.alloc(length, 9)
    const body = secure(`7 ${written} inline:${key.toString('base64')}`)
    const offer = readOffer(body, 'rtp', { suites: [suite] })
    expect(tags(offer)).toEqual([`7 ${suite}`])
    expect(formatCrypto(sdesKey(7, suite, 9)).value).toBe(`7 ${suite} inline:${key.toString('base64')}`)
    const short = secure(`7 ${written} inline:${key.subarray(1).toString('base64')}`)
    expect(failureOf(() => readOffer(short, 'rtp', { suites: [suite] }))).toBe('sdp.no-usable-crypto')
  })

  it('tolerates padding that is missing or too much', () => {
    const gcm = { suites: ['AEAD_AES_128_GCM'] } as const
    const key = Buffer.alloc(28, 7).toString('base64')
    for (const written of [key, key.replaceAll('=', ''), `${key.replaceAll('=', '')}=`, `${key}=`]) {
      expect(readOffer(secure(`1 AEAD_AES_128_GCM inline:${written}`), 'rtp', gcm).crypto).toHaveLength(1)
    }
    expect(tags(sdes(secure(`1 ${SUITE_80} inline:${KEY}==`)))).toHaveLength(1)
  })

  it.each([28, 29, 31, 46])('a key of %d bytes skips the line', (length) => {
    const key = Buffer.alloc(length, 7).toString('base64')
    expect(failureOf(() => sdes(secure(`1 ${SUITE_80} inline:${key}`)))).toBe('sdp.no-usable-crypto')
  })
})

describe('row 3: plain and encrypted', () => {
  const twin = fixture('in-the-manner-of-polycom-offer-twin')
  const reversed = trunkSdp('m=audio 2224 RTP/AVP 0', [
    'm=audio 2222 RTP/SAVP 0',
    `a=crypto:1 ${SUITE_80} inline:${KEY}`,
  ])

  it('of a twin offer the section that fits is taken', () => {
    expect(sdes(twin)).toMatchObject({ audioIndex: 0, transport: { rtp: { port: 2222 } } })
    expect(plain(twin)).toMatchObject({
      audioIndex: 1,
      transport: { rtp: { port: 2224 }, crypto: undefined },
    })
    expect(sdes(reversed).audioIndex).toBe(1)
    expect(plain(reversed).audioIndex).toBe(0)
  })

  it('a plain trunk refuses encryption, an encrypted one refuses plain', () => {
    expect(failureOf(() => plain(secure(`1 ${SUITE_80} inline:${KEY}`)))).toBe('sdp.profile-mismatch')
    expect(failureOf(() => sdes(fixture('baresip-offer-plain')))).toBe('sdp.profile-mismatch')
  })

  it('keys under RTP/AVP (RFC 8643) serve an encrypted trunk and are nothing to a plain one', () => {
    const body = trunkSdp('m=audio 4000 RTP/AVP 0', [`a=crypto:1 ${SUITE_80} inline:${KEY}`])
    expect(tags(sdes(body))).toHaveLength(1)
    expect(plain(body)).toMatchObject({ crypto: [], transport: { crypto: undefined } })
  })

  it('an SAVP section without usable keys gives way to a twin that has them', () => {
    const body = trunkSdp('m=audio 4000 RTP/SAVP 0', [
      'm=audio 4002 RTP/SAVP 0',
      `a=crypto:1 ${SUITE_80} inline:${KEY}`,
    ])
    expect(sdes(body).audioIndex).toBe(1)
  })
})

describe('row 21: hold', () => {
  it('absent direction is that of the session, else sendrecv', () => {
    expect(plain(trunkSdp('m=audio 4000 RTP/AVP 0')).direction).toBe('sendrecv')
    expect(plain(trunkSdp('m=audio 4000 RTP/AVP 0', [], ['a=sendonly'])).direction).toBe('sendonly')
    expect(plain(trunkSdp('m=audio 4000 RTP/AVP 0', ['a=recvonly'], ['a=sendonly'])).direction).toBe(
      'recvonly',
    )
    expect(plain(trunkSdp('m=audio 4000 RTP/AVP 0', ['a=sendrecv '])).direction).toBe('sendrecv')
  })

  it('c=0.0.0.0 takes receiving out of the direction', () => {
    const offer = plain(fixture('in-the-manner-of-an-old-phone-hold'))
    expect(offer.direction).toBe('sendonly')
    expect(isUnspecified(rtp(offer).rtp.address)).toBe(true)
    const held = (line: string) =>
      plain(trunkSdp('m=audio 4000 RTP/AVP 0', ['c=IN IP4 0.0.0.0', line])).direction
    expect(held('a=sendonly')).toBe('sendonly')
    expect(held('a=recvonly')).toBe('inactive')
    expect(held('a=inactive')).toBe('inactive')
    expect(plain(trunkSdp('m=audio 4000 RTP/AVP 0', ['c=IN IP6 ::'])).direction).toBe('sendonly')
  })
})

describe('row 34 and addresses', () => {
  const at = (connection: string) => plain(trunkSdp('m=audio 4000 RTP/AVP 0', [`c=${connection}`]))

  it('the section overrides the session, and one of them must be there', () => {
    expect(rtp(at('IN IP4 203.0.113.7')).rtp.address).toBe('203.0.113.7')
    const none = sdp('v=0', 'o=- 1 1 IN IP4 198.51.100.1', 's=-', 't=0 0', 'm=audio 4000 RTP/AVP 0')
    expect(failureOf(() => plain(none))).toBe('sdp.malformed')
  })

  it.each(['IN IP6 2001:db8::7', 'IN IP4 127.0.0.1', 'IN IP6 ::1', 'IN IP4 223.255.255.255'])(
    '%s is taken',
    (connection) => {
      expect(at(connection).transport).toMatchObject({ rtp: { address: connection.split(' ')[2] } })
    },
  )

  it.each([
    'IN IP4 pbx.example.com',
    'IN IP4 f00d.local',
    'IN IP4 224.0.1.1',
    'IN IP4 224.0.1.1/127',
    'IN IP4 255.255.255.255',
    'IN IP4 0.0.0.1',
    'IN IP4 198.51.100.999',
    'IN IP4 2001:db8::7',
    'IN IP6 198.51.100.7',
    'IN IP6 ff02::1',
    'IN IP6 fe80::1%eth0',
    'IN IP6 ::ffff:224.0.0.1',
    'IN IP6 ::ffff:e000:1',
    'IN IP6 0:0:0:0:0:ffff:e000:1',
  ])('%s is refused', (connection) => {
    expect(failureOf(() => at(connection))).toBe('sdp.malformed')
  })

  it('RTCP: a=rtcp, else the next port; muxed when offered', () => {
    const rtcp = (...lines: string[]) => rtp(plain(trunkSdp('m=audio 4000 RTP/AVP 0', lines))).rtcp
    expect(rtcp()).toEqual({ address: '198.51.100.20', port: 4001 })
    expect(rtcp('a=rtcp:5000')).toEqual({ address: '198.51.100.20', port: 5000 })
    expect(rtcp('a=rtcp:5000 IN IP4 203.0.113.8')).toEqual({ address: '203.0.113.8', port: 5000 })
    expect(rtcp('a=rtcp:nonsense')).toEqual({ address: '198.51.100.20', port: 4001 })
    expect(rtcp('a=rtcp-mux')).toBeUndefined()
    expect(failureOf(() => rtcp('a=rtcp:5000 IN IP4 239.1.1.1'))).toBe('sdp.malformed')
  })
})

describe('codecs', () => {
  const codecs = (mLine: string, ...lines: string[]) =>
    plain(trunkSdp(mLine, lines)).codecs.map(({ payloadType, name, clockRateHz, channels, format }) => {
      return `${payloadType} ${name}/${clockRateHz}/${channels}${format === undefined ? '' : ` ${format}`}`
    })

  it('static payload types need no rtpmap', () => {
    expect(codecs('m=audio 4000 RTP/AVP 0 8 9 3 18 10', 'a=fmtp:18 annexb=no')).toEqual([
      '0 PCMU/8000/1',
      '8 PCMA/8000/1',
      '9 G722/8000/1',
      '3 GSM/8000/1',
      '18 G729/8000/1 annexb=no',
      '10 L16/44100/2',
    ])
  })

  it('what is no payload type, unknown, repeated or unreadable is left out', () => {
    expect(
      codecs('m=audio 4000 RTP/AVP 0 0 96 97 128 x 999', 'a=rtpmap:97 /8000', 'a=rtpmap:128 PCMA/8000'),
    ).toEqual(['0 PCMU/8000/1'])
  })

  it('opus is two channels however it is written', () => {
    expect(codecs('m=audio 4000 RTP/AVP 96', 'a=rtpmap:96 OPUS/48000')).toEqual(['96 OPUS/48000/2'])
  })

  it('G722 has a clock of 8000 Hz however it is written', () => {
    expect(codecs('m=audio 4000 RTP/AVP 9', 'a=rtpmap:9 G722/16000')).toEqual(['9 G722/8000/1'])
  })
})

it('a port of 0 is no audio', () => {
  expect(failureOf(() => plain(trunkSdp('m=audio 0 RTP/AVP 0')))).toBe('sdp.no-audio')
})
