import { describe, expect, it } from 'vitest'
import { deviceOf, type Location } from '../../../../sip/registration/location.ts'
import { handleRegister, type RegisterAnswer } from '../../../../sip/registration/registrar.ts'
import { createLocation } from '../../../harness/sip/location.ts'
import { flowTo } from '../../../harness/sip/memory-flows.ts'
import { parseRequest, requestText } from '../../../harness/sip/sip-messages.ts'

const SUPPORTED = 'Supported: path,gruu,outbound'
let count = 0

function register(location: Location, flow: string, lines: readonly string[]): RegisterAnswer {
  count += 1
  const own = ['From: <sip:alice@example.com>;tag=1', 'To: <sip:alice@example.com>', `Call-ID: c${count}`]
  return handleRegister({
    request: parseRequest(requestText('REGISTER', [...own, ...lines])),
    flow: flowTo(flow),
    user: 'alice',
    location,
    nowMs: 0,
    policy: { minExpiresS: 60, maxExpiresS: 600 },
  })
}

const device = (name: string, parameters = ''): string =>
  `Contact: <sip:${name}@${name}.invalid;transport=ws>;+sip.instance="<urn:uuid:${name}>"${parameters}`
const named = (answer: RegisterAnswer, name: string): readonly string[] =>
  answer.headers.flatMap((header) => (header.name === name ? [header.value] : []))

describe('Outbound (RFC 5626)', () => {
  it('is granted to who asks for it, with the time between pings', () => {
    const answer = register(createLocation(), 'f1', [device('x', ';reg-id=1'), SUPPORTED])
    expect(answer.status).toBe(200)
    expect(named(answer, 'Require')).toEqual(['outbound'])
    expect(named(answer, 'Flow-Timer')).toEqual(['120'])
  })

  it('may be required too', () => {
    const answer = register(createLocation(), 'f1', [
      device('x', ';reg-id=1'),
      SUPPORTED,
      'Require: outbound',
    ])
    expect(answer.status).toBe(200)
    expect(register(createLocation(), 'f1', ['Require: path'])).toMatchObject({ status: 420 })
  })

  it.each([
    ['no reg-id', [device('x'), SUPPORTED]],
    ['a reg-id of 0', [device('x', ';reg-id=0'), SUPPORTED]],
    ['a reg-id above 2^31 - 1', [device('x', ';reg-id=2147483648'), SUPPORTED]],
    ['a reg-id without an instance', ['Contact: <sip:x@x.invalid>;reg-id=1', SUPPORTED]],
    ['no word that the client knows it', [device('x', ';reg-id=1')]],
    ['no Contact at all', [SUPPORTED]],
    ['the end of the registration', [device('x', ';reg-id=1;expires=0'), SUPPORTED]],
    ['the end of it by the header', [device('x', ';reg-id=1'), 'Expires: 0', SUPPORTED]],
  ])('is not granted for %s', (_, lines) => {
    const answer = register(createLocation(), 'f1', lines)
    expect(answer.status).toBe(200)
    expect(named(answer, 'Require')).toEqual([])
    expect(named(answer, 'Flow-Timer')).toEqual([])
  })

  it('has one Contact, or more only to end them', () => {
    const two = `${device('x', ';reg-id=1')}, <sip:y@y.invalid>`
    expect(register(createLocation(), 'f1', [two, SUPPORTED])).toMatchObject({
      status: 400,
      failure: { code: 'sip.malformed' },
    })
    const oneEnds = `${device('x', ';reg-id=1')}, <sip:y@y.invalid>;expires=0`
    expect(register(createLocation(), 'f1', [oneEnds, SUPPORTED]).status).toBe(200)
  })

  it.each([
    ['no Path', [], 439],
    ['a Path without ob', ['Path: <sip:edge.example.com;lr>'], 439],
    ['a Path that cannot be read', ['Path: <'], 439],
    [
      'ob in the Path of another proxy only',
      ['Path: <sip:b.example.com;lr;ob>, <sip:edge.example.com;lr>'],
      439,
    ],
    [
      'ob in the Path of the proxy next to the client',
      ['Path: <sip:b.example.com;lr>, <sip:e@x;lr;ob>'],
      200,
    ],
  ])('through a proxy with %s', (_, path, status) => {
    const vias = ['edge', 'client'].map((host) => `Via: SIP/2.0/WSS ${host}.invalid;branch=z9hG4bK${host}`)
    const answer = register(createLocation(), 'f1', [...vias, ...path, device('x', ';reg-id=1'), SUPPORTED])
    expect(answer.status).toBe(status)
    if (status === 439) expect(answer.failure?.code).toBe('sip.no-outbound')
  })

  it('keeps several flows to one device, and replaces the one with the same reg-id', () => {
    const location = createLocation()
    register(location, 'f1', [device('x', ';reg-id=1'), SUPPORTED])
    const second = register(location, 'f2', [device('x', ';reg-id=2'), SUPPORTED])
    expect(second).toMatchObject({ superseded: [], bound: [{ regId: 2 }] })
    const bindings = location.bindingsOf('alice', 0)
    expect(bindings.map(({ flow }) => flow.id)).toEqual(['f2', 'f1'])
    expect(new Set(bindings.map(deviceOf)).size).toBe(1)
    const again = register(location, 'f3', [device('x', ';reg-id=1'), SUPPORTED])
    expect(again.superseded.map(({ flow }) => flow.id)).toEqual(['f1'])
    expect(again.bound.map(({ flow }) => flow.id)).toEqual(['f3'])
    expect(location.bindingsOf('alice', 0).map(({ flow }) => flow.id)).toEqual(['f3', 'f2'])
  })

  it('a refresh by the same flow supersedes nothing', () => {
    const location = createLocation()
    register(location, 'f1', [device('x'), SUPPORTED])
    expect(register(location, 'f1', [device('x'), SUPPORTED])).toMatchObject({
      superseded: [],
      bound: [{}],
      isNews: false,
    })
  })
})

it.each([
  ['a device comes', 'f1', [device('y')], true],
  ['a device moves', 'f2', [device('x')], true],
  ['a device goes', 'f1', [device('x', ';expires=0')], true],
  ['a device is refreshed', 'f1', [device('x')], false],
  ['somebody only asks', 'f1', [], false],
])('news is that %s: told to operators or not', (_, flow, lines, isNews) => {
  const location = createLocation()
  expect(register(location, 'f1', [device('x')]).isNews).toBe(true)
  expect(register(location, flow, lines).isNews).toBe(isNews)
})

describe('limits of one user', () => {
  it('flows: one more is refused, and changes nothing', () => {
    const location = createLocation({ maxFlowsPerAor: 2 })
    register(location, 'f1', [device('x')])
    register(location, 'f2', [device('y')])
    expect(register(location, 'f2', [device('z')]).status, 'a second device on a known flow').toBe(200)
    expect(register(location, 'f3', [device('w')])).toMatchObject({
      status: 403,
      failure: { code: 'sip.too-many-flows', expected: '2', seen: '3' },
    })
    expect(location.size).toBe(3)
    expect(location.replace('alice', [...location.bindingsOf('alice', 0), binding('f9')])).toBe(false)
    expect(register(location, 'f3', [device('x')]).status, 'x moves').toBe(200)
  })

  function binding(flow: string) {
    const [made] = register(createLocation(), flow, [device('v')]).bound
    if (made === undefined) throw new Error('no binding')
    return made
  }
})

it('what a client calls itself is kept, and no more of it than people read', () => {
  const location = createLocation()
  register(location, 'f1', [device('x'), `User-Agent: ${'JsSIP '.repeat(40)}`])
  register(location, 'f2', [device('y')])
  const [y, x] = location.bindingsOf('alice', 0)
  expect(x?.userAgent).toHaveLength(128)
  expect(y?.userAgent).toBeUndefined()
})
