import type { Config } from '../../config/config.ts'
import type { MediaEngine } from '../../media/engine.ts'
import type { WebSocketTransport } from '../../sip/transport/wss.ts'
import type { Signalling } from '../signalling.ts'
import type { CertificateTimes } from '../web/certificate-times.ts'
import type { WebServer } from '../web/web.ts'
import type { MetricSources } from './metrics.ts'

/** Parts of the daemon that figures are read from. */
export interface MeasuredParts {
  readonly signalling: Signalling
  readonly sockets: WebSocketTransport
  readonly engine: MediaEngine
  readonly web: Pick<WebServer, 'counters'>
  readonly certificates: CertificateTimes
}

/** `parts` is called when somebody scrapes: the parts are joined after their figures have a place. */
export function metricSources({ trunks }: Pick<Config, 'trunks'>, parts: () => MeasuredParts): MetricSources {
  return {
    calls: () => parts().signalling.calls.size,
    mediaLoads: () => parts().engine.loads(),
    stalledMediaThreads: () => parts().engine.stalledThreads,
    registrations: () => parts().signalling.mode.registrar.size,
    webSockets: () => parts().sockets.connectionCount,
    trunks: () => new Map(trunks.map(({ name }) => [name, parts().signalling.states.healthOf(name)])),
    trunkRegistrations: () =>
      new Map(
        trunks.flatMap(({ name }) => {
          const isRegistered = parts().signalling.trunkWatch.isRegistered(name)
          return isRegistered === undefined ? [] : [[name, isRegistered] as const]
        }),
      ),
    certificateDays: () => parts().certificates.daysLeft(),
    drops: () => {
      const { signalling, engine, sockets, web } = parts()
      const { userAgent, strangers, refusals } = signalling
      return {
        sip: userAgent.counters(),
        media: engine.counters(),
        websocket: sockets.counters(),
        web: web.counters(),
        strangers: strangers.counters(),
        refusals: refusals.counters(),
      }
    },
  }
}
