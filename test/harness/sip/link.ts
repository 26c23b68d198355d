import type { Flow, SocketAddress, TransportName } from '../../../sip/flow.ts'
import type { VirtualClock } from './virtual-clock.ts'

export interface LinkOptions {
  readonly transport?: TransportName
  readonly delayMs?: number
  /** Flow scope at the second end; `trunk:b` unless given. */
  readonly scope?: string
  /** Shares of datagrams, 0 to 1. */
  readonly loss?: number
  readonly duplicates?: number
  /** Added to the delay of each datagram at random, which puts them out of order. */
  readonly jitterMs?: number
  /** True for a datagram that must be lost. Called for each one sent, in order. */
  readonly drop?: (text: string) => boolean
}

export interface LinkEnd {
  readonly flow: Flow
  /** Everything this end has sent, lost or not. */
  readonly sent: string[]
}

interface Receiver {
  receive(bytes: Buffer, flow: Flow): void
}

/** Two flows that lead to each other, over a network as bad as asked for, the same in each run. */
export class Link {
  readonly a: LinkEnd
  readonly b: LinkEnd
  readonly #clock: VirtualClock
  readonly #options: LinkOptions
  readonly #receivers = new Map<LinkEnd, Receiver>()
  #isOpen = true

  constructor(clock: VirtualClock, options: LinkOptions = {}) {
    this.#clock = clock
    this.#options = options
    const left = { address: '192.0.2.1', port: 5060 }
    const right = { address: '192.0.2.2', port: 5060 }
    this.a = this.#end('a', left, right, () => this.b)
    this.b = this.#end('b', right, left, () => this.a)
  }

  connect(a: Receiver, b: Receiver): void {
    this.#receivers.set(this.a, a)
    this.#receivers.set(this.b, b)
  }

  cut(): void {
    this.#isOpen = false
  }

  /** What is sent from now on arrives. */
  mend(): void {
    this.#isOpen = true
  }

  #end(name: string, local: SocketAddress, remote: SocketAddress, other: () => LinkEnd): LinkEnd {
    const sent: string[] = []
    const isOpen = (): boolean => this.#isOpen
    const flow: Flow = {
      id: `${name}-${this.#clock.token()}`,
      transport: this.#options.transport ?? 'udp',
      local,
      remote,
      scope: name === 'b' ? (this.#options.scope ?? 'trunk:b') : `trunk:${name}`,
      get isOpen() {
        return isOpen()
      },
      send: (bytes) => {
        if (!this.#isOpen) return
        const copy = Buffer.from(bytes)
        sent.push(copy.toString())
        this.#carry(copy, other())
      },
      close: () => this.cut(),
    }
    return { flow, sent }
  }

  #carry(bytes: Buffer, to: LinkEnd): void {
    const { delayMs = 10, loss = 0, duplicates = 0, jitterMs = 0, drop } = this.#options
    if (drop?.(bytes.toString()) === true || this.#clock.random() < loss) return
    const copies = this.#clock.random() < duplicates ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      const arrivesMs = this.#clock.nowMs() + delayMs + Math.floor(this.#clock.random() * jitterMs)
      this.#clock.schedule(arrivesMs, () => {
        if (this.#isOpen) this.#receivers.get(to)?.receive(Buffer.from(bytes), to.flow)
      })
    }
  }
}
