import { Resolver } from 'node:dns'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { ConfigFailure } from '../../../config/failure.ts'
import { loadConfig } from '../../../config/load.ts'
import { fakeMachine } from './machine.ts'

const BASE = 'domain: a.example\nweb: { http: { port: 80 } }\n'
const PAIR = 'trunks: [{ name: a, host: 192.0.2.1 }, { name: b, host: 192.0.2.2 }]\n'

const load = (text: string) =>
  loadConfig('/etc/c.yaml', {}, fakeMachine({ '/etc/secret': 'hunter2\n', '/etc/c.yaml': BASE + text }))

function mistakes(text: string): readonly string[] {
  try {
    load(text)
    return []
  } catch (error) {
    if (!(error instanceof ConfigFailure)) throw error
    return error.mistakes.map(({ key, expected, seen }) => `${key}: ${expected}, ${seen}`)
  }
}

describe('a group', () => {
  test('has trunks with priority 1 and weight 1 unless it says more, and stands in routes', () => {
    const config = load(
      `${PAIR}groups: [{ name: g, trunks: [{ trunk: a }, { trunk: b, priority: 2, weight: 0 }] }]\nroutes: [{ trunk: g }, { trunk: a }]`,
    )
    expect(config.groups).toEqual([
      {
        name: 'g',
        trunks: [
          { trunk: 'a', priority: 1, weight: 1 },
          { trunk: 'b', priority: 2, weight: 0 },
        ],
      },
    ])
    expect(config.routes.map(({ trunk }) => trunk)).toEqual(['g', 'a'])
  })

  test.each([
    ['groups: [{ name: g, trunks: [] }]', 'groups[0].trunks: at least one trunk, none'],
    ['groups: [{ name: a, trunks: [{ trunk: b }] }]', 'groups[0].name: a name that no trunk has, "a"'],
    ['groups: [{ name: g, trunks: [{ trunk: c }] }]', 'groups[0].trunks[0].trunk: the name of a trunk, "c"'],
    [
      'groups: [{ name: g, trunks: [{ trunk: a }, { trunk: a }] }]',
      'groups[0].trunks[1]: a trunk of its own, that of groups[0].trunks[0]',
    ],
    [
      'groups: [{ name: g, trunks: [{ trunk: a }] }, { name: g, trunks: [{ trunk: b }] }]',
      'groups[1]: a name of its own, that of groups[0]',
    ],
    ['routes: [{ trunk: h }]', 'routes[0].trunk: the name of a trunk or group, "h"'],
    [
      'groups: [{ name: g, trunks: [{ trunk: a, weight: 70000 }] }]',
      'groups[0].trunks[0].weight: a whole number from 0 to 65535, 70000',
    ],
    ['groups: [{ name: g }]', 'groups[0].trunks: a list of at most 32, nothing'],
  ])('%s is a mistake', (text, mistake) => {
    expect(mistakes(PAIR + text)).toEqual([mistake])
  })

  test('has at most 32 trunks', () => {
    const names = Array.from({ length: 33 }, (_, index) => `t${index}`)
    const trunks = names.map((name, index) => `{ name: ${name}, host: 192.0.2.${index} }`).join(', ')
    const group = (count: number) =>
      `trunks: [${trunks}]\ngroups: [{ name: g, trunks: [${names
        .slice(0, count)
        .map((name) => `{ trunk: ${name} }`)
        .join(', ')}] }]`
    expect(mistakes(group(32))).toEqual([])
    expect(mistakes(group(33))).toEqual(['groups[0].trunks: a list of at most 32, a list of 33'])
  })
})

test('a call may ring for less than another trunk would be given: the shorter time counts', () => {
  const { calls } = load('calls: { ringTimeoutS: 10 }')
  expect(calls.ringTimeoutS).toBeLessThan(calls.progressS)
})

const ACCOUNT = (user: string, register = true) => `{ user: ${user}, password: x, register: ${register} }`

describe('the requests of a trunk', () => {
  const trunk = (more: string) => `trunks: [{ name: a, host: 192.0.2.1, ${more} }]`

  test('may have to sign in, with a password that prints as [redacted]', () => {
    for (const password of ['password: hunter2', 'passwordFile: secret']) {
      const config = load(trunk(`inbound: { user: a, ${password}, domain: PBX.example }`))
      const inbound = config.trunks[0]?.inbound
      expect(inbound).toMatchObject({
        domain: 'pbx.example',
        credentials: { user: 'a', md5: true, md5Only: false },
      })
      expect(inbound?.credentials?.password.reveal()).toBe('hunter2')
      expect(inspect(config, { depth: 10, showHidden: true })).not.toContain('hunter2')
    }
    expect(load(trunk('inbound: { domain: d.example }')).trunks[0]?.inbound).toEqual({
      domain: 'd.example',
      credentials: undefined,
    })
  })

  test.each([
    ['inbound: {}', 'trunks[0].inbound: user or domain, neither'],
    ['inbound: { user: a }', 'trunks[0].inbound: one of password, passwordFile, none'],
    [
      'inbound: { user: a, password: b, md5: false, md5Only: true }',
      'trunks[0].inbound: md5 or no md5Only, md5: false and md5Only: true',
    ],
    [
      'inbound: { user: a, password: b, passwordFile: secret }',
      'trunks[0].inbound: one of password, passwordFile, both',
    ],
    ['inbound: { domain: d, password: b }', 'trunks[0].inbound: a user, because there is a password, none'],
    [
      'sources: [10.0.0.0/8]',
      'trunks[0].sources: addresses, or networks and inbound.user or tls.requireCertificate, a network',
    ],
    [
      'sources: [10.0.0.0/8], inbound: { domain: d }',
      'trunks[0].sources: addresses, or networks and inbound.user or tls.requireCertificate, a network',
    ],
  ])('%s is a mistake', (more, mistake) => {
    expect(mistakes(trunk(more))).toEqual([mistake])
  })

  test('may come from a network, when they are known by more', () => {
    expect(mistakes(trunk('sources: [10.0.0.0/8], inbound: { user: a, password: b }'))).toEqual([])
    expect(mistakes(trunk('sources: [10.0.0.1/32, "2001:db8::1/128"]'))).toEqual([])
  })

  test.each([
    ['inbound: { domain: one }', 'inbound: { domain: two }', true],
    ['inbound: { user: one, password: x }', 'inbound: { user: two, password: x }', true],
    ['inbound: { user: one, password: x }', 'optionsS: 1', true],
    [`account: ${ACCOUNT('one')}`, `account: ${ACCOUNT('two')}`, true],
    [`account: ${ACCOUNT('one')}`, `account: ${ACCOUNT('one')}`, false],
    // Nobody calls us by a user name that is not registered.
    [`account: ${ACCOUNT('one', false)}`, `account: ${ACCOUNT('two', false)}`, false],
    ['port: 5060', 'port: 5070', true],
    ['port: 5060', 'optionsS: 1', false],
    ['inbound: { domain: one }', 'inbound: { domain: ONE }', false],
  ])('of two trunks at one address with %s and %s are told apart: %s', (one, other, isRight) => {
    const found = mistakes(
      `trunks: [{ name: a, host: 192.0.2.1, ${one} }, { name: b, host: 192.0.2.1, ${other} }]`,
    )
    expect(found.length === 0).toBe(isRight)
  })
})

test('name servers are addresses, with a port or without', () => {
  const config = load('dns: { servers: [192.0.2.1, "127.0.0.1:5353", "[2001:db8::1]:53", "2001:db8::2"] }')
  expect(config.dns.servers).toHaveLength(4)
  // Throws for what it does not know.
  new Resolver().setServers(config.dns.servers)
  expect(mistakes('dns: { servers: [ns.example] }')).toEqual([
    'dns.servers[0]: an address such as 192.0.2.1 or 192.0.2.1:5353, [2001:db8::1]:5353, "ns.example"',
  ])
})

test.each([
  '300.1.1.1',
  'dead',
  '::::',
  '192.0.2.1:65536',
  '192.0.2.1:0',
  '[2001:db8::1',
  '[192.0.2.1]:53',
  '1.2.3',
])('%s is no name server: Node.js would throw, or abort, at each start', (server) => {
  expect(mistakes(`dns: { servers: ["${server}"] }`)).toEqual([
    `dns.servers[0]: an address such as 192.0.2.1 or 192.0.2.1:5353, [2001:db8::1]:5353, "${server}"`,
  ])
})
