import { ok } from 'node:assert'
import { timingSafeEqual } from 'node:crypto'
import { SipFailure } from '../failure.ts'
import { type Credentials, credentials } from '../message/headers.ts'
import { isSipUri, type SipRequest, type Uri } from '../message/message.ts'
import { quote } from '../message/parameters.ts'
import { parseUri } from '../message/uri.ts'
import { type DigestAlgorithm, digestHa1, responseOfHa1 } from './digest-response.ts'
import { NonceBook } from './nonce-book.ts'

export interface DigestServerOptions {
  readonly realm: string
  /** Process secret for nonces, at least 128 random bits in hex. */
  readonly secret: string
  /** Without MD5, clients that know nothing else (SIP.js, JsSIP) cannot log in. Defaults to all. */
  readonly algorithms?: readonly DigestAlgorithm[]
  /** Defaults to 5 minutes. */
  readonly nonceLifetimeMs?: number
  /** Nonces in use at a time; defaults to 20 000, about 3 MB. */
  readonly maxNonces?: number
  /** Where the client answers: `Authorization` (401, the default) or `Proxy-Authorization` (407). */
  readonly header?: 'Authorization' | 'Proxy-Authorization'
}

/** A password or H(A1), kept out of logs by its owner. */
export interface Hidden {
  reveal(): string
}

/** What is known of a user: the password, or H(A1) in lower-case hex; the user can prove itself by those algorithms only. */
export type DigestKey =
  | { readonly password: Hidden }
  | { readonly ha1: Readonly<Partial<Record<DigestAlgorithm, Hidden>>> }

export type DigestVerdict =
  | { readonly kind: 'accepted'; readonly user: string }
  /** Answer 401 or 407 with `challenges(nowMs, { stale })`. */
  | { readonly kind: 'challenge'; readonly stale: boolean }
  | { readonly kind: 'refused'; readonly failure: SipFailure }

export interface DigestServer {
  /**
   * Values of WWW-Authenticate (or Proxy-Authenticate), one header each, strongest first. MD5 comes last because SIP.js
   * and JsSIP keep the last one only.
   */
  challenges(nowMs: number, options?: { readonly stale?: boolean }): readonly string[]
  /**
   * `keyOf` finds what is known of a user; undefined for an unknown one, which costs as much as a wrong password and
   * looks the same.
   */
  verify(
    request: Pick<SipRequest, 'method' | 'uri' | 'headers'>,
    nowMs: number,
    keyOf: (user: string) => DigestKey | undefined,
  ): DigestVerdict
}

const BY_STRENGTH: readonly DigestAlgorithm[] = ['SHA-512-256', 'SHA-256', 'MD5']

/** Counts a nonce that was used without qop as used up. */
const USED_UP = Infinity

/**
 * The server half of digest authentication for SIP (RFC 7616, RFC 8760): SHA-512-256, SHA-256 and MD5, qop `auth`.
 *
 * - A nonce is good for its lifetime and each count of it (`nc`) once, in rising order. An old or unknown nonce gets a new
 *   challenge with `stale=true`, at which a client tries again without asking its user; and before the password is
 *   looked at, since otherwise a made-up nonce would tell a guesser whether the guess is right. So does an old count with a
 *   right password.
 * - Without qop, as RFC 2069 clients answer, there is no count: accepted with MD5 only (a client that knows another knows qop),
 *   and once per nonce.
 * - `uri` must name what the Request-URI names: same scheme, user and host, and port where both give one. URI
 *   parameters may differ, since clients and proxies add `;transport=` to one of the two only.
 */
export function createDigestServer(options: DigestServerOptions): DigestServer {
  const { realm, secret, header = 'Authorization' } = options
  ok(secret.length >= 32, 'nonce secret of at least 128 bits')
  const nonces = new NonceBook({
    realm,
    secret,
    lifetimeMs: options.nonceLifetimeMs ?? 300_000,
    maxNonces: options.maxNonces ?? 20_000,
  })
  const algorithms = BY_STRENGTH.filter((known) => options.algorithms?.includes(known) ?? true)
  // Stands in for the password of an unknown user; its digest is compared like any and then refused.
  const decoy = secret.slice(0, 16)

  return {
    challenges(nowMs, { stale = false } = {}) {
      const nonce = nonces.issue(nowMs)
      const tail = stale ? ', stale=true' : ''
      return algorithms.map(
        (algorithm) =>
          `Digest realm=${quote(realm)}, nonce="${nonce}", algorithm=${algorithm}, qop="auth"${tail}`,
      )
    },

    verify(request, nowMs, keyOf) {
      const answer = credentials(request, header).flatMap((sent) => readAnswer(sent, realm, algorithms))[0]
      if (answer === undefined) return { kind: 'challenge', stale: false }
      if (answer instanceof SipFailure) return { kind: 'refused', failure: answer }
      if (!isSameTarget(answer.uri, request.uri)) return refused('sip.malformed', 'uri of the request')
      if (nonces.judge(answer.nonce, nowMs) === 'stale') return { kind: 'challenge', stale: true }
      const { ha1, canMatch } = ha1Of(keyOf(answer.username), answer, realm, decoy)
      const expected = responseOfHa1(ha1, { ...answer, method: request.method })
      const isRight = timingSafeEqual(Buffer.from(expected), Buffer.from(answer.response))
      if (!isRight || !canMatch) return refused('sip.bad-credentials')
      const count = answer.qop === undefined ? USED_UP : Number.parseInt(answer.qop.nc, 16)
      if (!nonces.take(answer.nonce, count, nowMs)) return { kind: 'challenge', stale: true }
      return { kind: 'accepted', user: answer.username }
    },
  }
}

/** A user who is unknown, or cannot prove itself by this algorithm, gets one that nothing matches, for the same work. */
function ha1Of(
  key: DigestKey | undefined,
  { algorithm, username }: Pick<Answer, 'algorithm' | 'username'>,
  realm: string,
  decoy: string,
): { readonly ha1: string; readonly canMatch: boolean } {
  const password = key !== undefined && 'password' in key ? key.password.reveal() : undefined
  const stored = key !== undefined && 'ha1' in key ? key.ha1[algorithm]?.reveal() : undefined
  const hashed = digestHa1(algorithm, username, realm, password ?? decoy)
  return { ha1: stored ?? hashed, canMatch: password !== undefined || stored !== undefined }
}

const refused = (code: 'sip.malformed' | 'sip.bad-credentials', expected?: string): DigestVerdict => ({
  kind: 'refused',
  failure: new SipFailure(code, expected === undefined ? {} : { expected }),
})

interface Answer {
  readonly algorithm: DigestAlgorithm
  readonly username: string
  readonly nonce: string
  readonly uri: string
  readonly response: string
  readonly qop: { readonly nc: string; readonly cnonce: string } | undefined
}

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = {
  'SHA-512-256': 64,
  'SHA-256': 64,
  MD5: 32,
}

/** Nothing for credentials of another scheme, realm or algorithm; a failure for ours when they are not whole. */
function readAnswer(
  sent: Credentials,
  realm: string,
  algorithms: readonly DigestAlgorithm[],
): readonly (Answer | SipFailure)[] {
  const { scheme, parameters } = sent
  const name = (parameters.get('algorithm') ?? 'MD5').toUpperCase()
  const algorithm = algorithms.find((known) => known === name)
  if (scheme !== 'digest' || parameters.get('realm') !== realm || algorithm === undefined) return []
  const [username, nonce, uri] = ['username', 'nonce', 'uri'].map((key) => parameters.get(key) ?? '')
  const response = (parameters.get('response') ?? '').toLowerCase()
  if (!username || !nonce || !uri || !/^[0-9a-f]+$/.test(response)) return [incomplete()]
  if (response.length !== HEX_LENGTH[algorithm]) return [incomplete()]
  const qop = readQop(parameters)
  if (qop === 'bad' || (qop === undefined && algorithm !== 'MD5')) return [incomplete()]
  return [{ algorithm, username, nonce, uri, response, qop }]
}

const incomplete = (): SipFailure => new SipFailure('sip.malformed', { expected: 'whole digest credentials' })

function readQop(parameters: ReadonlyMap<string, string>): Answer['qop'] | 'bad' {
  const qop = parameters.get('qop')
  if (qop === undefined) return undefined
  const nc = parameters.get('nc') ?? ''
  const cnonce = parameters.get('cnonce') ?? ''
  const isWhole = qop.toLowerCase() === 'auth' && /^[0-9a-f]{8}$/i.test(nc) && cnonce !== ''
  return isWhole && Number.parseInt(nc, 16) > 0 ? { nc, cnonce } : 'bad'
}

function isSameTarget(text: string, target: Uri): boolean {
  if (text === target.text) return true
  try {
    const uri = parseUri(text)
    if (!isSipUri(uri) || !isSipUri(target)) return false
    const isSamePort = uri.port === undefined || target.port === undefined || uri.port === target.port
    return uri.scheme === target.scheme && uri.user === target.user && uri.host === target.host && isSamePort
  } catch {
    return false
  }
}
