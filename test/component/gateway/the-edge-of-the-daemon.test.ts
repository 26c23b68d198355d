import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { SignJWT } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { loadConfig } from '../../../config/load.ts'
import type { Log } from '../../../config/logging.ts'
import { type Daemon, startDaemon } from '../../../gateway/daemon.ts'
import { native } from '../../../media/native/index.ts'

const keys = [
  generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  generateKeyPairSync('ec', { namedCurve: 'P-256' }),
]

let folder = ''
let daemon: Daemon
let log: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[] = []
const clients: WebSocket[] = []

async function writeKeys(index: number): Promise<void> {
  const jwk = { ...keys[index]?.publicKey.export({ format: 'jwk' }), kid: String(index) }
  await writeFile(join(folder, 'keys.json'), JSON.stringify({ keys: [jwk] }))
}

async function writeCertificate(commonName: string): Promise<void> {
  const made = native.createCertificate({ commonName, days: 1, names: ['localhost'] })
  await writeFile(join(folder, 'key.pem'), made.privateKeyPem)
  await writeFile(join(folder, 'cert.pem'), made.certificatePem)
}

/** Everything of the edge in one configuration file. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'webtrunk-edge-'))
  log = []
  await writeKeys(0)
  await writeCertificate('first')
  const config = {
    domain: 'example.com',
    web: {
      https: { host: '127.0.0.1', port: 0, certificate: 'cert.pem', key: 'key.pem' },
      unixSocket: 'web.sock',
      path: '/phone',
      page: false,
    },
    users: [{ name: 'carol' }],
    registration: {
      jwt: { jwksFile: 'keys.json', issuer: 'i', audience: 'w', authzServer: 'https://i.example' },
    },
    turn: { urls: ['turn:turn.example.com'], secret: 'a shared secret!' },
    media: { addresses: ['127.0.0.1'], webrtcPort: 0 },
  }
  await writeFile(join(folder, 'webtrunk.yaml'), JSON.stringify(config))
  const tell = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    log.push({ message, fields })
  }
  const logger: Log = { error: tell, warn: tell, info: tell, debug: tell, child: () => logger }
  daemon = await startDaemon(loadConfig(join(folder, 'webtrunk.yaml'), {}), logger, {
    product: 'webtrunk-test',
    pagesFolder: folder,
  })
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate()
  await daemon.stop()
  await rm(folder, { recursive: true })
})

const tokenBy = (index: number): Promise<string> =>
  new SignJWT({ sub: 'carol', iss: 'i', aud: 'w' })
    .setProtectedHeader({ alg: 'ES256', kid: String(index) })
    .setExpirationTime('1h')
    .sign(keys[index]?.privateKey ?? new Uint8Array())

/** As a reverse proxy does it: through the Unix socket, with the client's address. */
async function openBehindProxy(): Promise<WebSocket> {
  const client = new WebSocket(`ws+unix://${join(folder, 'web.sock')}:/phone/sip`, 'sip', {
    headers: { 'X-Forwarded-For': '203.0.113.9' },
  })
  clients.push(client)
  await once(client, 'open')
  return client
}

let registers = 0
async function register(client: WebSocket, token: string): Promise<string> {
  registers += 1
  const lines = [
    'REGISTER sip:example.com SIP/2.0',
    `Via: SIP/2.0/WSS x.invalid;branch=z9hG4bK${registers}`,
    'Max-Forwards: 70',
    'From: <sip:carol@example.com>;tag=1',
    'To: <sip:carol@example.com>',
    'Call-ID: a',
    `CSeq: ${registers} REGISTER`,
    'Contact: <sip:carol@x.invalid;transport=ws>',
    `Authorization: Bearer ${token}`,
    'Content-Length: 0',
  ]
  client.send(`${lines.join('\r\n')}\r\n\r\n`)
  const [answer] = await once(client, 'message')
  return String(answer)
}

const commonName = async (): Promise<unknown> => {
  const socket = connectTls({
    host: '127.0.0.1',
    port: daemon.web.https?.port ?? 0,
    rejectUnauthorized: false,
  })
  await once(socket, 'secureConnect')
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return CN
}

test('a token through a proxy registers; the client is known by its address and gets TURN servers', async () => {
  const client = await openBehindProxy()
  const answer = await register(client, await tokenBy(0))
  expect(answer).toMatch(/^SIP\/2\.0 200 /)
  expect(answer).toMatch(/^Via: .*;received=203\.0\.113\.9/m)
  expect(answer).toMatch(/^X-Ice-Servers: .*turn:turn\.example\.com/m)
  expect(log).toContainEqual({
    message: 'registration',
    fields: { user: 'carol', bindings: 1, source: '203.0.113.9' },
  })
})

test('a reload brings new keys of tokens and a new certificate, and leaves the flow open', async () => {
  const client = await openBehindProxy()
  const [old, renewed] = [await tokenBy(0), await tokenBy(1)]
  const refused = await register(client, renewed)
  expect(refused).toMatch(/^SIP\/2\.0 401 /)
  expect(refused).toMatch(
    /^WWW-Authenticate: Bearer .*authz_server="https:\/\/i\.example", error="invalid_token"/m,
  )
  expect(await commonName()).toBe('first')
  await writeKeys(1)
  await writeCertificate('second')
  await daemon.reload()
  expect(await commonName()).toBe('second')
  expect(await register(client, renewed)).toMatch(/^SIP\/2\.0 200 /)
  expect(await register(client, old)).toMatch(/^SIP\/2\.0 401 /)
})
