import type { Server, Socket } from 'node:net'
import { addressGroup } from '../../sip/transport/address-group.ts'

/**
 * The TCP connections of a server, from accept on: in a TLS handshake, idle, upgraded. Node's own limit is one for all
 * peers together, so that one peer could have all of it; and closing a server waits for connections that it does not end.
 */
export class Connections {
  readonly #maxPerAddress: number
  readonly #isProxy: (address: string) => boolean
  readonly #sockets = new Set<Socket>()
  readonly #perAddress = new Map<string, number>()

  /**
   * `maxPerAddress`: for each IPv4 address or IPv6 /64; one more is dropped without an answer. A proxy, and who speaks
   * through a Unix socket, has as many as its clients need.
   */
  constructor(maxPerAddress: number, isProxy: (address: string) => boolean = () => false) {
    this.#maxPerAddress = maxPerAddress
    this.#isProxy = isProxy
  }

  get size(): number {
    return this.#sockets.size
  }

  watch(server: Server): void {
    server.on('connection', (socket) => {
      const { remoteAddress } = socket
      const isCounted = remoteAddress !== undefined && !this.#isProxy(remoteAddress)
      if (isCounted && !this.count(socket, remoteAddress)) return
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** Counts a connection for a client until it closes; false, and it is destroyed, when that is one too many. */
  count(socket: Socket, address: string): boolean {
    const group = addressGroup(address)
    const count = this.#perAddress.get(group) ?? 0
    if (count >= this.#maxPerAddress) {
      socket.destroy()
      return false
    }
    this.#perAddress.set(group, count + 1)
    socket.once('close', () => {
      const left = (this.#perAddress.get(group) ?? 1) - 1
      if (left === 0) this.#perAddress.delete(group)
      else this.#perAddress.set(group, left)
    })
    return true
  }

  /** Ends all that are left, whatever state they are in. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
