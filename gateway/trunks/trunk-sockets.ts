import type { Config } from '../../config/config.ts'
import type { Flow, SocketAddress } from '../../sip/flow.ts'
import { onlyUpstream } from '../registration/upstream-line.ts'
import type { TrunkPath, TrunkTable } from './trunk.ts'
import { TrunkTransports, type TrunkTransportsOptions } from './trunk-transports.ts'

/** The ways to trunks, and to the PBX that keeps the registrations. */
export interface TrunkFlows {
  /** From the address the kernel would take, else from any of ours. */
  flowTo(path: TrunkPath): Flow
  flowToPbx(path: TrunkPath): Flow
  /** As `flowTowards` of `UserAgentOptions`. */
  flowTowards(flow: Flow, remote: SocketAddress): Flow | undefined
  /** As `flowToListener` of `UserAgentOptions`. */
  flowToListener(flow: Flow, port: number): Flow | undefined
}

/** The sockets towards trunks, and those for a PBX that keeps the registrations. */
export interface TrunkSockets extends TrunkFlows {
  readonly transports: TrunkTransports
  /** Undefined where we are the registrar. */
  readonly pbxTransports: TrunkTransports | undefined
  /** May be called twice. */
  close(): void
}

export interface TrunkSocketsOptions extends Omit<TrunkTransportsOptions, 'config' | 'trunks'> {
  readonly config: Config
  readonly tables: { readonly trunks: TrunkTable; readonly pbx: TrunkTable }
}

/** Rejects when an address is taken or a file cannot be used; what was opened is closed again. */
export async function openTrunkSockets({
  config,
  tables,
  ...rest
}: TrunkSocketsOptions): Promise<TrunkSockets> {
  const { upstream } = config
  const transports = await TrunkTransports.open({ ...rest, config, trunks: tables.trunks })
  if (upstream === undefined) return joined(transports, undefined)
  try {
    const own = onlyUpstream(config, upstream)
    return joined(transports, await TrunkTransports.open({ ...rest, config: own, trunks: tables.pbx }))
  } catch (error) {
    transports.close()
    throw error
  }
}

function joined(transports: TrunkTransports, pbxTransports: TrunkTransports | undefined): TrunkSockets {
  return {
    transports,
    pbxTransports,
    flowTo: (path) => transports.flowTo(path),
    flowToPbx: (path) => {
      if (pbxTransports === undefined) throw new Error('a PBX without sockets')
      return pbxTransports.flowTo(path)
    },
    flowTowards: (flow, remote) =>
      transports.flowTowards(flow, remote) ?? pbxTransports?.flowTowards(flow, remote),
    flowToListener: (flow, port) =>
      transports.flowToListener(flow, port) ?? pbxTransports?.flowToListener(flow, port),
    close: () => {
      pbxTransports?.close()
      transports.close()
    },
  }
}
