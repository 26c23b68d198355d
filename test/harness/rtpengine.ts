import type { Socket } from 'node:dgram'
import { type Bencoded, bdecode, bencode } from './bencode.ts'
import { PeerProcess } from './peer-process.ts'
import { freePort, freePortRange } from './ports.ts'
import { openUdpSocket } from './udp-socket.ts'
import { waitFor } from './wait-for.ts'

export interface RtpengineOptions {
  /** Where its media is; default 127.0.0.1. */
  readonly address?: string
  /** Pairs of RTP ports: a call takes two, or with mux one. */
  readonly portPairs?: number
  /** Instead of pairs that were looked for: it takes what is free there. */
  readonly ports?: { readonly min: number; readonly max: number }
  /** What it is started by, such as taskset; must become it. */
  readonly launcher?: readonly string[]
  /** As syslog has it; default 6, a few lines for each call. */
  readonly logLevel?: number
}

type Reply = Readonly<Record<string, Bencoded>>

/** An answer that takes longer is none; the command is not repeated, so a lost datagram on loopback is a failure. */
const REPLY_MS = 5_000

/**
 * rtpengine in userspace, driven by its `ng` protocol: a cookie and a bencoded dictionary each way.
 *
 *     const rtpengine = closing(await Rtpengine.start())
 *     const forB = await rtpengine.describe('offer', { 'call-id': '1', 'from-tag': 'a', sdp, ... })
 *     await rtpengine.command('query', { 'call-id': '1' })
 */
export class Rtpengine {
  readonly port: number
  readonly #process: PeerProcess
  readonly #socket: Socket
  readonly #waiting = new Map<string, (reply: Reply) => void>()
  #cookies = 0

  static async start(options: RtpengineOptions = {}): Promise<Rtpengine> {
    const { address = '127.0.0.1', launcher = [], logLevel = 6 } = options
    const port = await freePort()
    const ports = options.ports ?? (await freePorts(options.portPairs ?? 32, address))
    const [command, ...args] = [
      ...launcher,
      'rtpengine',
      '--config-file=none',
      '--foreground',
      '--log-stderr',
      `--log-level=${logLevel}`,
      '--table=-1',
      '--num-threads=1',
      `--interface=${address}`,
      `--listen-ng=127.0.0.1:${port}`,
      `--port-min=${ports.min}`,
      `--port-max=${ports.max}`,
    ]
    const child = new PeerProcess(command ?? 'rtpengine', args)
    const socket = await openUdpSocket()
    const rtpengine = new Rtpengine(child, socket, port)
    try {
      await waitFor(
        'rtpengine',
        async () => (await rtpengine.#ask('ping', {}, 200)) !== undefined,
        {},
        () => child.output,
      )
      return rtpengine
    } catch (error) {
      await rtpengine.close()
      throw error
    }
  }

  private constructor(child: PeerProcess, socket: Socket, port: number) {
    this.#process = child
    this.#socket = socket
    this.port = port
    socket.on('message', (datagram) => this.#onReply(datagram))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  get log(): string {
    return this.#process.output
  }

  /** `offer` and `answer`: the description for the other side. */
  async describe(command: 'offer' | 'answer', parameters: Reply): Promise<string> {
    const { sdp } = await this.command(command, parameters)
    if (typeof sdp !== 'string') throw new Error(`${command} without a description`)
    return sdp
  }

  /** Rejects when the result is `error`, with its reason, or when there is none. */
  async command(command: string, parameters: Reply): Promise<Reply> {
    const reply = await this.#ask(command, parameters, REPLY_MS)
    if (reply === undefined) throw new Error(`rtpengine does not answer ${command}\n${this.log}`)
    if (reply.result === 'error') throw new Error(`rtpengine: ${String(reply['error-reason'])}\n${this.log}`)
    return reply
  }

  async close(): Promise<void> {
    this.#socket.close()
    await this.#process.stop('SIGTERM', 3_000)
  }

  async #ask(command: string, parameters: Reply, withinMs: number): Promise<Reply | undefined> {
    this.#cookies += 1
    const cookie = `c${this.#cookies}`
    const reply = new Promise<Reply | undefined>((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(cookie)
        resolve(undefined)
      }, withinMs)
      this.#waiting.set(cookie, (found) => {
        clearTimeout(timer)
        resolve(found)
      })
    })
    this.#socket.send(`${cookie} ${bencode({ command, ...parameters })}`, this.port, '127.0.0.1')
    return reply
  }

  #onReply(datagram: Buffer): void {
    const blank = datagram.indexOf(' ')
    const cookie = datagram.toString('latin1', 0, blank)
    const reply = bdecode(datagram.subarray(blank + 1))
    if (typeof reply === 'object' && !Array.isArray(reply)) this.#waiting.get(cookie)?.(reply as Reply)
    this.#waiting.delete(cookie)
  }
}

async function freePorts(
  pairs: number,
  address: string,
): Promise<{ readonly min: number; readonly max: number }> {
  const min = await freePortRange(pairs * 2, address)
  return { min, max: min + pairs * 2 - 1 }
}
