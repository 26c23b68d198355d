import type { TrunkConfig } from '../../config/config.ts'
import { TrunkTable } from '../../gateway/trunks/trunk.ts'
import type { SrvRecord } from '../../sip/routing/locate.ts'
import { resolverOf, trunkConfig } from './trunk-config.ts'

export const config = (over: Partial<TrunkConfig> = {}) => trunkConfig({ host: 'pbx.example.com', ...over })

/** What the DNS says, and where there is a way to. */
export interface World {
  readonly names?: Map<string, readonly string[]>
  readonly srv?: Map<string, readonly SrvRecord[]>
  readonly ttlS?: number
  /** SRV questions get no answer. */
  isMute?: boolean
  /** Addresses without a way to them. */
  readonly far?: ReadonlySet<string>
}

/** A table that has not been looked up yet, on a clock of its own. */
export function tableOf(world: World, ...configs: TrunkConfig[]) {
  const clock = { nowMs: 0 }
  const asked: string[] = []
  const { names = new Map<string, readonly string[]>(), far = new Set<string>() } = world
  const table = new TrunkTable(configs, {
    nowMs: () => clock.nowMs,
    supported: ['udp'],
    resolver: {
      ...resolverOf(),
      srv: async (name) => {
        if (world.isMute === true) throw new Error('ETIMEOUT')
        return { records: world.srv?.get(name) ?? [], ttlS: undefined }
      },
      addresses: async (host) => {
        asked.push(host)
        return { records: names.get(host) ?? [], ttlS: world.ttlS }
      },
      localAddressTowards: async ({ address }) => {
        if (far.has(address)) throw new Error('ENETUNREACH')
        return '192.0.2.1'
      },
    },
  })
  return { table, clock, asked, names }
}

export const at = (address: string, port = 5060) => ({ address, port })
export const namesOf = (trunks: readonly { readonly config: TrunkConfig }[]) =>
  trunks.map((trunk) => trunk.config.name)
export const remotesOf = (table: TrunkTable, name = 'pbx') =>
  table.get(name)?.servers.map(({ paths }) => paths.map(({ remote }) => `${remote.address}:${remote.port}`))
