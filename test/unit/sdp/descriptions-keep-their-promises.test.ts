import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RtpLocal } from '../../../media/parameters.ts'
import { createAnswer, readAnswer } from '../../../sdp/answer.ts'
import { offerableCodecs } from '../../../sdp/codecs.ts'
import { SdpFailure } from '../../../sdp/failure.ts'
import { formatDescription } from '../../../sdp/format.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import { parseDescription } from '../../../sdp/parse.ts'
import type { Offer } from '../../../sdp/session.ts'
import type { TrunkTerms } from '../../../sdp/trunk-terms.ts'
import {
  bytes,
  FINGERPRINT,
  FIXTURES,
  fixtureText,
  linesOf,
  ORIGIN,
  RTP_LOCAL,
  SDES_LOCAL,
  SUITE_80,
  WEBRTC_LOCAL,
} from './samples.ts'

// What holds for every description, not only for those somebody thought of.

const ALLOWED = ['opus', 'G722', 'PCMU', 'PCMA']

// ----- descriptions of any kind

const token = fc.stringMatching(/^[A-Za-z0-9_.-]{1,12}$/)
const text = fc.stringMatching(/^[ -~]{0,40}$/)
const number = fc.nat(200)
/** Lines of a section: the ordinary ones, right and nearly right, and others. */
const mediaLine = fc.oneof(
  fc
    .tuple(number, token, number)
    .map(([payloadType, name, rate]) => `a=rtpmap:${payloadType} ${name}/${rate}`),
  fc.tuple(number, token).map(([payloadType, name]) => `a=rtpmap:${payloadType} ${name}/48000/2`),
  fc.tuple(number, text).map(([payloadType, format]) => `a=fmtp:${payloadType} ${format}`),
  fc.tuple(token, text).map(([name, value]) => `a=${name}:${value}`),
  token.map((name) => `a=${name}`),
  number.map((ptime) => `a=ptime:${ptime}`),
  number.map((ptime) => `a=maxptime:${ptime}`),
  fc.nat(70_000).map((port) => `a=rtcp:${port}`),
  fc.tuple(number, number).map(([port, last]) => `a=rtcp:${port} IN IP4 192.0.2.${last}`),
  token.map((mid) => `a=mid:${mid}`),
  text.map((value) => `b=${value}`),
  text.map((value) => `i=${value}`),
  fc.constantFrom('c=IN IP4 192.0.2.1', 'c=IN IP6 2001:db8::1', 'a=sendonly', 'a=rtcp-mux', 'k=prompt'),
)
const section = fc
  .tuple(
    fc.constantFrom('audio', 'video', 'application', 'image'),
    fc.nat(65_535),
    fc.constantFrom('RTP/AVP', 'RTP/SAVPF', 'UDP/TLS/RTP/SAVPF', 'UDP/DTLS/SCTP', 'udptl'),
    fc.array(token, { minLength: 1, maxLength: 6 }),
    fc.array(mediaLine, { maxLength: 10 }),
  )
  .map(([media, port, protocol, formats, lines]) => [
    `m=${media} ${port} ${protocol} ${formats.join(' ')}`,
    ...lines,
  ])
const description = fc
  .tuple(
    fc.array(
      mediaLine.filter((line) => !line.startsWith('m=')),
      { maxLength: 5 },
    ),
    fc.array(section, { maxLength: 4 }),
  )
  .map(([session, sections]) => {
    const head = ['v=0', 'o=- 1 1 IN IP4 192.0.2.9', 's=-', 't=0 0']
    return `${[...head, ...session, ...sections.flat()].join('\r\n')}\r\n`
  })
/** Captures with lines repeated, dropped and put elsewhere. */
const mutated = fc
  .tuple(
    fc.constantFrom(...FIXTURES),
    fc.array(fc.tuple(fc.nat(200), fc.nat(200), fc.constantFrom('repeat', 'drop')), { maxLength: 6 }),
  )
  .map(([name, changes]) => {
    const lines = linesOf(fixtureText(name))
    for (const [from, to, what] of changes) {
      const at = from % lines.length
      if (what === 'drop') lines.splice(at, 1)
      else lines.splice(to % lines.length, 0, lines[at] ?? '')
    }
    return `${lines.join('\r\n')}\r\n`
  })

/** Undefined where it is refused, which must be by SdpFailure. */
function attempt<Result>(action: () => Result): Result | undefined {
  try {
    return action()
  } catch (error) {
    if (error instanceof SdpFailure) return undefined
    throw error
  }
}

it('parse(format(parse(x))) is parse(x)', () => {
  let read = 0
  fc.assert(
    fc.property(fc.oneof(description, mutated), (written) => {
      const parsed = attempt(() => parseDescription(bytes(written)))
      if (parsed === undefined) return
      read += 1
      expect(parseDescription(bytes(formatDescription(parsed)))).toEqual(parsed)
    }),
    { numRuns: 400 },
  )
  expect(read).toBeGreaterThan(100)
})

// ----- offers that can be answered

interface Kind {
  readonly terms: Partial<TrunkTerms> | undefined
  readonly protocol: string
  readonly local: typeof WEBRTC_LOCAL | RtpLocal
  readonly lines: (secret: Secrets) => readonly string[]
}

interface Secrets {
  readonly key: string
  readonly ufrag: string
  readonly pwd: string
  readonly print: string
}

const hex = fc.stringMatching(/^[0-9A-F]{2}$/)
const secrets: fc.Arbitrary<Secrets> = fc.record({
  key: fc.uint8Array({ minLength: 30, maxLength: 30 }).map((key) => Buffer.from(key).toString('base64')),
  ufrag: fc.stringMatching(/^[A-Za-z0-9]{8}$/),
  pwd: fc.stringMatching(/^[A-Za-z0-9]{24}$/),
  print: fc.array(hex, { minLength: 32, maxLength: 32 }).map((pairs) => pairs.join(':')),
})

const DTLS_LOCAL: RtpLocal = {
  ...RTP_LOCAL,
  dtls: { fingerprint: { hash: 'sha-256', value: FINGERPRINT }, tlsId: 'ourAssociation0123456789' },
}
const suites = SDES_LOCAL.crypto.map(({ suite }) => suite)
const cryptoLines = ({ key }: Secrets) => [`a=crypto:3 ${SUITE_80} inline:${key}|2^31`]

const KINDS: Readonly<Record<string, Kind>> = {
  browser: {
    terms: undefined,
    protocol: 'UDP/TLS/RTP/SAVPF',
    local: WEBRTC_LOCAL,
    lines: ({ ufrag, pwd, print }) => [
      `a=ice-ufrag:${ufrag}`,
      `a=ice-pwd:${pwd}`,
      `a=fingerprint:sha-256 ${print}`,
      'a=setup:actpass',
      'a=rtcp-mux',
    ],
  },
  plain: { terms: {}, protocol: 'RTP/AVP', local: RTP_LOCAL, lines: () => [] },
  // What a plain trunk says of keys is nobody's.
  'plain with keys': { terms: {}, protocol: 'RTP/AVP', local: RTP_LOCAL, lines: cryptoLines },
  sdes: { terms: { suites }, protocol: 'RTP/SAVP', local: SDES_LOCAL, lines: cryptoLines },
  osrtp: { terms: { keying: 'osrtp', suites }, protocol: 'RTP/AVP', local: SDES_LOCAL, lines: cryptoLines },
  dtls: {
    terms: { keying: 'dtls' },
    protocol: 'UDP/TLS/RTP/SAVP',
    local: DTLS_LOCAL,
    lines: ({ print }) => [`a=fingerprint:sha-256 ${print}`, 'a=setup:actpass', 'a=rtcp-mux'],
  },
}

/** One audio section among others, which may be dead or alive. */
const others = fc.array(
  fc.tuple(
    fc.constantFrom('video', 'application', 'text', 'image'),
    fc.constantFrom(0, 9, 5_000),
    fc.boolean(),
  ),
  { maxLength: 5 },
)
const payloads = fc.uniqueArray(fc.constantFrom(0, 8, 9, 111, 101, 110), { minLength: 1, maxLength: 6 })
const RTPMAPS: Readonly<Record<number, string>> = {
  111: 'opus/48000/2',
  101: 'telephone-event/8000',
  110: 'telephone-event/48000',
}

interface Written {
  readonly text: string
  readonly secrets: Secrets
}

const offerOf = (kind: Kind): fc.Arbitrary<Written> =>
  fc
    .tuple(
      secrets,
      others,
      fc.nat(5),
      payloads,
      fc.constantFrom('sendrecv', 'sendonly', 'recvonly', 'inactive'),
    )
    .filter(([, , , formats]) => formats.some((format) => format !== 101 && format !== 110))
    .map(([secret, rest, at, formats, direction]) => {
      const audio = [
        `m=audio 4000 ${kind.protocol} ${formats.join(' ')}`,
        'a=mid:voice',
        `a=${direction}`,
        ...formats.flatMap((format) =>
          RTPMAPS[format] === undefined ? [] : [`a=rtpmap:${format} ${RTPMAPS[format]}`],
        ),
        ...kind.lines(secret),
      ]
      const sections = rest.map(([media, port, hasMid], index) => [
        `m=${media} ${port} ${media === 'application' ? 'UDP/DTLS/SCTP webrtc-datachannel' : `${kind.protocol} 96`}`,
        ...(hasMid ? [`a=mid:other${index}`] : []),
        ...kind.lines(secret),
      ])
      sections.splice(at % (sections.length + 1), 0, audio)
      const head = ['v=0', 'o=- 77 1 IN IP4 198.51.100.20', 's=-', 'c=IN IP4 198.51.100.20', 't=0 0']
      return { text: `${[...head, ...sections.flat()].join('\r\n')}\r\n`, secrets: secret }
    })

const read = (kind: Kind, written: string): Offer =>
  readOffer(bytes(written), kind.terms === undefined ? 'webrtc' : 'rtp', kind.terms)

const answerTo = (kind: Kind, offer: Offer): string =>
  createAnswer({ offer, local: kind.local, codecs: offer.codecs, origin: ORIGIN, direction: 'sendrecv' })

/** m-lines as media, protocol; and what an answer must have from its offer. */
const mLines = (written: string) => parseDescription(bytes(written)).sections

describe.each(Object.entries(KINDS))('an answer to a %s offer', (_, kind) => {
  it('has as many m-lines in the same order, and nothing that the offer did not hold', () => {
    fc.assert(
      fc.property(offerOf(kind), ({ text: written }) => {
        const offer = read(kind, written)
        const answer = answerTo(kind, offer)
        const [offered, answered] = [mLines(written), mLines(answer)]
        expect(answered.map(({ media, protocol }) => [media, protocol])).toEqual(
          offered.map(({ media, protocol }) => [media, protocol]),
        )
        answered.forEach((one, index) => {
          const origin = offered[index]
          expect(one.mid).toBe(origin?.mid)
          expect(origin?.formats).toEqual(expect.arrayContaining([...one.formats]))
          // Whatever is not the audio is refused: video on an audio trunk, data channels.
          expect(one.port === 0).toBe(index !== offer.audioIndex)
          const names = new Set(origin?.attributes.map(({ name }) => name))
          const secured = one.attributes.filter(({ name }) =>
            ['crypto', 'fingerprint', 'ice-ufrag', 'rtcp-mux'].includes(name),
          )
          expect(secured.every(({ name }) => names.has(name))).toBe(true)
        })
      }),
      { numRuns: 60 },
    )
  })
})

const pairs = Object.keys(KINDS).flatMap((from) => Object.keys(KINDS).map((to) => [from, to] as const))

describe.each(pairs)('from a %s leg to a %s leg', (fromName, toName) => {
  const [from, to] = [KINDS[fromName], KINDS[toName]]
  if (from === undefined || to === undefined) throw new Error('no such kind')

  it('no key, no ICE and no fingerprint of the one is in what the other gets', () => {
    let taken = 0
    fc.assert(
      fc.property(offerOf(from), offerOf(to), (first, second) => {
        const offer = read(from, first.text)
        const codecs = offerableCodecs(offer.codecs, ALLOWED)
        const made = createOffer({
          local: to.local,
          codecs,
          origin: ORIGIN,
          direction: offer.direction,
          ptimeMs: offer.ptimeMs,
          ...(to.terms === undefined ? {} : { terms: to.terms }),
        })
        for (const secret of Object.values(first.secrets)) expect(made.text).not.toContain(secret)
        const isBrowser = to.terms === undefined
        const isDtls = to.local.kind === 'webrtc' || to.local.dtls !== undefined
        expect(/^a=(?:ice|candidate|end-of-candidates|group|ssrc|msid)/m.test(made.text)).toBe(isBrowser)
        expect(/^a=(?:fingerprint|setup)/m.test(made.text)).toBe(isDtls)
        expect(/^a=crypto/m.test(made.text)).toBe(to.local === SDES_LOCAL)

        // The other leg's description is its offer turned into an answer: one audio section, roles decided.
        const answered = second.text
          .replaceAll('a=setup:actpass', 'a=setup:active')
          .replaceAll('a=crypto:3', 'a=crypto:1')
        const sections = mLines(answered)
        const answer = attempt(() =>
          readAnswer(bytes(answered), {
            ...made.sent,
            slots: {
              sections: sections.map(({ media, protocol, formats, port, mid }) => ({
                media,
                protocol,
                formats: formats.join(' '),
                port,
                mid,
              })),
              audioIndex: sections.findIndex(({ media }) => media === 'audio'),
            },
          }),
        )
        if (answer === undefined) return
        taken += 1
        const back = answerTo(from, { ...offer, direction: answer.direction })
        for (const secret of Object.values(second.secrets)) expect(back).not.toContain(secret)
        expect(/^a=crypto/m.test(back)).toBe(from.local === SDES_LOCAL)
      }),
      { numRuns: 15 },
    )
    // The others had no codec in common.
    expect(taken).toBeGreaterThan(0)
  })
})

it('video offered to an audio trunk is never shown to it, is refused to the browser, and audio works', () => {
  const kind = KINDS.browser
  if (kind === undefined) throw new Error('no such kind')
  fc.assert(
    fc.property(offerOf(kind), ({ text: written }) => {
      const offer = read(kind, written)
      const codecs = offerableCodecs(offer.codecs, ALLOWED)
      const { text: toTrunk } = createOffer({
        local: RTP_LOCAL,
        codecs,
        origin: ORIGIN,
        direction: 'sendrecv',
      })
      expect(mLines(toTrunk).map(({ media }) => media)).toEqual(['audio'])
      const answer = mLines(answerTo(kind, offer))
      expect(answer.filter(({ media, port }) => media !== 'audio' && port !== 0)).toEqual([])
      expect(answer.find(({ media }) => media === 'audio')?.port).toBeGreaterThan(0)
    }),
    { numRuns: 60 },
  )
})
