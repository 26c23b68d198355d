import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PeerProcess } from './peer-process.ts'

export interface Datagram {
  readonly timeMs: number
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  readonly payload: Buffer
}

export type DatagramKind = 'stun' | 'dtls' | 'rtp' | 'rtcp' | 'other'

/** RFC 7983 §7 and RFC 5761 §4. */
export const kindOfDatagram = (payload: Uint8Array): DatagramKind => {
  const first = payload[0] ?? 255
  const second = payload[1] ?? 0
  if (first <= 3) return 'stun'
  if (first >= 20 && first <= 63) return 'dtls'
  if (first < 128 || first > 191) return 'other'
  return second >= 192 && second <= 223 ? 'rtcp' : 'rtp'
}

export interface RtpPacket {
  readonly payloadType: number
  readonly sequenceNumber: number
  readonly ssrc: number
  /** As on the wire: with the authentication tag when it is SRTP. */
  readonly payload: Buffer
}

/** Header and what follows it (RFC 3550 §5.1). */
export const parseRtp = (packet: Buffer): RtpPacket => {
  const csrcs = packet.readUInt8(0) & 0x0f
  const hasExtension = (packet.readUInt8(0) & 0x10) !== 0
  let start = 12 + 4 * csrcs
  if (hasExtension) start += 4 + 4 * packet.readUInt16BE(start + 2)
  return {
    payloadType: packet.readUInt8(1) & 0x7f,
    sequenceNumber: packet.readUInt16BE(2),
    ssrc: packet.readUInt32BE(8),
    payload: packet.subarray(start),
  }
}

/** Shannon entropy in bits per byte: near 8 for ciphertext, well below for coded speech or a tone. */
export const entropyBits = (bytes: Uint8Array): number => {
  const counts = new Uint32Array(256)
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1
  let bits = 0
  for (const count of counts) {
    if (count > 0) bits -= (count / bytes.length) * Math.log2(count / bytes.length)
  }
  return bits
}

const LINK_ETHERNET = 1
const ETHERTYPE_IPV4 = 0x0800
const PROTOCOL_UDP = 17

/** UDP over IPv4 over Ethernet (which is what `lo` shows); all else, and fragments, is left out. */
export const parsePcap = (file: Buffer): Datagram[] => {
  if (file.length < 24) return []
  if (file.readUInt32LE(0) !== 0xa1b2c3d4 || file.readUInt32LE(20) !== LINK_ETHERNET)
    throw new Error('not a little-endian Ethernet pcap file')
  const datagrams: Datagram[] = []
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8)
    const frame = file.subarray(at + 16, at + 16 + length)
    if (frame.length < length) break
    const timeMs = file.readUInt32LE(at) * 1000 + file.readUInt32LE(at + 4) / 1000
    const datagram = parseFrame(frame, timeMs)
    if (datagram !== undefined) datagrams.push(datagram)
    at += 16 + length
  }
  return datagrams
}

const parseFrame = (frame: Buffer, timeMs: number): Datagram | undefined => {
  if (frame.length < 42 || frame.readUInt16BE(12) !== ETHERTYPE_IPV4) return undefined
  const ip = frame.subarray(14)
  const headerLength = (ip.readUInt8(0) & 0x0f) * 4
  const isFragment = (ip.readUInt16BE(6) & 0x3fff) !== 0
  if (ip.readUInt8(9) !== PROTOCOL_UDP || isFragment || ip.length < headerLength + 8) return undefined
  const udp = ip.subarray(headerLength)
  return {
    timeMs,
    source: ip.subarray(12, 16).join('.'),
    sourcePort: udp.readUInt16BE(0),
    destination: ip.subarray(16, 20).join('.'),
    destinationPort: udp.readUInt16BE(2),
    payload: udp.subarray(8, udp.readUInt16BE(4)),
  }
}

/** tcpdump on loopback, through which also this machine's own addresses talk to each other. Needs root. */
export class Capture {
  readonly #process: PeerProcess
  readonly #folder: string
  #datagrams: readonly Datagram[] | undefined

  /** `filter` as tcpdump takes it: `udp port 5060`. */
  static async start(filter: string): Promise<Capture> {
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-capture-'))
    // Without -Z tcpdump drops to a user of its own, who may not write here.
    // A slot of its ring is as long as a packet may be: with the default of 256 KiB a burst of 17 packets would not fit.
    const child = new PeerProcess('tcpdump', [
      ...['-i', 'lo', '-n', '-U', '--immediate-mode', '-s', '2048', '-B', '16384', '-Z', 'root'],
      ...['-w', join(folder, 'capture.pcap'), filter],
    ])
    await child.waitForOutput('start', (output) => output.includes('listening on'))
    return new Capture(child, folder)
  }

  private constructor(child: PeerProcess, folder: string) {
    this.#process = child
    this.#folder = folder
  }

  /** Seen so far. */
  async soFar(): Promise<readonly Datagram[]> {
    return this.#datagrams ?? parsePcap(await readFile(join(this.#folder, 'capture.pcap')))
  }

  /** Ends the capture; all that was seen. */
  async stop(): Promise<readonly Datagram[]> {
    if (this.#datagrams === undefined) {
      await this.#process.stop('SIGINT')
      this.#datagrams = await this.soFar()
      await rm(this.#folder, { recursive: true, force: true })
    }
    return this.#datagrams
  }

  async close(): Promise<void> {
    await this.stop()
  }
}
