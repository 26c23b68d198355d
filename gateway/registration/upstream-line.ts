import type { Config, UpstreamConfig } from '../../config/config.ts'
import type { Flow } from '../../sip/flow.ts'
import { sipUri } from '../../sip/uri.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { Trunk, TrunkPath, TrunkTable } from '../trunks/trunk.ts'

/** The configuration as the sockets for the PBX see it: no trunk but it, and ports of its own. */
export function onlyUpstream(config: Config, { trunk, local, certificate }: UpstreamConfig): Config {
  const { transport } = trunk
  return {
    ...config,
    trunks: [trunk],
    udp: local,
    tcp: transport === 'tcp' ? local : undefined,
    tls: transport === 'tls' && certificate !== undefined ? { ...local, ...certificate } : undefined,
  }
}

export interface UpstreamLineOptions {
  readonly config: UpstreamConfig
  /** Knows the PBX and nobody else. */
  readonly trunks: TrunkTable
  /** By a socket of its own: a PBX that trusts our trunks by their address would let every user call. */
  readonly flowTo: (path: TrunkPath) => Flow
  /** Where the peer behind a flow reaches us. */
  readonly sentBy: (flow: Flow) => { readonly host: string; readonly port: number | undefined }
}

/** The way to the PBX that keeps the registrations, and who we are to it. */
export class UpstreamLine {
  readonly #options: UpstreamLineOptions

  constructor(options: UpstreamLineOptions) {
    this.#options = options
  }

  get config(): UpstreamConfig {
    return this.#options.config
  }

  get trunk(): Trunk {
    const trunk = this.#options.trunks.get(this.config.trunk.name)
    if (trunk === undefined) throw new Error('the PBX is not in its own table')
    return trunk
  }

  /** Whether the PBX is at the other end, or was when what goes on there began. */
  leadsThere(flow: Flow): boolean {
    return this.#options.trunks.ofFlow(flow) !== undefined
  }

  /** Whether a request outside a dialog that came by it is the PBX's. */
  isFrom(flow: Flow): boolean {
    const { trunks } = this.#options
    return this.leadsThere(flow) && (flow.peer !== undefined || trunks.isAt(flow.remote, flow.transport))
  }

  /** Throws `upstream.unreachable` when its name has no address. */
  path(): { readonly flow: Flow; readonly localAddress: string; readonly hosts: ReadonlySet<string> } {
    const { config, servers } = this.trunk
    const path = servers[0]?.paths[0]
    if (path === undefined) {
      throw new GatewayFailure('upstream.unreachable', { seen: `no address of ${config.host}` })
    }
    const hosts = new Set([config.host.toLowerCase(), path.remote.address])
    return { flow: this.#options.flowTo(path), localAddress: path.localAddress, hosts }
  }

  /** URI by which the PBX calls what `token` stands for. */
  uriOf(token: string, flow: Flow, flag?: 'lr'): string {
    const parameters = { transport: flow.transport, ...(flag === undefined ? {} : { [flag]: '' }) }
    return sipUri({ user: token, ...this.#options.sentBy(flow), parameters }).text
  }
}
