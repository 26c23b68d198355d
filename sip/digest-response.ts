import { createHash } from 'node:crypto'

export type DigestAlgorithm = 'SHA-256' | 'MD5'

export interface DigestInput {
  readonly algorithm: DigestAlgorithm
  readonly username: string
  readonly realm: string
  readonly password: string
  readonly method: string
  /** As it stands in the `uri` parameter. */
  readonly uri: string
  readonly nonce: string
  /** Undefined is the computation of RFC 2069, without qop. */
  readonly qop: { readonly nc: string; readonly cnonce: string } | undefined
}

/** The `response` parameter for qop `auth` or none (RFC 7616 §3.4.1), in lower-case hex. */
export function digestResponse(input: DigestInput): string {
  const hash = (text: string): string =>
    createHash(input.algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text, 'utf8')
      .digest('hex')
  const secret = hash(`${input.username}:${input.realm}:${input.password}`)
  const target = hash(`${input.method}:${input.uri}`)
  const count = input.qop === undefined ? '' : `${input.qop.nc}:${input.qop.cnonce}:auth:`
  return hash(`${secret}:${input.nonce}:${count}${target}`)
}
