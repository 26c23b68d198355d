import { type SdesKey, type SecretBytes, SRTP_SUITES, type SrtpSuite } from '../media/parameters.ts'
import { type AttributeBlock, attributeValues } from './attributes.ts'
import type { Attribute } from './description.ts'

/** Names seen in the field beside the registered ones (RFC 6188 turned the words of RFC 4568 round). Never written. */
const SUITE_ALIASES: Readonly<Record<string, SrtpSuite>> = {
  AES_128_CM_HMAC_SHA1_80: 'AES_CM_128_HMAC_SHA1_80',
  AES_128_CM_HMAC_SHA1_32: 'AES_CM_128_HMAC_SHA1_32',
  AES_CM_192_HMAC_SHA1_80: 'AES_192_CM_HMAC_SHA1_80',
  AES_CM_192_HMAC_SHA1_32: 'AES_192_CM_HMAC_SHA1_32',
  AES_CM_256_HMAC_SHA1_80: 'AES_256_CM_HMAC_SHA1_80',
  AES_CM_256_HMAC_SHA1_32: 'AES_256_CM_HMAC_SHA1_32',
}

/**
 * The usable `a=crypto` lines of a section, in the peer's order. Each line is judged alone, and skipped when anything
 * in it would change what the keys protect and is not done here: a suite not in `suites`, an MKI, several keys, a
 * session parameter (`UNENCRYPTED_SRTP`, `KDR`, `FEC_ORDER`...) that is not marked optional by `-` (RFC 4568 §6.3),
 * a key of the wrong length. A lifetime is accepted and not enforced. Of two lines with one tag the first usable
 * one counts.
 */
export function readCrypto(section: AttributeBlock, suites: readonly SrtpSuite[]): readonly SdesKey[] {
  const keys = new Map<number, SdesKey>()
  for (const value of attributeValues(section, 'crypto')) {
    const key = readLine(value, suites)
    if (key !== undefined && !keys.has(key.tag)) keys.set(key.tag, key)
  }
  return [...keys.values()]
}

/** Neither lifetime nor MKI: we set none, and an answer does not echo the offer's (RFC 4568 §5.1.2). */
export function formatCrypto(key: SdesKey): Attribute {
  const bytes = Buffer.from(key.keySalt.reveal())
  return { name: 'crypto', value: `${key.tag} ${key.suite} inline:${bytes.toString('base64')}` }
}

/** Suite names as a peer wrote them, for a failure's `seen`; never its keys. */
export function describeCrypto(section: AttributeBlock): string {
  const names = attributeValues(section, 'crypto').map((value) => value.split(/ +/)[1]?.slice(0, 40) ?? '?')
  return names.length === 0 ? 'none' : names.slice(0, 8).join(' ')
}

function readLine(value: string, suites: readonly SrtpSuite[]): SdesKey | undefined {
  const [tag = '', name = '', parameters = '', ...session] = value.split(/ +/)
  const suite = readSuite(name)
  if (!/^\d{1,9}$/.test(tag) || suite === undefined || !suites.includes(suite)) return undefined
  if (!session.every((parameter) => parameter.startsWith('-'))) return undefined
  const keySalt = readKeySalt(parameters, suite)
  return keySalt === undefined ? undefined : { tag: Number(tag), suite, keySalt }
}

function readSuite(name: string): SrtpSuite | undefined {
  const upper = name.toUpperCase()
  const known = Object.keys(SRTP_SUITES) as SrtpSuite[]
  return known.find((suite) => suite === upper) ?? SUITE_ALIASES[upper]
}

/** `inline:<base64>[|lifetime]`; several keys (`;`) need an MKI, which is refused with its `|`. */
function readKeySalt(parameters: string, suite: SrtpSuite): SecretBytes | undefined {
  const match = /^inline:([A-Za-z0-9+/]{1,128})={0,4}(?:\|(?:2\^\d{1,2}|\d{1,20}))?$/i.exec(parameters)
  if (match?.[1] === undefined) return undefined
  const bytes = Buffer.from(match[1], 'base64')
  const { keyLength, saltLength } = SRTP_SUITES[suite]
  const isWhole = match[1].length === Math.ceil((bytes.length * 4) / 3)
  return isWhole && bytes.length === keyLength + saltLength ? new KeySalt(bytes) : undefined
}

/** Key bytes that print as `[redacted]`. */
class KeySalt implements SecretBytes {
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  reveal(): Uint8Array {
    return this.#bytes
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }
}
