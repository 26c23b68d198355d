import { parseArgs } from 'node:util'
import type { RegistrationSummary } from '../registration/registration-summary.ts'
import { askDaemon } from './admin-client.ts'
import { type Command, DAEMON_OPTIONS, DAEMON_USAGE, socketOf } from './command.ts'
import { jsonText, printable, textTable } from './text-table.ts'

export const registrations: Command = {
  name: 'registrations',
  summary: 'users that are signed in, where from and with what',
  usage: `webtrunk registrations [options]

Lists the devices of users that can be called, by the daemon on this machine. A device with several connections has a line
for each.

${DAEMON_USAGE}`,
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: DAEMON_OPTIONS })
    const found = await askDaemon<readonly RegistrationSummary[]>(socketOf(values, io), 'registrations')
    io.out(values.json ? jsonText(found) : registrationsText(found))
    return 0
  },
}

export function registrationsText(found: readonly RegistrationSummary[]): string {
  if (found.length === 0) return 'no registrations\n'
  const rows = found.map(({ user, instance, regId, contact, transport, remote, expiresInS, userAgent }) => [
    printable(user),
    printable(instance ?? contact),
    regId === null ? '-' : String(regId),
    transport,
    remote,
    `${expiresInS} s`,
    printable(userAgent ?? '-'),
  ])
  return textTable([['USER', 'DEVICE', 'FLOW', 'BY', 'FROM', 'EXPIRES', 'CLIENT'], ...rows])
}
