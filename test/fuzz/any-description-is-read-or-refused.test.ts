import { describe, expect, it } from 'vitest'
import { readAnswer } from '../../sdp/answer.ts'
import { offerableCodecs, STANDARD_CODECS } from '../../sdp/codecs.ts'
import { SdpFailure } from '../../sdp/failure.ts'
import { formatDescription } from '../../sdp/format.ts'
import { createOffer, readOffer } from '../../sdp/offer.ts'
import { parseDescription } from '../../sdp/parse.ts'
import { DEFAULT_SDP_LIMITS } from '../../sdp/session.ts'
import { below, seeded } from '../harness/seeded.ts'
import {
  bytes,
  FIXTURES,
  fixture,
  ORIGIN,
  SDES_LOCAL,
  SUITE_32,
  SUITE_80,
  WEBRTC_LOCAL,
} from '../unit/sdp/samples.ts'

const ROUNDS = 400
const SENT = [WEBRTC_LOCAL, SDES_LOCAL].map((local) => {
  return createOffer({ local, codecs: STANDARD_CODECS, origin: ORIGIN, direction: 'sendrecv' }).sent
})

const WORDS = [
  '0',
  '-1',
  '65536',
  '99999999999999999999',
  '1e9',
  'NaN',
  ' ',
  ':',
  '/',
  '=',
  '|',
  '\0',
  '\r',
  '\n',
  '%',
  '\u00e9',
  '__proto__',
  'constructor',
  '*',
  '::',
  '0.0.0.0',
  ';',
]

function mutate(text: string, random: (below: number) => number): Uint8Array {
  const lines = text.split('\r\n')
  for (let count = 1 + random(4); count > 0; count -= 1) {
    const at = random(lines.length)
    const line = lines[at] ?? ''
    const cut = random(line.length + 1)
    const word = WORDS[random(WORDS.length)] ?? ''
    const changes: (() => void)[] = [
      () => lines.splice(at, 1),
      () => lines.splice(random(lines.length), 0, line),
      () => lines.splice(at, 1, line.slice(0, cut)),
      () => lines.splice(at, 1, line.slice(0, cut) + word + line.slice(cut)),
      () => lines.splice(at, 1, line.slice(0, cut) + word + line.slice(cut + 1 + random(8))),
      () => lines.splice(at, 1, line.replace(/[^:= /]+$/, word)),
      () => lines.splice(at, 1, line + word.repeat(random(300))),
    ]
    changes[random(changes.length)]?.()
  }
  const body = Buffer.from(lines.join('\r\n'))
  if (random(4) === 0) body[random(body.length)] = random(256)
  return random(10) === 0 ? body.subarray(0, random(body.length)) : body
}

/** Everything that a network byte can reach. */
function readEverything(body: Uint8Array): number {
  const readers = [
    () => {
      const description = parseDescription(body)
      expect(parseDescription(bytes(formatDescription(description)), GENEROUS)).toEqual(description)
    },
    () => offerableCodecs(readOffer(body, 'webrtc').codecs, ['opus', 'PCMU', 'PCMA', 'G722', 'G729']),
    () => offerableCodecs(readOffer(body, 'rtp').codecs, ['PCMU', 'PCMA']),
    () => readOffer(body, 'rtp', { suites: [SUITE_80, SUITE_32] }),
    ...SENT.map((sent) => () => readAnswer(body, sent)),
  ]
  let refused = 0
  for (const read of readers) {
    try {
      read()
    } catch (error) {
      if (!(error instanceof SdpFailure)) throw error
      expect(error.message.length).toBeLessThan(1_000)
      refused += 1
    }
  }
  return refused
}

/** Written by us, a line may grow by what the peer left out (`s=`). */
const GENEROUS = { ...DEFAULT_SDP_LIMITS, maxBytes: 100_000, maxLines: 2_000, maxLineBytes: 4_096 }

describe.each(FIXTURES)('mutations of %s', (name) => {
  it('are read or refused by an SdpFailure, and read the same after they were written', () => {
    const text = Buffer.from(fixture(name)).toString('utf8')
    const random = below(seeded(FIXTURES.indexOf(name) + 1))
    let refused = 0
    for (let round = 0; round < ROUNDS; round += 1) refused += readEverything(mutate(text, random))
    expect(refused).toBeGreaterThan(0)
  })
})

it('every beginning of a description is read or refused', () => {
  const body = fixture('chromium-offer')
  for (let length = 0; length < body.length; length += 1) readEverything(body.subarray(0, length))
})

it('random bytes are refused', () => {
  const random = below(seeded(4711))
  for (let round = 0; round < 300; round += 1) {
    const body = Uint8Array.from({ length: random(500) }, () => random(256))
    expect(readEverything(body)).toBe(6)
  }
})

describe('the largest bodies take their time once (a quadratic step would run into the time limit)', () => {
  const head = 'v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n'
  const audio = `${head}m=audio 4000 RTP/SAVP 0\r\n`
  const fill = (start: string, piece: string) => {
    const room = DEFAULT_SDP_LIMITS.maxBytes - Buffer.byteLength(start)
    return start + piece.repeat(Math.floor(room / Buffer.byteLength(piece)))
  }
  const long = (start: string, piece: string) =>
    `${start}${piece.repeat(Math.floor((2_000 - start.length) / piece.length))}\r\n`

  it.each([
    ['line ends', `${fill('', '\n').slice(0, -1)}x`],
    ['CRs', `${fill('', '\r').slice(0, -1)}x`],
    ['lines', fill(audio, 'a=x\r\n')],
    ['crypto lines', fill(audio, 'a=crypto:1 X inline:AAAA\r\n')],
    ['long crypto lines', fill(audio, long('a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:', 'A'))],
    ['crypto of many blanks', fill(audio, long('a=crypto:1', ' '))],
    ['fingerprints', fill(audio, long('a=fingerprint:sha-256 ', 'AA:'))],
    ['groups', fill(head, long('a=group:BUNDLE', ' 0'))],
    ['rtpmaps', fill(audio, 'a=rtpmap:0 x/8000\r\n')],
    ['long rtpmaps', fill(audio, long('a=rtpmap:0 ', 'x'))],
    ['rtpmaps of blanks', fill(audio, long('a=rtpmap:0 x', ' '))],
    ['fmtps', fill(audio, long('a=fmtp:0 ', '| '))],
    ['image attributes', fill(audio, long('a=imageattr:* send ', '[x] '))],
    ['c= lines', fill(audio, 'c=IN IP4 198.51.100.1\r\n')],
    ['long addresses', fill(audio, long('c=IN IP6 ', '0:'))],
    ['blank m-lines', `${head}${long('m=audio 1 RTP/AVP', ' ').repeat(15)}`],
  ])('%s', (_, text) => {
    for (let round = 0; round < 20; round += 1) readEverything(bytes(text))
  })
})
