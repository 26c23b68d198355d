import type { Config } from '../config/config.ts'
import { type Admin, PlainText } from './commands/admin.ts'
import { systemEnvironment } from './environment.ts'
import { answerAboutCalls } from './ladder/call-answers.ts'
import type { Metrics } from './ladder/metrics.ts'
import { listeningOf } from './selftest/own-listener.ts'
import type { Signalling } from './signalling.ts'
import { trunkReport } from './trunks/trunk-report.ts'
import type { BrowserSide } from './web/browser-side.ts'

/** Parts of the daemon that commands ask about. */
export interface AnsweringParts {
  readonly config: Config
  readonly signalling: Signalling
  readonly browserSide: BrowserSide
  readonly metrics: Metrics
}

/** What the command line may ask the running daemon. */
export function answerCommands(admin: Admin, parts: AnsweringParts): void {
  const { config, signalling, browserSide, metrics } = parts
  const { calls, mode, trunks, states, trunkWatch } = signalling
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
  admin.handle('listening', () => listeningOf(config, browserSide.web, browserSide.webSocketPath))
  admin.handle('metrics', async () => new PlainText(metrics.contentType, await metrics.text()))
}
