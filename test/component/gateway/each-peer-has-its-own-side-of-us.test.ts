import { afterEach, describe, expect, it } from 'vitest'
import { header } from '../../../sip/message/headers.ts'
import { offerOf, PHONE, place, ringing } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { ScriptedPbx } from '../../harness/scripted-pbx.ts'
import { send, statusOfSent } from '../../harness/scripted-relay.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

/** A request as a trunk sends it that does not ask for the port it came from. */
const optionsBy = (via: string, id: string): Buffer =>
  Buffer.from(
    [
      'OPTIONS sip:example.com SIP/2.0',
      `Via: SIP/2.0/UDP ${via};branch=z9hG4bK${id}`,
      'From: <sip:pbx@example.com>;tag=1',
      'To: <sip:example.com>',
      `Call-ID: ${id}`,
      'CSeq: 1 OPTIONS',
      'Max-Forwards: 70',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  )

describe('in Via and Contact', () => {
  it('a browser finds our domain, and a trunk the address where it reaches us', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const out = place(alice, 'alice', '0100')
    const toTrunk = await ringing(gateway, gateway.trunk)
    const into = place(gateway.trunk, '030', 'alice', { body: offerOf(PHONE) })
    const toBrowser = await ringing(gateway, alice)
    const seen = [toTrunk, toBrowser].map(({ request }) => [request.via[0]?.host, header(request, 'Contact')])
    expect(seen).toEqual([
      ['127.0.0.1', '<sip:127.0.0.1:5060;transport=udp>'],
      ['example.com', '<sip:example.com;transport=ws>'],
    ])
    out.invite.cancel()
    into.invite.cancel()
    await gateway.time.advance(200)
    gateway.expectsVerdicts('cancelled', 'cancelled')
  })
})

describe('a trunk', () => {
  it('registers nobody, not even with a password of a user', async () => {
    gateway = await ScriptedGateway.open()
    const password = gateway.passwordOf('alice')
    expect(await gateway.register(gateway.trunk, 'alice', password)).toBe(405)
    expect(gateway.registration.bindingsOf('alice')).toEqual([])
    // Whoever points a phone at us looks for why.
    const refused = { method: 'REGISTER', code: 'sip.unsupported-method', source: '127.0.0.1' }
    expect(gateway.logged('request refused')).toMatchObject([{ fields: refused }])
  })

  it('is told so by Allow, and a browser that it may', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const asked = [
      send(gateway.trunk, 'REGISTER', 'alice', 'alice'),
      send(gateway.trunk, 'OPTIONS', 'pbx', 'alice'),
      send(alice, 'OPTIONS', 'alice', 'alice'),
    ]
    await gateway.time.advance(50)
    expect(asked.map(statusOfSent)).toEqual([405, 200, 200])
    const allowed = asked.map(({ answer }) =>
      typeof answer === 'object' ? header(answer, 'Allow') : undefined,
    )
    expect(allowed.map((methods) => methods?.includes('REGISTER'))).toEqual([false, false, true])
  })

  it('that sends from another port is answered where it listens, unless it asks for that port', async () => {
    gateway = await ScriptedGateway.open()
    const { gatewayFlow } = gateway.trunkAt(40_000)
    gateway.signalling.ofTrunks.onMessage(optionsBy('127.0.0.1:5070', 'one'), gatewayFlow)
    await gateway.time.advance(10)
    expect([gateway.trunkFlow.sent.length, gatewayFlow.sent.length]).toEqual([1, 0])
    gateway.signalling.ofTrunks.onMessage(optionsBy('127.0.0.1:5070;rport', 'two'), gatewayFlow)
    await gateway.time.advance(10)
    expect([gateway.trunkFlow.sent.length, gatewayFlow.sent.length]).toEqual([1, 1])
  })
})

it('a stranger is told no and gets no transaction', async () => {
  gateway = await ScriptedGateway.open()
  const before = gateway.userAgent.tables()
  const sent = send(gateway.stranger(), 'OPTIONS', 'x', 'alice')
  await gateway.time.advance(10)
  expect(statusOfSent(sent)).toBe(403)
  expect(gateway.userAgent.tables()).toEqual(before)
  expect(gateway.signalling.strangers.counters()).toEqual({ refused: 1, silent: 0, garbage: 0 })
})

it('a PBX that keeps the registrations is asked for a session as long as it is configured', async () => {
  const trunk = trunkConfig({ name: 'upstream', port: 5_080, sessionExpiresS: 600 })
  const pbx = await ScriptedPbx.open({ trunk })
  gateway = pbx.gateway
  const browser = await pbx.registered('1001')
  const call = place(browser, '1001', '1002')
  const invite = await ringing(gateway, pbx.peer)
  expect(header(invite.request, 'Session-Expires')).toBe('600')
  call.invite.cancel()
  await gateway.time.advance(200)
  gateway.expectsVerdicts('cancelled')
})
