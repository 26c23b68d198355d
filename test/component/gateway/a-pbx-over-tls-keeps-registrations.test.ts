import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it } from 'vitest'
import type { Config } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { startDaemon } from '../../../gateway/daemon.ts'
import { systemEnvironment } from '../../../gateway/environment.ts'
import type { Flow } from '../../../sip/flow.ts'
import { header } from '../../../sip/message/headers.ts'
import { parseNameAddr } from '../../../sip/message/name-addr.ts'
import { parseUri } from '../../../sip/message/uri.ts'
import { StreamTransport } from '../../../sip/transport/stream.ts'
import { createUserAgent, type IncomingInvite, type IncomingRequest } from '../../../sip/user-agent.ts'
import { Authority, type Identity } from '../../harness/certificates.ts'
import { closeAll, closing } from '../../harness/closing.ts'
import { statusOf } from '../../harness/sip-text.ts'
import { tlsOfPbx, trunkConfig } from '../../harness/trunk-config.ts'
import { until } from '../../harness/until.ts'
import { WebrtcClient } from '../../harness/webrtc-client.ts'

// The whole daemon in front of a PBX that is reached by TLS alone and keeps the registrations.

const authority = new Authority()
const folder = mkdtempSync(join(tmpdir(), 'webtrunk-pbx-tls-'))
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const ours = authority.issue({ names: 'IP:127.0.0.1' })
const ca = file('ca.pem', authority.certificate)
const own = { certificate: file('own.pem', ours.certificate), key: file('own.key', ours.key) }

afterEach(closeAll)
afterAll(() => {
  authority.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Takes every registration as it is, and every call as busy. */
async function openPbx(identity: Identity) {
  const registers: IncomingRequest[] = []
  const invites: IncomingInvite[] = []
  const agent = createUserAgent({
    environment: systemEnvironment,
    product: 'pbx',
    sentBy: (flow) => ({ host: flow.local.address, port: flow.local.port }),
    limits: { maxServerTransactions: 100, maxClientTransactions: 100, maxDialogs: 100, maxForks: 4 },
    handler: {
      onInvite: (invite) => {
        invites.push(invite)
        invite.reject(486)
      },
      onRequest: (incoming) => {
        registers.push(incoming)
        const contact = header(incoming.request, 'Contact') ?? ''
        incoming.respond(200, { headers: [{ name: 'Contact', value: `${contact};expires=60` }] })
      },
      onError: (error) => {
        throw error
      },
    },
  })
  const transport = await StreamTransport.open({
    address: { address: '127.0.0.1', port: 0 },
    identity,
    handler: {
      onMessage: (bytes: Buffer, flow: Flow) => agent.receive(bytes, flow),
      onClose: () => {},
      onTrouble: () => {},
    },
    peersAt: (remote) => [{ name: 'gateway', scope: 'gateway', remote, tls: undefined }],
    strangerScope: 'stranger',
    token: systemEnvironment.token,
  })
  closing({
    close: async () => {
      agent.close()
      transport.close()
    },
  })
  return { agent, registers, invites, port: transport.local.port }
}

async function browserInFrontOf(port: number): Promise<WebrtcClient> {
  const base = loadConfig(undefined, {})
  const log = { error: () => {}, warn: () => {}, debug: () => {}, info: () => {}, child: () => log }
  const tls = tlsOfPbx(ca)
  const config: Config = {
    ...base,
    domain: 'webtrunk.test',
    web: { ...base.web, https: undefined, http: { host: '127.0.0.1', port: 0 }, page: false },
    users: [],
    upstream: {
      trunk: trunkConfig({ name: 'upstream', port, transport: 'tls', tls, codecs: ['PCMU'] }),
      credentials: 'browser',
      domain: 'webtrunk.test',
      local: { host: ['127.0.0.1'], port: 0, announced: [] },
      certificate: own,
      path: false,
      expiresS: 600,
      graceS: 1,
    },
    media: { ...base.media, addresses: ['127.0.0.1'], webrtcPort: 0 },
  }
  const daemon = await startDaemon(config, log, { product: 'webtrunk-test', pagesFolder: '/nonexistent' })
  closing({ close: () => daemon.stop() })
  const url = `ws://127.0.0.1:${daemon.web.http?.port}/sip`
  return closing(await WebrtcClient.connect(url, 'alice', 'the password of the PBX'))
}

it('a browser registers there, calls, and is known by our Contact, all by TLS', async () => {
  const pbx = await openPbx(authority.issue({ names: 'DNS:pbx.example.com' }))
  const alice = await browserInFrontOf(pbx.port)
  await alice.register()
  const [register] = pbx.registers
  const contact = header(register?.request ?? { headers: [] }, 'Contact') ?? ''
  expect(contact).toMatch(/^<sip:[0-9a-f]{32}@127\.0\.0\.1:\d+;transport=tls>/)
  expect([register?.flow.transport, register?.request.via[0]?.transport]).toEqual(['tls', 'TLS'])

  const out = await alice.call('9100', { toneHz: 1_000 })
  await out.waitForFinal()
  expect(out.finalStatus).toBe(486)
  expect(pbx.invites.map(({ flow, request }) => [flow.transport, request.uri.user])).toEqual([
    ['tls', '9100'],
  ])

  let answer = 0
  const uri = parseNameAddr(contact).uri
  const from = { displayName: undefined, uri: parseUri('sip:9100@webtrunk.test'), parameters: new Map() }
  pbx.agent.request(
    { method: 'OPTIONS', flow: register?.flow as Flow, uri, from, to: { ...from, uri } },
    (response) => {
      answer = typeof response === 'object' ? response.status : -1
    },
  )
  await until(() => answer !== 0)
  expect(answer, 'its device is known by our Contact').toBe(200)
})

it('one whose certificate is for another name is told nothing, and the browser that there is no PBX', async () => {
  const pbx = await openPbx(authority.issue({ names: 'DNS:other.example.com' }))
  const alice = await browserInFrontOf(pbx.port)
  const refused = await alice.register(300, 503)
  expect(statusOf(refused)).toBe(503)
  expect(pbx.registers).toEqual([])
})
