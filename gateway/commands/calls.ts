import { parseArgs } from 'node:util'
import { askDaemon } from '../admin-client.ts'
import type { CallSummary } from '../call-summary.ts'
import { type Command, DAEMON_OPTIONS, DAEMON_USAGE, socketOf } from '../command.ts'
import { printable, textTable } from '../text-table.ts'

export const calls: Command = {
  name: 'calls',
  summary: 'calls that are going on',
  usage: `webtrunk calls [options]

Lists the calls of the daemon on this machine.

${DAEMON_USAGE}`,
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: DAEMON_OPTIONS })
    // Our own daemon's word.
    const found = (await askDaemon(socketOf(values, io), 'calls')) as readonly CallSummary[]
    io.out(values.json ? `${JSON.stringify(found, undefined, 2)}\n` : callsText(found))
    return 0
  },
}

export function callsText(found: readonly CallSummary[]): string {
  if (found.length === 0) return 'no calls\n'
  const rows = found.map(({ callId, caller, callee, state, durationS }) => [
    state,
    `${durationS} s`,
    printable(caller),
    printable(callee),
    printable(callId),
  ])
  return textTable([['STATE', 'FOR', 'CALLER', 'CALLEE', 'CALL-ID'], ...rows])
}
