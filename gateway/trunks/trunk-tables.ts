import type { Config } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { SipEnvironment } from '../../sip/user-agent.ts'
import { onlyUpstream } from '../registration/upstream-line.ts'
import type { Dns } from './dns.ts'
import type { TrunkTable } from './trunk.ts'
import { createTrunkTable, TrunkLookup } from './trunk-lookup.ts'
import type { TrunkSockets } from './trunk-sockets.ts'

export interface TrunkTablesOptions {
  readonly config: Config
  readonly dns: Dns
  readonly environment: SipEnvironment
  readonly log: Log
}

/** The trunks; and by itself, so that no route leads there, the PBX that keeps the registrations. */
export interface TrunkTables {
  readonly trunks: TrunkTable
  /** Empty where we are the registrar. */
  readonly pbx: TrunkTable
  /** Looks names up again when the answers are no longer good, and tells the sockets. */
  keep(sockets: TrunkSockets): void
  close(): void
}

/** Both tables, looked up once, as far as name servers answer. */
export async function openTrunkTables(options: TrunkTablesOptions): Promise<TrunkTables> {
  const { config, dns, environment, log } = options
  const { upstream } = config
  const trunks = createTrunkTable(config, dns, environment.nowMs)
  const pbx = createTrunkTable(
    upstream === undefined ? { ...config, trunks: [] } : onlyUpstream(config, upstream),
    dns,
    environment.nowMs,
  )
  const lookup = new TrunkLookup({ trunks, environment, log })
  const pbxLookup = new TrunkLookup({ trunks: pbx, environment, log })
  await Promise.all([lookup.start(), pbxLookup.start()])
  return {
    trunks,
    pbx,
    keep: ({ transports, pbxTransports }) => {
      lookup.keep(() => transports.refresh())
      pbxLookup.keep(() => pbxTransports?.refresh())
    },
    close: () => {
      lookup.close()
      pbxLookup.close()
    },
  }
}
