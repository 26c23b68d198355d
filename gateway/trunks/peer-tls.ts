import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { TrunkConfig } from '../../config/config.ts'
import type { PeerTls } from '../../sip/transport/peer-flow.ts'
import { readKeyPair } from '../web/certificate.ts'

/** How TLS with a trunk is done; undefined for one of another transport. Rejects when a file cannot be used. */
export async function readPeerTls({ tls }: Pick<TrunkConfig, 'tls'>): Promise<PeerTls | undefined> {
  if (tls === undefined) return undefined
  const { certificate, key } = tls
  const own =
    certificate === undefined || key === undefined ? undefined : await readKeyPair({ certificate, key })
  return {
    name: tls.name,
    wildcards: tls.wildcards,
    ca: tls.ca === undefined ? undefined : await readAuthorities(tls.ca),
    identity: own === undefined ? undefined : { certificate: own.cert, key: own.key },
    alpn: tls.alpn,
    isCertificateRequired: tls.requireCertificate,
    minVersion: tls.minVersion === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
  }
}

/** Asked here, because a TLS context takes an empty file for nobody to believe, and would refuse every peer. */
async function readAuthorities(path: string): Promise<string> {
  const pem = await readFile(path, 'utf8')
  new X509Certificate(pem)
  return pem
}

/** For a trunk of another transport that comes by TLS nevertheless. */
export const unaskedTls = ({ host }: Pick<TrunkConfig, 'host'>): PeerTls => ({
  name: host,
  wildcards: false,
  ca: undefined,
  identity: undefined,
  alpn: false,
  isCertificateRequired: false,
  minVersion: 'TLSv1.2',
})
