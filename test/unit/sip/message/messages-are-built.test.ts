import { describe, expect, it } from 'vitest'
import { buildRequest, buildResponse, stampRequest, stampVia } from '../../../../sip/message/build.ts'
import { formatMessage } from '../../../../sip/message/format.ts'
import type { NameAddr } from '../../../../sip/message/message.ts'
import { formatNameAddr, parseNameAddr, withTag } from '../../../../sip/message/name-addr.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'
import { sipUri } from '../../../../sip/message/uri.ts'
import { buildVia, parseVia } from '../../../../sip/message/via.ts'
import { parseRequest, requestText } from '../../../harness/sip/sip-messages.ts'

const address = (user: string, displayName?: string): NameAddr => ({
  displayName,
  uri: sipUri({ user, host: 'example.com' }),
  parameters: new Map(),
})

const invite = (parts: Partial<Parameters<typeof buildRequest>[0]> = {}): ReturnType<typeof buildRequest> =>
  buildRequest({
    method: 'INVITE',
    uri: sipUri({ user: 'bob', host: 'example.com' }),
    via: buildVia({ transport: 'udp', host: '2001:db8::1', port: 5060, branch: 'z9hG4bKb', rport: true }),
    from: withTag(address('alice', 'Alice "A" \\ Example'), 't1'),
    to: address('bob'),
    callId: 'c1',
    cseq: 7,
    ...parts,
  })

describe('a request of ours', () => {
  it('carries all that RFC 3261 §8.1.1 asks for, and a Content-Length in bytes', () => {
    const request = invite({
      route: ['<sip:p1;lr>', '<sip:p2;lr>'],
      headers: [{ name: 'Contact', value: '<sip:gw@192.0.2.1>' }],
      body: { contentType: 'text/plain', bytes: Buffer.from('\u20ac') },
    })
    expect(formatMessage(request).toString().split('\r\n')).toEqual([
      'INVITE sip:bob@example.com SIP/2.0',
      'Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKb;rport',
      'Route: <sip:p1;lr>',
      'Route: <sip:p2;lr>',
      'Max-Forwards: 70',
      'From: "Alice \\"A\\" \\\\ Example" <sip:alice@example.com>;tag=t1',
      'To: <sip:bob@example.com>',
      'Call-ID: c1',
      'CSeq: 7 INVITE',
      'Contact: <sip:gw@192.0.2.1>',
      'Content-Type: text/plain',
      'Content-Length: 3',
      '',
      '\u20ac',
    ])
  })

  it('reads back as what it was built of', () => {
    const request = invite()
    const { via, from, to, callId, cseq, uri, method } = parseRequest(formatMessage(request))
    expect({ via, from, to, callId, cseq, uri, method }).toEqual({
      via: request.via,
      from: request.from,
      to: request.to,
      callId: 'c1',
      cseq: { number: 7, method: 'INVITE' },
      uri: request.uri,
      method: 'INVITE',
    })
  })

  it('cannot be made to hold a second line by a header, a reason, a method or a URI', () => {
    const evil = 'x\r\nRoute: <sip:evil>'
    const bad = [
      invite({ headers: [{ name: 'Subject', value: evil }] }),
      invite({ headers: [{ name: 'Subject', value: 'a\nb' }] }),
      invite({ headers: [{ name: 'Subject', value: 'a\\\rb' }] }),
      invite({ headers: [{ name: 'Subject', value: 'a\0b' }] }),
      invite({ headers: [{ name: 'Sub ject', value: 'a' }] }),
      invite({ headers: [{ name: evil, value: 'a' }] }),
      invite({ callId: evil }),
      invite({ method: 'INVITE sip:evil SIP/2.0\r\nX:' }),
      invite({ method: 'IN VITE' }),
      invite({ uri: { scheme: 'tel', user: undefined, host: undefined, text: 'tel:1 SIP/2.0' } }),
      invite({ body: { contentType: evil, bytes: Buffer.alloc(0) } }),
      buildResponse(parseRequest(requestText('INVITE')), 200, { reason: evil }),
      buildResponse(parseRequest(requestText('INVITE')), 200, { toTag: evil }),
    ]
    for (const message of bad)
      expect(() => formatMessage(message)).toThrow(/control character|no token|stray blank/)
  })

  it('takes any display name and user, escaped', () => {
    for (const text of ['a\r\nVia: x', '"', '\\', '\u20ac <sip:x@y>;tag=1', '\0', 'a@b', '100% ;?:#']) {
      const from = withTag(address(text, text), 't')
      const read = parseRequest(formatMessage(invite({ from })))
      expect(read.from.uri.user).toBe(text)
      expect(read.from.parameters).toEqual(new Map([['tag', 't']]))
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what must be gone
      expect(read.from.displayName).toBe(text.replace(/[\0-\x1f]/g, ''))
    }
  })
})

describe('a response of ours', () => {
  const request = parseRequest(
    requestText('INVITE', [
      'Via: SIP/2.0/UDP a;branch=z9hG4bK1 , SIP/2.0/TCP b;branch=z9hG4bK2',
      'Via: SIP/2.0/TLS c;branch=z9hG4bK3',
      'Record-Route: <sip:p1;lr>, <sip:p2;lr>',
      'Record-Route: <sip:p3;lr>',
      'Timestamp: 54',
      'Subject: private',
    ]),
  )
  const linesOf = (status: number, from = request): readonly string[] =>
    formatMessage(buildResponse(from, status, { toTag: 'ours' }))
      .toString()
      .split('\r\n')

  it('copies Via, From, To, Call-ID, CSeq and the route, and nothing else', () => {
    expect(linesOf(200)).toEqual([
      'SIP/2.0 200 OK',
      'Via: SIP/2.0/UDP a;branch=z9hG4bK1',
      'Via: SIP/2.0/TCP b;branch=z9hG4bK2',
      'Via: SIP/2.0/TLS c;branch=z9hG4bK3',
      'From: "Alice" <sip:alice@example.com>;tag=u1f4k2l9sd',
      'To: <sip:bob@example.com>;tag=ours',
      'Call-ID: 1jhv7d1rkp1m0l8b3a9c',
      'CSeq: 1 INVITE',
      'Record-Route: <sip:p1;lr>, <sip:p2;lr>',
      'Record-Route: <sip:p3;lr>',
      'Content-Length: 0',
      '',
      '',
    ])
  })

  it('leaves the route out of 100, of failures and of answers to REGISTER', () => {
    const isRouted = (lines: readonly string[]): boolean =>
      lines.some((line) => line.startsWith('Record-Route'))
    expect(isRouted(linesOf(180))).toBe(true)
    expect(isRouted(linesOf(100))).toBe(false)
    expect(isRouted(linesOf(486))).toBe(false)
    const registration = parseRequest(requestText('REGISTER', ['Record-Route: <sip:p1;lr>']))
    expect(isRouted(linesOf(200, registration))).toBe(false)
  })

  it('has a tag except in 100, which has the Timestamp', () => {
    expect(linesOf(100)).toContain('To: <sip:bob@example.com>')
    expect(linesOf(100)).toContain('Timestamp: 54')
    expect(linesOf(180)).not.toContain('Timestamp: 54')
  })

  it('keeps a tag that is there', () => {
    const inDialog = parseRequest(requestText('BYE', ['To: <sip:bob@example.com>;tag=theirs']))
    expect(linesOf(200, inDialog)).toContain('To: <sip:bob@example.com>;tag=theirs')
    expect(buildResponse(inDialog, 200, { toTag: 'ours' }).to.parameters.get('tag')).toBe('theirs')
  })

  it('says its tag in the value as well as in the text', () => {
    expect(buildResponse(request, 200, { toTag: 'ours' }).to.parameters.get('tag')).toBe('ours')
  })

  it('has the phrase of its status, of its class, or its own', () => {
    expect(buildResponse(request, 486).reason).toBe('Busy Here')
    expect(buildResponse(request, 499).reason).toBe('Request Failure')
    expect(buildResponse(request, 486, { reason: 'On Another Call' }).reason).toBe('On Another Call')
  })
})

describe('the top Via of a request', () => {
  const source = { address: '198.51.100.7', port: 40_000 }

  it.each([
    ['SIP/2.0/UDP 198.51.100.7:5060;branch=z9', 'SIP/2.0/UDP 198.51.100.7:5060;branch=z9'],
    ['SIP/2.0/UDP pbx.example.com;branch=z9', 'SIP/2.0/UDP pbx.example.com;branch=z9;received=198.51.100.7'],
    [
      'SIP/2.0/UDP 198.51.100.7;rport;branch=z9',
      'SIP/2.0/UDP 198.51.100.7;branch=z9;received=198.51.100.7;rport=40000',
    ],
    [
      'SIP/2.0/WSS x.invalid;branch=z9;x=";rport"',
      'SIP/2.0/WSS x.invalid;branch=z9;x=";rport";received=198.51.100.7',
    ],
    ['SIP/2.0/UDP a ; Branch = z9 ; RPort', 'SIP/2.0/UDP a;Branch = z9;received=198.51.100.7;rport=40000'],
    ['SIP/2.0/UDP a;received=203.0.113.1;rport=1', 'SIP/2.0/UDP a;received=198.51.100.7;rport=40000'],
    ['SIP/2.0/UDP 198.51.100.7;received=203.0.113.1', 'SIP/2.0/UDP 198.51.100.7'],
  ])('%s becomes %s', (sent, stamped) => {
    expect(stampVia(parseVia(sent), source).text).toBe(stamped)
  })

  it('holds IPv6 sources as they are and IPv4 ones without their mapping', () => {
    const via = parseVia('SIP/2.0/UDP a;rport')
    expect(stampVia(via, { address: '2001:db8::1', port: 1 }).parameters.get('received')).toBe('2001:db8::1')
    expect(stampVia(via, { address: '::ffff:192.0.2.1', port: 1 }).parameters.get('received')).toBe(
      '192.0.2.1',
    )
  })

  it('is stamped in the message and all its responses, the others stay', () => {
    const request = stampRequest(
      parseRequest(requestText('INVITE', ['Via: SIP/2.0/UDP a;rport, SIP/2.0/UDP b'])),
      source,
    )
    expect(request.via.map(({ text }) => text)).toEqual([
      'SIP/2.0/UDP a;received=198.51.100.7;rport=40000',
      'SIP/2.0/UDP b',
    ])
    expect(parseMessage(formatMessage(request)).via).toEqual(request.via)
    expect(buildResponse(request, 200).via).toEqual(request.via)
  })
})

describe('an address', () => {
  it.each(['<sip:a@b>', '"A" <sip:a@b>;tag=1', '<tel:+49301234;phone-context=x>;q="a b";lr'])(
    '%s is written as it was read',
    (text) => {
      expect(formatNameAddr(parseNameAddr(text))).toBe(text)
    },
  )
})
