import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { createServer, isIPv6 } from 'node:net'
import { parseArgs } from 'node:util'
import type { Config, TrunkConfig } from '../../config/config.ts'
import { ConfigFailure } from '../../config/failure.ts'
import { loadConfig } from '../../config/load.ts'
import type { Trunk } from '../trunks/trunk.ts'
import type { Command, CommandIo } from './command.ts'
import type { BoundSocket, CheckLine, CheckWorld } from './configuration-check.ts'
import { EX_CONFIG, EX_USAGE } from './exit-status.ts'
import { jsonText, textTable } from './text-table.ts'

export const check: Command = {
  name: 'check',
  summary: 'test a configuration: certificates, names of trunks, ports; no daemon is needed',
  usage: `webtrunk check --config FILE [--json]

Reads the configuration, then looks at what it names: certificates (how long they are good, whose they are), hosts of trunks (by
the DNS), ports (whether they can be bound), addresses that others are told, whether there are emergency numbers, whether the RTP
ports are given to others by the system, and how many packets it keeps for us. Warnings are for you to judge. Exit status: 0 without errors, 1 with at least one, 78 when the configuration cannot be used.

  --config FILE    the configuration file; left out: that of WEBTRUNK_CONFIG
  --json           for programs
`,
  async run(args, io) {
    const { values } = parseArgs({
      args: [...args],
      options: { config: { type: 'string', short: 'c' }, json: { type: 'boolean', default: false } },
    })
    const file = values.config ?? io.environment.WEBTRUNK_CONFIG
    if (file === undefined || file === '') {
      io.err(`which configuration? Give --config FILE\n\n${check.usage}`)
      return EX_USAGE
    }
    const config = read(file, io)
    if (config === undefined) return EX_CONFIG
    const lines = await linesOf(config)
    io.out(values.json ? jsonText(lines) : checkText(lines))
    return lines.some(({ level }) => level === 'error') ? 1 : 0
  },
}

const checkText = (lines: readonly CheckLine[]): string =>
  textTable(lines.map(({ level, what, text }) => [level === 'ok' ? 'ok' : level.toUpperCase(), what, text]))

function read(file: string, { environment, err }: CommandIo): Config | undefined {
  try {
    return loadConfig(file, environment)
  } catch (error) {
    if (!(error instanceof ConfigFailure)) throw error
    err(`${error.message}\n`)
    return undefined
  }
}

async function linesOf(config: Config): Promise<readonly CheckLine[]> {
  const [
    { bufferLines, certificateLines, portLines, rangeLines, trunkLines },
    { emergencyLines, reachLines },
    { expandHost },
    { Dns },
    { createTrunkTable },
    { onlyUpstream },
  ] = await Promise.all([
    import('./configuration-check.ts'),
    import('./reach-check.ts'),
    import('../addresses.ts'),
    import('../trunks/dns.ts'),
    import('../trunks/trunk-lookup.ts'),
    import('../registration/upstream-line.ts'),
  ])
  const dns = new Dns(config.dns.servers)
  const { upstream } = config
  const table = createTrunkTable(config, dns, () => performance.now())
  const pbx =
    upstream === undefined
      ? undefined
      : createTrunkTable(onlyUpstream(config, upstream), dns, () => performance.now())
  await Promise.all([table.refresh(), pbx?.refresh()])
  dns.close()
  const find = (trunk: TrunkConfig): Trunk | undefined =>
    (trunk === upstream?.trunk ? pbx : table)?.get(trunk.name)
  return [
    ...certificateLines(config, WORLD),
    ...trunkLines(config, find),
    ...emergencyLines(config),
    ...(await portLines(config, WORLD, expandHost)),
    ...reachLines(config, find),
    ...rangeLines(config, WORLD),
    ...bufferLines(WORLD),
  ]
}

const WORLD: CheckWorld = {
  readText: (path) => readFileSync(path, 'utf8'),
  now: () => new Date(),
  bindError: (socket) => (socket.kind === 'udp' ? udpError(socket) : tcpError(socket)),
  ephemeralPorts: () => {
    try {
      const text = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
      const [first, last] = text.trim().split(/\s+/).map(Number)
      return first === undefined || last === undefined ? undefined : [first, last]
    } catch {
      return undefined
    }
  },
  mostReceiveBytes: () => {
    try {
      return Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'))
    } catch {
      // Not in every container.
      return undefined
    }
  },
}

const codeOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message

function udpError({ address, port, ipv6Only }: BoundSocket): Promise<string | undefined> {
  return new Promise((resolve) => {
    const type = isIPv6(address) ? 'udp6' : 'udp4'
    const socket = createSocket({ type, ipv6Only: ipv6Only && type === 'udp6' })
    socket.once('error', (error) => {
      socket.close()
      resolve(codeOf(error))
    })
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve(undefined)))
  })
}

function tcpError({ address, port, ipv6Only }: BoundSocket): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve(codeOf(error)))
    server.listen({ host: address, port, ipv6Only, exclusive: true }, () =>
      server.close(() => resolve(undefined)),
    )
  })
}
