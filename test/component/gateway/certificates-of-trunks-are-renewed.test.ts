import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Config, TrunkConfig } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import type { LogFields } from '../../../config/log-line.ts'
import type { Log } from '../../../config/logging.ts'
import { startDaemon } from '../../../gateway/daemon.ts'
import { TrunkTable } from '../../../gateway/trunks/trunk.ts'
import { watchTrunkCertificates } from '../../../gateway/trunks/trunk-certificates.ts'
import { TrunkTransports } from '../../../gateway/trunks/trunk-transports.ts'
import type { Flow } from '../../../sip/flow.ts'
import { Authority, type Identity } from '../../harness/certificates.ts'
import { closeAll, closing } from '../../harness/closing.ts'
import { resolverOf, tlsOfPbx, trunkConfig } from '../../harness/trunk-config.ts'

// What `trunks[].tls` names was read once, at the start: a certificate that had been renewed since was not shown, and one that
// the peer had renewed not believed, until the next restart.

const authority = new Authority()
const later = new Authority()
const listener = authority.issue({ names: 'DNS:gateway.example.com' })
const pbx = authority.issue({ names: 'DNS:pbx.example.com' })
const MESSAGE = Buffer.from('MESSAGE sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n')

let folder = ''
const pathOf = (name: string): string => join(folder, name)
let lines: { readonly message: string; readonly fields: LogFields }[] = []
const tell = (message: string, fields: LogFields = {}): void => {
  lines.push({ message, fields })
}
const log: Log = { error: tell, warn: tell, info: tell, debug: tell, child: () => log }
const told = (message: string): readonly LogFields[] =>
  lines.flatMap((line) => (line.message === message ? [line.fields] : []))

/** As a careful renewal does it: the file is there whole or not at all. */
function replace(name: string, text: string): void {
  writeFileSync(pathOf(`${name}.new`), text)
  renameSync(pathOf(`${name}.new`), pathOf(name))
}

function renewOwn(commonName: string): void {
  const own = authority.issue({ names: 'DNS:gateway.example.com', commonName })
  replace('own.key', own.key)
  replace('own.pem', own.certificate)
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'webtrunk-renewed-'))
  lines = []
  replace('listener.pem', listener.certificate)
  replace('listener.key', listener.key)
  replace('ca.pem', authority.certificate)
  renewOwn('first')
})
afterEach(async () => {
  await closeAll()
  rmSync(folder, { recursive: true })
})
afterAll(() => {
  authority.close()
  later.close()
})

/** A PBX that wants a certificate of whoever connects, and notes whose it was. */
async function openPbx({ certificate, key }: Identity) {
  const shown: string[] = []
  const server = createServer({ cert: certificate, key, requestCert: true, rejectUnauthorized: false })
  server.on('tlsClientError', () => {})
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => {})
    shown.push(String(socket.getPeerCertificate().subject?.CN))
    // It lives, and then it is gone: the next message needs another connection.
    socket.once('data', () => socket.end(MESSAGE))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing({ close: async () => void server.close() })
  return { port: (server.address() as AddressInfo).port, shown }
}

const tlsTrunk = (port: number, requireCertificate = false): TrunkConfig =>
  trunkConfig({
    port,
    transport: 'tls',
    tls: {
      ...tlsOfPbx(pathOf('ca.pem')),
      certificate: pathOf('own.pem'),
      key: pathOf('own.key'),
      requireCertificate,
    },
  })

const configOf = (trunk: TrunkConfig): Config => {
  const base = loadConfig(undefined, {})
  return {
    ...base,
    trunks: [trunk],
    tls: {
      host: ['127.0.0.1'],
      port: 0,
      certificate: pathOf('listener.pem'),
      key: pathOf('listener.key'),
    },
  }
}

async function openTrunk(trunk: TrunkConfig) {
  const config = configOf(trunk)
  const trunks = new TrunkTable([trunk], {
    resolver: resolverOf(),
    nowMs: () => performance.now(),
    supported: ['tls'],
  })
  await trunks.refresh()
  const troubles: string[] = []
  const received: Flow[] = []
  let tokens = 0
  const transports = await TrunkTransports.open({
    config,
    trunks,
    token: () => String(tokens++),
    log,
    handler: { onMessage: (_bytes, flow) => received.push(flow), onClose: () => {} },
    onTrouble: (_trunk, reason) => troubles.push(reason),
    onSocket: () => {},
  })
  closing({ close: async () => transports.close() })
  const watches = watchTrunkCertificates(config, { transports, pbxTransports: undefined }, log, 20)
  closing({
    close: async () => {
      for (const watch of watches) watch.close()
    },
  })
  const [path] = trunks.get('pbx')?.servers.flatMap((server) => server.paths) ?? []
  if (path === undefined) throw new Error('no way to the trunk')
  return {
    send: () => transports.flowTo(path).send(MESSAGE),
    port: Number(transports.listening().tls?.[0]?.split(':').at(-1)),
    troubles,
    received,
    counters: () => transports.counters().tls?.['127.0.0.1'],
  }
}

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })

it('a renewed certificate of ours is shown by the next connection to the trunk', async () => {
  const { port, shown } = await openPbx(pbx)
  const { send, received } = await openTrunk(tlsTrunk(port))
  send()
  await until(() => expect(received).toHaveLength(1))
  renewOwn('second')
  await until(() =>
    expect(told('certificate loaded')).toMatchObject([{ trunk: 'pbx', subject: 'CN=second' }]),
  )
  send()
  await until(() => expect(shown).toEqual(['first', 'second']))
})

it('one that cannot be used leaves the old one in use, and the log says so', async () => {
  const { port, shown } = await openPbx(pbx)
  const { send } = await openTrunk(tlsTrunk(port))
  replace('own.pem', 'half')
  await until(() =>
    expect(told('certificate not loaded, the old one stays in use')).toMatchObject([{ trunk: 'pbx' }]),
  )
  send()
  await until(() => expect(shown).toEqual(['first']))
})

it('a renewed authority is believed from then on, of the trunk that we connect to', async () => {
  const { port, shown } = await openPbx(later.issue({ names: 'DNS:pbx.example.com' }))
  const { send, troubles } = await openTrunk(tlsTrunk(port))
  send()
  await until(() => expect(troubles).toEqual(['UNABLE_TO_VERIFY_LEAF_SIGNATURE']))
  replace('ca.pem', later.certificate)
  await until(() => expect(told('certificate loaded')).toHaveLength(1))
  const before = shown.length
  // It is left alone for a moment after a failure.
  await until(() => {
    send()
    expect(shown.length).toBeGreaterThan(before)
  })
})

it('and of a trunk that connects to us and must show a certificate', async () => {
  const { port, received, counters } = await openTrunk(tlsTrunk(9, true))
  const dial = async ({ certificate, key }: Identity): Promise<void> => {
    const socket = connect({ port, host: '127.0.0.1', cert: certificate, key, rejectUnauthorized: false })
    closing({ close: async () => void socket.destroy() })
    socket.on('error', () => {})
    socket.write(MESSAGE)
  }
  const theirs = later.issue({ names: 'DNS:pbx.example.com' })
  await dial(theirs)
  await until(() => expect(counters()).toMatchObject({ refusedTls: 1 }))
  await dial(pbx)
  await until(() => expect(received).toHaveLength(1))
  replace('ca.pem', later.certificate)
  await until(() => expect(told('certificate loaded')).toHaveLength(1))
  await dial(theirs)
  await until(() => expect(received).toHaveLength(2))
  await dial(pbx)
  await until(() => expect(counters()).toMatchObject({ refusedTls: 2, accepted: 2 }))
})

it('a renewed certificate of the listener is shown to who connects from then on, whom the old one served goes on', async () => {
  const { port, received } = await openTrunk(tlsTrunk(9, true))
  const dial = async (): Promise<TLSSocket> => {
    const { certificate, key } = pbx
    const socket = connect({ port, host: '127.0.0.1', cert: certificate, key, rejectUnauthorized: false })
    closing({ close: async () => void socket.destroy() })
    await once(socket, 'secureConnect')
    return socket
  }
  const nameOf = (socket: TLSSocket) => String(socket.getPeerCertificate().subject?.CN)
  const before = await dial()
  const renewed = authority.issue({ names: 'DNS:gateway.example.com', commonName: 'renewed' })
  replace('listener.key', renewed.key)
  replace('listener.pem', renewed.certificate)
  await until(() => expect(told('certificate loaded')).toMatchObject([{ subject: 'CN=renewed' }]))
  expect([nameOf(before), nameOf(await dial())]).toEqual(['peer', 'renewed'])
  before.write(MESSAGE)
  await until(() => expect(received).toHaveLength(1))
})

it('a reload of the daemon looks at them at once', async () => {
  const config = configOf(tlsTrunk(9))
  const daemon = await startDaemon(
    {
      ...config,
      web: { ...config.web, https: undefined, http: { host: '127.0.0.1', port: 0 }, page: false },
      media: { ...config.media, addresses: ['127.0.0.1'], webrtcPort: 0 },
    },
    log,
    { product: 'webtrunk-test', pagesFolder: '/nonexistent' },
  )
  closing({ close: () => daemon.stop() })
  await daemon.reload()
  expect(told('certificate loaded')).toContainEqual(
    expect.objectContaining({ trunk: 'pbx', subject: 'CN=first' }),
  )
})
