import { afterEach, expect, it } from 'vitest'
import { REFUSAL_RATES } from '../../../gateway/refusals.ts'
import { digestResponse } from '../../../sip/authentication/digest-response.ts'
import { headerValues } from '../../../sip/message/headers.ts'
import { answered, BROWSER, PHONE, place, statusOf } from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway, statusIn } from '../../harness/scripted-gateway.ts'
import { ScriptedPbx } from '../../harness/scripted-pbx.ts'
import { send, statusOfSent } from '../../harness/scripted-relay.ts'

// A script with one good password filled disk and history with calls that never were: each had a record, a line and a report.

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const attempt = (peer: Parameters<typeof place>[0], user: string) => place(peer, user, '77', { body: 'none' })

it('one past the rate of a user is refused as ever and counted, without a record; those of another are recorded', async () => {
  gateway = await ScriptedGateway.open()
  const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
  const { burst, perSecond } = REFUSAL_RATES.party
  const calls = Array.from({ length: burst + 1 }, () => attempt(alice, 'alice'))
  await gateway.time.advance(100)
  expect(new Set(calls.map(statusOf))).toEqual(new Set([404]))
  const told = (): readonly number[] => [gateway.records.length, gateway.logged('call refused').length]
  expect(told()).toEqual([burst, burst])
  expect(gateway.refusals.counters()).toEqual({ unlogged: 1 })
  attempt(bob, 'bob')
  await gateway.time.advance(100)
  expect(gateway.records.at(-1)).toMatchObject({ caller: 'user:bob' })
  expect(told()).toEqual([burst + 1, burst + 1])
  await gateway.time.advance(1_000)
  for (let count = 0; count < perSecond; count += 1) attempt(alice, 'alice')
  await gateway.time.advance(100)
  expect(told()).toEqual([burst + 1 + perSecond, burst + 1 + perSecond])
  gateway.expectsVerdicts(
    ...Array.from({ length: burst + 1 + perSecond }, () => 'call.unknown-number' as const),
  )
})

it('calls for help are told past what else a user was refused, and have the same rate by themselves', async () => {
  const emergency = {
    numbers: ['112'],
    prefix: '0',
    trunks: ['pbx'],
    callerId: undefined,
    maxCalls: 0,
    drainTimeoutS: 60,
  }
  gateway = await ScriptedGateway.open({ emergency })
  const alice = await gateway.registered('alice')
  const { burst } = REFUSAL_RATES.party
  for (let count = 0; count <= burst; count += 1) attempt(alice, 'alice')
  for (let count = 0; count <= burst; count += 1) place(alice, 'alice', '112')
  await gateway.time.advance(100)
  const helped = gateway.records.filter(({ callee }) => callee === '112')
  expect([helped.length, gateway.records.length, gateway.logged('call refused').length]).toEqual([
    burst,
    2 * burst,
    2 * burst,
  ])
  expect(gateway.refusals.counters()).toEqual({ unlogged: 2 })
  gateway.expectsVerdicts(
    ...Array.from({ length: burst }, () => 'call.unknown-number' as const),
    ...Array.from({ length: burst }, () => 'call.overload' as const),
  )
})

it('a transfer that cannot be is told up to that rate, and refused beyond it', async () => {
  gateway = await ScriptedGateway.open()
  const call = await answered(
    gateway,
    { peer: await gateway.registered('alice'), user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: PHONE },
  )
  const { burst } = REFUSAL_RATES.party
  const statuses: unknown[] = []
  for (let count = 0; count <= burst; count += 1) {
    const headers = [{ name: 'Refer-To', value: '<sip:77@example.com>' }]
    call.caller.dialog?.request('REFER', { headers }, (response) => statuses.push(statusIn(response)))
  }
  await gateway.time.advance(200)
  expect(statuses).toEqual(Array(burst + 1).fill(404))
  expect(gateway.logged('transfer refused')).toHaveLength(burst)
  expect(gateway.refusals.counters()).toEqual({ unlogged: 1 })
  call.caller.dialog?.bye()
  await gateway.time.advance(100)
})

it('what a user is refused by several connections has the rate of one', async () => {
  gateway = await ScriptedGateway.open()
  const browsers = [await gateway.registered('alice', 'desk'), await gateway.registered('alice', 'mobile')]
  const { burst } = REFUSAL_RATES.party
  const sent = browsers.flatMap((browser) =>
    Array.from({ length: burst }, () => send(browser, 'MESSAGE', 'alice', '77', { body: 'x' })),
  )
  await gateway.time.advance(50)
  expect(new Set(sent.map(statusOfSent))).toEqual(new Set([404]))
  expect(gateway.logged('request refused')).toHaveLength(burst)
  expect(gateway.refusals.counters()).toEqual({ unlogged: burst })
})

it('a REGISTER that is refused to one who has signed in is told up to that rate', async () => {
  gateway = await ScriptedGateway.open()
  const alice = gateway.browser()
  const first = send(alice, 'REGISTER', 'alice', 'bob')
  await gateway.time.advance(50)
  const challenge = typeof first.answer === 'object' ? headerValues(first.answer, 'WWW-Authenticate') : []
  const nonce = /nonce="([^"]*)"/.exec(challenge.at(-1) ?? '')?.[1] ?? ''
  const target = { algorithm: 'MD5', method: 'REGISTER', uri: 'sip:bob@example.com', nonce } as const
  const who = { username: 'alice', realm: 'example.com', password: gateway.passwordOf('alice') }
  const { burst } = REFUSAL_RATES.party
  const sent = Array.from({ length: burst + 1 }, (_, count) => {
    const qop = { nc: (count + 1).toString(16).padStart(8, '0'), cnonce: 'c0ffee' }
    const response = digestResponse({ ...target, ...who, qop })
    const value = `Digest username="alice", realm="example.com", nonce="${nonce}", uri="${target.uri}", response="${response}", algorithm=MD5, qop=auth, nc=${qop.nc}, cnonce="${qop.cnonce}"`
    return send(alice, 'REGISTER', 'alice', 'bob', { headers: [{ name: 'Authorization', value }] })
  })
  await gateway.time.advance(50)
  expect(new Set(sent.map(statusOfSent))).toEqual(new Set([403]))
  const lines = gateway.logged('REGISTER refused')
  expect(lines).toHaveLength(burst)
  expect(lines[0]).toMatchObject({ fields: { code: 'sip.foreign-address' } })
  expect(gateway.refusals.counters()).toEqual({ unlogged: 1 })
})

it('devices of a user that come and go as fast as they can fill no log', async () => {
  gateway = await ScriptedGateway.open()
  const beganMs = gateway.time.nowMs()
  let alice = await gateway.registered('alice')
  for (let count = 0; count < 80; count += 1) alice = await gateway.back(alice, 'alice')
  const lines = ['registration', 'registration ended'].flatMap((message) => gateway.logged(message))
  const told = lines.filter(({ level }) => level === 'info').length
  const seconds = (gateway.time.nowMs() - beganMs) / 1_000
  expect(told).toBeGreaterThanOrEqual(60)
  expect(told).toBeLessThanOrEqual(61 + seconds)
  expect(lines.length).toBeGreaterThan(told)
  // Another's are told.
  await gateway.registered('bob')
  expect(gateway.logged('registration').at(-1)).toMatchObject({ level: 'info', fields: { user: 'bob' } })
})

it.each<[string, (opened: ScriptedGateway) => Promise<Peer>]>([
  ['a trunk', async (opened) => opened.trunk],
  ['a phone', (opened) => opened.registered('alice')],
])(
  'what %s publishes by habit is told a few times, and hides neither its REGISTER nor a wrong password of a stranger',
  async (_, open) => {
    gateway = await ScriptedGateway.open()
    const peer = await open(gateway)
    const sent = Array.from({ length: 100 }, () => send(peer, 'PUBLISH', 'alice', 'alice'))
    await gateway.time.advance(50)
    expect(new Set(sent.map(statusOfSent))).toEqual(new Set([405]))
    const { burst } = REFUSAL_RATES.habit
    expect(gateway.logged('request refused')).toHaveLength(burst)
    expect(gateway.refusals.counters()).toEqual({ unlogged: 100 - burst })
    await gateway.register(gateway.trunk, 'alice', 'secret')
    expect(gateway.logged('request refused').at(-1)).toMatchObject({ fields: { method: 'REGISTER' } })
    await gateway.register(gateway.browser(), 'alice', 'a guess')
    expect(gateway.logged('REGISTER refused')).toMatchObject([{ fields: { code: 'sip.bad-credentials' } }])
  },
)

it('what a PBX registers has the rates of its user, by however many connections', async () => {
  const pbx = await ScriptedPbx.open()
  gateway = pbx.gateway
  const beganMs = gateway.time.nowMs()
  for (let count = 0; count < 80; count += 1) {
    const browser = await pbx.registered('1001')
    await pbx.register(browser, '1001')
    await pbx.register(browser, '1001', { expiresS: 0 })
  }
  const lines = gateway.logged('registration')
  const told = lines.filter(({ level }) => level === 'info')
  const seconds = (gateway.time.nowMs() - beganMs) / 1_000
  expect(told.length).toBeGreaterThanOrEqual(60)
  expect(told.length).toBeLessThanOrEqual(61 + seconds)
  // A refresh is no news.
  expect(told.slice(0, 4).map(({ fields }) => fields?.expiresS)).toEqual([300, 0, 300, 0])
  expect(lines.length).toBe(240)
  await pbx.registered('1002')
  expect(gateway.logged('registration').at(-1)).toMatchObject({ level: 'info', fields: { user: '1002' } })

  const desk = await pbx.registered('1001', { instance: 'desk' })
  const mobile = await pbx.registered('1001', { instance: 'mobile' })
  pbx.refusal = { status: 500 }
  const { burst, perSecond } = REFUSAL_RATES.party
  const refusedMs = gateway.time.nowMs()
  const before = gateway.logged('REGISTER refused').length
  for (let count = 0; count < 2 * burst; count += 1)
    await pbx.register(count % 2 === 0 ? desk : mobile, '1001')
  const most = burst + (perSecond * (gateway.time.nowMs() - refusedMs)) / 1_000
  const refused = gateway.logged('REGISTER refused').length - before
  expect(refused).toBeGreaterThanOrEqual(burst)
  expect(refused).toBeLessThanOrEqual(most)
})
