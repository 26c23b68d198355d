/**
 * `npm run bench:sip`: calls through the real B2BUA over UDP, SIPp on both legs. The gateway side is a process of its own
 * (`sip-gateway.ts`), so that its CPU time is its own; SIPp's share of the machine does not count.
 *
 * The rate climbs step by step; a step counts when SIPp saw no failed call. Printed for each step: calls/s reached, share
 * of a core, CPU microseconds per call and per SIP message. The last line divides the best step's rate by its share of a core.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** INVITE 100 180 200 ACK BYE 200 on each leg, and our 100 to the caller counted with them. */
const MESSAGES_PER_CALL = 14
const STEPS_CALLS_PER_SECOND = [100, 200, 400, 600, 800, 1_000, 1_200]
const STEP_SECONDS = 8
const CALL_LENGTH_MS = 200

interface Sample {
  readonly rate: number
  readonly share: number
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

function startSipp(folder: string, args: readonly string[]): ChildProcess {
  return spawn('sipp', [...args, '-nostdin'], { cwd: folder, stdio: 'ignore' })
}

/** Reads the last row of SIPp's statistics file. */
function lastStatistics(folder: string): ReadonlyMap<string, string> {
  const file = readdirSync(folder).find((name) => name.startsWith('uac_') && name.endsWith('_.csv'))
  if (file === undefined) throw new Error('SIPp wrote no statistics')
  const [head, ...rows] = readFileSync(join(folder, file), 'utf8').trim().split('\n')
  const last = rows.at(-1)
  if (head === undefined || last === undefined) throw new Error('SIPp wrote empty statistics')
  const values = last.split(';')
  return new Map(head.split(';').map((name, index) => [name, values[index] ?? '']))
}

async function measure(
  target: string,
  cpuMicros: () => Promise<number>,
  rate: number,
): Promise<Sample | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'webtrunk-bench-'))
  const calls = rate * STEP_SECONDS
  const before = await cpuMicros()
  const startedAt = performance.now()
  const args = [target, '-sn', 'uac', '-i', '127.0.0.1', '-s', '100', '-r', String(rate), '-m', String(calls)]
  const sipp = startSipp(folder, [
    ...args,
    '-d',
    String(CALL_LENGTH_MS),
    '-trace_stat',
    '-fd',
    '1',
    '-timeout',
    '60s',
  ])
  const [code] = (await once(sipp, 'exit')) as [number | null]
  const seconds = (performance.now() - startedAt) / 1_000
  const usedMicros = (await cpuMicros()) - before
  const failed = Number(lastStatistics(folder).get('FailedCall(C)') ?? Number.NaN)
  rmSync(folder, { recursive: true })
  const reached = calls / seconds
  const share = usedMicros / 1e6 / seconds
  const perCall = usedMicros / calls
  const isGood = code === 0 && failed === 0
  process.stdout.write(
    `${String(rate).padStart(5)} asked  ${reached.toFixed(0).padStart(5)} calls/s  ${(share * 100).toFixed(0).padStart(3)} % of a core  ` +
      `${perCall.toFixed(0)} us/call  ${(perCall / MESSAGES_PER_CALL).toFixed(1)} us/message  failed ${failed}${isGood ? '' : '  (does not count)'}\n`,
  )
  return isGood ? { rate: reached, share } : undefined
}

const calleePort = await freePort()
const calleeFolder = mkdtempSync(join(tmpdir(), 'webtrunk-bench-uas-'))
writeFileSync(join(calleeFolder, '.keep'), '')
const callee = startSipp(calleeFolder, ['-sn', 'uas', '-i', '127.0.0.1', '-p', String(calleePort)])
const gateway = spawn(
  process.execPath,
  [fileURLToPath(new URL('sip-gateway.js', import.meta.url)), String(calleePort)],
  {
    stdio: ['pipe', 'pipe', 'inherit'],
  },
)
const lines = createInterface({ input: gateway.stdout })[Symbol.asyncIterator]()
const nextLine = async (): Promise<string> => {
  const { value, done } = await lines.next()
  if (done === true) throw new Error('the gateway process ended')
  return value
}
const cpuMicros = async (): Promise<number> => {
  gateway.stdin.write('cpu\n')
  return Number(await nextLine())
}

try {
  const port = Number(await nextLine())
  // One unmeasured step, so that the compiler has seen the code.
  await measure(`127.0.0.1:${port}`, cpuMicros, 100)
  process.stdout.write('--- measured ---\n')
  const samples: Sample[] = []
  for (const rate of STEPS_CALLS_PER_SECOND) {
    const sample = await measure(`127.0.0.1:${port}`, cpuMicros, rate)
    if (sample === undefined) break
    samples.push(sample)
  }
  const best = samples.at(-1)
  if (best === undefined) throw new Error('no step without a failed call')
  process.stdout.write(`sip_calls_per_core=${Math.round(best.rate / best.share)}\n`)
} finally {
  gateway.kill()
  callee.kill()
  rmSync(calleeFolder, { recursive: true, force: true })
}
