import { type Credentials, credentials } from '../message/headers.ts'
import type { Header, SipResponse } from '../message/message.ts'
import { quote } from '../message/parameters.ts'
import type { Hidden } from './digest.ts'
import { type DigestAlgorithm, digestResponse } from './digest-response.ts'

/** Our account at a peer that asks. */
export interface ClientCredentials {
  readonly user: string
  readonly password: Hidden
  /** Answer MD5 where nothing better is asked for; else such a challenge is a refusal. */
  readonly md5: boolean
}

/** Strongest first (RFC 8760 §2.4). */
const BY_STRENGTH: readonly DigestAlgorithm[] = ['SHA-512-256', 'SHA-256', 'MD5']

/** Two parties on the way may ask, and one of them may find its nonce stale. */
const MAX_ANSWERS = 3
const MAX_CHALLENGES = 16
/** Nonces whose count is remembered; one that was forgotten is counted from 1 again and comes back as stale. */
const MAX_NONCES = 64
const MAX_COUNT = 0xffffffff

interface Challenge {
  readonly header: 'Authorization' | 'Proxy-Authorization'
  readonly realm: string
  readonly nonce: string
  readonly algorithm: DigestAlgorithm
  readonly hasAlgorithm: boolean
  readonly opaque: string | undefined
  readonly isQop: boolean
  readonly isStale: boolean
}

/**
 * The client half of digest authentication for SIP (RFC 7616, RFC 8760, RFC 3261 §22): SHA-512-256, SHA-256 and, where it
 * is allowed, MD5; qop `auth` or none. One for each peer we have an account with: it counts the uses of nonces.
 */
export class DigestClient {
  readonly #credentials: ClientCredentials
  readonly #token: () => string
  /** Least recently met first. */
  readonly #counts = new Map<string, number>()

  /** `token`: at least 128 random bits. */
  constructor(credentials: ClientCredentials, token: () => string) {
    this.#credentials = credentials
    this.#token = token
  }

  /** For one request with all its repetitions. */
  attempt(): DigestAttempt {
    return new DigestAttempt(
      (response) => this.#challenges(response),
      (challenge, method, uri) => this.#answer(challenge, method, uri),
    )
  }

  get nonceCount(): number {
    return this.#counts.size
  }

  /** The strongest one of each realm that we can and may answer. */
  #challenges(response: SipResponse): readonly Challenge[] {
    const found = [
      ...(response.status === 401 ? readChallenges(response, 'WWW-Authenticate', 'Authorization') : []),
      ...(response.status === 407
        ? readChallenges(response, 'Proxy-Authenticate', 'Proxy-Authorization')
        : []),
    ].filter(({ algorithm }) => algorithm !== 'MD5' || this.#credentials.md5)
    const rank = ({ algorithm }: Challenge): number => BY_STRENGTH.indexOf(algorithm)
    const chosen = new Map<string, Challenge>()
    for (const challenge of found) {
      const best = chosen.get(challenge.realm)
      if (best === undefined || rank(challenge) < rank(best)) chosen.set(challenge.realm, challenge)
    }
    return [...chosen.values()]
  }

  #answer(challenge: Challenge, method: string, uri: string): Header {
    const { realm, nonce, algorithm, opaque, isQop, header } = challenge
    const { user, password } = this.#credentials
    const qop = isQop ? { nc: this.#nextCount(nonce), cnonce: this.#token() } : undefined
    const given = { algorithm, method, uri, nonce, qop, username: user, realm, password: password.reveal() }
    const parts = [
      `username=${quote(user)}`,
      `realm=${quote(realm)}`,
      `nonce=${quote(nonce)}`,
      `uri=${quote(uri)}`,
      `response="${digestResponse(given)}"`,
      // Who names none may not know the parameter.
      ...(challenge.hasAlgorithm ? [`algorithm=${algorithm}`] : []),
      ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
      ...(qop === undefined ? [] : [`qop=auth, nc=${qop.nc}, cnonce="${qop.cnonce}"`]),
    ]
    return { name: header, value: `Digest ${parts.join(', ')}` }
  }

  #nextCount(nonce: string): string {
    const count = Math.min((this.#counts.get(nonce) ?? 0) + 1, MAX_COUNT)
    this.#counts.delete(nonce)
    this.#counts.set(nonce, count)
    const [oldest] = this.#counts.keys()
    if (this.#counts.size > MAX_NONCES && oldest !== undefined) this.#counts.delete(oldest)
    return count.toString(16).padStart(8, '0')
  }
}

/** The challenges that one request of ours has met. */
export class DigestAttempt {
  readonly #read: (response: SipResponse) => readonly Challenge[]
  readonly #answer: (challenge: Challenge, method: string, uri: string) => Header
  /** By header and realm. */
  readonly #met = new Map<string, Challenge>()
  #answers = 0

  constructor(
    read: (response: SipResponse) => readonly Challenge[],
    answer: (challenge: Challenge, method: string, uri: string) => Header,
  ) {
    this.#read = read
    this.#answer = answer
  }

  /**
   * True when the request is worth being sent again with `headers`. False for anything but a challenge, for one that we
   * cannot answer, and for one that comes after our answer: the password is wrong, unless the peer says `stale`.
   */
  take(response: SipResponse): boolean {
    const challenges = this.#answers < MAX_ANSWERS ? this.#read(response) : []
    const isRefused = challenges.some((challenge) => {
      const known = this.#met.get(keyOf(challenge))
      return known !== undefined && (!challenge.isStale || challenge.nonce === known.nonce)
    })
    if (challenges.length === 0 || isRefused) return false
    this.#answers += 1
    for (const challenge of challenges) this.#met.set(keyOf(challenge), challenge)
    return true
  }

  /** Answers to all that was asked; each call is for another request. */
  headers(method: string, uri: string): readonly Header[] {
    return [...this.#met.values()].map((challenge) => this.#answer(challenge, method, uri))
  }
}

const keyOf = ({ header, realm }: Challenge): string => `${header} ${realm}`

/** ACK has the credentials of its INVITE (RFC 3261 §22.1): nobody can challenge it. */
export const credentialsIn = ({ headers }: { readonly headers: readonly Header[] }): readonly Header[] =>
  headers.filter(({ name }) => name === 'Authorization' || name === 'Proxy-Authorization')

function readChallenges(
  response: SipResponse,
  from: 'WWW-Authenticate' | 'Proxy-Authenticate',
  header: Challenge['header'],
): readonly Challenge[] {
  return credentials(response, from)
    .slice(0, MAX_CHALLENGES)
    .flatMap((given) => readChallenge(given, header))
}

function readChallenge(
  { scheme, parameters }: Credentials,
  header: Challenge['header'],
): readonly Challenge[] {
  const [realm, nonce] = [parameters.get('realm'), parameters.get('nonce')]
  const name = parameters.get('algorithm')
  // RFC 7616 §3.3: without one it is MD5. The -sess variants are nobody's in SIP.
  const algorithm = BY_STRENGTH.find((known) => known === (name ?? 'MD5').toUpperCase())
  const qops = parameters.get('qop')?.toLowerCase().split(',')
  const isQop = qops?.some((qop) => qop.trim() === 'auth') ?? false
  if (scheme !== 'digest' || realm === undefined || !nonce || algorithm === undefined) return []
  // It wants the body protected, which we do not do.
  if (qops !== undefined && !isQop) return []
  return [
    {
      header,
      realm,
      nonce,
      algorithm,
      hasAlgorithm: name !== undefined,
      opaque: parameters.get('opaque'),
      isQop,
      isStale: parameters.get('stale')?.toLowerCase() === 'true',
    },
  ]
}
