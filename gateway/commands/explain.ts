import { parseArgs } from 'node:util'
import type { CallReport } from '../ladder/call-report.ts'
import { ladderText, timelineText } from '../ladder/ladder-text.ts'
import { askDaemon } from './admin-client.ts'
import { type Command, DAEMON_OPTIONS, DAEMON_USAGE, socketOf } from './command.ts'
import { EX_USAGE } from './exit-status.ts'
import { jsonText } from './text-table.ts'

const USAGE = `webtrunk explain CALL-ID [options]

Says how far a call came, and what stopped it. CALL-ID: that of any of its legs, or the beginning of it.

  --timeline       with all that happened, descriptions too (their keys left out)
${DAEMON_USAGE}`

export const explain: Command = {
  name: 'explain',
  summary: 'how far a call came, what stopped it, why, and what to do',
  usage: USAGE,
  async run(args, io) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...DAEMON_OPTIONS, timeline: { type: 'boolean', default: false } },
    })
    const [id] = positionals
    if (id === undefined || positionals.length > 1) {
      io.err(USAGE)
      return EX_USAGE
    }
    const report = await askDaemon<CallReport>(socketOf(values, io), 'call', { id })
    if (values.json) io.out(jsonText(report))
    else io.out(values.timeline ? `${ladderText(report)}\n${timelineText(report)}` : ladderText(report))
    return 0
  },
}
