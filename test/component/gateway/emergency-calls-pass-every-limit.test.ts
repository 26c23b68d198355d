import { afterEach, describe, expect, it } from 'vitest'
import type { Config } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { nameAddr } from '../../../gateway/calls/identity.ts'
import { header } from '../../../sip/message/headers.ts'
import type { Header, SipRequest } from '../../../sip/message/message.ts'
import { parseUri, sipUri } from '../../../sip/message/uri.ts'
import type { Body, NoAnswer } from '../../../sip/user-agent.ts'
import {
  answered,
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
import { send, statusOfSent } from '../../harness/scripted-relay.ts'
import { resolverOf, trunkConfig } from '../../harness/trunk-config.ts'

let gateway: ScriptedGateway
afterEach(async () => {
  await gateway.close()
  expect(gateway.calls.counters()).toMatchObject({ calls: 0, emergencyCalls: 0, placed: {} })
})

const demo = loadConfig(undefined, {})
const EMERGENCY = {
  numbers: ['112', '110'],
  prefix: '0',
  trunks: ['pbx', 'second'],
  callerId: '+493010',
  maxCalls: 2,
  drainTimeoutS: 60,
}
const trunks = [
  trunkConfig({ host: '127.0.0.1', port: 5070 }),
  trunkConfig({ name: 'second', host: '127.0.0.1', port: 5071 }),
]
/** Nobody may call anything, and one call is all there is room for. */
const NOTHING: Partial<Config> = {
  calls: { ...demo.calls, maxCalls: 1, maxDurationS: 60 },
  limits: {
    user: { ...demo.limits.user, maxCalls: 1, callsPerMinute: 1, maxDurationS: 60, allow: ['+49'] },
    trunk: { ...demo.limits.trunk, callsPerMinute: 1, deny: ['1'] },
  },
  routes: [],
  numbers: { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' },
}
const open = (more: Partial<Config> = {}) =>
  ScriptedGateway.open({ trunks, emergency: EMERGENCY, ...NOTHING, ...more })

/** An INVITE with any Request-URI and body. */
function call(
  peer: Peer,
  uri: string,
  headers: readonly Header[] = [],
  body: Body = offerOf(BROWSER),
  user = 'alice',
) {
  const dialog = new PeerDialog(BROWSER)
  const made: { final: number | NoAnswer | undefined; reason: string; dialog: PeerDialog } = {
    final: undefined,
    reason: '',
    dialog,
  }
  peer.userAgent.invite(
    {
      flow: peer.flow,
      uri: parseUri(uri),
      from: nameAddr(sipUri({ user, host: 'example.com' })),
      to: { displayName: undefined, uri: parseUri(uri), parameters: new Map() },
      headers,
      body,
      dialogHandler: dialog.handler,
    },
    {
      onProgress: () => {},
      onAccept: (response, confirmed) => {
        made.final = response.status
        dialog.dialog = confirmed
        confirmed.acknowledge()
      },
      onReject: (response) => {
        made.final = statusIn(response)
        made.reason = typeof response === 'string' ? '' : (header(response, 'Reason') ?? '')
      },
    },
  )
  return made
}

/** Answers what rings at the trunk. */
async function answer(peer: Peer) {
  const invite = await ringing(gateway, peer)
  const dialog = new PeerDialog(PHONE)
  dialog.dialog = invite.accept({ body: answerTo(invite, PHONE) }, dialog.handler)
  await gateway.time.advance(200)
  peer.invites.length = 0
  return { request: invite.request, dialog }
}

describe('an emergency number', () => {
  it.each([
    ['sip:112@example.com', '112'],
    ['sip:0110@example.com', '110'],
    ['tel:112;phone-context=example.com', '112'],
    ['tel:112;phone-context=+49', '112'],
    ['sip:112;phone-context=+49@example.com;user=phone', '112'],
    // Wherever the context is, and whoever knows his country or not.
    ['tel:112;phone-context=+49-30', '112'],
    ['tel:110;phone-context=+1-212', '110'],
    ['sip:%20112@example.com', '112'],
    ['sip:%EF%BC%91%EF%BC%91%EF%BC%92@example.com', '112'],
    ['urn:service:sos', '112'],
    ['urn:service:sos.fire', '112'],
  ])('%s goes out at once, is logged, and says what it is', async (uri, number) => {
    gateway = await open()
    const made = call(await gateway.registered('alice'), uri)
    const { request } = await answer(gateway.trunk)
    expect(request.uri.text).toBe(`sip:${number}@127.0.0.1:5070`)
    expect(header(request, 'Priority')).toBe('emergency')
    expect(made.final).toBe(200)
    expect(gateway.logged('emergency call')).toMatchObject([
      { level: 'warn', fields: { caller: 'user:alice', callee: 'trunk:pbx' } },
    ])
    made.dialog.dialog?.bye()
  })

  it('that a trunk refuses goes to the next trunk, and not to the same one at its other address', async () => {
    const many = [
      trunkConfig({ host: 'many.example', port: 5070 }),
      trunkConfig({ name: 'second', host: '127.0.0.1', port: 5071 }),
    ]
    const addresses = new Map([['many.example', ['127.0.0.1', '127.0.0.9']]])
    gateway = await ScriptedGateway.open(
      { emergency: EMERGENCY, ...NOTHING, trunks: many },
      {},
      { resolver: resolverOf(addresses) },
    )
    const other = gateway.trunkAt(5070, '127.0.0.9').peer
    call(await gateway.registered('alice'), 'sip:112@example.com')
    ;(await ringing(gateway, gateway.trunk)).reject(403)
    const { dialog } = await answer(gateway.trunkAt(5071).peer)
    expect(other.invites).toEqual([])
    dialog.dialog?.bye()
  })

  it('is no number like that for a trunk, nor for a message', async () => {
    gateway = await open()
    const made = place(gateway.trunk, '030', '112', { body: offerOf(PHONE) })
    await gateway.time.advance(200)
    expect([statusOf(made), reasonText(made)]).toEqual([404, expect.stringContaining('call.unknown-number')])
    gateway.expectsVerdicts('call.unknown-number')
    const message = send(await gateway.registered('alice'), 'MESSAGE', 'alice', '112', { body: 'help' })
    await gateway.time.advance(200)
    expect([statusOfSent(message), gateway.trunk.requests]).toEqual([404, []])
  })

  it('is challenged for who has not signed in', async () => {
    gateway = await open()
    const made = call(gateway.browser(), 'sip:112@example.com')
    await gateway.time.advance(200)
    expect([made.final, gateway.trunk.invites]).toEqual([401, []])
  })

  it('shows a number to call back, even of who wants to be hidden', async () => {
    gateway = await open()
    call(await gateway.registered('alice'), 'sip:112@example.com', [{ name: 'Privacy', value: 'id' }])
    const { request, dialog } = await answer(gateway.trunk)
    expect(request.from.uri.text).toBe('sip:+493010@127.0.0.1')
    dialog.dialog?.bye()
  })

  it('shows the number of who calls, where they have one', async () => {
    gateway = await open({ users: demo.users.map((user) => ({ ...user, numbers: ['+493012340'] })) })
    call(await gateway.registered('alice'), 'sip:112@example.com')
    const { request, dialog } = await answer(gateway.trunk)
    expect(request.from.uri.text).toBe('sip:+493012340@127.0.0.1')
    dialog.dialog?.bye()
  })
})

describe('past every limit', () => {
  it('it goes out while the packet path is too busy for other calls, which are told so', async () => {
    gateway = await open()
    const alice = await gateway.registered('alice')
    gateway.engine.load = () => 0.95
    const echo = place(alice, 'alice', 'echo')
    await gateway.time.advance(200)
    expect([statusOf(echo), reasonText(echo)]).toEqual([503, expect.stringContaining('call.media-busy')])
    const made = call(alice, 'sip:112@example.com')
    const { dialog } = await answer(gateway.trunk)
    expect(made.final).toBe(200)
    dialog.dialog?.bye()
    gateway.expectsVerdicts('call.media-busy')
  })

  it('it goes out while the gateway is full and the user may call nothing; one past its own maximum does not', async () => {
    gateway = await open()
    const alice = await gateway.registered('alice')
    const echo = place(alice, 'alice', 'echo')
    await gateway.time.advance(200)
    const refused = place(await gateway.registered('bob'), 'bob', 'echo')
    await gateway.time.advance(200)
    expect([statusOf(echo), statusOf(refused)]).toEqual([200, 503])
    const made = [call(alice, 'sip:112@example.com')]
    const first = await answer(gateway.trunk)
    made.push(call(alice, 'sip:112@example.com'))
    const second = await answer(gateway.trunk)
    expect(made.map(({ final }) => final)).toEqual([200, 200])
    const third = call(alice, 'sip:112@example.com')
    await gateway.time.advance(200)
    expect([third.final, third.reason]).toEqual([503, expect.stringContaining('call.overload')])
    for (const { dialog } of [first, second]) dialog.dialog?.bye()
    echo.dialog?.bye()
    await gateway.time.advance(200)
    gateway.expectsVerdicts('call.overload', 'call.overload')
  })

  it('one user has a quarter of them and always two; the next is refused, and another user calls', async () => {
    gateway = await open({ emergency: { ...EMERGENCY, maxCalls: 8 } })
    const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
    const dialogs = []
    for (let count = 0; count < 2; count += 1) {
      call(alice, 'sip:112@example.com')
      dialogs.push((await answer(gateway.trunk)).dialog)
    }
    const third = call(alice, 'sip:112@example.com')
    await gateway.time.advance(200)
    expect([third.final, third.reason]).toEqual([503, expect.stringContaining('limit.concurrent')])
    const other = call(bob, 'sip:112@example.com', [], offerOf(BROWSER), 'bob')
    dialogs.push((await answer(gateway.trunk)).dialog)
    expect(other.final).toBe(200)
    dialogs[0]?.dialog?.bye()
    await gateway.time.advance(200)
    call(alice, 'sip:112@example.com')
    dialogs.push((await answer(gateway.trunk)).dialog)
    for (const { dialog } of dialogs) dialog?.bye()
    await gateway.time.advance(200)
    gateway.expectsVerdicts('limit.concurrent')
  })

  it('it goes out by a trunk that is full', async () => {
    gateway = await open({
      trunks: [trunkConfig({ host: '127.0.0.1', port: 5070, maxCalls: 1 })],
      emergency: { ...EMERGENCY, trunks: ['pbx'] },
    })
    const alice = await gateway.registered('alice')
    const busy = await answered(
      gateway,
      { peer: gateway.trunk, user: '030', local: PHONE },
      { peer: alice, number: 'alice', local: BROWSER },
    )
    const made = call(alice, 'sip:112@example.com')
    const { dialog } = await answer(gateway.trunk)
    expect(made.final).toBe(200)
    dialog.dialog?.bye()
    busy.caller.dialog?.bye()
    await gateway.time.advance(200)
  })

  it('it lasts as long as it takes', async () => {
    gateway = await open()
    const made = call(await gateway.registered('alice'), 'sip:112@example.com')
    const { dialog } = await answer(gateway.trunk)
    await gateway.time.advance(65_000)
    expect([made.dialog.ended, dialog.ended]).toEqual([undefined, undefined])
    made.dialog.dialog?.bye()
    await gateway.time.advance(200)
    expect(dialog.ended).toBe('bye')
    gateway.expectsVerdicts('media.none-from-trunk')
  })
})

describe('a trunk that does not take it', () => {
  it.each([404, 403, 486, 503])('answers %i: the next one is tried', async (status) => {
    gateway = await open()
    const made = call(await gateway.registered('alice'), 'sip:112@example.com')
    ;(await ringing(gateway, gateway.trunk)).reject(status)
    const { request, dialog } = await answer(gateway.trunkAt(5071).peer)
    expect([made.final, request.uri.text]).toEqual([200, 'sip:112@127.0.0.1:5071'])
    expect(header(request, 'Priority')).toBe('emergency')
    dialog.dialog?.bye()
  })

  it('says nothing: the next one is tried after seconds', async () => {
    gateway = await open()
    gateway.trunkFlow.close()
    const made = call(await gateway.registered('alice'), 'sip:112@example.com')
    await gateway.time.advance(5_000)
    const { dialog } = await answer(gateway.trunkAt(5071).peer)
    expect(made.final).toBe(200)
    dialog.dialog?.bye()
  })

  it('is the last: the caller is told', async () => {
    gateway = await open()
    const made = call(await gateway.registered('alice'), 'sip:112@example.com')
    ;(await ringing(gateway, gateway.trunk)).reject(404)
    ;(await ringing(gateway, gateway.trunkAt(5071).peer)).reject(404)
    await gateway.time.advance(200)
    expect(made.final).toBe(404)
    gateway.expectsVerdicts('call.refused')
  })
})

describe('while the daemon stops', () => {
  it('it goes on, a new one is taken, others are not; the stop waits for both and cuts them at its end', async () => {
    gateway = await open()
    const alice = await gateway.registered('alice')
    const echo = place(alice, 'alice', 'echo')
    const first = call(alice, 'sip:112@example.com')
    const one = await answer(gateway.trunk)
    let state = 'draining'
    const stop = gateway.calls.drain().then(() => {
      state = 'others over'
      return gateway.calls.over()
    })
    await gateway.time.advance(500)
    expect([state, statusOf(echo), echo.ended, one.dialog.ended]).toEqual([
      'others over',
      200,
      'bye',
      undefined,
    ])
    const late = place(alice, 'alice', 'echo')
    const second = call(alice, 'urn:service:sos')
    const two = await answer(gateway.trunk)
    expect([statusOf(late), first.final, second.final]).toEqual([503, 200, 200])
    one.dialog.dialog?.bye()
    await gateway.time.advance(200)
    gateway.calls.end()
    await gateway.time.advance(200)
    await stop
    expect([two.dialog.ended, two.dialog.endedBy]).toEqual(['bye', expect.stringContaining('call.draining')])
    expect(gateway.logged('emergency call cut by the stop')).toHaveLength(1)
    gateway.expectsVerdicts('call.draining', 'call.draining')
  })
})

describe('a transfer to it', () => {
  it('makes the call one that is not ended for its length', async () => {
    gateway = await open()
    const alice = await gateway.registered('alice')
    const held = await answered(
      gateway,
      { peer: gateway.trunk, user: '030', local: PHONE },
      { peer: alice, number: 'alice', local: BROWSER },
    )
    let status: unknown
    held.callee.dialog?.request(
      'REFER',
      { headers: [{ name: 'Refer-To', value: '<sip:112@example.com>' }] },
      (response) => {
        status = statusIn(response)
      },
    )
    await gateway.time.advance(200)
    const { dialog } = await answer(gateway.trunk)
    expect([status, held.callee.ended]).toEqual([202, 'bye'])
    await gateway.time.advance(65_000)
    expect([held.caller.ended, dialog.ended]).toEqual([undefined, undefined])
    held.caller.dialog?.bye()
    await gateway.time.advance(200)
    gateway.expectsVerdicts(['media.none-from-trunk', 'media.none-from-trunk'])
  })
})

const LOCATION = '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:alice@example.com"/>'
const named = (name: string, value: string) => ({ name, value })
const WHERE = [
  named('Geolocation', '<cid:here@example.com>, <https://lis.example.com/alice>'),
  named('Geolocation-Routing', 'yes'),
  named('Identity', `${'a'.repeat(700)};info=<https://cert.example.com>;alg=ES256;ppt=shaken`),
  named('Date', 'Thu, 21 Feb 2002 13:02:03 GMT'),
]

/** A description and where the caller is (RFC 6442 §4.1). */
function withLocation(sdp: Body): Body {
  const parts = [
    ['Content-Type: application/sdp', Buffer.from(sdp.bytes).toString()],
    ['Content-Type: application/pidf+xml\r\nContent-ID: <here@example.com>', LOCATION],
  ]
  const text = parts.map(([headers, body]) => `--b1\r\n${headers}\r\n\r\n${body}\r\n`).join('')
  return { contentType: 'multipart/mixed;boundary=b1', bytes: Buffer.from(`${text}--b1--\r\n`) }
}

const shown = (request: SipRequest) =>
  ['Geolocation', 'Geolocation-Routing', 'Identity', 'Date', 'Resource-Priority'].map((name) =>
    header(request, name),
  )
const given = WHERE.map(({ value }) => value)

describe('where the caller is, and who vouches for it', () => {
  it('passes to the trunk, location object, precedence and all', async () => {
    gateway = await open()
    const asked = [...WHERE, named('Resource-Priority', 'esnet.1'), named('Priority', 'normal')]
    const made = call(
      await gateway.registered('alice'),
      'urn:service:sos',
      asked,
      withLocation(offerOf(BROWSER)),
    )
    const invite = await ringing(gateway, gateway.trunk)
    expect(shown(invite.request)).toEqual([...given, 'esnet.1'])
    expect(header(invite.request, 'Priority')).toBe('emergency')
    const body = invite.request.body.toString()
    expect(header(invite.request, 'Content-Type')).toMatch(/^multipart\/mixed;boundary="webtrunk-/)
    expect(body).toMatch(/Content-Type: application\/sdp\r\n\r\nv=0\r\n/)
    expect(body).not.toMatch(/fingerprint|candidate/)
    expect(body).toContain(`Content-ID: <here@example.com>\r\n\r\n${LOCATION}\r\n--webtrunk-`)
    invite.reject(486)
    ;(await ringing(gateway, gateway.trunkAt(5071).peer)).reject(486)
    await gateway.time.advance(200)
    expect(made.final).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })

  it('passes from a trunk to a browser, without the object, which no browser reads', async () => {
    gateway = await open()
    const alice = await gateway.registered('alice')
    const made = place(gateway.trunk, '030', 'alice', {
      body: withLocation(offerOf(PHONE)),
      handler: quiet,
      headers: WHERE,
    })
    const invite = await ringing(gateway, alice)
    expect(shown(invite.request)).toEqual([...given, undefined])
    expect(header(invite.request, 'Content-Type')).toBe('application/sdp')
    invite.reject(486)
    await gateway.time.advance(200)
    expect(statusOf(made)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })

  it('asks for no precedence in any other call', async () => {
    gateway = await ScriptedGateway.open()
    const made = place(await gateway.registered('alice'), 'alice', '0100', {
      handler: quiet,
      headers: [named('Resource-Priority', 'esnet.1')],
    })
    const invite = await ringing(gateway, gateway.trunk)
    expect(header(invite.request, 'Resource-Priority')).toBeUndefined()
    invite.reject(486)
    await gateway.time.advance(200)
    expect(statusOf(made)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })
})
