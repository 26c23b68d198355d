import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:dgram'
import { type DtlsSocket, RtpHeader, RtpPacket, SrtcpSession, SrtpSession } from 'werift'
import { formatAddress } from '../../media/address.ts'
import { formatStun, parseStun, STUN_ATTRIBUTE, verifyIntegrity } from '../../media/ice/stun.ts'
import type {
  IceCredentials,
  RtpRemote,
  TransportAddress,
  WebrtcLocal,
  WebrtcRemote,
} from '../../media/parameters.ts'
import { stunErrorCode } from './stun-answers.ts'
import { openUdpSocket } from './udp-socket.ts'
import { repeatUntil, until } from './until.ts'
import {
  type DtlsSuite,
  makeWeriftCertificate,
  muteWerift,
  openWerift,
  startWerift,
  type WeriftCertificate,
  type WeriftTransport,
  weriftKeys,
  weriftTransport,
} from './werift-dtls.ts'

export interface ReceivedRtp {
  readonly payloadType: number
  readonly marker: boolean
  readonly sequence: number
  readonly timestamp: number
  readonly ssrc: number
  readonly payload: Buffer
}

export interface ScriptedBrowserOptions {
  /** As in our description: `active` is the DTLS client. */
  readonly setup?: 'active' | 'passive'
  readonly suites?: readonly DtlsSuite[]
  /** Default 127.0.0.1. */
  readonly address?: string
  /** What becomes of its DTLS datagrams on their way; undefined: lost. */
  readonly alterDtls?: (datagram: Buffer) => Buffer | undefined
  /** So many of the DTLS datagrams sent to it are lost. */
  readonly lostDtls?: number
}

export interface CheckOptions {
  readonly password?: string
  readonly isNominating?: boolean
  /** It leaves nominating to us. */
  readonly isControlled?: boolean
}

/** The network side of a browser on one UDP socket: our own STUN, werift's DTLS and SRTP. Without checks, a trunk with DTLS. */
export class ScriptedBrowser {
  readonly ssrc = 0x1234_5678
  readonly received: ReceivedRtp[] = []
  /** RTCP, decrypted. */
  readonly rtcp: Buffer[] = []
  /** Codes of error responses to our checks. */
  readonly stunErrors: number[] = []
  dtls: DtlsSocket
  readonly #options: ScriptedBrowserOptions
  readonly #setup: 'active' | 'passive'
  /** One for each network it is on; the one in use. */
  readonly #sockets: Socket[]
  #socket: Socket
  readonly #deaf = new Set<Socket>()
  #ice = makeIce()
  #certificate: WeriftCertificate
  #transport: WeriftTransport
  #srtp: { readonly rtp: SrtpSession; readonly rtcp: SrtcpSession } | undefined
  #local: WebrtcLocal | undefined
  #target: TransportAddress | undefined
  #good = 0
  #toLose: number
  #sequence = 100

  private constructor(certificate: WeriftCertificate, socket: Socket, options: ScriptedBrowserOptions) {
    this.#options = options
    this.#certificate = certificate
    this.#socket = socket
    this.#sockets = [socket]
    this.#setup = options.setup ?? 'active'
    this.#toLose = options.lostDtls ?? 0
    this.#transport = weriftTransport((datagram) => this.#sendDtls(datagram))
    this.dtls = this.#openDtls()
    this.#listen(socket)
  }

  static async open(options: ScriptedBrowserOptions = {}): Promise<ScriptedBrowser> {
    const socket = await openUdpSocket(options.address ?? '127.0.0.1')
    return new ScriptedBrowser(await makeWeriftCertificate(), socket, options)
  }

  /** Joins another network, beside those it is on; `use` it by the number. */
  async join(address = '127.0.0.1'): Promise<number> {
    const socket = await openUdpSocket(address)
    this.#listen(socket)
    return this.#sockets.push(socket) - 1
  }

  /** Everything goes by this network from now on; the first is 0. */
  use(network: number): void {
    this.#socket = this.#sockets[network] ?? this.#socket
  }

  /** Whatever is sent to it by this network is lost. */
  deafen(network: number): void {
    const socket = this.#sockets[network]
    if (socket !== undefined) this.#deaf.add(socket)
  }

  /** A nominating check, once, whether it is answered or not. */
  nominate(local: WebrtcLocal): void {
    this.#send(this.#checkBytes(local))
  }

  get remote(): WebrtcRemote {
    return {
      kind: 'webrtc',
      ice: this.#ice,
      fingerprints: [{ hash: 'sha-256', value: this.#certificate.fingerprint }],
      setup: this.#setup,
    }
  }

  /** What it would say as a trunk without ICE. */
  get trunk(): RtpRemote {
    const { address, port } = this.#socket.address()
    const { fingerprints, setup } = this.remote
    return {
      kind: 'rtp',
      rtp: { address, port },
      rtcp: undefined,
      crypto: undefined,
      dtls: { fingerprints, setup },
    }
  }

  /** As a trunk: where our description says that we are. */
  aim(target: TransportAddress): void {
    this.#target = target
  }

  /** A datagram as it is. */
  sendRaw(datagram: Buffer): void {
    this.#send(datagram)
  }

  get address(): string {
    return formatAddress(this.#socket.address())
  }

  get isConnected(): boolean {
    return this.dtls.connected
  }

  /** Repeats a check until it is answered, as browsers do: the relay may not know the leg yet. */
  async check(local: WebrtcLocal, options: CheckOptions = {}): Promise<void> {
    this.#local = local
    const before = this.#good
    const errors = this.stunErrors.length
    const bytes = this.#checkBytes(local, options)
    await repeatUntil(
      () => this.#send(bytes),
      () => this.#good > before || this.stunErrors.length > errors,
    )
  }

  /** New credentials, as `remote` says from now on. */
  restartIce(): void {
    this.#ice = makeIce()
  }

  /** Another certificate and an association for it, which starts with `startDtls`; media uses its keys once connected. */
  async renewCertificate(): Promise<void> {
    muteWerift(this.dtls)
    this.#certificate = await makeWeriftCertificate()
    this.#srtp = undefined
    this.#transport = weriftTransport((datagram) => this.#send(datagram))
    this.dtls = this.#openDtls()
  }

  /** As DTLS client: sends the ClientHello. As server it waits for ours. */
  startDtls(): void {
    startWerift(this.dtls)
  }

  async connected(): Promise<void> {
    await until(() => this.dtls.connected)
  }

  /** `timestamp`: 160 more than that of the packet before unless given. */
  sendRtp(payloadType: number, payload: Buffer, timestamp?: number): void {
    const sequenceNumber = this.#sequence++
    const header = new RtpHeader({
      version: 2,
      payloadType,
      sequenceNumber,
      timestamp: timestamp ?? sequenceNumber * 160,
      ssrc: this.ssrc,
    })
    this.#send(this.#session().rtp.encrypt(payload, header))
  }

  /** As if so many of its packets had been lost on the way. */
  loseRtp(count: number): void {
    this.#sequence += count
  }

  sendRtcp(compound: Buffer): void {
    this.#send(this.#session().rtcp.encrypt(compound))
  }

  close(): void {
    muteWerift(this.dtls)
    for (const socket of this.#sockets) socket.close()
  }

  #listen(socket: Socket): void {
    socket.on('message', (datagram) => {
      if (!this.#deaf.has(socket)) this.#onDatagram(datagram)
    })
  }

  #openDtls(): DtlsSocket {
    const { suites } = this.#options
    return openWerift({
      role: this.#setup === 'active' ? 'client' : 'server',
      transport: this.#transport,
      certificate: this.#certificate,
      ...(suites === undefined ? {} : { suites }),
    })
  }

  #session(): { readonly rtp: SrtpSession; readonly rtcp: SrtcpSession } {
    const { profile, localKey, localSalt, remoteKey, remoteSalt } = weriftKeys(this.dtls)
    const config = {
      profile,
      keys: {
        localMasterKey: localKey,
        localMasterSalt: localSalt,
        remoteMasterKey: remoteKey,
        remoteMasterSalt: remoteSalt,
      },
    }
    this.#srtp ??= { rtp: new SrtpSession(config), rtcp: new SrtcpSession(config) }
    return this.#srtp
  }

  #send(datagram: Buffer): void {
    const candidate = this.#target ?? this.#local?.candidates[0]
    if (candidate !== undefined) this.#socket.send(datagram, candidate.port, candidate.address)
  }

  #sendDtls(datagram: Buffer): void {
    const { alterDtls } = this.#options
    const altered = alterDtls === undefined ? datagram : alterDtls(datagram)
    if (altered !== undefined) this.#send(altered)
  }

  #onDatagram(datagram: Buffer): void {
    const first = datagram[0] ?? 0
    if (first < 4) this.#onStun(datagram)
    else if (first >= 20 && first < 64) this.#onDtls(datagram)
    else if (first >= 128 && this.dtls.connected) this.#onMedia(datagram)
  }

  #onDtls(datagram: Buffer): void {
    if (this.#toLose-- <= 0) this.#transport.onData(datagram)
  }

  #onStun(datagram: Buffer): void {
    const message = parseStun(datagram)
    if (message?.class === 'error') this.stunErrors.push(stunErrorCode(message) ?? 0)
    if (message?.class === 'success' && verifyIntegrity(message, this.#local?.ice.pwd ?? '')) this.#good++
  }

  #onMedia(datagram: Buffer): void {
    const type = datagram.readUInt8(1) & 0x7f
    if (type >= 64 && type <= 95) {
      this.rtcp.push(this.#session().rtcp.decrypt(datagram))
      return
    }
    const { header, payload } = RtpPacket.deSerialize(this.#session().rtp.decrypt(datagram))
    this.received.push({
      payloadType: header.payloadType,
      marker: header.marker,
      sequence: header.sequenceNumber,
      timestamp: header.timestamp,
      ssrc: header.ssrc,
      payload,
    })
  }

  #checkBytes(
    local: WebrtcLocal,
    { password = local.ice.pwd, isNominating = true, isControlled = false }: CheckOptions = {},
  ): Buffer {
    const role = isControlled ? STUN_ATTRIBUTE.iceControlled : STUN_ATTRIBUTE.iceControlling
    return formatStun({
      class: 'request',
      transactionId: randomBytes(12),
      attributes: [
        [STUN_ATTRIBUTE.username, Buffer.from(`${local.ice.ufrag}:${this.#ice.ufrag}`)],
        [STUN_ATTRIBUTE.priority, Buffer.from([0x6e, 0, 1, 0xff])],
        [role, randomBytes(8)],
        ...(isNominating ? [[STUN_ATTRIBUTE.useCandidate, Buffer.alloc(0)] as const] : []),
      ],
      password,
    })
  }
}

function makeIce(): IceCredentials {
  return { ufrag: randomBytes(3).toString('hex'), pwd: randomBytes(16).toString('hex') }
}
