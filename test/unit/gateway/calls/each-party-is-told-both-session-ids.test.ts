import { describe, expect, it } from 'vitest'
import { sessionIdHeader, sessionUuidOf } from '../../../../gateway/calls/session-id.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'

const uuid = 'ab30317f1a784dc48ff824d0d3715d86'
const messageWith = (value: string | undefined) =>
  parseMessage(
    Buffer.from(
      [
        'SIP/2.0 180 Ringing',
        'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
        'From: <sip:a@example.com>;tag=1',
        'To: <sip:b@example.com>;tag=2',
        'Call-ID: 1',
        'CSeq: 1 INVITE',
        ...(value === undefined ? [] : [`Session-ID: ${value}`]),
        'Content-Length: 0',
        '',
        '',
      ].join('\r\n'),
    ),
  )

describe('Session-ID (RFC 7989)', () => {
  it.each([
    [`${uuid};remote=00000000000000000000000000000000`, uuid],
    [uuid, uuid],
    [uuid.toUpperCase(), uuid],
    ['00000000000000000000000000000000;remote=00000000000000000000000000000000', undefined],
    ['abc', undefined],
    [undefined, undefined],
  ])('of %s says %s', (value, expected) => {
    expect(sessionUuidOf(messageWith(value))).toBe(expected)
  })

  it('towards a party names the other one first, nil while it is unknown', () => {
    expect(sessionIdHeader(undefined, uuid).value).toBe(`${'0'.repeat(32)};remote=${uuid}`)
  })
})
