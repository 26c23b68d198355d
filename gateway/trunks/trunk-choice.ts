import type { GroupConfig } from '../../config/config.ts'
import { weightedOrder } from '../../sip/routing/weighted-order.ts'
import { noWayTo, type Trunk, type TrunkPath, type TrunkTable } from './trunk.ts'
import type { TrunkStates } from './trunk-states.ts'

/** More ways are not tried for one call. */
export const MAX_WAYS = 16

export interface TrunkChoiceOptions {
  readonly trunks: TrunkTable
  readonly groups: readonly GroupConfig[]
  readonly states: TrunkStates
  /** Draws from 0 to less than 1. */
  readonly chance: () => number
}

/** In which order the addresses of trunks are tried. */
export class TrunkChoice {
  readonly #options: TrunkChoiceOptions
  readonly #groups: ReadonlyMap<string, GroupConfig>

  constructor(options: TrunkChoiceOptions) {
    this.#options = options
    this.#groups = new Map(options.groups.map((group) => [group.name, group]))
  }

  /**
   * Every way that a request for these trunks or groups may take, in the order to try: name by name, within a group by
   * priority and weight, within a trunk as the DNS ranks its servers. Those of a trunk that is down, and addresses that rest,
   * come after all others. Throws `trunk.unresolved` or `trunk.no-route` when there is none.
   */
  waysTo(names: readonly string[]): readonly TrunkPath[] {
    const { states, chance } = this.#options
    const trunks = [...new Set(names.flatMap((name) => this.#membersOf(name)))].map((name) =>
      this.#trunk(name),
    )
    const ways = trunks.flatMap(({ servers }) => weightedOrder(servers, chance).flatMap(({ paths }) => paths))
    const isPoor = (path: TrunkPath): boolean =>
      states.healthOf(path.trunk.name) === 'down' || states.isResting(path)
    const ordered = [...ways.filter((path) => !isPoor(path)), ...ways.filter(isPoor)]
    if (ordered.length === 0) throw noWayTo(trunks)
    // Each of the trunks has its turn, however many addresses those before it have.
    const share = Math.max(1, Math.floor(MAX_WAYS / trunks.length))
    const taken = new Map<string, number>()
    const isWithinShare = ({ trunk: { name } }: TrunkPath): boolean => {
      const ways = (taken.get(name) ?? 0) + 1
      taken.set(name, ways)
      return ways <= share
    }
    return ordered.filter(isWithinShare).slice(0, MAX_WAYS)
  }

  #membersOf(name: string): readonly string[] {
    const group = this.#groups.get(name)
    if (group === undefined) return [name]
    return weightedOrder(group.trunks, this.#options.chance).map(({ trunk }) => trunk)
  }

  #trunk(name: string): Trunk {
    const trunk = this.#options.trunks.get(name)
    if (trunk === undefined) throw new Error(`a route to an unknown trunk ${name}`)
    return trunk
  }
}
