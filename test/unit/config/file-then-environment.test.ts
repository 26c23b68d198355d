import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { THIS_MACHINE } from '../../../config/machine.ts'
import { fakeMachine } from './machine.ts'

const VALID = 'domain: Phone.Example.COM\nweb: { http: { port: 8080 } }\n'
const load = (yaml: string, environment: Readonly<Record<string, string>> = {}) =>
  loadConfig('/etc/webtrunk/c.yaml', environment, fakeMachine({ '/etc/webtrunk/c.yaml': yaml }))

function leaves(value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return []
  return [value, ...Object.values(value).flatMap(leaves)]
}

describe('a file', () => {
  test('may be as short as a domain and a listener', () => {
    const config = load(VALID)
    expect(config).toMatchObject({
      domain: 'phone.example.com',
      demo: false,
      web: { https: undefined, http: { host: '127.0.0.1', port: 8080 }, page: true },
      users: [],
      trunks: [],
      routes: [],
      media: { addresses: ['192.0.2.7'], announced: [] },
      log: { level: 'info', format: 'json' },
    })
  })

  test('fills in what rows leave out', () => {
    const { trunks, routes } = load(
      `${VALID}trunks: [{ name: pbx, host: 192.0.2.9 }]\nroutes: [{ trunk: pbx }]`,
    )
    expect(trunks).toEqual([
      {
        name: 'pbx',
        host: '192.0.2.9',
        port: undefined,
        transport: 'udp',
        tls: undefined,
        account: undefined,
        inbound: undefined,
        optionsS: 0,
        maxCalls: 0,
        sources: [],
        mediaPorts: 'per-call',
        profile: 'generic',
        media: 'rtp',
        osrtp: 'off',
        avpf: false,
        rtcpMux: false,
        clearKeys: true,
        dtmf: 'rfc4733',
        ptimeMs: undefined,
        sessionExpiresS: undefined,
        passHeaders: 'all',
        codecs: ['opus', 'G722', 'PCMU', 'PCMA'],
        suites: ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32'],
        userNumbers: true,
        callerId: undefined,
        limits: undefined,
        trusted: false,
      },
    ])
    expect(routes).toEqual([{ prefix: '', trunk: 'pbx', strip: 0, add: '', users: [] }])
  })

  test('may be JSON, indented by tabs', () => {
    expect(load('{\n\t"domain": "a.example",\n\t"web": {\n\t\t"http": { "port": 1 }\n\t}\n}').domain).toBe(
      'a.example',
    )
  })

  test('keys without a value are as if left out', () => {
    expect(load(`${VALID}users:\ncalls:\nlog: { level: }`)).toMatchObject({
      users: [],
      log: { level: 'info' },
    })
  })

  test('is frozen to the leaves', () => {
    const config = load(`${VALID}users: [{ name: a, password: x }]\ntrunks: [{ name: pbx, host: h }]`)
    const inner = leaves(config)
    expect(inner.length).toBeGreaterThan(10)
    expect(inner.every((value) => Object.isFrozen(value))).toBe(true)
  })

  test('does not share values between two loads', () => {
    const rows = `${VALID}trunks: [{ name: pbx, host: h }]`
    expect(load(rows).trunks[0]?.codecs).toEqual(load(rows).trunks[0]?.codecs)
    expect(load(`${VALID}users: [{ name: a, password: x }]`).users).toHaveLength(1)
    expect(load(VALID).users).toHaveLength(0)
  })

  test('passwords print as [redacted] and reveal themselves when asked', () => {
    const config = load(`${VALID}users: [{ name: a, password: hunter2 }]`)
    expect(inspect(config, { depth: 10, showHidden: true })).not.toContain('hunter2')
    expect(JSON.stringify(config)).not.toContain('hunter2')
    expect(config.users[0]?.password?.reveal()).toBe('hunter2')
  })

  test('a password file is found beside the config file; its first line is the password', () => {
    const machine = fakeMachine({
      '/etc/webtrunk/c.yaml': `${VALID}users: [{ name: a, passwordFile: secrets/a }, { name: b, passwordFile: /run/b }]`,
      '/etc/webtrunk/secrets/a': 'hunter2\n',
      '/run/b': 'hunter3',
    })
    const { users } = loadConfig('/etc/webtrunk/c.yaml', {}, machine)
    expect(users.map(({ password }) => password?.reveal())).toEqual(['hunter2', 'hunter3'])
  })

  test('hashes are kept in lower case, by the name of their algorithm, and print as [redacted]', () => {
    const [md5, sha512256] = ['AB'.repeat(16), 'cd'.repeat(32)]
    const config = load(`${VALID}users: [{ name: a, ha1: { md5: "${md5}", sha512256: "${sha512256}" } }]`)
    const { password, ha1 } = config.users[0] ?? {}
    expect(password).toBeUndefined()
    expect(Object.keys(ha1 ?? {})).toEqual(['MD5', 'SHA-512-256'])
    expect(ha1?.MD5?.reveal()).toBe(md5.toLowerCase())
    expect(ha1?.['SHA-512-256']?.reveal()).toBe(sha512256)
    expect(inspect(config, { depth: 10, showHidden: true }).toLowerCase()).not.toContain('abab')
  })

  test('a Unix socket is listener enough, and lies beside the config file', () => {
    const yaml = 'domain: example.com\nweb: { unixSocket: run/web.sock, trustedProxies: [10.0.0.0/8, "::1"] }'
    expect(load(yaml).web).toMatchObject({
      http: undefined,
      https: undefined,
      unixSocket: '/etc/webtrunk/run/web.sock',
      path: '',
      trustedProxies: ['10.0.0.0/8', '::1'],
    })
  })

  test('the TURN secret may be in a file, and IPv6 in a URL', () => {
    const yaml = `${VALID}turn: { urls: ["turn:[2001:db8::1]:3478?transport=udp", "turns:t.example"], secretFile: s }`
    const files = { '/etc/webtrunk/c.yaml': yaml, '/etc/webtrunk/s': `${'t'.repeat(20)}\n` }
    const { turn } = loadConfig('/etc/webtrunk/c.yaml', {}, fakeMachine(files))
    expect(turn).toMatchObject({ lifetimeS: 43_200, urls: [expect.anything(), 'turns:t.example'] })
    expect(turn?.secret.reveal()).toBe('t'.repeat(20))
    expect(load(VALID).turn).toBeUndefined()
  })

  test('with token keys a user may be without a password', () => {
    const yaml = `${VALID}users: [{ name: a }]
registration: { jwt: { secretFile: secrets/jwt, issuer: i, audience: w } }`
    const machine = fakeMachine({
      '/etc/webtrunk/c.yaml': yaml,
      '/etc/webtrunk/secrets/jwt': `${'k'.repeat(40)}\n`,
    })
    const { users, registration } = loadConfig('/etc/webtrunk/c.yaml', {}, machine)
    expect(users).toMatchObject([{ name: 'a', password: undefined, ha1: undefined }])
    expect(registration.jwt).toMatchObject({
      issuer: 'i',
      audience: 'w',
      userClaim: 'sub',
      clockToleranceS: 30,
    })
    const { key } = registration.jwt ?? {}
    expect(key?.kind === 'secret' && key.secret.reveal()).toBe('k'.repeat(40))
    expect(load(VALID).registration.jwt).toBeUndefined()
  })

  test('a key set is found beside the config file', () => {
    const yaml = `${VALID}registration: { jwt: { jwksFile: keys.json, issuer: i, audience: w } }`
    const files = { '/etc/webtrunk/c.yaml': yaml, '/etc/webtrunk/keys.json': '{"keys":[{"kty":"RSA"}]}' }
    const { jwt } = loadConfig('/etc/webtrunk/c.yaml', {}, fakeMachine(files)).registration
    expect(jwt?.key).toEqual({ kind: 'jwks', file: '/etc/webtrunk/keys.json' })
  })

  test('an empty password file is a mistake', () => {
    const machine = fakeMachine({
      '/c.yaml': `${VALID}users: [{ name: a, passwordFile: /run/a }]`,
      '/run/a': '\nhunter2',
    })
    expect(() => loadConfig('/c.yaml', {}, machine)).toThrow(
      /users\[0\]\.passwordFile: expected text .*seen text$/,
    )
  })

  test('the log is pretty on a terminal unless told otherwise', () => {
    const onTerminal = (yaml: string) =>
      loadConfig('/c.yaml', {}, fakeMachine({ '/c.yaml': yaml }, { isTerminal: true })).log.format
    expect(onTerminal(VALID)).toBe('pretty')
    expect(onTerminal(`${VALID}log: { format: json }`)).toBe('json')
  })
})

describe('the environment', () => {
  test('wins over the file', () => {
    const config = load(`${VALID}calls: { maxCalls: 5 }\nregistration: { md5: true }`, {
      WEBTRUNK_CALLS_MAX_CALLS: '7',
      WEBTRUNK_WEB_HTTP_PORT: '0',
      WEBTRUNK_WEB_MAX_CONNECTIONS_PER_ADDRESS: '3',
      WEBTRUNK_REGISTRATION_MD5: 'false',
      WEBTRUNK_DOMAIN: 'other.example',
      WEBTRUNK_MEDIA_ADDRESSES: '192.0.2.1, 2001:db8::1',
      WEBTRUNK_WEB_ORIGINS: '["https://a.example"]',
      WEBTRUNK_TRUNKS: '[{ name: pbx, host: 192.0.2.9 }]',
    })
    expect(config).toMatchObject({
      domain: 'other.example',
      calls: { maxCalls: 7 },
      web: { http: { port: 0 }, maxConnectionsPerAddress: 3, origins: ['https://a.example'] },
      registration: { md5: false },
      media: { addresses: ['192.0.2.1', '2001:db8::1'] },
      trunks: [{ name: 'pbx', host: '192.0.2.9' }],
    })
  })

  test('an empty variable is as if not set, and foreign ones are not looked at', () => {
    expect(load(VALID, { WEBTRUNK_DOMAIN: '', PATH: '/bin', WEBTRUNK_CONFIG: '/c.yaml' }).domain).toBe(
      'phone.example.com',
    )
  })

  test.each([
    ['WEBTRUNK_CALLS_MAX_CALLS', '12x'],
    ['WEBTRUNK_CALLS_MAX_CALLS', '1e3'],
    ['WEBTRUNK_REGISTRATION_MD5', 'no'],
    ['WEBTRUNK_USERS', '[{'],
    ['WEBTRUNK_WEB_HTTP_PORT', '-1'],
    ['WEBTRUNK_DOMANE', 'a.example'],
  ])('%s=%s is a mistake', (name, value) => {
    expect(() => load(VALID, { [name]: value })).toThrow(expect.objectContaining({ code: 'config.invalid' }))
  })

  test('a mistake in a variable is told by its name, one in the file is not', () => {
    const environment = { WEBTRUNK_CALLS_MAX_CALLS: 'lots', WEBTRUNK_TRUNKS: '[{ name: "a b", host: h }]' }
    expect(() => load(`${VALID}log: { level: loud }\n`, environment)).toThrow(
      expect.objectContaining({
        mistakes: expect.arrayContaining([
          expect.objectContaining({ key: 'WEBTRUNK_CALLS_MAX_CALLS (calls.maxCalls)' }),
          expect.objectContaining({ key: 'WEBTRUNK_TRUNKS (trunks[0].name)' }),
          expect.objectContaining({ key: 'log.level' }),
        ]),
      }),
    )
    // Of a rule that is asked after that.
    expect(() => load(VALID, { WEBTRUNK_MEDIA_RTP_PORT_MIN: '20001' })).toThrow(
      'WEBTRUNK_MEDIA_RTP_PORT_MIN (media.rtpPortMin): expected an even port',
    )
  })

  test('the command line of the process is not read', () => {
    const before = process.argv
    process.argv = [...before, '--calls.maxCalls=5', '--domain=evil.example']
    try {
      expect(load(VALID)).toMatchObject({ domain: 'phone.example.com', calls: { maxCalls: 1_000 } })
    } finally {
      process.argv = before
    }
  })
})

describe('certificate and key', () => {
  let folder = ''
  const make = (name: string) =>
    execFileSync(
      'openssl',
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=${name}
       -keyout ${join(folder, `${name}.key`)} -out ${join(folder, `${name}.pem`)}`.split(/\s+/),
      { stdio: 'pipe' },
    )
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'webtrunk-config-'))
    make('a')
    make('b')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const loadWith = (certificate: string, key: string) => {
    const path = join(folder, `${certificate}-${key}.yaml`)
    writeFileSync(
      path,
      `domain: a.example\nweb: { https: { port: 0, certificate: ${certificate}, key: ${key} } }`,
    )
    return loadConfig(path, {}, { ...THIS_MACHINE, addresses: fakeMachine({}).addresses })
  }

  test('become absolute paths', () => {
    expect(loadWith('a.pem', 'a.key').web.https).toEqual({
      host: '0.0.0.0',
      port: 0,
      proxyProtocol: false,
      certificate: join(folder, 'a.pem'),
      key: join(folder, 'a.key'),
    })
  })

  test('must fit each other', () => {
    expect(() => loadWith('a.pem', 'b.key')).toThrow(
      'web.https.key: expected the private key of web.https.certificate, seen that of another certificate',
    )
  })

  test('must be what they are said to be', () => {
    expect(() => loadWith('a.key', 'a.pem')).toThrow(
      /web\.https\.certificate: expected a PEM certificate, .*\n {2}web\.https\.key: expected a PEM key/,
    )
  })
})
