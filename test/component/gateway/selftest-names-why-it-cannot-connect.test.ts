import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import type { Log } from '../../../config/logging.ts'
import { Admin } from '../../../gateway/commands/admin.ts'
import { selftest } from '../../../gateway/commands/selftest.ts'
import type { Listening } from '../../../gateway/ladder/call-answers.ts'
import { listeningOf } from '../../../gateway/selftest/own-listener.ts'
import { SelftestConnection, type SelftestTrust } from '../../../gateway/selftest/selftest-connection.ts'
import { Authority, type Identity } from '../../harness/certificates.ts'
import { freePort } from '../../harness/ports.ts'

const authority = new Authority()
const folder = mkdtempSync(join(tmpdir(), 'webtrunk-selftest-'))
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
afterAll(() => {
  authority.close()
  rmSync(folder, { recursive: true, force: true })
})

const identityFor = (names: string, days = 1): Identity => authority.issue({ names, days, commonName: names })

/** Takes WebSockets and says nothing more; the port. */
async function serve({ certificate, key }: Identity): Promise<number> {
  const server = createServer({ cert: certificate, key })
  const sockets = new WebSocketServer({ server })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** What becomes of a connection: its failure's code and the codes of its warnings. */
async function tried(url: string, trust: SelftestTrust) {
  const connection = new SelftestConnection(url, trust)
  const socket = new (connection.socketClass())(url, 'sip')
  // Why it failed is what the connection has to tell: here it only matters that it is over. `close` follows each error.
  socket.on('error', () => {})
  await new Promise<void>((resolve) => {
    socket.once('open', resolve)
    socket.once('close', () => resolve())
  })
  socket.terminate()
  const { failure, warnings } = connection
  return { failure, warnings: warnings.map(({ code }) => code) }
}

const trustIn = ({ certificate }: Identity): SelftestTrust => ({
  kind: 'file',
  file: '/etc/fullchain.pem',
  pem: certificate,
  name: 'phone.example.com',
})

describe('with the certificate of the configuration', () => {
  it('it connects, whoever issued it; selftest.certificate-untrusted is a warning', async () => {
    const own = identityFor('DNS:phone.example.com')
    expect(await tried(`wss://127.0.0.1:${await serve(own)}/sip`, trustIn(own))).toEqual({
      failure: undefined,
      warnings: ['selftest.certificate-untrusted'],
    })
  })

  it('selftest.certificate-expired and selftest.certificate-name are warnings', async () => {
    const own = identityFor('DNS:pbx.example.com', -1)
    expect(await tried(`wss://127.0.0.1:${await serve(own)}/sip`, trustIn(own))).toEqual({
      failure: undefined,
      warnings: ['selftest.certificate-expired', 'selftest.certificate-name'],
    })
  })

  it('selftest.certificate-untrusted: the daemon serves another one than the file holds', async () => {
    const [own, other] = [identityFor('DNS:phone.example.com'), identityFor('DNS:phone.example.com')]
    const { failure } = await tried(`wss://127.0.0.1:${await serve(other)}/sip`, trustIn(own))
    expect(failure).toMatchObject({
      code: 'selftest.certificate-untrusted',
      expected: expect.stringMatching(
        /^that of \/etc\/fullchain\.pem: CN=.* \(SHA-256 [0-9A-F:]{23}\.\.\.\)$/,
      ),
      seen: expect.stringMatching(/^CN=/),
    })
    expect(failure?.seen).not.toBe(failure?.expected?.replace('that of /etc/fullchain.pem: ', ''))
  })
})

describe('as a browser by --url', () => {
  it.each([
    ['selftest.certificate-untrusted', 'IP:127.0.0.1', 1, /UNABLE_TO_VERIFY_LEAF_SIGNATURE: CN=/],
    ['selftest.certificate-expired', 'IP:127.0.0.1', -1, /GMT to .*GMT/],
  ] as const)('%s ends it', async (code, names, days, seen) => {
    const port = await serve(identityFor(names, days))
    const { failure } = await tried(`wss://127.0.0.1:${port}/sip`, { kind: 'public' })
    expect(failure).toMatchObject({ code, seen: expect.stringMatching(seen) })
  })

  it('--insecure takes any', async () => {
    const port = await serve(identityFor('DNS:another', -1))
    expect(await tried(`wss://127.0.0.1:${port}/sip`, { kind: 'any' })).toEqual({
      failure: undefined,
      warnings: [],
    })
  })
})

describe('without a WebSocket', () => {
  it('selftest.unreachable: nobody listens', async () => {
    const port = await freePort()
    expect((await tried(`ws://127.0.0.1:${port}/sip`, { kind: 'public' })).failure).toMatchObject({
      code: 'selftest.unreachable',
      expected: `ws://127.0.0.1:${port}/sip`,
      seen: `ECONNREFUSED at 127.0.0.1:${port}`,
    })
  })

  it('selftest.no-websocket: something else answers', async () => {
    const server = createHttpServer((_, response) => response.writeHead(404).end())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => server.close())
    const { port } = server.address() as AddressInfo
    expect((await tried(`ws://127.0.0.1:${port}/sip`, { kind: 'public' })).failure).toMatchObject({
      code: 'selftest.no-websocket',
      seen: 'HTTP status 404',
    })
  })
})

describe('webtrunk selftest', () => {
  const log: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => log }
  const socket = join(folder, 'admin.sock')
  const password = join(folder, 'password')
  let listening: Listening
  beforeEach(async () => {
    writeFileSync(password, 'secret\n')
    const admin = new Admin(log)
    admin.handle('listening', () => listening)
    await admin.listen(socket)
    closers.push(() => admin.close())
  })

  async function run(...more: readonly string[]) {
    const written = { out: '', err: '' }
    const status = await selftest.run(
      ['--user', 'alice', '--password-file', password, '--socket', socket, ...more],
      {
        out: (text) => {
          written.out += text
        },
        err: (text) => {
          written.err += text
        },
        environment: {},
      },
    )
    return { status, ...written }
  }

  it('goes to the listener of the daemon, and says the stage, what was expected and seen, cause and remedy', async () => {
    const [own, other] = [identityFor('DNS:phone.example.com'), identityFor('DNS:phone.example.com')]
    const certificateFile = join(folder, 'own.pem')
    writeFileSync(certificateFile, own.certificate)
    const url = `wss://127.0.0.1:${await serve(other)}/sip`
    listening = { domain: 'phone.example.com', url, certificateFile }
    const { status, out } = await run()
    expect(status).toBe(1)
    expect(out).toContain('WebSocket connected               FAILED: selftest.certificate-untrusted')
    expect(out).toMatch(
      /^S1 signalling: selftest\.certificate-untrusted\n {3}what {6}\S.*\n {3}expected {2}that of .*\n {3}seen {6}CN=.*\n {3}cause {5}\S.*\n {3}do {8}\S.*$/m,
    )
    expect(out).toContain('two-way audio: NO')
    const json = JSON.parse((await run('--json')).out) as { failure: object; reason: string }
    expect(json).toMatchObject({
      isOk: false,
      failure: { code: 'selftest.certificate-untrusted', stage: 'S1' },
    })
  })

  it('says so when the daemon listens for proxies only', async () => {
    listening = { domain: 'phone.example.com', url: undefined, certificateFile: undefined }
    expect(await run()).toMatchObject({ status: 64, err: expect.stringContaining('for proxies only') })
  })
})

describe('the listener of the daemon', () => {
  const address = (host: string, port: number): AddressInfo => ({ address: host, port, family: '' })
  const WSS = { host: '0.0.0.0', port: 443, certificate: '/c.pem', key: '/k.pem' }
  const WS = { host: '::', port: 80 }
  type Opened = Parameters<typeof listeningOf>[1]
  const of = (
    https: object | undefined,
    http: object | undefined,
    web: Omit<Opened, 'others'> & Partial<Opened>,
    listeners: readonly object[] = [],
  ) =>
    listeningOf(
      { domain: 'a.example', web: { https, http, listeners } as never },
      { others: [], ...web },
      '/sip',
    )

  it.each([
    ['0.0.0.0', 'wss://127.0.0.1:443/sip'],
    ['::', 'wss://[::1]:443/sip'],
    ['192.0.2.10', 'wss://192.0.2.10:443/sip'],
    ['2001:db8::1', 'wss://[2001:db8::1]:443/sip'],
  ])('at %s is reached at %s', (host, url) => {
    expect(of(WSS, WS, { https: address(host, 443), http: address('::', 80) })).toEqual({
      domain: 'a.example',
      url,
      certificateFile: '/c.pem',
    })
  })

  it('is never one for proxies', () => {
    const web = { https: address('0.0.0.0', 443), http: address('::', 80) }
    const proxied = { ...WSS, proxyProtocol: true }
    expect(of(proxied, WS, web)).toMatchObject({ url: 'ws://[::1]:80/sip', certificateFile: undefined })
    expect(of(proxied, { ...WS, proxyProtocol: true }, web).url).toBeUndefined()
  })

  it('is one of web.listeners where there is no other, and is not for proxies either', () => {
    const none = { https: undefined, http: undefined }
    const others = ['https://0.0.0.0:8443', 'https://[::]:443', 'http://192.0.2.10:80']
    const rows = [
      { ...WSS, proxyProtocol: true },
      { ...WSS, certificate: '/d.pem' },
      { ...WS, proxyProtocol: false },
    ]
    expect(of(undefined, undefined, { ...none, others }, rows)).toEqual({
      domain: 'a.example',
      url: 'wss://[::1]:443/sip',
      certificateFile: '/d.pem',
    })
    expect(of(undefined, undefined, { ...none, others: others.slice(2) }, rows.slice(2))).toEqual({
      domain: 'a.example',
      url: 'ws://192.0.2.10:80/sip',
      certificateFile: undefined,
    })
    expect(of(undefined, undefined, { ...none, others: others.slice(0, 1) }, rows).url).toBeUndefined()
  })
})
