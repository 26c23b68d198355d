export type TransportName = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'

export interface SocketAddress {
  readonly address: string
  readonly port: number
}

/**
 * A way to a peer that is open now: a WebSocket, or a UDP socket together with the peer's address. Transports make
 * flows; transactions and dialogs send by them. A dialog may be given another flow later.
 */
export interface Flow {
  /** Unique in the process and unguessable. */
  readonly id: string
  readonly transport: TransportName
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /**
   * Transactions and dialogs are looked up within a scope: one WebSocket, or one trunk (`trunk:NAME`). What one peer
   * knows of its dialogs is worth nothing to another.
   */
  readonly scope: string
  /** Name of the trunk at the other end, where its transport knows it: several may share a scope. */
  readonly peer?: string | undefined
  readonly isOpen: boolean
  /**
   * A connection to the same peer, for what is too large for UDP; undefined where there is none.
   *
   * @param peer which of those that may be at the other end is meant
   */
  wider?(peer?: string): Flow | undefined
  /** The same way as one of those that may be at the other end has it: when its connection is gone, what stands in is that one's. */
  towards?(peer: string): FlowTowards
  /** Connects with the next message though a connection has just failed: for what is urgent. */
  insist?(): void
  /** Never throws and never blocks; a datagram or frame that cannot be sent is counted by the transport. */
  send(bytes: Uint8Array): void
  /** Ends a connection; no-op for UDP. */
  close(reason: string): void
  /**
   * Called when a request has just been sent. What it returns ends the connection that has taken the request, if nothing at all
   * has come by it since.
   */
  watchSilence?(): (() => void) | undefined
  /** Has the peer show within this time that it lives, or cuts the connection. Where it cannot be asked, it is not. */
  probe?(withinMs: number): void
}

export type FlowTowards = Pick<Flow, 'isOpen' | 'send' | 'watchSilence'>

export const isReliable = (flow: Flow): boolean => flow.transport !== 'udp'

/** By WebSocket (RFC 7118): a browser is at the other end, no trunk. */
export const isBrowserFlow = ({ transport }: Pick<Flow, 'transport'>): boolean =>
  transport === 'ws' || transport === 'wss'
