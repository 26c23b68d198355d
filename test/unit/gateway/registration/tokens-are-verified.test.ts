import { createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { base64url, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { JwtConfig } from '../../../../config/config.ts'
import type { Log } from '../../../../config/logging.ts'
import { Secret } from '../../../../config/secret.ts'
import {
  createTokenVerifier,
  type TokenVerdict,
  type TokenVerifier,
} from '../../../../gateway/registration/jwt.ts'

const SECRET = 'a secret of thirty-two characters'
const NOW_S = 1_800_000_000
const TOLERANCE_S = 30

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const otherEc = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const jwk = (key: KeyObject, kid: string): JsonWebKey => ({ ...key.export({ format: 'jwk' }), kid })

let folder = ''
let file = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'webtrunk-tokens-'))
  file = join(folder, 'jwks.json')
})
afterAll(() => rm(folder, { recursive: true }))

const verifiers: TokenVerifier[] = []
afterEach(() => {
  for (const verifier of verifiers.splice(0)) verifier.close()
})

const log: string[] = []
const tell = (message: string, fields?: object): void => {
  log.push(`${message} ${JSON.stringify(fields)}`)
}
const logger: Log = { error: tell, warn: tell, info: tell, debug: tell, child: () => logger }

async function verifierOf(over: Partial<JwtConfig> = {}): Promise<TokenVerifier> {
  const config: JwtConfig = {
    key: { kind: 'secret', secret: new Secret(SECRET) },
    issuer: 'https://issuer.example',
    audience: 'webtrunk',
    userClaim: 'sub',
    clockToleranceS: TOLERANCE_S,
    authzServer: undefined,
    scope: undefined,
    ...over,
  }
  const verifier = await createTokenVerifier({
    config,
    log: logger,
    nowMs: () => NOW_S * 1_000,
    watchIntervalMs: 20,
  })
  verifiers.push(verifier)
  return verifier
}

async function withKeys(...keys: readonly JsonWebKey[]): Promise<TokenVerifier> {
  await writeFile(file, JSON.stringify({ keys }))
  return verifierOf({ key: { kind: 'jwks', file } })
}

interface Made {
  readonly algorithm?: string
  readonly key?: Parameters<SignJWT['sign']>[0]
  readonly kid?: string
  readonly claims?: Readonly<Record<string, unknown>>
}

const CLAIMS = { iss: 'https://issuer.example', aud: 'webtrunk', sub: 'alice', exp: NOW_S + 600 }

/** A right HS256 token but for what is given; a claim that is undefined is left out. */
const token = ({ algorithm = 'HS256', key, kid, claims = {} }: Made = {}): Promise<string> =>
  new SignJWT({ ...CLAIMS, ...claims })
    .setProtectedHeader({ alg: algorithm, ...(kid === undefined ? {} : { kid }) })
    .sign(key ?? new TextEncoder().encode(SECRET))

const ACCEPTED: TokenVerdict = { kind: 'accepted', user: 'alice', remainingS: 600 }
const codeOf = (verdict: TokenVerdict): unknown =>
  verdict.kind === 'refused' ? [verdict.failure.code, verdict.failure.seen, verdict.isExpired] : verdict

describe('a right token is accepted', () => {
  test('HS256', async () => {
    expect(await (await verifierOf()).verify(await token())).toEqual(ACCEPTED)
  })

  test('RS256 and ES256, by their key of the set', async () => {
    const verifier = await withKeys(
      jwk(otherRsa.publicKey, 'x'),
      jwk(rsa.publicKey, 'r'),
      jwk(ec.publicKey, 'e'),
    )
    const signed = [
      await token({ algorithm: 'RS256', key: rsa.privateKey, kid: 'r' }),
      await token({ algorithm: 'ES256', key: ec.privateKey, kid: 'e' }),
    ]
    for (const each of signed) expect(await verifier.verify(each)).toEqual(ACCEPTED)
  })

  test('for several audiences, and with the user in another claim', async () => {
    const verifier = await verifierOf({ userClaim: 'preferred_username' })
    const made = await token({
      claims: { aud: ['other', 'webtrunk'], sub: '42', preferred_username: 'alice' },
    })
    expect(await verifier.verify(made)).toEqual(ACCEPTED)
  })

  test('within the tolerance of clocks', async () => {
    const verifier = await verifierOf()
    const late = await token({ claims: { exp: NOW_S - TOLERANCE_S + 1 } })
    expect(await verifier.verify(late)).toEqual({ ...ACCEPTED, remainingS: 0 })
    const early = await token({ claims: { nbf: NOW_S + TOLERANCE_S } })
    expect(await verifier.verify(early)).toEqual(ACCEPTED)
  })
})

describe('a wrong token is refused', () => {
  test.each<[string, Made, string, boolean?]>([
    ['expired', { claims: { exp: NOW_S - TOLERANCE_S } }, 'ERR_JWT_EXPIRED', true],
    ['not yet valid', { claims: { nbf: NOW_S + TOLERANCE_S + 1 } }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['for another audience', { claims: { aud: 'mail' } }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['for no audience', { claims: { aud: undefined } }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['of another issuer', { claims: { iss: 'https://evil.example' } }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['of no issuer', { claims: { iss: undefined } }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['without an expiry', { claims: { exp: undefined } }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['without a user', { claims: { sub: undefined } }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    [
      'signed with another secret',
      { key: new TextEncoder().encode(SECRET.toUpperCase()) },
      'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    ],
    [
      'expired and signed with another secret',
      { key: new TextEncoder().encode(SECRET.toUpperCase()), claims: { exp: 1 } },
      'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    ],
    [
      'HS512 with the right secret',
      { algorithm: 'HS512', key: new TextEncoder().encode(SECRET.repeat(2)) },
      'ERR_JOSE_ALG_NOT_ALLOWED',
    ],
    [
      'RS256 where there is a secret',
      { algorithm: 'RS256', key: rsa.privateKey },
      'ERR_JOSE_ALG_NOT_ALLOWED',
    ],
  ])('%s', async (_name, made, code, isExpired = false) => {
    const verdict = await (await verifierOf()).verify(await token(made))
    expect(codeOf(verdict)).toEqual(['sip.bad-token', code, isExpired])
  })

  test.each([
    ['number', 7],
    ['list', ['alice']],
    ['empty text', ''],
  ])('whose user is a %s', async (_name, user) => {
    const verifier = await verifierOf({ userClaim: 'name' })
    const verdict = await verifier.verify(await token({ claims: { name: user } }))
    expect(codeOf(verdict)).toEqual(['sip.bad-token', undefined, false])
  })

  test('algorithm none, however it is written', async () => {
    const verifier = await verifierOf()
    expect((await verifier.verify(new UnsecuredJWT(CLAIMS).encode())).kind).toBe('refused')
    const [, payload, signature] = (await token()).split('.')
    for (const alg of ['none', 'None', 'NONE', '']) {
      const header = base64url.encode(JSON.stringify({ alg }))
      expect((await verifier.verify(`${header}.${payload}.`)).kind).toBe('refused')
      expect((await verifier.verify(`${header}.${payload}.${signature}`)).kind).toBe('refused')
    }
  })

  test('HS256 signed with the public key that all the world knows', async () => {
    const verifier = await withKeys(jwk(rsa.publicKey, 'r'))
    const pem = createPublicKey(rsa.privateKey).export({ type: 'spki', format: 'pem' }).toString()
    const der = createPublicKey(rsa.privateKey).export({ type: 'spki', format: 'der' })
    for (const key of [
      new TextEncoder().encode(pem),
      new TextEncoder().encode(pem.trim()),
      new Uint8Array(der),
    ]) {
      const verdict = await verifier.verify(await token({ algorithm: 'HS256', key, kid: 'r' }))
      expect(codeOf(verdict)).toEqual(['sip.bad-token', 'ERR_JOSE_ALG_NOT_ALLOWED', false])
    }
  })

  test('HS256 with a secret that lies in the key set', async () => {
    const oct = { kty: 'oct', k: base64url.encode(SECRET), kid: 'o', alg: 'HS256' }
    const verifier = await withKeys(oct, jwk(rsa.publicKey, 'r'))
    expect((await verifier.verify(await token({ kid: 'o' }))).kind).toBe('refused')
  })

  test('signed by a key that is not in the set, with the name of one that is', async () => {
    const verifier = await withKeys(jwk(rsa.publicKey, 'r'), jwk(ec.publicKey, 'e'))
    for (const made of [
      { algorithm: 'RS256', key: otherRsa.privateKey, kid: 'r' },
      { algorithm: 'ES256', key: otherEc.privateKey, kid: 'e' },
      { algorithm: 'ES256', key: otherEc.privateKey, kid: 'unknown' },
      // An EC signature under the name of an RSA key.
      { algorithm: 'ES256', key: ec.privateKey, kid: 'r' },
    ]) {
      expect((await verifier.verify(await token(made))).kind).toBe('refused')
    }
  })

  test('with a key of its own in the header', async () => {
    const verifier = await withKeys(jwk(ec.publicKey, 'e'))
    const embedded = await new SignJWT(CLAIMS)
      .setProtectedHeader({ alg: 'ES256', jwk: otherEc.publicKey.export({ format: 'jwk' }) as never })
      .sign(otherEc.privateKey)
    expect((await verifier.verify(embedded)).kind).toBe('refused')
  })

  test('with one byte changed anywhere', async () => {
    const verifier = await verifierOf()
    const good = await token()
    for (let at = 0; at < good.length; at += 7) {
      const other = good[at] === 'A' ? 'B' : 'A'
      const changed = `${good.slice(0, at)}${other}${good.slice(at + 1)}`
      expect((await verifier.verify(changed)).kind, changed).toBe('refused')
    }
  })

  test.each(['', 'x', '...', 'a.b', 'a.b.c.d.e', '.'.repeat(8_000), 'e30.e30.e30', 'ý.ý.ý'])(
    '%j',
    async (text) => {
      expect((await (await verifierOf()).verify(text)).kind).toBe('refused')
    },
  )
})

describe('the key set', () => {
  test('with a key too weak to use refuses its tokens and tells the operator', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const verifier = await withKeys(jwk(rsa.publicKey, 'r'), jwk(weak.publicKey, 'w'))
    const signed = await token({ algorithm: 'RS256', key: rsa.privateKey, kid: 'r' })
    const [, payload, signature] = signed.split('.')
    const header = base64url.encode(JSON.stringify({ alg: 'RS256', kid: 'w' }))
    log.length = 0
    expect((await verifier.verify(`${header}.${payload}.${signature}`)).kind).toBe('refused')
    expect(log.join()).toContain('token could not be verified')
    expect(await verifier.verify(signed)).toEqual(ACCEPTED)
  })

  test('is read again when its file changes; a bad file leaves the old keys in use', async () => {
    const verifier = await withKeys(jwk(ec.publicKey, '1'))
    const [first, second] = [
      await token({ algorithm: 'ES256', key: ec.privateKey, kid: '1' }),
      await token({ algorithm: 'ES256', key: otherEc.privateKey, kid: '2' }),
    ]
    expect((await verifier.verify(second)).kind).toBe('refused')
    for (const bad of ['{', '[]', '{"keys":5}', 'null']) {
      log.length = 0
      await writeFile(file, bad)
      await verifier.reload()
      expect(log.join(), bad).toContain('token keys not loaded')
      expect(await verifier.verify(first)).toEqual(ACCEPTED)
    }
    await writeFile(file, JSON.stringify({ keys: [jwk(otherEc.publicKey, '2')] }))
    await vi.waitFor(async () => expect(await verifier.verify(second)).toEqual(ACCEPTED), { timeout: 10_000 })
    expect((await verifier.verify(first)).kind).toBe('refused')
  })

  test('that cannot be read at the start is an error', async () => {
    await expect(verifierOf({ key: { kind: 'jwks', file: join(folder, 'none') } })).rejects.toThrow('ENOENT')
  })
})
