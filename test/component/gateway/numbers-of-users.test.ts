import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Config, TrunkConfig, UserConfig } from '../../../config/config.ts'
import { Secret } from '../../../config/secret.ts'
import { nameAddr } from '../../../gateway/calls/identity.ts'
import { createLadder } from '../../../gateway/ladder/ladder-endpoint.ts'
import { header } from '../../../sip/message/headers.ts'
import type { Header } from '../../../sip/message/message.ts'
import { parseUri, sipUri } from '../../../sip/message/uri.ts'
import {
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  quiet,
  reasonText,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway, statusIn } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const user = (name: string, more: Partial<UserConfig> = {}): UserConfig => ({
  name,
  password: new Secret('x'),
  ...more,
})
const NUMBERS: Partial<Config> = {
  numbers: { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' },
  users: [
    user('alice', { numbers: ['+493012340', '+493012341'] }),
    user('bob', { numbers: ['+493012349'] }),
    user('carol', { numbers: ['+493012349'] }),
  ],
  routes: [{ prefix: '+', strip: 0, add: '', trunk: 'pbx' }],
}
const open = (more: Partial<Config> = {}, trunk: Partial<TrunkConfig> = {}) =>
  ScriptedGateway.open({ ...NUMBERS, ...more }, trunk)

describe('a call to several users', () => {
  /** The first and the last of what a call to bob and carol is, which carol answers. */
  async function answeredByCarol() {
    gateway = await open()
    const [bob, carol] = [await gateway.registered('bob'), await gateway.registered('carol')]
    const call = place(gateway.trunk, '04012', '+493012349', { body: offerOf(PHONE) })
    await ringing(gateway, bob)
    const invite = await ringing(gateway, carol)
    const history = gateway.calls.history
    const ringingLegs = history.list().map(({ callee, legs }) => [callee, legs.map(({ party }) => party)])
    const phone = new PeerDialog(BROWSER)
    phone.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, phone.handler)
    await gateway.time.advance(200)
    expect(statusOf(call)).toBe(200)
    return { call, phone, invite, history, ringingLegs }
  }

  it('is one with who has answered: in its history, its record and what webtrunk calls prints', async () => {
    const { call, history, ringingLegs } = await answeredByCarol()
    expect(ringingLegs).toEqual([['users:bob,carol', ['trunk:pbx', 'users:bob,carol']]])
    const seen = history.list().map(({ callee, legs }) => [callee, legs.map(({ party }) => party)])
    expect(seen).toEqual([['user:carol', ['trunk:pbx', 'user:carol']]])
    call.dialog?.bye()
    await gateway.time.advance(200)
    expect(gateway.records).toMatchObject([
      { callee: 'user:carol', legs: [{ party: 'trunk:pbx' }, { party: 'user:carol' }] },
    ])
  })

  it('shows its ladder to who has answered, by the Call-ID of the own leg, and to nobody who only rang', async () => {
    const { call, history, invite } = await answeredByCarol()
    const { tickets } = gateway
    const server = createServer(createLadder({ history, tickets }))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const ask = async (user: string) => {
      const url = `http://127.0.0.1:${port}/ladder?call=${encodeURIComponent(invite.request.callId)}`
      const headers = { Authorization: `Bearer ${tickets.headerFor(user).value}` }
      const response = await fetch(url, { headers })
      const { legs = [] } = (await response.json()) as { legs?: { isOwn: boolean }[] }
      return [response.status, legs.map(({ isOwn }) => isOwn)]
    }
    expect([await ask('carol'), await ask('bob')]).toEqual([
      [200, [false, true]],
      [404, []],
    ])
    server.closeAllConnections()
    server.close()
    call.dialog?.bye()
    await gateway.time.advance(200)
  })

  it('stays one to who has answered when a transfer calls others', async () => {
    const { call, phone, history } = await answeredByCarol()
    const alice = await gateway.registered('alice')
    phone.dialog?.request(
      'REFER',
      { headers: [{ name: 'Refer-To', value: '<sip:alice@example.com>' }] },
      () => {},
    )
    const invite = await ringing(gateway, alice)
    invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(200)
    const seen = history.list().map(({ callee, legs }) => [callee, legs.map(({ party }) => party)])
    expect(seen).toEqual([['user:carol', ['trunk:pbx', 'user:carol', 'user:alice']]])
    call.dialog?.bye()
    await gateway.time.advance(200)
  })
})

describe('a number called by a trunk', () => {
  it.each(['+493012340', '00493012340', '03012340', '493012340', '+49-30-12340'])(
    '%s rings its user',
    async (number) => {
      gateway = await open()
      const alice = await gateway.registered('alice')
      const call = place(gateway.trunk, '04012', number, { body: offerOf(PHONE) })
      const invite = await ringing(gateway, alice)
      // The phone shows which of her numbers was called.
      expect(invite.request.to.uri.text).toBe(
        `sip:${number.replaceAll('-', '').replace(/^49/, '+49')}@example.com`,
      )
      invite.reject(486)
      await gateway.time.advance(100)
      expect(statusOf(call)).toBe(486)
      gateway.expectsVerdicts('call.refused')
    },
  )

  it('of several users rings all that are there; who answers is who may transfer', async () => {
    gateway = await open()
    const [bob, carol] = [await gateway.registered('bob'), await gateway.registered('carol')]
    const call = place(gateway.trunk, '04012', '+493012349', { body: offerOf(PHONE) })
    const invite = await ringing(gateway, carol)
    expect(bob.invites).toHaveLength(1)
    let isCancelled = false
    for (const other of bob.invites) other.handler = { onCancel: () => (isCancelled = true) }
    const dialog = invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(200)
    expect([statusOf(call), isCancelled]).toEqual([200, true])
    // Carol's other device takes her call over; bob may not.
    const replaces = {
      name: 'Replaces',
      value: `${dialog.callId};to-tag=${dialog.remoteTag};from-tag=${dialog.localTag}`,
    }
    const stolen = place(bob, 'bob', 'bob', { handler: quiet, headers: [replaces] })
    await gateway.time.advance(200)
    expect(reasonText(stolen)).toContain('transfer.no-such-call')
    const taken = place(await gateway.registered('carol', 'tablet'), 'carol', 'carol', {
      handler: quiet,
      headers: [replaces],
    })
    await gateway.time.advance(200)
    expect(statusOf(taken)).toBe(200)
    taken.dialog?.bye()
    await gateway.time.advance(100)
    gateway.expectsVerdicts('transfer.no-such-call')
  })

  it('of several users rings those who are there, and is 480 when none is', async () => {
    gateway = await open()
    const none = place(gateway.trunk, '04012', '+493012349', { body: offerOf(PHONE) })
    await gateway.time.advance(100)
    expect([statusOf(none), reasonText(none)]).toEqual([480, expect.stringContaining('call.not-registered')])
    const bob = await gateway.registered('bob')
    const call = place(gateway.trunk, '04012', '+493012349', { body: offerOf(PHONE) })
    ;(await ringing(gateway, bob)).reject(486)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts('call.not-registered', 'call.refused')
  })

  it('is made by a rule for its calls, and another trunk has none', async () => {
    gateway = await open({
      routes: [{ from: 'pbx', prefix: '', pattern: '(\\d\\d)', strip: 0, add: '', replace: '+4930123$1' }],
    })
    const alice = await gateway.registered('alice')
    place(gateway.trunk, '04012', '41', { body: offerOf(PHONE) })
    const invite = await ringing(gateway, alice)
    expect(invite.request.to.uri.text).toBe('sip:+493012341@example.com')
    invite.reject(486)
    await gateway.time.advance(100)
    gateway.expectsVerdicts('call.refused')
  })
})

describe('a number of a user', () => {
  it('called by another user stays in the house', async () => {
    gateway = await open()
    const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
    const call = place(bob, 'bob', '03012340')
    const invite = await ringing(gateway, alice)
    expect(invite.request.from.uri.text).toBe('sip:bob@example.com')
    invite.reject(486)
    await gateway.time.advance(100)
    expect([statusOf(call), gateway.trunk.invites]).toEqual([486, []])
    gateway.expectsVerdicts('call.refused')
  })
})

/** What a trunk sees of a call of alice, From and P-Asserted-Identity. */
async function shown(
  over: {
    readonly user?: Partial<UserConfig>
    readonly trunk?: Partial<TrunkConfig>
    readonly from?: string
  },
  headers: readonly Header[] = [],
) {
  gateway = await open(
    { users: [user('alice', { numbers: ['+493012340', '+493012341'], ...over.user }), user('bob')] },
    over.trunk,
  )
  const alice = await gateway.registered('alice')
  const call = callAs(alice, over.from ?? 'sip:alice@example.com', headers)
  const { request, reject } = await ringing(gateway, gateway.trunk).then((invite) => ({
    request: invite.request,
    reject: () => invite.reject(486),
  }))
  reject()
  await gateway.time.advance(100)
  expect(call.final()).toBe(486)
  return { from: request.from.uri.text, asserted: header(request, 'P-Asserted-Identity') }
}

/** A call with any From. */
function callAs(peer: Peer, from: string, headers: readonly Header[]) {
  let final: unknown
  peer.userAgent.invite(
    {
      flow: peer.flow,
      uri: parseUri('tel:+49-40-12345'),
      from: { displayName: undefined, uri: parseUri(from), parameters: new Map() },
      to: nameAddr(sipUri({ user: '04012345', host: 'example.com' })),
      headers,
      body: offerOf(BROWSER),
      dialogHandler: new PeerDialog(BROWSER).handler,
    },
    {
      onProgress: () => {},
      onAccept: () => {},
      onReject: (response) => {
        final = statusIn(response)
      },
    },
  )
  return { final: () => final }
}

const prefers = (uri: string): readonly Header[] => [{ name: 'P-Preferred-Identity', value: `<${uri}>` }]

describe('a trunk is shown', () => {
  it('the first number of the caller, and is called in the form of the route', async () => {
    expect(await shown({})).toEqual({ from: 'sip:+493012340@127.0.0.1', asserted: undefined })
    expect(gateway.trunk.invites[0]?.request.uri.text).toBe('sip:+494012345@127.0.0.1:5070')
    gateway.expectsVerdicts('call.refused')
  })

  it.each([
    ['the number the caller prefers', {}, prefers('sip:03012341@example.com'), 'sip:+493012341@127.0.0.1'],
    ['the number the caller prefers, as tel:', {}, prefers('tel:+493012341'), 'sip:+493012341@127.0.0.1'],
    ['the number in From', { from: 'sip:+493012341@example.com' }, [], 'sip:+493012341@127.0.0.1'],
    ['no number of others', {}, prefers('sip:+493012349@example.com'), 'sip:+493012340@127.0.0.1'],
    ['the callerId of the user', { user: { callerId: '+4930123' } }, [], 'sip:+4930123@127.0.0.1'],
    [
      'his choice rather than that',
      { user: { callerId: '+4930123' } },
      prefers('tel:+493012341'),
      'sip:+493012341@127.0.0.1',
    ],
    [
      'nothing of an anonymous user',
      { user: { callerId: 'anonymous' } },
      [],
      'sip:anonymous@anonymous.invalid',
    ],
    [
      'nothing when From is nobody',
      { from: 'sip:anonymous@anonymous.invalid' },
      prefers('sip:alice@example.com'),
      'sip:anonymous@anonymous.invalid',
    ],
    [
      'its own callerId for a user without numbers',
      { user: { numbers: [] }, trunk: { callerId: '+49301' } },
      [],
      'sip:+49301@127.0.0.1',
    ],
    [
      'its own callerId where users are not shown',
      { trunk: { callerId: '+49301', userNumbers: false } },
      prefers('tel:+493012341'),
      'sip:+49301@127.0.0.1',
    ],
    ['a name where there is nothing else', { user: { numbers: [] } }, [], 'sip:alice@127.0.0.1'],
  ])('%s', async (_name, over, headers, from) => {
    expect(await shown(over, headers)).toMatchObject({ from })
    gateway.expectsVerdicts('call.refused')
  })

  it('who it is all the same, when trusted', async () => {
    const over = { user: { callerId: 'anonymous' }, trunk: { trusted: true } }
    expect(await shown(over)).toEqual({
      from: 'sip:anonymous@anonymous.invalid',
      asserted: '<sip:+493012340@127.0.0.1>',
    })
    gateway.expectsVerdicts('call.refused')
  })
})

it('From with a number of somebody else is refused, challenged first', async () => {
  gateway = await open()
  const alice = await gateway.registered('alice')
  const call = callAs(alice, 'sip:+493012349@example.com', [])
  await gateway.time.advance(100)
  expect(call.final()).toBe(401)
})
