import { describe, expect, it } from 'vitest'
import { passedHeaders, passedReasons } from '../../../../gateway/calls/header-policy.ts'
import type { SipRequest } from '../../../../sip/message/message.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'

const request = (...lines: string[]): SipRequest => {
  const head = [
    'INVITE sip:bob@example.com SIP/2.0',
    'Via: SIP/2.0/WSS x.invalid;branch=z9hG4bK1',
    'From: <sip:alice@example.com>;tag=1',
    'To: <sip:bob@example.com>',
    'Call-ID: 1',
    'CSeq: 1 INVITE',
    'Max-Forwards: 70',
  ]
  const message = parseMessage(
    Buffer.from(`${[...head, ...lines].join('\r\n')}\r\nContent-Length: 0\r\n\r\n`),
  )
  if (message.kind !== 'request') throw new Error('a request')
  return message
}

const namesOf = (message: SipRequest, more?: string[]): string[] =>
  passedHeaders(message, more).map((row) => row.name)

describe('headers that pass from leg to leg', () => {
  it('are the listed ones and X-*', () => {
    const message = request(
      'X-Customer: 42',
      'User-to-User: 56a;encoding=hex',
      'Alert-Info: <urn:alert:source:external>',
    )
    expect(namesOf(message)).toEqual(['X-Customer', 'User-to-User', 'Alert-Info'])
  })

  it.each([
    'P-Asserted-Identity: <sip:president@example.com>',
    'P-Preferred-Identity: <sip:president@example.com>',
    'Remote-Party-ID: <sip:president@example.com>',
    'Contact: <sip:alice@10.0.0.7>',
    'Record-Route: <sip:10.0.0.7;lr>',
    'Route: <sip:10.0.0.7;lr>',
    'Authorization: Digest username="alice"',
    'Proxy-Authorization: Digest username="alice"',
    'Server: secret-build-17',
    'Supported: 100rel',
    'Require: precondition',
    'Session-Expires: 90',
  ])('are never %s', (line) => {
    expect(namesOf(request(line))).toEqual([])
  })

  it('are more where a method needs more', () => {
    expect(namesOf(request('Event: dialog'), ['Event'])).toEqual(['Event'])
    expect(namesOf(request('Event: dialog'))).toEqual([])
  })

  it('have names up to 64 characters', () => {
    const longest = `X-${'n'.repeat(62)}`
    expect(namesOf(request(`${longest}: 1`, `${longest}n: 1`))).toEqual([longest])
  })

  it('end at the maximum, one past it is left out', () => {
    const lines = Array.from({ length: 17 }, (_, index) => `X-${index}: 1`)
    expect(namesOf(request(...lines))).toHaveLength(16)
  })

  it('are at most 512 characters long', () => {
    expect(namesOf(request(`X-A: ${'a'.repeat(512)}`))).toEqual(['X-A'])
    expect(namesOf(request(`X-A: ${'a'.repeat(513)}`))).toEqual([])
  })
})

describe('Reason', () => {
  it('passes with a Q.850 cause, the first one only', () => {
    const message = request(
      'Reason: SIP;cause=487',
      'Reason: Q.850;cause=17;text="User busy"',
      'Reason: Q.850;cause=16',
    )
    expect(passedReasons(message)).toEqual([{ name: 'Reason', value: 'Q.850;cause=17;text="User busy"' }])
  })
})
