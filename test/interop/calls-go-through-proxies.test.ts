import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../harness/certificates.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS, type User } from '../harness/daemon.ts'
import { startHaproxy, startNginx } from '../harness/reverse-proxies.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const authority = new Authority()
const folder = mkdtempSync(join(tmpdir(), 'webtrunk-proxies-'))

let daemon: Daemon
/** Where a browser connects, by the way it takes. */
const ports: Record<string, number> = {}
const closers: (() => Promise<void>)[] = []

beforeAll(async () => {
  const identity = authority.issue({ names: 'IP:127.0.0.1' })
  writeFileSync(join(folder, 'cert.pem'), identity.certificate)
  writeFileSync(join(folder, 'key.pem'), identity.key)
  const unixSocket = join(folder, 'web.sock')
  const tls = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  daemon = await Daemon.start({
    config: {
      web: {
        https: { host: '127.0.0.1', port: 0, proxyProtocol: true, ...tls },
        unixSocket,
        path: '/phone',
        trustedProxies: ['127.0.0.1'],
        maxConnectionsPerAddress: 1,
      },
    },
  })
  const httpPort = Number(new URL(daemon.pageUrl).port)
  const httpsPort = Number(new URL(daemon.securePageUrl ?? '').port)
  const nginx = await startNginx({ identity, httpPort, unixSocket })
  closers.push(() => nginx.proxy.close())
  const haproxy = await startHaproxy({ identity, httpsPort, httpPort })
  closers.push(() => haproxy.proxy.close())
  Object.assign(ports, { nginx: nginx.port, passing: haproxy.passing, ending: haproxy.ending })
})
afterEach(closeAll)
afterAll(async () => {
  for (const close of closers.reverse()) await close()
  await daemon.close()
  authority.close()
  rmSync(folder, { recursive: true, force: true })
})

describe.each([
  { way: 'nginx, to a port, with a path', port: 'nginx', path: '/phone/sip', client: '127.0.0.21' },
  {
    way: 'nginx, to the Unix socket, with another path',
    port: 'nginx',
    path: '/by-socket/sip',
    client: '127.0.0.31',
  },
  { way: 'haproxy that passes TLS on', port: 'passing', path: '/phone/sip', client: '127.0.0.41' },
  { way: 'haproxy that ends TLS', port: 'ending', path: '/phone/sip', client: '127.0.0.51' },
])('behind $way', ({ port, path, client }) => {
  const connect = async (address: string, user: User = 'alice'): Promise<WebrtcClient> => {
    const host = `127.0.0.1:${ports[port]}`
    // As the page served there would: only with the Host as it came is that an origin of ours.
    const options = { localAddress: address, origin: `https://${host}` }
    return closing(await WebrtcClient.connect(`wss://${host}${path}`, user, PASSWORDS[user], options))
  }

  test('a browser registers and calls, and is known by its own address', async () => {
    const alice = await connect(client)
    await alice.register()
    const call = await alice.call('tone', { toneHz: 1000 })
    await call.waitForTone(440, 500)
    await call.hangUp()
    await daemon.waitForLog(
      'the client',
      ({ message, source }) => message === 'websocket opened' && source === client,
    )
  })

  test('limits count the client, not the proxy', async () => {
    // Not the one of before: its connection may still be closing behind the proxy.
    const one = client.replace(/1$/, '3')
    await connect(one)
    await expect(connect(one), 'one more than the limit').rejects.toThrow('503')
    const other = await connect(client.replace(/1$/, '2'), 'bob')
    await other.register()
  })
})
