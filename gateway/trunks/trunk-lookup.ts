import type { Config } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { SipEnvironment } from '../../sip/user-agent.ts'
import { localAddressTowards } from '../addresses.ts'
import type { Dns } from './dns.ts'
import { TrunkTable } from './trunk.ts'

/** Between two look-ups, however short the answers hold. */
const PAUSE_MS = 1_000

export interface TrunkLookupOptions {
  readonly trunks: TrunkTable
  readonly environment: SipEnvironment
  readonly log: Log
}

/** Looks trunks up, and again when the answers are no longer good; one look-up at a time. */
export class TrunkLookup {
  readonly #options: TrunkLookupOptions
  #without: ReadonlySet<string> = new Set()
  #cancelTimer: () => void = () => {}
  #isOver = false

  constructor(options: TrunkLookupOptions) {
    this.#options = options
  }

  /** Looks up what is due; a trunk that is left without an address is said once. */
  async refresh(): Promise<void> {
    const { trunks, log } = this.#options
    await trunks.refresh()
    const without = trunks.names.filter((name) => trunks.get(name)?.servers.length === 0)
    for (const trunk of without)
      if (!this.#without.has(trunk))
        log.warn('trunk has no address', { trunk, seen: trunks.get(trunk)?.noWay })
    for (const trunk of this.#without) {
      if (!without.includes(trunk)) log.info('trunk has an address again', { trunk })
    }
    this.#without = new Set(without)
  }

  /** `onRefreshed`: after each look-up from now on. */
  keep(onRefreshed: () => void): void {
    const { trunks, environment, log } = this.#options
    const atMs = Math.max(trunks.nextRefreshMs, environment.nowMs() + PAUSE_MS)
    if (this.#isOver || !Number.isFinite(atMs)) return
    this.#cancelTimer = environment.schedule(atMs, () => {
      this.refresh()
        .then(onRefreshed)
        .catch((error: unknown) => log.error('trunk look-up failed', { error }))
        .finally(() => this.keep(onRefreshed))
    })
  }

  close(): void {
    this.#isOver = true
    this.#cancelTimer()
  }
}

/** Where SIP may leave from. */
const sipHosts = ({ udp, tcp, tls }: Config): readonly string[] => [
  ...udp.host,
  ...(tcp?.host ?? []),
  ...(tls?.host ?? []),
]

/** The trunks of the configuration, not looked up yet. */
export function createTrunkTable(config: Config, dns: Dns, nowMs: () => number): TrunkTable {
  return new TrunkTable(config.trunks, {
    resolver: {
      naptr: (name) => dns.naptr(name),
      srv: (name) => dns.srv(name),
      addresses: (host) => dns.addresses(host),
      localAddressTowards: (remote) => localAddressTowards(remote, sipHosts(config)),
    },
    nowMs,
    // Encrypted before anything else; TCP takes long messages.
    supported: [
      ...(config.tls === undefined ? [] : (['tls'] as const)),
      ...(config.tcp === undefined ? [] : (['tcp'] as const)),
      'udp',
    ],
  })
}
