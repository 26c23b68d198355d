import type { Config, TrunkConfig } from '../../config/config.ts'
import type { Flow, SocketAddress, TransportName } from '../../sip/flow.ts'
import {
  type DnsQueries,
  type Located,
  locate,
  type SipServer,
  type SipTransport,
} from '../../sip/routing/locate.ts'
import type { Weighted } from '../../sip/routing/weighted-order.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { type FormerServer, formerServers } from './former-servers.ts'
import type { TrunkMedia } from './trunk-media.ts'
import { TrunkSources } from './trunk-sources.ts'

/** How requests and media reach a trunk: one address of one of its servers. */
export interface TrunkPath {
  readonly trunk: TrunkConfig
  readonly transport: SipTransport
  readonly remote: SocketAddress
  /** Address of ours that the kernel sends from on the way there. */
  readonly localAddress: string
}

/** A server of a trunk, as the DNS ranks it; its addresses are tried in this order. */
export interface TrunkServer extends Weighted {
  readonly paths: readonly TrunkPath[]
}

/** One configured peer and what its host name stands for now. */
export interface Trunk {
  readonly config: TrunkConfig
  readonly media: TrunkMedia
  /** Best priority first; empty while the name has no address. */
  readonly servers: readonly TrunkServer[]
  /** Why no way leads to an address that its name has; left out: one does, or the name has none. */
  readonly noWay?: string | undefined
}

/** Why there is no way to any of these trunks. */
export function noWayTo(trunks: readonly Trunk[]): GatewayFailure {
  const reasons = trunks.flatMap(({ noWay }) => (noWay === undefined ? [] : [noWay]))
  return reasons.length > 0
    ? new GatewayFailure('trunk.no-route', { seen: reasons.join(', ') })
    : new GatewayFailure('trunk.unresolved', { seen: trunks.map(({ config }) => config.host).join(', ') })
}

/** The network's answers, injected. */
export interface TrunkResolver extends DnsQueries {
  /** Rejects when there is no way to it. */
  readonly localAddressTowards: (remote: SocketAddress) => Promise<string>
}

export interface TrunkTableOptions {
  readonly resolver: TrunkResolver
  readonly nowMs: () => number
  /** Transports of ours that `transport: auto` may choose; best first. */
  readonly supported: readonly SipTransport[]
}

/** However short its answers hold, a trunk is not looked up more often; and not more seldom either, since addresses of ours change too. */
const MIN_LOOKUP_MS = 5_000
const MAX_LOOKUP_MS = 60_000
/** After a question without an answer, and while a trunk has no server. */
const RETRY_MS = 10_000

interface Entry {
  readonly trunk: Trunk
  /** Addresses and networks that its requests may come from. */
  readonly sources: readonly string[]
  readonly former: readonly FormerServer[]
  /** Name servers have answered all questions about it, if only that there is nothing. */
  readonly isTold: boolean
  /** Not all questions about it had an answer. */
  readonly isDoubtful: boolean
  readonly dueMs: number
}

/**
 * The trunks by name and by source address. `refresh` asks the network; between two refreshes everything is answered
 * from memory, since the scope of a datagram and the path of a call are needed at once.
 */
export class TrunkTable {
  readonly #options: TrunkTableOptions
  #entries: ReadonlyMap<string, Entry>
  #sources = new TrunkSources<Trunk>([])

  constructor(configs: readonly TrunkConfig[], options: TrunkTableOptions) {
    this.#options = options
    this.#entries = new Map(
      configs.map((config) => {
        const trunk = { config, media: mediaOf(config), servers: [] }
        const { sources } = config
        const unasked = { isTold: false, isDoubtful: true, dueMs: Number.NEGATIVE_INFINITY }
        return [config.name, { trunk, sources, former: [], ...unasked }]
      }),
    )
  }

  get names(): readonly string[] {
    return [...this.#entries.keys()]
  }

  /** When `refresh` has something to do again; infinite without trunks. */
  get nextRefreshMs(): number {
    return Math.min(...[...this.#entries.values()].map(({ dueMs }) => dueMs))
  }

  /** Not as long as name servers have yet to say where requests of a trunk come from: anybody may be that one. */
  get areSourcesKnown(): boolean {
    return [...this.#entries.values()].every(({ sources, isTold }) => isTold || sources.length > 0)
  }

  /** Looks up again what is due; a name that fails keeps its last servers. */
  async refresh(): Promise<void> {
    await this.refreshSoon().whole
  }

  /** The same; `first` resolves when all is looked up or, with what has been found by then, when `soon` does. */
  refreshSoon(soon?: Promise<unknown>): { readonly first: Promise<void>; readonly whole: Promise<void> } {
    const nowMs = this.#options.nowMs()
    const due = [...this.#entries.values()].filter(({ dueMs }) => dueMs <= nowMs)
    const found: Entry[] = []
    const all = Promise.all(due.map(async (entry) => found.push(await this.#resolve(entry))))
    const enter = (): void => this.#enter(found.splice(0))
    const first = (soon === undefined ? all : Promise.race([all, soon])).then(enter)
    return { first, whole: Promise.all([all, first]).then(enter) }
  }

  #enter(found: readonly Entry[]): void {
    const fresh = new Map(found.map((entry) => [entry.trunk.config.name, entry]))
    this.#entries = new Map([...this.#entries].map(([name, entry]) => [name, fresh.get(name) ?? entry]))
    this.#sources = new TrunkSources([...this.#entries.values()].map(rowOf), this.#sources)
  }

  get(name: string): Trunk | undefined {
    return this.#entries.get(name)?.trunk
  }

  /** The trunks that a new request from there may be of, in the order of the configuration. */
  bySource(remote: SocketAddress, transport: TransportName): readonly Trunk[] {
    return this.#sources.at(remote.address).filter((trunk) => isHeardBy(trunk, transport))
  }

  /**
   * The same, or else those it was of until the DNS said otherwise (`FORMER_LIMITS`): what began while it was goes on there.
   * Nothing new does, since the DNS is what says who has the address.
   */
  everBySource(remote: SocketAddress, transport: TransportName): readonly Trunk[] {
    const now = this.bySource(remote, transport)
    if (now.length > 0) return now
    return this.#sources.formerlyAt(remote.address).filter((trunk) => isHeardBy(trunk, transport))
  }

  /** Whether a trunk has a source or a server there now, not only in former times. */
  isAt(remote: SocketAddress, transport: TransportName): boolean {
    return this.listensAt(remote, transport) || this.bySource(remote, transport).length > 0
  }

  /** The trunks that have a server at this very address and port. */
  servedAt(remote: SocketAddress, transport: TransportName): readonly Trunk[] {
    return this.#sources.servedAt(remote).filter((trunk) => isHeardBy(trunk, transport))
  }

  /** Whether there is one. */
  listensAt(remote: SocketAddress, transport: TransportName): boolean {
    return this.servedAt(remote, transport).length > 0
  }

  /** Whether it is an address of a trunk by itself. In a network of sources anybody may write an address that nobody can reach. */
  isSingle({ address }: SocketAddress): boolean {
    return this.#sources.isSingle(address)
  }

  /**
   * Where the transactions and dialogs of a peer are kept: the same place as long as the address is known. Trunks that share a
   * source address share it, since only a request itself says whose it is. Undefined: neither a source nor a server of a
   * trunk, nor was it one.
   */
  scopeAt(remote: SocketAddress, transport: TransportName): string | undefined {
    const sources = this.#sources
    // Answers come from servers that may be no sources of requests.
    const served = [...sources.servedAt(remote), ...sources.formerlyServedAt(remote)]
    const isKnown =
      this.everBySource(remote, transport).length > 0 || served.some((trunk) => isHeardBy(trunk, transport))
    return isKnown ? sources.scopeAt(remote.address) : undefined
  }

  /** The trunk at the other end, as far as its flow tells; of those that share a source address, the first. */
  ofFlow(flow: Flow): Trunk | undefined {
    const name = flow.peer ?? this.#sources.leaderOf(flow.scope)
    return name === undefined ? undefined : this.get(name)
  }

  async #resolve({ trunk, former, isTold, isDoubtful: wasDoubtful }: Entry): Promise<Entry> {
    const { resolver, supported } = this.#options
    const { config } = trunk
    const located = await locate({ ...config, supported }, resolver)
    const { servers, noWay } = await this.#serversOf(config, located)
    // Answers that are missing take nothing away from what was known; a name server that has never told more is believed.
    const isWorse = servers.length === 0 || (located.isDoubtful && !wasDoubtful)
    const kept = isWorse ? trunk.servers : servers
    const nowMs = this.#options.nowMs()
    const remotes = remotesOf(kept)
    const own = remotes.map(({ address }) => address)
    const { ttlS = MAX_LOOKUP_MS / 1_000 } = located
    const isSure = kept.length > 0 && !located.isDoubtful
    const goodMs = Math.min(isSure ? MAX_LOOKUP_MS : RETRY_MS, ttlS * 1_000)
    return {
      trunk: { ...trunk, servers: kept, noWay: kept.length === 0 ? noWay : undefined },
      sources: config.sources.length === 0 ? own : config.sources,
      former: formerServers(former, remotesOf(trunk.servers), remotes, nowMs),
      isTold: isTold || !located.isDoubtful,
      isDoubtful: isWorse ? wasDoubtful : located.isDoubtful,
      dueMs: nowMs + Math.max(MIN_LOOKUP_MS, goodMs),
    }
  }

  async #serversOf(config: TrunkConfig, { servers }: Located): Promise<Pick<Trunk, 'servers' | 'noWay'>> {
    let noWay: string | undefined
    const found = await Promise.all(
      servers.map(async ({ priority, weight, ...server }) => {
        const paths = await Promise.all(
          server.addresses.map((address) =>
            this.#pathTo(config, server, address).catch((error: unknown) => {
              noWay = `${address}: ${error instanceof Error ? error.message : String(error)}`
              return undefined
            }),
          ),
        )
        return { priority, weight, paths: paths.filter((path) => path !== undefined) }
      }),
    )
    return { servers: found.filter(({ paths }) => paths.length > 0), noWay }
  }

  /** Rejects when there is no way to it now. */
  async #pathTo(
    trunk: TrunkConfig,
    { transport, port }: Pick<SipServer, 'transport' | 'port'>,
    address: string,
  ): Promise<TrunkPath> {
    const remote = { address, port }
    const localAddress = await this.#options.resolver.localAddressTowards(remote)
    return { trunk, transport, remote, localAddress }
  }
}

const remotesOf = (servers: readonly TrunkServer[]): readonly SocketAddress[] =>
  servers.flatMap(({ paths }) => paths.map(({ remote }) => remote))

/** Where sources are listed, no server has become one, so none was. */
function rowOf({ trunk, sources, former }: Entry) {
  const remotes = former.map(({ remote }) => remote)
  const formerSources = trunk.config.sources.length === 0 ? remotes.map(({ address }) => address) : []
  return { trunk, sources, former: remotes, formerSources }
}

/** How long a dead peer may keep a call, by the flow it is reached on. */
export const sessionExpiresOf = (config: Config, trunks: TrunkTable, flow: Flow): number =>
  trunks.ofFlow(flow)?.config.sessionExpiresS ?? config.calls.sessionExpiresS

/** A trunk over TLS is known by nothing less: the address of a datagram can be forged. */
function isHeardBy({ config, servers }: Trunk, transport: TransportName): boolean {
  const isSecure = config.transport === 'tls' || servers[0]?.paths[0]?.transport === 'tls'
  return !isSecure || transport === 'tls'
}

const PLAIN_KEYING = { off: 'none', optional: 'osrtp', required: 'osrtp-required' } as const

function mediaOf(config: TrunkConfig): TrunkMedia {
  const { codecs, suites, media, osrtp, avpf, rtcpMux, dtmf, ptimeMs } = config
  const keying = media === 'rtp' ? PLAIN_KEYING[osrtp] : media
  const hasKeys = keying !== 'none' && keying !== 'dtls'
  return { keying, codecs, suites: hasKeys ? suites : [], avpf, rtcpMux, dtmf, ptimeMs }
}
