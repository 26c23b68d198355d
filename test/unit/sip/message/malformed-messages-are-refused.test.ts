/** Among these is what the parser of sip.js 0.21.2 took for good, dropped without an answer, or threw at. */
import { describe, expect, it } from 'vitest'
import { buildResponse } from '../../../../sip/message/build.ts'
import { formatMessage } from '../../../../sip/message/format.ts'
import { contacts, contentType, credentials, headerValues } from '../../../../sip/message/headers.ts'
import { MalformedRequest } from '../../../../sip/message/malformed-request.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'
import {
  DEFAULT_PARSER_LIMITS,
  MAX_CREDENTIALS,
  MAX_LIST_ELEMENTS,
  MAX_PARAMETERS,
} from '../../../../sip/message/parser-limits.ts'
import { failureOf, parseRequest, requestText } from '../../../harness/sip/sip-messages.ts'

const refusal = (text: string | Buffer): ReturnType<typeof failureOf> =>
  failureOf(() => parseMessage(Buffer.from(text)))
const without = (name: string): string =>
  requestText('INVITE').replace(new RegExp(`^${name}: .*\r\n`, 'm'), '')
const withStartLine = (line: string): string => requestText('INVITE').replace(/^.*\r\n/, `${line}\r\n`)

describe('a malformed request is refused with 400', () => {
  it.each([
    ['a header without a colon', requestText('INVITE', ['Subject no colon'])],
    ['a header without a name', requestText('INVITE', [': x'])],
    ['a name that is no token', requestText('INVITE', ['X Y: 1'])],
    ['a folded start line', requestText('INVITE').replace(' SIP/2.0\r\n', '\r\n SIP/2.0\r\n')],
    ['a lone line feed', requestText('INVITE', ['Subject: a\nRoute: <sip:evil>'])],
    ['a lone carriage return', requestText('INVITE', ['Subject: a\rRoute: <sip:evil>'])],
    ['a NUL', requestText('INVITE', ['Subject: a\0b'])],
    ['no Via', without('Via')],
    ['no From', without('From')],
    ['no To', without('To')],
    ['no Call-ID', without('Call-ID')],
    ['no CSeq', without('CSeq')],
    ['two From', requestText('INVITE', ['From: <sip:a@b>;tag=1', 'f: <sip:c@d>;tag=2'])],
    ['two To', requestText('INVITE', ['To: <sip:a@b>', 't: <sip:c@d>'])],
    ['two Call-ID', requestText('INVITE', ['Call-ID: a', 'i: b'])],
    ['two CSeq', requestText('INVITE', ['CSeq: 1 INVITE', 'CSEQ: 1 INVITE'])],
    ['two Max-Forwards', requestText('INVITE', ['Max-Forwards: 1', 'Max-Forwards: 1'])],
    ['two Content-Length', requestText('INVITE', ['Content-Length: 0', 'l: 0'])],
    ['two Content-Type', requestText('INVITE', ['Content-Type: a/b', 'c: a/b'])],
    ['a CSeq of another method', requestText('INVITE', ['CSeq: 1 BYE'])],
    ['a CSeq method in another case', requestText('INVITE', ['CSeq: 1 invite'])],
    ['a CSeq beyond 32 bits', requestText('INVITE', ['CSeq: 4294967296 INVITE'])],
    ['a CSeq without a number', requestText('INVITE', ['CSeq: INVITE'])],
    ['a Max-Forwards of 256', requestText('INVITE', ['Max-Forwards: 256'])],
    ['a Max-Forwards of -1', requestText('INVITE', ['Max-Forwards: -1'])],
    ['a Content-Length beyond the datagram', requestText('INVITE', ['Content-Length: 1'])],
    ['a Content-Length in hex', requestText('INVITE', ['Content-Length: 0x0'])],
    ['a Content-Length with a sign', requestText('INVITE', ['Content-Length: +0'])],
    ['a Call-ID with a blank', requestText('INVITE', ['Call-ID: a b'])],
    ['an empty Call-ID', requestText('INVITE', ['Call-ID:'])],
    ['an empty Via element', requestText('INVITE', ['Via: SIP/2.0/UDP a, , SIP/2.0/UDP b'])],
    ['a Via of another protocol', requestText('INVITE', ['Via: HTTP/1.1/TCP a'])],
    ['a Via whose version is no token', requestText('INVITE', ['Via: SIP/"x/UDP h;a="b;rport="'])],
    ['a Via port of 0', requestText('INVITE', ['Via: SIP/2.0/UDP a:0'])],
    ['a Via host that is none', requestText('INVITE', ['Via: SIP/2.0/UDP a$b'])],
    ['an IPv6 address without its bracket', requestText('INVITE', ['Via: SIP/2.0/UDP [::1'])],
    ['an IPv6 address that is none', requestText('INVITE', ['Via: SIP/2.0/UDP [::g]'])],
    ['a From without a closing bracket', requestText('INVITE', ['From: <sip:a@b;tag=1'])],
    ['a From without a closing quote', requestText('INVITE', ['From: "a <sip:a@b>;tag=1'])],
    ['text after the bracket', requestText('INVITE', ['From: <sip:a@b>x;tag=1'])],
    ['a question mark outside brackets', requestText('INVITE', ['From: sip:a@b?c=d'])],
    ['a URI with two @', withStartLine('INVITE sip:a@b@c SIP/2.0')],
    ['a URI without a host', withStartLine('INVITE sip:a@ SIP/2.0')],
    ['a URI with an empty user', withStartLine('INVITE sip:@b SIP/2.0')],
    ['a URI without a scheme', withStartLine('INVITE bob SIP/2.0')],
    ['half an escape', withStartLine('INVITE sip:%4@b SIP/2.0')],
    ['no URI', withStartLine('INVITE SIP/2.0')],
    ['four parts in the start line', withStartLine('INVITE sip:a@b SIP/2.0 x')],
    ['a method that is no token', withStartLine('INV<ITE sip:a@b SIP/2.0')],
    ['a version that is none', withStartLine('INVITE sip:a@b SIP/2')],
  ])('%s', (_, text) => {
    expect(refusal(text).status).toBe(400)
  })

  it('invalid UTF-8 in a header', () => {
    const bytes = Buffer.from(requestText('INVITE', ['Subject: x']))
    bytes[bytes.indexOf('Subject: x') + 9] = 0xff
    expect(refusal(bytes).status).toBe(400)
  })

  it('a URI that percent-encodes a percent sign is fine, and decoded once', () => {
    const message = parseRequest(withStartLine('INVITE sip:%25zz@b SIP/2.0'))
    expect(message.uri).toMatchObject({ user: '%zz' })
  })

  it('a method parameter of the URI does not change the method', () => {
    const message = parseRequest(withStartLine('INVITE sip:u@h;method=REGISTER SIP/2.0'))
    expect(message.method).toBe('INVITE')
  })
})

describe('other refusals say what they are', () => {
  it('another version is 505', () => {
    expect(refusal(withStartLine('INVITE sip:a@b SIP/7.0')).status).toBe(505)
  })

  it('a bad Contact, Content-Type or list is found when it is read', () => {
    const message = parseRequest(requestText('INVITE', ['Contact: <sip:>', 'Content-Type: sdp']))
    expect(failureOf(() => contacts(message)).status).toBe(400)
    expect(failureOf(() => contentType(message)).status).toBe(400)
    expect(
      failureOf(() => contacts(parseRequest(requestText('REGISTER', ['Contact: *, <sip:a@b>'])))).status,
    ).toBe(400)
  })
})

describe('limits', () => {
  const { maxMessageBytes, maxLineLength, maxHeaders, maxVias, maxUriLength } = DEFAULT_PARSER_LIMITS
  const headerCount = requestText('INVITE').split('\r\n').length - 3
  const parameters = (count: number): string =>
    Array.from({ length: count }, (_, index) => `;p${index}=x`).join('')
  const repeat = (line: string, count: number): string[] => Array.from({ length: count }, () => line)

  it.each([
    [
      'message bytes',
      513,
      (extra: number) => {
        const empty = requestText('INVITE', ['Content-Length: 00000'])
        const length = maxMessageBytes - empty.length + extra
        return requestText(
          'INVITE',
          [`Content-Length: ${String(length).padStart(5, '0')}`],
          'x'.repeat(length),
        )
      },
    ],
    [
      'line length',
      513,
      (extra: number) => requestText('INVITE', [`X: ${'x'.repeat(maxLineLength - 3 + extra)}`]),
    ],
    [
      'line length, folded',
      513,
      (extra: number) =>
        requestText('INVITE', [`X: ${'x'.repeat(4000)}\r\n ${'x'.repeat(maxLineLength - 4006 + extra)}`]),
    ],
    [
      'headers',
      513,
      (extra: number) => requestText('INVITE', repeat('X: x', maxHeaders - headerCount + extra)),
    ],
    [
      'Via values',
      513,
      (extra: number) =>
        requestText('INVITE', [`Via: ${repeat('SIP/2.0/UDP a', maxVias + extra).join(', ')}`]),
    ],
    [
      'parameters of a Via',
      513,
      (extra: number) => requestText('INVITE', [`Via: SIP/2.0/UDP a${parameters(MAX_PARAMETERS + extra)}`]),
    ],
    [
      'parameters of a header',
      513,
      (extra: number) => requestText('INVITE', [`To: <sip:a@b>${parameters(MAX_PARAMETERS + extra)}`]),
    ],
    [
      'parameters of a URI',
      513,
      (extra: number) => requestText('INVITE', [`To: <sip:a@b${parameters(MAX_PARAMETERS + extra)}>`]),
    ],
    [
      'Request-URI length',
      414,
      (extra: number) => withStartLine(`INVITE sip:${'a'.repeat(maxUriLength - 6 + extra)}@b SIP/2.0`),
    ],
  ])('%s: the maximum is read, one more is refused with %i', (_, status, text) => {
    expect(() => parseMessage(Buffer.from(text(0)))).not.toThrow()
    expect(refusal(text(1)).status).toBe(status)
  })

  it('credentials and their parameters: the maximum is read, one more proves nothing', () => {
    const read = (values: readonly string[]) =>
      credentials(
        parseRequest(
          requestText(
            'REGISTER',
            values.map((value) => `Authorization: Digest ${value}`),
          ),
        ),
        'Authorization',
      )
    const many = (count: number): string => parameters(count).slice(1).replaceAll(';', ', ')
    expect(read(repeat('a=1', MAX_CREDENTIALS + 1))).toHaveLength(MAX_CREDENTIALS)
    expect(
      read([many(MAX_PARAMETERS), many(MAX_PARAMETERS + 1)]).map((sent) => sent.parameters.size),
    ).toEqual([MAX_PARAMETERS])
  })

  it('list elements: the maximum is read, one more is refused', () => {
    const routes = (count: number): string => requestText('INVITE', repeat('Route: <sip:a;lr>', count))
    expect(headerValues(parseRequest(routes(MAX_LIST_ELEMENTS)), 'Route')).toHaveLength(MAX_LIST_ELEMENTS)
    expect(failureOf(() => headerValues(parseRequest(routes(MAX_LIST_ELEMENTS + 1)), 'Route')).status).toBe(
      513,
    )
  })

  it('no line takes more than linear time', () => {
    // 8 KB of what makes a backtracking reader start again at every character; quadratic would be minutes in all.
    const hostile = [' ', '\t', ',', ';', '"', '<', '%41', '\\"', ': ', 'a,', ';a=', '"",']
    for (const name of ['Via', 'From', 'Contact', 'X']) {
      for (const piece of hostile) {
        const line = `${name}: ${piece.repeat(Math.floor(8_000 / piece.length))}`
        for (let i = 0; i < 5; i += 1) {
          const text = Buffer.from(requestText('INVITE', [line]))
          try {
            contacts(parseMessage(text))
          } catch (error) {
            expect(error).toMatchObject({ name: 'SipFailure' })
          }
        }
      }
    }
  })
})

describe('the answer to a malformed request', () => {
  const answerTo = (text: string | Buffer): string | undefined => {
    const { failure, status } = refusal(text)
    if (!(failure instanceof MalformedRequest) || failure.answerable === undefined) return undefined
    return formatMessage(buildResponse(failure.answerable, status, { toTag: 'ours' })).toString()
  }

  it('echoes what was readable, byte for byte', () => {
    const answer = answerTo(
      requestText('INVITE', ['Subject no colon', 'F:  "A,\\"b" <sip:alice@example.com> ;tag=x']).replace(
        /^From: .*\r\n/m,
        '',
      ),
    )
    expect(answer?.split('\r\n')).toEqual([
      'SIP/2.0 400 Bad Request',
      'Via: SIP/2.0/WSS 7hs5jd8v2n4c.invalid;branch=z9hG4bK8431659',
      'From: "A,\\"b" <sip:alice@example.com> ;tag=x',
      'To: <sip:bob@example.com>;tag=ours',
      'Call-ID: 1jhv7d1rkp1m0l8b3a9c',
      'CSeq: 1 INVITE',
      'Content-Length: 0',
      '',
      '',
    ])
  })

  it('echoes an unreadable To without adding to it', () => {
    expect(answerTo(requestText('INVITE', ['To: "open <sip:bob@example.com>']))).toContain(
      '\r\nTo: "open <sip:bob@example.com>\r\n',
    )
  })

  it('is possible for what is too large and for what is cut short', () => {
    expect(answerTo(requestText('INVITE', [`X: ${'x'.repeat(9_000)}`]))).toMatch(/^SIP\/2\.0 513 /)
    expect(answerTo(requestText('INVITE', [], 'x'.repeat(70_000)))).toMatch(/^SIP\/2\.0 513 /)
    expect(answerTo(requestText('INVITE').slice(0, -4))).toMatch(/^SIP\/2\.0 400 /)
  })

  it('is impossible without the headers that carry it, and to a response', () => {
    for (const name of ['Via', 'From', 'To', 'Call-ID', 'CSeq'])
      expect(answerTo(without(name))).toBeUndefined()
    expect(answerTo(withStartLine('SIP/2.0 999 x'))).toBeUndefined()
    expect(answerTo('nonsense\r\n\r\n')).toBeUndefined()
    expect(answerTo('')).toBeUndefined()
  })

  it('is impossible when its headers are no UTF-8, and possible when others are none', () => {
    const spoil = (line: string): Buffer => {
      const bytes = Buffer.from(requestText('INVITE', [line]))
      bytes[bytes.indexOf('QQ')] = 0xff
      return bytes
    }
    expect(answerTo(spoil('Call-ID: QQ'))).toBeUndefined()
    expect(answerTo(spoil('Subject: QQ'))).toMatch(/^SIP\/2\.0 400 /)
  })

  it('never carries a control character of the request', () => {
    expect(answerTo(requestText('INVITE', ['To: <sip:a@b>\rX: y']))).toBeUndefined()
  })
})
