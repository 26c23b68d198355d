import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { expect, vi } from 'vitest'
import type { Flow } from '../../../sip/flow.ts'
import type { PeerTls, StreamPeer } from '../../../sip/transport/peer-flow.ts'
import { StreamTransport, type StreamTransportOptions } from '../../../sip/transport/stream.ts'

const closers: (() => unknown)[] = []

export const closing = (close: () => unknown): void => {
  closers.push(close)
}

export const closeAll = (): void => {
  for (const close of closers.splice(0)) close()
}

export const until = (condition: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 10_000, interval: 5 })

export const PLAIN_TLS: PeerTls = {
  name: 'pbx.example',
  wildcards: false,
  ca: undefined,
  identity: undefined,
  alpn: false,
  isCertificateRequired: false,
  minVersion: 'TLSv1.2',
}

export const message = (name: string, body = ''): string =>
  `MESSAGE sip:${name}@b SIP/2.0\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

export interface OpenOptions {
  readonly limits?: StreamTransportOptions['limits']
  readonly identity?: StreamTransportOptions['identity']
  /** Who connects from 127.0.0.1 is this trunk; without it a stranger. */
  readonly peer?: StreamPeer
  /** The same, when several may be. */
  readonly peers?: readonly StreamPeer[]
}

/** The transport under test, with all it has said. */
export async function open({ limits = {}, identity, peer, peers }: OpenOptions = {}) {
  const received: { text: string; flow: Flow }[] = []
  const closed: Flow[] = []
  const troubles: string[] = []
  let ids = 0
  const transport = await StreamTransport.open({
    address: { address: '127.0.0.1', port: 0 },
    ...(identity === undefined ? {} : { identity }),
    handler: {
      onMessage: (bytes, flow) => received.push({ text: bytes.toString(), flow }),
      onClose: (flow) => closed.push(flow),
      onTrouble: ({ scope, reason }) => troubles.push(`${scope} ${reason}`),
    },
    peersAt: () => peers ?? (peer === undefined ? [] : [peer]),
    strangerScope: 'stranger',
    token: () => `id${ids++}`,
    limits,
  })
  closing(() => transport.close())
  return { transport, received, closed, troubles }
}

/** What a socket of a test has heard. */
export function listenTo(socket: Socket) {
  const heard = { text: '', isClosed: false }
  socket.on('data', (chunk) => {
    heard.text += chunk.toString()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    heard.isClosed = true
  })
  closing(() => socket.destroy())
  return heard
}

/** A client of the transport. */
export async function dial(port: number) {
  const socket = connect(port, '127.0.0.1')
  const heard = listenTo(socket)
  await once(socket, 'connect')
  return { socket, heard }
}

/** A trunk that listens, with the sockets it was given. */
export async function trunk(make: () => Server = createServer, event = 'connection') {
  const server = make()
  const sockets: { socket: Socket; heard: ReturnType<typeof listenTo> }[] = []
  server.on(event, (socket: Socket) => sockets.push({ socket, heard: listenTo(socket) }))
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing(() => server.close())
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  return { server, sockets, port }
}

export const peerAt = (port: number, tls?: PeerTls, name = 'pbx'): StreamPeer => ({
  name,
  scope: 'trunk:pbx',
  remote: { address: '127.0.0.1', port },
  tls,
})
