import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { SocketAddress } from '../../sip/flow.ts'
import { plainAddress, type TrustedProxies } from './trusted-proxies.ts'

/** Who is at the other end of each connection: its own address, or that of the client a trusted proxy speaks for. */
export class ClientAddresses {
  readonly #proxies: TrustedProxies
  /**
   * By the connection's two ends, which TLS and plain socket share; Node shows no way from the one to the other. One entry
   * for each open connection, whose number is limited.
   */
  readonly #announced = new Map<string, SocketAddress>()
  readonly #local = new WeakSet<Socket>()

  constructor(proxies: TrustedProxies) {
    this.#proxies = proxies
  }

  isProxy(address: string): boolean {
    return this.#proxies.has(address)
  }

  /** Came by a Unix socket: the rights of its file say who may speak there, so that is a proxy of ours. */
  trust(socket: Socket): void {
    this.#local.add(socket)
  }

  /** A PROXY header has told whom this connection is for. */
  announce(socket: Socket, source: SocketAddress): void {
    const key = endsOf(socket)
    this.#announced.set(key, source)
    socket.once('close', () => {
      // A later connection may have the same ends.
      if (this.#announced.get(key) === source) this.#announced.delete(key)
    })
  }

  /** The client of a request. The port is 0 where only the address is known. */
  of({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): SocketAddress {
    const { remoteAddress, remotePort } = socket
    const forwardedFor = [headers['x-forwarded-for'] ?? []].flat().join(',')
    if (this.#local.has(socket)) return { address: this.#proxies.clientOf(undefined, forwardedFor), port: 0 }
    // A peer that has gone already has no address; nothing is believed of it.
    if (remoteAddress === undefined) return { address: '', port: 0 }
    const own = { address: plainAddress(remoteAddress), port: remotePort ?? 0 }
    const hop = this.#announced.get(endsOf(socket)) ?? own
    if (!this.#proxies.has(hop.address)) return hop
    return { address: this.#proxies.clientOf(hop.address, forwardedFor), port: 0 }
  }
}

const endsOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
