import type { Config, UpstreamConfig } from '../../config/config.ts'
import type { Flow, SocketAddress } from '../../sip/flow.ts'
import type { SipResponse } from '../../sip/message/message.ts'
import { sipUri } from '../../sip/message/uri.ts'
import type { NoAnswer } from '../../sip/user-agent.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { Trunk, TrunkPath, TrunkTable } from '../trunks/trunk.ts'
import { TrunkStates } from '../trunks/trunk-states.ts'

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
  readonly nowMs: () => number
  /** Where the peer behind a flow reaches us. */
  readonly sentBy: (flow: Flow) => { readonly host: string; readonly port: number | undefined }
}

/** To one of its addresses. */
export interface LinePath {
  readonly flow: Flow
  readonly localAddress: string
  /** Names of the other end. */
  readonly hosts: ReadonlySet<string>
  /** What became of a request that went there: an address that does not answer rests, and another one has what comes next. */
  readonly heard: (outcome: SipResponse | NoAnswer) => void
}

/** The way to the PBX that keeps the registrations, and our name there. */
export class UpstreamLine {
  readonly #options: UpstreamLineOptions
  readonly #states: TrunkStates
  /** What is registered at one server need not be known to another: as long as it answers, all goes to the same one. */
  #remote: SocketAddress | undefined

  constructor(options: UpstreamLineOptions) {
    this.#options = options
    this.#states = new TrunkStates(options.nowMs)
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
    const isProven = flow.peer !== undefined && flow.transport === 'tls'
    return this.leadsThere(flow) && (isProven || trunks.isAt(flow.remote, flow.transport))
  }

  /** Throws `upstream.unreachable` when its name has no address. */
  path(): LinePath {
    const { config, servers } = this.trunk
    const paths = servers.flatMap((server) => server.paths)
    const awake = paths.filter((path) => !this.#states.isResting(path))
    const path = awake.find(({ remote }) => isSame(remote, this.#remote)) ?? awake[0] ?? paths[0]
    if (path === undefined) {
      throw new GatewayFailure('upstream.unreachable', { seen: `no address of ${config.host}` })
    }
    this.#remote = path.remote
    return {
      flow: this.#options.flowTo(path),
      localAddress: path.localAddress,
      hosts: new Set([config.host.toLowerCase(), path.remote.address]),
      heard: (outcome) => this.#heard(path, outcome),
    }
  }

  /** RFC 3263 §4.3: silence, a connection that failed, and 503 are of the server; what else it says is of the request. */
  #heard(path: TrunkPath, outcome: SipResponse | NoAnswer): void {
    if (outcome === 'timeout' || outcome === 'transport') this.#states.failed(path, outcome)
    else if (typeof outcome !== 'object') return
    else if (outcome.status === 503) this.#states.failed(path, 'silent')
    else this.#states.answered(path)
  }

  /** URI by which the PBX calls what `token` stands for. */
  uriOf(token: string, flow: Flow, flag?: 'lr'): string {
    const parameters = { transport: flow.transport, ...(flag === undefined ? {} : { [flag]: '' }) }
    return sipUri({ user: token, ...this.#options.sentBy(flow), parameters }).text
  }
}

const isSame = (one: SocketAddress, other: SocketAddress | undefined): boolean =>
  one.address === other?.address && one.port === other.port
