import { BlockList, isIPv6 } from 'node:net'
import type { SocketAddress } from '../../sip/flow.ts'
import { canonicalAddress } from '../addresses.ts'

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
  /** Servers that it had. */
  readonly former: readonly SocketAddress[]
  /** Of these, addresses that were sources. */
  readonly formerSources: readonly string[]
}

/**
 * Who may be behind a source address: single addresses first, networks for what is left. What it once said of a scope it
 * goes on saying: a dialog is found by the scope it began in, whatever the DNS has said since.
 */
export class TrunkSources<Trunk extends Sourced> {
  readonly #byAddress = new Map<string, Trunk[]>()
  readonly #networks: readonly { readonly trunk: Trunk; readonly list: BlockList }[]
  /** By address and port. */
  readonly #byServer = new Map<string, Trunk[]>()
  readonly #byFormerAddress = new Map<string, Trunk[]>()
  readonly #byFormerServer = new Map<string, Trunk[]>()
  /** Name of the first of all trunks that share addresses with this one, or have shared. */
  readonly #leaders = new Map<string, string>()
  readonly #scopes = new Map<string, string>()
  readonly #networkScope: string | undefined

  /** `before`: what it takes the place of, of the same trunks. */
  constructor(rows: readonly Row<Trunk>[], before?: TrunkSources<Trunk>) {
    for (const { trunk, sources, former, formerSources } of rows) {
      for (const address of singles(sources)) append(this.#byAddress, address, trunk)
      for (const remote of serversOf(trunk)) append(this.#byServer, serverKey(remote), trunk)
      for (const address of singles(formerSources)) append(this.#byFormerAddress, address, trunk)
      for (const remote of former) append(this.#byFormerServer, serverKey(remote), trunk)
    }
    this.#networks = rows.flatMap(({ trunk, sources }) => {
      const networks = sources.filter(isNetwork)
      return networks.length === 0 ? [] : [{ trunk, list: listOf(networks) }]
    })
    for (const { trunk } of rows) this.#leaders.set(trunk.config.name, trunk.config.name)
    if (before !== undefined) for (const [name, leader] of before.#leaders) this.#leaders.set(name, leader)
    const circles = [...neighboursOf(rows), this.#networks.map(({ trunk }) => trunk)]
    for (const circle of circles) this.#join(circle.map(({ config }) => config.name))
    const [roaming] = this.#networks
    const networkScope = before === undefined ? undefined : before.#networkScope
    this.#networkScope = networkScope ?? (roaming && this.#scopeOf(roaming.trunk))
    for (const row of rows) this.#addScopes(row, before)
  }

  /** In the order of the configuration. */
  at(address: string): readonly Trunk[] {
    return this.#byAddress.get(canonicalAddress(address)) ?? this.#inNetworks(address)
  }

  /** Whose source it was, where it is nobody's now. */
  formerlyAt(address: string): readonly Trunk[] {
    return this.#byFormerAddress.get(canonicalAddress(address)) ?? []
  }

  /** Trunks that have a server there. */
  servedAt(remote: SocketAddress): readonly Trunk[] {
    return this.#byServer.get(serverKey(remote)) ?? []
  }

  formerlyServedAt(remote: SocketAddress): readonly Trunk[] {
    return this.#byFormerServer.get(serverKey(remote)) ?? []
  }

  /** The same one as long as the address is known. Undefined: it never was. */
  scopeAt(address: string): string | undefined {
    const known = this.#scopes.get(canonicalAddress(address))
    return known ?? (this.#inNetworks(address).length > 0 ? this.#networkScope : undefined)
  }

  /** Whether this very address is known, and not only a network that it is in. */
  isSingle(address: string): boolean {
    return this.#scopes.has(canonicalAddress(address))
  }

  /** The first trunk of a scope; undefined for scopes of others. */
  leaderOf(scope: string): string | undefined {
    return scope.startsWith(SCOPE) ? scope.slice(SCOPE.length) : undefined
  }

  #addScopes({ trunk, sources, former }: Row<Trunk>, before: TrunkSources<Trunk> | undefined): void {
    const servers = [...serversOf(trunk), ...former].map(({ address }) => address)
    for (const address of singles([...sources, ...servers])) {
      if (this.#scopes.has(address)) continue
      this.#scopes.set(address, before?.scopeAt(address) ?? this.#scopeOf(trunk))
    }
  }

  #inNetworks(address: string): readonly Trunk[] {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    return this.#networks.filter(({ list }) => list.check(address, family)).map(({ trunk }) => trunk)
  }

  #scopeOf({ config: { name } }: Trunk): string {
    return `${SCOPE}${this.#leaders.get(name) ?? name}`
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
    const own = [...sources, ...serversOf(trunk).map(({ address }) => address)]
    for (const address of singles(own)) append(byAddress, address, trunk)
  }
  return [...byAddress.values()]
}

const serversOf = ({ servers }: Sourced): readonly SocketAddress[] =>
  servers.flatMap(({ paths }) => paths.map(({ remote }) => remote))

const singles = (sources: readonly string[]): ReadonlySet<string> =>
  new Set(sources.filter((source) => !isNetwork(source)).map(canonicalAddress))

const isNetwork = (source: string): boolean => source.includes('/')

const serverKey = ({ address, port }: SocketAddress): string => `${canonicalAddress(address)} ${port}`

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
