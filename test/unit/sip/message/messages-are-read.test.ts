import { describe, expect, it } from 'vitest'
import { formatMessage } from '../../../../sip/message/format.ts'
import { header, headerValues } from '../../../../sip/message/headers.ts'
import type { Header } from '../../../../sip/message/message.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'
import { failureOf, parseRequest, requestText } from '../../../harness/sip/sip-messages.ts'

const INVITE = requestText(
  'INVITE',
  ['Contact: <sip:k3j5@7hs5jd8v2n4c.invalid;transport=ws;ob>', 'Content-Type: application/sdp'],
  'v=0\r\ns=-\r\n',
)

describe('a message that comes whole', () => {
  it('is read into its parts', () => {
    const message = parseRequest(INVITE)
    expect(message).toMatchObject({
      method: 'INVITE',
      uri: { scheme: 'sip', user: 'bob', host: 'example.com', port: undefined },
      from: { displayName: 'Alice', uri: { user: 'alice' } },
      to: { displayName: undefined },
      callId: '1jhv7d1rkp1m0l8b3a9c',
      cseq: { number: 1, method: 'INVITE' },
    })
    expect(message.via[0]).toMatchObject({ transport: 'WSS', host: '7hs5jd8v2n4c.invalid', port: undefined })
    expect(message.body.toString()).toBe('v=0\r\ns=-\r\n')
  })

  it('cannot be changed afterwards, neither itself nor through the bytes it came in', () => {
    const bytes = Buffer.from(INVITE)
    const message = parseMessage(bytes)
    bytes.fill(0)
    expect(message.body.toString()).toBe('v=0\r\ns=-\r\n')
    expect(message.callId).toBe('1jhv7d1rkp1m0l8b3a9c')
    for (const part of [message, message.headers, message.via]) expect(Object.isFrozen(part)).toBe(true)
  })

  it('survives being written and read again', () => {
    const message = parseRequest(INVITE)
    const again = parseRequest(formatMessage(message))
    // Content-Length is written last.
    const byName = (a: Header, b: Header): number => a.name.localeCompare(b.name)
    expect({ ...again, headers: again.headers.toSorted(byName) }).toEqual({
      ...message,
      headers: message.headers.toSorted(byName),
    })
  })

  it('is read after empty lines, and up to its Content-Length', () => {
    const message = parseRequest(`\r\n\r\n${INVITE}INVITE sip:next SIP/2.0\r\n\r\n`)
    expect(message.body.toString()).toBe('v=0\r\ns=-\r\n')
  })

  it('ends with the datagram when it has no Content-Length', () => {
    const text = requestText('MESSAGE', [], 'h\u00e9llo').replace(/Content-Length: \d+\r\n/, '')
    expect(parseRequest(text).body.toString()).toBe('h\u00e9llo')
  })

  it('counts its body in bytes', () => {
    expect(parseRequest(requestText('MESSAGE', [], '\u20ac\u20ac')).body).toHaveLength(6)
  })
})

describe('a message cut short', () => {
  it('is refused at every length, with nothing but a SipFailure', () => {
    const bytes = Buffer.from(INVITE)
    for (let length = 0; length < bytes.length; length += 1) {
      expect(failureOf(() => parseMessage(bytes.subarray(0, length))).code).toBe('sip.malformed')
    }
  })
})

describe('headers', () => {
  it('are found by long and compact name in any case', () => {
    const message = parseRequest(
      requestText('INVITE', [
        'v: SIP/2.0/UDP h;branch=z9hG4bKx',
        'M: <sip:a@b>',
        'k: timer',
        'X-Odd: 1',
      ]).replace(/^Via:.*\r\n/m, ''),
    )
    expect(message.via).toHaveLength(1)
    expect(header(message, 'contact')).toBe('<sip:a@b>')
    expect(header(message, 'm')).toBe('<sip:a@b>')
    expect(header(message, 'SUPPORTED')).toBe('timer')
    expect(header(message, 'x-oDD')).toBe('1')
    expect(header(message, 'x-od')).toBeUndefined()
    expect(message.headers.map(({ name }) => name)).toContain('X-Odd')
  })

  it('may be folded, with blanks before the colon and around values', () => {
    const message = parseRequest(requestText('INVITE', ['Subject \t:  one\r\n\t two \r\n  three  ']))
    expect(header(message, 'Subject')).toBe('one two  three')
  })

  it('give every Via, from several lines and from one', () => {
    const message = parseRequest(
      requestText('INVITE', [
        'Via: SIP/2.0/UDP a:5062;branch=z9hG4bK1;note="x, y", SIP/2.0/TLS [2001:DB8::1]:5061;received=2001:db8::2',
        'Via: SIP/2.0/TCP c',
      ]),
    )
    expect(message.via.map(({ host, port }) => [host, port])).toEqual([
      ['a', 5062],
      ['2001:db8::1', 5061],
      ['c', undefined],
    ])
    expect(message.via[0]?.parameters.get('note')).toBe('x, y')
    expect(message.via[1]?.parameters.get('received')).toBe('2001:db8::2')
  })

  it('keep tel and urn addresses unread', () => {
    const message = parseRequest(
      requestText('INVITE', ['From: <tel:+4930123456>;tag=1', 'To: urn:service:sos']),
    )
    expect(message.from).toMatchObject({ uri: { scheme: 'tel', host: undefined, text: 'tel:+4930123456' } })
    expect(message.to).toMatchObject({ uri: { scheme: 'urn', text: 'urn:service:sos' } })
  })

  it('are split at commas where commas separate, and nowhere else', () => {
    const challenge = 'Digest realm="a, b", nonce="c", algorithm=MD5'
    const message = parseRequest(
      requestText('INVITE', [
        'Contact: "Quoted, \\" name" <sip:a,b@c>;q=1, <sip:d@e>',
        'Contact: sip:f@g',
        `WWW-Authenticate: ${challenge}`,
        'Date: Sat, 13 Nov 2010 23:29:00 GMT',
        'Supported: timer, , 100rel',
      ]),
    )
    expect(headerValues(message, 'Contact')).toEqual([
      '"Quoted, \\" name" <sip:a,b@c>;q=1',
      '<sip:d@e>',
      'sip:f@g',
    ])
    expect(headerValues(message, 'WWW-Authenticate')).toEqual([challenge])
    expect(headerValues(message, 'Date')).toEqual(['Sat, 13 Nov 2010 23:29:00 GMT'])
    expect(headerValues(message, 'Supported')).toEqual(['timer', '100rel'])
  })

  it('with a parameter named __proto__ are harmless', () => {
    const message = parseRequest(requestText('INVITE', ['From: <sip:a@b;__proto__=x>;tag=1;__proto__=y']))
    expect(message.from.parameters.get('__proto__')).toBe('y')
    expect(({} as Record<string, unknown>).y).toBeUndefined()
  })
})

describe('responses', () => {
  const responseText = (startLine: string): Buffer =>
    Buffer.from(requestText('INVITE').replace(/^.*\r\n/, `${startLine}\r\n`))

  it.each([
    ['SIP/2.0 200 OK', 200, 'OK'],
    ['SIP/2.0 486 Busy Here Now', 486, 'Busy Here Now'],
    ['SIP/2.0 180 ', 180, ''],
    ['SIP/2.0 180', 180, ''],
    ['sip/2.0 603 Decline', 603, 'Decline'],
  ])('%s', (startLine, status, reason) => {
    expect(parseMessage(responseText(startLine))).toMatchObject({ kind: 'response', status, reason })
  })

  it.each([
    'SIP/2.0 99 x',
    'SIP/2.0 700 x',
    'SIP/2.0 20 x',
    'SIP/2.0  200 OK',
    'SIP/2.0 2000 x',
    'SIP/2.0 -20 x',
  ])('are refused as %s', (startLine) => {
    expect(failureOf(() => parseMessage(responseText(startLine))).code).toBe('sip.malformed')
  })

  it('of another version are refused', () => {
    expect(failureOf(() => parseMessage(responseText('SIP/3.0 200 OK'))).code).toBe('sip.unsupported-version')
  })
})
