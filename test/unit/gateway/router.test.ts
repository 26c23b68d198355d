import { describe, expect, it } from 'vitest'
import type { RouteConfig } from '../../../config/config.ts'
import { GatewayFailure } from '../../../gateway/gateway-failure.ts'
import { type Caller, route } from '../../../gateway/router.ts'

const users = new Set(['alice', 'bob', '4711'])
const routes: readonly RouteConfig[] = [
  { prefix: '+49', trunk: 'berlin', strip: 3, add: '0' },
  { prefix: '+', trunk: 'world', strip: 1, add: '00' },
  { prefix: '9', trunk: 'pbx', strip: 1, add: '' },
]
const alice: Caller = { kind: 'user', user: 'alice' }
const trunk: Caller = { kind: 'trunk', trunk: 'pbx' }

describe('a number dialled by a user', () => {
  it.each([
    ['bob', { kind: 'user', user: 'bob' }],
    ['4711', { kind: 'user', user: '4711' }],
    ['echo', { kind: 'application', name: 'echo' }],
    ['tone', { kind: 'application', name: 'tone' }],
    ['+4930123', { kind: 'trunk', trunk: 'berlin', number: '030123' }],
    ['+33123', { kind: 'trunk', trunk: 'world', number: '0033123' }],
    ['9200', { kind: 'trunk', trunk: 'pbx', number: '200' }],
  ])('%s goes to its first match: user, application, route', (dialled, destination) => {
    expect(route(dialled, alice, users, routes)).toEqual(destination)
  })

  it.each(['200', '', 'Echo', '__proto__'])('%j without a match is unknown', (dialled) => {
    expect(() => route(dialled, alice, users, routes)).toThrow(
      expect.objectContaining({ code: 'call.unknown-number', seen: dialled }),
    )
  })

  it('an empty prefix takes all that is left', () => {
    expect(route('200', alice, users, [{ prefix: '', trunk: 'pbx', strip: 0, add: '' }])).toEqual({
      kind: 'trunk',
      trunk: 'pbx',
      number: '200',
    })
  })
})

describe('a number dialled by a trunk', () => {
  it('reaches a user', () => {
    expect(route('4711', trunk, users, routes)).toEqual({ kind: 'user', user: '4711' })
  })

  it.each(['echo', '+4930123', '9200'])(
    '%s never leaves by another trunk or occupies an application',
    (dialled) => {
      expect(() => route(dialled, trunk, users, routes)).toThrow(GatewayFailure)
    },
  )
})
