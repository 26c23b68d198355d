import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { RtpHeader, RtpPacket, SrtpSession } from 'werift'
import type { RtpLocal, RtpRemote, SdesKey, SrtpSuite } from '../../media/parameters.ts'
import type { ReceivedRtp } from './scripted-browser.ts'

/** A PBX's media port: plain RTP, or SRTP by werift when it has keys. */
export class ScriptedTrunk {
  readonly received: ReceivedRtp[] = []
  /** Datagrams as they came. */
  readonly raw: Buffer[] = []
  readonly #socket: Socket
  #srtp: SrtpSession | undefined
  #local: RtpLocal | undefined
  #sequence = 500

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (datagram) => this.#onDatagram(datagram))
  }

  static async open(): Promise<ScriptedTrunk> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new ScriptedTrunk(socket)
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  /** What its description says; `crypto`: the key it sends with. */
  remote(crypto?: SdesKey): RtpRemote {
    const { port } = this.#socket.address()
    return { kind: 'rtp', rtp: { address: '127.0.0.1', port }, rtcp: undefined, crypto }
  }

  /** Where it sends; with keys, SRTP of werift's only CM suite. */
  connect(local: RtpLocal, keys?: { readonly sends: SdesKey; readonly receives: SdesKey }): void {
    this.#local = local
    if (keys === undefined) return
    const sends = Buffer.from(keys.sends.keySalt.reveal())
    const receives = Buffer.from(keys.receives.keySalt.reveal())
    this.#srtp = new SrtpSession({
      profile: 1,
      keys: {
        localMasterKey: sends.subarray(0, 16),
        localMasterSalt: sends.subarray(16),
        remoteMasterKey: receives.subarray(0, 16),
        remoteMasterSalt: receives.subarray(16),
      },
    })
  }

  sendRtp(payloadType: number, payload: Buffer): void {
    const sequenceNumber = this.#sequence++
    const header = new RtpHeader({
      version: 2,
      payloadType,
      sequenceNumber,
      timestamp: sequenceNumber * 160,
      ssrc: 0x9abc_def0,
    })
    const plain = Buffer.concat([header.serialize(header.serializeSize), payload])
    const { port } = this.#local?.rtp ?? { port: 0 }
    this.#socket.send(this.#srtp?.encrypt(payload, header) ?? plain, port, '127.0.0.1')
  }

  /** A datagram as it is, to the RTP port. */
  sendRaw(datagram: Buffer): void {
    this.#socket.send(datagram, this.#local?.rtp.port ?? 0, '127.0.0.1')
  }

  close(): void {
    this.#socket.close()
  }

  #onDatagram(datagram: Buffer): void {
    this.raw.push(datagram)
    if ((datagram.readUInt8(1) & 0x7f) >= 64 && (datagram.readUInt8(1) & 0x7f) <= 95) return
    const { header, payload } = RtpPacket.deSerialize(this.#srtp?.decrypt(datagram) ?? datagram)
    this.received.push({
      payloadType: header.payloadType,
      marker: header.marker,
      sequence: header.sequenceNumber,
      timestamp: header.timestamp,
      ssrc: header.ssrc,
      payload,
    })
  }
}

export function sdesKey(tag: number, suite: SrtpSuite, keySalt: Buffer): SdesKey {
  return {
    tag,
    suite,
    keySalt: { reveal: () => keySalt, toString: () => '[redacted]', toJSON: () => '[redacted]' },
  }
}
