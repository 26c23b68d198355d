import type { Config } from '../config/config.ts'
import { webrtcPorts } from '../config/webrtc-ports.ts'
import { formatAddress } from '../media/address.ts'
import { webListenersOf } from './web/web-listeners.ts'

/** What a key of the configuration makes the daemon bind. */
interface ConfiguredSocket {
  /** The key, as `web.https`. */
  readonly what: string
  readonly kind: 'udp' | 'tcp'
  readonly addresses: readonly string[]
  /** 0: the system picks one. */
  readonly port: number
  /** Keeps `::` from taking IPv4 too. */
  readonly ipv6Only: boolean
  /** Where the public address of a NAT belongs instead. */
  readonly announced?: string
}

/** Everything that is bound at start. `expand`: the addresses that a wildcard stands for. */
export function configuredSockets(
  config: Config,
  expand: (hosts: readonly string[]) => readonly string[],
): readonly ConfiguredSocket[] {
  const { udp, tcp, tls, web, media, trunks, upstream } = config
  const sip = (
    what: string,
    kind: ConfiguredSocket['kind'],
    at: { readonly host: readonly string[]; readonly port: number } | undefined,
    announced = 'udp.announced',
  ): readonly ConfiguredSocket[] =>
    at === undefined
      ? []
      : [{ what, kind, addresses: expand(at.host), port: at.port, ipv6Only: true, announced }]
  const isTrunkless = trunks.length === 0
  const toPbx = upstream?.trunk.transport === 'udp' ? 'udp' : 'tcp'
  const listeners = webListenersOf(web)
  const others = listeners.filter(({ isFirst }) => !isFirst)
  return [
    ...listeners.map((row) => ({
      what: row.isFirst ? `web.${row.scheme}` : `web.listeners[${others.indexOf(row)}]`,
      kind: 'tcp' as const,
      addresses: [row.at.host],
      port: row.at.port,
      ipv6Only: row.at.ipv6Only === true,
    })),
    ...(isTrunkless ? [] : [...sip('udp', 'udp', udp), ...sip('tcp', 'tcp', tcp), ...sip('tls', 'tcp', tls)]),
    ...sip('upstream.localPort', toPbx, upstream?.local, 'upstream.announced'),
    ...(media.webrtcPort === 0 ? [0] : webrtcPorts(media)).map((port) => ({
      what: 'media.webrtcPort',
      kind: 'udp' as const,
      addresses: media.addresses,
      port,
      ipv6Only: true,
      announced: 'media.announced',
    })),
  ]
}

/** Why a socket cannot be bound, and what to do. `code`: of the system's error. */
export function bindTrouble(
  { kind, announced }: Pick<ConfiguredSocket, 'kind' | 'announced'>,
  at: { readonly address: string; readonly port: number },
  code: string,
): string {
  const place = `${kind} ${formatAddress(at)}`
  switch (code) {
    case 'EADDRINUSE':
      return `${place} is in use`
    case 'EADDRNOTAVAIL': {
      const nat = announced === undefined ? '' : `; a public address behind NAT goes into ${announced}`
      return `${place} cannot be bound: no address of this machine${nat}`
    }
    case 'EACCES':
      return `${place} cannot be bound: not allowed; ports below 1024 need CAP_NET_BIND_SERVICE, see webtrunk.service`
    default:
      return `${place} cannot be bound: ${code}`
  }
}
