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

/** Session parameters that change what the keys protect or how; a `-` before them changes nothing (RFC 4568 §9.2). */
const BINDING_PARAMETERS = new Set([
  'KDR',
  'UNENCRYPTED_SRTP',
  'UNENCRYPTED_SRTCP',
  'UNAUTHENTICATED_SRTP',
  'FEC_ORDER',
  'FEC_KEY',
])

/** Bytes of an MKI (RFC 4568 §9.2). */
const MAX_MKI = 128

/**
 * The usable `a=crypto` lines of a section, in the peer's order. Each line is judged alone, and skipped when anything
 * in it would change what the keys protect and is not done here: a suite not in `suites`, several keys, a session
 * parameter of RFC 4568 §6.3 but WSH, which is a hint, or an unknown one that is not marked optional by `-` (§6.3.7),
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

/**
 * Those of our keys that an offer shows. AES-192 is there for peers that offer it: libsrtp, which many PBXes use, derives
 * its session keys otherwise than RFC 6188 §3, so an answer that chose it would often mean silence.
 */
export function offeredKeys(keys: readonly SdesKey[]): readonly SdesKey[] {
  const usual = keys.filter(({ suite }) => !suite.startsWith('AES_192_'))
  return usual.length === 0 ? keys : usual
}

/** Neither lifetime nor MKI: each line speaks of its writer's packets, so an answer does not echo the offer's (RFC 4568 §5.1.2). */
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
  if (!session.every(isIgnorable)) return undefined
  const key = readKey(parameters, suite)
  return key === undefined ? undefined : { tag: Number(tag), suite, ...key }
}

function isIgnorable(parameter: string): boolean {
  const [, dash, name = ''] = /^(-?)([^=]*)/.exec(parameter.toUpperCase()) ?? []
  if (BINDING_PARAMETERS.has(name)) return false
  return dash === '-' || /^WSH=\d{1,9}$/i.test(parameter)
}

function readSuite(name: string): SrtpSuite | undefined {
  const upper = name.toUpperCase()
  const known = Object.keys(SRTP_SUITES) as SrtpSuite[]
  return known.find((suite) => suite === upper) ?? SUITE_ALIASES[upper]
}

/** `inline:<base64>[|lifetime][|mki:length]`; several keys, parted by `;`, do not match. */
const KEY = /^inline:([A-Za-z0-9+/]{1,128})={0,4}(?:\|(?:2\^\d{1,2}|\d{1,20}))?(?:\|(\d{1,309}):(\d{1,3}))?$/i

function readKey(parameters: string, suite: SrtpSuite): Pick<SdesKey, 'keySalt' | 'mki'> | undefined {
  const [, base64, mkiValue, mkiLength] = KEY.exec(parameters) ?? []
  if (base64 === undefined) return undefined
  const bytes = Buffer.from(base64, 'base64')
  const { keyLength, saltLength } = SRTP_SUITES[suite]
  const isWhole = base64.length === Math.ceil((bytes.length * 4) / 3)
  if (!isWhole || bytes.length !== keyLength + saltLength) return undefined
  const keySalt = new KeySalt(bytes)
  if (mkiValue === undefined) return { keySalt }
  const mki = readMki(mkiValue, Number(mkiLength))
  return mki === undefined ? undefined : { keySalt, mki }
}

/** A decimal number as so many bytes, most significant first. */
function readMki(value: string, length: number): Uint8Array | undefined {
  const hex = BigInt(value).toString(16)
  if (length < 1 || length > MAX_MKI || hex.length > 2 * length) return undefined
  return Buffer.from(hex.padStart(2 * length, '0'), 'hex')
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
