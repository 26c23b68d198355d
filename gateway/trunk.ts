import type { Config, TrunkConfig } from '../config/config.ts'
import type { TrunkMedia } from '../sdp/session.ts'
import type { Flow, SocketAddress, TransportName } from '../sip/flow.ts'
import { GatewayFailure } from './gateway-failure.ts'

const SCOPE = 'trunk:'

/** How requests and media reach a trunk now. */
export interface TrunkPath {
  readonly trunk: TrunkConfig
  readonly remote: SocketAddress
  /** Address of ours that the kernel sends from on the way there. */
  readonly localAddress: string
}

/** One configured peer and what its host name stands for now. */
export interface Trunk {
  readonly config: TrunkConfig
  readonly media: TrunkMedia
  /** Undefined while the name has no address. */
  readonly path: TrunkPath | undefined
}

/** The network's answers, injected; each rejects when there is none. */
export interface TrunkResolver {
  readonly addressesOf: (host: string) => Promise<readonly string[]>
  readonly localAddressTowards: (remote: SocketAddress) => Promise<string>
}

/**
 * The trunks by name and by source address. `refresh` asks the network; between two refreshes everything is answered
 * from memory, since the scope of a datagram and the path of a call are needed at once.
 */
export class TrunkTable {
  readonly #resolver: TrunkResolver
  #trunks: ReadonlyMap<string, Trunk>
  #bySource: ReadonlyMap<string, string> = new Map()

  constructor(configs: readonly TrunkConfig[], resolver: TrunkResolver) {
    this.#resolver = resolver
    this.#trunks = new Map(
      configs.map((config) => [config.name, { config, media: mediaOf(config), path: undefined }]),
    )
  }

  /** Looks all names up again; one that fails keeps its last path. Returns the names of trunks without one. */
  async refresh(): Promise<readonly string[]> {
    const resolved = await Promise.all([...this.#trunks.values()].map((trunk) => this.#resolve(trunk)))
    this.#trunks = new Map(resolved.map(({ trunk }) => [trunk.config.name, trunk]))
    this.#bySource = new Map(
      resolved.flatMap(({ trunk, sources }) => sources.map((source) => [source, trunk.config.name] as const)),
    )
    return resolved.filter(({ trunk }) => trunk.path === undefined).map(({ trunk }) => trunk.config.name)
  }

  get(name: string): Trunk | undefined {
    return this.#trunks.get(name)
  }

  /** Throws `trunk.unresolved`. */
  pathOf(trunk: Trunk): TrunkPath {
    const path = this.#trunks.get(trunk.config.name)?.path
    if (path === undefined) throw new GatewayFailure('trunk.unresolved', { seen: trunk.config.host })
    return path
  }

  /**
   * The trunk whose source list holds this address. A trunk over TLS is known by nothing less: the address of a datagram
   * can be forged.
   */
  bySource(address: string, transport: TransportName): Trunk | undefined {
    const name = this.#bySource.get(address)
    const trunk = name === undefined ? undefined : this.#trunks.get(name)
    return trunk?.config.transport === 'tls' && transport !== 'tls' ? undefined : trunk
  }

  /** The trunk at the other end: transports have judged its source. */
  ofFlow(flow: Flow): Trunk | undefined {
    return this.ofScope(flow.scope)
  }

  ofScope(scope: string): Trunk | undefined {
    return scope.startsWith(SCOPE) ? this.#trunks.get(scope.slice(SCOPE.length)) : undefined
  }

  async #resolve(trunk: Trunk): Promise<{ trunk: Trunk; sources: readonly string[] }> {
    const { config } = trunk
    const own = await this.#addressesOf(config.host)
    const listed = await Promise.all(config.sources.map((host) => this.#addressesOf(host)))
    const path = (await this.#pathTo(own[0], config)) ?? trunk.path
    const hosts = own.length === 0 && path !== undefined ? [path.remote.address] : own
    const sources = config.sources.length === 0 ? hosts : listed.flat()
    return { trunk: { ...trunk, path }, sources }
  }

  async #pathTo(address: string | undefined, trunk: TrunkConfig): Promise<TrunkPath | undefined> {
    if (address === undefined) return undefined
    const remote = { address, port: trunk.port }
    // No route to it now: the caller reports trunks that are left without a path.
    const localAddress = await this.#resolver.localAddressTowards(remote).catch(() => undefined)
    return localAddress === undefined ? undefined : { trunk, remote, localAddress }
  }

  async #addressesOf(host: string): Promise<readonly string[]> {
    // A name without an address is reported by the caller in the same way.
    return this.#resolver.addressesOf(host).catch(() => [])
  }
}

/** How long a dead peer may keep a call, by the flow it is reached on. */
export const sessionExpiresOf = (config: Config, trunks: TrunkTable, flow: Flow): number =>
  trunks.ofFlow(flow)?.config.sessionExpiresS ?? config.calls.sessionExpiresS

function mediaOf(config: TrunkConfig): TrunkMedia {
  const { codecs, suites, media, dtmf, ptimeMs } = config
  return { codecs, suites: media === 'sdes' ? suites : [], dtmf, ptimeMs }
}
