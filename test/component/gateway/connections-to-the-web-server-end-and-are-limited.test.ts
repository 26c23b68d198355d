import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tls from 'node:tls'
import { afterEach, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { loadConfig } from '../../../config/load.ts'
import { ClientAddresses } from '../../../gateway/web/client-addresses.ts'
import { TrustedProxies } from '../../../gateway/web/trusted-proxies.ts'
import { openWeb, type WebOptions, type WebServer } from '../../../gateway/web/web.ts'
import { native } from '../../../media/native/index.ts'
import { PartyRates } from '../../../sip/party-rates.ts'
import { WebSocketTransport } from '../../../sip/transport/wss.ts'
import { nextServed } from '../../harness/next-served.ts'
import { renegotiated } from '../../harness/renegotiated.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Page and health over both, on ports of loopback; WebSocket upgrades are left open and silent. */
async function open(maxConnectionsPerAddress = 5, over: Partial<WebOptions> = {}): Promise<WebServer> {
  const { certificatePem: cert, privateKeyPem: key } = native.createCertificate({
    commonName: 'localhost',
    days: 1,
    names: [],
  })
  const at = { host: '127.0.0.1', port: 0 }
  const { web } = loadConfig(undefined, {})
  const server = await openWeb({
    config: {
      ...web,
      https: { ...at, certificate: undefined, key: undefined },
      http: at,
      page: over.pagesFolder !== undefined,
      maxConnectionsPerAddress,
    },
    keyPairOf: async () => ({ cert, key }),
    pagesFolder: '',
    health: () => ({ status: 'ok', calls: 0, registrations: 0, mediaLoad: 0 }),
    clients: new ClientAddresses(new TrustedProxies([])),
    attach: (attached) =>
      attached.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')),
    ...over,
  })
  closers.push(() => server.close())
  return server
}

async function dial(port: number | undefined): Promise<Socket> {
  const socket = connect(port ?? 0, '127.0.0.1')
  socket.on('error', () => {})
  closers.push(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

const PATIENT = { timeout: 10_000 }

test('close() ends what is upgraded and what is stuck in its TLS handshake', async () => {
  const server = await open()
  const upgraded = await dial(server.http?.port)
  upgraded.write('GET /sip HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await once(upgraded, 'data')
  const silent = await dial(server.https?.port)
  await server.close()
  await vi.waitFor(() => expect([upgraded.closed, silent.closed]).toEqual([true, true]), PATIENT)
})

test('a client that shakes hands again and again is not served', async () => {
  const server = await open()
  expect(await renegotiated(server.https?.port ?? 0, 5)).toBe(0)
})

test('one connection of an address past the limit is dropped, before any TLS; a closed one makes room', async () => {
  const server = await open(1)
  const port = server.https?.port
  // 64 beside the WebSockets.
  const sockets = await Promise.all(Array.from({ length: 65 }, () => dial(port)))
  const oneMore = await dial(port)
  await once(oneMore, 'close')
  expect(sockets.some((socket) => socket.closed)).toBe(false)
  sockets[0]?.destroy()
  await vi.waitFor(async () => {
    const next = await dial(port)
    const isKept = await Promise.race([
      once(next, 'close').then(() => false),
      new Promise((resolve) => setTimeout(() => resolve(true), 100)),
    ])
    expect(isKept).toBe(true)
  }, PATIENT)
})

/** From another address of loopback than others use, so that none pays for the test. */
async function dialFrom(localAddress: string, port: number | undefined): Promise<Socket> {
  const socket = connect({ port: port ?? 0, host: '127.0.0.1', localAddress })
  socket.on('error', () => {})
  closers.push(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Whether the server has dropped it within a moment. */
const isDropped = (socket: Socket): Promise<boolean> =>
  Promise.race([
    once(socket, 'close').then(() => true),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 100)),
  ])

test('one connection past the rate of an address is dropped, before any TLS, and counted; another address gets in', async () => {
  vi.spyOn(performance, 'now').mockReturnValue(1_000_000)
  closers.push(() => vi.restoreAllMocks())
  const server = await open(1)
  const port = server.https?.port
  const open65 = async (): Promise<void> => {
    const sockets = await Promise.all(Array.from({ length: 65 }, () => dialFrom('127.0.0.2', port)))
    for (const socket of sockets) socket.end()
    await Promise.all(sockets.map((socket) => once(socket, 'close')))
  }
  // Twice as many as there may be at a time: all have been lost, and have been lost again.
  await open65()
  await open65()
  expect(server.counters()).toMatchObject({ tooManyOpened: 0 })
  expect(await isDropped(await dialFrom('127.0.0.2', port))).toBe(true)
  expect(await isDropped(await dialFrom('127.0.0.3', port))).toBe(false)
  expect(server.counters()).toMatchObject({ tooManyOpened: 1, tooManyOpen: 0 })
  vi.spyOn(performance, 'now').mockReturnValue(1_000_020)
  expect(await isDropped(await dialFrom('127.0.0.2', port))).toBe(false)
})

const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'

async function answersTo(socket: Socket, requests: string): Promise<string> {
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
  })
  socket.write(requests)
  await once(socket, 'close')
  return text
}

test('two requests in one segment end the connection, counted; one after the other they are answered', async () => {
  const server = await open()
  const patient = await dial(server.http?.port)
  for (let count = 0; count < 20; count += 1) {
    patient.write(HEALTH)
    await once(patient, 'data')
  }
  expect(server.counters()).toMatchObject({ pipelined: 0 })
  const answers = await answersTo(await dial(server.http?.port), HEALTH.repeat(3))
  expect(answers.split('HTTP/1.1 ').length - 1).toBeLessThanOrEqual(1)
  expect(server.counters()).toMatchObject({ pipelined: 1 })
})

test('the rate of requests is one of each client, behind a proxy too', async () => {
  const rated = vi.spyOn(PartyRates.prototype, 'take').mockImplementation((party) => party !== '192.0.2.1')
  closers.push(() => rated.mockRestore())
  const server = await open(5, { clients: new ClientAddresses(new TrustedProxies(['127.0.0.1'])) })
  const ask = async (client: string): Promise<number> => {
    const url = `http://127.0.0.1:${server.http?.port}/healthz`
    return (await fetch(url, { headers: { 'X-Forwarded-For': client } })).status
  }
  expect([await ask('192.0.2.1'), await ask('192.0.2.2')]).toEqual([429, 200])
  expect(server.counters()).toMatchObject({ tooManyRequests: 1 })
})

/** More than the kernel takes off our hands. */
const LARGE = Buffer.alloc(16 * 2 ** 20, 'x')

test.each(['http', 'https'] as const)(
  'who asks for a file by %s and does not read it is cut; a WebSocket without traffic is not',
  async (scheme) => {
    const folder = mkdtempSync(join(tmpdir(), 'webtrunk-pages-'))
    closers.push(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'large.js'), LARGE)
    const sockets = new WebSocketTransport({
      origins: [],
      token: () => 'id',
      handler: { onOpen: () => {}, onMessage: () => {}, onClose: () => {} },
    })
    const server = await open(5, {
      pagesFolder: folder,
      idleMs: 500,
      attach: (attached) => sockets.attach(attached),
    })
    closers.push(() => sockets.close())
    const port = server[scheme]?.port
    const client = new WebSocket(`${scheme === 'http' ? 'ws' : 'wss'}://127.0.0.1:${port}/`, 'sip', {
      rejectUnauthorized: false,
    })
    await once(client, 'open')
    const served = nextServed()
    const plain = await dial(port)
    const socket = scheme === 'http' ? plain : tls.connect({ socket: plain, rejectUnauthorized: false })
    socket.on('error', () => {})
    socket.write('GET /large.js HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(await served, 'close')
    expect(client.readyState).toBe(client.OPEN)
  },
)
