import { strict as assert } from 'node:assert'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIP, isIPv6 } from 'node:net'
import type { Flow, SocketAddress } from '../flow.ts'
import { isOnlyLineEnds } from './keep-alive.ts'

export interface UdpTransportOptions {
  /** An own IP address (0.0.0.0 and :: included); port 0 picks one. */
  readonly address: SocketAddress
  readonly handler: {
    /** Must not throw. The buffer is the receiver's to keep. */
    onMessage(bytes: Buffer, flow: Flow): void
  }
  /** The scope of a source address, `trunk:NAME` or `stranger:...`. Called once per flow; `refresh` calls it again. */
  readonly scopeOf: (remote: SocketAddress) => string
  /** An unguessable string for `Flow.id`. */
  readonly token: () => string
  /** A connection to the same peer, for requests that are too large for UDP. Asked for when there is one. */
  readonly widerOf?: ((flow: Flow, peer: string | undefined) => Flow | undefined) | undefined
  /** The kernel has not sent a datagram, and why: no route (ENETUNREACH), a rule of the firewall (EPERM), ... Must not throw. */
  readonly onUnsent?: ((remote: SocketAddress, reason: string) => void) | undefined
  /** Told of the socket when it is bound. */
  readonly onSocket?: ((socket: Socket) => void) | undefined
  readonly limits?: Partial<UdpLimits>
}

export interface UdpLimits {
  /** Peers remembered. A forgotten flow still works: it is only made anew for the peer's next datagram. */
  readonly maxFlows: number
  readonly maxDatagramBytes: number
}

const DEFAULT_UDP_LIMITS: UdpLimits = { maxFlows: 4_096, maxDatagramBytes: 65_507 }

const RECEIVE_BUFFER_BYTES = 1_048_576

/** One SIP socket over UDP, and a flow for each peer address it has met. Replies to a request leave from this socket. */
export class UdpTransport {
  readonly #socket: Socket
  readonly #options: UdpTransportOptions
  readonly #limits: UdpLimits
  /** Least recently used first. */
  readonly #flows = new Map<string, UdpFlow>()
  readonly #counters = { received: 0, sent: 0, keepAlive: 0, tooLarge: 0, sendFailed: 0, socketError: 0 }
  #isOpen = true
  readonly local: SocketAddress

  /** @throws the system's error (EADDRINUSE, EADDRNOTAVAIL) when the address cannot be bound. */
  static async open(options: UdpTransportOptions): Promise<UdpTransport> {
    assert(isIP(options.address.address) !== 0, 'a UDP socket is bound to an IP address')
    const isV6 = isIPv6(options.address.address)
    const socket = createSocket({
      type: isV6 ? 'udp6' : 'udp4',
      ipv6Only: isV6,
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      // Peers are IP addresses here; without this each datagram would pass the resolver.
      lookup: (host, _options, done) => done(null, host, isV6 ? 6 : 4),
    })
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.bind({ address: options.address.address, port: options.address.port, exclusive: true }, () => {
          socket.off('error', reject)
          resolve()
        })
      })
    } catch (error) {
      socket.close()
      throw error
    }
    return new UdpTransport(socket, options)
  }

  private constructor(socket: Socket, options: UdpTransportOptions) {
    this.#socket = socket
    this.#options = options
    this.#limits = { ...DEFAULT_UDP_LIMITS, ...options.limits }
    const { address, port } = socket.address()
    this.local = { address, port }
    options.onSocket?.(socket)
    socket.on('message', (bytes, remote) => this.#receive(bytes, remote))
    // ICMP errors and the like: the peer's or the network's, never a reason to stop.
    socket.on('error', () => {
      this.#counters.socketError += 1
    })
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** The flow to an IP address, the same one as long as it is remembered. */
  flowTo(address: string, port: number): Flow {
    assert(isIP(address) !== 0, 'a UDP flow leads to an IP address')
    const key = `${address} ${port}`
    const known = this.#flows.get(key)
    if (known !== undefined) {
      this.#flows.delete(key)
      this.#flows.set(key, known)
      return known
    }
    const remote = { address, port }
    const flow = new UdpFlow(this, remote, this.#options.scopeOf(remote), this.#options)
    this.#flows.set(key, flow)
    if (this.#flows.size > this.#limits.maxFlows) this.#forgetOldest()
    return flow
  }

  /** Forgets all flows, so that scopes are asked for again (the trunks of the configuration have changed). */
  refresh(): void {
    this.#flows.clear()
  }

  get flowCount(): number {
    return this.#flows.size
  }

  /** For `UdpFlow`: sends and forgets. */
  send(bytes: Uint8Array, remote: SocketAddress): void {
    if (!this.#isOpen) return
    try {
      this.#socket.send(bytes, remote.port, remote.address, (error) => {
        if (error === null) this.#counters.sent += 1
        else this.#unsent(remote, error)
      })
    } catch (error) {
      // Node refuses some destinations at once (port 0).
      this.#unsent(remote, error)
    }
  }

  #unsent(remote: SocketAddress, error: unknown): void {
    this.#counters.sendFailed += 1
    if (this.#isOpen) this.#options.onUnsent?.(remote, codeOf(error))
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
  }

  /** May be called twice. Datagrams under way are lost. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#flows.clear()
    this.#socket.close()
  }

  #receive(bytes: Buffer, remote: RemoteInfo): void {
    this.#counters.received += 1
    if (bytes.length > this.#limits.maxDatagramBytes) {
      this.#counters.tooLarge += 1
      return
    }
    // Keeps a NAT binding open; nobody waits for an answer over UDP.
    if (isOnlyLineEnds(bytes)) {
      this.#counters.keepAlive += 1
      return
    }
    this.#options.handler.onMessage(bytes, this.flowTo(remote.address, remote.port))
  }

  #forgetOldest(): void {
    for (const key of this.#flows.keys()) {
      this.#flows.delete(key)
      return
    }
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error)

class UdpFlow implements Flow {
  readonly transport = 'udp'
  readonly remote: SocketAddress
  readonly scope: string
  readonly #owner: UdpTransport
  readonly #options: Pick<UdpTransportOptions, 'token' | 'widerOf'>
  #id: string | undefined

  constructor(
    owner: UdpTransport,
    remote: SocketAddress,
    scope: string,
    options: Pick<UdpTransportOptions, 'token' | 'widerOf'>,
  ) {
    this.#owner = owner
    this.remote = remote
    this.scope = scope
    this.#options = options
  }

  /** Made when asked for: a flood of spoofed sources is not worth random bits. */
  get id(): string {
    this.#id ??= this.#options.token()
    return this.#id
  }

  get local(): SocketAddress {
    return this.#owner.local
  }

  wider(peer?: string): Flow | undefined {
    return this.#options.widerOf?.(this, peer)
  }

  get isOpen(): boolean {
    return this.#owner.isOpen
  }

  send(bytes: Uint8Array): void {
    this.#owner.send(bytes, this.remote)
  }

  close(): void {}
}
