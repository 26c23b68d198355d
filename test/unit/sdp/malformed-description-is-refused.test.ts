import { describe, expect, it } from 'vitest'
import { readOffer } from '../../../sdp/offer.ts'
import { parseDescription } from '../../../sdp/parse.ts'
import { DEFAULT_SDP_LIMITS } from '../../../sdp/session.ts'
import { browserOffer, bytes, failure, failureOf, sdp, trunkSdp } from './samples.ts'

const HEAD = ['v=0', 'o=- 1 1 IN IP4 198.51.100.1', 's=-', 't=0 0']

describe('syntax', () => {
  it.each([
    ['nothing', ''],
    ['a blank line inside', 'v=0\r\n\r\no=- 1 1 IN IP4 198.51.100.1\r\n'],
    ['another version', 'v=1\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\n'],
    ['a second version', 'v=0\r\nv=1\r\no=- 1 1 IN IP4 198.51.100.1\r\n'],
    ['no o= line', 'v=0\r\ns=-\r\n'],
    ['an o= line of five words', 'v=0\r\no=- 1 1 IN IP4\r\ns=-\r\n'],
    ['an o= line of another network', 'v=0\r\no=- 1 1 ATM IP4 198.51.100.1\r\ns=-\r\n'],
    ['IPv5', 'v=0\r\no=- 1 1 IN IP5 198.51.100.1\r\ns=-\r\n'],
    ['two different o= lines', 'v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\no=- 1 2 IN IP4 198.51.100.1\r\n'],
    ['an unknown line type', `${HEAD.join('\r\n')}\r\nq=1\r\n`],
    ['a line type in capitals', `${HEAD.join('\r\n')}\r\nA=sendrecv\r\n`],
    ['a blank before the =', `${HEAD.join('\r\n')}\r\na =sendrecv\r\n`],
    ['an o= line in a section', `${HEAD.join('\r\n')}\r\nm=audio 1 RTP/AVP 0\r\no=- 1 1 IN IP4 1.2.3.4\r\n`],
    ['a NUL', `${HEAD.join('\r\n')}\r\na=x:\0\r\n`],
    ['a lone CR', `${HEAD.join('\r\n')}\r\na=x\ra=y\r\n`],
    ['an attribute without a name', `${HEAD.join('\r\n')}\r\na=:x\r\n`],
    ['a byte order mark', `\ufeff${HEAD.join('\r\n')}\r\n`],
    ['an m= line without a port', `${HEAD.join('\r\n')}\r\nm=audio RTP/AVP 0\r\n`],
    ['a port of 65536', `${HEAD.join('\r\n')}\r\nm=audio 65536 RTP/AVP 0\r\n`],
    ['a negative port', `${HEAD.join('\r\n')}\r\nm=audio -1 RTP/AVP 0\r\n`],
    ['a protocol with a tab', `${HEAD.join('\r\n')}\r\nm=audio 1 RTP/\tAVP 0\r\n`],
    ['an unreadable c= line', `${HEAD.join('\r\n')}\r\nc=IN IP4\r\n`],
  ])('%s', (_, text) => {
    expect(failureOf(() => parseDescription(bytes(text)))).toBe('sdp.malformed')
  })

  it('invalid UTF-8', () => {
    const body = Buffer.concat([sdp(...HEAD), Buffer.from([0x61, 0x3d, 0xc3, 0x28, 0x0d, 0x0a])])
    expect(failureOf(() => parseDescription(body))).toBe('sdp.malformed')
  })

  it('names the line and never quotes it', () => {
    const text = `${HEAD.join('\r\n')}\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:topsecret\0\r\n`
    const { message } = failure(() => parseDescription(bytes(text)))
    expect(message).toBe('malformed session description, seen a NUL in line 5')
  })
})

describe('limits hold at the maximum and one past it', () => {
  const limits = DEFAULT_SDP_LIMITS
  const start = bytes(`${HEAD.join('\r\n')}\r\n`).length

  it.each([
    [
      'rtpmap',
      'x',
      '0 PCMU/8000',
      'rtpmaps',
      [{ payloadType: 0, name: 'PCMU', clockRateHz: 8_000, channels: 1 }],
      [],
    ],
    ['ptime', 'x', '20', 'ptime', 20, undefined],
    ['rtcp', 'x', '4000', 'rtcp', { port: 4_000 }, undefined],
  ] as const)('attributes of a kind that are read: %s', (name, bad, good, key, read, unread) => {
    const sectionOf = (count: number) => {
      const before = Array.from({ length: count - 1 }, () => `a=${name}:${bad}`)
      const description = parseDescription(
        sdp(...HEAD, 'm=audio 1 RTP/AVP 0', ...before, `a=${name}:${good}`),
      )
      return description.sections[0]
    }
    if (typeof read === 'object') expect(sectionOf(128)?.[key]).toMatchObject(read)
    else expect(sectionOf(128)?.[key]).toBe(read)
    expect(sectionOf(129)?.[key]).toEqual(unread)
    // Nothing is lost.
    expect(sectionOf(129)?.attributes.at(-1)).toEqual({ name, value: good })
  })

  it('bytes', () => {
    const pad = 'a=x\r\n'.repeat(20)
    const fill = (total: number) =>
      `${HEAD.join('\r\n')}\r\n${pad}i=${'x'.repeat(total - start - pad.length - 4)}\r\n`
    const small = { ...limits, maxBytes: 400 }
    expect(parseDescription(bytes(fill(400)), small).lines).toHaveLength(2)
    expect(failureOf(() => parseDescription(bytes(fill(401)), small))).toBe('sdp.too-large')
    const most = sdp(...HEAD, ...Array.from({ length: 30 }, () => `a=x:${'y'.repeat(1000)}`))
    expect(failureOf(() => parseDescription(Buffer.concat([most, most, most])))).toBe('sdp.too-large')
  })

  it('lines', () => {
    const withLines = (count: number) => sdp(...HEAD, ...Array.from({ length: count - 4 }, () => 'a=x'))
    expect(parseDescription(withLines(limits.maxLines)).attributes).toHaveLength(limits.maxLines - 4)
    expect(failureOf(() => parseDescription(withLines(limits.maxLines + 1)))).toBe('sdp.too-large')
  })

  it('bytes of one line, not characters', () => {
    const withLine = (length: number) => sdp(...HEAD, `a=x:${'é'.repeat(length / 2 - 2)}`)
    expect(parseDescription(withLine(limits.maxLineBytes)).attributes).toHaveLength(1)
    expect(failureOf(() => parseDescription(withLine(limits.maxLineBytes + 2)))).toBe('sdp.too-large')
  })

  it('sections', () => {
    const withSections = (count: number) =>
      sdp(...HEAD, ...Array.from({ length: count }, () => 'm=video 0 RTP/AVP 96'))
    expect(parseDescription(withSections(limits.maxSections)).sections).toHaveLength(limits.maxSections)
    expect(failureOf(() => parseDescription(withSections(limits.maxSections + 1)))).toBe('sdp.too-large')
  })

  it('formats of one section', () => {
    const formats = (count: number) => Array.from({ length: count }, (_, index) => index % 128).join(' ')
    const withFormats = (count: number) => sdp(...HEAD, `m=audio 4000 RTP/AVP ${formats(count)}`)
    expect(parseDescription(withFormats(limits.maxCodecs)).sections[0]?.formats).toHaveLength(
      limits.maxCodecs,
    )
    expect(failureOf(() => parseDescription(withFormats(limits.maxCodecs + 1)))).toBe('sdp.too-large')
  })
})

describe('duplicates are decided by a rule', () => {
  it.each([
    ['a=ice-ufrag:other'],
    ['a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa'],
    ['a=setup:passive'],
    ['c=IN IP4 203.0.113.9'],
  ])('a second, different %s is refused', (line) => {
    expect(failureOf(() => readOffer(browserOffer({ media: [line] }), 'webrtc'))).toBe('sdp.malformed')
  })

  it.each([['a=ice-ufrag:F7gI'], ['a=setup:actpass'], ['c=IN IP4 0.0.0.0'], ['a=rtcp-mux']])(
    'a repeated, equal %s does no harm',
    (line) => {
      expect(readOffer(browserOffer({ media: [line] }), 'webrtc').isMuxed).toBe(true)
    },
  )

  it('two c= lines in a trunk section are refused, two directions take the first', () => {
    const two = trunkSdp('m=audio 4000 RTP/AVP 0', ['c=IN IP4 198.51.100.1', 'c=IN IP4 198.51.100.2'])
    expect(failureOf(() => readOffer(two, 'rtp'))).toBe('sdp.malformed')
    const directions = trunkSdp('m=audio 4000 RTP/AVP 0', ['a=sendonly', 'a=inactive'])
    expect(readOffer(directions, 'rtp').direction).toBe('sendonly')
  })
})
