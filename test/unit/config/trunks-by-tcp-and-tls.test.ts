import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { ConfigFailure } from '../../../config/failure.ts'
import { loadConfig } from '../../../config/load.ts'
import { native } from '../../../media/native/index.ts'
import { fakeMachine } from './machine.ts'

const pair = (name: string) => native.createCertificate({ commonName: name, days: 1, names: [name] })
const [one, other] = [pair('a.example'), pair('b.example')]
const FILES = {
  '/etc/one.pem': one.certificatePem,
  '/etc/one.key': one.privateKeyPem,
  '/etc/other.key': other.privateKeyPem,
  '/etc/secret': 'hunter2\n',
}

const BASE = 'domain: a.example\nweb: { http: { port: 80 } }\n'
const LISTENER = 'tls: { port: 5061, certificate: one.pem, key: one.key }\n'

const load = (text: string) =>
  loadConfig('/etc/c.yaml', {}, fakeMachine({ ...FILES, '/etc/c.yaml': BASE + text }))

function mistakes(text: string): readonly string[] {
  try {
    load(text)
    return []
  } catch (error) {
    if (!(error instanceof ConfigFailure)) throw error
    return error.mistakes.map(({ key, expected, seen }) => `${key}: ${expected}, ${seen}`)
  }
}

describe('a trunk over TLS', () => {
  test('needs nothing but its host', () => {
    const config = load(`${LISTENER}trunks: [{ name: p, host: PBX.example, transport: tls }]`)
    expect(config.tls).toEqual({
      host: ['0.0.0.0'],
      port: 5061,
      certificate: '/etc/one.pem',
      key: '/etc/one.key',
    })
    expect(config.tcp).toBeUndefined()
    expect(config.trunks[0]).toMatchObject({
      port: undefined,
      transport: 'tls',
      tls: {
        name: 'pbx.example',
        ca: undefined,
        certificate: undefined,
        key: undefined,
        alpn: false,
        wildcards: false,
        requireCertificate: false,
        minVersion: '1.2',
      },
    })
  })

  test('may say whom to believe and who we are; files are beside the configuration', () => {
    const tls =
      'name: sip.example, ca: one.pem, certificate: one.pem, key: one.key, alpn: true, wildcards: true, requireCertificate: true, minVersion: "1.3"'
    const config = load(
      `${LISTENER}trunks: [{ name: p, host: h, port: 5081, transport: tls, tls: { ${tls} } }]`,
    )
    expect(config.trunks[0]).toMatchObject({
      port: 5081,
      tls: {
        name: 'sip.example',
        ca: '/etc/one.pem',
        certificate: '/etc/one.pem',
        key: '/etc/one.key',
        alpn: true,
        wildcards: true,
        requireCertificate: true,
        minVersion: '1.3',
      },
    })
  })

  test.each([
    [
      'trunks: [{ name: p, host: h, transport: tls }]',
      'trunks[0].transport: tls.port, where the trunk reaches us, off',
    ],
    [
      'trunks: [{ name: p, host: h, transport: tcp }]',
      'trunks[0].transport: tcp.port, where the trunk reaches us, off',
    ],
    ['tls: { port: 5061 }', 'tls.certificate: a certificate and key, because tls.port is set, nothing'],
    [
      'tls: { port: 5061, key: one.key }',
      'tls.certificate: a certificate and key, because tls.port is set, one of them',
    ],
    [
      'tls: { port: 5061, certificate: one.pem, key: other.key }',
      'tls.key: the private key of tls.certificate, that of another certificate',
    ],
    [`${LISTENER}tcp: { port: 5061 }`, 'tls.port: another port than that of tcp, 5061'],
    ['trunks: [{ name: p, host: h, tls: { alpn: true } }]', 'trunks[0].tls: transport tls, udp'],
    [
      `${LISTENER}trunks: [{ name: p, host: h, transport: tls, tls: { key: one.key } }]`,
      'trunks[0].tls: certificate and key, both or none, one of them',
    ],
    [
      `${LISTENER}trunks: [{ name: p, host: h, transport: tls, tls: { ca: secret } }]`,
      'trunks[0].tls.ca: a PEM certificate, something else',
    ],
    [
      `${LISTENER}trunks: [{ name: p, host: h, transport: tls, tls: { ca: none } }]`,
      'trunks[0].tls.ca: a readable file, no file /etc/none (ENOENT)',
    ],
    [
      `${LISTENER}trunks: [{ name: p, host: h, transport: tls }, { name: q, host: H, port: 5061 }]`,
      'trunks[1]: a host and port, or inbound.user, inbound.domain, registered account or required certificate of its own, that of trunks[0]',
    ],
  ])('%s is a mistake', (text, mistake) => {
    expect(mistakes(text)).toEqual([mistake])
  })
})

describe('an account at a trunk', () => {
  test('has a password that prints as [redacted], and defaults', () => {
    for (const password of ['password: hunter2', 'passwordFile: secret']) {
      const config = load(`trunks: [{ name: p, host: h, account: { user: "4930", ${password} } }]`)
      const account = config.trunks[0]?.account
      expect(account).toMatchObject({ user: '4930', md5: true, register: false, expiresS: 3_600 })
      expect(account?.password.reveal()).toBe('hunter2')
      expect(inspect(config, { depth: 10, showHidden: true })).not.toContain('hunter2')
    }
  })

  test.each([
    ['{ user: a }', 'trunks[0].account: one of password, passwordFile, none'],
    [
      '{ user: a, password: b, passwordFile: secret }',
      'trunks[0].account: one of password, passwordFile, both',
    ],
  ])('%s is a mistake', (account, mistake) => {
    expect(mistakes(`trunks: [{ name: p, host: h, account: ${account} }]`)).toEqual([mistake])
  })

  test('may have another name for challenges, and another domain than its host', () => {
    const given = 'user: "4930", password: b, authUser: "id@x", domain: Provider.Example'
    const [trunk] = load(`trunks: [{ name: p, host: h, account: { ${given} } }]`).trunks
    expect(trunk?.account).toMatchObject({ user: '4930', authUser: 'id@x', domain: 'provider.example' })
    for (const [key, value] of [
      ['authUser', '"a:b"'],
      ['domain', '"a b"'],
    ] as const) {
      const [mistake] = mistakes(
        `trunks: [{ name: p, host: h, account: { user: a, password: b, ${key}: ${value} } }]`,
      )
      expect(mistake).toContain(`trunks[0].account.${key}: a`)
    }
  })

  test('needs a user name that can stand in a header', () => {
    for (const user of ['"a b"', "'a\"b'", 'a@b', '4930']) {
      const [mistake] = mistakes(`trunks: [{ name: p, host: h, account: { user: ${user}, password: b } }]`)
      expect(mistake).toMatch(/^trunks\[0\]\.account\.user: a user name in quotes/)
    }
  })
})
