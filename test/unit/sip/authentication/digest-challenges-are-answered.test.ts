import { describe, expect, it } from 'vitest'
import { createDigestServer } from '../../../../sip/authentication/digest.ts'
import { type ClientCredentials, DigestClient } from '../../../../sip/authentication/digest-client.ts'
import type { DigestAlgorithm } from '../../../../sip/authentication/digest-response.ts'
import type { Header, SipRequest, SipResponse } from '../../../../sip/message/message.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'
import { parseRequest, requestText } from '../../../harness/sip/sip-messages.ts'

const hidden = (text: string) => ({ reveal: () => text })
const ACCOUNT: ClientCredentials = { user: 'ann', password: hidden('s3cret'), md5: true }
const client = (over: Partial<ClientCredentials> = {}): DigestClient => {
  let number = 0
  return new DigestClient({ ...ACCOUNT, ...over }, () => `cnonce${number++}`)
}

function challenged(status: number, ...challenges: readonly string[]): SipResponse {
  const header = status === 407 ? 'Proxy-Authenticate' : 'WWW-Authenticate'
  const text = [
    `SIP/2.0 ${status} Who`,
    'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx',
    'From: <sip:a@b>;tag=1',
    'To: <sip:a@b>;tag=2',
    'Call-ID: c',
    'CSeq: 1 REGISTER',
    ...challenges.map((value) => `${header}: ${value}`),
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
  const message = parseMessage(Buffer.from(text))
  if (message.kind !== 'response') throw new TypeError('a response')
  return message
}

const digest = (parameters: string, realm = 'pbx') => `Digest realm="${realm}", ${parameters}`

function answerTo(
  response: SipResponse,
  over: Partial<ClientCredentials> = {},
): readonly Header[] | undefined {
  const attempt = client(over).attempt()
  return attempt.take(response) ? attempt.headers('REGISTER', 'sip:pbx') : undefined
}

const valuesOf = (headers: readonly Header[] | undefined): string =>
  (headers ?? []).map(({ value }) => value).join('|')

describe('a challenge', () => {
  it.each(['SHA-512-256', 'SHA-256', 'MD5'] as const)('of our own server is answered by %s', (algorithm) => {
    const server = createDigestServer({
      realm: 'a "quoted" realm',
      secret: 'a'.repeat(32),
      algorithms: [algorithm],
    })
    const headers = answerTo(challenged(401, ...server.challenges(0)))
    const lines = (headers ?? []).map(({ name, value }) => `${name}: ${value}`)
    const request: SipRequest = parseRequest(requestText('REGISTER', lines))
    const uri = request.uri.text
    const attempt = client().attempt()
    attempt.take(challenged(401, ...server.challenges(0)))
    const again = parseRequest(
      requestText(
        'REGISTER',
        attempt.headers('REGISTER', uri).map(({ name, value }) => `${name}: ${value}`),
      ),
    )
    const keyOf = (user: string) => (user === 'ann' ? { password: hidden('s3cret') } : undefined)
    expect(server.verify(again, 0, keyOf)).toEqual({ kind: 'accepted', user: 'ann' })
  })

  it('is answered by the strongest algorithm offered, whatever the order', () => {
    const offers: readonly DigestAlgorithm[] = ['MD5', 'SHA-512-256', 'SHA-256']
    const response = challenged(
      401,
      ...offers.map((name) => digest(`nonce="${name}", algorithm=${name}, qop="auth"`)),
    )
    expect(valuesOf(answerTo(response))).toContain('nonce="SHA-512-256"')
    const two = challenged(401, digest('nonce="m"'), digest('nonce="s", algorithm=sha-256'))
    expect(valuesOf(answerTo(two))).toContain('nonce="s"')
  })

  it('by MD5 alone is a refusal where the trunk does not allow it', () => {
    const response = challenged(401, digest('nonce="m", qop="auth"'))
    expect(answerTo(response, { md5: false })).toBeUndefined()
    expect(valuesOf(answerTo(response))).toMatch(/nonce="m".*, qop=auth, nc=00000001, cnonce="cnonce0"$/)
    expect(valuesOf(answerTo(response))).not.toContain('algorithm')
  })

  it('without qop is answered without', () => {
    const answer = valuesOf(answerTo(challenged(401, digest('nonce="m", opaque="o\\"x"'))))
    expect(answer).toContain('opaque="o\\"x"')
    expect(answer).not.toMatch(/qop|nc=|cnonce/)
  })

  it.each([
    ['no challenge at all', challenged(401)],
    ['another scheme', challenged(401, 'Bearer realm="x"')],
    ['an unknown algorithm', challenged(401, digest('nonce="m", algorithm=SHA-1024'))],
    ['a session variant', challenged(401, digest('nonce="m", algorithm=MD5-sess, qop="auth"'))],
    ['protection of the body', challenged(401, digest('nonce="m", qop="auth-int"'))],
    ['an empty nonce', challenged(401, digest('nonce=""'))],
    ['a refusal', challenged(403, digest('nonce="m"'))],
  ])('that is %s is not answered', (_what, response) => {
    expect(answerTo(response)).toBeUndefined()
  })

  it('of a proxy is answered to the proxy, and of two realms to both', () => {
    const both = challenged(407, digest('nonce="1"', 'one'), digest('nonce="2"', 'two'))
    expect(answerTo(both)?.map(({ name }) => name)).toEqual(['Proxy-Authorization', 'Proxy-Authorization'])
    const attempt = client().attempt()
    expect(attempt.take(challenged(407, digest('nonce="p", qop="auth"', 'proxy')))).toBe(true)
    expect(attempt.headers('INVITE', 'sip:x')).toHaveLength(1)
    expect(attempt.take(challenged(401, digest('nonce="s", qop="auth"')))).toBe(true)
    const headers = attempt.headers('INVITE', 'sip:x')
    expect(headers.map(({ name }) => name)).toEqual(['Proxy-Authorization', 'Authorization'])
    // The proxy sees its nonce again: the count goes on.
    expect(valuesOf(headers)).toMatch(/nonce="p".*nc=00000002.*nonce="s".*nc=00000001/)
  })
})

describe('after an answer', () => {
  const fresh = (nonce: string, more = '') => challenged(401, digest(`nonce="${nonce}", qop="auth"${more}`))

  it('another challenge is a refusal, unless the nonce was stale', () => {
    const attempt = client().attempt()
    expect(attempt.take(fresh('1'))).toBe(true)
    expect(attempt.take(fresh('2'))).toBe(false)
    expect(attempt.take(fresh('2', ', stale=TRUE'))).toBe(true)
    expect(valuesOf(attempt.headers('BYE', 'sip:x'))).toContain('nonce="2"')
    // Stale, and yet the same.
    expect(attempt.take(fresh('2', ', stale=true'))).toBe(false)
  })

  it('a peer that finds every nonce stale is given up', () => {
    const attempt = client().attempt()
    const taken = [1, 2, 3, 4].map((number) => attempt.take(fresh(String(number), ', stale=true')))
    expect(taken).toEqual([true, true, true, false])
  })

  it('uses of one nonce are counted over all requests, of so many nonces', () => {
    const one = client()
    const nc = (nonce: string) => {
      const attempt = one.attempt()
      attempt.take(fresh(nonce))
      return /nc=(\w+)/.exec(valuesOf(attempt.headers('BYE', 'sip:x')))?.[1]
    }
    expect([nc('n'), nc('n'), nc('n')]).toEqual(['00000001', '00000002', '00000003'])
    for (let number = 0; number < 64; number += 1) nc(`other${number}`)
    expect(one.nonceCount).toBe(64)
    expect([nc('other63'), nc('n')]).toEqual(['00000002', '00000001'])
  })
})
