import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { ConfigFailure } from '../../../config/failure.ts'
import { loadConfig } from '../../../config/load.ts'
import { fakeMachine } from './machine.ts'

type Environment = Readonly<Record<string, string>>

function failureOf(yaml: string, environment: Environment = {}): ConfigFailure {
  try {
    loadConfig('/etc/webtrunk.yaml', environment, fakeMachine({ '/etc/webtrunk.yaml': yaml }))
  } catch (error) {
    if (error instanceof ConfigFailure) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}

const keysOf = (failure: ConfigFailure): readonly string[] => failure.mistakes.map(({ key }) => key)

const VALID = 'domain: example.com\nweb: { http: { port: 8080 } }\n'
const TRUNK = '{ name: pbx, host: 192.0.2.9 }'

/** What stands in the file beside a valid rest, and every mistake that it is. */
const UPSTREAM = 'upstream: { host: pbx }\nregistration: { registrar: upstream }\n'

const MISTAKES: readonly (readonly [name: string, yaml: string, mistakes: readonly string[]])[] = [
  ['unknown section', 'mdeia: {}', ['mdeia: expected one of domain, web']],
  ['unknown key', 'calls: { maxcalls: 5 }', ['calls.maxcalls: expected one of maxCalls']],
  [
    'unknown key in a row',
    'users: [{ name: a, pass: x, password: y }]',
    ['users[0].pass: expected one of name'],
  ],
  ['key of the prototype', 'constructor: 1', ['constructor: expected one of']],
  ['__proto__', '__proto__: { domain: x }', ['__proto__: expected one of']],
  ['key with dots', 'calls.maxCalls: 5', ['(odd key): expected one of']],
  ['scalar for a section', 'calls: 5', ['calls: expected a mapping, seen a number']],
  ['list for a section', 'calls: [1]', ['calls: expected a mapping, seen a list of 1']],
  [
    'section for a scalar',
    'calls: { maxCalls: { a: { b: 1 } } }',
    ['calls.maxCalls: expected a whole number'],
  ],
  ['mapping for a list', 'users: { alice: x }', ['users: expected a list of at most 10000, seen a mapping']],
  [
    'scalar for a row',
    'users: [alice]',
    [
      'users[0]: expected a mapping with name, password, passwordFile, ha1, account, numbers, callerId, limits, seen text',
    ],
  ],
  [
    'fraction',
    'calls: { maxCalls: 1.5 }',
    ['calls.maxCalls: expected a whole number from 1 to 20000, seen 1.5'],
  ],
  ['not a number', 'calls: { maxCalls: .nan }', ['calls.maxCalls: expected a whole number']],
  [
    'number with a tail',
    'calls: { maxCalls: 12x }',
    ['calls.maxCalls: expected a whole number from 1 to 20000, seen "12x"'],
  ],
  [
    'below the least',
    'calls: { maxCalls: 0 }',
    ['calls.maxCalls: expected a whole number from 1 to 20000, seen 0'],
  ],
  ['above the most', 'calls: { maxCalls: 20001 }', ['calls.maxCalls: expected']],
  ['almost a flag', 'registration: { md5: yes }', ['registration.md5: expected true or false, seen "yes"']],
  [
    'unknown choice',
    'log: { level: loud }',
    ['log.level: expected error or warn or info or debug, seen "loud"'],
  ],
  [
    'host with a space',
    'trunks: [{ name: a, host: "a b" }]',
    ['trunks[0].host: expected a host name or IP address'],
  ],
  [
    'mistyped address',
    'trunks: [{ name: a, host: 192.0.2.300 }]',
    ['trunks[0].host: expected a host name or'],
  ],
  [
    'name where an address must be',
    'udp: { host: localhost }',
    ['udp.host: expected an IP address, or a list of them, seen "localhost"'],
  ],
  [
    'origin with a path',
    'web: { origins: ["https://a.example/x"], http: { port: 1 } }',
    ['web.origins[0]: expected an origin'],
  ],
  ['user name with @', 'users: [{ name: "a@b", password: x }]', ['users[0].name: expected letters']],
  [
    'user without a name',
    'users: [{ password: x }]',
    ['users[0].name: expected letters, digits and . _ + - (1 to 64), seen nothing'],
  ],
  [
    'user without a password',
    'users: [{ name: a }]',
    ['users[0]: expected one of password, passwordFile, ha1, seen none'],
  ],
  [
    'user with two passwords',
    'users: [{ name: a, password: x, passwordFile: y }]',
    ['users[0]: expected one of password, passwordFile, ha1, seen 2'],
  ],
  [
    'password that is a number',
    'users: [{ name: a, password: 1234 }]',
    [
      'users[0].password: expected text in quotes, 1 to 256 characters, none of them a control character, seen a number',
    ],
  ],
  ['empty password', 'users: [{ name: a, password: "" }]', ['users[0].password: expected text in quotes']],
  [
    'password over its length',
    `users: [{ name: a, password: ${'x'.repeat(257)} }]`,
    ['users[0].password: expected text in quotes'],
  ],
  [
    'password with a line break',
    'users: [{ name: a, password: "a\\nb" }]',
    ['users[0].password: expected text in quotes'],
  ],
  [
    'unreadable password file',
    'users: [{ name: a, passwordFile: none }]',
    ['users[0].passwordFile: expected a readable file, seen no file /etc/none (ENOENT)'],
  ],
  [
    'password and hashes',
    `users: [{ name: a, password: x, ha1: { md5: ${'a'.repeat(32)} } }]`,
    ['users[0]: expected one of password, passwordFile, ha1, seen 2'],
  ],
  [
    'no hash at all',
    'users: [{ name: a, ha1: {} }]',
    ['users[0].ha1: expected at least one hash, seen none'],
  ],
  [
    'hash that is none',
    `users: [{ name: a, ha1: { md5: ${'g'.repeat(32)}, sha1: x } }]`,
    [
      'users[0].ha1.sha1: expected one of md5, sha256, sha512256',
      'users[0].ha1.md5: expected 32 hexadecimal digits in quotes, seen text',
    ],
  ],
  [
    'hash of another algorithm',
    `users: [{ name: a, ha1: { sha256: ${'a'.repeat(32)} } }]`,
    ['users[0].ha1.sha256: expected 64 hexadecimal digits in quotes, seen text'],
  ],
  [
    'text for hashes',
    'users: [{ name: a, ha1: hunter2 }]',
    ['users[0].ha1: expected a mapping with md5, sha256, sha512256, seen text'],
  ],
  [
    'token keys without issuer and audience',
    `registration: { jwt: { secret: ${'x'.repeat(32)} } }`,
    [
      'registration.jwt.issuer: expected text, because tokens sign in, seen nothing',
      'registration.jwt.audience: expected text, because tokens sign in, seen nothing',
    ],
  ],
  [
    'issuer without token keys',
    'registration: { jwt: { issuer: i, audience: a } }',
    ['registration.jwt: expected one of secret, secretFile, jwksFile, seen none'],
  ],
  [
    'two kinds of token keys',
    `registration: { jwt: { secret: ${'x'.repeat(32)}, jwksFile: k, issuer: i, audience: a } }`,
    ['registration.jwt: expected one of secret, secretFile, jwksFile, seen 2'],
  ],
  [
    'token secret too short for HS256',
    `registration: { jwt: { secret: ${'x'.repeat(31)}, issuer: i, audience: a } }`,
    ['registration.jwt.secret: expected text in quotes, 32 to 256 characters, seen text'],
  ],
  [
    'missing key set',
    'registration: { jwt: { jwksFile: k, issuer: i, audience: a } }',
    ['registration.jwt.jwksFile: expected a readable file, seen no file /etc/k (ENOENT)'],
  ],
  [
    'file that is no key set',
    'registration: { jwt: { jwksFile: webtrunk.yaml, issuer: i, audience: a } }',
    ['registration.jwt.jwksFile: expected a JSON Web Key Set with at least one key, seen something else'],
  ],
  [
    'authorization server without TLS',
    `registration: { jwt: { secret: ${'x'.repeat(32)}, issuer: i, audience: a, authzServer: "http://i" } }`,
    ['registration.jwt.authzServer: expected an https URL, seen "http://i"'],
  ],
  ...['10.0.0.0/33', '2001:db8::/129', '10.0.0.0/', '10.0.0/8', 'proxy', '/8', '10.0.0.0/8/8'].map(
    (network) =>
      [
        `network ${network}`,
        `web: { trustedProxies: ["${network}"], http: { port: 1 } }`,
        [`web.trustedProxies[0]: expected an IP address, or a network such as 10.0.0.0/8, seen "${network}"`],
      ] as const,
  ),
  [
    'PROXY headers of nobody',
    'web: { http: { port: 1, proxyProtocol: true } }',
    ['web.trustedProxies: expected the addresses of the proxies, because proxyProtocol is on, seen none'],
  ],
  [
    'path that ends in a slash',
    'web: { path: /phone/, http: { port: 1 } }',
    ['web.path: expected a path such as /phone, without a slash at its end, seen "/phone/"'],
  ],
  [
    'TURN servers without a secret',
    'turn: { urls: ["turn:a"] }',
    ['turn: expected either secret or secretFile, because turn.urls is set, seen none'],
  ],
  [
    'secret without TURN servers',
    `turn: { secret: ${'x'.repeat(16)} }`,
    ['turn.urls: expected at least one URL, seen none'],
  ],
  [
    'TURN secret that is too short',
    `turn: { urls: ["turn:a"], secret: ${'x'.repeat(15)} }`,
    ['turn.secret: expected text in quotes, 16 to 256 characters, seen text'],
  ],
  ...['stun:a', 'turn:', 'turn://a', 'turn:a?transport=sctp', 'turn:a b'].map(
    (url) =>
      [
        `TURN URL ${url}`,
        `turn: { urls: ["${url}"], secret: ${'x'.repeat(16)} }`,
        ['turn.urls[0]: expected a URL such as turn:turn.example.com:3478?transport=udp'],
      ] as const,
  ),
  [
    'same user twice',
    'users: [{ name: a, password: x }, { name: b, password: x }, { name: a, password: y }]',
    ['users[2]: expected a name of its own, seen that of users[0]'],
  ],
  [
    'same trunk twice',
    'trunks: [{ name: a, host: h }, { name: a, host: i }]',
    ['trunks[1]: expected a name of its own, seen that of trunks[0]'],
  ],
  [
    'one peer in two trunks',
    'trunks: [{ name: a, host: h }, { name: b, host: H }]',
    [
      'trunks[1]: expected a host and port, or inbound.user, inbound.domain, registered account or required certificate of its own',
    ],
  ],
  [
    'no codec',
    'trunks: [{ name: a, host: h, codecs: [] }]',
    ['trunks[0].codecs: expected at least one codec, seen none'],
  ],
  [
    'unknown codec',
    'trunks: [{ name: a, host: h, codecs: [pcmu] }]',
    ['trunks[0].codecs[0]: expected opus or G722 or PCMU or PCMA, seen "pcmu"'],
  ],
  [
    'codec twice',
    'trunks: [{ name: a, host: h, codecs: [PCMU, PCMU] }]',
    ['trunks[0].codecs[1]: expected a codec of its own'],
  ],
  [
    'sdes without a suite',
    'trunks: [{ name: a, host: h, media: sdes, suites: [] }]',
    ['trunks[0].suites: expected at least one suite'],
  ],
  [
    'source that is a name',
    'trunks: [{ name: a, host: h, sources: [b] }]',
    ['trunks[0].sources[0]: expected an IP address, or a network such as 10.0.0.0/8, seen "b"'],
  ],
  [
    'route to nowhere',
    `trunks: [${TRUNK}]\nroutes: [{ trunk: pbx }, { trunk: carrier }]`,
    ['routes[1].trunk: expected the name of a trunk or group, seen "carrier"'],
  ],
  [
    'prefix that is a number',
    `trunks: [${TRUNK}]\nroutes: [{ prefix: +49, trunk: pbx }]`,
    ['routes[0].prefix: expected text in quotes of letters, digits and . _ + - * # (up to 64), seen 49'],
  ],
  [
    'route from nowhere, and to a user who is none',
    `trunks: [${TRUNK}]\nroutes: [{ from: carrier, users: [zoe] }]`,
    [
      'routes[0].from: expected the name of a trunk, seen "carrier"',
      'routes[0].users: expected names of users, seen "zoe"',
    ],
  ],
  [
    'route from trunk to trunk',
    `trunks: [${TRUNK}]\nroutes: [{ from: pbx, trunk: pbx }]`,
    ['routes[0].trunk: expected users, because a trunk reaches nothing else, seen pbx'],
  ],
  [
    'route without a target, and one with two',
    `users: [{ name: a, password: x }]\ntrunks: [${TRUNK}]\nroutes: [{ prefix: "1" }, { trunk: pbx, users: [a] }]`,
    ['routes[0]: expected trunk or users, seen none', 'routes[1]: expected trunk or users, seen both'],
  ],
  [
    'prefix and pattern, replacement and digits to strip',
    `trunks: [${TRUNK}]\nroutes: [{ prefix: "1", pattern: "1", replace: "2", strip: 1, trunk: pbx }]`,
    [
      'routes[0].prefix: expected prefix or pattern, seen both',
      'routes[0].replace: expected replace, or strip and add, seen both',
    ],
  ],
  [
    'replacement without a pattern',
    `trunks: [${TRUNK}]\nroutes: [{ replace: "2", trunk: pbx }]`,
    ['routes[0].replace: expected a pattern with it, seen none'],
  ],
  [
    'replacement with a group that is not there',
    `trunks: [${TRUNK}]\nroutes: [{ pattern: '0(\\d+)', replace: "$2", trunk: pbx }]`,
    ['routes[0].replace: expected at most $1, because pattern has that many groups, seen $2'],
  ],
  [
    'pattern that is none',
    `trunks: [${TRUNK}]\nroutes: [{ pattern: '0(\\d+', trunk: pbx }]`,
    ['routes[0].pattern: expected a regular expression'],
  ],
  [
    'emergency numbers without trunks',
    'emergency: { numbers: ["112"] }',
    ['emergency.trunks: expected numbers and trunks, both or none, seen one of them'],
  ],
  [
    'emergency trunks without numbers, one of them unknown',
    `trunks: [${TRUNK}]\nemergency: { trunks: [pbx, carrier] }`,
    [
      'emergency.trunks[1]: expected the name of a trunk or group, seen "carrier"',
      'emergency.numbers: expected numbers and trunks, both or none, seen one of them',
    ],
  ],
  [
    'no RTP ports for emergency calls',
    `trunks: [${TRUNK}]\nemergency: { numbers: ["112"], trunks: [pbx] }\nmedia: { rtpPortMin: 20000, rtpPortMax: 20031 }\ncalls: { maxCalls: 16 }`,
    [
      'media.rtpPortMax: expected two ports for each of 48 calls (calls.maxCalls and emergency.maxCalls), seen 16 pairs',
    ],
  ],
  [
    'limits of a user that are none',
    'users: [{ name: a, password: x, limits: { maxCalls: 0, deny: [49] } }]',
    [
      'users[0].limits.maxCalls: expected a whole number from 1 to 20000, seen 0',
      'users[0].limits.deny[0]: expected text in quotes',
    ],
  ],
  [
    'country code with a +',
    'numbers: { countryCode: "+49" }',
    ['numbers.countryCode: expected one to three'],
  ],
  [
    'no listener',
    'web: { page: true }',
    ['web: expected https.port, http.port, listeners or unixSocket: browsers need a listener, seen none'],
  ],
  [
    'https without a certificate',
    'web: { https: { port: 8443 } }',
    ['web.https.certificate: expected a certificate and key, because web.https.port is set, seen nothing'],
  ],
  [
    'certificate without a key',
    'web: { https: { port: 8443, certificate: c } }',
    ['web.https.key: expected certificate and key, both or none, seen one of them'],
  ],
  [
    'key without a certificate',
    'web: { https: { port: 8443, key: k } }',
    ['web.https.certificate: expected certificate and key, both or none'],
  ],
  [
    'missing certificate files',
    'web: { https: { port: 8443, certificate: c, key: k } }',
    [
      'web.https.certificate: expected a readable file, seen no file /etc/c (ENOENT)',
      'web.https.key: expected a readable file, seen no file /etc/k (ENOENT)',
    ],
  ],
  [
    'one port twice',
    'web: { https: { port: 80, host: 127.0.0.1, certificate: c, key: k }, http: { port: 80 } }',
    ['web.http.port: expected another port than that of web.https, seen 80'],
  ],
  [
    'port of 65536',
    'web: { http: { port: 65536 } }',
    ['web.http.port: expected a port from 0 to 65535, or off, seen 65536'],
  ],
  ['odd first RTP port', 'media: { rtpPortMin: 20001 }', ['media.rtpPortMin: expected an even port']],
  ['even last RTP port', 'media: { rtpPortMax: 30000 }', ['media.rtpPortMax: expected an odd port']],
  [
    'RTP range upside down',
    'media: { rtpPortMin: 30000, rtpPortMax: 20001 }',
    ['media.rtpPortMax: expected more than media.rtpPortMin (30000), seen 20001'],
  ],
  [
    'RTP range too small',
    `trunks: [${TRUNK}]\nmedia: { rtpPortMin: 20000, rtpPortMax: 20199 }`,
    ['media.rtpPortMax: expected two ports for each of calls.maxCalls (1000) calls, seen 100 pairs'],
  ],
  [
    'WebRTC port among the RTP ports',
    'media: { webrtcPort: 20000 }',
    ['media.webrtcPort: expected a port outside the RTP range, seen 20000'],
  ],
  [
    'no thread for media',
    'media: { threads: 0 }',
    ['media.threads: expected a whole number from 1 to 64, seen 0'],
  ],
  [
    'a thread too many for media',
    'media: { threads: 65 }',
    ['media.threads: expected a whole number from 1 to 64, seen 65'],
  ],
  [
    'WebRTC port of the last thread among the RTP ports',
    'media: { threads: 4, webrtcPort: 16381 }',
    [
      'media.webrtcPort: expected 4 ports, one for each of media.threads, outside the RTP range, seen 16381-16384',
    ],
  ],
  [
    'WebRTC port of the last thread past the end',
    'media: { threads: 64, webrtcPort: 65473 }',
    ['media.webrtcPort: expected 64 ports, one for each of media.threads, up to 65535, seen 65473-65536'],
  ],
  [
    'SIP port for WebRTC of another thread',
    'media: { threads: 2, webrtcPort: 5059 }',
    ['media.webrtcPort: expected another port than udp.port, seen 5059-5060'],
  ],
  [
    'SIP port among the RTP ports',
    'udp: { port: 20000 }',
    ['udp.port: expected a port outside the RTP range, seen 20000'],
  ],
  [
    'SIP port for WebRTC',
    'media: { webrtcPort: 5060 }',
    ['media.webrtcPort: expected another port than udp.port, seen 5060'],
  ],
  [
    'shortest registration over the longest',
    'registration: { minExpiresS: 600, maxExpiresS: 300 }',
    ['registration.minExpiresS: expected at most registration.maxExpiresS (300), seen 600'],
  ],
  [
    'registrar upstream without a PBX',
    'registration: { registrar: upstream }',
    ['upstream.host: expected a PBX, because registration.registrar is upstream, seen nothing'],
  ],
  [
    'PBX for the local registrar',
    'upstream: { host: pbx.example.com }',
    ['registration.registrar: expected upstream, because upstream.host is set, seen local'],
  ],
  [
    'credentials of the gateway for the local registrar',
    'registration: { credentials: gateway }',
    ['registration.registrar: expected upstream, because registration.credentials is gateway, seen local'],
  ],
  [
    'trunk by the reserved name',
    'trunks: [{ name: upstream, host: pbx }]',
    ['trunks[0].name: expected another name; this one is reserved, seen upstream'],
  ],
  [
    'users of a PBX',
    `${UPSTREAM}users: [{ name: alice, password: x }]`,
    ['users: expected none, because the PBX knows them (registration.credentials is browser), seen 1'],
  ],
  [
    'tokens for a PBX',
    `upstream: { host: pbx }
registration: { registrar: upstream, jwt: { secret: ${'s'.repeat(32)}, issuer: i, audience: a } }`,
    [
      'registration.jwt: expected nothing, because the PBX signs users in (registration.credentials is browser), seen something',
    ],
  ],
  [
    'user without an account of the PBX',
    `${UPSTREAM.replace('upstream }', 'upstream, credentials: gateway }')}users: [{ name: alice, password: x }]`,
    [
      'users[0].account: expected the account at the PBX, because registration.credentials is gateway, seen nothing',
    ],
  ],
  [
    'account without a PBX',
    'users: [{ name: alice, password: x, account: { user: "1", password: y } }]',
    ['users[0].account: expected nothing, unless registration.credentials is gateway, seen an account'],
  ],
  [
    'account with two passwords',
    `${UPSTREAM.replace('upstream }', 'upstream, credentials: gateway }')}users: [{ name: alice, password: x, account: { user: "1", password: y, passwordFile: z } }]`,
    ['users[0].account: expected one of password, passwordFile, seen both'],
  ],
  [
    'socket of the trunks for the PBX',
    `${UPSTREAM.replace('pbx }', 'pbx, localPort: 5060 }')}`,
    [
      'upstream.localPort: expected another port than udp.port, or a localHost that udp.host has not, seen 5060',
    ],
  ],
  [
    'address of the trunks, and their port, for the PBX',
    `${UPSTREAM.replace('pbx }', 'pbx, localHost: 192.0.2.1, localPort: 5060 }')}udp: { host: ["::1", 192.0.2.1] }`,
    ['upstream.localPort: expected another port than udp.port'],
  ],
  [
    'PBX of a family that we have no address of',
    `${UPSTREAM.replace('pbx }', '"2001:db8::5" }')}`,
    [
      'upstream.host: expected an address of a family that upstream.localHost has (:: is every address of IPv6), seen IPv6',
    ],
  ],
  [
    'socket of media for the PBX',
    `${UPSTREAM.replace('pbx }', 'pbx, localPort: 20000 }')}`,
    ['upstream.localPort: expected a port that is not for media, seen 20000'],
  ],
  [
    'socket of media of another thread for the PBX',
    `${UPSTREAM.replace('pbx }', 'pbx, localPort: 10001 }')}\nmedia: { threads: 2 }`,
    ['upstream.localPort: expected a port that is not for media, seen 10001'],
  ],
  [
    'PBX over TLS without a certificate',
    `${UPSTREAM.replace('pbx }', 'pbx, transport: tls }')}`,
    ['tls.certificate: expected a certificate and key, because upstream.transport is tls, seen nothing'],
  ],
  [
    'PBX without codecs',
    `${UPSTREAM.replace('pbx }', 'pbx, codecs: [] }')}`,
    ['upstream.codecs: expected at least one codec, seen none'],
  ],
]

describe('one mistake', () => {
  test.each(MISTAKES)('%s', (_name, yaml, mistakes) => {
    const failure = failureOf(yaml.includes('web:') ? `domain: example.com\n${yaml}` : `${VALID}${yaml}`)
    expect(failure.code).toBe('config.invalid')
    const lines = failure.message.split('\n  ').slice(1)
    expect(lines).toHaveLength(mistakes.length)
    for (const [index, mistake] of mistakes.entries()) expect(lines[index]?.startsWith(mistake)).toBe(true)
  })

  test('no domain', () => {
    expect(failureOf('web: { http: { port: 0 } }').mistakes).toEqual([
      { key: 'domain', expected: 'a host name or IP address', seen: 'nothing' },
    ])
  })

  test('a list one past its maximum', () => {
    const users = Array.from({ length: 10_001 }, (_, index) => `{ name: u${index}, password: x }`)
    expect(failureOf(`${VALID}users: [${users.join(', ')}]`).mistakes).toEqual([
      { key: 'users', expected: 'a list of at most 10000', seen: 'a list of 10001' },
    ])
  })

  test('no address but loopback', () => {
    const machine = fakeMachine(
      { '/c.yaml': VALID },
      { addresses: () => [{ address: '127.0.0.1', isInternal: true }] },
    )
    expect(() => loadConfig('/c.yaml', {}, machine)).toThrow('media.addresses: expected an address')
    // It may have one at the next start, which a wrong file has not.
    expect(() => loadConfig('/c.yaml', {}, machine)).toThrow(expect.objectContaining({ isPassing: true }))
    expect(failureOf('domain: 7')).toMatchObject({ isPassing: false })
  })
})

describe('all at once', () => {
  test('wrong values, unknown keys, rows, variables and rules in one failure', () => {
    const failure = failureOf(
      `domain: "a b"
web: { htp: {}, page: maybe }
users: [{ name: "a b", password: 1 }, x]
trunks: [{ name: pbx, host: h }, { name: pbx, host: i }]
calls: 5
registration: { minExpiresS: 600, maxExpiresS: 300 }`,
      { WEBTRUNK_LOG_LEVEL: 'loud', WEBTRUNK_CALS_MAX: '5' },
    )
    expect(new Set(keysOf(failure))).toEqual(
      new Set([
        'WEBTRUNK_CALS_MAX',
        'web.htp',
        'calls',
        'domain',
        'web.page',
        'users[0].name',
        'users[0].password',
        'users[1]',
        'WEBTRUNK_LOG_LEVEL (log.level)',
        'web',
        'trunks[1]',
        'registration.minExpiresS',
      ]),
    )
  })

  test('a rule is silent while a value it reads is wrong', () => {
    expect(keysOf(failureOf(`${VALID}media: { rtpPortMin: x, rtpPortMax: 30000 }`))).toEqual([
      'media.rtpPortMin',
    ])
  })
})

describe('a file that is no configuration', () => {
  test.each([
    ['not there', undefined, 'config.unreadable', 'file: expected a readable file, seen ENOENT'],
    ['a list', '- a', 'config.malformed', 'file: expected a mapping of keys to values, seen a list of 1'],
    ['text', 'hello', 'config.malformed', 'file: expected a mapping of keys to values, seen text'],
    [
      'bad indentation',
      'a:\n  b: 1\n c: 2',
      'config.malformed',
      'line 3, column 1: expected valid YAML, seen ',
    ],
    [
      'same key twice',
      'domain: a\ndomain: b',
      'config.malformed',
      'line 2, column 1: expected valid YAML, seen duplicate key',
    ],
    ['alias of nothing', 'domain: *a', 'config.malformed', 'expected YAML aliases that resolve'],
    ['two documents', 'domain: a\n---\ndomain: b', 'config.malformed', 'seen multiple docs'],
  ])('%s', (_name, text, code, message) => {
    const files: Record<string, string> = text === undefined ? {} : { '/c.yaml': text }
    const load = () => loadConfig('/c.yaml', {}, fakeMachine(files))
    expect(load).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }))
  })
})

describe('secrets stay out of every message', () => {
  const SECRET = 'hunter2'
  test.each([
    ['misspelt key', `users: [{ name: a, passwrod: ${SECRET} }]`],
    ['in place of the row', `users: [${SECRET}]`],
    ['in place of the list', `users: ${SECRET}`],
    ['as key', `users: [{ "alice:${SECRET}": }]`],
    ['with a control character', `users: [{ name: a, password: "${SECRET}\\u0007" }]`],
    ['over its length', `users: [{ name: a, password: "${SECRET.repeat(40)}" }]`],
    ['as a list', `users: [{ name: a, password: [${SECRET}] }]`],
    ['as a mapping', `users: [{ name: a, password: { value: ${SECRET} } }]`],
    ['in place of a TURN secret', `turn: { urls: ["turn:a"], secret: ${SECRET} }`],
    ['in place of a token secret', `registration: { jwt: { secret: ${SECRET}, issuer: i, audience: a } }`],
    ['in a hash', `users: [{ name: a, ha1: { md5: ${SECRET} } }]`],
    ['in place of hashes', `users: [{ name: a, ha1: ${SECRET} }]`],
    ['beside another mistake', `users: [{ name: "a b", password: ${SECRET} }]`],
    ['user twice', `users: [{ name: a, password: ${SECRET} }, { name: a, password: ${SECRET} }]`],
    ['in broken YAML', `users: [{ name: a, password: ${SECRET}`],
    ['in an alias', `users: [{ name: a, password: *${SECRET} }]`],
    ['with an unknown tag', `users: [{ name: a, password: !${SECRET} x }]\nfoo: 1`],
    ['twice', `users: [{ name: a, password: ${SECRET}, password: ${SECRET} }]`],
  ])('%s', (_name, yaml) => {
    const failure = failureOf(`${VALID}${yaml}`)
    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain(SECRET)
    expect(JSON.stringify(failure)).not.toContain(SECRET)
  })

  test('in a variable', () => {
    const failure = failureOf(VALID, { WEBTRUNK_USERS: `[{"name":"a","password":"${SECRET}","x":1}` })
    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain(SECRET)
    expect(keysOf(failure)).toEqual(['WEBTRUNK_USERS (users)'])
  })
})
