import type { Config } from '../../config/config.ts'
import type { MediaEngine } from '../../media/engine.ts'
import type { WebSocketTransport } from '../../sip/transport/wss.ts'
import type { UserAgent } from '../../sip/user-agent.ts'
import type { Calls } from '../calls/calls.ts'
import type { Refusals } from '../refusals.ts'
import type { RegistrarMode } from '../registration/registrar-mode.ts'
import type { Strangers } from '../trunks/strangers.ts'
import type { TrunkStates } from '../trunks/trunk-states.ts'
import type { TrunkWatch } from '../trunks/trunk-watch.ts'
import type { MetricSources } from './metrics.ts'

/** Parts of the daemon that figures are read from. */
export interface Measured {
  readonly calls: Calls
  readonly mode: RegistrarMode
  readonly sockets: WebSocketTransport
  readonly states: TrunkStates
  readonly trunkWatch: TrunkWatch
  readonly userAgent: UserAgent
  readonly engine: MediaEngine
  readonly strangers: Strangers
  readonly refusals: Refusals
}

/** `parts` is called when somebody scrapes: the parts are joined after their figures have a place. */
export function metricSources({ trunks }: Pick<Config, 'trunks'>, parts: () => Measured): MetricSources {
  return {
    calls: () => parts().calls.size,
    mediaLoads: () => parts().engine.loads(),
    stalledMediaThreads: () => parts().engine.stalledThreads,
    registrations: () => parts().mode.registrar.size,
    webSockets: () => parts().sockets.connectionCount,
    trunks: () => new Map(trunks.map(({ name }) => [name, parts().states.healthOf(name)])),
    trunkRegistrations: () =>
      new Map(
        trunks.flatMap(({ name }) => {
          const isRegistered = parts().trunkWatch.isRegistered(name)
          return isRegistered === undefined ? [] : [[name, isRegistered] as const]
        }),
      ),
    drops: () => {
      const { userAgent, engine, sockets, strangers, refusals } = parts()
      return {
        sip: userAgent.counters(),
        media: engine.counters(),
        websocket: sockets.counters(),
        strangers: strangers.counters(),
        refusals: refusals.counters(),
      }
    },
  }
}
