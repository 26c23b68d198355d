/**
 * `npm run bench:register`: 5 000 users sign in over WSS, by digest, and do it again. The daemon is a process of its own, with
 * a certificate of its own, and so are the clients (`register-load.ts`). Printed: memory for each connection and each
 * registration, registrations (each REGISTER, 401, REGISTER, 200) per second, and the daemon's share of a core meanwhile.
 *
 * A number is that of the users; `--cpu-prof` leaves a profile of the daemon in a folder: `-- 1000 --cpu-prof`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Authority } from '../harness/certificates.ts'

const USERS = Number(process.argv.find((argument) => /^\d+$/.test(argument)) ?? 5_000)
const ROUNDS = 3
const SETTLE_MS = 40_000
const LIMIT_MS = 240_000
const DAEMON = fileURLToPath(new URL('../gateway/main.js', import.meta.url))
const LOAD = fileURLToPath(new URL('./register-load.js', import.meta.url))
const CLOCK_TICKS_PER_SECOND = 100

const folder = mkdtempSync(join(tmpdir(), 'webtrunk-bench-'))
const authority = new Authority()
const children: ChildProcess[] = []
const limit = setTimeout(() => fail(new Error(`took longer than ${LIMIT_MS / 1_000} s`)), LIMIT_MS)

function fail(error: unknown): never {
  console.error(error)
  cleanUp()
  process.exit(1)
}

function cleanUp(): void {
  clearTimeout(limit)
  for (const child of children) child.kill('SIGKILL')
  authority.close()
  if (!process.argv.includes('--cpu-prof')) rmSync(folder, { recursive: true, force: true })
}

function writeConfig(): string {
  const { certificate, key } = authority.issue({ names: 'IP:127.0.0.1' })
  writeFileSync(join(folder, 'certificate.pem'), certificate)
  writeFileSync(join(folder, 'key.pem'), key, { mode: 0o600 })
  const config = {
    domain: 'bench.test',
    web: {
      https: {
        host: '127.0.0.1',
        port: 0,
        certificate: join(folder, 'certificate.pem'),
        key: join(folder, 'key.pem'),
      },
      maxConnections: USERS + 100,
      maxConnectionsPerAddress: USERS + 100,
      page: false,
    },
    users: Array.from({ length: USERS }, (_, index) => ({ name: `user${index}`, password: 'secret' })),
    media: { addresses: ['127.0.0.1'], webrtcPort: 0 },
    // Also the size of the transaction table: a REGISTER is kept for 32 s.
    calls: { maxCalls: 10_000 },
    log: { format: 'json', level: 'info' },
  }
  const file = join(folder, 'webtrunk.yaml')
  writeFileSync(file, JSON.stringify(config))
  return file
}

function start(args: readonly string[]): { readonly child: ChildProcess; readonly lines: Interface } {
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: folder })
  children.push(child)
  child.once('exit', (code) => {
    if (code !== null && code !== 0) fail(new Error(`${args.join(' ')} ended with ${code}`))
  })
  if (child.stdout === null) throw new Error('no output')
  return { child, lines: createInterface({ input: child.stdout }) }
}

const nextLine = async (lines: Interface): Promise<Record<string, number>> => {
  const [line] = await once(lines, 'line')
  return JSON.parse(String(line)) as Record<string, number>
}

/** Of a process, in KiB. */
function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND
}

/** Its port, once it listens; what it logs after that is read and thrown away. */
async function listening({ child, lines }: ReturnType<typeof start>): Promise<number> {
  for await (const line of lines) {
    const { message, https } = JSON.parse(line) as { message?: string; https?: number }
    if (message !== 'listening' || https === undefined) continue
    lines.close()
    child.stdout?.resume()
    return https
  }
  return fail(new Error('the daemon does not listen'))
}

async function run(): Promise<void> {
  const profiled = process.argv.includes('--cpu-prof') ? ['--cpu-prof', `--cpu-prof-dir=${folder}`] : []
  const daemon = start([...profiled, DAEMON, '--config', writeConfig()])
  const pid = daemon.child.pid ?? 0
  const port = await listening(daemon)
  const emptyKiB = residentKiB(pid)
  const load = start([LOAD, `wss://127.0.0.1:${port}/sip`, String(USERS)])
  const { connectS = 0 } = await nextLine(load.lines)
  const connectedKiB = residentKiB(pid)
  const perConnection = (connectedKiB - emptyKiB) / USERS
  print('connections', `${USERS} in ${connectS.toFixed(1)} s, ${perConnection.toFixed(1)} KiB each`)

  const register = async (rounds: number): Promise<{ readonly rate: number; readonly share: number }> => {
    const beforeS = cpuSeconds(pid)
    load.child.stdin?.write(`register ${rounds}\n`)
    const { seconds = 0 } = await nextLine(load.lines)
    return { rate: (USERS * rounds) / seconds, share: (cpuSeconds(pid) - beforeS) / seconds }
  }
  const first = await register(1)
  const registeredKiB = residentKiB(pid)
  const perRegistration = (registeredKiB - connectedKiB) / USERS
  print(
    'first registration',
    `${first.rate.toFixed(0)}/s, ${perRegistration.toFixed(1)} KiB each, transactions of the last 32 s included`,
  )
  const again = await register(ROUNDS)
  print('registered again', `${again.rate.toFixed(0)}/s at ${(again.share * 100).toFixed(0)} % of a core`)
  print('per registration', `${((again.share / again.rate) * 1e6).toFixed(0)} us of CPU`)
  if (profiled.length > 0) {
    daemon.child.kill('SIGTERM')
    await once(daemon.child, 'exit')
    console.error(`the profile is in ${folder}`)
    return
  }
  // Transactions are kept for 32 s (RFC 3261 §17.1.2.2), then what is left is what a registration costs.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const restKiB = residentKiB(pid)
  print(
    'memory',
    `${((restKiB - emptyKiB) / USERS).toFixed(1)} KiB for each registered WebSocket after ${SETTLE_MS / 1_000} s`,
  )
  console.log(`registers_per_second=${again.rate.toFixed(0)}`)
}

const print = (what: string, text: string): void => console.log(`${what.padEnd(20)} ${text}`)

run().then(cleanUp, fail)
