import { createSocket, type Socket } from 'node:dgram'
import { seeded } from './seeded.ts'

export interface BadMediaOptions {
  /** Where browsers send. */
  readonly address: string
  readonly port: number
  /** Where the gateway is, at the same port. */
  readonly gateway: string
  /** Of datagrams, each way. */
  readonly loss: number
  /** Each datagram is late by something between nothing and twice this, so that many overtake each other. */
  readonly jitterMs: number
  readonly seed?: number
}

const bind = (socket: Socket, port: number, address: string): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, address, resolve)
  })

/**
 * A bad network between browsers and the gateway's media port: STUN, DTLS and SRTP alike are lost, late and out of order. The
 * gateway announces this proxy's address, and sees each browser at a port of its own.
 */
export class BadMediaNetwork {
  readonly counts = { carried: 0, lost: 0 }
  readonly #options: BadMediaOptions
  readonly #front: Socket
  readonly #random: () => number
  /** Towards the gateway, by the browser's address. */
  readonly #backs = new Map<string, Socket>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #isClosed = false

  static async start(options: BadMediaOptions): Promise<BadMediaNetwork> {
    const front = createSocket('udp4')
    await bind(front, options.port, options.address)
    return new BadMediaNetwork(front, options)
  }

  private constructor(front: Socket, options: BadMediaOptions) {
    this.#front = front
    this.#options = options
    this.#random = seeded(options.seed ?? 1)
    front.on('message', (datagram, from) => {
      const back = this.#backOf(from.address, from.port)
      this.#carry(() => back.send(datagram, options.port, options.gateway))
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#timers) clearTimeout(timer)
    await Promise.all(
      [this.#front, ...this.#backs.values()].map(
        (socket) => new Promise<void>((done) => socket.close(() => done())),
      ),
    )
  }

  #backOf(address: string, port: number): Socket {
    const key = `${address}:${port}`
    const known = this.#backs.get(key)
    if (known !== undefined) return known
    const made = createSocket('udp4')
    made.on('message', (datagram) => this.#carry(() => this.#front.send(datagram, port, address)))
    this.#backs.set(key, made)
    return made
  }

  #carry(send: () => void): void {
    if (this.#random() < this.#options.loss) {
      this.counts.lost += 1
      return
    }
    this.counts.carried += 1
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        if (!this.#isClosed) send()
      },
      this.#random() * 2 * this.#options.jitterMs,
    )
    this.#timers.add(timer)
  }
}
