import type { ParseArgsConfig } from 'node:util'
import { loadConfig, USUAL_ADMIN_SOCKET } from '../../config/load.ts'

/** Where a command writes and what it reads; tests give their own. */
export interface CommandIo {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** One word after `webtrunk`. */
export interface Command {
  readonly name: string
  /** One line for `webtrunk --help`. */
  readonly summary: string
  /** For `webtrunk NAME --help`, ends with a newline. */
  readonly usage: string
  /** Resolves to the exit status. `args`: what follows the name. Errors of `parseArgs` and of the daemon may be thrown. */
  run(args: readonly string[], io: CommandIo): Promise<number>
}

/** For `parseArgs`: the options of every command that asks the daemon. */
export const DAEMON_OPTIONS = {
  socket: { type: 'string' },
  config: { type: 'string', short: 'c' },
  json: { type: 'boolean', default: false },
} as const satisfies ParseArgsConfig['options']

export const DAEMON_USAGE = `  --socket PATH    the daemon's admin socket; left out: that of --config, else the usual one
  --config FILE    the daemon's configuration file
  --json           for programs
`

/** Which daemon is meant: what the options say, what the environment says, and then the usual one. */
export function socketOf(
  options: { readonly socket?: string | undefined; readonly config?: string | undefined },
  { environment }: CommandIo,
): string {
  if (options.socket !== undefined && options.socket !== '') return options.socket
  const named = environment.WEBTRUNK_ADMIN_SOCKET ?? ''
  // As the daemon understands it: a daemon without one cannot be asked, and the usual place is where that is found out.
  if (named === 'auto' || named === 'off') return USUAL_ADMIN_SOCKET
  if (named !== '') return named
  const file = options.config ?? environment.WEBTRUNK_CONFIG
  if (file === undefined || file === '') return USUAL_ADMIN_SOCKET
  return loadConfig(file, environment).admin.socket ?? USUAL_ADMIN_SOCKET
}
