import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { type ClientRequest, createServer as createHttpServer, request } from 'node:http'
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import type { WebConfig } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { ClientAddresses } from '../../../gateway/web/client-addresses.ts'
import { expectProxyHeader } from '../../../gateway/web/proxy-header.ts'
import { TrustedProxies } from '../../../gateway/web/trusted-proxies.ts'
import { openWeb, type WebServer } from '../../../gateway/web/web.ts'
import { native } from '../../../media/native/index.ts'
import type { Flow } from '../../../sip/flow.ts'
import { WebSocketTransport } from '../../../sip/transport/wss.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }
const PROXIED = { ...LOOPBACK, proxyProtocol: true }
const TLS_FILES = { certificate: undefined, key: undefined }

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

let flows: Flow[] = []
beforeEach(() => {
  flows = []
})

/** Listeners on loopback, where 127.0.0.1 is a trusted proxy unless the test says otherwise. */
async function open(over: Partial<WebConfig> = {}): Promise<WebServer> {
  const { web } = loadConfig(undefined, {})
  const config = {
    ...web,
    https: undefined,
    http: undefined,
    page: false,
    trustedProxies: ['127.0.0.1'],
    ...over,
  }
  const { certificatePem: cert, privateKeyPem: key } = native.createCertificate({
    commonName: 'localhost',
    days: 1,
    names: [],
  })
  const clients = new ClientAddresses(new TrustedProxies(config.trustedProxies))
  const sockets = new WebSocketTransport({
    origins: [],
    token: () => `id${flows.length}`,
    limits: { maxConnectionsPerAddress: config.maxConnectionsPerAddress },
    clientOf: (asked) => clients.of(asked),
    handler: {
      onOpen: (flow) => flows.push(flow),
      onMessage: (bytes, flow) => flow.send(bytes),
      onClose: () => {},
    },
  })
  const server = await openWeb({
    config,
    keyPairOf: async () => ({ cert, key }),
    pagesFolder: '',
    health: () => ({ status: 'ok', calls: 0, registrations: 0, mediaLoad: 0 }),
    clients,
    attach: (attached) => sockets.attach(attached, `${config.path}/sip`),
  })
  closers.push(() => {
    sockets.close()
    return server.close()
  })
  return server
}

/** A PROXY header of version 2 for TCP over IPv4, as HAProxy sends it. */
function header(client: string, command = 0x21, length = 12): Buffer {
  const bytes = Buffer.alloc(28)
  Buffer.from('0d0a0d0a000d0a515549540a', 'hex').copy(bytes)
  bytes.writeUInt8(command, 12)
  bytes.writeUInt8(0x11, 13)
  bytes.writeUInt16BE(length, 14)
  Buffer.from(client.split('.').map(Number)).copy(bytes, 16)
  Buffer.from([192, 0, 2, 1]).copy(bytes, 20)
  bytes.writeUInt16BE(4_711, 24)
  bytes.writeUInt16BE(443, 26)
  return bytes
}

async function dial(port: number | undefined, options: Partial<NetConnectOpts> = {}): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: port ?? 0, ...options })
  socket.on('error', () => {})
  closers.push(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

const UPGRADE = [
  'GET /sip HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  'Sec-WebSocket-Protocol: sip',
]
const upgrade = (...headers: readonly string[]): string => [...UPGRADE, ...headers, '', ''].join('\r\n')

/** Status line of the answer, or `closed`. */
const answerOn = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    socket.once('data', (bytes) => resolve(bytes.toString('latin1').split('\r\n')[0] ?? ''))
    socket.once('close', () => resolve('closed'))
  })

async function upgraded(port: number | undefined, bytes: string | Buffer): Promise<string> {
  const socket = await dial(port)
  const answer = answerOn(socket)
  socket.write(bytes)
  return answer
}

const OK = 'HTTP/1.1 101 Switching Protocols'

describe('X-Forwarded-For', () => {
  test('of a trusted proxy names the client of the flow; of anyone else it is only text', async () => {
    const trusted = await open({ http: LOOPBACK })
    expect(await upgraded(trusted.http?.port, upgrade('X-Forwarded-For: 6.6.6.6, 203.0.113.9'))).toBe(OK)
    expect(flows[0]?.remote).toEqual({ address: '203.0.113.9', port: 0 })
    const other = await open({ http: LOOPBACK, trustedProxies: ['192.0.2.55'] })
    expect(await upgraded(other.http?.port, upgrade('X-Forwarded-For: 203.0.113.9'))).toBe(OK)
    expect(flows[1]?.remote.address).toBe('127.0.0.1')
  })

  test('on several lines is one list', async () => {
    const { http } = await open({ http: LOOPBACK })
    const lines = ['X-Forwarded-For: 203.0.113.9', 'X-Forwarded-For: 198.51.100.4']
    expect(await upgraded(http?.port, upgrade(...lines))).toBe(OK)
    expect(flows[0]?.remote.address).toBe('198.51.100.4')
  })

  test('what the proxy appends counts, however many headers the client sends before it', async () => {
    const { http } = await open({ http: LOOPBACK })
    const junk = Array.from({ length: 300 }, (_, at) => `X-Junk-${at}: a`)
    const headers = ['X-Forwarded-For: 198.51.100.66', ...junk, 'X-Forwarded-For: 203.0.113.5']
    expect(await upgraded(http?.port, upgrade(...headers))).toBe(OK)
    expect(flows[0]?.remote.address).toBe('203.0.113.5')
  })

  test('each client behind the proxy has the connections of one address', async () => {
    const { http } = await open({ http: LOOPBACK, maxConnectionsPerAddress: 2 })
    const from = (client: string): Promise<string> =>
      upgraded(http?.port, upgrade(`X-Forwarded-For: ${client}`))
    for (const client of ['203.0.113.1', '203.0.113.1', '203.0.113.2']) expect(await from(client)).toBe(OK)
    expect(await from('203.0.113.1')).toBe('HTTP/1.1 503 Service Unavailable')
    expect(await from('203.0.113.2')).toBe(OK)
  })

  test('the proxy itself may hold more connections than one address', async () => {
    const { http } = await open({ http: LOOPBACK, maxConnectionsPerAddress: 1 })
    for (let count = 0; count < 80; count += 1) {
      expect(await upgraded(http?.port, upgrade(`X-Forwarded-For: 203.0.113.${count}`))).toBe(OK)
    }
  })
})

describe('PROXY protocol', () => {
  test('names the client, whether header and request come at once or byte by byte', async () => {
    const { http } = await open({ http: PROXIED })
    const bytes = Buffer.concat([header('203.0.113.9'), Buffer.from(upgrade())])
    expect(await upgraded(http?.port, bytes)).toBe(OK)
    const slow = await dial(http?.port, { noDelay: true })
    const answer = answerOn(slow)
    for (const byte of bytes.subarray(0, 40)) {
      slow.write(Buffer.of(byte))
      await new Promise(setImmediate)
    }
    slow.write(bytes.subarray(40))
    expect(await answer).toBe(OK)
    const client = { address: '203.0.113.9', port: 4_711 }
    expect(flows.map(({ remote }) => remote)).toEqual([client, client])
  })

  test('goes on to work for what follows the upgrade', async () => {
    const { http } = await open({ http: PROXIED })
    const client = new WebSocket('ws://localhost/sip', 'sip', {
      createConnection: () => {
        const socket = connect({ host: '127.0.0.1', port: http?.port ?? 0 })
        socket.write(header('203.0.113.9'))
        return socket
      },
    })
    closers.push(() => client.terminate())
    await once(client, 'open')
    for (const text of ['one', 'two', 'x'.repeat(50_000)]) {
      client.send(text)
      expect(String((await once(client, 'message'))[0])).toBe(text)
    }
  })

  test('stands before TLS, and the client is known inside it', async () => {
    const { https } = await open({ https: { ...PROXIED, ...TLS_FILES } })
    const socket = await dial(https?.port)
    socket.write(header('203.0.113.9'))
    const secure = connectTls({ socket, rejectUnauthorized: false })
    await once(secure, 'secureConnect')
    const answer = answerOn(secure)
    secure.write(upgrade())
    expect(await answer).toBe(OK)
    expect(flows[0]).toMatchObject({ transport: 'wss', remote: { address: '203.0.113.9', port: 4_711 } })
  })

  test('with the ClientHello in the same segment', async () => {
    const { https } = await open({ https: { ...PROXIED, ...TLS_FILES } })
    // A relay that waits for the first bytes of TLS and puts the header before them.
    const relay = createServer((from) => {
      const to = connect({ host: '127.0.0.1', port: https?.port ?? 0 })
      for (const end of [from, to]) end.on('error', () => end.destroy())
      from.once('data', (hello) => {
        to.write(Buffer.concat([header('203.0.113.9'), hello]))
        from.pipe(to)
      })
      to.pipe(from)
    })
    relay.listen(0, '127.0.0.1')
    await once(relay, 'listening')
    closers.push(() => relay.close())
    const at = relay.address()
    const port = typeof at === 'object' ? (at?.port ?? 0) : 0
    const secure = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    closers.push(() => secure.destroy())
    await once(secure, 'secureConnect')
    const answer = answerOn(secure)
    secure.write(upgrade())
    expect(await answer).toBe(OK)
    expect(flows[0]?.remote.address).toBe('203.0.113.9')
  })

  test('X-Forwarded-For counts only when the header names a proxy', async () => {
    const { http } = await open({ http: PROXIED, trustedProxies: ['127.0.0.1', '10.0.0.0/8'] })
    const named = upgrade('X-Forwarded-For: 198.51.100.4')
    await upgraded(http?.port, Buffer.concat([header('203.0.113.9'), Buffer.from(named)]))
    await upgraded(http?.port, Buffer.concat([header('10.1.2.3'), Buffer.from(named)]))
    expect(flows.map(({ remote }) => remote.address)).toEqual(['203.0.113.9', '198.51.100.4'])
  })

  test('LOCAL is the proxy itself, which asks how we are', async () => {
    const { http } = await open({ http: PROXIED })
    const ask = Buffer.from('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await upgraded(http?.port, Buffer.concat([header('203.0.113.9', 0x20), ask]))).toBe(
      'HTTP/1.1 200 OK',
    )
  })

  test.each([
    ['no header', () => Buffer.from(upgrade())],
    ['version 1', () => Buffer.from(`PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n${upgrade()}`)],
    ['another version', () => Buffer.concat([header('203.0.113.9', 0x31), Buffer.from(upgrade())])],
    ['addresses cut short', () => Buffer.concat([header('203.0.113.9', 0x21, 4), Buffer.from(upgrade())])],
    ['more extensions than are allowed', () => header('203.0.113.9', 0x21, 4_097)],
  ])('%s: the connection is closed without an answer', async (_name, bytes) => {
    const { http } = await open({ http: PROXIED })
    expect(await upgraded(http?.port, bytes())).toBe('closed')
    expect(flows).toEqual([])
  })

  test('half a header and then the end', async () => {
    const { http } = await open({ http: PROXIED })
    const socket = await dial(http?.port)
    const answer = answerOn(socket)
    socket.end(header('203.0.113.9').subarray(0, 20))
    expect(await answer).toBe('closed')
  })

  test('of a stranger is not read: the connection is closed', async () => {
    const { http } = await open({ http: PROXIED, trustedProxies: ['192.0.2.55'] })
    const bytes = Buffer.concat([header('203.0.113.9'), Buffer.from(upgrade())])
    expect(await upgraded(http?.port, bytes)).toBe('closed')
    expect(flows).toEqual([])
  })

  test('where it is off a header is no HTTP', async () => {
    const { http } = await open({ http: LOOPBACK })
    const bytes = Buffer.concat([header('203.0.113.9'), Buffer.from(upgrade())])
    expect(await upgraded(http?.port, bytes)).toBe('HTTP/1.1 400 Bad Request')
  })

  test('one connection of a client past its limit is dropped before anything is read; a closed one makes room', async () => {
    // 64 connections may do other things than SIP.
    const { http } = await open({ http: PROXIED, maxConnectionsPerAddress: 1 })
    const silent: Socket[] = []
    const connectFor = async (client: string): Promise<Socket> => {
      const socket = await dial(http?.port)
      socket.write(header(client))
      return socket
    }
    for (let count = 0; count < 65; count += 1) silent.push(await connectFor('203.0.113.9'))
    const late = await connectFor('203.0.113.9')
    await once(late, 'close')
    const ask = (): Promise<string> =>
      upgraded(
        http?.port,
        Buffer.concat([header('203.0.113.9'), Buffer.from('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')]),
      )
    silent[0]?.destroy()
    await vi.waitFor(async () => expect(await ask()).toBe('HTTP/1.1 200 OK'), { timeout: 10_000 })
  })

  test('that does not come in its time ends the connection', async () => {
    const server = createHttpServer()
    expectProxyHeader(server, { isProxy: () => true, onClient: () => true, timeoutMs: 20 })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => server.close())
    const at = server.address()
    const socket = await dial(typeof at === 'object' ? at?.port : undefined)
    const closed = once(socket, 'close')
    socket.write(header('203.0.113.9').subarray(0, 27))
    await closed
  })

  test('close() ends a connection that has sent no header', async () => {
    const server = await open({ http: PROXIED })
    const silent = await dial(server.http?.port)
    await server.close()
    await vi.waitFor(() => expect(silent.closed).toBe(true), { timeout: 10_000 })
  })
})

describe('a Unix socket', () => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'webtrunk-socket-'))
    return () => rm(folder, { recursive: true })
  })

  const ask = async (path: string): Promise<ClientRequest> => {
    const asked = request({ socketPath: path, path: '/healthz' })
    asked.end()
    return asked
  }
  const statusAt = async (path: string): Promise<number | undefined> => {
    const [response] = await once(await ask(path), 'response')
    response.resume()
    return response.statusCode
  }

  test('serves page, health and WS, and believes X-Forwarded-For without more', async () => {
    const unixSocket = join(folder, 'web.sock')
    const server = await open({ unixSocket, trustedProxies: [] })
    expect(server).toMatchObject({ unixSocket, http: undefined, https: undefined })
    expect(await statusAt(unixSocket)).toBe(200)
    const socket = connect(unixSocket)
    closers.push(() => socket.destroy())
    const answer = answerOn(socket)
    socket.write(upgrade('X-Forwarded-For: 6.6.6.6, 203.0.113.9'))
    expect(await answer).toBe(OK)
    expect(flows[0]).toMatchObject({ transport: 'ws', remote: { address: '203.0.113.9', port: 0 } })
  })

  test('is for owner and group only, and goes away with the daemon', async () => {
    const unixSocket = join(folder, 'web.sock')
    const server = await open({ unixSocket })
    expect((await stat(unixSocket)).mode & 0o777).toBe(0o660)
    await server.close()
    await expect(stat(unixSocket)).rejects.toThrow('ENOENT')
  })

  test('left by a crash is replaced; one in use, or another file, is not', async () => {
    const unixSocket = join(folder, 'web.sock')
    const first = await open({ unixSocket })
    await expect(open({ unixSocket })).rejects.toThrow('EADDRINUSE')
    expect(await statusAt(unixSocket)).toBe(200)
    await first.close()
    const { spawnSync } = await import('node:child_process')
    const crash = `require('node:net').createServer().listen(${JSON.stringify(unixSocket)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', crash])
    expect((await stat(unixSocket)).isSocket()).toBe(true)
    await open({ unixSocket })
    expect(await statusAt(unixSocket)).toBe(200)
    const file = join(folder, 'precious')
    await writeFile(file, 'text')
    await expect(open({ unixSocket: file })).rejects.toThrow('EADDRINUSE')
    expect((await stat(file)).size).toBe(4)
  })
})

describe('a path prefix', () => {
  test('stands before WebSocket and health; the prefix alone leads to the page', async () => {
    const { http } = await open({ http: LOOPBACK, path: '/phone/a' })
    const get = (path: string): Promise<string> =>
      upgraded(http?.port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    expect(await upgraded(http?.port, upgrade().replace('/sip', '/phone/a/sip'))).toBe(OK)
    expect(await upgraded(http?.port, upgrade())).toBe('HTTP/1.1 404 Not Found')
    expect(await get('/phone/a/healthz')).toBe('HTTP/1.1 200 OK')
    expect(await get('/healthz')).toBe('HTTP/1.1 200 OK')
    expect(await get('/phone/a')).toBe('HTTP/1.1 308 Permanent Redirect')
    for (const path of ['/phone', '/phone/ahealthz', '/phone/b/healthz', '/other']) {
      expect(await get(path), path).toBe('HTTP/1.1 404 Not Found')
    }
  })
})
