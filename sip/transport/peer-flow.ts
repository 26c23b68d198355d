import type { Flow, SocketAddress } from '../flow.ts'
import type { StreamConnection } from './stream-connection.ts'
import type { StreamCounter, StreamLimits } from './stream-limits.ts'

/** How TLS with one peer is done. */
export interface PeerTls {
  /** The domain whose certificate the peer must have (RFC 5922); also the name asked for (SNI). */
  readonly name: string
  readonly wildcards: boolean
  /** PEM; undefined: the authorities that Node.js knows. */
  readonly ca: string | undefined
  /** PEM, for peers that want a certificate of ours. */
  readonly identity: { readonly certificate: string; readonly key: string } | undefined
  /** Offer ALPN `sip`: some peers refuse the handshake because of it. */
  readonly alpn: boolean
  /** What the peer connects with must have a certificate of `name` too. */
  readonly isCertificateRequired: boolean
  /** Lowest version, both ways. */
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
}

/** A trunk as a transport sees it. */
export interface StreamPeer {
  /** Unlike a scope, none that another has. */
  readonly name: string
  readonly scope: string
  /** Where it listens. */
  readonly remote: SocketAddress
  /** Undefined for TCP. Read for each connection: files may be renewed. */
  readonly tls: PeerTls | undefined
}

export interface PeerFlowOptions {
  readonly id: string
  readonly peer: StreamPeer
  readonly transport: 'tcp' | 'tls'
  readonly local: SocketAddress
  readonly limits: StreamLimits
  readonly count: (counter: StreamCounter) => void
  /** Undefined: no more connections are allowed. */
  readonly connect: (peer: StreamPeer, onClose: () => void) => StreamConnection | undefined
  readonly onClose: (flow: Flow) => void
  readonly isTransportOpen: () => boolean
}

/** Flows that used this one after their own connection had gone; more than these only lose the early notice of a failure. */
const MAX_DEPENDENTS = 1_024

/**
 * The way to a peer that opens a connection when there is something to send, and keeps it for what follows. When
 * connections fail it reports closed for a while, so that calls go elsewhere at once instead of waiting.
 */
export class PeerFlow implements Flow {
  readonly id: string
  readonly transport: 'tcp' | 'tls'
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly scope: string
  readonly peer: string
  readonly #options: PeerFlowOptions
  readonly #dependents = new Set<Flow>()
  #connection: StreamConnection | undefined
  #failures = 0
  #retryMs = 0

  constructor(options: PeerFlowOptions) {
    this.#options = options
    this.id = options.id
    this.transport = options.transport
    this.local = options.local
    this.remote = options.peer.remote
    this.scope = options.peer.scope
    this.peer = options.peer.name
  }

  get isOpen(): boolean {
    return this.#options.isTransportOpen() && (this.isConnected || performance.now() >= this.#retryMs)
  }

  get isConnected(): boolean {
    return this.#connection?.isAlive ?? false
  }

  send(bytes: Uint8Array): void {
    const connection = this.#usable()
    if (connection !== undefined) {
      connection.send(bytes)
      return
    }
    this.#options.count('sendFailed')
    // Who sends hears of it after control has returned, as of any connection that fails.
    queueMicrotask(() => this.#tell())
  }

  insist(): void {
    this.#retryMs = 0
  }

  watchSilence(): (() => void) | undefined {
    return this.#connection?.watchSilence()
  }

  /** `send` for a flow of the same peer whose own connection is gone. */
  sendFor(flow: Flow, bytes: Uint8Array): void {
    if (this.#dependents.size < MAX_DEPENDENTS) this.#dependents.add(flow)
    this.send(bytes)
  }

  /** Ends the connection, if there is one; the next message opens another. */
  close(): void {
    this.#connection?.close()
  }

  #usable(): StreamConnection | undefined {
    if (this.#connection?.isAlive === true) return this.#connection
    if (!this.isOpen) {
      this.#options.count('backedOff')
      return undefined
    }
    const connection = this.#options.connect(this.#options.peer, () => this.#closed(connection))
    this.#connection = connection
    return connection
  }

  #closed(connection: StreamConnection | undefined): void {
    const { limits } = this.#options
    if (connection?.hasReceived === true) this.#failures = 0
    else {
      const waitMs = Math.min(limits.maxBackOffMs, limits.minBackOffMs * 2 ** this.#failures)
      this.#failures = Math.min(this.#failures + 1, 31)
      this.#retryMs = performance.now() + waitMs
    }
    // Another one has taken its place: what waits now waits for that.
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#tell()
  }

  /** What waits for an answer by this way will not get one. */
  #tell(): void {
    const { onClose } = this.#options
    const dependents = [...this.#dependents]
    this.#dependents.clear()
    onClose(this)
    for (const flow of dependents) onClose(flow)
  }
}
