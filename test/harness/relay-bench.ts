import type { Socket } from 'node:dgram'
import { setTimeout as delay } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { decodeBatch } from '../../media/native/batch.ts'
import type {
  LegId,
  NativePlace,
  NativePorts,
  NativeRoute,
  Relay,
  RelayOptions,
  RelayRecord,
} from '../../media/native/boundary.ts'
import { native } from '../../media/native/index.ts'
import type { SrtpSuite, TransportAddress } from '../../media/parameters.ts'
import { openUdpSocket } from './udp-socket.ts'

const PATIENCE_MS = 5_000

/** Waits for something that another thread will make true. */
export async function until(isTrue: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`)
    await delay(2)
  }
}

/** A real UDP socket that keeps what it receives, in order. Closes with the test. */
export class UdpPeer {
  readonly received: { readonly bytes: Buffer; readonly from: TransportAddress }[] = []
  readonly #socket: Socket
  #taken = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (bytes, { address, port }) => this.received.push({ bytes, from: { address, port } }))
  }

  static async open(address = '127.0.0.1'): Promise<UdpPeer> {
    const socket = await openUdpSocket(address)
    onTestFinished(() => void socket.close())
    return new UdpPeer(socket)
  }

  get address(): TransportAddress {
    const { address, port } = this.#socket.address()
    return { address, port }
  }

  send(bytes: Uint8Array, to: TransportAddress): void {
    this.#socket.send(bytes, to.port, to.address)
  }

  /** The oldest datagram not yet taken. */
  async next(): Promise<Buffer> {
    await until(() => this.received.length > this.#taken, 'a datagram')
    const datagram = this.received[this.#taken]
    this.#taken++
    if (datagram === undefined) throw new Error('unreachable')
    return datagram.bytes
  }
}

const OPTIONS: Omit<RelayOptions, 'onReady'> = {
  threadName: 'relay-bench',
  maxLegs: 8,
  queueBytes: 1 << 20,
  strayPerSecond: 1_000,
  strayBurst: 1_000,
  maxStraySources: 100,
  gatherUs: 0,
  sharedBufferBytes: 4 * 2 ** 20,
  dscp: 0,
}

export interface SharedSockets {
  readonly place: NativePlace
  readonly at: TransportAddress
  readonly rtcpAt: TransportAddress
}

/** A relay with everything it sent up, and short ways to say what tests say often. Closes with the test. */
export class RelayBench {
  readonly relay: Relay
  readonly records: RelayRecord[] = []
  readyCalls = 0
  isTaking = true

  constructor(options: Partial<RelayOptions> = {}) {
    const onReady = (): void => {
      this.readyCalls++
      if (this.isTaking) this.take()
    }
    this.relay = native.openRelay({ ...OPTIONS, onReady, ...options })
    onTestFinished(() => void this.relay.close())
  }

  take(): void {
    for (let batch = this.relay.takeBatch(); batch !== undefined; batch = this.relay.takeBatch())
      this.records.push(...decodeBatch(batch))
  }

  /** A mux socket on loopback. */
  bind(address = '127.0.0.1'): { readonly socket: number; readonly at: TransportAddress } {
    const { socket, port } = this.relay.bind({ address, port: 0 })
    return { socket, at: { address, port } }
  }

  webrtc(ufrag: string, ssrc: number): LegId {
    return this.relay.addLeg({ kind: 'webrtc', ufrag, ssrc })
  }

  /** A trunk leg on a free pair of ports. */
  rtp(ssrc: number, address = '127.0.0.1'): { readonly leg: LegId; readonly at: TransportAddress } {
    const open = (ports: NativePorts): LegId => this.relay.addLeg({ kind: 'rtp', ...ports, ssrc })
    const { made: leg, at } = onFreePorts(address, open)
    return { leg, at }
  }

  /** From shared sockets to a free pair of ports. */
  move(leg: LegId, address = '127.0.0.1'): TransportAddress {
    return onFreePorts(address, (ports) => this.relay.moveLeg(leg, ports)).at
  }

  /** A pair of sockets that trunk legs share. */
  shared(address = '127.0.0.1'): SharedSockets {
    const { made: place, at } = onFreePorts(address, (ports) => this.relay.bindShared(ports))
    return { place, at, rtcpAt: { address, port: at.port + 1 } }
  }

  /** A plain trunk leg on shared sockets whose peer is `peer`; RTCP muxed. */
  sharing(ssrc: number, { place }: SharedSockets, peer: UdpPeer): LegId {
    const leg = this.relay.addLeg({ kind: 'rtp', ssrc, shared: place })
    this.relay.setKeys(leg, 'receive', 'none')
    this.relay.setKeys(leg, 'send', 'none')
    this.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
    return leg
  }

  /** A plain trunk leg that believes and answers `peer`; RTCP muxed. */
  plain(ssrc: number, peer: UdpPeer): { readonly leg: LegId; readonly at: TransportAddress } {
    const trunk = this.rtp(ssrc, peer.address.address)
    this.relay.setRemote(trunk.leg, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
    this.relay.setKeys(trunk.leg, 'receive', 'none')
    this.relay.setKeys(trunk.leg, 'send', 'none')
    return trunk
  }

  setKeys(
    leg: LegId,
    suite: SrtpSuite,
    keys: { readonly toRelay: Buffer; readonly fromRelay: Buffer },
  ): void {
    this.relay.setKeys(leg, 'receive', { suite, keySalt: keys.toRelay })
    this.relay.setKeys(leg, 'send', { suite, keySalt: keys.fromRelay })
  }

  drops(leg: LegId): Readonly<Record<string, number>> {
    return this.relay.stats(leg)?.drops ?? {}
  }

  async untilDropped(leg: LegId, reason: string, count = 1): Promise<void> {
    await until(() => (this.drops(leg)[reason] ?? 0) >= count, `${count} drops ${reason}`)
  }

  async untilCounted(reason: string, count = 1): Promise<void> {
    await until(() => (this.relay.counters()[reason] ?? 0) >= count, `${count} drops ${reason}`)
  }

  async record<Kind extends RelayRecord['kind']>(kind: Kind): Promise<Extract<RelayRecord, { kind: Kind }>> {
    const isWanted = (record: RelayRecord): record is Extract<RelayRecord, { kind: Kind }> =>
      record.kind === kind
    await until(() => this.records.some(isWanted), `a record ${kind}`)
    const found = this.records.find(isWanted)
    if (found === undefined) throw new Error('unreachable')
    return found
  }

  count(kind: RelayRecord['kind']): number {
    return this.records.filter((record) => record.kind === kind).length
  }
}

function onFreePorts<Made>(
  address: string,
  open: (ports: NativePorts) => Made,
): { readonly made: Made; readonly at: TransportAddress } {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 6_000 + 2 * Math.floor(Math.random() * 900)
    try {
      return { made: open({ address, rtpPort: port }), at: { address, port } }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    }
  }
  throw new Error('no free pair of ports')
}

/** Payload types that stay what they are. */
export function sameTypes(target: LegId, ...types: readonly number[]): NativeRoute {
  return { target, map: types.map((type) => ({ from: type, to: type, clockRateHz: 8_000 })) }
}

/** A receiver report without blocks, alone: reduced size (RFC 5506). */
export function receiverReport(ssrc: number): Buffer {
  const packet = Buffer.alloc(8)
  packet.writeUInt8(0x80, 0)
  packet.writeUInt8(201, 1)
  packet.writeUInt16BE(1, 2)
  packet.writeUInt32BE(ssrc, 4)
  return packet
}

/** A Binding request with USERNAME only: the relay looks no further. */
export function bindingRequest(username: string): Buffer {
  const value = Buffer.from(username)
  const padded = (value.length + 3) & ~3
  const message = Buffer.alloc(20 + 4 + padded)
  message.writeUInt16BE(0x0001, 0)
  message.writeUInt16BE(4 + padded, 2)
  message.writeUInt32BE(0x2112a442, 4)
  message.fill('transaction.', 8, 20)
  message.writeUInt16BE(0x0006, 20)
  message.writeUInt16BE(value.length, 22)
  value.copy(message, 24)
  return message
}

/** Looks like a DTLS handshake record from its first byte on. */
export const DTLS_RECORD = Buffer.from('16fefd0000000000000000000401020304', 'hex')
