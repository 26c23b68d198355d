import { describe, expect, test } from 'vitest'
import type { Config } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { fakeMachine } from './machine.ts'

const load = (yaml: string): Config =>
  loadConfig(
    '/etc/webtrunk/c.yaml',
    {},
    fakeMachine({
      '/etc/webtrunk/c.yaml': `domain: Example.com\nweb: { http: { port: 0 } }\n${yaml}`,
      '/etc/webtrunk/secrets/1001': 'in a file\n',
    }),
  )

describe('registration.registrar', () => {
  test('local has no PBX', () => {
    expect(load('').upstream).toBeUndefined()
  })

  test('upstream is a peer with the defaults of a trunk, a name of its own, and a socket of its own', () => {
    const { upstream } = load('upstream: { host: 10.0.0.5 }\nregistration: { registrar: upstream }')
    expect(upstream).toMatchObject({
      credentials: 'browser',
      domain: '10.0.0.5',
      local: { host: ['0.0.0.0'], port: 5_070, announced: [] },
      path: false,
      graceS: 30,
      trunk: {
        name: 'upstream',
        host: '10.0.0.5',
        port: undefined,
        transport: 'udp',
        media: 'rtp',
        codecs: ['opus', 'G722', 'PCMU', 'PCMA'],
        account: undefined,
        trusted: false,
      },
    })
  })

  test.each([
    ['another address of the same family', 'localHost: 10.0.0.2, localPort: 5060', 'udp: { host: 10.0.0.1 }'],
    ['the other family', 'localHost: 10.0.0.2, localPort: 5060', 'udp: { host: "::" }'],
    ['TCP, where trunks listen elsewhere', 'transport: tcp, localPort: 5060', 'tcp: { port: 5062 }'],
  ])('upstream may have the port of the trunks with %s', (_name, local, own) => {
    const yaml = `upstream: { host: 10.0.0.5, ${local} }\nregistration: { registrar: upstream }\n${own}`
    expect(load(yaml).upstream?.local.port).toBe(5_060)
  })

  test('upstream may be an address of any family that we have one of', () => {
    for (const [host, localHost] of [
      ['"2001:db8::5"', '"::"'],
      ['10.0.0.5', '[10.0.0.2, "2001:db8::2"]'],
      ['pbx.example.com', '"::1"'],
    ]) {
      const yaml = `upstream: { host: ${host}, localHost: ${localHost} }\nregistration: { registrar: upstream }`
      expect(load(yaml).upstream).toBeDefined()
    }
  })

  test('upstream with credentials of the gateway: each user has an account, its password here or in a file', () => {
    const { upstream, users, registration } = load(`
upstream: { host: 10.0.0.5, domain: PBX.example.com, media: sdes, expiresS: 600 }
registration: { registrar: upstream, credentials: gateway }
users:
  - { name: alice, password: hers, account: { user: "1001", passwordFile: secrets/1001 } }
  - { name: bob, password: his, account: { user: "1002", password: here, md5: false } }`)
    expect(upstream).toMatchObject({ credentials: 'gateway', domain: 'pbx.example.com', expiresS: 600 })
    expect(upstream?.trunk.media).toBe('sdes')
    expect(users.map(({ account }) => [account?.user, account?.password.reveal(), account?.md5])).toEqual([
      ['1001', 'in a file', true],
      ['1002', 'here', false],
    ])
    expect(Object.keys(registration)).not.toContain('registrar')
  })
})
