import type { Config } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { SipEnvironment } from '../../sip/user-agent.ts'
import { localAddressTowards } from '../addresses.ts'
import type { Dns } from './dns.ts'
import { TrunkTable } from './trunk.ts'

/** Between two look-ups, however short the answers hold. */
const PAUSE_MS = 1_000

/** What a start waits for name servers that say nothing: trunks that need none can take calls meanwhile. */
export const START_MS = 5_000

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
  #running: Promise<void> | undefined
  #isOver = false

  constructor(options: TrunkLookupOptions) {
    this.#options = options
  }

  /** The first look-up. Resolves after `START_MS` at the latest, with what has been found by then; the rest follows by itself. */
  async start(): Promise<void> {
    const { environment, trunks, log } = this.#options
    let cancel = (): void => {}
    const soon = new Promise<void>((resolve) => {
      cancel = environment.schedule(environment.nowMs() + START_MS, resolve)
    })
    const { first, whole } = trunks.refreshSoon(soon)
    this.#run(whole).catch((error: unknown) => log.error('trunk look-up failed', { error }))
    await first.finally(() => cancel())
    this.#tell()
  }

  /** Looks up what is due, unless that is being done. */
  refresh(): Promise<void> {
    return this.#running ?? this.#run(this.#options.trunks.refresh())
  }

  #run(lookUp: Promise<void>): Promise<void> {
    const running = lookUp
      .then(() => this.#tell())
      .finally(() => {
        this.#running = undefined
      })
    this.#running = running
    return running
  }

  /** A trunk that is left without an address is said once. */
  #tell(): void {
    const { trunks, log } = this.#options
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
