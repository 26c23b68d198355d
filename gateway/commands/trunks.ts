import { parseArgs } from 'node:util'
import type { TrunkLine } from '../trunks/trunk-report.ts'
import { askDaemon } from './admin-client.ts'
import { type Command, DAEMON_OPTIONS, DAEMON_USAGE, socketOf } from './command.ts'
import { jsonText, printable, textTable } from './text-table.ts'

export const trunks: Command = {
  name: 'trunks',
  summary: 'trunks: state, health, registration, calls, last failure',
  usage: `webtrunk trunks [options]

Lists the trunks of the daemon on this machine. A trunk is ready when calls are placed by it, or down, full, or unresolved (its
host has no address). Health is what its answers to OPTIONS say, where optionsS asks for them.

${DAEMON_USAGE}`,
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: DAEMON_OPTIONS })
    const found = await askDaemon<readonly TrunkLine[]>(socketOf(values, io), 'trunks')
    io.out(values.json ? jsonText(found) : trunksText(found))
    return 0
  },
}

export function trunksText(found: readonly TrunkLine[]): string {
  if (found.length === 0) return 'no trunks\n'
  const rows = found.map((line) => [
    line.name,
    line.groups.join(','),
    line.state,
    line.health,
    line.registered === undefined ? '-' : line.registered ? 'yes' : 'no',
    line.maxCalls === 0 ? String(line.calls) : `${line.calls}/${line.maxCalls}`,
    line.addresses.map(({ address, isResting }) => (isResting ? `${address} (rests)` : address)).join(', '),
    line.lastFailure === undefined ? '' : printable(`${line.lastFailure.at} ${line.lastFailure.reason}`),
  ])
  const head = ['TRUNK', 'GROUPS', 'STATE', 'HEALTH', 'REGISTERED', 'CALLS', 'ADDRESSES', 'LAST FAILURE']
  return textTable([head, ...rows])
}
