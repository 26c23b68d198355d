import { describe, expect, it } from 'vitest'
import type { Codec } from '../../../media/parameters.ts'
import {
  allowedCodecs,
  answerableCodecs,
  chooseCodecs,
  offerableCodecs,
  payloadMap,
  STANDARD_CODECS,
} from '../../../sdp/codecs.ts'
import { readOffer } from '../../../sdp/offer.ts'
import { heardKeyFormats, sentKeyFormat } from '../../../sdp/telephone-event.ts'
import { failure, fixture } from './samples.ts'

function codec(payloadType: number, name: string, clockRateHz = 8000, format?: string): Codec {
  return { name, clockRateHz, channels: /^opus$/i.test(name) ? 2 : 1, payloadType, format }
}

const short = (codecs: readonly Codec[]) => codecs.map((c) => `${c.payloadType} ${c.name}/${c.clockRateHz}`)
const chromium = readOffer(fixture('chromium-offer'), 'webrtc')
const firefox = readOffer(fixture('firefox-offer'), 'webrtc')

describe('offered on leg two', () => {
  it('allowed names in their order, without case, with events at the clocks of what is kept', () => {
    expect(short(offerableCodecs(chromium.codecs, ['pcmu', 'G722', 'OPUS']))).toEqual([
      '0 PCMU/8000',
      '9 G722/8000',
      '111 opus/48000',
      '126 telephone-event/8000',
      '110 telephone-event/48000',
      '13 CN/8000',
    ])
    expect(short(offerableCodecs(chromium.codecs, ['PCMA']))).toEqual([
      '8 PCMA/8000',
      '126 telephone-event/8000',
      '13 CN/8000',
    ])
  })

  it('row 26: events at the clock of opus, and at 8000 for who has no others, whatever leg one has', () => {
    expect(short(offerableCodecs(firefox.codecs, ['opus']))).toEqual([
      '109 opus/48000',
      '110 telephone-event/48000',
      '101 telephone-event/8000',
    ])
    expect(short(offerableCodecs(chromium.codecs, ['opus']))).toEqual([
      '111 opus/48000',
      '110 telephone-event/48000',
      '126 telephone-event/8000',
    ])
    expect(short(offerableCodecs([codec(0, 'PCMU')], ['PCMU']))).toEqual([
      '0 PCMU/8000',
      '101 telephone-event/8000',
    ])
  })

  it('no events for a trunk that takes keys by INFO', () => {
    expect(short(offerableCodecs(firefox.codecs, ['opus', 'PCMU'], 'in-signalling'))).toEqual([
      '109 opus/48000',
      '0 PCMU/8000',
    ])
  })

  it('row 31: comfort noise goes along when leg one has it and a codec of its clock is kept; red never does', () => {
    expect(short(offerableCodecs(chromium.codecs, ['red', 'CN', 'PCMU'], 'in-signalling'))).toEqual([
      '0 PCMU/8000',
      '13 CN/8000',
    ])
    expect(short(offerableCodecs(chromium.codecs, ['opus'], 'in-signalling'))).toEqual(['111 opus/48000'])
    expect(short(offerableCodecs(firefox.codecs, ['PCMU'], 'in-signalling'))).toEqual(['0 PCMU/8000'])
    const wide = [codec(98, 'CN', 16_000), codec(13, 'CN'), codec(0, 'PCMU')]
    expect(short(offerableCodecs(wide, ['PCMU'], 'in-signalling'))).toEqual(['0 PCMU/8000', '13 CN/8000'])
  })

  it('row 32: payload types are static ones, else own dynamic ones, else free ones, and never collide', () => {
    const offered = [
      codec(96, 'iLBC'),
      codec(35, 'opus', 48000),
      codec(97, 'PCMU'),
      codec(96, 'speex'),
      codec(0, 'G729'),
    ]
    const allowed = ['opus', 'iLBC', 'speex', 'PCMU', 'G729']
    expect(short(offerableCodecs(offered, allowed, 'in-signalling'))).toEqual([
      '97 opus/48000',
      '96 iLBC/8000',
      '98 speex/8000',
      '0 PCMU/8000',
      '18 G729/8000',
    ])
  })

  it('a name that is allowed twice is offered once', () => {
    const offered = offerableCodecs([codec(0, 'PCMU')], ['PCMU', 'pcmu'], 'in-signalling')
    expect(short(offered)).toEqual(['0 PCMU/8000'])
  })

  it('more codecs than dynamic numbers: the last ones are left out', () => {
    const offered = Array.from({ length: 40 }, (_, index) => codec(96 + (index % 8), `x${index}`))
    const result = offerableCodecs(
      offered,
      offered.map(({ name }) => name),
    )
    expect(new Set(result.map(({ payloadType }) => payloadType)).size).toBe(32)
    expect(result).toHaveLength(32)
  })

  it('opus gets our parameters, others keep theirs when they are plain', () => {
    const offered = [
      codec(109, 'opus', 48000, 'maxplaybackrate=48000;stereo=1'),
      codec(18, 'G729', 8000, 'annexb=no'),
      codec(97, 'iLBC', 8000, `mode=${'3'.repeat(200)}`),
      codec(101, 'telephone-event', 8000, 'anything'),
    ]
    expect(offerableCodecs(offered, ['opus', 'G729', 'iLBC']).map(({ format }) => format)).toEqual([
      'minptime=10;useinbandfec=1',
      'annexb=no',
      undefined,
      '0-15',
      '0-15',
    ])
  })

  it('nothing in common names both lists', () => {
    const failed = failure(() =>
      offerableCodecs([codec(18, 'G729'), codec(101, 'telephone-event')], ['opus', 'PCMU']),
    )
    expect(failed).toMatchObject({
      code: 'sdp.no-common-codec',
      expected: 'opus PCMU',
      seen: 'G729/8000 telephone-event/8000',
    })
    expect(failure(() => offerableCodecs([], ['PCMU'])).seen).toBe('none')
  })
})

describe('of a peer that may have only some', () => {
  it('an offer is taken for those, in their order, with key presses and comfort noise', () => {
    const offer = [
      codec(0, 'PCMU'),
      codec(9, 'G722'),
      codec(13, 'CN'),
      codec(8, 'pcma'),
      codec(101, 'telephone-event'),
    ]
    expect(short(allowedCodecs(offer, ['PCMA', 'opus', 'PCMU']))).toEqual([
      '8 pcma/8000',
      '0 PCMU/8000',
      '13 CN/8000',
      '101 telephone-event/8000',
    ])
  })

  it('an offer of none of them names both lists', () => {
    expect(failure(() => allowedCodecs([codec(9, 'G722'), codec(13, 'CN')], ['PCMA']))).toMatchObject({
      code: 'sdp.no-common-codec',
      expected: 'PCMA',
      seen: 'G722/8000 CN/8000',
    })
  })
})

describe('answered on leg one', () => {
  it('own payload types in the order of leg two', () => {
    const accepted = [codec(8, 'pcma'), codec(97, 'OPUS', 48000), codec(101, 'telephone-event')]
    expect(short(answerableCodecs(chromium, accepted))).toEqual([
      '8 PCMA/8000',
      '111 opus/48000',
      '110 telephone-event/48000',
      '126 telephone-event/8000',
    ])
    expect(short(answerableCodecs(chromium, accepted, 'in-signalling'))).toHaveLength(2)
  })

  it('row 26: events at the clock of the codec that was accepted, whether leg two has any or not', () => {
    expect(short(answerableCodecs(chromium, [codec(97, 'opus', 48000)]))).toEqual([
      '111 opus/48000',
      '110 telephone-event/48000',
    ])
    const events = [codec(101, 'telephone-event'), codec(102, 'telephone-event', 48000)]
    expect(short(answerableCodecs(chromium, [codec(0, 'PCMU'), ...events]))).toEqual([
      '0 PCMU/8000',
      '126 telephone-event/8000',
    ])
    expect(short(answerableCodecs(firefox, [codec(97, 'opus', 48000), ...events]))).toEqual([
      '109 opus/48000',
      '101 telephone-event/8000',
    ])
  })

  it('row 31: comfort noise when both have it', () => {
    const accepted = [codec(0, 'PCMU'), codec(13, 'CN')]
    expect(short(answerableCodecs(chromium, accepted, 'in-signalling'))).toEqual([
      '0 PCMU/8000',
      '13 CN/8000',
    ])
    expect(short(answerableCodecs(firefox, accepted, 'in-signalling'))).toEqual(['0 PCMU/8000'])
    expect(short(answerableCodecs(chromium, [codec(0, 'PCMU')], 'in-signalling'))).toEqual(['0 PCMU/8000'])
  })

  it('carries what leg two says about its decoder', () => {
    const offer = { ...chromium, codecs: [codec(18, 'G729')] }
    expect(answerableCodecs(offer, [codec(18, 'G729', 8000, 'annexb=no')])[0]?.format).toBe('annexb=no')
  })

  it('several of one name are told apart by their format', () => {
    const offered = [codec(96, 'AMR', 8000, 'octet-align=1'), codec(97, 'AMR', 8000)]
    const offer = { ...chromium, codecs: offered }
    expect(short(answerableCodecs(offer, [codec(97, 'AMR')]))).toEqual(['97 AMR/8000'])
    expect(short(answerableCodecs(offer, [codec(100, 'AMR', 8000, 'octet-align=1')]))).toEqual([
      '96 AMR/8000',
    ])
  })

  it('events alone are no call', () => {
    expect(failure(() => answerableCodecs(chromium, [codec(101, 'telephone-event')])).code).toBe(
      'sdp.no-common-codec',
    )
    expect(failure(() => answerableCodecs(firefox, [codec(18, 'G729')])).code).toBe('sdp.no-common-codec')
  })
})

describe('payload map', () => {
  it('row 32: pairs asymmetric payload types by name, rate and channels; key presses are not in it', () => {
    const trunk = [
      codec(96, 'OPUS', 48000, 'stereo=1'),
      codec(0, 'PCMU'),
      codec(97, 'telephone-event'),
      codec(99, 'telephone-event', 48000),
    ]
    expect(payloadMap(chromium.codecs, trunk)).toEqual([
      { from: 111, to: 96, clockRateHz: 48000 },
      { from: 0, to: 0, clockRateHz: 8000, isOneOctetATick: true },
    ])
    expect(payloadMap(trunk, chromium.codecs).map(({ from, to }) => [from, to])).toEqual([
      [96, 111],
      [0, 0],
    ])
  })

  it('mono and stereo, or two rates, are two codecs', () => {
    expect(payloadMap([{ ...codec(10, 'L16', 44100), channels: 2 }], [codec(11, 'L16', 44100)])).toEqual([])
    expect(payloadMap([codec(5, 'DVI4')], [codec(6, 'DVI4', 16000)])).toEqual([])
  })
})

describe('key presses', () => {
  const events = [codec(97, 'telephone-event'), codec(99, 'telephone-event', 48000)]

  it('row 26: come at any clock, and go at that of the first audio codec, else at 8000, else at what there is', () => {
    expect(heardKeyFormats([codec(0, 'PCMU'), ...events])).toEqual([
      { payloadType: 97, clockRateHz: 8000 },
      { payloadType: 99, clockRateHz: 48000 },
    ])
    expect(sentKeyFormat([codec(96, 'opus', 48000), codec(0, 'PCMU'), ...events])?.payloadType).toBe(99)
    expect(sentKeyFormat([codec(0, 'PCMU'), codec(96, 'opus', 48000), ...events])?.payloadType).toBe(97)
    expect(sentKeyFormat([codec(96, 'opus', 48000), codec(97, 'telephone-event')])?.payloadType).toBe(97)
    expect(sentKeyFormat([codec(0, 'PCMU'), codec(99, 'telephone-event', 48000)])?.payloadType).toBe(99)
    expect(sentKeyFormat([codec(0, 'PCMU')])).toBeUndefined()
  })
})

describe('an application of ours', () => {
  it('takes the first codec of the offer that it speaks, and nothing else', () => {
    expect(short(chooseCodecs(chromium, ['PCMA', 'PCMU']))).toEqual(['0 PCMU/8000'])
    expect(short(chooseCodecs(chromium, ['opus', 'PCMU']))).toEqual(['111 opus/48000'])
  })

  it('says what is missing', () => {
    expect(
      failure(() => chooseCodecs({ ...chromium, codecs: [codec(18, 'G729')] }, ['PCMU', 'PCMA'])),
    ).toMatchObject({
      code: 'sdp.no-common-codec',
      expected: 'PCMU PCMA',
      seen: 'G729/8000',
    })
  })
})

it('the standard codecs need no change to be offered', () => {
  expect(offerableCodecs(STANDARD_CODECS, ['opus', 'G722', 'PCMU', 'PCMA'])).toEqual(STANDARD_CODECS)
})
