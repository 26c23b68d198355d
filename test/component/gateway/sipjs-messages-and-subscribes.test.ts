import {
  Messager,
  Registerer,
  RegistererState,
  UserAgent as SipJs,
  Subscriber,
} from 'sip.js/lib/api/index.js'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { loadConfig } from '../../../config/load.ts'
import { Secret } from '../../../config/secret.ts'
import { startDaemon } from '../../../gateway/daemon.ts'
import { systemEnvironment } from '../../../gateway/environment.ts'
import { header } from '../../../sip/message/headers.ts'
import { parseNameAddr } from '../../../sip/message/name-addr.ts'
import { UdpTransport } from '../../../sip/transport/udp.ts'
import { createUserAgent, type IncomingRequest, type IncomingSubscribe } from '../../../sip/user-agent.ts'
import { closeAll, closing } from '../../harness/closing.ts'
import { statusIn } from '../../harness/scripted-gateway.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'
import { until } from '../../harness/until.ts'

// The whole daemon, with SIP.js as its browsers and a PBX on a UDP socket: each knows nothing of the others.

beforeEach(() => {
  vi.stubGlobal('WebSocket', WebSocket)
})
afterEach(async () => {
  await closeAll()
  vi.unstubAllGlobals()
})

const SUMMARY = 'Messages-Waiting: yes\r\nVoice-Message: 2/0\r\n'
const summary = { contentType: 'application/simple-message-summary', bytes: Buffer.from(SUMMARY) }

/** A PBX that takes messages, and subscriptions to mailboxes. */
async function openPbx() {
  const messages: IncomingRequest[] = []
  const subscribes: IncomingSubscribe[] = []
  const agent = createUserAgent({
    environment: systemEnvironment,
    product: 'pbx',
    sentBy: (flow) => ({ host: flow.local.address, port: flow.local.port }),
    limits: { maxServerTransactions: 100, maxClientTransactions: 100, maxDialogs: 100, maxForks: 4 },
    handler: {
      onInvite: (invite) => invite.reject(486),
      onSubscribe: (subscribe) => subscribes.push(subscribe),
      onRequest: (request) => {
        messages.push(request)
        request.respond(200)
      },
      onError: (error) => {
        throw error
      },
    },
  })
  const transport = await UdpTransport.open({
    address: { address: '127.0.0.1', port: 0 },
    handler: { onMessage: (bytes, flow) => agent.receive(bytes, flow) },
    scopeOf: () => 'gateway',
    token: systemEnvironment.token,
  })
  closing({
    close: async () => {
      agent.close()
      transport.close()
    },
  })
  return { agent, transport, messages, subscribes }
}

async function openGateway(trunkPort: number) {
  const base = loadConfig(undefined, {})
  let udp = ''
  const log = {
    error: () => {},
    warn: () => {},
    debug: () => {},
    info: (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (message === 'listening' && Array.isArray(fields.udp)) udp = String(fields.udp[0])
    },
    child: () => log,
  }
  const daemon = await startDaemon(
    {
      ...base,
      domain: 'example.com',
      web: { ...base.web, https: undefined, http: { host: '127.0.0.1', port: 0 }, page: false },
      udp: { host: ['127.0.0.1'], port: 0, announced: [] },
      users: [
        { name: 'alice', password: new Secret('open sesame') },
        { name: 'bob', password: new Secret('swordfish') },
      ],
      trunks: [trunkConfig({ port: trunkPort, codecs: ['PCMA'] })],
      routes: [{ prefix: '', trunk: 'pbx', strip: 0, add: '' }],
      media: { ...base.media, addresses: ['127.0.0.1'], webrtcPort: 0 },
    },
    log,
    { product: 'webtrunk-test', pagesFolder: '/nonexistent' },
  )
  closing({ close: () => daemon.stop() })
  const udpPort = Number(udp.slice(udp.lastIndexOf(':') + 1))
  return { url: `ws://127.0.0.1:${daemon.web.http?.port}/sip`, udpPort }
}

const uriOf = (user: string) => {
  const uri = SipJs.makeURI(`sip:${user}@example.com`)
  if (uri === undefined) throw new Error('no URI')
  return uri
}

/** SIP.js, registered. */
async function browser(server: string, user: string, password: string) {
  const messages: string[] = []
  const told: string[] = []
  const client = new SipJs({
    uri: uriOf(user),
    authorizationUsername: user,
    authorizationPassword: password,
    transportOptions: { server },
    logBuiltinEnabled: false,
    delegate: {
      onMessage: (message) => {
        messages.push(message.request.body)
        void message.accept()
      },
      onNotify: (notification) => {
        told.push(notification.request.body)
        void notification.accept()
      },
    },
  })
  await client.start()
  const registerer = new Registerer(client)
  await registerer.register()
  await until(() => registerer.state === RegistererState.Registered)
  closing({ close: () => client.stop() })
  return { client, messages, told }
}

test('SIP.js sends messages to another SIP.js and to a PBX, and hears from it', async () => {
  const pbx = await openPbx()
  const { url, udpPort } = await openGateway(pbx.transport.local.port)
  const alice = await browser(url, 'alice', 'open sesame')
  const bob = await browser(url, 'bob', 'swordfish')
  await new Messager(alice.client, uriOf('bob'), 'hello Bob').message()
  await until(() => bob.messages.length > 0)
  expect(bob.messages).toEqual(['hello Bob'])
  await new Messager(bob.client, uriOf('100'), 'hello PBX').message()
  await until(() => pbx.messages.length > 0)
  const [message] = pbx.messages
  expect(message?.request.body.toString()).toBe('hello PBX')
  expect(message?.request.from.uri.text).toMatch(/^sip:bob@/)

  const statuses: unknown[] = []
  const ask = (method: string, body: { contentType: string; bytes: Buffer }, event: string | undefined) =>
    pbx.agent.request(
      {
        method,
        flow: pbx.transport.flowTo('127.0.0.1', udpPort),
        uri: parseNameAddr('<sip:alice@127.0.0.1>').uri,
        from: parseNameAddr('<sip:100@127.0.0.1>'),
        to: parseNameAddr('<sip:alice@127.0.0.1>'),
        headers: event === undefined ? [] : [{ name: 'Event', value: event }],
        body,
      },
      (response) => statuses.push(statusIn(response)),
    )
  ask('MESSAGE', { contentType: 'text/plain', bytes: Buffer.from('hello Alice') }, undefined)
  ask('NOTIFY', summary, 'message-summary')
  await until(() => statuses.length === 2)
  expect(statuses).toEqual([200, 200])
  expect([alice.messages, alice.told]).toEqual([['hello Alice'], [SUMMARY]])
})

test('SIP.js subscribes to its mailbox at a PBX, is told, and unsubscribes', async () => {
  const pbx = await openPbx()
  const { url } = await openGateway(pbx.transport.local.port)
  const alice = await browser(url, 'alice', 'open sesame')
  const notified: string[] = []
  const subscriber = new Subscriber(alice.client, uriOf('alice'), 'message-summary', {
    expires: 600,
    delegate: {
      onNotify: (notification) => {
        notified.push(notification.request.body)
        void notification.accept()
      },
    },
  })
  await subscriber.subscribe()
  await until(() => pbx.subscribes.length > 0)
  const [incoming] = pbx.subscribes
  const refreshes: (string | undefined)[] = []
  const notifier = incoming?.accept(
    { expiresS: 600 },
    {
      onRefresh: (refresh) => {
        refreshes.push(header(refresh.request, 'Expires'))
        refresh.accept({ expiresS: 0 })
        notifier?.notify({ state: 'terminated;reason=timeout' })
      },
      onEnd: () => {},
    },
  )
  const answers: unknown[] = []
  notifier?.notify({ state: 'active;expires=600', body: summary }, (response) =>
    answers.push(statusIn(response)),
  )
  await until(() => answers.length > 0)
  expect([answers, notified]).toEqual([[200], [SUMMARY]])
  await subscriber.unsubscribe()
  await until(() => refreshes.length > 0 && notifier?.isOpen === false)
  expect(refreshes).toEqual(['0'])
})
