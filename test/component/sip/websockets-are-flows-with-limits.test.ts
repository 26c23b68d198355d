import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import type { Flow } from '../../../sip/flow.ts'
import { WebSocketTransport, type WebSocketTransportOptions } from '../../../sip/transport/wss.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close()
})

interface Setting {
  readonly limits?: WebSocketTransportOptions['limits']
  readonly origins?: readonly string[]
  readonly path?: string
  readonly isKnown?: (flow: Flow) => boolean
}

async function listen(setting: Setting = {}) {
  const server: Server = createServer()
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const opened: Flow[] = []
  const closed: Flow[] = []
  const messages: Buffer[] = []
  let ids = 0
  const transport = new WebSocketTransport({
    origins: setting.origins ?? [],
    token: () => `id${ids++}`,
    handler: {
      onOpen: (flow) => opened.push(flow),
      onMessage: (bytes) => messages.push(bytes),
      onClose: (flow) => closed.push(flow),
    },
    ...(setting.limits === undefined ? {} : { limits: setting.limits }),
    ...(setting.isKnown === undefined ? {} : { isKnown: setting.isKnown }),
  })
  transport.attach(server, setting.path)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  closers.push(() => {
    transport.close()
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const connect = (
    options: ClientOptions = {},
    protocol: string | string[] = 'sip',
    path = '/',
  ): WebSocket => {
    const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol, options)
    client.on('error', () => {})
    closers.push(() => client.terminate())
    return client
  }
  return { transport, opened, closed, messages, port, connect }
}

/** 'open' with the protocol, or the status of the refusal. */
const outcome = (client: WebSocket): Promise<string> =>
  new Promise((resolve) => {
    client.once('open', () => resolve(`open ${client.protocol}`))
    client.once('unexpected-response', (_request, response) => {
      resolve(String(response.statusCode))
      response.destroy()
    })
  })

const closing = (client: WebSocket): Promise<number> =>
  new Promise((resolve) => {
    client.once('close', (code) => resolve(code))
  })

const until = (condition: () => boolean): Promise<void> =>
  vi.waitFor(
    () => {
      expect(condition()).toBe(true)
    },
    { timeout: 10_000, interval: 5 },
  )

test('a WebSocket is a flow with a scope of its own', async () => {
  const { connect, opened, closed, messages, transport } = await listen()
  const client = connect()
  expect(await outcome(client)).toBe('open sip')
  const [flow] = opened
  expect(flow).toMatchObject({ id: 'id0', transport: 'ws', scope: 'ws:id0', isOpen: true })
  expect(flow?.remote.address).toBe('127.0.0.1')
  client.send('text')
  client.send(Buffer.from([0xff, 0xfe]), { binary: true })
  await until(() => messages.length === 2)
  expect(messages.map((bytes) => bytes.toString('latin1'))).toEqual(['text', '\xff\xfe'])

  const heard: { data: string; isBinary: boolean }[] = []
  client.on('message', (data, isBinary) => heard.push({ data: String(data), isBinary }))
  flow?.send(Buffer.from('SIP ü'))
  flow?.send(Buffer.from([0xff]))
  await until(() => heard.length === 2)
  expect(heard[0]).toEqual({ data: 'SIP ü', isBinary: false })
  expect(heard[1]?.isBinary).toBe(true)

  client.close()
  await until(() => closed.length === 1)
  expect(closed[0]).toBe(flow)
  expect(flow?.isOpen).toBe(false)
  flow?.send(Buffer.from('late'))
  flow?.close('again')
  expect(transport.connectionCount).toBe(0)
  expect(transport.counters()).toMatchObject({ opened: 1, closed: 1, received: 2, sent: 2 })
})

test('compression is not agreed to', async () => {
  const { connect } = await listen()
  const client = connect({ perMessageDeflate: true })
  await outcome(client)
  expect(client.extensions).toBe('')
})

test('without the sub-protocol sip the answer is 400', async () => {
  const { connect, transport } = await listen()
  expect(await outcome(connect({}, 'mqtt'))).toBe('400')
  expect(await outcome(connect({}, []))).toBe('400')
  expect(await outcome(connect({}, ['mqtt', 'sip']))).toBe('open sip')
  expect(transport.counters()).toMatchObject({ refusedProtocol: 2 })
})

test('an origin that is neither ours nor listed is refused 403; none at all is allowed', async () => {
  const { connect, port, transport } = await listen({ origins: ['https://listed.example'] })
  expect(await outcome(connect({ origin: 'https://evil.example' }))).toBe('403')
  expect(await outcome(connect({ origin: 'https://listed.example' }))).toBe('open sip')
  expect(await outcome(connect({ origin: `http://127.0.0.1:${port}` }))).toBe('open sip')
  expect(await outcome(connect())).toBe('open sip')
  expect(transport.counters()).toMatchObject({ refusedOrigin: 1 })
})

test('another path than the one attached is refused 404', async () => {
  const { connect } = await listen({ path: '/sip' })
  expect(await outcome(connect({}, 'sip', '/other'))).toBe('404')
  expect(await outcome(connect({}, 'sip', '/sip?x=1'))).toBe('open sip')
})

test('one connection past the limit, in all and per address, is refused 503; a closed one makes room', async () => {
  for (const limits of [{ maxConnections: 2 }, { maxConnectionsPerAddress: 2 }]) {
    const { connect, closed, transport } = await listen({ limits })
    const first = connect()
    expect(await outcome(first)).toBe('open sip')
    expect(await outcome(connect())).toBe('open sip')
    expect(await outcome(connect())).toBe('503')
    expect(transport.counters()).toMatchObject({ refusedFull: 1 })
    first.close()
    await until(() => closed.length === 1)
    expect(await outcome(connect())).toBe('open sip')
  }
})

test('where there is no room, whoever has not signed in makes some, the oldest first, and nobody else', async () => {
  const known = new Set<Flow>()
  const { connect, opened, closed, transport } = await listen({
    limits: { maxConnections: 3, unknownMs: 0 },
    isKnown: (flow) => known.has(flow),
  })
  for (let count = 0; count < 3; count += 1) expect(await outcome(connect())).toBe('open sip')
  const [first, second, third] = opened
  if (first !== undefined) known.add(first)
  expect(await outcome(connect())).toBe('open sip')
  await until(() => closed.length === 1)
  expect(await outcome(connect())).toBe('open sip')
  await until(() => closed.length === 2)
  expect(closed).toEqual([second, third])
  expect(transport.connectionCount).toBe(3)
  for (const flow of opened.slice(3)) known.add(flow)
  expect(await outcome(connect())).toBe('503')
  expect(transport.counters()).toMatchObject({ cutUnknown: 2, refusedFull: 1 })
})

test('who has just come may still be signing in, and keeps his place', async () => {
  const { connect, transport } = await listen({ limits: { maxConnections: 1 }, isKnown: () => false })
  expect(await outcome(connect())).toBe('open sip')
  expect(await outcome(connect())).toBe('503')
  expect(transport.counters()).toMatchObject({ cutUnknown: 0, refusedFull: 1 })
})

test('one byte past the message limit closes the connection with 1009', async () => {
  const { connect, messages } = await listen({ limits: { maxMessageBytes: 100 } })
  const client = connect()
  await outcome(client)
  const closed = closing(client)
  client.send('x'.repeat(100))
  await until(() => messages.length === 1)
  client.send('x'.repeat(101))
  expect(await closed).toBe(1009)
  expect(messages).toHaveLength(1)
})

test('one fragment past 64 closes the connection with 1008, a message in 64 is one', async () => {
  const { messages, connect } = await listen()
  const client = connect()
  await outcome(client)
  const sendIn = (fragments: number): void => {
    for (let left = fragments; left > 0; left -= 1) client.send('a', { fin: left === 1 })
  }
  sendIn(64)
  await until(() => messages.length === 1)
  const closed = closing(client)
  sendIn(65)
  expect(await closed).toBe(1008)
  expect(messages).toEqual([Buffer.from('a'.repeat(64))])
})

test('one frame past the burst, ping or message, closes the connection with 1008', async () => {
  for (const kind of ['message', 'ping']) {
    const { connect, messages, transport } = await listen({
      limits: { framesPerSecond: 0.001, frameBurst: 3 },
    })
    const client = connect()
    await outcome(client)
    const closed = closing(client)
    for (let i = 0; i < 4; i += 1) {
      if (kind === 'ping') client.ping()
      else client.send(`message ${i}`)
    }
    expect(await closed).toBe(1008)
    expect(messages).toHaveLength(kind === 'ping' ? 0 : 3)
    expect(transport.counters()).toMatchObject({ cutFlood: 1 })
  }
})

test('one byte past what a stranger may send closes the connection with 1008; who has signed in may send on', async () => {
  let isSignedIn = false
  const { connect, messages, transport } = await listen({
    limits: { strangerBytesPerSecond: 0.001, strangerByteBurst: 3_000 },
    isKnown: () => isSignedIn,
  })
  const [stranger, user] = [connect(), connect()]
  await Promise.all([outcome(stranger), outcome(user)])
  const closed = closing(stranger)
  for (const length of [1_000, 2_000, 1]) stranger.send('s'.repeat(length))
  expect(await closed).toBe(1008)
  expect(messages).toHaveLength(2)
  user.send('u'.repeat(3_000))
  await until(() => messages.length === 3)
  isSignedIn = true
  user.send('u')
  await until(() => messages.length === 4)
  // Who has signed out again, and holds the connection, is no stranger to it.
  isSignedIn = false
  user.send('u'.repeat(3_000))
  await until(() => messages.length === 5)
  expect(transport.counters()).toMatchObject({ cutStranger: 1, cutFlood: 0 })
})

test('CRLF CRLF is answered CRLF, in text and binary; CRLF is not answered; none is a message', async () => {
  const { connect, messages, transport } = await listen()
  const client = connect()
  await outcome(client)
  const heard: string[] = []
  client.on('message', (data) => heard.push(String(data)))
  client.send('\r\n\r\n')
  client.send(Buffer.from('\r\n\r\n'), { binary: true })
  client.send('\r\n')
  client.send('')
  client.send('end')
  await until(() => messages.length === 1 && heard.length === 2)
  expect(heard).toEqual(['\r\n', '\r\n'])
  expect(transport.counters()).toMatchObject({ keepAlive: 4 })
})

test('a peer that answers pings stays; one that does not is cut', async () => {
  const { connect, closed, transport } = await listen({ limits: { pingMs: 250 } })
  const deaf = connect({ autoPong: false })
  const alive = connect()
  await Promise.all([outcome(deaf), outcome(alive)])
  await closing(deaf)
  await until(() => closed.length === 1)
  expect(transport.counters()).toMatchObject({ cutSilent: 1 })
  expect(alive.readyState).toBe(WebSocket.OPEN)
})

test('a connection that is probed stays when its peer answers in time, and is cut when not', async () => {
  const { connect, opened, closed, transport } = await listen()
  const deaf = connect({ autoPong: false })
  await outcome(deaf)
  const alive = connect()
  await outcome(alive)
  const pinged = once(alive, 'ping')
  for (const flow of opened) flow.probe?.(1_000)
  await pinged
  await until(() => closed.length === 1)
  expect(closed[0]).toBe(opened[0])
  expect(transport.counters()).toMatchObject({ cutSilent: 1 })
  await new Promise((resolve) => setTimeout(resolve, 250))
  expect(alive.readyState).toBe(WebSocket.OPEN)
})

test('a connection that is probed again and again is listened to once', async () => {
  const warnings: string[] = []
  const note = ({ name }: Error): number => warnings.push(name)
  process.on('warning', note)
  closers.push(() => process.off('warning', note))
  const { connect, opened } = await listen()
  const client = connect()
  await outcome(client)
  // Node.js warns of the eleventh listener to one event.
  for (let turn = 0; turn < 12; turn += 1) {
    opened[0]?.probe?.(5_000)
    client.send('\r\n\r\n')
    await once(client, 'message')
  }
  await new Promise(setImmediate)
  expect(warnings).not.toContain('MaxListenersExceededWarning')
})

test('a peer that does not read is cut when more than the limit is queued', async () => {
  const { connect, opened, closed, transport } = await listen({ limits: { maxBufferedBytes: 100_000 } })
  const client = connect()
  await outcome(client)
  client.pause()
  const bytes = Buffer.alloc(60_000, 'x')
  for (let i = 0; i < 1_000 && opened[0]?.isOpen === true; i += 1) {
    opened[0].send(bytes)
    if (i % 10 === 9) await new Promise(setImmediate)
  }
  await until(() => closed.length === 1)
  expect(transport.counters()).toMatchObject({ cutSlow: 1 })
})

test('a broken frame ends the connection and nothing else', async () => {
  const { connect, closed, transport } = await listen()
  const client = connect()
  const [, socket] = await Promise.all([
    outcome(client),
    new Promise<Socket>((resolve) => {
      client.once('upgrade', (response) => resolve(response.socket))
    }),
  ])
  // Reserved bits set, and no mask.
  socket.write(Buffer.from([0xf1, 0x01, 0x41]))
  await until(() => closed.length === 1)
  expect(transport.counters()).toMatchObject({ error: 1 })
  expect(await outcome(connect())).toBe('open sip')
})

test('a refused peer that has gone already does no harm', async () => {
  const { port, connect } = await listen()
  const { createConnection } = await import('node:net')
  const socket = createConnection({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
  socket.resetAndDestroy()
  expect(await outcome(connect())).toBe('open sip')
})

test('close() says going away to all and takes no more', async () => {
  const { connect, transport, closed } = await listen()
  const client = connect()
  await outcome(client)
  const code = closing(client)
  transport.close()
  transport.close()
  expect(await code).toBe(1001)
  await until(() => closed.length === 1)
})

test('a flow is closed with its reason', async () => {
  const { connect, opened } = await listen()
  const client = connect()
  await outcome(client)
  const reason = new Promise<string>((resolve) => {
    client.once('close', (code, text) => resolve(`${code} ${text}`))
  })
  opened[0]?.close('signed out')
  expect(await reason).toBe('1000 signed out')
})
