import { addressKey } from '../address.ts'
import type { Clock } from '../clock.ts'
import { MediaFailure } from '../failure.ts'
import type { NativePlace, Relay } from '../native/boundary.ts'
import { onFreePorts } from './free-ports.ts'
import type { PortPool } from './port-pool.ts'

export interface SharedPortsOptions {
  readonly relay: Pick<Relay, 'bindShared'>
  readonly ports: PortPool
  readonly clock: Clock
  /** Addresses of ours, local and announced; those of the pairs themselves need not be among them. */
  readonly ownAddresses: readonly string[]
}

/** One pair of ports that trunk legs share. */
export interface SharedPair {
  readonly place: NativePlace
  /** RTP; RTCP has the one above. */
  readonly port: number
}

/** The ports that the trunk legs of one relay share: a pair for each local address, bound at its first use and then kept. */
export class SharedPorts {
  readonly #options: SharedPortsOptions
  readonly #pairs = new Map<string, SharedPair>()
  readonly #own: Set<string>

  constructor(options: SharedPortsOptions) {
    this.#options = options
    this.#own = new Set(options.ownAddresses.map(addressKey))
  }

  /** Undefined: there is none to be had, and a leg has ports of its own. */
  at(address: string): SharedPair | undefined {
    const key = addressKey(address)
    const pair = this.#pairs.get(key) ?? this.#bind(address)
    if (pair !== undefined) this.#pairs.set(key, pair)
    this.#own.add(key)
    return pair
  }

  /**
   * Whether media of that address may come from a socket of ours: of a call that comes back to us. All of those would have
   * the same two ends.
   */
  isOwn(address: string): boolean {
    return this.#own.has(addressKey(address))
  }

  #bind(address: string): SharedPair | undefined {
    const { relay, ports } = this.#options
    try {
      const { made: place, port } = onFreePorts(this.#options, address, (free) => relay.bindShared(free))
      ports.keep(port)
      return { place, port }
    } catch (failure) {
      if (!(failure instanceof MediaFailure)) throw failure
      return undefined
    }
  }
}
