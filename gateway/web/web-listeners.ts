import { isIPv4 } from 'node:net'
import type { WebConfig } from '../../config/config.ts'
import type { CertificateFiles } from './certificate.ts'
import type { ListenAddress } from './listening.ts'

/** A port where page, `/healthz` and SIP over WebSocket are to be found. */
export interface WebListener {
  /** The ordinary one of its scheme, by its own section of the configuration. */
  readonly isFirst: boolean
  readonly scheme: 'https' | 'http'
  readonly at: ListenAddress
  readonly hasProxyHeader: boolean
  /** Of an https listener; undefined in the demo, which makes a certificate. */
  readonly files: CertificateFiles | undefined
}

interface Row {
  readonly host: string
  readonly port: number
  readonly certificate?: string | undefined
  readonly key?: string | undefined
  readonly proxyProtocol?: boolean
}

/** Every TCP listener of the configuration. */
export function webListenersOf({ https, http, listeners }: WebConfig): readonly WebListener[] {
  const rows = [
    ...(https === undefined ? [] : [{ row: https, scheme: 'https', isFirst: true } as const]),
    ...(http === undefined ? [] : [{ row: http, scheme: 'http', isFirst: true } as const]),
    ...listeners.map(
      (row) => ({ row, scheme: row.certificate === undefined ? 'http' : 'https', isFirst: false }) as const,
    ),
  ]
  return rows.map(({ row, scheme, isFirst }) => ({
    isFirst,
    scheme,
    at: { host: row.host, port: row.port, ipv6Only: isIpv4Elsewhere(row, rows) },
    hasProxyHeader: row.proxyProtocol === true,
    files: filesOf(row),
  }))
}

/** `::` takes IPv4 too, unless another listener has that at the same port. */
const isIpv4Elsewhere = ({ port }: Row, all: readonly { readonly row: Row }[]): boolean =>
  port !== 0 && all.some(({ row }) => row.port === port && isIPv4(row.host))

const filesOf = ({ certificate, key }: Row): CertificateFiles | undefined =>
  certificate === undefined || key === undefined ? undefined : { certificate, key }
