import { parseArgs } from 'node:util'
import type { CallLine } from '../ladder/call-answers.ts'
import { askDaemon } from './admin-client.ts'
import { type Command, DAEMON_OPTIONS, DAEMON_USAGE, socketOf } from './command.ts'
import { jsonText, printable, textTable } from './text-table.ts'

export const calls: Command = {
  name: 'calls',
  summary: 'calls that are going on or ended not long ago, each with its verdict',
  usage: `webtrunk calls [options]

Lists the calls of the daemon on this machine, the newest first. webtrunk explain CALL-ID says more of one.

${DAEMON_USAGE}`,
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: DAEMON_OPTIONS })
    const found = await askDaemon<readonly CallLine[]>(socketOf(values, io), 'calls')
    io.out(values.json ? jsonText(found) : callsText(found))
    return 0
  },
}

function callsText(found: readonly CallLine[]): string {
  if (found.length === 0) return 'no calls\n'
  const rows = found.map(({ startedAt, caller, callee, state, durationS, outcome, stage, code, callId }) => [
    startedAt.slice(11, 19),
    `${durationS} s`,
    state === 'ended' ? outcome : state,
    stage === undefined ? '' : `${stage} ${code}`,
    printable(caller),
    printable(callee),
    printable(callId),
  ])
  return textTable([['AT (UTC)', 'FOR', 'CALL', 'VERDICT', 'CALLER', 'CALLEE', 'CALL-ID'], ...rows])
}
