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

  issue({ names, days = 1, commonName = 'peer' }: IdentityRequest): Identity {
    this.#openssl(
      'req',
      '-new',
      ...NEW_KEY,
      '-keyout',
      'key.pem',
      '-out',
      'peer.csr',
      '-subj',
      `/CN=${commonName}`,
    )
    writeFileSync(join(this.#folder, 'extensions'), `subjectAltName=${names}\n`)
    const signing = [
      'x509',
      '-req',
      '-in',
      'peer.csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
    ]
    this.#openssl(...signing, '-days', String(days), '-extfile', 'extensions', '-out', 'cert.pem')
    return { certificate: this.#read('cert.pem'), key: this.#read('key.pem') }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'pipe' })
  }

  #read(name: string): string {
    return readFileSync(join(this.#folder, name), 'utf8')
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
