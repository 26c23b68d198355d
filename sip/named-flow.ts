import type { Flow, FlowTowards, SocketAddress } from './flow.ts'

/** A flow as one of several peers at its other end sees it: the same way, under a name of its own. */
export class NamedFlow implements Flow {
  readonly #flow: Flow
  readonly #way: FlowTowards
  readonly peer: string

  constructor(flow: Flow, peer: string) {
    this.#flow = flow
    this.#way = flow.towards?.(peer) ?? flow
    this.peer = peer
  }

  get id(): string {
    return this.#flow.id
  }

  get transport(): Flow['transport'] {
    return this.#flow.transport
  }

  get local(): SocketAddress {
    return this.#flow.local
  }

  get remote(): SocketAddress {
    return this.#flow.remote
  }

  get scope(): string {
    return this.#flow.scope
  }

  wider(peer: string = this.peer): Flow | undefined {
    return this.#flow.wider?.(peer)
  }

  get isOpen(): boolean {
    return this.#way.isOpen
  }

  insist(): void {
    this.#flow.insist?.()
  }

  watchSilence(): (() => void) | undefined {
    return this.#way.watchSilence?.()
  }

  send(bytes: Uint8Array): void {
    this.#way.send(bytes)
  }

  close(reason: string): void {
    this.#flow.close(reason)
  }
}
