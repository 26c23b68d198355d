import { describe, expect, it } from 'vitest'
import { bodyWith, locationsIn, requireSdp, sdpBody } from '../../../../gateway/calls/body.ts'
import { formatMultipart, readMultipart } from '../../../../gateway/calls/multipart.ts'
import { contentType } from '../../../../sip/message/headers.ts'
import type { SipRequest } from '../../../../sip/message/message.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'

const SDP = 'v=0\r\ns=-\r\n'
const PLACE = '<presence/>'

const invite = (type: string, body: string | Buffer): SipRequest => {
  const bytes = Buffer.from(body)
  const head = [
    'INVITE sip:112@example.com SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
    'From: <sip:a@example.com>;tag=1',
    'To: <sip:112@example.com>',
    'Call-ID: 1',
    'CSeq: 1 INVITE',
    `Content-Type: ${type}`,
    `Content-Length: ${bytes.length}`,
  ]
  const parsed = parseMessage(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]))
  if (!('method' in parsed)) throw new Error('no request')
  return parsed as SipRequest
}
const part = (type: string, body: string): string => `--b\r\nContent-Type: ${type}\r\n\r\n${body}\r\n`
const whole = (...parts: readonly string[]): string => `${parts.join('')}--b--\r\n`
const MIXED = 'multipart/mixed;boundary=b'

describe('a description is found', () => {
  it.each([
    ['application/sdp', SDP],
    [MIXED, whole(part('application/sdp', SDP), part('application/pidf+xml', PLACE))],
    [MIXED, whole(part('application/pidf+xml', PLACE), part('Application/SDP; x=1', SDP))],
    ['multipart/mixed; boundary="b"', `preamble\r\n${whole(part('application/sdp', SDP))}epilogue`],
    ...['7bit', '8BIT', 'binary'].map((encoding): [string, string] => [
      MIXED,
      whole(part(`application/sdp\r\nContent-Transfer-Encoding: ${encoding}`, SDP)),
    ]),
    ['multipart/related;boundary=b', whole('--b\r\n\r\nplain\r\n', part('application/sdp', SDP))],
  ])('in %s', (type, body) => {
    expect(requireSdp(invite(type, body)).toString()).toBe(SDP)
  })

  it('only where there is one', () => {
    expect(requireSdp(invite(MIXED, whole(part('application/isup', 'x')))).toString()).toBe('')
    expect(() => requireSdp(invite('text/plain', 'x'))).toThrow(
      expect.objectContaining({ code: 'sip.unsupported-media-type' }),
    )
  })
})

describe('a body of parts that cannot be read', () => {
  it.each([
    ['no boundary', 'multipart/mixed', whole(part('application/sdp', SDP))],
    ['a long boundary', `multipart/mixed;boundary=${'b'.repeat(71)}`, whole(part('application/sdp', SDP))],
    ['no part', MIXED, 'x'],
    ['no end', MIXED, part('application/sdp', SDP)],
    ['a part without an empty line', MIXED, '--b\r\nContent-Type: application/sdp\r\n--b--\r\n'],
    [
      'a part of base64',
      MIXED,
      whole('--b\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndg==\r\n'),
    ],
    ['long headers of a part', MIXED, whole(`--b\r\nX: ${'x'.repeat(3_000)}\r\n\r\n\r\n`)],
  ])('%s is refused, and says nothing of a place', (_name, type, body) => {
    const request = invite(type, body)
    expect(() => requireSdp(request)).toThrow(expect.objectContaining({ code: 'sip.malformed' }))
    expect(locationsIn(request)).toEqual([])
  })

  it('nine parts are one too many', () => {
    const parts = (count: number) =>
      whole(...Array.from({ length: count }, () => part('application/sdp', SDP)))
    expect(requireSdp(invite(MIXED, parts(8))).toString()).toBe(SDP)
    expect(() => requireSdp(invite(MIXED, parts(9)))).toThrow(
      expect.objectContaining({ code: 'sip.too-large' }),
    )
  })

  it('no cut and no changed byte does more than that', () => {
    const body = Buffer.from(whole(part('application/sdp', SDP), part('application/pidf+xml', PLACE)))
    for (let at = 0; at < body.length; at += 1) {
      const changed = Buffer.from(body)
      changed[at] = (changed[at] ?? 0) ^ 0x2d
      for (const bytes of [body.subarray(0, at), changed]) {
        try {
          readMultipart(bytes, { type: 'multipart/mixed', parameters: new Map([['boundary', 'b']]) })
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^sip\.(?:malformed|too-large)$/) })
        }
      }
    }
  })
})

describe('a place', () => {
  it('stands beside the description, as it came, and comes out as it went in', () => {
    const request = invite(
      MIXED,
      whole(
        part('application/sdp', SDP),
        `--b\r\nContent-Type: application/pidf+xml\r\nContent-ID: <x@y>\r\n\r\n${PLACE}\r\n`,
      ),
    )
    const made = bodyWith(sdpBody('v=1\r\n'), locationsIn(request), () => 'token')
    const again = invite(made.contentType, Buffer.from(made.bytes))
    expect(requireSdp(again).toString()).toBe('v=1\r\n')
    const headers = 'Content-Type: application/pidf+xml\r\nContent-ID: <x@y>'
    expect(locationsIn(again)).toEqual([{ type: 'application/pidf+xml', headers, bytes: Buffer.from(PLACE) }])
  })

  it('is nothing where there is none', () => {
    expect(bodyWith(sdpBody(SDP), [], () => 'token')).toEqual(sdpBody(SDP))
    expect(locationsIn(invite('application/sdp', SDP))).toEqual([])
  })

  it('of no bytes is one too', () => {
    const { contentType: type, bytes } = formatMultipart([{ headers: 'X: 1', bytes: Buffer.alloc(0) }], 't')
    const request = invite(type, Buffer.from(bytes))
    const media = contentType(request)
    if (media === undefined) throw new Error('no type')
    expect(readMultipart(request.body, media)).toEqual([
      { type: 'text/plain', headers: 'X: 1', bytes: Buffer.alloc(0) },
    ])
  })
})
