import type { Flow, SocketAddress, TransportName } from '../../sip/flow.ts'
import type { VirtualTime } from './virtual-time.ts'

type Receiver = (bytes: Buffer, flow: Flow) => void

export interface MemoryLinkOptions {
  readonly time: VirtualTime
  readonly transport: TransportName
  readonly a: { readonly address: SocketAddress; readonly scope: string; readonly receive: Receiver }
  readonly b: { readonly address: SocketAddress; readonly scope: string; readonly receive: Receiver }
  /** Milliseconds each way. */
  readonly delayMs?: number
}

/** Two ends of one way between two user agents in memory; what is sent arrives after the delay, as its own copy. */
export function memoryLink(options: MemoryLinkOptions): { readonly a: MemoryFlow; readonly b: MemoryFlow } {
  const { time, transport, delayMs = 1 } = options
  const later = (step: () => void, more = 0): void => {
    time.schedule(time.nowMs() + delayMs + more, step)
  }
  const carry = (from: MemoryFlow, to: MemoryFlow, bytes: Buffer, receive: () => void): void => {
    const text = bytes.toString('latin1')
    for (const more of from.fate(text)) later(() => to.takes(text) && receive(), more)
  }
  const a: MemoryFlow = new MemoryFlow('a', transport, options.a, options.b.address, {
    deliver: (bytes) => carry(a, b, bytes, () => options.b.receive(bytes, b)),
    closed: () => later(() => b.close()),
  })
  const b: MemoryFlow = new MemoryFlow('b', transport, options.b, options.a.address, {
    deliver: (bytes) => carry(b, a, bytes, () => options.a.receive(bytes, a.anew())),
    closed: () => later(() => a.close()),
  })
  return { a, b }
}

let count = 0

export class MemoryFlow implements Flow {
  readonly id: string
  transport: TransportName
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly scope: string
  /** Everything sent, as text. */
  readonly sent: string[] = []
  /** Drops what it returns true for. */
  drops: (text: string) => boolean = () => false
  /** How much later than usual each copy of a message arrives, in milliseconds; empty: it is lost. */
  fate: (text: string) => readonly number[] = () => [0]
  /** Whether what arrives is read. */
  takes: (text: string) => boolean = () => true
  /** Scope of what is received from now on, where the transport makes a flow anew for it. */
  seenAs: string | undefined
  /** It is to a peer that cannot be connected to now, and loses what is sent. */
  isBackedOff = false
  /** How often it was asked for a sign of life. */
  probes = 0
  #isOpen = true
  #next: MemoryFlow | undefined
  readonly #link: { deliver(bytes: Buffer): void; closed(): void }

  constructor(
    name: string,
    transport: TransportName,
    own: { readonly address: SocketAddress; readonly scope: string },
    remote: SocketAddress,
    link: { deliver(bytes: Buffer): void; closed(): void },
  ) {
    count += 1
    this.id = `${name}${count}`
    this.transport = transport
    this.local = own.address
    this.remote = remote
    this.scope = own.scope
    this.#link = link
  }

  get isOpen(): boolean {
    return this.#next?.isOpen ?? (this.#isOpen && !this.isBackedOff)
  }

  insist(): void {
    this.isBackedOff = false
  }

  probe(): void {
    this.probes += 1
  }

  /** A client has one transport, whatever connection is behind it. */
  continueBy(next: MemoryFlow): void {
    this.#next = next
  }

  /** The flow that the transport would make now. */
  anew(): Flow {
    const { id, transport, local, remote, isOpen, seenAs } = this
    if (seenAs === undefined || seenAs === this.scope) return this
    const send = (bytes: Uint8Array): void => this.send(bytes)
    return { id, transport, local, remote, scope: seenAs, isOpen, send, close: () => this.close() }
  }

  send(bytes: Uint8Array): void {
    if (this.#next !== undefined) {
      this.#next.send(bytes)
      return
    }
    const copy = Buffer.from(bytes)
    const text = copy.toString('latin1')
    this.sent.push(text)
    if (this.isOpen && !this.drops(text)) this.#link.deliver(copy)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#link.closed()
  }
}
