import { describe, expect, it } from 'vitest'
import { createAnswer, readAnswer } from '../../../sdp/answer.ts'
import { answerableCodecs, STANDARD_CODECS } from '../../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import { parseDescription } from '../../../sdp/parse.ts'
import type { Offer } from '../../../sdp/session.ts'
import { bytes, FINGERPRINT, linesOf, ORIGIN, WEBRTC_LOCAL } from './samples.ts'

interface Part {
  readonly direction: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'
  /** `0` is rejected, or bundle-only. */
  readonly port?: number
  readonly isBundleOnly?: boolean
  readonly isOutside?: boolean
  readonly formats?: string
  readonly ufrag?: string
}

const isIn = ({ port = 9, isBundleOnly = false, isOutside = false }: Part) =>
  !isOutside && (port > 0 || isBundleOnly)

/** As Chromium and Firefox write it: mids are the places. */
const describing = (parts: readonly Part[], setup = 'actpass'): Uint8Array =>
  bytes(
    [
      'v=0',
      'o=- 7 2 IN IP4 127.0.0.1',
      's=-',
      't=0 0',
      `a=group:BUNDLE ${parts.flatMap((part, mid) => (isIn(part) ? [mid] : [])).join(' ')}`,
      ...parts.flatMap((part, mid) => [
        `m=audio ${part.port ?? 9} UDP/TLS/RTP/SAVPF ${part.formats ?? '111 0 110'}`,
        'c=IN IP4 0.0.0.0',
        `a=mid:${mid}`,
        `a=${part.direction}`,
        ...(part.isBundleOnly === true ? ['a=bundle-only'] : []),
        `a=ice-ufrag:${part.ufrag ?? 'same'}`,
        'a=ice-pwd:abcdefghijklmnopqrstuvwx',
        `a=fingerprint:sha-256 ${FINGERPRINT}`,
        `a=setup:${setup}`,
        'a=rtcp-mux',
        'a=rtpmap:111 opus/48000/2',
        'a=rtpmap:110 telephone-event/48000',
      ]),
      '',
    ].join('\r\n'),
  )

const read = (parts: readonly Part[], before?: Offer): Offer =>
  readOffer(describing(parts), 'webrtc', {}, before)

const answer = (offer: Offer, direction: Part['direction'] = 'sendrecv'): string =>
  createAnswer({
    offer,
    local: WEBRTC_LOCAL,
    codecs: answerableCodecs(offer, STANDARD_CODECS),
    origin: ORIGIN,
    direction,
  })

const TALKING = [{ direction: 'sendrecv' }] as const
const TAKEN = [{ direction: 'recvonly' }] as const
const ADDED = [{ direction: 'recvonly' }, { direction: 'sendrecv' }] as const

/** Of each section: port and direction, and whether it names our source. */
const shapeOf = (text: string): string[] =>
  parseDescription(bytes(text)).sections.map(({ port, attributes }) =>
    [
      port === 0 ? 'rejected' : '',
      attributes.find(({ name }) => /^(?:send|recv|inactive)/.test(name))?.name,
      attributes.some(({ name }) => name === 'ssrc') ? 'source' : '',
    ]
      .filter((word) => word !== '')
      .join(' '),
  )
const bundleOf = (text: string) => linesOf(text).find((line) => line.startsWith('a=group:'))

/** What comes of each offer of a browser in its turn. */
const turns = (...offers: readonly (readonly Part[])[]): Offer[] => {
  const made: Offer[] = []
  for (const parts of offers) made.push(read(parts, made.at(-1)))
  return made
}

describe('a microphone that is taken away and added again', () => {
  it('is heard in its new section, and the browser hears us in the one before', () => {
    const [first, taken, added] = turns(TALKING, TAKEN, ADDED)
    expect([first?.direction, taken?.direction, added?.direction]).toEqual([
      'sendrecv',
      'recvonly',
      'sendrecv',
    ])
    expect(added).toMatchObject({ audioIndex: 0, microphoneIndex: 1, isAudioElsewhere: false })
    const text = added === undefined ? '' : answer(added)
    expect(shapeOf(text)).toEqual(['sendonly source', 'recvonly'])
    expect(bundleOf(text)).toBe('a=group:BUNDLE 0 1')
    // Firefox crashes where a section has no ICE and DTLS.
    expect(
      linesOf(text).filter((line) => /^a=(?:ice-ufrag|fingerprint|setup|rtcp-mux)/.test(line)),
    ).toHaveLength(8)
    expect(linesOf(text).filter((line) => line === 'a=end-of-candidates')).toHaveLength(1)
  })

  it('is heard where it is bundle-only, as Firefox writes it', () => {
    const offer = read([{ direction: 'recvonly' }, { direction: 'sendrecv', port: 0, isBundleOnly: true }])
    expect(offer).toMatchObject({ audioIndex: 0, microphoneIndex: 1, direction: 'sendrecv' })
    expect(shapeOf(answer(offer))).toEqual(['sendonly source', 'recvonly'])
  })

  it('may be held and resumed, by either side', () => {
    const held = [{ direction: 'inactive' }, { direction: 'sendonly' }] as const
    const [, , added, holding, resumed] = turns(TALKING, TAKEN, ADDED, held, ADDED)
    if (added === undefined || holding === undefined || resumed === undefined) throw new Error('three offers')
    expect(answer(holding, 'sendrecv')).toContain('a=recvonly')
    expect([holding.direction, shapeOf(answer(holding))]).toEqual([
      'sendonly',
      ['inactive source', 'recvonly'],
    ])
    expect([resumed.audioIndex, resumed.microphoneIndex]).toEqual([0, 1])
    expect(shapeOf(answer(resumed))).toEqual(['sendonly source', 'recvonly'])
    expect(shapeOf(answer(added, 'sendonly'))).toEqual(['sendonly source', 'inactive'])
    expect(shapeOf(answer(added, 'inactive'))).toEqual(['inactive source', 'inactive'])
  })

  it('leaves no more than one slot behind, however often', () => {
    const again = [{ direction: 'recvonly' }, { direction: 'recvonly' }] as const
    const third = [...again, { direction: 'sendrecv' }] as const
    const [, , , removed, added] = turns(TALKING, TAKEN, ADDED, again, third)
    if (removed === undefined || added === undefined) throw new Error('two offers')
    expect(shapeOf(answer(removed))).toEqual(['sendonly source', 'inactive'])
    expect(added).toMatchObject({ audioIndex: 0, microphoneIndex: 2, idle: [] })
    expect(shapeOf(answer(added))).toEqual(['sendonly source', 'rejected inactive', 'recvonly'])
    expect(bundleOf(answer(added))).toBe('a=group:BUNDLE 0 2')
  })

  it('is heard where the page has stopped the section before', () => {
    const stopped = [{ direction: 'inactive', port: 0 }, { direction: 'sendrecv' }] as const
    const [, offer] = turns(TALKING, stopped)
    expect(offer).toMatchObject({ audioIndex: 1, microphoneIndex: undefined, direction: 'sendrecv' })
    expect(offer && shapeOf(answer(offer))).toEqual(['rejected inactive', 'sendrecv source'])
  })

  it('moves the browser to its section where it hears nothing in the one before, which keeps its slot', () => {
    const [, moved, back] = turns(
      TALKING,
      [{ direction: 'inactive' }, { direction: 'sendrecv' }],
      [{ direction: 'recvonly' }, { direction: 'sendonly' }],
    )
    if (moved === undefined || back === undefined) throw new Error('two offers')
    expect(moved).toMatchObject({ audioIndex: 1, idle: [0] })
    expect(shapeOf(answer(moved))).toEqual(['inactive', 'sendrecv source'])
    // Chromium refuses a source that moves to an earlier section: told, and one-way.
    expect(back).toMatchObject({ audioIndex: 1, direction: 'sendonly', isAudioElsewhere: true })
    expect(shapeOf(answer(back))).toEqual(['inactive', 'recvonly source'])
  })
})

describe('two tracks of one browser', () => {
  it('the first is heard, the other waits: a page may add its next microphone before it takes the last away', () => {
    const [, both, one] = turns(TALKING, [{ direction: 'sendrecv' }, { direction: 'sendrecv' }], ADDED)
    expect(both).toMatchObject({ audioIndex: 0, microphoneIndex: undefined, idle: [1] })
    expect(both && shapeOf(answer(both))).toEqual(['sendrecv source', 'inactive'])
    expect(one).toMatchObject({ audioIndex: 0, microphoneIndex: 1 })
  })

  it('that are each for one direction are one call from the start', () => {
    const offer = read([
      { direction: 'sendonly', ufrag: 'tag0' },
      { direction: 'recvonly', ufrag: 'own1' },
    ])
    expect(offer).toMatchObject({ audioIndex: 1, microphoneIndex: 0, direction: 'sendrecv' })
    // The first of the BUNDLE carries all.
    expect(offer.transport).toMatchObject({ ice: { ufrag: 'tag0' } })
    expect(shapeOf(answer(offer))).toEqual(['recvonly', 'sendonly source'])
  })
})

describe('a microphone that cannot be heard', () => {
  it.each<[string, Part]>([
    ['outside the BUNDLE', { direction: 'sendrecv', isOutside: true, ufrag: 'else' }],
    ['without a codec of the call', { direction: 'sendrecv', formats: '8' }],
  ])('%s is told, and what was goes on', (_why, part) => {
    const [, offer] = turns(TALKING, [{ direction: 'recvonly' }, part])
    expect(offer).toMatchObject({ audioIndex: 0, direction: 'recvonly', isAudioElsewhere: true })
    expect(offer && shapeOf(answer(offer))).toEqual(['sendonly source', 'rejected inactive'])
  })
})

describe('an offer of ours to such a browser', () => {
  it('has every slot, each with its direction, and its answer is read from both', () => {
    const [, , added] = turns(TALKING, TAKEN, ADDED)
    const offerIn = (direction: Part['direction']) =>
      createOffer({ local: WEBRTC_LOCAL, codecs: STANDARD_CODECS, origin: ORIGIN, direction, slots: added })
    expect(shapeOf(offerIn('sendrecv').text)).toEqual(['sendonly source', 'recvonly'])
    expect(shapeOf(offerIn('sendonly').text)).toEqual(['sendonly source', 'inactive'])
    expect(bundleOf(offerIn('sendrecv').text)).toBe('a=group:BUNDLE 0 1')
    const answered = (...parts: readonly Part[]) =>
      readAnswer(describing(parts, 'active'), offerIn('sendrecv').sent).direction
    expect(answered({ direction: 'recvonly' }, { direction: 'sendonly' })).toBe('sendrecv')
    expect(answered({ direction: 'inactive' }, { direction: 'sendonly' })).toBe('sendonly')
    expect(answered({ direction: 'recvonly' }, { direction: 'inactive' })).toBe('recvonly')
    expect(answered({ direction: 'recvonly' }, { direction: 'inactive', port: 0 })).toBe('recvonly')
  })

  it('lets what was rejected stay so', () => {
    const third = [{ direction: 'recvonly' }, { direction: 'recvonly' }, { direction: 'sendrecv' }] as const
    const [, , , added] = turns(TALKING, TAKEN, ADDED, third)
    const { text } = createOffer({
      local: WEBRTC_LOCAL,
      codecs: STANDARD_CODECS,
      origin: ORIGIN,
      direction: 'sendrecv',
      slots: added,
    })
    expect(shapeOf(text)).toEqual(['sendonly source', 'rejected inactive', 'recvonly'])
  })
})
