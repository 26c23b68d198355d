import { readFile } from 'node:fs/promises'
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { JwtConfig } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import { SipFailure } from '../../sip/failure.ts'
import { watchFiles } from '../web/watched-files.ts'

export type TokenVerdict =
  | {
      readonly kind: 'accepted'
      /** The claim that names the user. */
      readonly user: string
      /** How long the token will be good, at least 0. */
      readonly remainingS: number
    }
  | {
      readonly kind: 'refused'
      readonly failure: SipFailure
      /** Right but too late, as happens to every honest client; anything else is an attempt. */
      readonly isExpired: boolean
    }

export interface TokenVerifier {
  /** Never rejects. */
  verify(token: string): Promise<TokenVerdict>
  /** Reads the key set now. Never rejects. */
  reload(): Promise<void>
  close(): void
}

export interface TokenVerifierOptions {
  readonly config: JwtConfig
  readonly log: Log
  /** Wall clock, for the times in tokens. */
  readonly nowMs?: () => number
  readonly watchIntervalMs?: number
}

type Key = Uint8Array | JWTVerifyGetKey

/**
 * Verifies signed JSON Web Tokens (RFC 7519) of one issuer for one audience. Which algorithms count is decided by the
 * configured key and never by the token: HS256 with a secret, RS256 and ES256 with a key set. A public key can so never be
 * taken for a secret (RFC 8725 §2.1), and `none` never counts. A token without an expiry is refused.
 *
 * Rejects when the key set cannot be read at the start; later a bad file leaves the old keys in use.
 */
export async function createTokenVerifier(options: TokenVerifierOptions): Promise<TokenVerifier> {
  const { config, log, nowMs = Date.now } = options
  const { key: configured } = config
  const algorithms = configured.kind === 'secret' ? ['HS256'] : ['RS256', 'ES256']
  let key: Key =
    configured.kind === 'secret'
      ? new TextEncoder().encode(configured.secret.reveal())
      : await readKeySet(configured.file)

  const load = async (): Promise<void> => {
    if (configured.kind === 'secret') return
    try {
      key = await readKeySet(configured.file)
      log.info('token keys loaded', { file: configured.file })
    } catch (error) {
      log.error('token keys not loaded, the old ones stay in use', {
        file: configured.file,
        reason: error instanceof Error ? error.message : String(error),
      })
    }
  }
  let last = Promise.resolve()
  const reload = (): Promise<void> => {
    last = last.then(load)
    return last
  }
  const files = configured.kind === 'secret' ? [] : [configured.file]
  const close = watchFiles(files, () => void reload(), options.watchIntervalMs)

  const verify = async (token: string): Promise<TokenVerdict> => {
    const atMs = nowMs()
    try {
      const { payload } = await jwtVerify(token, getKey(key), {
        algorithms,
        issuer: config.issuer,
        audience: config.audience,
        clockTolerance: config.clockToleranceS,
        currentDate: new Date(atMs),
        requiredClaims: ['exp', config.userClaim],
      })
      const user = payload[config.userClaim]
      if (typeof user !== 'string' || user === '') return refused(`text as claim ${config.userClaim}`)
      return { kind: 'accepted', user, remainingS: Math.max(0, (payload.exp ?? 0) - atMs / 1_000) }
    } catch (error) {
      if (error instanceof errors.JOSEError) {
        // jose looks at claims only after the signature: an expired token has been a good one.
        return refused('a valid token', error.code, error instanceof errors.JWTExpired)
      }
      // A key that OpenSSL does not take, such as RSA of 1024 bits: for the operator.
      log.error('token could not be verified', {
        reason: error instanceof Error ? error.message : String(error),
      })
      return refused('a valid token')
    }
  }
  return { verify, reload, close }
}

/** jose tells a key from a function that finds one, by overloads. */
const getKey = (key: Key): JWTVerifyGetKey => (typeof key === 'function' ? key : () => key)

/** `seen` is a code of jose; what the token says is not repeated. */
const refused = (expected: string, seen?: string, isExpired = false): TokenVerdict => ({
  kind: 'refused',
  failure: new SipFailure('sip.bad-token', seen === undefined ? { expected } : { expected, seen }),
  isExpired,
})

/** Rejects for a file that is no JSON Web Key Set. */
async function readKeySet(file: string): Promise<JWTVerifyGetKey> {
  const keys: unknown = JSON.parse(await readFile(file, 'utf8'))
  // It checks the shape itself, and throws.
  return createLocalJWKSet(keys as JSONWebKeySet)
}
