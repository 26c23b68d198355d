import { describe, expect, it } from 'vitest'
import { type StreamFrame, StreamFramer } from '../../../../sip/message/stream-framer.ts'

const message = (body: string, lines: readonly string[] = [`Content-Length: ${Buffer.byteLength(body)}`]) =>
  ['MESSAGE sip:a@b SIP/2.0', 'Via: SIP/2.0/TCP c;branch=z9hG4bKx', ...lines, '', body].join('\r\n')

const shown = (frames: readonly StreamFrame[]): readonly string[] =>
  frames.map((frame) => {
    if (frame.kind === 'message') return frame.bytes.toString()
    return frame.kind === 'broken' ? frame.code : frame.kind
  })

function cut(text: string, size = text.length, maxMessageBytes?: number): readonly string[] {
  const framer = new StreamFramer(maxMessageBytes)
  const bytes = Buffer.from(text)
  const frames: string[] = []
  for (let at = 0; at < bytes.length; at += size)
    frames.push(...shown(framer.push(bytes.subarray(at, at + size))))
  return frames
}

const RESPONSE = 'SIP/2.0 200 OK\r\nl: 2\r\n\r\nhi'

describe('a stream is cut into messages', () => {
  const both = message('hällo\r\n\r\nworld') + RESPONSE + message('')

  it.each([1, 2, 3, 7, 64, 10_000])('whatever its pieces are: %i bytes', (size) => {
    expect(cut(both, size)).toEqual([message('hällo\r\n\r\nworld'), RESPONSE, message('')])
  })

  it('by the short name, by a folded line, and with blanks around', () => {
    for (const line of ['l:3', 'L : 3 ', 'Content-Length:\r\n\t3', 'CONTENT-LENGTH: 003']) {
      expect(cut(message('abc', [line]) + RESPONSE)).toEqual([message('abc', [line]), RESPONSE])
    }
  })

  it('that are copies: the buffer is used again', () => {
    const framer = new StreamFramer()
    const [first] = framer.push(Buffer.from(`${RESPONSE}SIP/2.0 `))
    framer.push(Buffer.from('486 Busy\r\nl: 0\r\n\r\n'))
    expect(first?.kind === 'message' && first.bytes.toString()).toBe(RESPONSE)
  })

  it('and holds what is not complete, and nothing else', () => {
    const framer = new StreamFramer()
    expect(framer.isPartial).toBe(false)
    framer.push(Buffer.from(`${RESPONSE}SIP/2.0 2`))
    expect([framer.isPartial, framer.pendingBytes]).toEqual([true, 9])
    framer.push(Buffer.from('00 OK\r\nl: 0\r\n\r\n'))
    expect([framer.isPartial, framer.pendingBytes]).toEqual([false, 0])
  })
})

describe('between messages', () => {
  it.each([1, 2, 3, 4, 50])(
    'an empty line asks for a pong, and one CRLF for nothing, in pieces of %i',
    (size) => {
      expect(cut(`\r\n\r\n${RESPONSE}\r\n${RESPONSE}`, size)).toEqual(['ping', RESPONSE, RESPONSE])
    },
  )

  it('many pings of one chunk are answered once', () => {
    expect(cut('\r\n\r\n'.repeat(100))).toEqual(['ping'])
  })

  it('half a ping is no message under way', () => {
    for (const half of ['\r', '\r\n', '\r\n\r']) {
      const framer = new StreamFramer()
      expect(framer.push(Buffer.from(half))).toEqual([])
      expect(framer.isPartial).toBe(false)
      expect(shown(framer.push(Buffer.from('\r\n\r\n'.slice(half.length))))).toEqual(['ping'])
    }
  })
})

describe('a stream ends where nobody can tell the next message', () => {
  it.each([
    ['TLS', '\u0016\u0003\u0001'],
    ['HTTP', 'GET / HTTP/1.1\r\n'],
    ['a start line that does not end', `OPTIONS sip:${'a'.repeat(9_000)}`],
    ['a lone line feed', 'OPTIONS sip:a SIP/2.0\nVia: x\r\n'],
    ['zeros', '\0\0\0\0'],
    ['a CR by itself', '\rOPTIONS'],
    ['no Content-Length', message('', [])],
    ['two of them', message('', ['Content-Length: 0', 'l: 0'])],
    ['a list', message('', ['Content-Length: 0, 0'])],
    ['a negative one', message('', ['Content-Length: -1'])],
    ['one that is no number', message('', ['Content-Length: 0x10'])],
    ['one past any number', message('', ['Content-Length: 99999999999'])],
  ])('%s', (_what, text) => {
    expect(cut(text)).toEqual(['sip.malformed'])
    expect(cut(RESPONSE + text + RESPONSE)).toEqual([RESPONSE, 'sip.malformed'])
    expect(cut(RESPONSE + text + RESPONSE, 1)).toEqual([RESPONSE, 'sip.malformed'])
  })

  it('a message of the longest length passes, one byte more does not', () => {
    const longest = message('x'.repeat(100))
    expect(cut(longest, 9, longest.length)).toEqual([longest])
    expect(cut(longest, 9, longest.length - 1)).toEqual(['sip.too-large'])
  })

  it('a header section that is too long by itself is not read', () => {
    const head = message('', ['Content-Length: x'])
    expect(cut(head, head.length, head.length)).toEqual(['sip.malformed'])
    expect(cut(head, head.length, head.length - 5)).toEqual(['sip.too-large'])
  })

  // A stranger's line of blanks took time by the square of its length: of this one, most of a minute.
  it.each(['l:a', 'l:', 'l', 'Content-Length:\t1', 'X:'])(
    '%s and 200 000 blanks are read in no time',
    (name) => {
      const blanks = ' '.repeat(200_000)
      expect(cut(message('', [`${name}${blanks}b`]), 300_000, 300_000)).toEqual(['sip.malformed'])
      expect(cut(message('', [`${name}${blanks}`, 'l: x']), 300_000, 300_000)).toEqual(['sip.malformed'])
    },
  )

  it('a header section without end is not waited for', () => {
    const framer = new StreamFramer(1_000)
    const start = 'OPTIONS sip:a SIP/2.0\r\n'
    expect(framer.push(Buffer.from(start + 'x'.repeat(1_000 - start.length)))).toEqual([])
    expect(framer.pendingBytes).toBe(1_000)
    expect(shown(framer.push(Buffer.from('x')))).toEqual(['sip.too-large'])
    expect([framer.pendingBytes, framer.push(Buffer.from(RESPONSE))]).toEqual([0, []])
  })
})
