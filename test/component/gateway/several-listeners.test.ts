import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { loadConfig } from '../../../config/load.ts'
import type { Log } from '../../../config/logging.ts'
import { type Daemon, startDaemon } from '../../../gateway/daemon.ts'
import { native } from '../../../media/native/index.ts'
import { freePort } from '../../harness/ports.ts'

let folder = ''
let daemon: Daemon | undefined
const sockets: WebSocket[] = []
const log: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[] = []

const write = async (name: string): Promise<void> => {
  const { certificatePem, privateKeyPem } = native.createCertificate({
    commonName: name,
    days: 1,
    names: [name],
  })
  const [file] = name.split('.')
  for (const [end, text] of [
    ['key', privateKeyPem],
    ['pem', certificatePem],
  ] as const) {
    await writeFile(join(folder, `${file}.${end}.new`), text)
    await rename(join(folder, `${file}.${end}.new`), join(folder, `${file}.${end}`))
  }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'webtrunk-listeners-'))
  log.length = 0
  for (const name of ['a.example', 'b.example']) await write(name)
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate()
  await daemon?.stop()
  daemon = undefined
  await rm(folder, { recursive: true })
})

const start = async (web: object): Promise<Daemon> => {
  const config = {
    domain: 'example.com',
    web: { page: false, ...web },
    media: { addresses: ['127.0.0.1'], webrtcPort: await freePort() },
  }
  const file = join(folder, 'webtrunk.yaml')
  await writeFile(file, JSON.stringify(config))
  const tell = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    log.push({ message, fields })
  }
  const lines: Log = { error: tell, warn: tell, info: tell, debug: tell, child: () => lines }
  daemon = await startDaemon(loadConfig(file, {}), lines, { product: 'test', pagesFolder: '' })
  return daemon
}

const tls = (name: string) => ({ certificate: `${name}.pem`, key: `${name}.key` })

/** Whose certificate `host:port` shows. */
async function shown(host: string, port: number): Promise<string> {
  const socket = connect({ host, port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

async function open(url: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url}/sip`, 'sip', { rejectUnauthorized: false })
  sockets.push(socket)
  await once(socket, 'open')
  return socket
}

const portOf = (url: string | undefined): number => Number(/:(\d+)$/.exec(url ?? '')?.[1])

test('each listener shows its own certificate; one that is renewed changes there, and no flow is dropped', async () => {
  const { web, reload } = await start({
    https: { host: '127.0.0.1', port: 0, ...tls('a') },
    listeners: [
      { host: '127.0.0.1', port: 0, ...tls('b') },
      { host: '::1', port: 0, ...tls('b') },
      { host: '::1', port: 0 },
    ],
  })
  const [second, third, clear] = web.others
  expect([second, third, clear].map((url) => url?.replace(/\d+$/, ''))).toEqual([
    'https://127.0.0.1:',
    'https://[::1]:',
    'http://[::1]:',
  ])
  expect(log.find(({ message }) => message === 'listening')?.fields).toMatchObject({
    https: web.https?.port,
    others: web.others,
    media: [expect.stringMatching(/^127\.0\.0\.1:\d+$/)],
  })
  const names = async () => [
    await shown('127.0.0.1', web.https?.port ?? 0),
    await shown('127.0.0.1', portOf(second)),
    await shown('::1', portOf(third)),
  ]
  expect(await names()).toEqual(['a.example', 'b.example', 'b.example'])

  const flows = [
    await open(`wss://127.0.0.1:${web.https?.port}`),
    await open(String(second).replace('https', 'wss')),
    await open(String(third).replace('https', 'wss')),
    await open(String(clear).replace('http', 'ws')),
  ]
  await write('b.renewed')
  await reload()
  expect(await names()).toEqual(['a.example', 'b.renewed', 'b.renewed'])
  expect(
    log.filter(({ message }) => message === 'certificate loaded').map(({ fields }) => fields.file),
  ).toEqual(expect.arrayContaining([join(folder, 'a.pem'), join(folder, 'b.pem')]))
  for (const flow of flows) {
    flow.send('\r\n\r\n')
    expect(String((await once(flow, 'message'))[0]), 'a pong').toBe('\r\n')
  }
})

test('a certificate of a further listener is watched, without being asked to', async () => {
  const { web } = await start({
    http: { host: '127.0.0.1', port: 0 },
    listeners: [{ host: '127.0.0.1', port: 0, ...tls('b') }],
  })
  const port = portOf(web.others[0])
  expect(await shown('127.0.0.1', port)).toBe('b.example')
  await write('b.later')
  await vi.waitFor(async () => expect(await shown('127.0.0.1', port)).toBe('b.later'), {
    timeout: 15_000,
    interval: 200,
  })
})

test(':: takes both families, and leaves IPv4 to a listener that has it at the same port', async () => {
  const both = await start({ https: { host: '::', port: 0, ...tls('a') } })
  const port = both.web.https?.port ?? 0
  expect([await shown('127.0.0.1', port), await shown('::1', port)]).toEqual(['a.example', 'a.example'])
  await open(`wss://127.0.0.1:${port}`)
  expect(log.findLast(({ message }) => message === 'websocket opened')?.fields.source).toBe('127.0.0.1')
  await both.stop()

  const free = await freePort()
  await start({
    https: { host: '0.0.0.0', port: free, ...tls('a') },
    listeners: [{ host: '::', port: free, ...tls('b') }],
  })
  expect([await shown('127.0.0.1', free), await shown('::1', free)]).toEqual(['a.example', 'b.example'])
})
