import { SignJWT } from 'jose'
import { afterEach, expect, it } from 'vitest'
import type { UserConfig } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { nameAddr } from '../../../gateway/calls/identity.ts'
import {
  createTokenVerifier,
  type TokenVerdict,
  type TokenVerifier,
} from '../../../gateway/registration/jwt.ts'
import { SipFailure } from '../../../sip/failure.ts'
import type { Header, SipResponse } from '../../../sip/message/message.ts'
import { sipUri } from '../../../sip/message/uri.ts'
import type { NoAnswer } from '../../../sip/user-agent.ts'
import { place, reasonText, ringing, statusOf } from '../../harness/scripted-calls.ts'
import { type Peer, reasonOf, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { until } from '../../harness/until.ts'

const SECRET = 'a secret of thirty-two characters'
const { registration, users } = loadConfig(undefined, {
  WEBTRUNK_REGISTRATION_JWT_SECRET: SECRET,
  WEBTRUNK_REGISTRATION_JWT_ISSUER: 'https://issuer.example',
  WEBTRUNK_REGISTRATION_JWT_AUDIENCE: 'webtrunk',
  WEBTRUNK_REGISTRATION_JWT_AUTHZ_SERVER: 'https://issuer.example/oauth',
  WEBTRUNK_REGISTRATION_JWT_SCOPE: 'sip call',
})

/** Signs in by token only. */
const CAROL: UserConfig = { name: 'carol', password: undefined }

/** Answers when the test says so; a token is the name of its user, and `bad` and `late` are what they are. */
class ScriptedVerifier implements TokenVerifier {
  #waiting: (() => void)[] = []
  remainingS = 3_600

  verify(token: string): Promise<TokenVerdict> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        if (token === 'broken') reject(new Error('out of order'))
        else resolve(this.#judge(token))
      })
    })
  }

  get waiting(): number {
    return this.#waiting.length
  }

  release(): void {
    for (const answer of this.#waiting.splice(0)) answer()
  }

  reload(): Promise<void> {
    return Promise.resolve()
  }

  close(): void {}

  #judge(token: string): TokenVerdict {
    if (token !== 'bad' && token !== 'late')
      return { kind: 'accepted', user: token, remainingS: this.remainingS }
    return { kind: 'refused', failure: new SipFailure('sip.bad-token'), isExpired: token === 'late' }
  }
}

let gateway: ScriptedGateway
let verifier: ScriptedVerifier
afterEach(() => gateway.close())

async function open(): Promise<void> {
  verifier = new ScriptedVerifier()
  gateway = await ScriptedGateway.open({ registration, users: [...users, CAROL] }, {}, { verifier })
}

const bearer = (token: string): Header => ({ name: 'Authorization', value: `Bearer ${token}` })

/** What the answer will be, once it has come. */
function register(
  peer: Peer,
  user: string,
  token?: string,
): { response: SipResponse | NoAnswer | undefined } {
  const aor = nameAddr(sipUri({ user, host: 'example.com' }))
  const contact = { name: 'Contact', value: `<sip:${user}@x.invalid;transport=ws>;expires=1800` }
  const sent: { response: SipResponse | NoAnswer | undefined } = { response: undefined }
  peer.userAgent.request(
    {
      method: 'REGISTER',
      flow: peer.flow,
      uri: sipUri({ host: 'example.com' }),
      from: aor,
      to: aor,
      headers: token === undefined ? [contact] : [contact, bearer(token)],
    },
    (response) => {
      sent.response = response
    },
  )
  return sent
}

/** Lets the request arrive, be verified and be answered. */
async function verified(): Promise<void> {
  await gateway.time.advance(50)
  verifier.release()
  await gateway.time.advance(50)
}

async function registered(peer: Peer, user: string, token = user): Promise<SipResponse> {
  const sent = register(peer, user, token)
  await verified()
  if (typeof sent.response !== 'object') throw new Error(`no answer: ${sent.response}`)
  return sent.response
}

const challenges = ({ headers }: SipResponse): readonly string[] =>
  headers.filter(({ name }) => name === 'WWW-Authenticate').map(({ value }) => value)

it('is offered first, before every digest', async () => {
  await open()
  const sent = register(gateway.browser(), 'alice')
  await gateway.time.advance(50)
  expect(sent.response).toMatchObject({ status: 401 })
  const [first, ...others] = challenges(sent.response as SipResponse)
  expect(first).toBe(
    'Bearer realm="example.com", authz_server="https://issuer.example/oauth", scope="sip call"',
  )
  expect(others.map((value) => /^Digest .*algorithm=([\w-]+)/.exec(value)?.[1])).toEqual([
    'SHA-512-256',
    'SHA-256',
    'MD5',
  ])
})

it('registers a user with a password and one without', async () => {
  await open()
  for (const user of ['alice', 'carol']) {
    expect(await registered(gateway.browser(), user)).toMatchObject({ status: 200 })
    expect(gateway.registration.bindingsOf(user)).toHaveLength(1)
  }
})

it('by password goes on to work beside it, and carol has none to guess', async () => {
  await open()
  await gateway.registered('alice')
  expect(await gateway.register(gateway.browser(), 'carol', '')).toBe(403)
})

it('lasts no longer than the token, but never under the minimum', async () => {
  await open()
  for (const [remainingS, expires] of [
    [3_600, 1_800],
    [300.9, 300],
    [5, 60],
  ] as const) {
    verifier.remainingS = remainingS
    const { headers } = await registered(gateway.browser(), 'alice')
    expect(headers.find(({ name }) => name === 'Contact')?.value).toMatch(new RegExp(`;expires=${expires}$`))
  }
})

it.each(['bad', 'late'])('with a %s token is challenged again, with the error', async (token) => {
  await open()
  const response = await registered(gateway.browser(), 'alice', token)
  expect(response).toMatchObject({ status: 401 })
  expect(challenges(response)[0]).toMatch(/^Bearer .*, error="invalid_token"$/)
  expect(reasonOf(response)).toContain('sip.bad-token')
  expect(gateway.registration.size).toBe(0)
})

it('of another user than To, or of nobody here, is refused', async () => {
  await open()
  expect(await registered(gateway.browser(), 'alice', 'bob')).toMatchObject({ status: 403 })
  expect(await registered(gateway.browser(), 'mallory', 'mallory')).toMatchObject({ status: 403 })
  expect(gateway.registration.size).toBe(0)
})

it('cuts a WebSocket after ten forged tokens; expired ones happen', async () => {
  await open()
  const [honest, forger] = [gateway.browser(), gateway.browser()]
  for (let turn = 0; turn < 20; turn += 1) await registered(honest, 'alice', 'late')
  for (let turn = 0; turn < 10; turn += 1) await registered(forger, 'alice', 'bad')
  expect(honest.flow.isOpen).toBe(true)
  expect(forger.flow.isOpen).toBe(false)
})

it('stores nothing for a WebSocket that closed while the token was verified', async () => {
  await open()
  const peer = gateway.browser()
  register(peer, 'alice', 'alice')
  await gateway.time.advance(50)
  expect(verifier.waiting).toBe(1)
  await gateway.disconnect(peer)
  await verified()
  expect(gateway.registration.size).toBe(0)
})

it('that cannot be verified for a fault of ours is answered 500', async () => {
  await open()
  expect(await registered(gateway.browser(), 'alice', 'broken')).toMatchObject({ status: 500 })
  gateway.expectsInternalErrors(1)
})

it('is verified once when the request is repeated', async () => {
  await open()
  const peer = gateway.browser()
  const sent = register(peer, 'alice', 'alice')
  await gateway.time.advance(50)
  const [first] = peer.flow.sent
  peer.flow.send(Buffer.from(first ?? ''))
  await gateway.time.advance(50)
  expect(verifier.waiting).toBe(1)
  await verified()
  expect(sent.response).toMatchObject({ status: 200 })
})

it('calls without a registration', async () => {
  await open()
  const bob = await gateway.registered('bob')
  const call = place(gateway.browser(), 'carol', 'bob', { headers: [bearer('carol')] })
  await verified()
  const invite = await ringing(gateway, bob)
  expect(invite.request.from.uri).toMatchObject({ user: 'carol' })
  // The token is for us.
  expect(invite.request.headers.map(({ name }) => name)).not.toContain('Authorization')
  invite.reject(486)
  await gateway.time.advance(50)
  expect(statusOf(call)).toBe(486)
  gateway.expectsVerdicts('call.refused')
})

it('calls in no other name than the own', async () => {
  await open()
  const call = place(gateway.browser(), 'alice', 'bob', { headers: [bearer('carol')] })
  await verified()
  expect(statusOf(call)).toBe(403)
  const bad = place(gateway.browser(), 'alice', 'bob', { headers: [bearer('bad')] })
  await verified()
  expect(statusOf(bad)).toBe(401)
})

it('of a call that was cancelled meanwhile rings nobody', async () => {
  await open()
  const bob = await gateway.registered('bob')
  const call = place(gateway.browser(), 'carol', 'bob', { headers: [bearer('carol')] })
  await gateway.time.advance(50)
  call.invite.cancel()
  await gateway.time.advance(50)
  expect(statusOf(call)).toBe(487)
  await verified()
  expect(gateway.calls.size).toBe(0)
  expect(bob.invites).toEqual([])
})

it('of a caller who vanished meanwhile rings nobody', async () => {
  await open()
  const bob = await gateway.registered('bob')
  const carol = gateway.browser()
  place(carol, 'carol', 'bob', { headers: [bearer('carol')] })
  await gateway.time.advance(50)
  await gateway.disconnect(carol)
  await verified()
  await gateway.time.advance(1_000)
  expect(bob.invites).toEqual([])
})

it('is not looked at where its address is barred, but of who has signed in there', async () => {
  await open()
  const carol = gateway.browser()
  expect((await registered(carol, 'carol')).status).toBe(200)
  // Each browser has the same address, and each is cut after ten.
  for (let browser = 0; browser < 7; browser += 1) {
    const guesser = gateway.browser()
    for (let guess = 0; guess < 9; guess += 1) register(guesser, 'carol', 'bad')
    await verified()
  }
  const sent = register(gateway.browser(), 'carol', 'carol')
  const call = place(gateway.browser(), 'carol', 'bob', { headers: [bearer('carol')] })
  const again = register(carol, 'carol', 'carol')
  await gateway.time.advance(50)
  expect(verifier.waiting).toBe(1)
  await verified()
  expect([sent, again].map(({ response }) => typeof response === 'object' && response.status)).toEqual([
    503, 200,
  ])
  expect(reasonText(call)).toContain('sip.barred')
})

it('means nothing from a trunk', async () => {
  await open()
  const call = place(gateway.trunk, '4930', 'echo', { headers: [bearer('carol')] })
  await gateway.time.advance(50)
  expect(verifier.waiting).toBe(0)
  expect(statusOf(call)).not.toBe(401)
  gateway.expectsVerdicts('call.unknown-number')
})

it('means nothing where tokens do not sign in: the browser is challenged by digest', async () => {
  gateway = await ScriptedGateway.open()
  const sent = register(gateway.browser(), 'alice', 'alice')
  await gateway.time.advance(50)
  expect(sent.response).toMatchObject({ status: 401 })
  expect(challenges(sent.response as SipResponse).filter((value) => value.startsWith('Bearer'))).toEqual([])
})

it('signed for real registers, and shows in no log line', async () => {
  if (registration.jwt === undefined) throw new Error('no jwt in the configuration')
  const quiet = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => quiet }
  const real = await createTokenVerifier({ config: registration.jwt, log: quiet })
  gateway = await ScriptedGateway.open({ registration, users: [...users, CAROL] }, {}, { verifier: real })
  const signed = await new SignJWT({ sub: 'carol' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('https://issuer.example')
    .setAudience('webtrunk')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET))
  const sent = register(gateway.browser(), 'carol', signed)
  await gateway.time.advance(50)
  // The signature is checked on another thread, in time of its own.
  await until(() => gateway.registration.size === 1)
  await gateway.time.advance(50)
  expect(sent.response).toMatchObject({ status: 200 })
  expect(JSON.stringify(gateway.log)).not.toContain(signed.slice(0, 20))
  real.close()
})
