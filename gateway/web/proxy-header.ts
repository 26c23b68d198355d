import type { Server, Socket } from 'node:net'
import type { SocketAddress } from '../../sip/flow.ts'
import { PREFIX_LENGTH, proxiedSource, restLength } from './proxy-protocol.ts'

export interface ProxyHeaderOptions {
  readonly isProxy: (address: string) => boolean
  /** A header has named the client of a connection; false when the connection has been refused for it. */
  readonly onClient: (socket: Socket, client: SocketAddress) => boolean
  /** How long a header may take; defaults to 5 s. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 5_000

/**
 * From now on each connection of an HTTP or HTTPS server begins with a PROXY protocol header, which the server does not get
 * to see. Only trusted proxies may connect: a header of anyone else would be a name of their choice, and a connection
 * without one would go round the proxy.
 */
export function expectProxyHeader(server: Server, options: ProxyHeaderOptions): void {
  const { isProxy, onClient, timeoutMs = TIMEOUT_MS } = options
  // The server's own, which begins TLS or HTTP.
  const takeOver = server.listeners('connection')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => socket.destroy())
    if (!isProxy(socket.remoteAddress ?? '')) {
      socket.destroy()
      return
    }
    const timer = setTimeout(() => socket.destroy(), timeoutMs)
    socket.once('close', () => clearTimeout(timer))
    readHeader(socket, (source) => {
      clearTimeout(timer)
      if (source === undefined || (source !== 'own' && !onClient(socket, source))) {
        socket.destroy()
        return
      }
      // A stream that was read by `readable` flows for its next reader only after a turn.
      setImmediate(() => {
        if (!socket.destroyed) for (const take of takeOver) take.call(server, socket)
      })
    })
  })
}

/** Takes exactly the header off a connection: what follows it, in the same segment or later, is the server's. */
function readHeader(socket: Socket, done: (source: SocketAddress | 'own' | undefined) => void): void {
  let prefix: Buffer | undefined
  const finish = (source: SocketAddress | 'own' | undefined): void => {
    socket.off('readable', onReadable)
    socket.off('end', onEnd)
    done(source)
  }
  const onEnd = (): void => finish(undefined)
  const onReadable = (): void => {
    prefix ??= read(socket, PREFIX_LENGTH)
    if (prefix === undefined) return
    const length = restLength(prefix)
    if (length === undefined) {
      finish(undefined)
      return
    }
    const rest = length === 0 ? Buffer.alloc(0) : read(socket, length)
    if (rest !== undefined) finish(proxiedSource(prefix, rest))
  }
  socket.on('readable', onReadable)
  socket.on('end', onEnd)
}

/** So many bytes, or undefined as long as there are fewer. At the end of a stream, Node gives what is left instead. */
function read(socket: Socket, length: number): Buffer | undefined {
  if (socket.readableLength < length) return undefined
  const bytes: unknown = socket.read(length)
  return Buffer.isBuffer(bytes) ? bytes : undefined
}
