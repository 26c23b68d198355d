/**
 * Calls and messages by an account were from the caller's name at our own address, which no provider knows: each was refused. And
 * calls to the several numbers of one registered account could not be told apart.
 */
import { afterEach, describe, expect, it } from 'vitest'
import type { TrunkAccountConfig, TrunkConfig } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { Secret } from '../../../config/secret.ts'
import { header } from '../../../sip/message/headers.ts'
import type { Header } from '../../../sip/message/message.ts'
import { sipUri } from '../../../sip/message/uri.ts'
import type { IncomingInvite } from '../../../sip/user-agent.ts'
import { offerOf, PHONE, place, ringing, statusOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { asked, send } from '../../harness/scripted-relay.ts'

const ACCOUNT: TrunkAccountConfig = {
  user: '4930123450',
  password: new Secret('provider secret'),
  md5: true,
  register: true,
  expiresS: 300,
  bulk: false,
}
const USERS = loadConfig(undefined, {}).users.map((user) =>
  user.name === 'alice' ? { ...user, numbers: ['+493012345611'] } : user,
)

let gateway: ScriptedGateway
afterEach(() => gateway.close())
const open = async (account: Partial<TrunkAccountConfig> = {}, trunk: Partial<TrunkConfig> = {}) => {
  gateway = await ScriptedGateway.open({ users: USERS }, { account: { ...ACCOUNT, ...account }, ...trunk })
}

/** Request-URI, From and To of what the trunk is called with, and the INVITE. */
async function called(user: 'alice' | 'bob', headers: readonly Header[] = []) {
  place(await gateway.registered(user), user, '0100', { headers })
  const invite = await ringing(gateway, gateway.trunk)
  const { uri, from, to } = invite.request
  gateway.expectsVerdicts('call.refused')
  return { invite, uris: [uri, from.uri, to.uri].map(({ text }) => text) }
}

async function refuse({ invite }: Awaited<ReturnType<typeof called>>): Promise<void> {
  invite.reject(486)
  await gateway.time.advance(100)
}

describe('a call by an account is from there', () => {
  const AT_HOST = ['sip:100@127.0.0.1:5070', 'sip:100@127.0.0.1:5070']
  const AT_DOMAIN = ['sip:100@provider.example', 'sip:100@provider.example']

  it.each([
    ['with the account for a user without a number', {}, 'bob', 'sip:4930123450@127.0.0.1', AT_HOST],
    ['with a number of the user', {}, 'alice', 'sip:+493012345611@127.0.0.1', AT_HOST],
    [
      'and goes to the domain',
      { domain: 'provider.example' },
      'bob',
      'sip:4930123450@provider.example',
      AT_DOMAIN,
    ],
  ] as const)('%s', async (_name, account, user, from, [uri, to]) => {
    await open(account)
    const call = await called(user)
    expect(call.uris).toEqual([uri, from, to])
    await refuse(call)
  })

  it('with callerId, where there is one', async () => {
    await open({}, { callerId: '4930123459' })
    const call = await called('bob')
    expect(call.uris[1]).toBe('sip:4930123459@127.0.0.1')
    await refuse(call)
  })

  const identitiesOf = ({ request }: IncomingInvite) =>
    ['P-Preferred-Identity', 'P-Asserted-Identity', 'Privacy'].map((name) => header(request, name))

  it.each(['alice', 'bob'] as const)('whose number the callee shall not know: %s', async (user) => {
    await open({ domain: 'provider.example' })
    const call = await called(user, [{ name: 'Privacy', value: 'id' }])
    expect(call.uris[1]).toBe('sip:anonymous@anonymous.invalid')
    expect(identitiesOf(call.invite)).toEqual(['<sip:4930123450@provider.example>', undefined, 'id'])
    await refuse(call)
  })

  it('and shows no more of it where it may be shown', async () => {
    await open()
    const call = await called('alice')
    expect(identitiesOf(call.invite)).toEqual([undefined, undefined, undefined])
    await refuse(call)
  })

  it.each([[], [{ name: 'Privacy', value: 'id' }]])(
    'and names the user to a PBX that is trusted: %j',
    async (...headers) => {
      await open({}, { trusted: true })
      const call = await called('bob', headers)
      expect(identitiesOf(call.invite).slice(0, 2)).toEqual([undefined, '<sip:bob@127.0.0.1>'])
      await refuse(call)
    },
  )

  it('and so is a message, and what we send by ourselves', async () => {
    await open({ domain: 'provider.example' }, { optionsS: 1 })
    gateway.trunkWatch.start()
    send(await gateway.registered('bob'), 'MESSAGE', 'bob', '0100', { body: 'hello' })
    await gateway.time.advance(100)
    const addresses = gateway.trunk.requests.map(({ request: { method, uri, from, to } }) => [
      method,
      ...[uri, from.uri, to.uri].map(({ text }) => text),
    ])
    const us = 'sip:4930123450@provider.example'
    const there = 'sip:provider.example'
    expect(addresses.sort()).toEqual([
      ['MESSAGE', 'sip:100@provider.example', us, 'sip:100@provider.example'],
      ['OPTIONS', there, us, there],
      ['REGISTER', there, us, us],
    ])
    for (const incoming of gateway.trunk.requests) incoming.respond(200)
    const stopped = gateway.trunkWatch.stop()
    await gateway.time.advance(100)
    for (const incoming of gateway.trunk.requests) incoming.respond(200)
    await gateway.time.advance(100)
    await stopped
  })

  const CHALLENGE = {
    headers: [{ name: 'Proxy-Authenticate', value: 'Digest realm="provider", nonce="n", algorithm=MD5' }],
  }

  it.each([
    ['wrong', {}, 'to the password of id-1'],
    ['missing', { account: undefined }, 'without an account of ours'],
  ] as const)('and a password that is %s is told as that', async (_name, trunk, whose) => {
    await open({ authUser: 'id-1' }, trunk)
    place(await gateway.registered('bob'), 'bob', '0100')
    await ringing(gateway, gateway.trunk)
    for (let at = 0; at < gateway.trunk.invites.length; at += 1) {
      gateway.trunk.invites[at]?.reject(407, CHALLENGE)
      await gateway.time.advance(100)
    }
    const [report] = gateway.calls.history.list()
    const seen = `trunk:pbx: 407 Proxy Authentication Required, ${whose}`
    expect(report?.verdict).toMatchObject({ code: 'trunk.credentials-wanted', seen })
    gateway.expectsVerdicts('trunk.credentials-wanted')
  })

  it('and a challenge is answered with the name for that', async () => {
    await open({ authUser: 'account-1@provider.example' })
    const call = await called('bob')
    call.invite.reject(407, CHALLENGE)
    await gateway.time.advance(100)
    const [, again] = gateway.trunk.invites
    if (again === undefined) throw new Error('no second INVITE')
    expect(header(again.request, 'Proxy-Authorization')).toContain('username="account-1@provider.example"')
    await refuse({ ...call, invite: again })
  })
})

describe('a call to the Contact of a registered account', () => {
  const callFrom = (to: string) =>
    place(gateway.trunk, '49170', '', {
      body: offerOf(PHONE),
      where: {
        uri: sipUri({ user: ACCOUNT.user, host: '127.0.0.1' }),
        to: sipUri({ user: to, host: 'provider.example' }),
      },
    })

  it('is for the number in To', async () => {
    await open()
    const alice = await gateway.registered('alice')
    callFrom('+493012345611')
    ;(await ringing(gateway, alice)).reject(486)
    await gateway.time.advance(100)
    gateway.expectsVerdicts('call.refused')
  })

  it('and so is a message', async () => {
    await open()
    const alice = await gateway.registered('alice')
    gateway.trunk.userAgent.request(
      {
        method: 'MESSAGE',
        flow: gateway.trunk.flow,
        uri: sipUri({ user: ACCOUNT.user, host: '127.0.0.1' }),
        from: {
          displayName: undefined,
          uri: sipUri({ user: '49170', host: 'x.example' }),
          parameters: new Map(),
        },
        to: {
          displayName: undefined,
          uri: sipUri({ user: '+493012345611', host: 'x.example' }),
          parameters: new Map(),
        },
        headers: [],
        body: { contentType: 'text/plain', bytes: Buffer.from('hello') },
      },
      () => {},
    )
    ;(await asked(gateway, alice)).respond(200)
    await gateway.time.advance(100)
  })

  const callees = (): unknown[] => gateway.calls.history.list().map(({ callee }) => callee)
  const seen = (): unknown => gateway.logged('call refused')[0]?.fields

  it.each([
    [
      'To names nobody here',
      { register: true },
      '+4930999',
      '4930123450, To "sip:+4930999@provider.example"',
    ],
    [
      'it is not registered, so that the provider knows no Contact',
      { register: false },
      '+493012345611',
      '4930123450',
    ],
    [
      'it has registered in bulk, and To is what was dialled first',
      { register: true, bulk: true },
      '+493012345611',
      '4930123450',
    ],
    [
      'To cannot be read as a number',
      { register: true },
      'a\u0001b',
      '4930123450, To "sip:a%01b@provider.example"',
    ],
  ] as const)('is for the account itself when %s', async (_name, account, to, said) => {
    await open(account)
    await gateway.registered('alice')
    const call = callFrom(to)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(404)
    expect(callees()).toEqual(['4930123450'])
    expect(seen()).toMatchObject({ seen: said })
    gateway.expectsVerdicts('call.unknown-number')
  })

  it('that is refused is remembered by the number in To', async () => {
    await open()
    callFrom('+493012345611')
    await gateway.time.advance(100)
    expect(callees()).toEqual(['+493012345611'])
    expect(gateway.records.map(({ callee }) => callee)).toEqual(['+493012345611'])
    gateway.expectsVerdicts('call.not-registered')
  })
})
