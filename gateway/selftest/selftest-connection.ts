import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import { GatewayFailure } from '../gateway-failure.ts'

/** Which certificate may be shown to us. */
export type SelftestTrust =
  /** One that this machine trusts, for the host of the URL: what a browser would ask for. */
  | { readonly kind: 'public' }
  /** This one. Browsers will ask for more: what they would not like of it, for `name`, is a warning. */
  | { readonly kind: 'file'; readonly file: string; readonly pem: string; readonly name: string }
  | { readonly kind: 'any' }

/** The WebSocket of one selftest: why it could not be opened, and what of its certificate others may not like. */
export class SelftestConnection {
  readonly #url: URL
  readonly #trust: SelftestTrust
  #failure: GatewayFailure | undefined
  readonly warnings: GatewayFailure[] = []

  constructor(url: string, trust: SelftestTrust) {
    this.#url = new URL(url)
    this.#trust = trust
  }

  /** Undefined: it has not failed. */
  get failure(): GatewayFailure | undefined {
    return this.#failure
  }

  /** For SIP.js, which takes the browser's: Node.js 20 has none, and later ones cannot be told what to trust. */
  socketClass(): new (url: string, protocol: string) => WebSocket {
    const connection = this
    const name = this.#serverName()
    return class extends WebSocket {
      constructor(url: string, protocol: string) {
        // Looked at below, where there are words for it; nothing of ours is sent before.
        super(url, protocol, {
          rejectUnauthorized: false,
          ...(name === undefined ? {} : { servername: name }),
        })
        this.once('upgrade', ({ socket }) => {
          if (socket instanceof TLSSocket && !connection.#accepts(socket)) this.terminate()
        })
        this.on('error', (error) => connection.#onError(error))
      }
    }
  }

  /** Of TLS: a listener with several certificates chooses by it. */
  #serverName(): string | undefined {
    const name = this.#trust.kind === 'file' ? this.#trust.name : this.#url.hostname
    return isIP(name.replace(/^\[|\]$/g, '')) === 0 ? name : undefined
  }

  #onError(error: Error & { readonly code?: string }): void {
    const status = /^Unexpected server response: (\d+)/.exec(error.message)?.[1]
    const { host } = this.#url
    this.#failure ??=
      status === undefined && error.code !== undefined
        ? new GatewayFailure('selftest.unreachable', {
            expected: this.#url.href,
            seen: `${error.code} at ${host}`,
          })
        : new GatewayFailure('selftest.no-websocket', {
            expected: '101 Switching Protocols',
            seen: status === undefined ? error.message : `HTTP status ${status}`,
          })
  }

  #accepts(socket: TLSSocket): boolean {
    const shown = socket.getPeerX509Certificate()
    this.#failure ??= this.#refusal(socket, shown)
    if (this.#failure === undefined && this.#trust.kind === 'file' && shown !== undefined) {
      this.warnings.push(...dislikes(socket, shown, this.#trust.name))
    }
    return this.#failure === undefined
  }

  #refusal(socket: TLSSocket, shown: X509Certificate | undefined): GatewayFailure | undefined {
    const trust = this.#trust
    if (trust.kind === 'any') return undefined
    if (shown === undefined) return new GatewayFailure('selftest.certificate-untrusted', { seen: 'none' })
    if (trust.kind === 'public') {
      return socket.authorized
        ? undefined
        : unauthorized(socket.authorizationError, shown, this.#url.hostname)
    }
    const own = new X509Certificate(trust.pem)
    if (own.fingerprint256 === shown.fingerprint256) return undefined
    return new GatewayFailure('selftest.certificate-untrusted', {
      expected: `that of ${trust.file}: ${described(own)}`,
      seen: described(shown),
    })
  }
}

/** What a browser that connects to `name` would not like of a certificate. */
function dislikes(
  { authorizationError: why }: TLSSocket,
  shown: X509Certificate,
  name: string,
): readonly GatewayFailure[] {
  return [
    ...(isInTime(shown) ? [] : [expired(shown)]),
    ...(isFor(shown, name) ? [] : [otherName(shown, name)]),
    // Self-signed, or its chain leads to no authority.
    ...(why === null || TIME_OR_NAME.includes(String(why)) ? [] : [untrusted(why, shown)]),
  ]
}

/** What Node.js says where the chain is good. */
const TIME_OR_NAME = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'ERR_TLS_CERT_ALTNAME_INVALID']

function unauthorized(why: Error | string | null, shown: X509Certificate, name: string): GatewayFailure {
  if (!isInTime(shown)) return expired(shown)
  // Node says the name first only where the chain is good.
  if (String(why) === 'ERR_TLS_CERT_ALTNAME_INVALID') return otherName(shown, name)
  return untrusted(why, shown)
}

const untrusted = (why: Error | string | null, shown: X509Certificate): GatewayFailure =>
  new GatewayFailure('selftest.certificate-untrusted', {
    expected: 'one of an authority that this machine trusts',
    seen: `${String(why)}: ${described(shown)}`,
  })

const expired = (shown: X509Certificate): GatewayFailure =>
  new GatewayFailure('selftest.certificate-expired', {
    expected: `a time that holds ${new Date().toISOString().slice(0, 10)}`,
    seen: `${shown.validFrom} to ${shown.validTo}`,
  })

const otherName = (shown: X509Certificate, name: string): GatewayFailure =>
  new GatewayFailure('selftest.certificate-name', { expected: name, seen: shown.subjectAltName ?? 'no name' })

const isInTime = ({ validFrom, validTo }: X509Certificate): boolean =>
  Date.parse(validFrom) <= Date.now() && Date.now() <= Date.parse(validTo)

const isFor = (shown: X509Certificate, name: string): boolean =>
  (isIP(name) === 0 ? shown.checkHost(name) : shown.checkIP(name)) !== undefined

/** What tells it from others. */
const described = ({ subject, fingerprint256 }: X509Certificate): string =>
  `${subject.replaceAll('\n', ', ')} (SHA-256 ${fingerprint256.slice(0, 23)}...)`
