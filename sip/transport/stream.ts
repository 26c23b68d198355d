import { strict as assert } from 'node:assert'
import { constants } from 'node:crypto'
import { connect as connectTcp, createServer, isIP, type Server, type Socket } from 'node:net'
import {
  connect as connectTls,
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls'
import { SipFailure } from '../failure.ts'
import type { Flow, SocketAddress } from '../flow.ts'
import { PartyRates } from '../party-rates.ts'
import { addressGroup } from './address-group.ts'
import { PeerFlow, type PeerTls, type StreamPeer } from './peer-flow.ts'
import { CLOSE_GRACE_MS, StreamConnection } from './stream-connection.ts'
import {
  DEFAULT_STREAM_LIMITS,
  STREAM_COUNTERS,
  type StreamCounter,
  type StreamLimits,
} from './stream-limits.ts'
import { foreignness, guardOf, peerOfCertificate, type TlsGuard } from './stream-tls.ts'

export interface StreamHandler {
  /** One message. Must not throw. */
  onMessage(bytes: Buffer, flow: Flow): void
  /** What waits for an answer by this flow will not get one; the flow itself may be used again. */
  onClose(flow: Flow): void
  /** A connection of a trunk, or towards it, did not come about: a code of the system, of TLS or of ours. */
  onTrouble(trouble: {
    /** Name of the trunk, or of one of those at that address. */
    readonly peer: string
    readonly scope: string
    readonly remote: SocketAddress
    readonly reason: string
  }): void
}

export interface StreamTransportOptions {
  /** An own IP address; port 0 picks one. Connections of ours begin at this address too. */
  readonly address: SocketAddress
  /** PEM. Given, everything is TLS (1.2 at least). */
  readonly identity?: { readonly certificate: string; readonly key: string }
  readonly handler: StreamHandler
  /** The trunks that a source address may belong to; they have one scope. */
  readonly peersAt: (remote: SocketAddress) => readonly StreamPeer[]
  /** Scope of all others: they are heard once and closed. */
  readonly strangerScope: string
  /** An unguessable string for `Flow.id`. */
  readonly token: () => string
  /** Told of the listener, and of each connection of ours as soon as there is one. */
  readonly onSocket?: ((socket: Server | Socket) => void) | undefined
  readonly limits?: Partial<StreamLimits>
}

/** Whose connections are counted together. */
const ALL_STRANGERS = 'strangers'
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/**
 * SIP over TCP or TLS at one address: the listener, its connections, and a flow to each trunk that connects on demand.
 * Requests of a peer are answered by the connection they came by; a peer may send requests by connections of ours.
 */
export class StreamTransport {
  readonly local: SocketAddress
  readonly #options: StreamTransportOptions
  readonly #transport: 'tcp' | 'tls'
  readonly #limits: StreamLimits
  readonly #server: Server
  /** They get their sockets from `#server`; by what they ask of a peer. */
  readonly #tlsServers = new Map<
    string,
    { readonly server: TlsServer; readonly peers: readonly StreamPeer[] }
  >()
  #identity: { readonly certificate: string; readonly key: string } | undefined
  /** Accepted, TLS or not yet; each holds a place. */
  readonly #sockets = new Set<Socket>()
  readonly #connections = new Set<StreamConnection>()
  readonly #accepted = new Set<StreamConnection>()
  readonly #perAddress = new Map<string, number>()
  readonly #rates = new PartyRates()
  /** By scope and address; least recently made first. */
  readonly #peers = new Map<string, PeerFlow>()
  readonly #counters = Object.fromEntries(STREAM_COUNTERS.map((name) => [name, 0])) as Record<
    StreamCounter,
    number
  >
  #trunkCount = 0
  #strangerCount = 0
  #isOpen = true

  /** @throws the system's error when the address cannot be bound, and that of TLS for an unusable certificate. */
  static async open(options: StreamTransportOptions): Promise<StreamTransport> {
    const { address, port } = options.address
    assert(isIP(address) !== 0, 'a listener is bound to an IP address')
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: address, port, ipv6Only: true, exclusive: true }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    try {
      return new StreamTransport(server, options)
    } catch (error) {
      server.close()
      throw error
    }
  }

  private constructor(server: Server, options: StreamTransportOptions) {
    this.#server = server
    this.#options = options
    this.#transport = options.identity === undefined ? 'tcp' : 'tls'
    this.#limits = { ...DEFAULT_STREAM_LIMITS, ...options.limits }
    const bound = server.address()
    assert(bound !== null && typeof bound === 'object')
    this.local = { address: bound.address, port: bound.port }
    this.#identity = options.identity
    // An unusable certificate shows itself now.
    if (options.identity !== undefined) this.#tlsServerFor([])
    options.onSocket?.(server)
    server.on('error', () => this.#count('error'))
    server.on('connection', (socket) => this.#accept(socket))
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** The flow to a trunk; it stays the same as long as it is remembered, whatever becomes of connections. */
  flowTo(peer: StreamPeer): PeerFlow {
    assert((peer.tls === undefined) === (this.#transport === 'tcp'), 'a peer of this transport')
    const key = `${peer.name} ${peer.scope} ${peer.remote.address} ${peer.remote.port}`
    const known = this.#peers.get(key)
    if (known !== undefined) return known
    const flow = new PeerFlow({
      id: this.#options.token(),
      peer,
      transport: this.#transport,
      local: this.local,
      limits: this.#limits,
      count: this.#count,
      connect: (target, onClose) => this.#connect(target, onClose),
      onClose: (closed) => this.#options.handler.onClose(closed),
      isTransportOpen: () => this.#isOpen,
    })
    this.#peers.set(key, flow)
    if (this.#peers.size > this.#limits.maxPeers) this.#forgetPeer()
    return flow
  }

  /** The trunks of the configuration have changed: connections of addresses that are another's now are closed. */
  refresh(): void {
    for (const connection of this.#accepted) {
      if (this.#scopeAt(connection.remote) !== connection.scope) connection.close()
    }
  }

  /** A renewed certificate, for handshakes from now on. Throws what TLS says of one it cannot use. */
  useIdentity(identity: { readonly certificate: string; readonly key: string }): void {
    this.#identity = identity
    this.peersRenewed()
  }

  /** What `tls` of peers says is another thing now, but for what it asks of them: for handshakes from now on. Throws likewise. */
  peersRenewed(): void {
    const identity = this.#identity
    if (identity === undefined) return
    for (const { server, peers } of this.#tlsServers.values()) {
      server.setSecureContext(secureContext(identity, guardOf(peers)))
    }
  }

  counters(): Readonly<Record<StreamCounter, number>> {
    return { ...this.#counters }
  }

  /** Ends everything; what was written before still goes out. May be called twice. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#server.close()
    for (const connection of this.#connections) connection.close()
    // Handshakes under way, which are no connections yet.
    setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, CLOSE_GRACE_MS).unref()
    for (const { server } of this.#tlsServers.values()) server.close()
  }

  readonly #count = (counter: StreamCounter): void => {
    this.#counters[counter] += 1
  }

  #scopeAt(remote: SocketAddress): string {
    return this.#options.peersAt(remote)[0]?.scope ?? this.#options.strangerScope
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    const remote = remoteOf(socket)
    const peers = this.#options.peersAt(remote)
    const isStranger = peers.length === 0
    if (!this.#isOpen || !this.#takePlace(socket, remote, isStranger)) {
      this.#count('refusedFull')
      socket.destroy()
      return
    }
    // A TLS handshake takes a millisecond of the thread that all calls need.
    if (!this.#mayOpen(remote, isStranger)) {
      this.#count('refusedOften')
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (this.#transport === 'tcp') this.#serve(socket, remote, peers[0])
    else this.#tlsServerFor(peers).emit('connection', socket)
  }

  #mayOpen(remote: SocketAddress, isStranger: boolean): boolean {
    const { maxConnectionsPerAddress, maxStrangers, openedPerSecond, strangersPerSecond } = this.#limits
    const [party, perSecond, most] = isStranger
      ? [ALL_STRANGERS, strangersPerSecond, maxStrangers]
      : [addressGroup(remote.address), openedPerSecond, maxConnectionsPerAddress]
    return this.#rates.take(party, { perSecond, burst: 2 * most }, performance.now())
  }

  /** Holds it until the socket closes. */
  #takePlace(socket: Socket, remote: SocketAddress, isStranger: boolean): boolean {
    const { maxConnections, maxConnectionsPerAddress, maxStrangers } = this.#limits
    const group = addressGroup(remote.address)
    const ofGroup = this.#perAddress.get(group) ?? 0
    const isFull = isStranger ? this.#strangerCount >= maxStrangers : this.#trunkCount >= maxConnections
    if (isFull || ofGroup >= maxConnectionsPerAddress) return false
    this.#perAddress.set(group, ofGroup + 1)
    this.#countPlace(isStranger, 1)
    socket.once('close', () => {
      const left = (this.#perAddress.get(group) ?? 1) - 1
      if (left === 0) this.#perAddress.delete(group)
      else this.#perAddress.set(group, left)
      this.#countPlace(isStranger, -1)
    })
    return true
  }

  #countPlace(isStranger: boolean, change: 1 | -1): void {
    if (isStranger) this.#strangerCount += change
    else this.#trunkCount += change
  }

  /** `name`: of the peer, where its certificate has told it. */
  #serve(socket: Socket, remote: SocketAddress, peer: StreamPeer | undefined, name?: string): void {
    this.#count('accepted')
    const ends = { remote, scope: peer?.scope ?? this.#options.strangerScope, peer: name }
    const connection = this.#open(socket, ends, peer, () => this.#accepted.delete(connection))
    this.#accepted.add(connection)
    connection.ready()
    if (peer !== undefined) return
    const deadline = setTimeout(() => {
      this.#count('cutStranger')
      connection.destroy()
    }, this.#limits.strangerMs)
    socket.once('close', () => clearTimeout(deadline))
  }

  #open(
    socket: Socket,
    ends: Pick<Flow, 'remote' | 'scope' | 'peer'>,
    peer: StreamPeer | undefined,
    onClose: () => void,
  ): StreamConnection {
    const { handler, token } = this.#options
    const connection = new StreamConnection({
      socket,
      ends: { id: token(), transport: this.#transport, local: this.local, ...ends },
      limits: this.#limits,
      count: this.#count,
      onMessage: (bytes, flow) => handler.onMessage(bytes, flow),
      onClose: () => {
        this.#connections.delete(connection)
        onClose()
        handler.onClose(connection)
      },
      elsewhere: (from, name = peer?.name) => {
        const meant = peer?.name === name ? peer : this.#peerNamed(name, ends.remote)
        if (meant === undefined || !this.#isOpen) return undefined
        const flow = this.flowTo(meant)
        return {
          get isOpen() {
            return flow.isOpen
          },
          send: (bytes) => flow.sendFor(from, bytes),
          watchSilence: () => flow.watchSilence(),
        }
      },
    })
    this.#connections.add(connection)
    return connection
  }

  /** Of those that may be at an address. */
  #peerNamed(name: string | undefined, remote: SocketAddress): StreamPeer | undefined {
    return this.#options.peersAt(remote).find((peer) => peer.name === name)
  }

  #connect(peer: StreamPeer, onClose: () => void): StreamConnection | undefined {
    if (!this.#isOpen || this.#trunkCount >= this.#limits.maxConnections) {
      this.#count('refusedFull')
      return undefined
    }
    const { scope, remote, tls } = peer
    const trouble = (reason: string): void => {
      this.#count('connectFailed')
      this.#options.handler.onTrouble({ peer: peer.name, scope, remote, reason })
    }
    const socket =
      tls === undefined ? connectTcp(this.#way(remote)) : connectTls(this.#secureWay(remote, tls))
    // Before TLS begins.
    socket.prependOnceListener('connect', () => this.#options.onSocket?.(socket))
    this.#countPlace(false, 1)
    socket.once('close', () => this.#countPlace(false, -1))
    const connection = this.#open(socket, { remote, scope, peer: peer.name }, peer, onClose)
    const onError = (error: Error): void => trouble(reasonOf(error))
    const deadline = setTimeout(
      () => socket.destroy(new SipFailure('sip.connect-timeout')),
      this.#limits.connectMs,
    )
    socket.once('error', onError)
    socket.once('close', () => clearTimeout(deadline))
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(deadline)
      socket.off('error', onError)
      this.#count('connected')
      connection.ready()
    })
    return connection
  }

  #way(remote: SocketAddress) {
    const { address } = this.local
    return {
      host: remote.address,
      port: remote.port,
      ...(WILDCARDS.has(address) ? {} : { localAddress: address }),
    }
  }

  #secureWay(remote: SocketAddress, tls: PeerTls) {
    const { identity, ca, name } = tls
    return {
      ...this.#way(remote),
      minVersion: tls.minVersion,
      // RFC 6066 §3: a server name is no address.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }),
      ...(tls.alpn ? { ALPNProtocols: ['sip'] } : {}),
      checkServerIdentity: (_host: string, names: Parameters<typeof foreignness>[0]) =>
        foreignness(names, tls),
    } as const
  }

  /** Peers that are asked for more than others have a server of their own. */
  #tlsServerFor(peers: readonly StreamPeer[]): TlsServer {
    const guard = guardOf(peers)
    const known = this.#tlsServers.get(guard.key)
    if (known !== undefined) return known.server
    const identity = this.#identity
    assert(identity !== undefined)
    const server = createTlsServer({
      ...secureContext(identity, guard),
      handshakeTimeout: this.#limits.handshakeMs,
      requestCert: guard.asks,
      rejectUnauthorized: guard.insists,
    })
    server.on('secureConnection', (socket) => this.#secured(socket))
    server.on('tlsClientError', (error, socket) => this.#refuseTls(socket, error))
    this.#tlsServers.set(guard.key, { server, peers })
    return server
  }

  #secured(socket: TLSSocket): void {
    socket.on('error', () => {})
    const remote = remoteOf(socket)
    const peers = this.#options.peersAt(remote)
    if (this.#isOpen && peers.length === 0) {
      this.#serve(socket, remote, undefined)
      return
    }
    const { peer, isProven, foreign } = peerOfCertificate(socket, peers)
    if (!this.#isOpen || peer === undefined) this.#refuseTls(socket, foreign)
    else this.#serve(socket, remote, peer, isProven ? peer.name : undefined)
  }

  #refuseTls(socket: TLSSocket, error: Error | undefined): void {
    this.#count('refusedTls')
    const remote = remoteOf(socket)
    const [peer] = this.#options.peersAt(remote)
    socket.destroy()
    if (peer === undefined || error === undefined) return
    const { name, scope } = peer
    this.#options.handler.onTrouble({ peer: name, scope, remote, reason: reasonOf(error) })
  }

  /** The oldest one without a connection. Whoever holds it can go on using it. */
  #forgetPeer(): void {
    for (const [key, flow] of this.#peers) {
      if (flow.isConnected) continue
      this.#peers.delete(key)
      return
    }
  }
}

const remoteOf = (socket: Socket): SocketAddress => ({
  address: socket.remoteAddress ?? '',
  port: socket.remotePort ?? 0,
})

function secureContext(
  { certificate, key }: { readonly certificate: string; readonly key: string },
  { asks, ca, minVersion }: TlsGuard,
) {
  return {
    cert: certificate,
    key,
    minVersion,
    ...(ca === undefined ? {} : { ca: [...ca] }),
    // A session that is resumed shows its certificate without those above it: nobody could say whose word it is. And a handshake on a
    // connection that has one has none of the limits of connections.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (asks ? constants.SSL_OP_NO_TICKET : 0),
  } as const
}

function reasonOf(error: Error): string {
  if (error instanceof SipFailure) return `${error.code}: ${error.message}`
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message.slice(0, 200)
}
