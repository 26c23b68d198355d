import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { TransportAddress } from '../../../media/parameters.ts'
import { type FarEnds, GENERATOR_CORE, type NearEnds, onCore, SUITE } from './system.ts'

/** What one run of the generator found; counts are of packets, times in nanoseconds. */
export interface LoadResult {
  /** Of the measured window, and how many of them never came out. */
  readonly sent: number
  readonly lost: number
  /** How many came out during the window, and what the system ran meanwhile. */
  readonly forwarded: number
  readonly systemNs: number
  readonly windowNs: number
  /** The generator's own share of its core. */
  readonly ownNs: number
  /** Packets that left more than 2 ms later than planned, and the worst. */
  readonly late: number
  readonly mostLateNs: number
  /** Datagrams that the generator's own receive queues had no place for, and those it could not send. */
  readonly overflowed: number
  readonly unsent: number
  readonly rtcp: number
  /** Packets that are not what they should be, by what is wrong with them. */
  readonly faults: Readonly<Record<string, number>>
  readonly latencyNs: {
    readonly samples: number
    readonly p50: number
    readonly p99: number
    readonly p999: number
  }
}

interface Side {
  readonly network: number
  readonly ports: readonly number[]
}

/** The native load generator, on its own core. */
export class LoadGenerator {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>
  #sides: { readonly plain: Side; readonly secure: Side } | undefined

  static async start(program: string): Promise<LoadGenerator> {
    const generator = new LoadGenerator(program)
    generator.#sides = (await generator.#answer()) as { readonly plain: Side; readonly secure: Side }
    return generator
  }

  private constructor(program: string) {
    const [command = '', ...args] = [...onCore(GENERATOR_CORE), program]
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** Its ends of call number `call`. */
  farEnds(call: number, key: string): FarEnds {
    if (this.#sides === undefined) throw new Error('the generator has not started')
    return { plain: endOf(this.#sides.plain, call), secure: endOf(this.#sides.secure, call), key }
  }

  /** The next call. */
  add(far: FarEnds, near: NearEnds): void {
    const words = ['call', text(near.plain), text(near.secure), SUITE, far.key, near.key]
    this.#child.stdin.write(`${words.join(' ')}\n`)
  }

  async run(pid: number, warmupMs: number, windowMs: number): Promise<LoadResult> {
    this.#child.stdin.write(`run ${pid} ${warmupMs} ${windowMs}\n`)
    return (await this.#answer()) as LoadResult
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.stdin.end()
    this.#child.kill('SIGKILL')
    await exit
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error('the load generator ended')
    return JSON.parse(value)
  }
}

const text = ({ address, port }: TransportAddress): string => `${address}:${port}`

/** As `native/peers.cc` has it. */
function endOf({ network, ports }: Side, call: number): TransportAddress {
  const number = call + 1
  const port = ports[call % ports.length]
  if (port === undefined) throw new Error('the generator has no ports')
  return { address: `127.${network}.${number >> 8}.${number & 0xff}`, port }
}
