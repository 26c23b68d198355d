import { describe, expect, it } from 'vitest'
import { createAnswer } from '../../../sdp/answer.ts'
import { answerableCodecs, STANDARD_CODECS } from '../../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import { browserOffer, fixture, linesOf, ORIGIN, WEBRTC_LOCAL } from './samples.ts'

type AnswerInput = Partial<Omit<Parameters<typeof createAnswer>[0], 'offer'>>

function answerTo(body: Uint8Array, change: AnswerInput = {}): string[] {
  const offer = readOffer(body, 'webrtc')
  const codecs = answerableCodecs(offer, STANDARD_CODECS)
  const input = { offer, local: WEBRTC_LOCAL, codecs, origin: ORIGIN, direction: 'sendrecv' } as const
  return linesOf(createAnswer({ ...input, ...change }))
}

function offerWith(change: Partial<Parameters<typeof createOffer>[0]> = {}): string[] {
  const input = {
    local: WEBRTC_LOCAL,
    codecs: STANDARD_CODECS,
    origin: ORIGIN,
    direction: 'sendrecv',
  } as const
  return linesOf(createOffer({ ...input, ...change }).text)
}

it('our offer, whole', () => {
  expect(offerWith()).toEqual([
    'v=0',
    'o=- 1600000001 1 IN IP4 203.0.113.2',
    's=-',
    'c=IN IP4 203.0.113.2',
    't=0 0',
    'a=group:BUNDLE 0',
    'a=ice-lite',
    'a=ice-options:ice2',
    'm=audio 4433 UDP/TLS/RTP/SAVPF 111 9 0 8 110 101',
    'a=mid:0',
    'a=rtpmap:111 opus/48000/2',
    'a=rtpmap:9 G722/8000',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:110 telephone-event/48000',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:111 minptime=10;useinbandfec=1',
    'a=fmtp:110 0-15',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    'a=sendrecv',
    'a=rtcp-mux',
    'a=rtcp-mux-only',
    'a=ice-ufrag:gatewayUfrag',
    'a=ice-pwd:gatewayPasswordOf24Chars',
    `a=fingerprint:sha-256 ${WEBRTC_LOCAL.fingerprint.value}`,
    'a=setup:actpass',
    'a=candidate:1 1 udp 2130706431 203.0.113.2 4433 typ host',
    'a=candidate:2 1 udp 2130706175 2001:db8:1::2 4433 typ host',
    'a=end-of-candidates',
    'a=msid:pY3lBnX8 audio',
    'a=ssrc:305419896 cname:pY3lBnX8',
  ])
})

describe('our answer', () => {
  it.each(['chromium', 'firefox'])('to %s has all it needs and nothing that it must not have', (browser) => {
    const lines = answerTo(fixture(`${browser}-offer`))
    expect(lines).toEqual(
      expect.arrayContaining(['a=group:BUNDLE 0', 'a=ice-lite', 'a=mid:0', 'a=rtcp-mux', 'a=setup:passive']),
    )
    expect(lines).toContain('a=end-of-candidates')
    expect(lines.filter((line) => /^a=(rtcp-mux-only|extmap|rtcp-fb|crypto|rtcp:)/.test(line))).toEqual([])
    expect(lines.filter((line) => line.includes('0.0.0.0'))).toEqual([])
  })

  it.each([
    ['actpass', undefined, 'passive'],
    ['actpass', 'passive', 'passive'],
    ['actpass', 'active', 'active'],
    ['active', undefined, 'passive'],
    ['passive', undefined, 'active'],
  ] as const)('rows 5, 6: offered %s, our role so far %s: %s', (offered, currentRole, answered) => {
    const body = browserOffer({ without: ['a=setup'], media: [`a=setup:${offered}`] })
    expect(answerTo(body, { currentRole })).toContain(`a=setup:${answered}`)
  })

  it('row 6: a missing role is answered passive', () => {
    expect(answerTo(browserOffer({ without: ['a=setup'] }))).toContain('a=setup:passive')
  })

  it.each([
    ['sendrecv', 'sendrecv', 'sendrecv'],
    ['sendonly', 'sendrecv', 'recvonly'],
    ['recvonly', 'sendrecv', 'sendonly'],
    ['inactive', 'sendrecv', 'inactive'],
    ['sendrecv', 'inactive', 'inactive'],
    ['sendonly', 'sendonly', 'inactive'],
    ['recvonly', 'recvonly', 'inactive'],
  ] as const)('row 21: offered %s, wanted %s: %s', (offered, direction, answered) => {
    const body = browserOffer({ without: ['a=sendrecv'], media: [`a=${offered}`] })
    expect(answerTo(body, { direction })).toContain(`a=${answered}`)
  })

  it('names its source also while nothing is sent, and a stream of it only while it sends', () => {
    const held = answerTo(fixture('chromium-reoffer-hold'))
    expect(held.filter((line) => /^a=(msid|ssrc)/.test(line))).toEqual(['a=ssrc:305419896 cname:pY3lBnX8'])
    expect(
      answerTo(fixture('chromium-reoffer-resume')).filter((line) => /^a=(msid|ssrc)/.test(line)),
    ).toHaveLength(2)
  })

  it('rows 13, 14, 15: rejects every other section in its place, outside the group', () => {
    const lines = answerTo(fixture('chromium-offer-with-video'))
    const video = lines.findIndex((line) => line.startsWith('m=video'))
    expect(lines.filter((line) => line.startsWith('a=group'))).toEqual(['a=group:BUNDLE 0'])
    expect(lines.slice(video)).toEqual([
      'm=video 0 UDP/TLS/RTP/SAVPF 96',
      'a=mid:1',
      'a=inactive',
      'm=application 0 UDP/DTLS/SCTP webrtc-datachannel',
      'a=mid:2',
      'a=inactive',
    ])
    const [first, second] = answerTo(fixture('firefox-offer-video-first')).filter((line) =>
      line.startsWith('m='),
    )
    expect(first).toMatch(/^m=video 0 /)
    expect(second).toMatch(/^m=audio 4433 /)
  })

  it('row 13: no group and no mid for a peer that has none', () => {
    const lines = answerTo(browserOffer({ without: ['a=group', 'a=mid'] }))
    expect(lines.filter((line) => /^a=(group|mid)/.test(line))).toEqual([])
    expect(answerTo(browserOffer({ without: ['a=group'] })).filter((line) => /^a=group/.test(line))).toEqual(
      [],
    )
  })

  it.each(['RTP/SAVPF', 'UDP/TLS/RTP/SAVP'])('repeats the profile %s of the offer', (profile) => {
    const lines = answerTo(browserOffer({ mLine: `m=audio 9 ${profile} 111` }))
    expect(lines).toContain(`m=audio 4433 ${profile} 111`)
  })

  it('row 18: an ICE restart is answered with the credentials that it is given', () => {
    const ice = { ufrag: 'newUfrag', pwd: 'newPasswordOf24Charsxxxx' }
    const lines = answerTo(fixture('firefox-reoffer-restart'), { local: { ...WEBRTC_LOCAL, ice } })
    expect(lines).toContain('a=ice-ufrag:newUfrag')
  })
})

it('row 34: an IPv6 candidate in front makes an IPv6 description', () => {
  const candidates = WEBRTC_LOCAL.candidates.toReversed()
  const lines = offerWith({ local: { ...WEBRTC_LOCAL, candidates } })
  expect(lines).toContain('c=IN IP6 2001:db8:1::2')
  expect(lines).toContain('o=- 1600000001 1 IN IP6 2001:db8:1::2')
})

it('ptime is 20 ms, or what the other leg asked for', () => {
  expect(offerWith()).toContain('a=ptime:20')
  expect(offerWith({ ptimeMs: 40 })).toContain('a=ptime:40')
  expect(answerTo(browserOffer(), { ptimeMs: 30 })).toContain('a=ptime:30')
})

it('an offer on hold says so by its direction', () => {
  expect(offerWith({ direction: 'inactive' })).toContain('a=inactive')
})

it('a browser leg without candidate is our own mistake', () => {
  expect(() => offerWith({ local: { ...WEBRTC_LOCAL, candidates: [] } })).toThrow(TypeError)
})
