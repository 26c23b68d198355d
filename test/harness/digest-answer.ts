import { createHash, randomBytes } from 'node:crypto'

export interface DigestQuestion {
  /** Value of one `WWW-Authenticate` line. */
  readonly challenge: string
  readonly method: string
  readonly uri: string
  readonly user: string
  readonly password: string
}

const HASHES: Readonly<Record<string, string>> = {
  MD5: 'md5',
  'SHA-256': 'sha256',
  'SHA-512-256': 'sha512-256',
}

/** Value of the `Authorization` header, `qop=auth` (RFC 7616 §3.4). Undefined for an algorithm it does not know. */
export const answerDigest = (question: DigestQuestion): string | undefined => {
  const { challenge, method, uri, user, password } = question
  const parameter = (name: string): string | undefined => {
    const [, quoted, plain] =
      new RegExp(`[\\s,]${name}\\s*=\\s*(?:"([^"]*)"|([^\\s,]+))`, 'i').exec(challenge) ?? []
    return quoted ?? plain
  }
  const algorithm = parameter('algorithm') ?? 'MD5'
  const hash = HASHES[algorithm.toUpperCase()]
  if (hash === undefined) return undefined
  const digest = (text: string): string => createHash(hash).update(text).digest('hex')
  const realm = parameter('realm') ?? ''
  const nonce = parameter('nonce') ?? ''
  const opaque = parameter('opaque')
  const cnonce = randomBytes(8).toString('hex')
  const ha1 = digest(`${user}:${realm}:${password}`)
  const ha2 = digest(`${method}:${uri}`)
  const response = digest(`${ha1}:${nonce}:00000001:${cnonce}:auth:${ha2}`)
  return [
    `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}"`,
    `algorithm=${algorithm}, qop=auth, nc=00000001, cnonce="${cnonce}"`,
    ...(opaque === undefined ? [] : [`opaque="${opaque}"`]),
  ].join(', ')
}
