import type { Socket } from 'node:dgram'
import { sine, toneMs } from '../../gateway/selftest/selftest-tone.ts'
import { decodeG711, encodeG711 } from './g711.ts'
import { parseRtp, rtp } from './rtp-packet.ts'
import { openUdpSocket } from './udp-socket.ts'

const RATE_HZ = 8000
const PACKET_MS = 20
const SAMPLES = (RATE_HZ * PACKET_MS) / 1000
const PCMU = 0

/** The audio of a peer that has only signalling: a tone in PCMU from one UDP port, and what comes there. */
export class ToneSocket {
  readonly address: string
  readonly port: number
  readonly #socket: Socket
  readonly #tone: Uint8Array
  readonly #heard: Float32Array[] = []
  #target: { readonly address: string; readonly port: number } | undefined
  #sent = 0
  readonly #timer: NodeJS.Timeout
  readonly #startMs = performance.now()

  static async open(toneHz: number, address = '127.0.0.1'): Promise<ToneSocket> {
    return new ToneSocket(await openUdpSocket(address), toneHz)
  }

  private constructor(socket: Socket, toneHz: number) {
    this.#socket = socket
    const { address, port } = socket.address()
    this.address = address
    this.port = port
    // Whole periods, so that the loop has no click.
    this.#tone = encodeG711('PCMU', sine(RATE_HZ, toneHz, 1_000))
    socket.on('message', (packet) => {
      const { payloadType, payload } = parseRtp(packet)
      if (payloadType === PCMU) this.#heard.push(decodeG711('PCMU', payload))
    })
    this.#timer = setInterval(() => this.#send(), PACKET_MS)
  }

  /** The `m=audio` of this end, at its place in a description. */
  describe(direction = 'sendrecv', version = 1): string {
    return [
      'v=0',
      `o=FreeSWITCH 1700000000 ${1_700_000_000 + version} IN IP4 ${this.address}`,
      's=FreeSWITCH',
      `c=IN IP4 ${this.address}`,
      't=0 0',
      `m=audio ${this.port} RTP/AVP 0 101`,
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:101 0-16',
      `a=${direction}`,
      'a=ptime:20',
      '',
    ].join('\r\n')
  }

  /** Sends where a description of the far end says, until the next one. */
  sendTo(description: string): void {
    const address = /^c=IN IP[46] (\S+)/m.exec(description)?.[1]
    const port = Number(/^m=audio (\d+)/m.exec(description)?.[1])
    if (address !== undefined && port > 0) this.#target = { address, port }
  }

  heardMs(frequencyHz: number): number {
    const length = this.#heard.reduce((sum, part) => sum + part.length, 0)
    const all = new Float32Array(length)
    let at = 0
    for (const part of this.#heard) {
      all.set(part, at)
      at += part.length
    }
    return toneMs(all, { sampleRateHz: RATE_HZ, frequencyHz })
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
  }

  /** All that is due: a timer of this process comes late when it has work. */
  #send(): void {
    const due = Math.floor((performance.now() - this.#startMs) / PACKET_MS)
    for (; this.#sent < due; this.#sent += 1) {
      if (this.#target === undefined) continue
      const begin = (this.#sent * SAMPLES) % RATE_HZ
      const payload = Buffer.from(this.#tone.subarray(begin, begin + SAMPLES))
      const packet = rtp({
        payloadType: PCMU,
        sequence: this.#sent & 0xffff,
        timestamp: this.#sent * SAMPLES,
        payload,
      })
      this.#socket.send(packet, this.#target.port, this.#target.address)
    }
  }
}
