import { isIP } from 'node:net'
import type { Config, TlsConfig } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { Flow, SocketAddress } from '../../sip/flow.ts'
import { formatHostPort } from '../../sip/message/uri.ts'
import { NamedFlow } from '../../sip/named-flow.ts'
import type { SipTransport } from '../../sip/routing/locate.ts'
import type { PeerTls, StreamPeer } from '../../sip/transport/peer-flow.ts'
import { type StreamHandler, StreamTransport } from '../../sip/transport/stream.ts'
import { UdpTransport } from '../../sip/transport/udp.ts'
import { canonicalAddress, expandHost } from '../addresses.ts'
import { type KeyPair, readKeyPair } from '../web/certificate.ts'
import type { MarkableSocket } from '../web/socket-marks.ts'
import { readPeerTls, unaskedTls } from './peer-tls.ts'
import { TroubleLog } from './trouble-log.ts'
import type { TrunkPath, TrunkTable } from './trunk.ts'

/** Scope of peers that are no trunk. */
export const STRANGER = 'stranger'

export interface TrunkTransportsOptions {
  readonly config: Config
  readonly trunks: TrunkTable
  readonly token: () => string
  readonly log: Log
  readonly handler: Pick<StreamHandler, 'onMessage' | 'onClose'>
  /** A connection to a trunk did not come about. */
  readonly onTrouble?: (trunk: string, reason: string) => void
  /** The kernel did not send it a datagram. */
  readonly onUnsent?: (trunk: string, reason: string) => void
  /** Told of every socket there is. */
  readonly onSocket: (socket: MarkableSocket) => void
}

type Transport = UdpTransport | StreamTransport

/** Every socket towards trunks: one transport for each kind and own address. */
export class TrunkTransports {
  readonly #options: TrunkTransportsOptions
  readonly #troubles: TroubleLog
  readonly #udp = new Map<string, UdpTransport>()
  readonly #tcp = new Map<string, StreamTransport>()
  readonly #tls = new Map<string, StreamTransport>()
  /** By name of the trunk. */
  readonly #peerTls: Map<string, PeerTls>

  /** Rejects when an address is taken or a file cannot be used; what was opened is closed again. */
  static async open(options: TrunkTransportsOptions): Promise<TrunkTransports> {
    const peers = await Promise.all(
      options.config.trunks.map(async (trunk) => [trunk.name, await readPeerTls(trunk)] as const),
    )
    const opened = new TrunkTransports(
      options,
      new Map(peers.flatMap(([name, tls]) => (tls === undefined ? [] : [[name, tls] as const]))),
    )
    try {
      await opened.#open()
      return opened
    } catch (error) {
      opened.close()
      throw error
    }
  }
  #certificate: string | undefined

  private constructor(options: TrunkTransportsOptions, peerTls: Map<string, PeerTls>) {
    this.#options = options
    this.#troubles = new TroubleLog(options.log, () => performance.now())
    this.#peerTls = peerTls
  }

  /** The flow that leaves from the address the kernel would take, else from any of ours. */
  flowTo(path: TrunkPath): Flow {
    const { remote, localAddress, trunk, transport } = path
    if (transport === 'udp') {
      const flow = chosen(this.#udp, localAddress).flowTo(remote.address, remote.port)
      return new NamedFlow(flow, trunk.name)
    }
    const transports = transport === 'tcp' ? this.#tcp : this.#tls
    const scope = this.#options.trunks.scopeAt(remote, transport) ?? STRANGER
    return chosen(transports, localAddress).flowTo(this.#peerOf(path, transport, scope))
  }

  /**
   * The way to another address of the trunk behind a flow of ours, by the same socket. Undefined: the address is no trunk's of
   * that scope; or it is the one the trunk sends from, and there its port counts, whatever a NAT has left it believe.
   */
  flowTowards(flow: Flow, remote: SocketAddress): Flow | undefined {
    const { trunks } = this.#options
    if (
      canonicalAddress(remote.address) === canonicalAddress(flow.remote.address) ||
      !trunks.isSingle(remote)
    )
      return undefined
    const own = [...this.#udp.values()].find(({ local }) => isSame(local, flow.local))
    if (own === undefined || trunks.scopeAt(remote, 'udp') !== flow.scope) return undefined
    const other = own.flowTo(remote.address, remote.port)
    return flow.peer === undefined ? other : new NamedFlow(other, flow.peer)
  }

  /**
   * The way to a port at the address behind a flow of ours, by the same socket. Undefined: no trunk listens there, so that nobody
   * sends us to a port of its choice; or one listens where the flow comes from.
   */
  flowToListener(flow: Flow, port: number): Flow | undefined {
    const { trunks } = this.#options
    const { address } = flow.remote
    if (trunks.listensAt(flow.remote, 'udp') || !trunks.listensAt({ address, port }, 'udp')) return undefined
    const own = [...this.#udp.values()].find(({ local }) => isSame(local, flow.local))
    return own?.flowTo(address, port)
  }

  /** The trunks have been looked up again. */
  refresh(): void {
    for (const transport of this.#all()) transport.refresh()
  }

  /** PEM, of the TLS listeners; undefined where there are none. */
  get certificate(): string | undefined {
    return this.#certificate
  }

  /** A renewed certificate for the TLS listeners. */
  useCertificate({ cert, key }: KeyPair): void {
    for (const transport of this.#tls.values()) transport.useIdentity({ certificate: cert, key })
    if (this.#tls.size > 0) this.#certificate = cert
  }

  /** Renewed files of a trunk, for connections from now on, both ways. Throws what TLS says of those it cannot use. */
  usePeerTls(trunk: string, tls: PeerTls): void {
    this.#peerTls.set(trunk, tls)
    for (const transport of this.#tls.values()) transport.peersRenewed()
  }

  counters(): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
    return this.#shown((transport) => transport.counters())
  }

  /** `host:port` of every socket, by transport. */
  listening(): Readonly<Record<string, readonly string[]>> {
    const shown = this.#shown(({ local }) => formatHostPort(local.address, local.port))
    return Object.fromEntries(Object.entries(shown).map(([name, all]) => [name, Object.values(all)]))
  }

  /** May be called twice. */
  close(): void {
    for (const transport of this.#all()) transport.close()
  }

  #all(): readonly Transport[] {
    return [...this.#udp.values(), ...this.#tcp.values(), ...this.#tls.values()]
  }

  #shown<Shown>(show: (transport: Transport) => Shown): Record<string, Record<string, Shown>> {
    const kinds = Object.entries({ udp: this.#udp, tcp: this.#tcp, tls: this.#tls })
    return Object.fromEntries(
      kinds
        .filter(([name, transports]) => name === 'udp' || transports.size > 0)
        .map(([name, transports]) => [
          name,
          Object.fromEntries([...transports].map(([address, transport]) => [address, show(transport)])),
        ]),
    )
  }

  async #open(): Promise<void> {
    const { config } = this.#options
    const { udp, tcp, tls } = config
    // Where no trunk is, a socket that is not there cannot be attacked.
    if (config.trunks.some(({ transport }) => transport === 'udp' || transport === 'auto')) {
      for (const address of expandHost(udp.host)) await this.#openUdp({ address, port: udp.port })
    }
    if (config.trunks.length === 0) return
    for (const address of tcp === undefined ? [] : expandHost(tcp.host)) {
      const options = this.#streamOptions('tcp', { address, port: tcp?.port ?? 0 })
      this.#tcp.set(address, await StreamTransport.open(options))
    }
    if (tls !== undefined) await this.#openTls(tls)
  }

  async #openTls(tls: TlsConfig): Promise<void> {
    const { cert, key } = await readKeyPair(tls)
    this.#certificate = cert
    for (const address of expandHost(tls.host)) {
      const identity = { certificate: cert, key }
      const options = { ...this.#streamOptions('tls', { address, port: tls.port }), identity }
      this.#tls.set(address, await StreamTransport.open(options))
    }
  }

  async #openUdp(address: SocketAddress): Promise<void> {
    const { handler, trunks, token, onSocket } = this.#options
    const transport = await UdpTransport.open({
      address,
      handler,
      scopeOf: (remote) => trunks.scopeAt(remote, 'udp') ?? STRANGER,
      token,
      widerOf: (flow, peer) => this.#widerOf(flow, peer),
      onUnsent: (remote, reason) => this.#unsent(remote, reason),
      onSocket,
    })
    this.#udp.set(address.address, transport)
  }

  /** Trunks of one address share what is the matter with it. */
  #unsent(remote: SocketAddress, reason: string): void {
    for (const { config } of this.#options.trunks.servedAt(remote, 'udp')) {
      this.#options.onUnsent?.(config.name, reason)
      this.#troubles.tell(config.name, 'udp', remote, reason)
    }
  }

  #streamOptions(transport: SipTransport, address: SocketAddress) {
    const { handler, trunks, token, onSocket } = this.#options
    return {
      address,
      handler: {
        ...handler,
        onTrouble: ({ peer, remote, reason }) => {
          this.#options.onTrouble?.(peer, reason)
          this.#troubles.tell(peer, transport, remote, reason)
        },
      } satisfies StreamHandler,
      peersAt: (remote: SocketAddress) => {
        const scope = trunks.scopeAt(remote, transport) ?? STRANGER
        return trunks.everBySource(remote, transport).flatMap(({ servers }) => {
          const paths = servers.flatMap((server) => server.paths)
          // Where it listens itself, if it does.
          const path = paths.find((known) => known.remote.address === remote.address) ?? paths[0]
          return path === undefined ? [] : [this.#peerOf(path, transport, scope)]
        })
      },
      strangerScope: STRANGER,
      token,
      onSocket,
    }
  }

  /** TCP to a trunk over UDP, from the same address of ours, where we have that. */
  #widerOf(flow: Flow, peer: string | undefined): Flow | undefined {
    const { scope, local, remote } = flow
    const name = peer ?? this.#options.trunks.ofFlow(flow)?.config.name
    if (name === undefined) return undefined
    return this.#tcp.get(local.address)?.flowTo({ name, scope, remote, tls: undefined })
  }

  /** A trunk may come by another transport than the one we take: a UDP peer sends long requests by TCP. */
  #peerOf({ trunk, remote }: TrunkPath, transport: SipTransport, scope: string): StreamPeer {
    const { name } = trunk
    const peerTls = this.#peerTls
    return {
      name,
      scope,
      remote,
      // Asked for each connection: its files may have been renewed.
      get tls() {
        return transport === 'tls' ? (peerTls.get(name) ?? unaskedTls(trunk)) : undefined
      },
    }
  }
}

const isSame = (a: SocketAddress, b: SocketAddress): boolean => a.address === b.address && a.port === b.port

function chosen<Chosen>(transports: ReadonlyMap<string, Chosen>, localAddress: string): Chosen {
  const all = [...transports]
  // Transports may have addresses of their own: then one of the same family.
  const other = all.find(([address]) => isIP(address) === isIP(localAddress)) ?? all[0]
  const transport = transports.get(localAddress) ?? other?.[1]
  if (transport === undefined) throw new Error('a trunk without a socket of its transport')
  return transport
}
