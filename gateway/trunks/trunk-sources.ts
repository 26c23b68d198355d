import { BlockList, isIPv6, SocketAddress as NodeAddress } from 'node:net'
import type { SocketAddress } from '../../sip/flow.ts'

const SCOPE = 'trunk:'

/** What of a trunk says where it is. */
export interface Sourced {
  readonly config: { readonly name: string }
  readonly servers: readonly { readonly paths: readonly { readonly remote: SocketAddress }[] }[]
}

interface Row<Trunk extends Sourced> {
  readonly trunk: Trunk
  /** Addresses and networks. */
  readonly sources: readonly string[]
}

/** Who may be behind a source address: single addresses first, networks for what is left. */
export class TrunkSources<Trunk extends Sourced> {
  readonly #byAddress = new Map<string, Trunk[]>()
  readonly #networks: readonly { readonly trunk: Trunk; readonly list: BlockList }[]
  /** By address and port. */
  readonly #byServer = new Map<string, Trunk[]>()
  /** Name of the first of all trunks that share addresses with this one. */
  readonly #leaders = new Map<string, string>()

  constructor(rows: readonly Row<Trunk>[]) {
    for (const { trunk, sources } of rows) {
      for (const address of new Set(sources.filter((source) => !isNetwork(source)).map(canonical))) {
        append(this.#byAddress, address, trunk)
      }
      for (const { paths } of trunk.servers) {
        for (const { remote } of paths) append(this.#byServer, serverKey(remote), trunk)
      }
    }
    this.#networks = rows.flatMap(({ trunk, sources }) => {
      const networks = sources.filter(isNetwork)
      return networks.length === 0 ? [] : [{ trunk, list: listOf(networks) }]
    })
    const circles = [...neighboursOf(rows), this.#networks.map(({ trunk }) => trunk)]
    for (const { trunk } of rows) this.#leaders.set(trunk.config.name, trunk.config.name)
    for (const circle of circles) this.#join(circle.map(({ config }) => config.name))
  }

  /** In the order of the configuration. */
  at(address: string): readonly Trunk[] {
    const own = this.#byAddress.get(canonical(address))
    if (own !== undefined) return own
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    return this.#networks.filter(({ list }) => list.check(address, family)).map(({ trunk }) => trunk)
  }

  /** Trunks that have a server there. */
  servedAt(remote: SocketAddress): readonly Trunk[] {
    return this.#byServer.get(serverKey(remote)) ?? []
  }

  scopeOf(name: string): string {
    return `${SCOPE}${this.#leaders.get(name) ?? name}`
  }

  /** The first trunk of a scope; undefined for scopes of others. */
  leaderOf(scope: string): string | undefined {
    return scope.startsWith(SCOPE) ? scope.slice(SCOPE.length) : undefined
  }

  /** All who are led by one of them are led by the first from now on. */
  #join(names: readonly string[]): void {
    const led = new Set(names.map((name) => this.#leaders.get(name)))
    if (led.size < 2) return
    const [first] = [...this.#leaders.keys()].filter((name) => led.has(name))
    if (first === undefined) return
    for (const [name, leader] of this.#leaders) if (led.has(leader)) this.#leaders.set(name, first)
  }
}

/** Trunks that have an address in common, be it of a server or a source: dialogs with one may begin at one and go on at the other. */
function neighboursOf<Trunk extends Sourced>(rows: readonly Row<Trunk>[]): readonly (readonly Trunk[])[] {
  const byAddress = new Map<string, Trunk[]>()
  for (const { trunk, sources } of rows) {
    const servers = trunk.servers.flatMap(({ paths }) => paths.map(({ remote }) => remote.address))
    const own = [...sources.filter((source) => !isNetwork(source)), ...servers].map(canonical)
    for (const address of new Set(own)) append(byAddress, address, trunk)
  }
  return [...byAddress.values()]
}

const isNetwork = (source: string): boolean => source.includes('/')

const serverKey = ({ address, port }: SocketAddress): string => `${canonical(address)} ${port}`

/** IPv6 addresses have many spellings. */
const canonical = (address: string): string =>
  isIPv6(address) ? new NodeAddress({ address, family: 'ipv6' }).address : address

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    list.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4')
  }
  return list
}

function append<Trunk>(map: Map<string, Trunk[]>, key: string, trunk: Trunk): void {
  const known = map.get(key)
  if (known === undefined) map.set(key, [trunk])
  else if (!known.includes(trunk)) known.push(trunk)
}
