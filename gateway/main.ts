#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ConfigFailure } from '../config/failure.ts'
import { loadConfig } from '../config/load.ts'
import { createLog, type Log } from '../config/logging.ts'
import { NoAnswerFromDaemon } from './commands/admin-client.ts'
import type { Command } from './commands/command.ts'
import { EX_CONFIG, EX_USAGE } from './commands/exit-status.ts'
import { textTable } from './commands/text-table.ts'
import { COMMANDS } from './commands.ts'
import { type Daemon, startDaemon } from './daemon.ts'
import { demoBanner } from './demo-banner.ts'
import { startFailureText } from './start-failure.ts'

const USAGE = `webtrunk: SIP over WebSocket to SIP trunk gateway

  webtrunk                    start the demo: two users, echo and tone, no trunks
  webtrunk --config FILE      start with a YAML or JSON configuration file
  webtrunk --check --config FILE
                              read the configuration, say what is wrong with it, and end
  webtrunk --version
  webtrunk --help

${textTable(COMMANDS.map(({ name, summary }) => [`  webtrunk ${name}`, summary]))}
webtrunk COMMAND --help says more of each.
`

interface Arguments {
  readonly config: string | undefined
  readonly isCheck: boolean
}

function readArguments(): Arguments | undefined {
  const { values } = parseArgs({
    options: {
      config: { type: 'string', short: 'c' },
      check: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return undefined
  }
  if (values.version) {
    process.stdout.write(`${version()}\n`)
    return undefined
  }
  return { config: values.config ?? (process.env.WEBTRUNK_CONFIG || undefined), isCheck: values.check }
}

function version(): string {
  // From dist/gateway/ the package file is two folders up.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version: unknown }).version)
}

async function run(args: Arguments): Promise<void> {
  if (args.isCheck && args.config === undefined) {
    process.stderr.write(`which configuration? Give --config FILE\n\n${USAGE}`)
    process.exitCode = EX_USAGE
    return
  }
  const config = loadConfig(args.config, process.env)
  if (args.isCheck) {
    process.stdout.write('configuration is valid\n')
    return
  }
  const log = createLog(config.log)
  const reloading = reloadOnSignal()
  const daemon = await startDaemon(config, log, {
    product: `webtrunk/${version()}`,
    pagesFolder: fileURLToPath(new URL('./pages/', import.meta.url)),
  }).catch((error: unknown) => {
    const text = startFailureText(error, config)
    if (text === undefined) throw error
    process.stderr.write(`webtrunk could not start: ${text}\n`)
    process.exitCode = 1
  })
  if (daemon === undefined) return
  if (config.demo) process.stdout.write(demoBanner(config, daemon.web))
  stopOnSignals(daemon, log)
  reloading.begin(daemon)
}

/**
 * Renewed certificates are found without SIGHUP; it is for those who do not want to wait, and for log files that are moved away. One that
 * comes while the daemon starts is heeded when it has; without anybody to listen, it would be the end of the process.
 */
function reloadOnSignal(): { readonly begin: (daemon: Daemon) => void } {
  let daemon: Daemon | undefined
  let isWanted = false
  process.on('SIGHUP', () => {
    isWanted = true
    void daemon?.reload()
  })
  return {
    begin: (started) => {
      daemon = started
      if (isWanted) void started.reload()
    },
  }
}

/** Ctrl-C under npm arrives twice, from the terminal and from npm: that is one wish. */
const SAME_SIGNAL_MS = 1_000

/** The first signal ends calls politely, a later one ends the process at once; so does one that comes while the daemon starts. */
function stopOnSignals(daemon: Daemon, log: Log): void {
  let firstAtMs: number | undefined
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now()
    if (firstAtMs !== undefined) {
      if (nowMs - firstAtMs > SAME_SIGNAL_MS) process.exit(1)
      return
    }
    firstAtMs = nowMs
    log.info('stopping', { signal })
    daemon
      .stop()
      .then(() => {
        log.info('stopped')
        // A thread that stands still would keep the process for ever.
        if (daemon.stalledThreads > 0) process.exit(1)
      })
      .catch((error: unknown) => {
        log.error('stop failed', { error })
        process.exitCode = 1
      })
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  // A daemon that carries calls outlives its own mistakes; each is logged with its stack and counted as a defect.
  process.on('uncaughtException', (error) => log.error('uncaught exception', { error }))
  process.on('unhandledRejection', (error) => log.error('unhandled rejection', { error }))
}

async function runCommand(command: Command, args: readonly string[]): Promise<void> {
  // A reader that goes away, as `head` does, costs lines.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(command.usage)
    return
  }
  process.exitCode = await command.run(args, {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    environment: process.env,
  })
}

const [word = '', ...rest] = process.argv.slice(2)
const command = COMMANDS.find(({ name }) => name === word)

try {
  if (command !== undefined) await runCommand(command, rest)
  else if (word !== '' && !word.startsWith('-')) {
    process.stderr.write(`webtrunk: no command ${JSON.stringify(word)}\n\n${USAGE}`)
    process.exitCode = EX_USAGE
  } else {
    const args = readArguments()
    if (args !== undefined) await run(args)
  }
} catch (error) {
  if (error instanceof ConfigFailure) {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = error.isPassing ? 1 : EX_CONFIG
  } else if (error instanceof NoAnswerFromDaemon) {
    process.stderr.write(`webtrunk: ${error.message}\n`)
    process.exitCode = error.exitStatus
  } else if (
    error instanceof TypeError &&
    'code' in error &&
    String(error.code).startsWith('ERR_PARSE_ARGS')
  ) {
    process.stderr.write(`${error.message}\n\n${command?.usage ?? USAGE}`)
    process.exitCode = EX_USAGE
  } else if (error instanceof Error && 'syscall' in error) {
    process.stderr.write(`webtrunk: ${error.message}\n`)
    process.exitCode = 1
  } else {
    process.stderr.write(
      `webtrunk could not start: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    process.exitCode = 1
  }
}
