import { afterEach, describe, expect, it } from 'vitest'
import { REFUSAL_RATES } from '../../../gateway/refusals.ts'
import { PENDING_MOST } from '../../../gateway/relay/relay-limits.ts'
import { MAX_RELAYED_BODY_BYTES } from '../../../gateway/relay/relay-policy.ts'
import { header, rawValues } from '../../../sip/message/headers.ts'
import { reasonOf, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { asked, endOf, send, statusOfSent, subscribe } from '../../harness/scripted-relay.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const reasonOfSent = ({ answer }: ReturnType<typeof send>): string =>
  typeof answer === 'object' ? (reasonOf(answer) ?? '') : ''

describe('MESSAGE outside a call', () => {
  it('passes from browser to browser unchanged: body of any type, X- headers, and who sent it', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const bob = await gateway.registered('bob')
    const body = '<isComposing>\r\n\u00e4</isComposing>'
    const sent = send(alice, 'MESSAGE', 'alice', 'bob', {
      body,
      contentType: 'application/im-iscomposing+xml;charset="utf-8"',
      headers: [
        { name: 'X-Ticket', value: '42' },
        { name: 'In-Reply-To', value: 'abc' },
        { name: 'P-Asserted-Identity', value: '<sip:ceo@example.com>' },
        { name: 'Authorization', value: 'Digest username="alice"' },
        { name: 'Contact', value: '<sip:alice@198.51.100.7>' },
      ],
    })
    const incoming = await asked(gateway, bob)
    const { request } = incoming
    expect([request.method, request.uri.text]).toEqual([
      'MESSAGE',
      'sip:bob@df7jal23ls0d.invalid;transport=ws',
    ])
    expect(request.from.uri.text).toBe('sip:alice@example.com')
    expect(request.body.toString()).toBe(body)
    expect(header(request, 'Content-Type')).toBe('application/im-iscomposing+xml;charset="utf-8"')
    expect([header(request, 'X-Ticket'), header(request, 'In-Reply-To')]).toEqual(['42', 'abc'])
    expect(header(request, 'Max-Forwards')).toBe('69')
    for (const name of ['P-Asserted-Identity', 'Authorization', 'Contact']) {
      expect(rawValues(request, name), name).toEqual([])
    }
    expect(request.via).toHaveLength(1)
    incoming.respond(202)
    await gateway.time.advance(50)
    expect(statusOfSent(sent)).toBe(202)
    expect(gateway.logged('request relayed')).toMatchObject([
      { fields: { method: 'MESSAGE', to: 'user:bob', status: 202 } },
    ])
  })

  it('goes to a trunk by the routes, and comes from it', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const out = send(alice, 'MESSAGE', 'alice', '0100', { body: 'hello' })
    const atTrunk = await asked(gateway, gateway.trunk)
    expect(atTrunk.request.uri.text).toBe('sip:100@127.0.0.1:5070')
    expect(gateway.trunkFlow.sent.join()).not.toMatch(/\.invalid|198\.51\.100\.7/)
    atTrunk.respond(200)
    const back = send(gateway.trunk, 'MESSAGE', '100', 'alice', { body: 'hello too' })
    const atAlice = await asked(gateway, alice)
    expect(atAlice.request.from.uri.text).toBe('sip:100@example.com')
    atAlice.respond(200)
    await gateway.time.advance(50)
    expect([statusOfSent(out), statusOfSent(back)]).toEqual([200, 200])
  })

  it('reaches every device of a user, and the first 2xx counts', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const desk = await gateway.registered('bob', 'desk')
    const mobile = await gateway.registered('bob', 'mobile')
    const sent = send(alice, 'MESSAGE', 'alice', 'bob', { body: 'x' })
    ;(await asked(gateway, desk)).respond(486)
    await gateway.time.advance(50)
    expect(statusOfSent(sent)).toBeUndefined()
    ;(await asked(gateway, mobile)).respond(200)
    await gateway.time.advance(50)
    expect(statusOfSent(sent)).toBe(200)
  })

  it.each([
    [[486, 603], 603],
    [[500, 404], 404],
    [[415, 503], 415],
  ])('devices that answer %j make %i', async ([first = 0, second = 0], expected) => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const desk = await gateway.registered('bob', 'desk')
    const mobile = await gateway.registered('bob', 'mobile')
    const sent = send(alice, 'MESSAGE', 'alice', 'bob', { body: 'x' })
    ;(await asked(gateway, desk)).respond(first)
    ;(await asked(gateway, mobile)).respond(second)
    await gateway.time.advance(50)
    expect(statusOfSent(sent)).toBe(expected)
    expect(reasonOfSent(sent)).toContain('relay.refused')
  })

  it.each([
    [404, 404, 'relay.refused'],
    [302, 480, 'relay.refused'],
    [401, 503, 'trunk.credentials-wanted'],
    [407, 503, 'trunk.credentials-wanted'],
  ])('that a trunk answers %i ends with %i, and with nothing private', async (status, expected, code) => {
    gateway = await ScriptedGateway.open()
    const sent = send(await gateway.registered('alice'), 'MESSAGE', 'alice', '0100', { body: 'x' })
    ;(await asked(gateway, gateway.trunk)).respond(status, {
      headers: [
        { name: 'Contact', value: '<sip:private@10.0.0.1>' },
        { name: 'WWW-Authenticate', value: 'Digest realm="10.0.0.1", nonce="n"' },
        { name: 'Retry-After', value: '7' },
      ],
    })
    await gateway.time.advance(50)
    expect(statusOfSent(sent)).toBe(expected)
    expect(reasonOfSent(sent)).toContain(code)
    const { answer } = sent
    if (typeof answer !== 'object') throw new Error('no answer')
    expect(header(answer, 'Retry-After')).toBe('7')
    expect(answer.headers.map(({ value }) => value).join()).not.toContain('10.0.0.1')
  })

  it('tells its sender of a silent trunk or browser before the sender gives up by itself', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    await gateway.registered('bob')
    const toTrunk = send(alice, 'MESSAGE', 'alice', '0100', { body: 'x' })
    const toBob = send(alice, 'MESSAGE', 'alice', 'bob', { body: 'x' })
    await gateway.time.advance(25_000)
    expect([statusOfSent(toTrunk), statusOfSent(toBob)]).toEqual([503, 480])
    expect([reasonOfSent(toTrunk), reasonOfSent(toBob)]).toEqual([
      expect.stringContaining('trunk.unreachable'),
      expect.stringContaining('call.unreachable'),
    ])
  })

  it('ends at once when the WebSocket of its receiver closes', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const bob = await gateway.registered('bob')
    const sent = send(alice, 'MESSAGE', 'alice', 'bob', { body: 'x' })
    await asked(gateway, bob)
    await gateway.disconnect(bob)
    expect(statusOfSent(sent)).toBe(480)
    const again = send(alice, 'MESSAGE', 'alice', 'bob', { body: 'x' })
    await gateway.time.advance(50)
    expect(reasonOfSent(again)).toContain('call.not-registered')
  })

  it('is answered when the gateway stops, and refused from then on', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const sent = send(alice, 'MESSAGE', 'alice', '0100', { body: 'x' })
    await asked(gateway, gateway.trunk)
    gateway.relay.close()
    const later = [
      send(alice, 'MESSAGE', 'alice', '0100', { body: 'x' }),
      send(gateway.trunk, 'OPTIONS', 'pbx', '', { hasUser: false }),
    ]
    const subscribed = subscribe(alice, 'alice', '0100', 'presence')
    await gateway.time.advance(50)
    expect([sent, ...later].map(statusOfSent)).toEqual([503, 503, 503])
    expect(endOf(subscribed)).toBe(503)
    expect(gateway.relay.tables()).toMatchObject({ relayedRequests: 0, waitingRequests: 0 })
  })

  it.each([
    ['a user who is away', 'bob', 480, 'call.not-registered'],
    ['a number without a route', '77', 404, 'call.unknown-number'],
    ['an application', 'echo', 404, 'call.unknown-number'],
  ])('to %s is refused', async (_name, to, status, code) => {
    gateway = await ScriptedGateway.open()
    const sent = send(await gateway.registered('alice'), 'MESSAGE', 'alice', to, { body: 'x' })
    await gateway.time.advance(50)
    expect(statusOfSent(sent)).toBe(status)
    expect(reasonOfSent(sent)).toContain(code)
    expect(gateway.logged('request refused')).toHaveLength(1)
  })

  it('from a stranger is refused, from a browser that has not signed in challenged, in any name but its own too', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const stranger = send(gateway.stranger(), 'MESSAGE', 'alice', 'alice', { body: 'x' })
    const unknown = send(gateway.browser(), 'MESSAGE', 'alice', 'alice', { body: 'x' })
    const false_ = send(alice, 'MESSAGE', 'bob', 'alice', { body: 'x' })
    await gateway.time.advance(50)
    expect([stranger, unknown, false_].map(statusOfSent)).toEqual([403, 401, 401])
    expect(alice.requests).toEqual([])
  })

  it('from a trunk reaches users and never another trunk', async () => {
    gateway = await ScriptedGateway.open()
    const sent = send(gateway.trunk, 'MESSAGE', '100', '0100', { body: 'x' })
    await gateway.time.advance(50)
    expect(statusOfSent(sent)).toBe(404)
  })

  it('has a body up to the limit, and hops', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const bob = await gateway.registered('bob')
    const most = send(alice, 'MESSAGE', 'alice', 'bob', { body: 'x'.repeat(MAX_RELAYED_BODY_BYTES) })
    ;(await asked(gateway, bob)).respond(200)
    const more = send(alice, 'MESSAGE', 'alice', 'bob', { body: 'x'.repeat(MAX_RELAYED_BODY_BYTES + 1) })
    const spent = send(alice, 'MESSAGE', 'alice', 'bob', {
      headers: [{ name: 'Max-Forwards', value: '0' }],
    })
    await gateway.time.advance(50)
    expect([most, more, spent].map(statusOfSent)).toEqual([200, 513, 483])
    expect(bob.requests).toHaveLength(1)
  })

  it('one past what one peer may leave unanswered is refused, and another peer is served', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const bob = await gateway.registered('bob')
    const many = Array.from({ length: PENDING_MOST.each + 1 }, () =>
      send(alice, 'MESSAGE', 'alice', 'bob', { body: 'x' }),
    )
    const other = send(gateway.trunk, 'MESSAGE', '100', 'bob', { body: 'x' })
    await gateway.time.advance(50)
    const refused = many.flatMap(({ answer }) => (typeof answer === 'object' ? [answer] : []))
    expect(refused.map(({ status }) => status)).toEqual([503])
    expect(refused.map(reasonOf)).toEqual(['SIP;cause=503;text="relay.overload"'])
    expect(bob.requests).toHaveLength(PENDING_MOST.each + 1)
    for (const incoming of bob.requests) incoming.respond(200)
    await gateway.time.advance(50)
    expect(statusOfSent(other)).toBe(200)
    const next = send(alice, 'MESSAGE', 'alice', 'bob', { body: 'x' })
    ;(await asked(gateway, bob)).respond(200)
    await gateway.time.advance(50)
    expect(statusOfSent(next)).toBe(200)
  })
})

describe('OPTIONS outside a call', () => {
  it('to the gateway is answered for its peers, with what it can', async () => {
    gateway = await ScriptedGateway.open()
    const sent = send(gateway.trunk, 'OPTIONS', 'pbx', '', { hasUser: false })
    await gateway.time.advance(50)
    if (typeof sent.answer !== 'object') throw new Error('no answer')
    expect(sent.answer.status).toBe(200)
    expect(header(sent.answer, 'Allow')).toMatch(/INVITE.*MESSAGE.*SUBSCRIBE/)
    expect(header(sent.answer, 'Accept')).toContain('application/sdp')
    expect(header(sent.answer, 'Allow-Events')).toContain('message-summary')
  })

  it('holds no place when it is answered, over UDP either: a PBX that pings often keeps its calls', async () => {
    gateway = await ScriptedGateway.open()
    const sent = Array.from({ length: 5 }, () =>
      send(gateway.trunk, 'OPTIONS', 'pbx', '', { hasUser: false }),
    )
    await gateway.time.advance(50)
    expect(sent.map(statusOfSent)).toEqual([200, 200, 200, 200, 200])
    expect(gateway.userAgent.tables()).toMatchObject({ serverTransactions: 0 })
  })

  it('to a user or number is what a call would be, and wakes no browser', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const answers = [
      send(gateway.trunk, 'OPTIONS', 'pbx', 'alice'),
      send(gateway.trunk, 'OPTIONS', 'pbx', 'bob'),
      send(gateway.trunk, 'OPTIONS', 'pbx', '0100'),
      send(alice, 'OPTIONS', 'alice', '0100'),
      send(alice, 'OPTIONS', 'alice', 'echo'),
      send(alice, 'OPTIONS', 'alice', '77'),
      send(gateway.stranger(), 'OPTIONS', 'x', 'alice'),
      send(gateway.browser(), 'OPTIONS', 'alice', 'alice'),
    ]
    await gateway.time.advance(50)
    expect(answers.map(statusOfSent)).toEqual([200, 480, 404, 200, 200, 404, 403, 401])
    expect([...alice.requests, ...gateway.trunk.requests]).toEqual([])
  })
})

describe('any other request outside a call', () => {
  it.each(['INFO', 'REFER', 'PUBLISH'])('%s is refused with what is allowed', async (method) => {
    gateway = await ScriptedGateway.open()
    const sent = send(await gateway.registered('alice'), method, 'alice', 'bob')
    await gateway.time.advance(50)
    if (typeof sent.answer !== 'object') throw new Error('no answer')
    expect(sent.answer.status).toBe(405)
    expect(header(sent.answer, 'Allow')).toContain('MESSAGE')
  })
})

const NO_HOPS = [{ name: 'Max-Forwards', value: '0' }]

describe('a request of who has not signed in', () => {
  it.each([
    ['NOTIFY', {}],
    ['MESSAGE', { headers: NO_HOPS }],
    ['MESSAGE', { body: 'x'.repeat(MAX_RELAYED_BODY_BYTES + 1) }],
  ] as const)(
    '%s is challenged before it is judged, and leaves no line in the log',
    async (method, options) => {
      gateway = await ScriptedGateway.open()
      const browser = gateway.browser()
      const sent = send(browser, method, 'alice', 'alice', options)
      await gateway.time.advance(50)
      expect(statusOfSent(sent)).toBe(401)
      expect(gateway.logged('request refused')).toEqual([])
    },
  )

  it('SUBSCRIBE to what we do not know is challenged likewise', async () => {
    gateway = await ScriptedGateway.open()
    const subscribed = subscribe(gateway.browser(), 'alice', 'alice', 'weather')
    await gateway.time.advance(50)
    expect(endOf(subscribed)).toBe(401)
    expect(gateway.logged('request refused')).toEqual([])
  })

  it('that cannot be challenged is told of up to a rate, and counted beyond it', async () => {
    gateway = await ScriptedGateway.open()
    const browser = gateway.browser()
    gateway.relay.close()
    const sent = Array.from({ length: 1_000 }, () =>
      send(browser, 'MESSAGE', 'alice', 'alice', { body: 'x' }),
    )
    await gateway.time.advance(50)
    expect(new Set(sent.map(statusOfSent))).toEqual(new Set([503]))
    const lines = gateway.logged('request refused').length
    expect(lines).toBeGreaterThan(0)
    expect(lines).toBeLessThan(30)
    expect(gateway.refusals.counters()).toEqual({ unlogged: 1_000 - lines })
    await gateway.time.advance(1_000)
    send(browser, 'MESSAGE', 'alice', 'alice', { body: 'x' })
    await gateway.time.advance(50)
    expect(gateway.logged('request refused')).toHaveLength(lines + 1)
  })

  it('keeps no refusal of a user out of the log; one past the rate of a user is counted, and keeps out none of another', async () => {
    gateway = await ScriptedGateway.open()
    const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
    const { burst } = REFUSAL_RATES.party
    const sent = Array.from({ length: burst + 1 }, () => send(alice, 'MESSAGE', 'alice', '77', { body: 'x' }))
    await gateway.time.advance(50)
    expect(new Set(sent.map(statusOfSent))).toEqual(new Set([404]))
    expect(gateway.logged('request refused')).toHaveLength(burst)
    expect(gateway.refusals.counters()).toEqual({ unlogged: 1 })
    send(bob, 'MESSAGE', 'bob', '77', { body: 'x' })
    await gateway.time.advance(50)
    expect(gateway.logged('request refused')).toHaveLength(burst + 1)
  })
})
