import { createHmac } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import type { Config, TurnConfig } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { Secret } from '../../../config/secret.ts'
import { Refusals } from '../../../gateway/refusals.ts'
import type { TokenVerdict } from '../../../gateway/registration/jwt.ts'
import { Registration } from '../../../gateway/registration/registration.ts'
import { TokenGate } from '../../../gateway/registration/token-gate.ts'
import { ClientAddresses } from '../../../gateway/web/client-addresses.ts'
import { createIceServers } from '../../../gateway/web/ice-servers.ts'
import { TrustedProxies } from '../../../gateway/web/trusted-proxies.ts'
import { TurnCredentials } from '../../../gateway/web/turn.ts'
import { openWeb } from '../../../gateway/web/web.ts'
import { SipFailure } from '../../../sip/failure.ts'
import { answerDigest } from '../../harness/digest-answer.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { VirtualTime } from '../../harness/virtual-time.ts'

const NOW_S = 1_800_000_000
const TURN: TurnConfig = {
  urls: ['turn:turn.example.com:3478?transport=udp', 'turns:turn.example.com:443?transport=tcp'],
  secret: new Secret('a shared secret!'),
  lifetimeS: 3_600,
}
const turn = new TurnCredentials(TURN, () => NOW_S * 1_000)

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

describe('credentials', () => {
  test('name their end and their user, and prove it with the secret', () => {
    const username = `${NOW_S + 3_600}:alice`
    const credential = createHmac('sha1', 'a shared secret!').update(username).digest('base64')
    expect(turn.serversFor('alice')).toEqual({
      iceServers: [{ urls: TURN.urls, username, credential }],
      lifetimeS: 3_600,
    })
    expect(turn.serversFor('bob').iceServers[0]?.credential).not.toBe(credential)
  })

  test('come with the 200 of a REGISTER, and with no other answer', async () => {
    const gateway = await ScriptedGateway.open({ turn: TURN })
    closers.push(() => gateway.close())
    const peer = gateway.browser()
    expect(await gateway.register(peer, 'alice', 'wrong')).toBe(403)
    expect(gateway.toBrowser(peer).join('\n')).not.toContain('X-Ice-Servers')
    const alice = await gateway.registered('alice')
    const [challenge, accepted] = gateway.toBrowser(alice)
    expect(challenge).not.toContain('X-Ice-Servers')
    const value = /^X-Ice-Servers: (.*)\r$/m.exec(accepted ?? '')?.[1] ?? ''
    expect(JSON.parse(value)).toMatchObject({ iceServers: [{ urls: TURN.urls }], lifetimeS: 3_600 })
    expect(JSON.stringify(gateway.log)).not.toContain(JSON.parse(value).iceServers[0].credential)
  })
})

describe('/ice-servers', () => {
  /** A gateway's HTTP side; a token is the name of its user, or `bad`. */
  async function open(
    over: Partial<Config> = {},
  ): Promise<{ readonly url: string; readonly config: Config }> {
    const base = loadConfig(undefined, {})
    const config: Config = { ...base, domain: 'example.com', ...over }
    const verify = async (token: string): Promise<TokenVerdict> =>
      token === 'bad'
        ? { kind: 'refused', failure: new SipFailure('sip.bad-token'), isExpired: false }
        : { kind: 'accepted', user: token, remainingS: 60 }
    const verifier = { verify, reload: async () => {}, close: () => {} }
    const log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => log }
    const tokens = new TokenGate({ verifier, isBarred: () => false, onError: () => {} })
    const environment = new VirtualTime()
    const refusals = new Refusals({ nowMs: () => environment.nowMs(), log })
    const registration = new Registration({ config, environment, log, refusals, tokens })
    const clients = new ClientAddresses(new TrustedProxies(config.web.trustedProxies))
    const web = await openWeb({
      config: { ...config.web, https: undefined, http: { host: '127.0.0.1', port: 0 }, page: false },
      keyPairOf: () => Promise.reject(new Error('no https')),
      pagesFolder: '',
      health: () => ({ status: 'ok', calls: 0, registrations: 0, mediaLoad: 0 }),
      iceServers: createIceServers({ registration, turn, log, clients }),
      clients,
      attach: () => {},
    })
    closers.push(
      () => registration.close(),
      () => web.close(),
    )
    return { url: `http://127.0.0.1:${web.http?.port}/ice-servers`, config }
  }

  const get = (url: string, authorization?: string): Promise<Response> =>
    fetch(url, { headers: authorization === undefined ? {} : { authorization } })

  async function byPassword(
    url: string,
    user: string,
    password: string,
    path = '/ice-servers',
  ): Promise<Response> {
    const first = await get(url)
    // The lines come joined; that of SHA-256 is the middle one.
    const lines = (first.headers.get('www-authenticate') ?? '').split(/(?=Digest )/)
    const challenge = lines.find((line) => line.includes('algorithm=SHA-256')) ?? ''
    return get(url, answerDigest({ challenge, method: 'GET', uri: path, user, password }))
  }

  test('behind a proxy each client has its own tries at a password', async () => {
    const proxied = { ...loadConfig(undefined, {}).web, trustedProxies: ['127.0.0.1'] }
    const { url } = await open({ web: proxied, users: [{ name: 'alice', password: new Secret('right') }] })
    const from = (client: string, authorization?: string): Promise<Response> =>
      fetch(url, {
        headers: { 'x-forwarded-for': client, ...(authorization === undefined ? {} : { authorization }) },
      })
    const challenges = (await from('203.0.113.9')).headers.get('www-authenticate') ?? ''
    const challenge = challenges.split(/(?=Digest )/).find((line) => line.includes('algorithm=SHA-256')) ?? ''
    const wrong = { challenge, method: 'GET', uri: '/ice-servers', user: 'alice', password: 'wrong' }
    for (let count = 0; count < 61; count += 1) await from('203.0.113.9', answerDigest(wrong))
    expect((await from('203.0.113.9')).status, 'who has used up his own').toBe(503)
    expect((await from('198.51.100.4')).status, 'another client').toBe(401)
  })

  test('asks who is there, and says no word more', async () => {
    const { url } = await open()
    const response = await get(url)
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(/Digest .*algorithm=SHA-512-256.*algorithm=MD5/)
    expect(await response.text()).toBe('')
    expect((await fetch(url, { method: 'POST' })).status).toBe(405)
  })

  test('gives them for the SIP password, once for each count of a nonce', async () => {
    const { url, config } = await open()
    const password = config.users[0]?.password?.reveal() ?? ''
    const response = await byPassword(url, 'alice', password)
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toEqual(turn.serversFor('alice'))
  })

  test.each([
    ['a wrong password', 'alice', 'wrong', 403],
    ['an unknown user', 'nobody', 'wrong', 403],
  ])('%s gets none, and loses its connection', async (_name, user, password, status) => {
    const { url } = await open()
    const response = await byPassword(url, user, password)
    expect(response.status).toBe(status)
    expect(response.headers.get('connection')).toBe('close')
    expect(await response.text()).toBe('')
  })

  test('an answer made for another request gets none', async () => {
    const { url, config } = await open()
    const password = config.users[0]?.password?.reveal() ?? ''
    expect((await byPassword(url, 'alice', password, 'sip:example.com')).status).toBe(400)
  })

  test('gives them for a token of a user of ours', async () => {
    const { url } = await open()
    const response = await get(url, 'Bearer bob')
    expect(await response.json()).toEqual(turn.serversFor('bob'))
    expect((await get(url, 'Bearer mallory')).status).toBe(403)
    expect((await get(url, 'Bearer bad')).status).toBe(401)
  })
})

test('without TURN servers there is no such page and no such header', async () => {
  const gateway = await ScriptedGateway.open()
  closers.push(() => gateway.close())
  const alice = await gateway.registered('alice')
  expect(gateway.toBrowser(alice).join('\n')).not.toContain('X-Ice-Servers')
  const { web } = loadConfig(undefined, {})
  const server = await openWeb({
    config: { ...web, https: undefined, http: { host: '127.0.0.1', port: 0 }, page: false },
    keyPairOf: () => Promise.reject(new Error('no https')),
    pagesFolder: '',
    health: () => ({ status: 'ok', calls: 0, registrations: 0, mediaLoad: 0 }),
    clients: new ClientAddresses(new TrustedProxies([])),
    attach: () => {},
  })
  closers.push(() => server.close())
  expect((await fetch(`http://127.0.0.1:${server.http?.port}/ice-servers`)).status).toBe(404)
})
