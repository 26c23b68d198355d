import { X509Certificate } from 'node:crypto'
import { type DetailedPeerCertificate, rootCertificates, type TLSSocket } from 'node:tls'
import { SipFailure } from '../failure.ts'
import type { PeerTls, StreamPeer } from './peer-flow.ts'
import { identitiesOf, isCertificateOf } from './tls-identity.ts'

/** What a listener asks of a connection before it knows which of the peers at that address it is. */
export interface TlsGuard {
  /** The same for guards that are alike. */
  readonly key: string
  readonly asks: boolean
  /** All peers at the address must show a certificate. */
  readonly insists: boolean
  /** PEM; undefined: the authorities that Node.js knows. */
  readonly ca: readonly string[] | undefined
  readonly minVersion: PeerTls['minVersion']
}

export function guardOf(peers: readonly StreamPeer[]): TlsGuard {
  const asked = peers.flatMap(({ tls }) => (tls?.isCertificateRequired === true ? [tls] : []))
  const isNewOnly = peers.length > 0 && peers.every(({ tls }) => tls?.minVersion === 'TLSv1.3')
  const special = peers.filter(({ tls }) => tls?.isCertificateRequired === true || isNewOnly)
  return {
    key: special.length === 0 ? '' : peers.map(({ name }) => name).join(' '),
    asks: asked.length > 0,
    insists: asked.length > 0 && asked.length === peers.length,
    ca: asked.every(({ ca }) => ca === undefined) ? undefined : asked.flatMap(authoritiesOf),
    minVersion: isNewOnly ? 'TLSv1.3' : 'TLSv1.2',
  }
}

interface Chosen {
  readonly peer: StreamPeer | undefined
  /** Its certificate says so, and not the address alone. */
  readonly isProven: boolean
  /** Why it is none of those that must show a certificate. */
  readonly foreign: Error | undefined
}

/** Which of the peers at an address has connected: the one whose certificate it is, else the first that needs none. */
export function peerOfCertificate(socket: TLSSocket, peers: readonly StreamPeer[]): Chosen {
  const isNew = socket.getProtocol() === 'TLSv1.3'
  const possible = peers.filter(({ tls }) => isNew || tls?.minVersion !== 'TLSv1.3')
  const certificate = socket.getPeerCertificate(true)
  let foreign: Error | undefined
  for (const peer of possible) {
    const { tls } = peer
    if (tls?.isCertificateRequired !== true) continue
    const otherName = foreignness(certificate, tls)
    if (otherName !== undefined) foreign ??= otherName
    else if (socket.authorized && isBelievedBy(certificate, tls)) {
      return { peer, isProven: true, foreign: undefined }
    } else foreign = new UntrustedCertificate()
  }
  const open = possible.find(({ tls }) => tls?.isCertificateRequired !== true)
  return { peer: open, isProven: false, foreign }
}

/** By the authority of another peer at that address, or by none; the code is that of OpenSSL. */
class UntrustedCertificate extends Error {
  readonly code = 'CERT_UNTRUSTED'
}

/** Undefined when the certificate is the peer's. */
export function foreignness(
  names: Parameters<typeof isCertificateOf>[0],
  tls: Pick<PeerTls, 'name' | 'wildcards'>,
): SipFailure | undefined {
  if (isCertificateOf(names, tls.name, tls)) return undefined
  return new SipFailure('sip.foreign-certificate', {
    expected: tls.name,
    seen: identitiesOf(names).join(', ').slice(0, 200),
  })
}

const authoritiesOf = ({ ca }: PeerTls): readonly string[] => (ca === undefined ? rootCertificates : [ca])

/** The listener believes the authorities of all peers at the address; each peer only its own. */
function isBelievedBy(certificate: DetailedPeerCertificate, tls: PeerTls): boolean {
  const root = rootOf(certificate)
  return authoritiesOf(tls)
    .flatMap((text) => text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [])
    .some((pem) => new X509Certificate(pem).raw.equals(root))
}

function rootOf(certificate: DetailedPeerCertificate): Buffer {
  let last = certificate
  while (last.issuerCertificate !== undefined && last.issuerCertificate !== last)
    last = last.issuerCertificate
  return last.raw
}
