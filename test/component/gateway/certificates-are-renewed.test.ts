import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect, type PeerCertificate } from 'node:tls'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { loadConfig } from '../../../config/load.ts'
import type { Log } from '../../../config/logging.ts'
import { type CertificateWatch, readKeyPair, watchCertificate } from '../../../gateway/web/certificate.ts'
import { ClientAddresses } from '../../../gateway/web/client-addresses.ts'
import { TrustedProxies } from '../../../gateway/web/trusted-proxies.ts'
import { openWeb, type WebServer } from '../../../gateway/web/web.ts'
import { native } from '../../../media/native/index.ts'
import type { Flow } from '../../../sip/flow.ts'
import { WebSocketTransport } from '../../../sip/transport/wss.ts'

interface Site {
  readonly folder: string
  readonly files: { readonly certificate: string; readonly key: string }
  readonly web: WebServer
  readonly watch: CertificateWatch
  readonly opened: Flow[]
  readonly closed: Flow[]
  readonly log: string[]
}

let site: Site
const clients: WebSocket[] = []

const pairOf = (commonName: string) => {
  const made = native.createCertificate({ commonName, days: 1, names: ['localhost'] })
  return { cert: made.certificatePem, key: made.privateKeyPem }
}

/** As a careful renewal does it: the file is there whole or not at all. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text)
  await rename(`${path}.new`, path)
}

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'webtrunk-certificate-'))
  const files = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const first = pairOf('first')
  await writeFile(files.certificate, first.cert)
  await writeFile(files.key, first.key)
  const [opened, closed, log]: [Flow[], Flow[], string[]] = [[], [], []]
  const sockets = new WebSocketTransport({
    origins: [],
    token: () => `id${opened.length}`,
    handler: {
      onOpen: (flow) => opened.push(flow),
      onMessage: (bytes, flow) => flow.send(bytes),
      onClose: (flow) => closed.push(flow),
    },
  })
  const { web: config } = loadConfig(undefined, {
    WEBTRUNK_WEB_HTTPS_PORT: '0',
    WEBTRUNK_WEB_HTTPS_HOST: '127.0.0.1',
    WEBTRUNK_WEB_HTTP_PORT: 'off',
    WEBTRUNK_WEB_PAGE: 'false',
  })
  const web = await openWeb({
    config: { ...config, https: { host: '127.0.0.1', port: 0, ...files } },
    keyPairOf: () => readKeyPair(files),
    pagesFolder: folder,
    health: () => ({ status: 'ok', calls: 0, registrations: 0, mediaLoad: 0 }),
    clients: new ClientAddresses(new TrustedProxies([])),
    attach: (server) => sockets.attach(server),
  })
  const tell = (message: string): void => {
    log.push(message)
  }
  const logger: Log = { error: tell, warn: tell, info: tell, debug: tell, child: () => logger }
  const watch = watchCertificate(files, (pair) => web.certificates[0]?.use(pair), logger, 20)
  site = { folder, files, web, watch, opened, closed, log }
  return async () => {
    watch.close()
    sockets.close()
    await web.close()
    await rm(folder, { recursive: true })
  }
})

afterEach(() => {
  for (const client of clients.splice(0)) client.terminate()
})

/** Whose certificate a new connection is shown. */
const shown = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: site.web.https?.port ?? 0, rejectUnauthorized: false })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const { subject }: PeerCertificate = socket.getPeerCertificate()
      socket.destroy()
      resolve(String(subject.CN))
    })
  })

async function openFlow(): Promise<WebSocket> {
  const client = new WebSocket(`wss://127.0.0.1:${site.web.https?.port}/`, 'sip', {
    rejectUnauthorized: false,
  })
  clients.push(client)
  await new Promise((resolve, reject) => {
    client.once('open', resolve)
    client.once('error', reject)
  })
  return client
}

const echoed = (client: WebSocket, text: string): Promise<string> =>
  new Promise((resolve) => {
    client.once('message', (data) => resolve(String(data)))
    client.send(text)
  })

const until = (check: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(check, { timeout: 10_000, interval: 20 })

test('a new pair is shown to new connections, and a flow that is open stays open', async () => {
  const client = await openFlow()
  expect(await shown()).toBe('first')
  const second = pairOf('second')
  await replace(site.files.key, second.key)
  await replace(site.files.certificate, second.cert)
  await until(async () => expect(await shown()).toBe('second'))
  expect(await echoed(client, 'still here')).toBe('still here')
  expect(site.closed).toEqual([])
  expect(site.log).toContain('certificate loaded')
  const later = await openFlow()
  expect(await echoed(later, 'new here')).toBe('new here')
  expect(site.opened).toHaveLength(2)
})

test.each([
  ['the key of another certificate', () => pairOf('other').key],
  ['half a key', () => pairOf('other').key.slice(0, 100)],
  ['nothing', () => ''],
])('%s keeps the old pair and is told; the right one is taken afterwards', async (_name, key) => {
  const second = pairOf('second')
  await replace(site.files.certificate, second.cert)
  await replace(site.files.key, key())
  await site.watch.reload()
  expect(site.log.at(-1)).toBe('certificate not loaded, the old one stays in use')
  expect(await shown()).toBe('first')
  await replace(site.files.key, second.key)
  await until(async () => expect(await shown()).toBe('second'))
})

test('a file that is gone keeps the old pair', async () => {
  await rm(site.files.certificate)
  await site.watch.reload()
  expect(site.log.at(-1)).toBe('certificate not loaded, the old one stays in use')
  expect(await shown()).toBe('first')
})

test('reload reads at once, and says nothing of a pair that is in use already', async () => {
  const second = pairOf('second')
  await replace(site.files.key, second.key)
  await replace(site.files.certificate, second.cert)
  await site.watch.reload()
  expect(await shown()).toBe('second')
  const lines = site.log.length
  await site.watch.reload()
  expect(site.log).toHaveLength(lines)
})

test('a symbolic link that leads elsewhere from now on is a change', async () => {
  const second = pairOf('second')
  for (const [name, text] of [
    ['cert.pem', second.cert],
    ['key.pem', second.key],
  ] as const) {
    await writeFile(join(site.folder, `2-${name}`), text)
    await symlink(join(site.folder, `2-${name}`), join(site.folder, `link-${name}`))
    await rename(join(site.folder, `link-${name}`), join(site.folder, name))
  }
  await until(async () => expect(await shown()).toBe('second'))
})

/** A ClientHello of TLS 1.2, in which alerts are not encrypted yet. */
const clientHello = (): Promise<Buffer> =>
  new Promise((resolve) => {
    const wire = new Duplex({ read: () => {}, write: (bytes: Buffer) => resolve(bytes) })
    connect({ socket: wire, maxVersion: 'TLSv1.2' }).on('error', () => undefined)
  })

/** A client that says this to the certificate; resolves when it is cut off. */
async function refuse(alert: number): Promise<void> {
  const hello = await clientHello()
  const socket = connectPlain({ host: '127.0.0.1', port: site.web.https?.port ?? 0 })
  socket.once('data', () => socket.write(Buffer.from([21, 3, 3, 0, 2, 2, alert])))
  socket.write(hello)
  await once(socket, 'close')
}

test('what is shown is known, and clients that refuse it are counted', async () => {
  const isShown = (name: string): boolean =>
    new X509Certificate(site.web.certificates[0]?.shown() ?? '').subject === `CN=${name}`
  expect(isShown('first')).toBe(true)
  const next = pairOf('next')
  await replace(site.files.key, next.key)
  await replace(site.files.certificate, next.cert)
  await until(() => expect(isShown('next')).toBe(true))
  expect(site.web.counters()).toMatchObject({ certificateRefused: 0, handshakeFailed: 0 })
  const [unknownAuthority, expired, handshakeFailure] = [48, 45, 40]
  for (const alert of [unknownAuthority, expired, handshakeFailure]) await refuse(alert)
  await until(() => expect(site.web.counters()).toMatchObject({ certificateRefused: 2, handshakeFailed: 1 }))
})
