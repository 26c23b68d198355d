import { describe, expect, it } from 'vitest'
import type { RouteConfig } from '../../../../config/config.ts'
import { type Caller, Router } from '../../../../gateway/trunks/router.ts'

const row = (more: Partial<RouteConfig>): RouteConfig => ({ prefix: '', strip: 0, add: '', ...more })
const user = (name: string, ...numbers: string[]) => ({ name, password: undefined, numbers })
const GERMAN = { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' }
const AMERICAN = { countryCode: '1', nationalPrefix: '1', internationalPrefix: '011' }
const UNKNOWN = { countryCode: undefined, nationalPrefix: '0', internationalPrefix: '00' }

const USERS = [
  user('alice', '+493012340', '11'),
  user('bob', '03012341', '+493012349'),
  user('carol', '+493012349'),
  user('4711'),
]
const ROUTES = [
  row({ from: 'carrier', pattern: '(\\d{2})', replace: '+4930123$1' }),
  row({ from: 'carrier', prefix: '800', users: ['bob', 'carol'] }),
  row({ from: 'pbx', prefix: '9', strip: 1 }),
  row({ prefix: '77', users: ['carol'] }),
  row({ prefix: '+4989', trunk: 'munich', strip: 3, add: '0' }),
  row({ pattern: '\\+49([1-9]\\d+)', replace: '0$1', trunk: 'berlin' }),
  row({ prefix: '+', trunk: 'world', strip: 1, add: '00' }),
  row({ pattern: '9(?:0(\\d{2,}))', replace: '$1#', trunk: 'pbx' }),
  row({ prefix: '9', trunk: 'pbx', strip: 1 }),
]
const EMERGENCY = {
  numbers: ['112', '110'],
  prefix: '0',
  trunks: ['carrier', 'pbx'],
  callerId: undefined,
  maxCalls: 4,
  drainTimeoutS: 60,
}
const router = (
  numbers = GERMAN as typeof GERMAN | typeof UNKNOWN,
  routes: readonly RouteConfig[] = ROUTES,
) => new Router({ users: USERS, numbers, routes, emergency: EMERGENCY })
const alice: Caller = { kind: 'user', user: 'alice' }
const carrier: Caller = { kind: 'trunk', trunk: 'carrier' }
const pbx: Caller = { kind: 'trunk', trunk: 'pbx' }
const users = (names: string[], number?: string) => ({ kind: 'users', users: names, number })
const trunk = (name: string, number: string, ...forms: string[]) => ({
  kind: 'trunk',
  trunk: name,
  number,
  forms,
})

describe('a number dialled by a user', () => {
  it.each([
    // Emergency numbers before all else.
    ['112', { kind: 'emergency', trunks: ['carrier', 'pbx'], number: '112' }],
    ['0110', { kind: 'emergency', trunks: ['carrier', 'pbx'], number: '110' }],
    ['urn:service:sos', { kind: 'emergency', trunks: ['carrier', 'pbx'], number: '112' }],
    ['urn:service:sos.fire', { kind: 'emergency', trunks: ['carrier', 'pbx'], number: '112' }],
    // Digits of a keyboard in Arabic.
    ['\u0661\u0661\u0662', { kind: 'emergency', trunks: ['carrier', 'pbx'], number: '112' }],
    // Names and numbers of users first.
    ['bob', users(['bob'])],
    ['4711', users(['4711'])],
    ['+493012340', users(['alice'], '+493012340')],
    ['03012340', users(['alice'], '03012340')],
    ['00493012341', users(['bob'], '00493012341')],
    ['11', users(['alice'], '11')],
    ['+493012349', users(['bob', 'carol'], '+493012349')],
    ['echo', { kind: 'application', name: 'echo' }],
    ['tone', { kind: 'application', name: 'tone' }],
    // Then routes: the first that fits.
    ['771', users(['carol'], '771')],
    ['+498912345', trunk('munich', '08912345', '+498912345')],
    ['08912345', trunk('munich', '08912345', '+498912345')],
    ['00498912345', trunk('munich', '08912345', '+498912345')],
    ['04012345', trunk('berlin', '04012345', '+494012345')],
    ['+33123', trunk('world', '0033123', '+33123')],
    ['0033123', trunk('world', '0033123', '+33123')],
    ['90123', trunk('pbx', '123#', '123#', '90123', '123')],
    ['9200', trunk('pbx', '200', '200', '9200')],
    ['90', trunk('pbx', '0', '0', '90')],
  ])('%s goes to its first match', (dialled, destination) => {
    expect(router().route(dialled, alice)).toEqual(destination)
  })

  it.each(['200', '1120', '00112', '', 'Echo', '__proto__', '+49', '800'])(
    '%j without a match is unknown',
    (dialled) => {
      const routes = ROUTES.filter(({ prefix }) => prefix !== '+')
      expect(() => router(GERMAN, routes).route(dialled, alice)).toThrow(
        expect.objectContaining({ code: 'call.unknown-number', seen: dialled }),
      )
    },
  )

  it('an empty prefix takes all that is left', () => {
    expect(router(UNKNOWN, [row({ trunk: 'pbx' })]).route('200', alice)).toEqual(trunk('pbx', '200', '200'))
  })

  it('has an international form as its country writes it', () => {
    const american = router(AMERICAN)
    expect(american.route('011498912345', alice)).toMatchObject({ trunk: 'munich', number: '08912345' })
    expect(american.route('12125550100', alice)).toMatchObject({ trunk: 'world', number: '0012125550100' })
    expect(() => router(UNKNOWN).route('08912345', alice)).toThrow()
    expect(router(UNKNOWN).route('+498912345', alice)).toMatchObject({ trunk: 'munich' })
  })

  it('of another kind than digits, or too long for one, has none', () => {
    for (const dialled of ['00mallory', '000123', `00${'1'.repeat(16)}`]) {
      expect(() => router().route(dialled, alice)).toThrow(expect.objectContaining({ seen: dialled }))
    }
    expect(router().route(`00${'1'.repeat(15)}`, alice)).toMatchObject({ trunk: 'world' })
  })
})

describe('a number dialled by a trunk', () => {
  it.each([
    [carrier, '4711', users(['4711'])],
    [carrier, 'alice', users(['alice'])],
    [carrier, '+493012340', users(['alice'], '+493012340')],
    [carrier, '03012341', users(['bob'], '03012341')],
    // Without its +.
    [carrier, '493012340', users(['alice'], '+493012340')],
    // Its own rules come first, and make the number that is looked for.
    [carrier, '40', users(['alice'], '+493012340')],
    [carrier, '49', users(['bob', 'carol'], '+493012349')],
    [carrier, '800123', users(['bob', 'carol'], '800123')],
    [pbx, '911', users(['alice'], '11')],
  ])('of %o: %s reaches its users', (caller, dialled, destination) => {
    expect(router().route(dialled, caller)).toEqual(destination)
  })

  it.each([
    [carrier, 'echo'],
    [carrier, '112'],
    [carrier, 'urn:service:sos'],
    [carrier, '+498912345'],
    [carrier, '9200'],
    [carrier, '771'],
    [carrier, '99'],
    [pbx, '40'],
    [pbx, '800123'],
  ])('%o: %s never leaves by another trunk, by a rule of others, or to an application', (caller, dialled) => {
    expect(() => router().route(dialled, caller)).toThrow(
      expect.objectContaining({ code: 'call.unknown-number', seen: dialled }),
    )
  })
})

it('tells which rule it was, and why the others were not', () => {
  const notes: [string, string | undefined][] = []
  router().route('04012345', alice, { note: (rule, whyNot) => notes.push([rule, whyNot]) })
  expect(notes).toEqual([
    ['emergency numbers', '04012345 is none'],
    ['users', 'none has the name or the number 04012345'],
    ['routes[0] (pattern (\\d{2}))', 'for calls from carrier'],
    ['routes[1] (prefix "800")', 'for calls from carrier'],
    ['routes[2] (prefix "9")', 'for calls from pbx'],
    ['routes[3] (prefix "77")', 'does not fit 04012345'],
    ['routes[4] (prefix "+4989")', 'does not fit +494012345'],
    ['routes[5] (pattern \\+49([1-9]\\d+))', undefined],
  ])
})
