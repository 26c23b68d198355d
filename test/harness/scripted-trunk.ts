import type { Socket } from 'node:dgram'
import { RtpHeader, RtpPacket, SrtcpSession, SrtpSession } from 'werift'
import type { RtpLocal, RtpRemote, SdesKey, SrtpSuite, TransportAddress } from '../../media/parameters.ts'
import type { ReceivedRtp } from './scripted-browser.ts'
import { openUdpSocket } from './udp-socket.ts'

export interface ScriptedTrunkOptions {
  readonly hasRtcpPort?: boolean
  /** Of loopback. */
  readonly address?: string
}

/** A PBX's media port: plain RTP, or SRTP by werift when it has keys. */
export class ScriptedTrunk {
  readonly ssrc = 0x9abc_def0
  readonly received: ReceivedRtp[] = []
  /** RTCP, decrypted, from either port. */
  readonly rtcp: Buffer[] = []
  /** What every SRTP packet carries before its tag, though the description says nothing of it. */
  mki: Buffer = Buffer.alloc(0)
  /** Datagrams that went out, while `keepSent`. */
  readonly sent: Buffer[] = []
  keepSent = false
  /** Datagrams as they came. */
  readonly raw: Buffer[] = []
  readonly #socket: Socket
  /** Of its own; undefined: muxed. */
  readonly #rtcpSocket: Socket | undefined
  #srtp: { readonly rtp: SrtpSession; readonly rtcp: SrtcpSession } | undefined
  #local: RtpLocal | undefined
  #sequence = 500

  private constructor(socket: Socket, rtcpSocket: Socket | undefined) {
    this.#socket = socket
    this.#rtcpSocket = rtcpSocket
    socket.on('message', (datagram) => this.#onDatagram(datagram))
    rtcpSocket?.on('message', (datagram) => this.#onRtcp(datagram))
  }

  static async open({
    hasRtcpPort,
    address = '127.0.0.1',
  }: ScriptedTrunkOptions = {}): Promise<ScriptedTrunk> {
    return new ScriptedTrunk(
      await openUdpSocket(address),
      hasRtcpPort ? await openUdpSocket(address) : undefined,
    )
  }

  get address(): string {
    const { address, port } = this.#socket.address()
    return `${address}:${port}`
  }

  /** What its description says; `crypto`: the key it sends with. */
  remote(crypto?: SdesKey): RtpRemote {
    return {
      kind: 'rtp',
      rtp: placeOf(this.#socket),
      rtcp: this.#rtcpSocket && placeOf(this.#rtcpSocket),
      crypto,
    }
  }

  /** Where it sends; with keys, SRTP of werift's only CM suite. */
  connect(local: RtpLocal, keys?: { readonly sends: SdesKey; readonly receives: SdesKey }): void {
    this.#local = local
    if (keys === undefined) return
    const sends = Buffer.from(keys.sends.keySalt.reveal())
    const receives = Buffer.from(keys.receives.keySalt.reveal())
    const config = {
      profile: 1,
      keys: {
        localMasterKey: sends.subarray(0, 16),
        localMasterSalt: sends.subarray(16),
        remoteMasterKey: receives.subarray(0, 16),
        remoteMasterSalt: receives.subarray(16),
      },
    }
    this.#srtp = { rtp: new SrtpSession(config), rtcp: new SrtcpSession(config) }
  }

  sendRtp(payloadType: number, payload: Buffer, ssrc: number = this.ssrc, timestamp?: number): void {
    const sequenceNumber = this.#sequence++
    const header = new RtpHeader({
      version: 2,
      payloadType,
      sequenceNumber,
      timestamp: timestamp ?? sequenceNumber * 160,
      ssrc,
    })
    const plain = Buffer.concat([header.serialize(header.serializeSize), payload])
    const encrypted = this.#srtp?.rtp.encrypt(payload, header)
    const datagram = encrypted === undefined ? plain : this.#withMki(encrypted)
    if (this.keepSent) this.sent.push(datagram)
    this.#send(this.#socket, datagram, this.#local?.rtp.port)
  }

  /** RFC 3711 §3.1: before the tag, which is 80 bits in the one suite there is here. */
  #withMki(packet: Buffer): Buffer {
    const tagAt = packet.length - 10
    return Buffer.concat([packet.subarray(0, tagAt), this.mki, packet.subarray(tagAt)])
  }

  /** As if so many of its packets had been lost on the way. */
  loseRtp(count: number): void {
    this.#sequence += count
  }

  sendRtcp(compound: Buffer): void {
    const port = this.#rtcpSocket ? this.#local?.rtcpPort : this.#local?.rtp.port
    this.#send(this.#rtcpSocket ?? this.#socket, this.#srtp?.rtcp.encrypt(compound) ?? compound, port)
  }

  /** A datagram as it is, to the RTP port. */
  sendRaw(datagram: Buffer): void {
    this.#send(this.#socket, datagram, this.#local?.rtp.port)
  }

  #send(from: Socket, datagram: Buffer, port = 0): void {
    from.send(datagram, port, this.#local?.rtp.address)
  }

  close(): void {
    this.#socket.close()
    this.#rtcpSocket?.close()
  }

  #onRtcp(datagram: Buffer): void {
    this.rtcp.push(this.#srtp?.rtcp.decrypt(datagram) ?? datagram)
  }

  #onDatagram(datagram: Buffer): void {
    this.raw.push(datagram)
    const type = datagram.readUInt8(1) & 0x7f
    if (type >= 64 && type <= 95) {
      this.#onRtcp(datagram)
      return
    }
    const { header, payload } = RtpPacket.deSerialize(this.#srtp?.rtp.decrypt(datagram) ?? datagram)
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

function placeOf(socket: Socket): TransportAddress {
  const { address, port } = socket.address()
  return { address, port }
}

export function sdesKey(tag: number, suite: SrtpSuite, keySalt: Buffer): SdesKey {
  return {
    tag,
    suite,
    keySalt: { reveal: () => keySalt, toString: () => '[redacted]', toJSON: () => '[redacted]' },
  }
}
