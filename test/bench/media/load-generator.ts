import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { formatStun, STUN_ATTRIBUTE } from '../../../media/ice/stun.ts'
import type { IceCredentials, TransportAddress } from '../../../media/parameters.ts'
import { CORES, onCore } from './cores.ts'
import { type FarEnds, type FarKeys, type NearEnds, SUITE } from './system.ts'

/** What one run of the generator found; counts are of packets, times in nanoseconds. */
export interface LoadResult {
  /** Of the measured window, and how many of them never came out. */
  readonly sent: number
  readonly lost: number
  /** How many came out during the window, and what the system ran meanwhile. */
  readonly forwarded: number
  readonly systemNs: number
  readonly windowNs: number
  /** What its core did meanwhile, for it or for others; in steps of 10 ms. */
  readonly coreNs: number
  /** The generator's own share of its core. */
  readonly ownNs: number
  /** Packets that left more than 2 ms later than planned, and the worst. */
  readonly late: number
  readonly mostLateNs: number
  /** Datagrams that the generator's own receive queues had no place for, and those it could not send. */
  readonly overflowed: number
  readonly unsent: number
  /** Datagrams that are no RTP. */
  readonly rtcp: number
  readonly other: number
  /** Packets that are not what they should be, by what is wrong with them. */
  readonly faults: Readonly<Record<string, number>>
  readonly latencyNs: {
    readonly samples: number
    readonly p50: number
    readonly p99: number
    readonly p999: number
  }
}

/** Handshakes made, and how long all of them took. */
export interface ConnectResult {
  readonly connected: number
  readonly tookNs: number
}

interface Start {
  readonly plain: Side
  readonly secure: Side
  /** Of the browsers' certificate. */
  readonly fingerprint: string
}

interface Side {
  readonly network: number
  readonly ports: readonly number[]
}

/** Master key and salt of the suite. */
const KEY_BYTES = 30

/** The native load generator, on its own core. */
export class LoadGenerator {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>
  #start: Start | undefined

  /** `launcher`: what starts it, and becomes it. */
  static async start(
    program: string,
    launcher: readonly string[] = onCore(CORES.generator),
  ): Promise<LoadGenerator> {
    const generator = new LoadGenerator([...launcher, program])
    generator.#start = (await generator.#answer()) as Start
    return generator
  }

  private constructor([command = '', ...args]: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** Its ends of call number `call`. */
  farEnds(call: number, scenario: FarKeys['kind']): FarEnds {
    if (this.#start === undefined) throw new Error('the generator has not started')
    const { plain, secure, fingerprint } = this.#start
    const keys: FarKeys =
      scenario === 'sdes'
        ? { kind: 'sdes', key: randomBytes(KEY_BYTES).toString('hex') }
        : { kind: 'dtls', fingerprint, ice: { ufrag: `b${call}`, pwd: randomBytes(16).toString('hex') } }
    return { plain: endOf(plain, call), secure: endOf(secure, call), keys }
  }

  /** The next call. With keys of a handshake, `connect` is to follow. */
  add(far: FarEnds, near: NearEnds): void {
    const targets = `${text(near.plain)} ${text(near.secure)}`
    if (far.keys.kind === 'sdes' && near.keys.kind === 'sdes') {
      this.#tell(`call ${targets} ${SUITE} ${far.keys.key} ${near.keys.key}`)
    } else if (far.keys.kind === 'dtls' && near.keys.kind === 'dtls') {
      const check = near.keys.ice === undefined ? '-' : checkOf(far.keys.ice, near.keys.ice)
      this.#tell(`browser ${targets} ${near.keys.fingerprint} ${check}`)
    } else throw new Error('the two sides have keys of different kinds')
  }

  /** Checks and handshakes of all browsers. */
  async connect(): Promise<ConnectResult> {
    this.#tell('connect')
    return (await this.#answer()) as ConnectResult
  }

  async run(pid: number, warmupMs: number, windowMs: number): Promise<LoadResult> {
    this.#tell(`run ${pid} ${CORES.system} ${warmupMs} ${windowMs}`)
    return (await this.#answer()) as LoadResult
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.stdin.end()
    this.#child.kill('SIGKILL')
    await exit
  }

  #tell(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error('the load generator ended')
    return JSON.parse(value)
  }
}

const text = ({ address, port }: TransportAddress): string => `${address}:${port}`

/** A nominating check of a browser (RFC 8445 §7.2), in hex. It may be sent again as it is. */
function checkOf(own: IceCredentials, theirs: IceCredentials): string {
  return formatStun({
    class: 'request',
    transactionId: randomBytes(12),
    attributes: [
      [STUN_ATTRIBUTE.username, Buffer.from(`${theirs.ufrag}:${own.ufrag}`)],
      [STUN_ATTRIBUTE.priority, Buffer.from([0x6e, 0, 1, 0xff])],
      [STUN_ATTRIBUTE.iceControlling, randomBytes(8)],
      [STUN_ATTRIBUTE.useCandidate, Buffer.alloc(0)],
    ],
    password: theirs.pwd,
  }).toString('hex')
}

/** As `native/peers.cc` has it. */
function endOf({ network, ports }: Side, call: number): TransportAddress {
  const number = call + 1
  const port = ports[call % ports.length]
  if (port === undefined) throw new Error('the generator has no ports')
  return { address: `127.${network}.${number >> 8}.${number & 0xff}`, port }
}
