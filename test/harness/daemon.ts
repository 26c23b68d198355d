import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import { askDaemon } from '../../gateway/commands/admin-client.ts'
import type { CallReport } from '../../gateway/ladder/call-report.ts'
import type { Cdr } from '../../gateway/ladder/cdr.ts'
import { CallVerdicts, type ExpectedCall } from './call-verdicts.ts'
import { leftTables } from './left-tables.ts'
import { ownAddress } from './own-address.ts'
import { PeerProcess } from './peer-process.ts'
import { freePort, freePortRange } from './ports.ts'
import { type WaitOptions, waitFor } from './wait-for.ts'

/** The built program. */
export const MAIN = fileURLToPath(new URL('../../dist/gateway/main.js', import.meta.url))
const RTP_PORTS = 64

export interface TrunkOptions {
  readonly name?: string
  /** Default: 127.0.0.1. */
  readonly host?: string
  /** Where the peer listens; left out: as the DNS says. */
  readonly port?: number
  readonly profile?: string
  readonly media?: 'rtp' | 'sdes' | 'dtls'
  readonly osrtp?: 'off' | 'optional' | 'required'
  readonly avpf?: boolean
  readonly rtcpMux?: boolean
  readonly codecs?: readonly string[]
  /** Default: the gateway's. */
  readonly suites?: readonly string[]
  readonly transport?: 'udp' | 'tcp' | 'tls' | 'auto'
  /** As the configuration has them. */
  readonly tls?: Readonly<Record<string, unknown>>
  readonly account?: Readonly<Record<string, unknown>>
  readonly inbound?: Readonly<Record<string, unknown>>
  readonly optionsS?: number
  /** Believed and told who calls. */
  readonly trusted?: boolean
  readonly dtmf?: 'rfc4733' | 'info-relay' | 'info-dtmf'
  readonly ptimeMs?: number
  readonly mediaPorts?: 'per-call' | 'shared'
  /** Default: where `host` is. */
  readonly sources?: readonly string[]
}

export interface DaemonOptions {
  readonly trunks?: readonly TrunkOptions[]
  /** Names of trunks by name of a group, in the order to try. */
  readonly groups?: Readonly<Record<string, readonly string[]>>
  /** Default: `9...` to the first trunk, all digits kept. */
  readonly routes?: readonly { readonly prefix: string; readonly trunk: string; readonly strip?: number }[]
  /** Default: alice and bob with `PASSWORDS`. */
  readonly users?: readonly Readonly<Record<string, unknown>>[]
  /** Put over the configuration, section by section. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Whole sections in place of those of the configuration. */
  readonly sections?: Readonly<Record<string, unknown>>
}

/** One line of the daemon's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly message: string; readonly level: string }

export const PASSWORDS = { alice: 'open sesame', bob: 'swordfish' } as const
export type User = keyof typeof PASSWORDS

const isLogLine = (value: unknown): value is LogLine =>
  typeof value === 'object' && value !== null && 'message' in value && 'level' in value

const parseLine = (line: string): LogLine | undefined => {
  if (!line.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(line)
    return isLogLine(value) ? value : undefined
  } catch {
    // A line that is still being written.
    return undefined
  }
}

const isRecord = (line: object): line is LogLine & Cdr => 'message' in line && line.message === 'call record'

const configFor = (options: DaemonOptions, webrtcPort: number, firstRtpPort: number): object => {
  const trunks = (options.trunks ?? []).map(
    ({ name = 'pbx', media = 'rtp', codecs = ['PCMU', 'PCMA'], ...more }) => ({
      name,
      host: '127.0.0.1',
      media,
      codecs,
      ...more,
    }),
  )
  const sections: Record<string, object> = {
    web: { http: { host: '127.0.0.1', port: 0 } },
    udp: { host: '127.0.0.1', port: 0 },
    media: {
      addresses: [...new Set(['127.0.0.1', ownAddress()])],
      webrtcPort,
      rtpPortMin: firstRtpPort,
      rtpPortMax: firstRtpPort + RTP_PORTS - 1,
      portRestS: 0,
    },
    // Two RTP and RTCP pairs for each call.
    calls: { maxCalls: RTP_PORTS / 4 },
    admin: { socket: 'admin.sock' },
    log: { format: 'json', level: 'debug' },
  }
  for (const [name, section] of Object.entries(options.config ?? {})) {
    sections[name] = { ...sections[name], ...section }
  }
  const [trunk] = trunks
  return {
    domain: 'webtrunk.test',
    users: options.users ?? Object.entries(PASSWORDS).map(([name, password]) => ({ name, password })),
    trunks,
    groups: Object.entries(options.groups ?? {}).map(([name, members]) => ({
      name,
      trunks: members.map((member, priority) => ({ trunk: member, priority })),
    })),
    routes: options.routes ?? (trunk === undefined ? [] : [{ prefix: '9', trunk: trunk.name }]),
    ...sections,
    ...options.sections,
  }
}

const running = new Set<Daemon>()

// After what the test itself ends after each test, such as its phones: hooks run the newest first.
afterEach(async ({ task }) => {
  for (const daemon of running) {
    if (task.result?.state === 'fail') daemon.forgetVerdicts()
    else await daemon.checkVerdicts()
  }
})

/**
 * The gateway as a child process on free ports of loopback. After each test, and when it is closed, every call of the test must have
 * ended with the verdict `ok` and all rungs climbed, or with what the test expects by name (`expectsVerdicts`).
 */
export class Daemon {
  /** `http://localhost:PORT`: a secure context for browsers, so that the microphone works. */
  readonly pageUrl: string
  /** Self-signed; only the demo has it, a configuration would have to bring its certificate. */
  readonly securePageUrl: string | undefined
  readonly webSocketUrl: string
  /** `host:port` of SIP over UDP. */
  readonly sipAddress: string
  /** The same over TCP and TLS, where the configuration has them. */
  readonly tcpAddress: string
  readonly tlsAddress: string
  /** Of all browser media. */
  readonly webrtcPort: number
  /** Of trunk media. */
  readonly rtpPorts: { readonly min: number; readonly max: number }
  readonly #process: PeerProcess
  readonly #folder: string
  #isKilled = false
  readonly verdicts = new CallVerdicts()
  /** Calls of tests before. */
  readonly #past = new Set<string>()

  /** With users alice and bob, and the given trunks. */
  static async start(options: DaemonOptions = {}): Promise<Daemon> {
    const ports = { webrtc: await freePort(ownAddress()), rtp: await freePortRange(RTP_PORTS) }
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-daemon-'))
    // JSON is YAML.
    const file = join(folder, 'webtrunk.yaml')
    await writeFile(file, JSON.stringify(configFor(options, ports.webrtc, ports.rtp), undefined, 2))
    return Daemon.#launch(['--config', file], {}, folder, ports)
  }

  /** As a newcomer starts it: no configuration file. Its output holds the URLs. */
  static async startDemo(): Promise<Daemon> {
    // No trunks, so no ports of theirs.
    const ports = { webrtc: await freePort(ownAddress()), rtp: 0 }
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-daemon-'))
    const environment = {
      WEBTRUNK_WEB_HTTPS_PORT: '0',
      WEBTRUNK_WEB_HTTP_PORT: '0',
      WEBTRUNK_MEDIA_WEBRTC_PORT: String(ports.webrtc),
      WEBTRUNK_LOG_FORMAT: 'json',
    }
    return Daemon.#launch([], environment, folder, ports)
  }

  static async #launch(
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
    folder: string,
    ports: { readonly webrtc: number; readonly rtp: number },
  ): Promise<Daemon> {
    if (!existsSync(MAIN)) throw new Error('the gateway is not built: npm run build')
    const child = new PeerProcess(process.execPath, [MAIN, ...args], {
      cwd: folder,
      env: { ...process.env, ...environment },
    })
    try {
      const listening = await child.waitForOutput('listening', (output) =>
        output
          .split('\n')
          .map(parseLine)
          .find((line) => line?.message === 'listening'),
      )
      return new Daemon(child, folder, listening, ports)
    } catch (error) {
      await child.stop('SIGKILL')
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  private constructor(
    child: PeerProcess,
    folder: string,
    listening: LogLine,
    ports: { readonly webrtc: number; readonly rtp: number },
  ) {
    this.#process = child
    this.#folder = folder
    running.add(this)
    this.webrtcPort = ports.webrtc
    this.rtpPorts = { min: ports.rtp, max: ports.rtp + RTP_PORTS - 1 }
    this.pageUrl = `http://localhost:${listening.http}/`
    this.securePageUrl = listening.https === undefined ? undefined : `https://127.0.0.1:${listening.https}/`
    this.webSocketUrl = `ws://127.0.0.1:${listening.http}/sip`
    const first = (all: unknown): string => (Array.isArray(all) ? String(all[0] ?? '') : '')
    this.sipAddress = first(listening.udp)
    this.tcpAddress = first(listening.tcp)
    this.tlsAddress = first(listening.tls)
  }

  get pid(): number {
    const { pid } = this.#process
    if (pid === undefined) throw new Error('the gateway did not start')
    return pid
  }

  /** That it was started with. */
  get configFile(): string {
    return join(this.#folder, 'webtrunk.yaml')
  }

  get output(): string {
    return this.#process.output
  }

  get log(): readonly LogLine[] {
    return this.#process.output.split('\n').flatMap((line) => parseLine(line) ?? [])
  }

  /** Page address that signs `user` in. */
  pageFor(user: User): string {
    return `${this.pageUrl}#user=${user}&password=${encodeURIComponent(PASSWORDS[user])}`
  }

  async waitForLog(what: string, probe: (line: LogLine) => boolean, options?: WaitOptions): Promise<LogLine> {
    return waitFor(
      what,
      () => this.log.find(probe),
      options,
      () => this.output,
    )
  }

  /** What the first group of `pattern` matches in the output, log and banner. */
  async waitForOutput(what: string, pattern: RegExp, options?: WaitOptions): Promise<string> {
    return this.#process.waitForOutput(what, (output) => pattern.exec(output)?.[1], options)
  }

  /** `/healthz` as JSON. */
  async health(): Promise<{
    readonly status: string
    readonly calls: number
    readonly registrations: number
  }> {
    const response = await fetch(`${this.webSocketUrl.replace('ws:', 'http:').replace('/sip', '/healthz')}`)
    return (await response.json()) as { status: string; calls: number; registrations: number }
  }

  async waitForNoCalls(): Promise<void> {
    await waitFor(
      'the gateway to hold no call',
      async () => (await this.health()).calls === 0,
      {},
      () => this.output,
    )
  }

  /** `webtrunk ARGS`, asking this daemon. */
  async command(...args: readonly string[]): Promise<{ readonly status: number; readonly output: string }> {
    const child = new PeerProcess(process.execPath, [MAIN, ...args], {
      env: { ...process.env, WEBTRUNK_ADMIN_SOCKET: join(this.#folder, 'admin.sock') },
    })
    return { status: await child.exited(), output: child.output }
  }

  /** One for each call of this test that is not to be good: the codes of all that is found in it. */
  expectsVerdicts(...calls: readonly ExpectedCall[]): void {
    this.verdicts.expect(...calls)
  }

  /** Its own mistakes, which it logs and outlives: an uncaught exception, an internal error. */
  get unexpectedErrors(): readonly LogLine[] {
    return this.log.filter(({ level }) => level === 'error')
  }

  /** Throws when a call since the last test had another verdict than the test expects, or goes on. */
  async checkVerdicts(): Promise<void> {
    await waitFor(
      'the calls of the test to end',
      () => this.#process.exitCode !== undefined || this.#liveCalls().length === 0,
      { timeoutMs: 10_000 },
      () => `${this.#liveCalls().join(' ')}\n${this.output.slice(-8_000)}`,
    )
    const records = this.#callLines().filter(isRecord)
    const own = records.filter(({ callId }) => !this.#past.has(callId))
    for (const { callId } of own) this.#past.add(callId)
    this.verdicts.check(own)
  }

  /** What the calls until now were concerns nobody: their test has failed. */
  forgetVerdicts(): void {
    for (const { callId } of this.#callLines()) this.#past.add(callId)
    this.verdicts.forget()
  }

  #liveCalls(): readonly string[] {
    const live = new Map<string, number>()
    const count = (id: string, change: number): unknown => live.set(id, (live.get(id) ?? 0) + change)
    for (const { message, callId } of this.#callLines()) {
      if (this.#past.has(callId)) continue
      if (message === 'call started') count(callId, 1)
      // The first half of a sign-in has no record of its own.
      else if (message === 'call challenged' || message === 'call record') count(callId, -1)
    }
    return [...live].filter(([, calls]) => calls > 0).map(([id]) => id)
  }

  #callLines(): readonly (LogLine & { readonly callId: string })[] {
    return this.output
      .split('\n')
      .filter((line) => line.includes('"callId"'))
      .flatMap((line) => parseLine(line) ?? [])
      .filter((line): line is LogLine & { readonly callId: string } => typeof line.callId === 'string')
  }

  /** Of all calls so far, as `webtrunk explain` has them. */
  async reports(): Promise<readonly CallReport[]> {
    const socket = join(this.#folder, 'admin.sock')
    const lines = (await askDaemon(socket, 'calls')) as readonly { readonly callId: string }[]
    return Promise.all(
      lines.map(async ({ callId: id }) => (await askDaemon(socket, 'call', { id })) as CallReport),
    )
  }

  /** SIGTERM; resolves with the exit code, 0 for an orderly stop. May be called twice. */
  async stop(): Promise<number> {
    const code = await this.#process.stop('SIGTERM', 15_000)
    await rm(this.#folder, { recursive: true, force: true })
    return code
  }

  /** The end without a goodbye: SIGKILL. */
  async kill(): Promise<void> {
    this.#isKilled = true
    await this.#process.stop('SIGKILL')
  }

  /** After `kill`: the same configuration in the same folder. */
  async startAgain(): Promise<Daemon> {
    const ports = { webrtc: this.webrtcPort, rtp: this.rtpPorts.min }
    return Daemon.#launch(['--config', this.configFile], {}, this.#folder, ports)
  }

  /** For clean-up. Throws when it was not killed and did not stop in order, logged an error, or left something of a call in its tables. */
  async close(): Promise<void> {
    const status = await this.stop()
    running.delete(this)
    if (this.#isKilled) return
    const fail = (why: string): never => {
      throw new Error(`the gateway ${why}\n${this.output.slice(-8_000)}`)
    }
    if (status !== 0) fail(`stopped with ${status}`)
    const errors = this.unexpectedErrors
    if (errors.length > 0) fail(`logged errors: ${JSON.stringify(errors, undefined, 1)}`)
    await this.checkVerdicts()
    const left = leftTables(this.log, false)
    if (left === undefined) fail('did not tell what is left in its tables')
    else if (left.length > 0) fail(`left behind: ${JSON.stringify(left)}`)
  }
}
