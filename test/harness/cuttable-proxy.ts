import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP proxy on loopback whose connections a test can cut, as a network does that goes away. */
export class CuttableProxy {
  readonly port: number
  /** Whom the server behind it sees: another address of loopback, for connections that come from now on. */
  from = '127.0.0.1'
  readonly #server: Server
  readonly #pairs: Set<readonly [Socket, Socket]>

  static async start(targetPort: number): Promise<CuttableProxy> {
    const pairs = new Set<readonly [Socket, Socket]>()
    const server = createServer((client) => {
      const upstream = connect({ host: '127.0.0.1', port: targetPort, localAddress: proxy.from })
      const pair = [client, upstream] as const
      pairs.add(pair)
      const end = (): void => {
        for (const socket of pair) socket.destroy()
        pairs.delete(pair)
      }
      for (const socket of pair) socket.on('error', end).on('close', end)
      client.pipe(upstream).pipe(client)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const proxy = new CuttableProxy(server, pairs)
    return proxy
  }

  private constructor(server: Server, pairs: Set<readonly [Socket, Socket]>) {
    this.#server = server
    this.#pairs = pairs
    // Bound to an address, not to a path.
    this.port = (server.address() as AddressInfo).port
  }

  /** Ends every connection at once, without a goodbye; new ones are taken. */
  cut(): void {
    for (const [client, upstream] of this.#pairs) {
      client.resetAndDestroy()
      upstream.resetAndDestroy()
    }
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
