import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addressText } from '../../media/address.ts'
import { PeerProcess } from './peer-process.ts'

/** IPv6 addresses are in full: eight groups. */
export interface Packet {
  readonly timeMs: number
  readonly transport: 'udp' | 'tcp'
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  /** The code point of RFC 2474. */
  readonly dscp: number
  /** Of the datagram or segment. */
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
const ETHERTYPE_IPV6 = 0x86dd
const IPV6_HEADER_LENGTH = 40
const TRANSPORTS: Readonly<Record<number, Packet['transport']>> = { 6: 'tcp', 17: 'udp' }

/** UDP and TCP over Ethernet (which is what `lo` shows); all else, fragments, and IPv6 with extension headers are left out. */
const parsePcap = (file: Buffer): Packet[] => {
  if (file.length < 24) return []
  if (file.readUInt32LE(0) !== 0xa1b2c3d4 || file.readUInt32LE(20) !== LINK_ETHERNET)
    throw new Error('not a little-endian Ethernet pcap file')
  const packets: Packet[] = []
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8)
    const frame = file.subarray(at + 16, at + 16 + length)
    if (frame.length < length) break
    const timeMs = file.readUInt32LE(at) * 1000 + file.readUInt32LE(at + 4) / 1000
    const ip = parseIp(frame)
    const packet = ip === undefined ? undefined : parseTransport(ip, timeMs)
    if (packet !== undefined) packets.push(packet)
    at += 16 + length
  }
  return packets
}

interface Ip {
  readonly source: string
  readonly destination: string
  readonly dscp: number
  readonly protocol: number
  readonly body: Buffer
}

const parseIp = (frame: Buffer): Ip | undefined => {
  const type = frame.length < 14 ? 0 : frame.readUInt16BE(12)
  const ip = frame.subarray(14)
  if (type === ETHERTYPE_IPV4 && ip.length >= 20) {
    const isFragment = (ip.readUInt16BE(6) & 0x3fff) !== 0
    if (isFragment) return undefined
    return {
      source: ip.subarray(12, 16).join('.'),
      destination: ip.subarray(16, 20).join('.'),
      dscp: ip.readUInt8(1) >> 2,
      protocol: ip.readUInt8(9),
      body: ip.subarray((ip.readUInt8(0) & 0x0f) * 4),
    }
  }
  if (type !== ETHERTYPE_IPV6 || ip.length < IPV6_HEADER_LENGTH) return undefined
  return {
    source: addressText(ip.subarray(8, 24)),
    destination: addressText(ip.subarray(24, 40)),
    dscp: (ip.readUInt16BE(0) >> 6) & 0x3f,
    protocol: ip.readUInt8(6),
    body: ip.subarray(IPV6_HEADER_LENGTH),
  }
}

const parseTransport = (ip: Ip, timeMs: number): Packet | undefined => {
  const { source, destination, dscp, protocol, body } = ip
  const transport = TRANSPORTS[protocol]
  if (transport === undefined || body.length < (transport === 'udp' ? 8 : 20)) return undefined
  return {
    timeMs,
    transport,
    source,
    sourcePort: body.readUInt16BE(0),
    destination,
    destinationPort: body.readUInt16BE(2),
    dscp,
    payload:
      transport === 'udp'
        ? body.subarray(8, body.readUInt16BE(4))
        : body.subarray((body.readUInt8(12) >> 4) * 4),
  }
}

/** tcpdump on loopback, through which also this machine's own addresses talk to each other. Needs root. */
export class Capture {
  readonly #process: PeerProcess
  readonly #folder: string
  #packets: readonly Packet[] | undefined

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
  async soFar(): Promise<readonly Packet[]> {
    return this.#packets ?? parsePcap(await readFile(join(this.#folder, 'capture.pcap')))
  }

  /** Ends the capture; all that was seen. */
  async stop(): Promise<readonly Packet[]> {
    if (this.#packets === undefined) {
      await this.#process.stop('SIGINT')
      this.#packets = await this.soFar()
      await rm(this.#folder, { recursive: true, force: true })
    }
    return this.#packets
  }

  async close(): Promise<void> {
    await this.stop()
  }
}
