import type { TrunkPath } from './trunk.ts'
import { keyOf } from './trunk-states.ts'

/**
 * By which of the ways to a trunk our registration there goes. It stays with the one that took it, so that refreshes and its end
 * find it; one that failed is not asked again before all others were. Pure.
 */
export class RegistrationWay {
  #current: string | undefined
  /** Since the last success, of those that there are. */
  #failed: ReadonlySet<string> = new Set()

  /** `ways`: in the order to try; undefined when there is none. `isResting`: known not to answer now. */
  choose(ways: readonly TrunkPath[], isResting: (way: TrunkPath) => boolean): TrunkPath | undefined {
    const stays = ways.find((way) => keyOf(way) === this.#current && !isResting(way))
    const way = stays ?? ways.find((other) => !this.#failed.has(keyOf(other))) ?? ways[0]
    this.#current = way === undefined ? undefined : keyOf(way)
    return way
  }

  succeeded(): void {
    this.#failed = new Set()
  }

  /** Of these ways that one has failed. False: so have all the others, which are tried anew from now on. */
  failed(failed: TrunkPath, ways: readonly TrunkPath[]): boolean {
    this.#current = undefined
    const known = ways.map(keyOf).filter((key) => key === keyOf(failed) || this.#failed.has(key))
    const isAnotherLeft = known.length < ways.length
    this.#failed = new Set(isAnotherLeft ? known : [])
    return isAnotherLeft
  }
}
