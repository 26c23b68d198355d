import { describe, expect, it, vi } from 'vitest'
import type { Location } from '../../../../sip/registration/location.ts'
import {
  handleRegister,
  MAX_STORED_LENGTH,
  type RegisterAnswer,
} from '../../../../sip/registration/registrar.ts'
import { createLocation } from '../../../harness/sip/location.ts'
import { flowTo } from '../../../harness/sip/memory-flows.ts'
import { parseRequest, requestText } from '../../../harness/sip/sip-messages.ts'

const POLICY = { minExpiresS: 60, maxExpiresS: 600 }
const ALICE = ['From: <sip:alice@example.com>;tag=1', 'To: <sip:alice@example.com>']

interface Sent {
  readonly location: Location
  readonly lines?: readonly string[]
  readonly callId?: string
  readonly cseq?: number
  readonly flow?: string
  readonly nowMs?: number
  readonly user?: string
}

function register({
  location,
  lines = [],
  callId = 'a',
  cseq = 1,
  flow = 'f1',
  nowMs = 0,
  user = 'alice',
}: Sent): RegisterAnswer {
  const text = requestText('REGISTER', [...ALICE, `Call-ID: ${callId}`, `CSeq: ${cseq} REGISTER`, ...lines])
  return handleRegister({
    request: parseRequest(text),
    flow: flowTo(flow),
    user,
    location,
    nowMs,
    policy: POLICY,
  })
}

const device = (name: string, parameters = ''): string =>
  `Contact: <sip:${name}@${name}.invalid;transport=ws>${parameters}`
const instance = (name: string): string => `;+sip.instance="<urn:uuid:${name}>"`
const users = (location: Location, nowMs = 0): readonly string[] =>
  location.bindingsOf('alice', nowMs).map(({ contact }) => contact.uri.user ?? '')

describe('a registration', () => {
  it('is stored with its flow and answered with its contact and lifetime', () => {
    const location = createLocation()
    const answer = register({ location, lines: [device('x', `${instance('1')};reg-id=1;expires=300`)] })
    expect(answer).toMatchObject({
      status: 200,
      headers: [
        {
          name: 'Contact',
          value: '<sip:x@x.invalid;transport=ws>;+sip.instance="<urn:uuid:1>";reg-id=1;expires=300',
        },
      ],
      failure: undefined,
    })
    expect(location.bindingsOf('alice', 0)).toMatchObject([
      {
        aor: 'alice',
        instance: '<urn:uuid:1>',
        regId: 1,
        flow: { id: 'f1' },
        callId: 'a',
        cseq: 1,
        expiresAtMs: 300_000,
      },
    ])
  })

  it.each([
    ['the Contact parameter before the header', ';expires=120', ['Expires: 240'], 120],
    ['the header', '', ['Expires: 240'], 240],
    ['the maximum when nothing is asked', '', [], 600],
    ['the maximum when more is asked', ';expires=99999999999999999999', [], 600],
    ['the minimum', ';expires=60', [], 60],
    ['the maximum when what is asked is no number', ';expires=soon', [], 600],
  ])('lasts as long as %s says', (_, parameter, lines, expected) => {
    const location = createLocation()
    const { headers } = register({ location, lines: [device('x', parameter), ...lines] })
    expect(headers[0]?.value).toMatch(new RegExp(`;expires=${expected}$`))
    expect(users(location, expected * 1_000 - 1)).toEqual(['x'])
    expect(users(location, expected * 1_000)).toEqual([])
  })

  it('without a Contact only asks', () => {
    const location = createLocation()
    register({ location, lines: [device('x')] })
    expect(register({ location, nowMs: 100_500 }).headers[0]?.value).toMatch(/;expires=500$/)
    expect(register({ location, nowMs: 600_000 })).toMatchObject({ status: 200, headers: [], bound: [] })
  })

  it('of several devices lists them all', () => {
    const location = createLocation()
    register({ location, lines: [device('x'), device('y')] })
    expect(register({ location, lines: [device('z')], callId: 'b' }).headers).toHaveLength(3)
    expect(users(location)).toEqual(['z', 'y', 'x'])
  })

  it('of the same instance over a new flow replaces the old one', () => {
    const location = createLocation()
    register({ location, lines: [device('x', instance('1'))], flow: 'f1' })
    register({ location, lines: [device('y', instance('1'))], flow: 'f2', callId: 'b' })
    expect(location.bindingsOf('alice', 0)).toMatchObject([
      { contact: { uri: { user: 'y' } }, flow: { id: 'f2' } },
    ])
    expect(location.bindingsByFlow('f1', 0)).toEqual([])
  })

  it('with another reg-id stands beside the first', () => {
    const location = createLocation()
    register({ location, lines: [device('x', `${instance('1')};reg-id=1`)] })
    register({ location, lines: [device('x', `${instance('1')};reg-id=2`)], cseq: 2, flow: 'f2' })
    expect(users(location)).toEqual(['x', 'x'])
  })

  it('without an instance is known by its Contact URI', () => {
    const location = createLocation()
    register({ location, lines: ['Contact: <sip:x@HOST.invalid;transport=ws>'] })
    register({ location, lines: ['Contact: <sip:x@host.invalid;transport=WS>'], cseq: 2 })
    expect(location.size).toBe(1)
  })
})

describe('a registration ends', () => {
  it('with expires of 0, the others stay', () => {
    const location = createLocation()
    register({ location, lines: [device('x'), device('y')] })
    const { headers } = register({ location, lines: [device('x', ';expires=0')], cseq: 2 })
    expect(headers).toHaveLength(1)
    expect(users(location)).toEqual(['y'])
  })

  it('with Contact * and Expires 0, all of them', () => {
    const location = createLocation()
    register({ location, lines: [device('x'), device('y')] })
    expect(register({ location, lines: ['Contact: *', 'Expires: 0'], cseq: 2 })).toMatchObject({
      status: 200,
      headers: [],
    })
    expect(location.size).toBe(0)
  })
})

describe('a REGISTER is refused, and changes nothing,', () => {
  it.each([
    ['for another user in To', ['To: <sip:bob@example.com>'], 403, 'sip.foreign-address'],
    ['by another user in From', ['From: <sip:bob@example.com>;tag=1'], 403, 'sip.foreign-address'],
    ['for an address that is not SIP', ['To: <tel:+4930123456>'], 400, 'sip.malformed'],
    ['with a Contact that is not SIP', ['Contact: <mailto:alice@example.com>'], 400, 'sip.malformed'],
    ['with a Contact that cannot be read', ['Contact: <sip:a@b'], 400, 'sip.malformed'],
    ['with Contact * and no Expires', ['Contact: *'], 400, 'sip.malformed'],
    ['with Contact * and Expires not 0', ['Contact: *', 'Expires: 60'], 400, 'sip.malformed'],
    [
      'with Contact * beside another',
      ['Contact: *', 'Contact: <sip:a@b>', 'Expires: 0'],
      400,
      'sip.malformed',
    ],
    ['one second below the minimum', ['Contact: <sip:a@b>;expires=59'], 423, 'sip.interval-too-brief'],
    [
      'in all for one bad Contact',
      ['Contact: <sip:a@b>, <sip:c@d>;expires=1'],
      423,
      'sip.interval-too-brief',
    ],
    [
      'when it requires what is unknown',
      ['Require: gruu', 'Contact: <sip:a@b>'],
      420,
      'sip.unsupported-extension',
    ],
    [
      'when it is older than the last',
      ['CSeq: 5 REGISTER', 'Contact: <sip:x@x.invalid;transport=ws>'],
      500,
      'sip.out-of-order',
    ],
    [
      'when it ends all and is older than the last',
      ['CSeq: 4 REGISTER', 'Contact: *', 'Expires: 0'],
      500,
      'sip.out-of-order',
    ],
  ])('%s', (_, lines, status, code) => {
    const location = createLocation()
    register({ location, lines: [device('x')], cseq: 5 })
    const kept = location.bindingsOf('alice', 0)
    const given = lines.map((line) => line.split(':')[0])
    const defaults = [...ALICE, 'Call-ID: a', 'CSeq: 6 REGISTER'].filter(
      (line) => !given.includes(line.split(':')[0]),
    )
    const request = parseRequest(requestText('REGISTER', [...defaults, ...lines]))
    const answer = handleRegister({
      request,
      flow: flowTo('f'),
      user: 'alice',
      location,
      nowMs: 0,
      policy: POLICY,
    })
    expect(answer).toMatchObject({ status, failure: { code } })
    expect(location.bindingsOf('alice', 0)).toEqual(kept)
  })

  it('and is told what would do', () => {
    const location = createLocation()
    expect(register({ location, lines: ['Contact: <sip:a@b>;expires=1'] }).headers).toEqual([
      { name: 'Min-Expires', value: '60' },
    ])
    expect(register({ location, lines: ['Require: gruu'] }).headers).toEqual([
      { name: 'Unsupported', value: 'gruu' },
    ])
  })

  it('with a Contact or Call-ID one character past the maximum', () => {
    const location = createLocation()
    const exact = `Contact: <sip:${'x'.repeat(MAX_STORED_LENGTH - '<sip:@a.invalid>'.length)}@a.invalid>`
    expect(register({ location, lines: [exact] }).status).toBe(200)
    expect(register({ location, lines: [exact.replace('sip:', 'sip:x')], cseq: 2 }).status).toBe(513)
    expect(register({ location, lines: [device('x')], callId: 'c'.repeat(MAX_STORED_LENGTH) }).status).toBe(
      200,
    )
    expect(
      register({ location, lines: [device('y')], callId: 'c'.repeat(MAX_STORED_LENGTH + 1) }).status,
    ).toBe(513)
  })

  it('one Contact past those of a user is refused before any is compared, even where all are one device', () => {
    const location = createLocation()
    const same = (count: number) => Array.from({ length: count }, () => device('x'))
    expect(register({ location, lines: same(11) })).toMatchObject({
      status: 403,
      failure: { code: 'sip.too-many-bindings', seen: '11' },
    })
    // What the comparison says of two that are one.
    expect(register({ location, lines: same(10) }).failure?.code).toBe('sip.out-of-order')
  })

  it('the headers of each Contact are put in order once, however many it is compared with', () => {
    const location = createLocation()
    const headers = Array.from({ length: 200 }, (_, index) => `h${index % 7}=${index}`)
    const contact = (order: readonly string[], index: number): string =>
      `Contact: <sip:x@x.invalid?n=${index}&${order.join('&')}>`
    const lines = (order: readonly string[]): readonly string[] =>
      Array.from({ length: 10 }, (_, index) => contact(order, index))
    const sort = vi.spyOn(Array.prototype, 'sort')
    register({ location, lines: lines(headers.slice(0, 100)) })
    register({ location, cseq: 2, lines: lines(headers.slice(0, 100).reverse()) })
    const sorted = sort.mock.calls.length
    sort.mockRestore()
    expect(sorted).toBe(20)
    expect(users(location)).toHaveLength(10)
  })

  it('one device past the maximum of a user', () => {
    const location = createLocation({ maxBindingsPerAor: 2 })
    register({ location, lines: [device('x'), device('y')] })
    const answer = register({ location, lines: [device('z')], cseq: 2 })
    expect(answer).toMatchObject({ status: 403, failure: { code: 'sip.too-many-bindings' } })
    expect(register({ location, lines: [device('x')], cseq: 3 }).status).toBe(200)
  })

  it('one device past the maximum of all users', () => {
    const location = createLocation({ maxBindings: 2 })
    register({ location, lines: [device('x'), device('y')] })
    const bob = requestText('REGISTER', ['From: <sip:bob@example.com>;tag=1', 'Contact: <sip:b@b>'])
    const answer = handleRegister({
      request: parseRequest(bob),
      flow: flowTo('f'),
      user: 'bob',
      location,
      nowMs: 0,
      policy: POLICY,
    })
    expect(answer).toMatchObject({ status: 503, failure: { code: 'sip.overload' } })
    expect(location.size).toBe(2)
  })
})

describe('the location store', () => {
  it('forgets a flow with every device behind it', () => {
    const location = createLocation()
    register({ location, lines: [device('x')], flow: 'f1' })
    register({ location, lines: [device('y')], flow: 'f2', callId: 'b' })
    expect(location.removeFlow('f1').map(({ contact }) => contact.uri.user)).toEqual(['x'])
    expect(location.removeFlow('f1')).toEqual([])
    expect(users(location)).toEqual(['y'])
    expect(location.size).toBe(1)
  })

  it('says when something expires, and forgets it then', () => {
    const location = createLocation()
    expect(location.deadlineMs).toBeUndefined()
    register({ location, lines: [device('x', ';expires=60')], nowMs: 500 })
    register({ location, lines: [device('y', ';expires=120')], cseq: 2, nowMs: 500 })
    expect(location.deadlineMs).toBe(61_000)
    expect(location.expire(60_499)).toEqual([])
    expect(location.expire(61_000)).toMatchObject([{ contact: { uri: { user: 'x' } } }])
    expect(location.deadlineMs).toBe(121_000)
    expect([...location.all(61_000)]).toHaveLength(1)
    expect(location.expire(121_000)).toHaveLength(1)
    expect(location).toMatchObject({ size: 0, deadlineMs: undefined })
  })
})
