import { describe, expect, it } from 'vitest'
import {
  createDigestServer,
  type DigestKey,
  type DigestServer,
  type DigestVerdict,
} from '../../../../sip/authentication/digest.ts'
import {
  type DigestAlgorithm,
  digestHa1,
  digestResponse,
} from '../../../../sip/authentication/digest-response.ts'
import { parseRequest, requestText } from '../../../harness/sip/sip-messages.ts'

const REALM = 'example.com'
const SECRET = '0123456789abcdef0123456789abcdef'
const LIFETIME_MS = 60_000

const server = (options: Partial<Parameters<typeof createDigestServer>[0]> = {}): DigestServer =>
  createDigestServer({ realm: REALM, secret: SECRET, nonceLifetimeMs: LIFETIME_MS, ...options })

const hidden = (text: string) => ({ reveal: () => text })

/** Alice by password, dora by her hashes for two algorithms. */
const passwords = (user: string): DigestKey | undefined => {
  if (user === 'alice') return { password: hidden('secret') }
  if (user !== 'dora') return undefined
  const ha1 = (algorithm: DigestAlgorithm) => hidden(digestHa1(algorithm, 'dora', REALM, 'secret'))
  return { ha1: { MD5: ha1('MD5'), 'SHA-512-256': ha1('SHA-512-256') } }
}

const nonceOf = (digest: DigestServer, nowMs = 0): string =>
  /nonce="([^"]+)"/.exec(digest.challenges(nowMs)[0] ?? '')?.[1] ?? ''

interface Client {
  readonly algorithm?: DigestAlgorithm
  readonly username?: string
  readonly password?: string
  readonly nonce: string
  readonly count?: number
  readonly uri?: string
  readonly hasQop?: boolean
  readonly header?: 'Authorization' | 'Proxy-Authorization'
  /** Changes the finished credentials. */
  readonly edit?: (credentials: string) => string
}

/** What a client that knows the password sends; every part may be made wrong. */
function request(client: Client): ReturnType<typeof parseRequest> {
  const {
    algorithm = 'SHA-256',
    username = 'alice',
    nonce,
    uri = 'sip:bob@example.com',
    hasQop = true,
  } = client
  const nc = (client.count ?? 1).toString(16).padStart(8, '0')
  const response = digestResponse({
    algorithm,
    username,
    realm: REALM,
    password: client.password ?? 'secret',
    method: 'INVITE',
    uri,
    nonce,
    qop: hasQop ? { nc, cnonce: 'c' } : undefined,
  })
  const qop = hasQop ? `, qop=auth, nc=${nc}, cnonce="c"` : ''
  const credentials = `Digest username="${username}", realm="${REALM}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}${qop}`
  const edited = client.edit?.(credentials) ?? credentials
  return parseRequest(requestText('INVITE', [`${client.header ?? 'Authorization'}: ${edited}`]))
}

const verdict = (digest: DigestServer, client: Client, nowMs = 0): DigestVerdict =>
  digest.verify(request(client), nowMs, passwords)

const ACCEPTED = { kind: 'accepted', user: 'alice' }
const STALE = { kind: 'challenge', stale: true }
const CHALLENGE = { kind: 'challenge', stale: false }

describe('challenges', () => {
  it('name the strongest first and MD5 last, one per header', () => {
    const [first, second, last, ...others] = server().challenges(0)
    expect(first).toMatch(
      /^Digest realm="example\.com", nonce="[0-9a-f]{52}", algorithm=SHA-512-256, qop="auth"$/,
    )
    expect(second).toContain('algorithm=SHA-256,')
    expect(last).toContain('algorithm=MD5,')
    expect(others).toEqual([])
  })

  it('keep that order however the algorithms are given, and leave out what is switched off', () => {
    expect(server({ algorithms: ['MD5', 'SHA-256'] }).challenges(0)[1]).toContain('algorithm=MD5')
    expect(server({ algorithms: ['SHA-256'] }).challenges(0)).toHaveLength(1)
  })

  it('say stale when asked, and never repeat a nonce within a millisecond', () => {
    const digest = server()
    expect(digest.challenges(0, { stale: true })[0]).toMatch(/, stale=true$/)
    expect(nonceOf(digest)).not.toBe(nonceOf(digest))
  })
})

describe('right credentials', () => {
  it.each<DigestAlgorithm>(['SHA-512-256', 'SHA-256', 'MD5'])('are accepted with %s', (algorithm) => {
    const digest = server()
    expect(verdict(digest, { nonce: nonceOf(digest), algorithm })).toEqual(ACCEPTED)
  })

  it('are accepted in Proxy-Authorization where that is asked for, and only there', () => {
    const digest = server({ header: 'Proxy-Authorization' })
    expect(verdict(digest, { nonce: nonceOf(digest) })).toEqual(CHALLENGE)
    expect(verdict(digest, { nonce: nonceOf(digest), header: 'Proxy-Authorization' })).toEqual(ACCEPTED)
  })

  it('are accepted when no algorithm is named, which means MD5', () => {
    const digest = server()
    const edit = (text: string): string => text.replace(', algorithm=MD5', '')
    expect(verdict(digest, { nonce: nonceOf(digest), algorithm: 'MD5', edit })).toEqual(ACCEPTED)
  })

  it('are found among credentials for another realm', () => {
    const digest = server()
    const own = request({ nonce: nonceOf(digest) })
    const foreign = { name: 'Authorization', value: 'Digest username="x", realm="elsewhere", nonce="n"' }
    expect(digest.verify({ ...own, headers: [foreign, ...own.headers] }, 0, passwords)).toEqual(ACCEPTED)
  })

  it.each(['sip:bob@EXAMPLE.com', 'sip:bob@example.com;transport=wss', 'sip:bob@example.com:5060'])(
    'are accepted for a uri that means the same: %s',
    (uri) => {
      const digest = server()
      expect(verdict(digest, { nonce: nonceOf(digest), uri })).toEqual(ACCEPTED)
    },
  )

  it('are accepted for the port of the request, by whatever transport', () => {
    const digest = server()
    const sent = request({ nonce: nonceOf(digest), uri: 'sip:bob@example.com:5061;transport=wss' })
    const asked = requestText('INVITE').replace('bob@example.com SIP', 'bob@example.com:5061 SIP')
    expect(digest.verify({ ...sent, uri: parseRequest(asked).uri }, 0, passwords)).toEqual(ACCEPTED)
  })
})

describe('no usable credentials', () => {
  it.each([
    ['none', 'X-None'],
    ['another scheme', 'Basic YWxpY2U6c2VjcmV0'],
    ['another realm', 'Digest username="alice", realm="other", nonce="n", uri="sip:a", response="0"'],
    [
      'an unknown algorithm',
      `Digest username="alice", realm="${REALM}", nonce="n", uri="sip:a", response="0", algorithm=SHA3-256`,
    ],
    ['a repeated parameter', `Digest username="alice", username="bob", realm="${REALM}"`],
  ])('%s: challenged', (_, credentials) => {
    const digest = server()
    const asked = parseRequest(requestText('INVITE', [`Authorization: ${credentials}`]))
    expect(digest.verify(asked, 0, passwords)).toEqual(CHALLENGE)
  })

  it('MD5 when it is switched off: challenged', () => {
    const digest = server({ algorithms: ['SHA-256'] })
    expect(verdict(digest, { nonce: nonceOf(digest), algorithm: 'MD5' })).toEqual(CHALLENGE)
  })
})

describe('wrong credentials', () => {
  it.each<[string, Omit<Client, 'nonce'>, string]>([
    ['a wrong password', { password: 'guess' }, 'sip.bad-credentials'],
    ['an unknown user', { username: 'mallory' }, 'sip.bad-credentials'],
    [
      'a response for another count',
      { edit: (text) => text.replace('nc=00000001', 'nc=00000002') },
      'sip.bad-credentials',
    ],
    ['another target', { uri: 'sip:carol@example.com' }, 'sip.malformed'],
    ['another port', { uri: 'sip:bob@example.com:1', edit: (text) => text }, 'sip.malformed'],
    ['a short response', { edit: (text) => text.replace(/response="../, 'response="') }, 'sip.malformed'],
    [
      'a response that is no hex',
      { edit: (text) => text.replace(/response=".{64}/, `response="${'z'.repeat(64)}`) },
      'sip.malformed',
    ],
    ['no user name', { edit: (text) => text.replace('username="alice", ', '') }, 'sip.malformed'],
    ['qop auth-int', { edit: (text) => text.replace('qop=auth', 'qop=auth-int') }, 'sip.malformed'],
    ['no cnonce', { edit: (text) => text.replace(', cnonce="c"', '') }, 'sip.malformed'],
    ['a count of zero', { count: 0 }, 'sip.malformed'],
    ['SHA-256 without qop', { hasQop: false }, 'sip.malformed'],
  ])('%s: refused', (name, client, code) => {
    const digest = server()
    const nonce = nonceOf(digest)
    const sent = request({ ...client, nonce })
    // The request's own port must be given for a port to differ.
    const asked =
      name === 'another port'
        ? {
            ...sent,
            uri: parseRequest(
              requestText('INVITE').replace('bob@example.com SIP', 'bob@example.com:5061 SIP'),
            ).uri,
          }
        : sent
    expect(digest.verify(asked, 0, passwords)).toMatchObject({ kind: 'refused', failure: { code } })
  })

  it('of an unknown user cannot be made to match', () => {
    const digest = server()
    for (const password of ['', SECRET, SECRET.slice(0, 16)]) {
      expect(verdict(digest, { nonce: nonceOf(digest), username: 'mallory', password }).kind).toBe('refused')
    }
  })
})

describe('a user with hashes instead of a password', () => {
  it.each<DigestAlgorithm>(['SHA-512-256', 'MD5'])('is accepted by %s, whose hash there is', (algorithm) => {
    const digest = server()
    const nonce = nonceOf(digest)
    const accepted = { kind: 'accepted', user: 'dora' }
    expect(verdict(digest, { nonce, algorithm, username: 'dora' })).toEqual(accepted)
    expect(verdict(digest, { nonce, algorithm, username: 'dora', password: 'guess' }).kind).toBe('refused')
  })

  it('cannot sign in by an algorithm whose hash is missing, not even by the decoy', () => {
    const digest = server()
    for (const password of ['secret', '', SECRET.slice(0, 16)]) {
      const sent = { nonce: nonceOf(digest), algorithm: 'SHA-256', username: 'dora', password } as const
      expect(verdict(digest, sent)).toMatchObject({ failure: { code: 'sip.bad-credentials' } })
    }
  })
})

describe('a nonce', () => {
  it('is good to the end of its lifetime and stale after it', () => {
    const digest = server()
    const nonce = nonceOf(digest, 1_000)
    expect(verdict(digest, { nonce }, 1_000 + LIFETIME_MS)).toEqual(ACCEPTED)
    expect(verdict(digest, { nonce, count: 2 }, 1_001 + LIFETIME_MS)).toEqual(STALE)
  })

  it.each([
    ['made up', 'abc'],
    ['of right shape', '0'.repeat(52)],
    ['of another process', nonceOf(server({ secret: 'f'.repeat(32) }))],
    ['of another realm', nonceOf(server({ realm: 'other' }))],
    ['with a later time', nonceOf(server()).replace(/^.{12}/, 'ffffffffffff')],
  ])('%s is stale', (_, nonce) => {
    expect(verdict(server(), { nonce })).toEqual(STALE)
  })

  it('that is stale says nothing of the password, of the user or of how he is known', () => {
    const digest = server()
    const old = nonceOf(digest)
    for (const nonce of [old, 'abc']) {
      for (const guess of [
        { password: 'secret' },
        { password: 'guess' },
        { username: 'mallory' },
        { username: 'dora' },
      ]) {
        expect(verdict(digest, { nonce, ...guess }, LIFETIME_MS + 1)).toEqual(STALE)
      }
    }
  })

  it('takes each count once, in rising order', () => {
    const digest = server()
    const nonce = nonceOf(digest)
    expect(verdict(digest, { nonce, count: 1 })).toEqual(ACCEPTED)
    expect(verdict(digest, { nonce, count: 1 })).toEqual(STALE)
    expect(verdict(digest, { nonce, count: 16 })).toEqual(ACCEPTED)
    expect(verdict(digest, { nonce, count: 15 })).toEqual(STALE)
    expect(verdict(digest, { nonce, count: 17 })).toEqual(ACCEPTED)
  })

  it('is used up at once without qop', () => {
    const digest = server()
    const nonce = nonceOf(digest)
    expect(verdict(digest, { nonce, algorithm: 'MD5', hasQop: false })).toEqual(ACCEPTED)
    expect(verdict(digest, { nonce, algorithm: 'MD5', hasQop: false })).toEqual(STALE)
    expect(verdict(digest, { nonce, count: 2 })).toEqual(STALE)
  })

  it('keeps its count after a failed attempt', () => {
    const digest = server()
    const nonce = nonceOf(digest)
    expect(verdict(digest, { nonce, count: 9, password: 'guess' }).kind).toBe('refused')
    expect(verdict(digest, { nonce, count: 1 })).toEqual(ACCEPTED)
  })

  it('forgotten for want of room cannot be replayed', () => {
    const digest = server({ maxNonces: 2 })
    const [first, second, third] = [0, 1, 2].map((nowMs) => nonceOf(digest, nowMs))
    for (const nonce of [first, second, third])
      expect(verdict(digest, { nonce: nonce ?? '' }, 5)).toEqual(ACCEPTED)
    expect(verdict(digest, { nonce: first ?? '', count: 1 }, 5)).toEqual(STALE)
    expect(verdict(digest, { nonce: first ?? '', count: 2 }, 5)).toEqual(STALE)
    expect(verdict(digest, { nonce: second ?? '', count: 2 }, 5)).toEqual(ACCEPTED)
    expect(verdict(digest, { nonce: third ?? '', count: 1 }, 5)).toEqual(STALE)
  })
})
