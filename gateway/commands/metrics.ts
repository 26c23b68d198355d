import { parseArgs } from 'node:util'
import { askDaemon } from './admin-client.ts'
import { type Command, DAEMON_OPTIONS, DAEMON_USAGE, socketOf } from './command.ts'

export const metrics: Command = {
  name: 'metrics',
  summary: 'figures of the daemon in the text format of Prometheus',
  usage: `webtrunk metrics [options]

Prints what metrics.port serves at /metrics: calls by outcome and code, stage durations, drops, MOS, trunks, event-loop lag.

${DAEMON_USAGE}`,
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: DAEMON_OPTIONS })
    const text = String(await askDaemon(socketOf(values, io), 'metrics'))
    io.out(values.json ? `${JSON.stringify({ text })}\n` : text)
    return 0
  },
}
