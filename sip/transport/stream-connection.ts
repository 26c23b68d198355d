import type { Socket } from 'node:net'
import type { Flow, FlowTowards, SocketAddress } from '../flow.ts'
import { StreamFramer } from '../message/stream-framer.ts'
import type { StreamCounter, StreamLimits } from './stream-limits.ts'

const PONG = Buffer.from('\r\n')
/** How long a peer has to take what was written before a close. */
export const CLOSE_GRACE_MS = 1_000
const TCP_KEEP_ALIVE_MS = 60_000

export interface StreamConnectionOptions {
  readonly socket: Socket
  readonly ends: Pick<Flow, 'id' | 'local' | 'remote' | 'scope' | 'peer'> & {
    readonly transport: 'tcp' | 'tls'
  }
  readonly limits: StreamLimits
  readonly count: (counter: StreamCounter) => void
  readonly onMessage: (bytes: Buffer, flow: Flow) => void
  /** Once. */
  readonly onClose: (connection: StreamConnection) => void
  /** Another way to the same peer, for what is sent when this one is closed. `peer`: to that one of those that it may be. */
  readonly elsewhere: (from: Flow, peer: string | undefined) => FlowTowards | undefined
}

/**
 * One TCP or TLS connection as a flow. What came by it is answered by it; when it is gone, the peer's other way is used,
 * so that a dialog outlives the connection it began on.
 */
export class StreamConnection implements Flow {
  readonly id: string
  readonly transport: 'tcp' | 'tls'
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly scope: string
  readonly peer: string | undefined
  readonly #options: StreamConnectionOptions
  readonly #framer: StreamFramer
  /** Until the connection may carry them. */
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #state: 'opening' | 'open' | 'closing' | 'closed' = 'opening'
  #hasReceived = false
  /** Closed by us for want of use: what the peer has sent before it knows of that is heard. */
  #isRetired = false
  /** Pieces of anything. */
  #heard = 0
  #messageTimer: NodeJS.Timeout | undefined

  constructor(options: StreamConnectionOptions) {
    const { socket, ends, limits, count } = options
    this.#options = options
    this.id = ends.id
    this.transport = ends.transport
    this.local = ends.local
    this.remote = ends.remote
    this.scope = ends.scope
    this.peer = ends.peer
    this.#framer = new StreamFramer(limits.maxMessageBytes)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS)
    socket.setTimeout(limits.idleMs, () => {
      count('cutIdle')
      this.#retire()
    })
    socket.on('error', () => count('error'))
    // The peer will read no more; Node.js closes our half by itself.
    socket.once('end', () => {
      if (this.isAlive) this.#state = 'closing'
    })
    socket.once('close', () => this.#closed())
  }

  get isOpen(): boolean {
    return this.#isOpenTowards(undefined)
  }

  #isOpenTowards(peer: string | undefined): boolean {
    return this.isAlive || (this.#options.elsewhere(this, peer)?.isOpen ?? false)
  }

  /** This very connection can be used, or will be. */
  get isAlive(): boolean {
    return this.#state === 'opening' || this.#state === 'open'
  }

  /** The peer has sent a message by it. */
  get hasReceived(): boolean {
    return this.#hasReceived
  }

  /** TCP is connected, and with TLS the peer is who it should be. */
  ready(): void {
    if (this.#state !== 'opening') return
    this.#state = 'open'
    this.#options.socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    const waiting = this.#waiting
    this.#waiting = []
    for (const bytes of waiting) this.send(bytes)
  }

  towards(peer: string): FlowTowards {
    const isOpen = (): boolean => this.#isOpenTowards(peer)
    return {
      get isOpen() {
        return isOpen()
      },
      send: (bytes) => this.#send(bytes, peer),
      watchSilence: () => this.#watchSilence(peer),
    }
  }

  send(bytes: Uint8Array): void {
    this.#send(bytes, undefined)
  }

  #send(bytes: Uint8Array, peer: string | undefined): void {
    if (this.#state === 'open') {
      this.#write(bytes)
      this.#options.count('sent')
      return
    }
    if (this.#state === 'opening') {
      this.#waitingBytes += bytes.length
      if (this.#waitingBytes > this.#options.limits.maxBufferedBytes) this.#cut('cutSlowReader')
      else this.#waiting.push(bytes)
      return
    }
    const other = this.#options.elsewhere(this, peer)
    if (other === undefined) this.#options.count('sendFailed')
    else other.send(bytes)
  }

  /** Its other end may have gone without a word; the kernel would go on trying for a quarter of an hour, and so would we. */
  watchSilence(): (() => void) | undefined {
    return this.#watchSilence(undefined)
  }

  #watchSilence(peer: string | undefined): (() => void) | undefined {
    if (!this.isAlive) return this.#options.elsewhere(this, peer)?.watchSilence?.()
    const heard = this.#heard
    return () => {
      if (this.#heard !== heard || !this.isAlive) return
      this.#options.count('cutSilent')
      this.#retire()
    }
  }

  /** Lets what was written go out first. May be called twice. */
  close(): void {
    if (!this.isAlive) return
    const { socket } = this.#options
    if (this.#state === 'opening') {
      socket.destroy()
      return
    }
    this.#state = 'closing'
    socket.end()
    setTimeout(() => socket.destroy(), CLOSE_GRACE_MS).unref()
  }

  #retire(): void {
    this.#isRetired = this.#state === 'open'
    this.close()
  }

  get #isHeard(): boolean {
    return this.#state === 'open' || (this.#state === 'closing' && this.#isRetired)
  }

  /** At once. */
  destroy(): void {
    this.#options.socket.destroy()
  }

  #write(bytes: Uint8Array): void {
    const { socket, limits } = this.#options
    socket.write(bytes)
    if (socket.writableLength > limits.maxBufferedBytes) this.#cut('cutSlowReader')
  }

  #receive(chunk: Buffer): void {
    if (!this.#isHeard) return
    this.#heard += 1
    const { count, onMessage } = this.#options
    let hasMessage = false
    for (const frame of this.#framer.push(chunk)) {
      // A handler may close the connection between two messages of one chunk.
      if (!this.#isHeard) return
      switch (frame.kind) {
        case 'message':
          hasMessage = true
          this.#hasReceived = true
          count('received')
          onMessage(frame.bytes, this)
          break
        case 'ping':
          count('keepAlive')
          if (this.#state === 'open') this.#write(PONG)
          break
        case 'broken':
          this.#cut(frame.code === 'sip.too-large' ? 'cutTooLarge' : 'cutMalformed')
          return
        default:
          frame satisfies never
      }
    }
    this.#watch(hasMessage)
  }

  /** Each message has its own time, however many bytes come in between. */
  #watch(isOther: boolean): void {
    if (isOther || !this.#framer.isPartial) this.#stopWatching()
    if (!this.#framer.isPartial || this.#messageTimer !== undefined) return
    this.#messageTimer = setTimeout(() => this.#cut('cutSlowSender'), this.#options.limits.messageMs)
    this.#messageTimer.unref()
  }

  #stopWatching(): void {
    clearTimeout(this.#messageTimer)
    this.#messageTimer = undefined
  }

  #cut(why: StreamCounter): void {
    this.#options.count(why)
    this.#state = 'closing'
    this.#isRetired = false
    this.#options.socket.destroy()
  }

  #closed(): void {
    this.#state = 'closed'
    this.#waiting = []
    this.#stopWatching()
    this.#options.count('closed')
    this.#options.onClose(this)
  }
}
