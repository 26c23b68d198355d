import { describe, expect, it } from 'vitest'
import { readOffer } from '../../../sdp/offer.ts'
import { browserOffer, bytes, FINGERPRINT, FIXTURES, failure, failureOf, fixture, sdp } from './samples.ts'

const SHA512 = Array.from({ length: 64 }, () => 'AB').join(':')
const read = (body: Uint8Array) => readOffer(body, 'webrtc')
const transport = (body: Uint8Array) => {
  const { transport } = read(body)
  if (transport.kind !== 'webrtc') throw new Error('not a browser transport')
  return transport
}
const OFFERS = FIXTURES.filter((name) => /^(chromium|firefox)-(re)?offer/.test(name))

describe.each(OFFERS)('%s', (name) => {
  it('is read whole', () => {
    const offer = read(fixture(name))
    expect(offer.sections[offer.audioIndex]?.media).toBe('audio')
    expect(offer.codecs.map((codec) => codec.name)).toEqual(
      expect.arrayContaining(['opus', 'G722', 'PCMU', 'PCMA', 'telephone-event']),
    )
    expect(offer.transport).toMatchObject({
      kind: 'webrtc',
      setup: 'actpass',
      fingerprints: [{ hash: 'sha-256' }],
    })
    expect(offer.bundle).toContain(offer.sections[offer.audioIndex]?.mid)
    expect(offer.direction).toBe(name.includes('hold') ? 'sendonly' : 'sendrecv')
  })
})

describe('row 5, 6: DTLS roles', () => {
  it.each(['active', 'passive', 'actpass'])('setup:%s is taken as offered', (setup) => {
    const body = browserOffer({ without: ['a=setup'], media: [`a=setup:${setup}`] })
    expect(transport(body).setup).toBe(setup)
  })

  it('a missing setup means active', () => {
    expect(transport(browserOffer({ without: ['a=setup'] })).setup).toBe('active')
  })

  it('the section overrides the session', () => {
    expect(transport(browserOffer({ session: ['a=setup:passive'] })).setup).toBe('actpass')
  })

  it.each(['holdconn', 'client', ''])('setup:%s is refused', (setup) => {
    const body = browserOffer({ without: ['a=setup'], media: [`a=setup:${setup}`] })
    expect(failureOf(() => read(body))).toBe('sdp.bad-setup')
  })
})

describe('row 7: fingerprints', () => {
  it('the section overrides the session', () => {
    const body = browserOffer({ session: [`a=fingerprint:sha-512 ${SHA512}`] })
    expect(transport(body).fingerprints).toEqual([{ hash: 'sha-256', value: FINGERPRINT }])
  })

  it('the session counts when the section has none', () => {
    const session = [`a=fingerprint:SHA-512 ${SHA512.toLowerCase()}`]
    const body = browserOffer({ session, without: ['a=fingerprint:sha-256'] })
    expect(transport(body).fingerprints).toEqual([{ hash: 'sha-512', value: SHA512 }])
  })

  it('of several, all with a known hash are kept, strongest first', () => {
    const other = FINGERPRINT.replace('A0', 'FF')
    const media = [
      'a=fingerprint:sha-1 00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00',
      `a=fingerprint:sha-512 ${SHA512}`,
      `a=fingerprint:sha-256 ${other}`,
    ]
    expect(transport(browserOffer({ media })).fingerprints).toEqual([
      { hash: 'sha-512', value: SHA512 },
      { hash: 'sha-256', value: FINGERPRINT },
      { hash: 'sha-256', value: other },
    ])
  })

  it.each([
    ['sha-256', 32],
    ['sha-384', 48],
    ['sha-512', 64],
  ] as const)('%s alone is taken', (hash, length) => {
    const value = Array.from({ length }, () => 'AB').join(':')
    const body = browserOffer({ without: ['a=fingerprint'], media: [`a=fingerprint:${hash} ${value}`] })
    expect(transport(body).fingerprints).toEqual([{ hash, value }])
  })

  it.each([
    ['sha-1', '00:'.repeat(19).concat('00')],
    ['md5', '00:'.repeat(15).concat('00')],
    ['sha-224', '00:'.repeat(27).concat('00')],
    ['sha-256', 'AA:BB'],
    ['sha-256', FINGERPRINT.replaceAll(':', '-')],
    ['sha-512', FINGERPRINT],
  ])('%s %s alone is refused', (hash, value) => {
    const body = browserOffer({ without: ['a=fingerprint'], media: [`a=fingerprint:${hash} ${value}`] })
    expect(failure(() => read(body))).toMatchObject({ code: 'sdp.unknown-fingerprint-hash', seen: hash })
  })

  it('a missing one is refused', () => {
    expect(failureOf(() => read(browserOffer({ without: ['a=fingerprint'] })))).toBe('sdp.no-fingerprint')
  })
})

describe('row 11: rtcp-mux', () => {
  it('is required', () => {
    expect(failureOf(() => read(browserOffer({ without: ['a=rtcp-mux'] })))).toBe('sdp.no-rtcp-mux')
  })

  it('rtcp-mux-only says it too', () => {
    expect(read(browserOffer({ without: ['a=rtcp-mux'], media: ['a=rtcp-mux-only'] })).isMuxed).toBe(true)
  })

  it('leaves out payload types that RTCP needs (RFC 5761 §4)', () => {
    const mLine = 'm=audio 9 UDP/TLS/RTP/SAVPF 63 64 95 111'
    const media = ['a=rtpmap:63 red/48000/2', 'a=rtpmap:64 L16/8000', 'a=rtpmap:95 L16/16000']
    expect(read(browserOffer({ mLine, media })).codecs.map((codec) => codec.payloadType)).toEqual([63, 111])
  })
})

describe('ICE', () => {
  it.each(['a=ice-ufrag', 'a=ice-pwd'])('%s is required', (line) => {
    expect(failureOf(() => read(browserOffer({ without: [line] })))).toBe('sdp.no-ice')
  })

  it.each([
    ['a=ice-ufrag', 'a=ice-ufrag:abc'],
    ['a=ice-ufrag', `a=ice-ufrag:${'a'.repeat(257)}`],
    ['a=ice-ufrag', 'a=ice-ufrag:ab:cd'],
    ['a=ice-pwd', `a=ice-pwd:${'a'.repeat(21)}`],
    ['a=ice-pwd', `a=ice-pwd:${'a'.repeat(257)}`],
  ])('%s out of its grammar is refused', (name, line) => {
    const { code, message } = failure(() => read(browserOffer({ without: [name], media: [line] })))
    expect(code).toBe('sdp.no-ice')
    expect(message).not.toContain('aaaa')
  })

  it('row 16: port 9, c=0.0.0.0 and no candidate are a trickling browser, not hold', () => {
    const offer = read(fixture('chromium-offer-trickle'))
    expect(Buffer.from(fixture('chromium-offer-trickle')).toString()).not.toContain('a=candidate')
    expect(offer.direction).toBe('sendrecv')
  })

  it('row 17: .local candidates change nothing', () => {
    const media = ['a=candidate:1 1 udp 2113937151 4f0cf2e1-0b7b-4d3b-9f0c-6d0e3f6b4f0e.local 50000 typ host']
    expect(read(browserOffer({ media }))).toEqual(read(browserOffer()))
  })
})

describe('rows 13, 14, 15: sections', () => {
  const video = ['m=video 9 UDP/TLS/RTP/SAVPF 96', 'c=IN IP4 0.0.0.0', 'a=mid:1', 'a=rtpmap:96 VP8/90000']

  it('keeps number, order and mids of all sections', () => {
    expect(read(fixture('chromium-offer-with-video')).sections).toMatchObject([
      { media: 'audio', mid: '0' },
      { media: 'video', mid: '1' },
      { media: 'application', mid: '2', protocol: 'UDP/DTLS/SCTP', formats: 'webrtc-datachannel' },
    ])
    expect(read(fixture('firefox-offer-video-first'))).toMatchObject({ audioIndex: 1, bundle: ['0', '1'] })
  })

  it('a bundle-only section with port 0 is alive', () => {
    const body = fixture('firefox-offer-video-first')
    expect(read(body).sections[1]).toMatchObject({ media: 'audio', port: 0 })
  })

  it('port 0 without bundle-only is a rejection, and so is bundle-only outside any group', () => {
    const mLine = 'm=audio 0 UDP/TLS/RTP/SAVPF 111'
    expect(failureOf(() => read(browserOffer({ mLine })))).toBe('sdp.no-audio')
    const alone = browserOffer({ mLine, media: ['a=bundle-only'], without: ['a=group'] })
    expect(failureOf(() => read(alone))).toBe('sdp.no-audio')
    expect(read(browserOffer({ mLine, media: ['a=bundle-only'] })).audioIndex).toBe(0)
  })

  it('a bundled section may leave its transport to the first of the group (RFC 9143 §7.1.3)', () => {
    const own = ['a=ice-ufrag', 'a=ice-pwd', 'a=fingerprint', 'a=setup', 'a=rtcp-mux', 'a=group']
    const carrier = [
      ...video,
      'a=ice-ufrag:V1d3',
      'a=ice-pwd:videovideovideovideovideo',
      `a=fingerprint:sha-256 ${FINGERPRINT}`,
      'a=setup:actpass',
      'a=rtcp-mux',
    ]
    const audio = browserOffer({ without: own, session: ['a=group:BUNDLE 1 0'] })
    const body = Buffer.concat([audio, bytes(`${carrier.join('\r\n')}\r\n`)])
    expect(transport(body).ice).toEqual({ ufrag: 'V1d3', pwd: 'videovideovideovideovideo' })
  })

  it('nothing but video, or nothing at all, is refused', () => {
    expect(failureOf(() => read(browserOffer({ mLine: 'm=video 9 UDP/TLS/RTP/SAVPF 96' })))).toBe(
      'sdp.no-audio',
    )
    expect(failureOf(() => read(browserOffer({ without: ['m=', 'c=', 'a='], mLine: 'a=x' })))).toBe(
      'sdp.no-audio',
    )
    expect(failureOf(() => read(sdp('v=0', 'o=- 1 1 IN IP4 198.51.100.1', 's=-')))).toBe('sdp.no-audio')
  })
})

describe('profile', () => {
  it.each(['UDP/TLS/RTP/SAVPF', 'UDP/TLS/RTP/SAVP', 'RTP/SAVPF'])('%s is a browser', (profile) => {
    expect(read(browserOffer({ mLine: `m=audio 9 ${profile} 111` })).codecs).toHaveLength(1)
  })

  it.each(['RTP/AVP', 'RTP/AVPF', 'TCP/TLS/RTP/SAVPF', 'udp'])('%s is not', (profile) => {
    const body = browserOffer({ mLine: `m=audio 9 ${profile} 111` })
    expect(failure(() => read(body))).toMatchObject({ code: 'sdp.profile-mismatch', seen: profile })
  })
})

it('ptime out of 1..200 ms is no wish', () => {
  expect(read(browserOffer({ media: ['a=ptime:40'] })).ptimeMs).toBe(40)
  expect(read(browserOffer({ media: ['a=ptime:201'] })).ptimeMs).toBeUndefined()
  expect(read(browserOffer({ media: ['a=ptime:0'] })).ptimeMs).toBeUndefined()
  expect(read(browserOffer({ media: ['a=ptime:40', 'a=maxptime:60'] })).ptimeMs).toBe(40)
  expect(read(browserOffer({ media: ['a=ptime:40', 'a=maxptime:30'] })).ptimeMs).toBe(30)
  expect(read(browserOffer({ media: ['a=maxptime:10'] })).ptimeMs).toBe(10)
  expect(read(browserOffer({ media: ['a=maxptime:120'] })).ptimeMs).toBeUndefined()
})
