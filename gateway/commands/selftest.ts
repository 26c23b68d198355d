import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Config } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import type { Listening } from '../ladder/call-answers.ts'
import type { CallReport } from '../ladder/call-report.ts'
import { ladderText } from '../ladder/ladder-text.ts'
import type { SelftestTrust } from '../selftest/selftest-connection.ts'
import { askDaemon, NoAnswerFromDaemon } from './admin-client.ts'
import { type Command, type CommandIo, DAEMON_OPTIONS, DAEMON_USAGE, socketOf } from './command.ts'
import { EX_USAGE } from './exit-status.ts'
import { jsonText } from './text-table.ts'

const USAGE = `webtrunk selftest [options]

Places a real call as a browser would: registers over WSS, calls, and listens whether audio comes back. Prints how far it
came, and what the gateway knows of the call. Exit status 0: two-way audio; 1: not.

  --number NUMBER        what to dial; left out: echo
  --trunk NAME           the call must have gone out by this trunk
  --no-echo              the far end does not send back what it hears; any audio from it will do
  --url URL              of the WebSocket, whose certificate is checked as a browser does; left out: that of the daemon on
                         this machine, at the address it listens at, with the certificate of its configuration
  --domain DOMAIN        left out: the daemon's
  --user NAME            left out: the first user with a password in --config
  --password-file FILE   its first line; left out: from --config
  --insecure             take any certificate
  --timeout SECONDS      for all of it; left out: 40, longer than a silent trunk may take
${DAEMON_USAGE}`

const OPTIONS = {
  ...DAEMON_OPTIONS,
  number: { type: 'string', default: 'echo' },
  trunk: { type: 'string' },
  'no-echo': { type: 'boolean', default: false },
  url: { type: 'string' },
  domain: { type: 'string' },
  user: { type: 'string' },
  'password-file': { type: 'string' },
  insecure: { type: 'boolean', default: false },
  timeout: { type: 'string', default: '40' },
} as const

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

export const selftest: Command = {
  name: 'selftest',
  summary: 'a real call through the gateway: is there audio both ways, and if not, what stops it',
  usage: USAGE,
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    const timeoutMs = Number(values.timeout) * 1_000
    const file = values.config ?? io.environment.WEBTRUNK_CONFIG
    const config = file === undefined || file === '' ? undefined : loadConfig(file, io.environment)
    const credentials = credentialsOf(values, config)
    if (credentials === undefined || !(timeoutMs > 0)) {
      io.err(`webtrunk: --user and --password-file, or --config with a user who has a password\n\n${USAGE}`)
      return EX_USAGE
    }
    const place = await placeOf(values, io)
    if (place === undefined) {
      io.err('webtrunk: the daemon listens for proxies only: give the --url that a browser uses\n')
      return EX_USAGE
    }
    // werift and SIP.js are for this command alone.
    const { runSelftest, selftestText } = await import('../selftest/selftest-run.ts')
    const result = await runSelftest({
      account: { ...place, ...credentials },
      number: values.number,
      isEcho: !values['no-echo'],
      timeoutMs,
    })
    const report = result.callId === undefined ? undefined : await reportOf(result.callId, values, io)
    const astray = values.trunk === undefined ? undefined : wrongTrunk(report, values.trunk)
    const isOk = result.isOk && astray === undefined
    if (values.json) io.out(jsonText({ ...result, isOk, reason: result.reason ?? astray, report }))
    else {
      io.out(selftestText(result))
      if (astray !== undefined) io.out(`${astray}\n`)
      if (report !== undefined) io.out(`\nAs the gateway saw it:\n\n${ladderText(report)}`)
      io.out(isOk ? '\ntwo-way audio: ok\n' : '\ntwo-way audio: NO\n')
    }
    return isOk ? 0 : 1
  },
}

function credentialsOf(
  values: Values,
  config: Config | undefined,
): { user: string; password: string } | undefined {
  const file = values['password-file']
  if (values.user !== undefined && file !== undefined) {
    return { user: values.user, password: readFileSync(file, 'utf8').split(/\r?\n/, 1)[0] ?? '' }
  }
  const found = config?.users.find(
    ({ name, password }) => password !== undefined && (values.user === undefined || name === values.user),
  )
  return found?.password === undefined ? undefined : { user: found.name, password: found.password.reveal() }
}

/** Undefined: the daemon has no listener for us. */
async function placeOf(
  values: Values,
  io: CommandIo,
): Promise<{ url: string; domain: string; trust: SelftestTrust } | undefined> {
  const { url, domain, insecure } = values
  const trustIn = (trust: SelftestTrust): SelftestTrust => (insecure ? { kind: 'any' } : trust)
  if (url !== undefined && domain !== undefined) return { url, domain, trust: trustIn({ kind: 'public' }) }
  const listening = await askDaemon<Listening>(socketOf(values, io), 'listening')
  if (url !== undefined) return { url, domain: listening.domain, trust: trustIn({ kind: 'public' }) }
  if (listening.url === undefined) return undefined
  const own = { url: listening.url, domain: domain ?? listening.domain }
  const { certificateFile: file } = listening
  // Without a file the demo has made it, and only the demo knows it.
  if (file === undefined) return { ...own, trust: { kind: 'any' } }
  const pem = readFileSync(file, 'utf8')
  return { ...own, trust: trustIn({ kind: 'file', file, pem, name: listening.domain }) }
}

/** What the gateway knows; undefined when it is on another machine. Its last word comes shortly after the BYE. */
async function reportOf(callId: string, values: Values, io: CommandIo): Promise<CallReport | undefined> {
  try {
    for (let turn = 0; ; turn += 1) {
      const report = await askDaemon<CallReport>(socketOf(values, io), 'call', { id: callId })
      if (report.state === 'ended' || turn === 20) return report
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  } catch (error) {
    if (error instanceof NoAnswerFromDaemon) return undefined
    throw error
  }
}

function wrongTrunk(report: CallReport | undefined, trunk: string): string | undefined {
  if (report === undefined) {
    return `by which trunk the call went out only the daemon knows, and it does not say (admin.socket, calls.keepCalls)`
  }
  if (report.legs.some(({ party }) => party === `trunk:${trunk}`)) return undefined
  return `the call went to ${report.callee}, not to trunk:${trunk}: look at the routes`
}
