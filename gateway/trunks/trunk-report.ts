import type { TrunkConfig } from '../../config/config.ts'
import type { TrunkTable } from './trunk.ts'
import type { TrunkState } from './trunk-health.ts'
import type { TrunkStates } from './trunk-states.ts'

/** One trunk in the answer of `webtrunk trunks`. */
export interface TrunkLine {
  readonly name: string
  /** Groups it is in. */
  readonly groups: readonly string[]
  /** Whether calls are placed by it now: `ready`; `down` by OPTIONS, `full`, or `unresolved`, without an address. */
  readonly state: 'ready' | 'down' | 'full' | 'unresolved'
  /** `not asked` where optionsS is 0. */
  readonly health: TrunkState | 'not asked'
  /** Undefined where we do not register. */
  readonly registered?: boolean
  readonly calls: number
  /** 0: any number. */
  readonly maxCalls: number
  /** `transport address:port`, and whether it rests after a failure. */
  readonly addresses: readonly { readonly address: string; readonly isResting: boolean }[]
  readonly lastFailure?: { readonly at: string; readonly reason: string }
}

export interface TrunkReportOptions {
  readonly trunks: TrunkTable
  readonly groups: readonly {
    readonly name: string
    readonly trunks: readonly { readonly trunk: string }[]
  }[]
  readonly states: TrunkStates
  readonly callsOver: (trunk: string) => number
  readonly isRegistered: (trunk: string) => boolean | undefined
  /** Wall clock for a time of `states`. */
  readonly wallTime: (atMs: number) => Date
}

/** What is known of every trunk, in the order of the configuration. */
export function trunkReport(options: TrunkReportOptions): readonly TrunkLine[] {
  const { trunks } = options
  return trunks.names.flatMap((name) => {
    const trunk = trunks.get(name)
    if (trunk === undefined) return []
    const paths = trunk.servers.flatMap((server) => server.paths)
    const calls = options.callsOver(name)
    const registered = options.isRegistered(name)
    const failure = options.states.lastFailureOf(name)
    return [
      {
        name,
        groups: options.groups
          .filter(({ trunks: members }) => members.some((member) => member.trunk === name))
          .map((group) => group.name),
        state: stateOf(trunk.config, paths.length > 0, calls, options.states),
        health: trunk.config.optionsS === 0 ? ('not asked' as const) : options.states.healthOf(name),
        ...(registered === undefined ? {} : { registered }),
        calls,
        maxCalls: trunk.config.maxCalls,
        addresses: paths.map((path) => ({
          address: `${path.transport} ${path.remote.address}:${path.remote.port}`,
          isResting: options.states.isResting(path),
        })),
        ...(failure === undefined
          ? {}
          : { lastFailure: { at: options.wallTime(failure.atMs).toISOString(), reason: failure.reason } }),
      },
    ]
  })
}

function stateOf(
  { name, maxCalls }: TrunkConfig,
  hasAddress: boolean,
  calls: number,
  states: TrunkStates,
): TrunkLine['state'] {
  if (!hasAddress) return 'unresolved'
  if (states.healthOf(name) === 'down') return 'down'
  return maxCalls > 0 && calls >= maxCalls ? 'full' : 'ready'
}
