import { X509Certificate } from 'node:crypto'
import type { Config, TrunkConfig } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { PeerTls } from '../../sip/transport/peer-flow.ts'
import { type CertificateWatch, type KeyPair, watchCertificate, watchRenewals } from '../web/certificate.ts'
import { readPeerTls } from './peer-tls.ts'
import type { TrunkSockets } from './trunk-sockets.ts'
import type { TrunkTransports } from './trunk-transports.ts'

/** Every file that TLS with trunks and with the PBX needs, read again when it changes: for connections from then on. */
export function watchTrunkCertificates(
  { tls, trunks, upstream }: Pick<Config, 'tls' | 'trunks' | 'upstream'>,
  { transports, pbxTransports }: Pick<TrunkSockets, 'transports' | 'pbxTransports'>,
  log: Log,
  intervalMs?: number,
): readonly CertificateWatch[] {
  const files = tls ?? upstream?.certificate
  const use = (pair: KeyPair): void => {
    transports.useCertificate(pair)
    pbxTransports?.useCertificate(pair)
  }
  const watchAll = (of: readonly TrunkConfig[], by: TrunkTransports | undefined) =>
    by === undefined ? [] : of.flatMap((trunk) => watchTrunk(trunk, by, log, intervalMs) ?? [])
  return [
    ...(files === undefined ? [] : [watchCertificate(files, use, log, intervalMs)]),
    ...watchAll(trunks, transports),
    ...watchAll(upstream === undefined ? [] : [upstream.trunk], pbxTransports),
  ]
}

/** Undefined for a trunk that names no file. */
function watchTrunk(
  trunk: TrunkConfig,
  transports: TrunkTransports,
  log: Log,
  intervalMs: number | undefined,
): CertificateWatch | undefined {
  const { name, tls } = trunk
  const files = [tls?.certificate, tls?.key, tls?.ca].flatMap((path) => path ?? [])
  if (files.length === 0) return undefined
  return watchRenewals<PeerTls | undefined>(
    {
      files,
      fields: { trunk: name, files },
      read: () => readPeerTls(trunk),
      use: (renewed) => {
        if (renewed !== undefined) transports.usePeerTls(name, renewed)
      },
      tell: (renewed) => validityOf(renewed?.identity?.certificate ?? renewed?.ca),
    },
    log,
    intervalMs,
  )
}

function validityOf(pem: string | undefined): Readonly<Record<string, string>> {
  if (pem === undefined) return {}
  const { subject, validTo } = new X509Certificate(pem)
  return { subject, validTo }
}
