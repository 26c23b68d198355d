import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** PEM. */
export interface Identity {
  readonly certificate: string
  readonly key: string
}

export interface IdentityRequest {
  /** As OpenSSL writes subjectAltName: `DNS:pbx.example, IP:127.0.0.1, URI:sip:pbx.example`. */
  readonly names: string
  /** Negative: it has expired. */
  readonly days?: number
  readonly commonName?: string
  /** By an authority below this one, whose certificate follows. */
  readonly isBelow?: boolean
}

/** A certificate authority of a test. */
export class Authority {
  /** PEM, what trusts it. */
  readonly certificate: string
  readonly #folder: string

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'webtrunk-ca-'))
    this.#openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=ca',
    )
    this.certificate = this.#read('ca.pem')
  }

  issue({ names, days = 1, commonName = 'peer', isBelow = false }: IdentityRequest): Identity {
    if (isBelow) this.#sign('below', 'ca', 'below', 2, 'basicConstraints=critical,CA:TRUE')
    this.#sign('peer', isBelow ? 'below' : 'ca', commonName, days, `subjectAltName=${names}`)
    const chain = isBelow ? this.#read('below.pem') : ''
    return { certificate: this.#read('peer.pem') + chain, key: this.#read('peer.key') }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #sign(name: string, issuer: string, commonName: string, days: number, extension: string): void {
    const files = ['-keyout', `${name}.key`, '-out', `${name}.csr`]
    this.#openssl('req', '-new', ...NEW_KEY, ...files, '-subj', `/CN=${commonName}`)
    writeFileSync(join(this.#folder, 'extensions'), `${extension}\n`)
    const signing = ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`, '-CAcreateserial']
    const made = ['-days', String(days), '-extfile', 'extensions', '-out', `${name}.pem`]
    this.#openssl('x509', '-req', '-in', `${name}.csr`, ...signing, ...made)
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'pipe' })
  }

  #read(name: string): string {
    return readFileSync(join(this.#folder, name), 'utf8')
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
