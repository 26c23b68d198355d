import type { Config } from '../../config/config.ts'
import { onlyUpstream } from '../registration/upstream-line.ts'
import type { TrunkTable } from './trunk.ts'
import { TrunkTransports, type TrunkTransportsOptions } from './trunk-transports.ts'

/** The sockets towards trunks, and those for a PBX that keeps the registrations. */
export interface TrunkSockets {
  readonly transports: TrunkTransports
  /** Undefined where we are the registrar. */
  readonly pbxTransports: TrunkTransports | undefined
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
  if (upstream === undefined) return { transports, pbxTransports: undefined }
  try {
    const own = onlyUpstream(config, upstream)
    return {
      transports,
      pbxTransports: await TrunkTransports.open({ ...rest, config: own, trunks: tables.pbx }),
    }
  } catch (error) {
    transports.close()
    throw error
  }
}
