import { describe, expect, it } from 'vitest'
import { formatDescription } from '../../../sdp/format.ts'
import { parseDescription } from '../../../sdp/parse.ts'
import { bytes, FIXTURES, fixture, fixtureText, linesOf, sdp } from './samples.ts'

describe.each(FIXTURES)('%s', (name) => {
  it('reads the same after it was written', () => {
    const description = parseDescription(fixture(name))
    expect(parseDescription(bytes(formatDescription(description)))).toEqual(description)
  })

  it('loses no line but for listed spellings', () => {
    // Listed: blanks at the end of a line; one channel, which needs no /1.
    const tidy = (line: string) => line.trimEnd().replace(/^(a=rtpmap:.*\/\d+)\/1$/, '$1')
    const before = linesOf(fixtureText(name)).map(tidy)
    const after = linesOf(formatDescription(parseDescription(fixture(name)))).map(tidy)
    expect(after.toSorted()).toEqual(before.toSorted())
  })

  it('reads the same with bare LF and with blank lines behind', () => {
    const text = fixtureText(name)
    expect(parseDescription(bytes(text.replaceAll('\r\n', '\n')))).toEqual(parseDescription(bytes(text)))
    expect(parseDescription(bytes(`${text}\r\n\r\n`))).toEqual(parseDescription(bytes(text)))
    expect(parseDescription(bytes(text.trimEnd()))).toEqual(parseDescription(bytes(text)))
  })
})

it('keeps every session line, in the order of RFC 8866', () => {
  const text = sdp(
    'v=0',
    'o=alice 18446744073709551615 2 IN IP6 2001:db8::1',
    's=Düsseldorf',
    'i=about',
    'u=https://example.com/',
    'e=a@example.com',
    'p=+49 000',
    'c=IN IP6 2001:db8::1',
    'b=AS:64',
    't=1 2',
    'r=604800 3600 0',
    't=3 4',
    'z=0 1',
    'k=prompt',
    'a=recvonly',
    'm=audio 4000/2 RTP/AVP 0',
    'i=title',
    'c=IN IP4 198.51.100.1',
    'b=AS:64',
    'k=prompt',
    'a=mid:first',
    'a=rtcp:4001 IN IP4 198.51.100.2',
    'a=rtpmap:0 PCMU/8000',
    'a=fmtp:0 x=1',
    'a=ptime:20',
    'a=maxptime:40',
    'a=x-unknown:anything at all',
  )
  expect(formatDescription(parseDescription(text))).toBe(Buffer.from(text).toString())
})

it('keeps attributes that repeat or cannot be read, and takes the first of each kind', () => {
  const text = sdp(
    'v=0',
    'o=- 1 1 IN IP4 198.51.100.1',
    's=-',
    't=0 0',
    'm=audio 4000 RTP/AVP 0 96 200',
    'a=ptime:20',
    'a=ptime:30',
    'a=rtpmap:96 opus/48000/2',
    'a=rtpmap:96 PCMU/8000',
    'a=rtpmap:200 PCMU/8000',
    'a=rtpmap:97 PCMU/0',
    'a=rtcp:no',
    'a=mid',
    'a=fingerprint:sha-256 AA',
    'a=fingerprint:sha-1 BB',
  )
  const description = parseDescription(text)
  const [section] = description.sections
  expect(section?.ptime).toBe(20)
  expect(section?.rtpmaps).toEqual([{ payloadType: 96, name: 'opus', clockRateHz: 48000, channels: 2 }])
  const written = linesOf(formatDescription(description))
  expect(written.toSorted()).toEqual(linesOf(Buffer.from(text).toString()).toSorted())
  expect(parseDescription(bytes(formatDescription(description)))).toEqual(description)
})
