import type { Config } from '../config/config.ts'
import type { Calls } from './calls/calls.ts'
import { type Admin, PlainText } from './commands/admin.ts'
import { systemEnvironment } from './environment.ts'
import { answerAboutCalls } from './ladder/call-answers.ts'
import type { Metrics } from './ladder/metrics.ts'
import type { RegistrarMode } from './registration/registrar-mode.ts'
import { listeningOf } from './selftest/own-listener.ts'
import type { TrunkTable } from './trunks/trunk.ts'
import { trunkReport } from './trunks/trunk-report.ts'
import type { TrunkStates } from './trunks/trunk-states.ts'
import type { TrunkWatch } from './trunks/trunk-watch.ts'
import type { WebServer } from './web/web.ts'

/** Parts of the daemon that commands ask about. */
export interface Asked {
  readonly config: Config
  readonly calls: Calls
  readonly mode: RegistrarMode
  readonly trunks: TrunkTable
  readonly states: TrunkStates
  readonly trunkWatch: TrunkWatch
  readonly metrics: Metrics
  readonly web: WebServer
  /** Of the WebSocket, with what stands before every path. */
  readonly webSocketPath: string
}

/** What the command line may ask the running daemon. */
export function answerCommands(admin: Admin, asked: Asked): void {
  const { config, calls, mode, trunks, states, trunkWatch, metrics, web, webSocketPath } = asked
  answerAboutCalls(admin, calls.history)
  admin.handle('trunks', () =>
    trunkReport({
      trunks,
      groups: config.groups,
      states,
      callsOver: (trunk) => calls.callsOver(trunk),
      isRegistered: (trunk) => trunkWatch.isRegistered(trunk),
      wallTime: (atMs) => new Date(Date.now() - (systemEnvironment.nowMs() - atMs)),
    }),
  )
  admin.handle('registrations', () => mode.registrar.list())
  admin.handle('listening', () => listeningOf(config, web, webSocketPath))
  admin.handle('metrics', async () => new PlainText(metrics.contentType, await metrics.text()))
}
