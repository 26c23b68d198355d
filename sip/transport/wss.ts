import { isUtf8 } from 'node:buffer'
import { type Server as HttpServer, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Flow, SocketAddress, TransportName } from '../flow.ts'
import { TokenBucket } from '../token-bucket.ts'
import { addressGroup } from './address-group.ts'
import { isOnlyLineEnds, isPing } from './keep-alive.ts'
import { isAllowedOrigin } from './origin.ts'

export interface WebSocketHandler {
  onOpen(flow: Flow): void
  /** One SIP message as it came in a text or binary frame. Must not throw. */
  onMessage(bytes: Buffer, flow: Flow): void
  /** Once for each flow that was opened. */
  onClose(flow: Flow): void
}

export interface WebSocketLimits {
  readonly maxConnections: number
  /** Per IPv4 address or IPv6 /64. */
  readonly maxConnectionsPerAddress: number
  readonly maxMessageBytes: number
  /** How long a new connection keeps its place where there is none for others: longer than a registrar may take to answer. */
  readonly unknownMs: number
  /** Bytes queued towards a peer that does not read before it is cut. */
  readonly maxBufferedBytes: number
  /** A peer that shows no sign of life between two pings is cut. */
  readonly pingMs: number
  /** Frames (pings included) a peer may send; one that sends more is cut. */
  readonly framesPerSecond: number
  readonly frameBurst: number
  /** What a peer may send before somebody has signed in by its connection; it is cut beyond. Later only frames are counted. */
  readonly strangerBytesPerSecond: number
  readonly strangerByteBurst: number
}

const DEFAULT_WEBSOCKET_LIMITS: WebSocketLimits = {
  maxConnections: 10_000,
  maxConnectionsPerAddress: 100,
  unknownMs: 40_000,
  maxMessageBytes: 65_536,
  maxBufferedBytes: 1_048_576,
  pingMs: 30_000,
  framesPerSecond: 50,
  frameBurst: 200,
  strangerBytesPerSecond: 16_384,
  // The largest message, or two large INVITEs: one that is challenged, and the one with credentials.
  strangerByteBurst: 65_536,
}

export interface WebSocketTransportOptions {
  readonly handler: WebSocketHandler
  /** Origins allowed beside our own; see `isAllowedOrigin`. */
  readonly origins: readonly string[]
  /** An unguessable string for `Flow.id`. */
  readonly token: () => string
  /** Who is at the other end, where that is not who the socket says: behind a proxy. */
  readonly clientOf?: (request: IncomingMessage) => SocketAddress
  /** Whether somebody has signed in by this flow, or talks by it: where there is no room, others make some. */
  readonly isKnown?: (flow: Flow) => boolean
  readonly limits?: Partial<WebSocketLimits>
}

const CLOSE_NORMAL = 1000
const CLOSE_GOING_AWAY = 1001
const CLOSE_POLICY = 1008
/** RFC 6455 §5.5.1: what fits beside the status in a control frame. */
const MAX_CLOSE_REASON_BYTES = 123
/** Of one message: clients send a SIP message in one frame, and each fragment costs more memory than the byte it may hold. */
const MAX_FRAGMENTS = 64
/** How long a closing peer has for its part of the handshake. */
const CLOSE_GRACE_MS = 1_000
const PONG = Buffer.from('\r\n')

type Counter =
  | 'opened'
  | 'closed'
  | 'refusedProtocol'
  | 'refusedOrigin'
  | 'refusedPath'
  | 'refusedFull'
  | 'cutSilent'
  | 'cutSlow'
  | 'cutFlood'
  | 'cutStranger'
  | 'cutUnknown'
  | 'error'
  | 'keepAlive'
  | 'received'
  | 'sent'

/** SIP over WebSocket (RFC 7118) on HTTP servers of the owner. Each connection is a flow with a scope of its own. */
export class WebSocketTransport {
  readonly #options: WebSocketTransportOptions
  readonly #limits: WebSocketLimits
  readonly #server: WebSocketServer
  readonly #connections = new Set<Connection>()
  /** Those not yet seen to be known, oldest first. */
  readonly #unknown = new Set<Connection>()
  readonly #perAddress = new Map<string, number>()
  readonly #detach = new Set<() => void>()
  readonly #counters: Record<Counter, number> = {
    opened: 0,
    closed: 0,
    refusedProtocol: 0,
    refusedOrigin: 0,
    refusedPath: 0,
    refusedFull: 0,
    cutSilent: 0,
    cutSlow: 0,
    cutFlood: 0,
    cutStranger: 0,
    cutUnknown: 0,
    error: 0,
    keepAlive: 0,
    received: 0,
    sent: 0,
  }
  readonly #pings: NodeJS.Timeout
  #isOpen = true

  constructor(options: WebSocketTransportOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_WEBSOCKET_LIMITS, ...options.limits }
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // SIP messages are small, and a compressed frame is a lever for whoever wants our memory.
      perMessageDeflate: false,
      maxPayload: this.#limits.maxMessageBytes,
      maxFragments: MAX_FRAGMENTS,
      handleProtocols: () => 'sip',
    })
    this.#pings = setInterval(() => this.#pingAll(), this.#limits.pingMs)
    this.#pings.unref()
  }

  /** Takes the WebSocket upgrades of an HTTP or HTTPS server, on `path` or on every path. Returns how to stop. */
  attach(server: HttpServer | HttpsServer, path?: string): () => void {
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void =>
      this.#upgrade(request, socket, head, path)
    server.on('upgrade', onUpgrade)
    const detach = (): void => {
      server.off('upgrade', onUpgrade)
      this.#detach.delete(detach)
    }
    this.#detach.add(detach)
    return detach
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
  }

  /** Closes all connections and detaches from the servers, which stay open. May be called twice. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    clearInterval(this.#pings)
    for (const detach of [...this.#detach]) detach()
    for (const connection of this.#connections) connection.shut(CLOSE_GOING_AWAY, 'shutting down')
    this.#server.close()
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, path: string | undefined): void {
    // `ws` listens to errors only after it has taken the socket over.
    const onError = (): void => {
      socket.destroy()
    }
    socket.on('error', onError)
    const remote = this.#options.clientOf?.(request) ?? remoteOf(request)
    const group = addressGroup(remote.address)
    const refusal = this.#refusal(request, group, path)
    if (refusal !== undefined) {
      this.#counters[refusal.counter] += 1
      refuse(socket, refusal.status)
      return
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('error', onError)
      this.#open(webSocket, request, remote, group)
    })
  }

  #refusal(
    request: IncomingMessage,
    group: string,
    path: string | undefined,
  ): { readonly status: number; readonly counter: Counter } | undefined {
    if (path !== undefined && request.url?.split('?')[0] !== path)
      return { status: 404, counter: 'refusedPath' }
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    if (!protocols.some((name) => name.toLowerCase() === 'sip'))
      return { status: 400, counter: 'refusedProtocol' }
    if (!isAllowedOrigin(request.headers.origin, request.headers.host, this.#options.origins)) {
      return { status: 403, counter: 'refusedOrigin' }
    }
    const isFull =
      (this.#perAddress.get(group) ?? 0) >= this.#limits.maxConnectionsPerAddress || !this.#makeRoom()
    return isFull ? { status: 503, counter: 'refusedFull' } : undefined
  }

  /** Whoever only holds a place, and has for long, gives it to the next, the oldest first: nothing keeps others from opening as many as there are. */
  #makeRoom(): boolean {
    if (this.#connections.size < this.#limits.maxConnections) return true
    const openedBeforeMs = performance.now() - this.#limits.unknownMs
    for (const connection of this.#unknown) {
      if (connection.openedMs > openedBeforeMs) return false
      this.#unknown.delete(connection)
      if (this.#options.isKnown?.(connection) !== false) continue
      this.#counters.cutUnknown += 1
      this.#connections.delete(connection)
      connection.cut()
      return true
    }
    return false
  }

  #open(webSocket: WebSocket, request: IncomingMessage, remote: SocketAddress, group: string): void {
    const { socket } = request
    const connection = new Connection(
      webSocket,
      {
        id: this.#options.token(),
        transport: 'encrypted' in socket && socket.encrypted === true ? 'wss' : 'ws',
        local: { address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
        remote,
      },
      this.#limits,
      this.#options,
      (counter) => {
        this.#counters[counter] += 1
      },
    )
    this.#connections.add(connection)
    this.#unknown.add(connection)
    this.#perAddress.set(group, (this.#perAddress.get(group) ?? 0) + 1)
    this.#counters.opened += 1
    webSocket.once('close', () => {
      this.#connections.delete(connection)
      this.#unknown.delete(connection)
      this.#counters.closed += 1
      const left = (this.#perAddress.get(group) ?? 1) - 1
      if (left === 0) this.#perAddress.delete(group)
      else this.#perAddress.set(group, left)
      this.#options.handler.onClose(connection)
    })
    this.#options.handler.onOpen(connection)
  }

  #pingAll(): void {
    for (const connection of this.#connections) connection.ping()
  }
}

/** One WebSocket as a flow. */
class Connection implements Flow {
  readonly id: string
  readonly transport: TransportName
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly scope: string
  readonly openedMs = performance.now()
  readonly #webSocket: WebSocket
  readonly #limits: WebSocketLimits
  readonly #count: (counter: Counter) => void
  readonly #bucket: TokenBucket
  /** In bytes; undefined from when somebody is known to have signed in. */
  #strangerBucket: TokenBucket | undefined
  readonly #isKnown: WebSocketTransportOptions['isKnown']
  #isAlive = true
  #probing: NodeJS.Timeout | undefined

  constructor(
    webSocket: WebSocket,
    ends: Pick<Flow, 'id' | 'transport' | 'local' | 'remote'>,
    limits: WebSocketLimits,
    { handler, isKnown }: Pick<WebSocketTransportOptions, 'handler' | 'isKnown'>,
    count: (counter: Counter) => void,
  ) {
    this.id = ends.id
    this.transport = ends.transport
    this.local = ends.local
    this.remote = ends.remote
    this.scope = `ws:${ends.id}`
    this.#webSocket = webSocket
    this.#limits = limits
    this.#count = count
    const { framesPerSecond, frameBurst, strangerBytesPerSecond, strangerByteBurst } = limits
    this.#bucket = new TokenBucket(framesPerSecond, frameBurst, performance.now())
    this.#isKnown = isKnown
    this.#strangerBucket = new TokenBucket(strangerBytesPerSecond, strangerByteBurst, performance.now())
    webSocket.on('message', (bytes) => {
      if (Buffer.isBuffer(bytes) && this.#admit() && this.#affords(bytes)) this.#receive(bytes, handler)
    })
    webSocket.on('ping', () => this.#admit())
    webSocket.on('pong', () => this.#admit())
    // A broken frame or a message past the limit; `ws` closes the connection itself.
    webSocket.on('error', () => count('error'))
    webSocket.once('close', () => clearTimeout(this.#probing))
  }

  get isOpen(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN
  }

  send(bytes: Uint8Array): void {
    if (!this.isOpen) return
    // Text where it may be text (RFC 7118 §4.2): some clients cannot read binary frames.
    this.#webSocket.send(bytes, { binary: !isUtf8(bytes) }, () => {})
    this.#count('sent')
    this.#cutIfSlow()
  }

  close(reason: string): void {
    this.shut(CLOSE_NORMAL, reason)
  }

  shut(code: number, reason: string): void {
    if (this.#webSocket.readyState === this.#webSocket.CLOSED) return
    const text = Buffer.from(reason).subarray(0, MAX_CLOSE_REASON_BYTES)
    this.#webSocket.close(code, isUtf8(text) ? text : '')
    setTimeout(() => this.#webSocket.terminate(), CLOSE_GRACE_MS).unref()
  }

  /** At once, without a word. */
  cut(): void {
    this.#webSocket.terminate()
  }

  ping(): void {
    if (!this.#isAlive) {
      this.#count('cutSilent')
      this.#webSocket.terminate()
      return
    }
    this.#isAlive = false
    if (this.isOpen) this.#webSocket.ping(undefined, undefined, () => {})
  }

  probe(withinMs: number): void {
    if (!this.isOpen || this.#probing !== undefined) return
    this.#webSocket.ping(undefined, undefined, () => {})
    this.#probing = setTimeout(() => {
      this.#count('cutSilent')
      this.#webSocket.terminate()
    }, withinMs)
  }

  /** Counts a frame of the peer; false when it is one too many. */
  #admit(): boolean {
    this.#isAlive = true
    clearTimeout(this.#probing)
    this.#probing = undefined
    if (!this.isOpen) return false
    if (!this.#bucket.take(performance.now())) {
      this.#count('cutFlood')
      this.shut(CLOSE_POLICY, 'too many messages')
      return false
    }
    // Pongs that `ws` sends by itself queue up too.
    return this.#cutIfSlow()
  }

  /** Reading costs time in proportion to bytes, and strangers have as many connections as they like. */
  #affords(bytes: Buffer): boolean {
    if (this.#strangerBucket?.take(performance.now(), bytes.length) !== false) return true
    if (this.#isKnown?.(this) !== false) {
      this.#strangerBucket = undefined
      return true
    }
    this.#count('cutStranger')
    this.shut(CLOSE_POLICY, 'too much before signing in')
    return false
  }

  #receive(bytes: Buffer, handler: WebSocketHandler): void {
    if (isOnlyLineEnds(bytes)) {
      this.#count('keepAlive')
      if (isPing(bytes)) this.send(PONG)
      return
    }
    this.#count('received')
    handler.onMessage(bytes, this)
  }

  #cutIfSlow(): boolean {
    if (this.#webSocket.bufferedAmount <= this.#limits.maxBufferedBytes) return true
    this.#count('cutSlow')
    this.#webSocket.terminate()
    return false
  }
}

const remoteOf = ({ socket }: IncomingMessage): SocketAddress => ({
  address: socket.remoteAddress ?? '',
  port: socket.remotePort ?? 0,
})

function refuse(socket: Duplex, status: number): void {
  const retry = status === 503 ? 'Retry-After: 10\r\n' : ''
  socket.once('finish', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Length: 0\r\n${retry}\r\n`,
  )
}
