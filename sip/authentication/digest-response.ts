import { createHash } from 'node:crypto'

export type DigestAlgorithm = 'SHA-512-256' | 'SHA-256' | 'MD5'

/** Names of OpenSSL. */
const HASHES: Readonly<Record<DigestAlgorithm, string>> = {
  'SHA-512-256': 'sha512-256',
  'SHA-256': 'sha256',
  MD5: 'md5',
}

const hash = (algorithm: DigestAlgorithm, text: string): string =>
  createHash(HASHES[algorithm]).update(text, 'utf8').digest('hex')

export interface DigestTarget {
  readonly algorithm: DigestAlgorithm
  readonly method: string
  /** As it stands in the `uri` parameter. */
  readonly uri: string
  readonly nonce: string
  /** Undefined is the computation of RFC 2069, without qop. */
  readonly qop: { readonly nc: string; readonly cnonce: string } | undefined
}

export interface DigestInput extends DigestTarget {
  readonly username: string
  readonly realm: string
  readonly password: string
}

/** H(A1) (RFC 7616 §3.4.2), in lower-case hex: what may be stored instead of a password. */
export const digestHa1 = (
  algorithm: DigestAlgorithm,
  username: string,
  realm: string,
  password: string,
): string => hash(algorithm, `${username}:${realm}:${password}`)

/** The `response` parameter for qop `auth` or none (RFC 7616 §3.4.1), in lower-case hex. */
export const digestResponse = (input: DigestInput): string =>
  responseOfHa1(digestHa1(input.algorithm, input.username, input.realm, input.password), input)

/** `digestResponse` of one who has H(A1) instead of the password. */
export function responseOfHa1(ha1: string, { algorithm, method, uri, nonce, qop }: DigestTarget): string {
  const target = hash(algorithm, `${method}:${uri}`)
  const count = qop === undefined ? '' : `${qop.nc}:${qop.cnonce}:auth:`
  return hash(algorithm, `${ha1}:${nonce}:${count}${target}`)
}
