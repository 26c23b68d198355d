import { describe, expect, it } from 'vitest'
import {
  addresses,
  contentType,
  credentials,
  maxForwards,
  optionTags,
  reasons,
  retryAfter,
  seconds,
  sessionExpires,
  tokens,
} from '../../../../sip/message/headers.ts'
import type { SipRequest } from '../../../../sip/message/message.ts'
import { failureOf, parseRequest, requestText } from '../../../harness/sip/sip-messages.ts'

const withLines = (...lines: string[]): SipRequest => parseRequest(requestText('INVITE', lines))

describe('of a message are read', () => {
  it('addresses with their parameters', () => {
    const message = withLines(
      'Route: <sip:p1;lr>;x=1 ,"a, <b>" <sips:p2>',
      'P-Asserted-Identity: "N" <tel:+49>',
    )
    expect(addresses(message, 'Route')).toMatchObject([
      {
        displayName: undefined,
        uri: { host: 'p1', parameters: new Map([['lr', '']]) },
        parameters: new Map([['x', '1']]),
      },
      { displayName: 'a, <b>', uri: { scheme: 'sips', host: 'p2' } },
    ])
    expect(addresses(message, 'P-Asserted-Identity')).toMatchObject([
      { displayName: 'N', uri: { text: 'tel:+49' } },
    ])
    expect(addresses(message, 'Path')).toEqual([])
  })

  it('option tags in lower case, methods as they are', () => {
    const message = withLines('Supported: 100rel,Timer', 'k: REPLACES', 'Allow: INVITE, ack')
    expect([...optionTags(message, 'Supported')]).toEqual(['100rel', 'timer', 'replaces'])
    expect([...tokens(message, 'Allow')]).toEqual(['INVITE', 'ack'])
  })

  it('the body type', () => {
    expect(contentType(withLines('c: Application / SDP ; Charset="x;y"'))).toEqual({
      type: 'application/sdp',
      parameters: new Map([['charset', 'x;y']]),
    })
    expect(contentType(withLines())).toBeUndefined()
  })

  it('numbers', () => {
    expect(maxForwards(withLines('Max-Forwards: 0'))).toBe(0)
    expect(seconds(withLines('Expires: 3600'), 'Expires')).toBe(3600)
    expect(seconds(withLines(`Expires: ${'9'.repeat(30)}`), 'Expires')).toBe(0xffff_ffff)
    expect(seconds(withLines('Expires: -1'), 'Expires')).toBeUndefined()
    expect(seconds(withLines('Min-SE: 90;x=y'), 'Min-SE')).toBe(90)
    expect(seconds(withLines('Expires: 90;x="'), 'Expires')).toBe(90)
    expect(retryAfter(withLines('Retry-After: 18000 (in a meeting);duration=3600'))).toBe(18_000)
    expect(retryAfter(withLines('Retry-After: soon'))).toBeUndefined()
  })

  it('Session-Expires', () => {
    expect(sessionExpires(withLines('x: 1800;refresher=UAC'))).toEqual({ seconds: 1800, refresher: 'uac' })
    expect(sessionExpires(withLines('Session-Expires: 90;refresher=me'))).toEqual({
      seconds: 90,
      refresher: undefined,
    })
    expect(sessionExpires(withLines())).toBeUndefined()
    expect(failureOf(() => sessionExpires(withLines('Session-Expires: long'))).code).toBe('sip.malformed')
  })

  it('reasons, and those that cannot be read are left out', () => {
    const message = withLines(
      'Reason: Q.850;cause=16;text="Normal, clearing", bad value;;',
      'Reason: sip ;cause=x',
    )
    expect(reasons(message)).toEqual([
      { protocol: 'Q.850', cause: 16, text: 'Normal, clearing' },
      { protocol: 'SIP', cause: undefined, text: undefined },
    ])
  })

  it('credentials and challenges, one per header', () => {
    const message = withLines(
      'Authorization: Digest username="a\\"b", realm="r, s", uri="sip:x;y=z", qop=auth ,nc=00000001',
      'Authorization: Bearer abc.def-ghi==',
      'Authorization: Digest realm="a", realm="b"',
      'Authorization: Digest realm="open',
      'Authorization: Digest a=b;c=d',
      'Authorization: Digest',
    )
    expect(credentials(message, 'Authorization')).toEqual([
      {
        scheme: 'digest',
        parameters: new Map([
          ['username', 'a"b'],
          ['realm', 'r, s'],
          ['uri', 'sip:x;y=z'],
          ['qop', 'auth'],
          ['nc', '00000001'],
        ]),
        text: 'username="a\\"b", realm="r, s", uri="sip:x;y=z", qop=auth ,nc=00000001',
      },
      { scheme: 'bearer', parameters: new Map(), text: 'abc.def-ghi==' },
    ])
  })
})
