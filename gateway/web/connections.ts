import type { Server, Socket } from 'node:net'
import { PartyRates } from '../../sip/party-rates.ts'
import { addressGroup } from '../../sip/transport/address-group.ts'

/**
 * New connections of one IPv4 address or IPv6 /64: a TLS handshake takes a millisecond of the thread that all calls need. At once
 * there may come twice as many as may be open at a time: all of them have been lost, and have been lost again.
 */
export const OPENED_PER_SECOND = 50
export const openedBurst = (maxPerAddress: number): number => 2 * maxPerAddress

/**
 * The TCP connections of a server, from accept on: in a TLS handshake, idle, upgraded. Node's own limit is one for all
 * peers together, so that one peer could have all of it; and closing a server waits for connections that it does not end.
 */
export class Connections {
  readonly #maxPerAddress: number
  readonly #isProxy: (address: string) => boolean
  readonly #sockets = new Set<Socket>()
  readonly #perAddress = new Map<string, number>()
  readonly #rates = new PartyRates()
  readonly #counters = { tooManyOpen: 0, tooManyOpened: 0 }

  /**
   * `maxPerAddress`: for each IPv4 address or IPv6 /64; one more, or too many in a short time, are dropped without an answer, before any TLS. A proxy, and who speaks
   * through a Unix socket, has as many as its clients need.
   */
  constructor(maxPerAddress: number, isProxy: (address: string) => boolean = () => false) {
    this.#maxPerAddress = maxPerAddress
    this.#isProxy = isProxy
  }

  get size(): number {
    return this.#sockets.size
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
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
    const refusal = this.#refusal(group, count)
    if (refusal !== undefined) {
      this.#counters[refusal] += 1
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

  #refusal(group: string, count: number): 'tooManyOpen' | 'tooManyOpened' | undefined {
    if (count >= this.#maxPerAddress) return 'tooManyOpen'
    const rate = { perSecond: OPENED_PER_SECOND, burst: openedBurst(this.#maxPerAddress) }
    return this.#rates.take(group, rate, performance.now()) ? undefined : 'tooManyOpened'
  }

  /** Ends all that are left, whatever state they are in. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
