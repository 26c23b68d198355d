import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { afterAll, afterEach, expect, it } from 'vitest'
import type { Config } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { Secret } from '../../../config/secret.ts'
import { startDaemon } from '../../../gateway/daemon.ts'
import { buildResponse } from '../../../sip/message/build.ts'
import { formatMessage } from '../../../sip/message/format.ts'
import { parseMessage } from '../../../sip/message/parser.ts'
import { Authority, type Identity } from '../../harness/certificates.ts'
import { closeAll, closing } from '../../harness/closing.ts'
import { headerOf, statusOf } from '../../harness/sip-text.ts'
import { tlsOfPbx, trunkConfig } from '../../harness/trunk-config.ts'
import { WebrtcClient } from '../../harness/webrtc-client.ts'

// The whole daemon calls a trunk over TLS, whose certificate is not what it should be.

const authority = new Authority()
const stranger = new Authority()
const folder = mkdtempSync(join(tmpdir(), 'webtrunk-trunk-tls-'))
const ca = join(folder, 'ca.pem')
writeFileSync(ca, authority.certificate)

afterEach(closeAll)
afterAll(() => {
  authority.close()
  stranger.close()
  rmSync(folder, { recursive: true, force: true })
})

async function trunkWith({ certificate, key }: Identity): Promise<number> {
  const server = createServer({ cert: certificate, key })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing({ close: async () => void server.close() })
  return (server.address() as AddressInfo).port
}

const trunkOverTls = (port: number) => trunkConfig({ port, transport: 'tls', tls: tlsOfPbx(ca) })

async function callOver(port: number, more: Partial<Config> = {}, number = '9100') {
  const base = loadConfig(undefined, {})
  const failures: Readonly<Record<string, unknown>>[] = []
  const log = {
    error: () => {},
    warn: (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (message === 'call failed') failures.push(fields)
    },
    debug: () => {},
    info: () => {},
    child: () => log,
  }
  const own = authority.issue({ names: 'IP:127.0.0.1' })
  writeFileSync(join(folder, 'own.pem'), own.certificate)
  writeFileSync(join(folder, 'own.key'), own.key)
  const config: Config = {
    ...base,
    domain: 'webtrunk.test',
    web: { ...base.web, https: undefined, http: { host: '127.0.0.1', port: 0 }, page: false },
    tls: {
      host: ['127.0.0.1'],
      port: 0,
      certificate: join(folder, 'own.pem'),
      key: join(folder, 'own.key'),
    },
    users: [{ name: 'alice', password: new Secret('open sesame') }],
    trunks: [trunkOverTls(port)],
    routes: [{ prefix: '9', trunk: 'pbx', strip: 0, add: '' }],
    media: { ...base.media, addresses: ['127.0.0.1'], webrtcPort: 0 },
    ...more,
  }
  const daemon = await startDaemon(config, log, { product: 'webtrunk-test', pagesFolder: '/nonexistent' })
  closing({ close: () => daemon.stop() })
  const url = `ws://127.0.0.1:${daemon.web.http?.port}/sip`
  const alice = closing(await WebrtcClient.connect(url, 'alice', 'open sesame'))
  await alice.register()
  const call = await alice.call(number, { toneHz: 1_000 })
  const final = await call.waitForFinal()
  return { status: statusOf(final), reason: headerOf(final, 'Reason'), failures }
}

it.each([
  [
    'trunk.certificate-expired',
    () => authority.issue({ names: 'DNS:pbx.example.com', days: -1 }),
    'CERT_HAS_EXPIRED',
  ],
  ['trunk.certificate-name', () => authority.issue({ names: 'DNS:other.example.com' }), 'other.example.com'],
  [
    'trunk.certificate-refused',
    () => stranger.issue({ names: 'DNS:pbx.example.com' }),
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  ],
] as const)('%s: the caller is told the code, the log what was seen', async (code, issue, seen) => {
  const { reason, failures } = await callOver(await trunkWith(issue()))
  expect(reason).toBe(`SIP;cause=503;text="${code}"`)
  expect(failures).toMatchObject([{ code, stage: 'S1', leg: 'callee', seen: expect.stringContaining(seen) }])
  // What the transport has said is in what was seen.
  if (code === 'trunk.certificate-name') expect(failures[0]?.seen).toContain('sip.foreign-certificate')
})

/** A trunk over UDP that refuses every call; the Request-URIs of those. */
async function refusingTrunk() {
  const socket = createSocket('udp4')
  const asked: string[] = []
  socket.on('message', (bytes, { address, port }) => {
    const message = parseMessage(bytes)
    if (message.kind !== 'request' || message.method !== 'INVITE') return
    asked.push(message.uri.text)
    socket.send(formatMessage(buildResponse(message, 404, { toTag: 'second' })), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  closing({ close: async () => void socket.close() })
  return { port: socket.address().port, asked }
}

it('an emergency call passes by a trunk whose certificate has expired, at once', async () => {
  const second = await refusingTrunk()
  const expired = await trunkWith(authority.issue({ names: 'DNS:pbx.example.com', days: -1 }))
  const { status } = await callOver(
    expired,
    {
      udp: { host: ['127.0.0.1'], port: 0, announced: [] },
      trunks: [trunkOverTls(expired), trunkConfig({ name: 'second', port: second.port })],
      emergency: {
        numbers: ['112'],
        prefix: '',
        trunks: ['pbx', 'second'],
        callerId: undefined,
        maxCalls: 2,
        drainTimeoutS: 1,
      },
    },
    '112',
  )
  // Long before Timer B of what the first trunk never got.
  expect([status, second.asked]).toEqual([404, [`sip:112@127.0.0.1:${second.port}`]])
}, 20_000)
