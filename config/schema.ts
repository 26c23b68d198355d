import { choice, DIALLED, field, NAME, number, optional, PATH, required, yesNo } from './fields.ts'
import type { Field } from './format.ts'
import { WEB_LISTENER } from './listeners.ts'
import { EMERGENCY, LIMITS, NUMBERS, ROUTE, TRUNK_LIMITS, USER_NUMBERS } from './routing-fields.ts'
import { TRUNK_PROFILE } from './trunk-profile-fields.ts'
import { PROFILE_NAMES } from './trunk-profiles.ts'

const ORIGIN = {
  pattern: /^(?:\*|https?:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?|https?:\/\/\[[0-9a-f:]+\](?::\d{1,5})?)$/,
  expected: 'an origin such as https://phone.example.com, or *',
}
const ACCOUNT_USER = {
  pattern: /^[^\s"\\:@<>]{1,128}$/,
  expected: 'a user name in quotes, without blank, quote, backslash, colon, @, < and > (1 to 128)',
}
/** Some providers give one that is an address. */
const AUTH_USER = {
  pattern: /^[^\s"\\:<>]{1,128}$/,
  expected: 'a name in quotes, without blank, quote, backslash, colon, < and > (1 to 128)',
}

const SHORT_TEXT = { pattern: /^[\x20-\x7e]{1,256}$/, expected: 'text in quotes, 1 to 256 ASCII characters' }
const HTTPS_URL = { pattern: /^https:\/\/[\x21-\x7e]{1,248}$/, expected: 'an https URL' }
/** RFC 7518 §3.2: at least as long as the hash. */
const TOKEN_SECRET = { pattern: /^.{32,}$/, expected: 'text in quotes, 32 to 256 characters' }

/** What fits into an address of a Unix socket. */
const SOCKET_PATH = { pattern: /^.{1,100}$/, expected: 'a path of at most 100 characters' }
const URL_PATH = {
  pattern: /^(?:\/[A-Za-z0-9._~-]{1,64}){0,4}$/,
  expected: 'a path such as /phone, without a slash at its end',
}

/** As many sockets as the media plane has for browsers. */
export const MAX_MEDIA_ADDRESSES = 16
/** More cores for packets than any machine we know of would have. */
const MAX_MEDIA_THREADS = 64

/** RFC 7065. */
const TURN_URL = {
  pattern:
    /^turns?:(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?(?:\?transport=(?:udp|tcp))?$/,
  expected: 'a URL such as turn:turn.example.com:3478?transport=udp',
}
const LONG_SECRET = { pattern: /^.{16,}$/, expected: 'text in quotes, 16 to 256 characters' }

const hexOf = (length: number) => ({
  pattern: new RegExp(`^[0-9a-f]{${length}}$`, 'i'),
  expected: `${length} hexadecimal digits in quotes`,
})

const HA1 = {
  md5: optional('For MD5.', 'secret', hexOf(32)),
  sha256: optional('For SHA-256.', 'secret', hexOf(64)),
  sha512256: optional('For SHA-512-256.', 'secret', hexOf(64)),
}

/** Fields of `users[].account`. */
export const USER_ACCOUNT = {
  user: required('User name, usually the extension, at the PBX.', 'text', ACCOUNT_USER),
  password: optional('The password, in quotes. This or passwordFile.', 'secret'),
  passwordFile: optional('File whose first line is the password.', 'text', PATH),
  md5: yesNo('Answer MD5 where the PBX offers nothing better.', true),
}

const USER = {
  name: required('User part of the address of record, and digest user name.', 'text', NAME),
  password: optional('The password, in quotes. One of this, passwordFile and ha1.', 'secret'),
  passwordFile: optional(
    'File whose first line is the password: a systemd credential, a container secret.',
    'text',
    PATH,
  ),
  ha1: optional(
    'Instead of the password: the hash of "name:domain:password" by each algorithm the user may sign in with.',
    'mapping',
    { row: HA1 },
  ),
  account: optional('For registration.credentials gateway: the account of the user at the PBX.', 'mapping', {
    row: USER_ACCOUNT,
  }),
  ...USER_NUMBERS,
}

/** Fields of `trunks[].tls`. */
export const TRUNK_TLS = {
  name: optional('Domain its certificate must be for; left out: host.', 'host'),
  ca: optional(
    'PEM file of the authorities, or of the one certificate, to believe; left out: the usual ones.',
    'text',
    PATH,
  ),
  certificate: optional('PEM file of our certificate, for peers that want one.', 'text', PATH),
  key: optional('PEM file with its private key, not encrypted.', 'text', PATH),
  alpn: yesNo('Offer ALPN sip; some peers refuse a connection because of it.', false),
  wildcards: yesNo('Take *.example.com for pbx.example.com, against RFC 5922.', false),
  requireCertificate: yesNo('Connections from the trunk must show such a certificate too.', false),
  minVersion: choice('Lowest version of TLS, both ways.', '1.2', ['1.2', '1.3']),
}

/** Fields of `trunks[].account`. */
export const TRUNK_ACCOUNT = {
  user: required('User name at the trunk.', 'text', ACCOUNT_USER),
  authUser: optional('Name that answers its challenges; left out: user.', 'text', AUTH_USER),
  domain: optional('Host part of addresses there, ours and theirs; left out: host.', 'host'),
  password: optional('The password, in quotes. This or passwordFile.', 'secret'),
  passwordFile: optional('File whose first line is the password.', 'text', PATH),
  md5: yesNo('Answer MD5 where the trunk offers nothing better.', true),
  register: yesNo('Register with the trunk, so that it knows where to send calls.', false),
  expiresS: number('How long a registration is to last.', 3_600, 60, 86_400),
  bulk: yesNo(
    'Register all numbers of the account at once (RFC 6140), for providers that ask for it.',
    false,
  ),
}

/** Fields of `trunks[].inbound`. */
export const TRUNK_INBOUND = {
  domain: optional('Domain in its Request-URIs or To.', 'host'),
  user: optional('User name it must sign in with.', 'text', ACCOUNT_USER),
  password: optional('Its password, in quotes. This or passwordFile, where there is a user.', 'secret'),
  passwordFile: optional('File whose first line is the password.', 'text', PATH),
  md5: yesNo('Take MD5 beside SHA-512-256 and SHA-256: many PBXes know nothing else.', true),
  md5Only: yesNo(
    'Ask for MD5 alone: sofia-sip before 1.13.4 (FreeSWITCH) answers nothing where SHA is asked for too.',
    false,
  ),
}

const TRUNK = {
  name: required('Name in routes, logs and metrics.', 'text', NAME),
  host: required('Host name or address of the peer.', 'host'),
  port: optional(
    'SIP port of the peer; left out: what SRV records of host say, else 5060, for tls 5061.',
    'wholeNumber',
    { min: 1, max: 65_535 },
  ),
  transport: choice('How SIP travels; auto: as NAPTR and SRV records of host say.', 'udp', [
    'udp',
    'tcp',
    'tls',
    'auto',
  ]),
  tls: optional('For transport tls: which certificates to believe, and which to show.', 'mapping', {
    row: TRUNK_TLS,
  }),
  account: optional('User name and password for a trunk that asks for them.', 'mapping', {
    row: TRUNK_ACCOUNT,
  }),
  inbound: optional('How its requests are known, beside their source.', 'mapping', { row: TRUNK_INBOUND }),
  optionsS: number('Seconds between two OPTIONS that ask whether the trunk lives; 0: never.', 0, 0, 3_600),
  maxCalls: number(
    'Calls over it at a time, both ways; one more goes to the next trunk. 0: any number.',
    0,
    0,
    20_000,
  ),
  sources: field(
    'Addresses and networks that requests may come from; empty: all addresses of host.',
    'listOf',
    [],
    {
      item: required('An address or network.', 'network'),
      maxRows: 64,
    },
  ),
  profile: choice('Kind of peer: gives the keys that are left out below.', 'generic', PROFILE_NAMES),
  ...TRUNK_PROFILE,
  mediaPorts: choice(
    'Of its calls: a pair of media ports each, or one for many, if it sends from exactly where its SDP says.',
    'per-call',
    ['per-call', 'shared'],
  ),
  userNumbers: yesNo('Show a number of the calling user, where there is one.', true),
  callerId: optional('What is shown else; left out: account.user, or the user name of the caller.', 'text', {
    ...DIALLED,
    pattern: /^[A-Za-z0-9._+*#-]{1,64}$/,
  }),
  limits: optional('Limits of this trunk, where they differ from limits.trunk.', 'mapping', {
    row: TRUNK_LIMITS,
  }),
  trusted: yesNo("Believe the trunk's P-Asserted-Identity, and tell it ours (RFC 3325).", false),
}

/** Fields of `groups[].trunks[]`. */
export const GROUP_MEMBER = {
  trunk: required('Name of the trunk.', 'text', NAME),
  priority: number('Lower ones are tried first.', 1, 0, 65_535),
  weight: number('Its part of the calls among those of the same priority.', 1, 0, 65_535),
}

const GROUP = {
  name: required('Name in routes, none that a trunk has.', 'text', NAME),
  trunks: required('Its trunks: a call that one cannot take goes to the next.', 'listOf', {
    row: GROUP_MEMBER,
    maxRows: 32,
  }),
}

/** A section holds fields and sections. */
export interface Section {
  readonly [name: string]: Field | Section
}

const SETTINGS = {
  domain: required("Host part of the users' addresses of record, and digest realm.", 'host'),
  web: {
    https: {
      host: field('Address to listen on.', 'address', '0.0.0.0'),
      port: field('TCP port of page and WSS; 0 picks one, off: no such listener.', 'listenPort', 'off'),
      proxyProtocol: yesNo('Every connection begins with a PROXY protocol (version 2) header.', false),
      certificate: optional('PEM file with the certificate and its chain.', 'text', PATH),
      key: optional('PEM file with its private key, not encrypted.', 'text', PATH),
    },
    http: {
      host: field(
        'Address to listen on. Clear text: keep it to this host or behind a proxy.',
        'address',
        '127.0.0.1',
      ),
      port: field('TCP port of page and WS; 0 picks one, off: no such listener.', 'listenPort', 'off'),
      proxyProtocol: yesNo('Every connection begins with a PROXY protocol (version 2) header.', false),
    },
    listeners: field('More listeners for page and WSS, such as one with another certificate.', 'listOf', [], {
      row: WEB_LISTENER,
      maxRows: 32,
    }),
    unixSocket: optional(
      'Unix socket for page and WS, for a reverse proxy on this host.',
      'text',
      SOCKET_PATH,
    ),
    path: field('What stands before every path, when a proxy does not take it away.', 'text', '', URL_PATH),
    trustedProxies: field('Proxies whose word about their clients is believed.', 'listOf', [], {
      item: required('An address or network.', 'network'),
      maxRows: 256,
    }),
    page: yesNo('Serve the softphone page at /.', true),
    origins: field('Origins that may open a WebSocket beside our own; * allows all.', 'listOf', [], {
      item: required('An origin.', 'text', ORIGIN),
      maxRows: 256,
    }),
    pingMs: number('How often idle WebSockets are pinged.', 25_000, 1_000, 600_000),
    maxConnections: number('WebSockets in all.', 5_000, 1, 100_000),
    maxConnectionsPerAddress: number(
      'WebSockets of one client address (an office behind NAT is one).',
      200,
      1,
      100_000,
    ),
    maxMessageBytes: number('Longest SIP message over a WebSocket.', 65_536, 4_096, 1_048_576),
    maxBufferedBytes: number(
      'What may queue towards a slow WebSocket before it is cut.',
      1_048_576,
      65_536,
      67_108_864,
    ),
  },
  udp: {
    host: field(
      'Addresses for SIP over UDP towards trunks; :: is every one of IPv6.',
      'addresses',
      '0.0.0.0',
    ),
    port: number('UDP port; 0 picks one.', 5060, 0, 65_535),
    announced: optional('Address in Via, Contact and SDP when a 1:1 NAT is in front.', 'addresses', {
      onePerFamily: true,
    }),
  },
  tcp: {
    host: field('Addresses for SIP over TCP, ours and theirs.', 'addresses', '0.0.0.0'),
    port: field('TCP port; 0 picks one, off: no SIP over TCP.', 'listenPort', 'off'),
  },
  tls: {
    host: field('Addresses for SIP over TLS, ours and theirs.', 'addresses', '0.0.0.0'),
    port: field('TCP port, usually 5061; 0 picks one, off: no SIP over TLS.', 'listenPort', 'off'),
    certificate: optional('PEM file with the certificate and its chain.', 'text', PATH),
    key: optional('PEM file with its private key, not encrypted.', 'text', PATH),
  },
  users: field('The users that may register.', 'listOf', [], { row: USER, maxRows: 10_000 }),
  trunks: field('PBXes and carriers.', 'listOf', [], { row: TRUNK, maxRows: 256 }),
  numbers: NUMBERS,
  groups: field('Trunks that stand in for each other.', 'listOf', [], { row: GROUP, maxRows: 256 }),
  emergency: EMERGENCY,
  limits: LIMITS,
  routes: field('Where dialled numbers go; the first match wins, after local users.', 'listOf', [], {
    row: ROUTE,
    maxRows: 1_024,
  }),
  registration: {
    registrar: choice('Where users are registered: here (local), or at a PBX (upstream).', 'local', [
      'local',
      'upstream',
    ]),
    credentials: choice(
      'With registrar upstream, who signs in to the PBX: browser (its requests pass), or gateway (by users[].account).',
      'browser',
      ['browser', 'gateway'],
    ),
    minExpiresS: number('Shortest registration accepted.', 60, 10, 3_600),
    maxExpiresS: number('Longest registration granted.', 3_600, 60, 86_400),
    maxBindingsPerUser: number('Devices of one user at a time.', 10, 1, 100),
    maxFlowsPerUser: number('WebSockets that one user may be registered by at a time.', 10, 1, 100),
    maxBindings: number('Devices of all users at a time.', 50_000, 1, 1_000_000),
    nonceLifetimeS: number('How long a digest nonce may be used.', 300, 30, 3_600),
    md5: yesNo('Offer MD5 beside SHA-512-256 and SHA-256, for SIP.js and JsSIP.', true),
    jwt: {
      secret: optional('HS256: the secret shared with the issuer of tokens.', 'secret', TOKEN_SECRET),
      secretFile: optional('File whose first line is the secret.', 'text', PATH),
      jwksFile: optional('RS256 and ES256: JSON Web Key Set with the public keys.', 'text', PATH),
      issuer: optional('The iss of every token.', 'text', SHORT_TEXT),
      audience: optional('What must be in the aud of every token.', 'text', SHORT_TEXT),
      userClaim: field('The claim that names the user.', 'text', 'sub', SHORT_TEXT),
      clockToleranceS: number('How far the clock of the issuer may be off.', 30, 0, 600),
      authzServer: optional('Where clients get tokens; told in challenges.', 'text', HTTPS_URL),
      scope: optional('Scope that clients should ask for; told in challenges.', 'text', SHORT_TEXT),
    },
  },
  upstream: {
    host: optional('Host name or address of the PBX where users are registered.', 'host'),
    port: TRUNK.port,
    transport: choice('How SIP travels.', 'udp', ['udp', 'tcp', 'tls']),
    tls: TRUNK_TLS,
    domain: optional(
      'With credentials gateway, host part of the addresses of record at the PBX; left out: host.',
      'host',
    ),
    sources: field('Addresses that requests may come from; empty: the addresses of host.', 'listOf', [], {
      item: required('An address.', 'address'),
      maxRows: 64,
    }),
    localHost: field(
      'Address of ours for the PBX; of this purpose only, never for a trunk.',
      'addresses',
      '0.0.0.0',
    ),
    localPort: number('Port of ours for the PBX, of this purpose only; 0 picks one.', 5_070, 0, 65_535),
    announced: optional('Address in Via, Contact and SDP when a 1:1 NAT is in front.', 'addresses', {
      onePerFamily: true,
    }),
    path: yesNo('Leave Contact as browsers write it, and put us into Path (RFC 3327).', false),
    expiresS: number('With credentials gateway, how long a registration is to last.', 3_600, 60, 86_400),
    graceS: number('How long a registration at the PBX outlives the WebSocket it came by.', 30, 0, 600),
    profile: TRUNK.profile,
    ...TRUNK_PROFILE,
  },
  calls: {
    maxCalls: number('Calls at a time.', 1_000, 1, 20_000),
    ringTimeoutS: number('How long a call may ring.', 120, 10, 600),
    attemptS: number(
      'How long a trunk may say nothing to a call, before the next of its group is tried.',
      4,
      1,
      30,
    ),
    progressS: number(
      'How long a trunk that has a call may take until it rings, before the next is tried.',
      20,
      2,
      120,
    ),
    maxDurationS: number('How long a call may last.', 14_400, 60, 604_800),
    lostConnectionS: number(
      'How long a call may go on without the WebSocket of its browser, as long as there is audio.',
      600,
      10,
      86_400,
    ),
    sessionExpiresS: number(
      'How long a dead peer may keep a call, where it knows session timers.',
      1_800,
      90,
      86_400,
    ),
    keepCalls: number(
      'Calls that are remembered after their end, for webtrunk calls and explain.',
      500,
      0,
      10_000,
    ),
    keepCallsS: number('How long they are remembered.', 86_400, 60, 604_800),
    drainTimeoutS: number('How long a stop waits for calls to end after BYE.', 5, 0, 600),
  },
  media: {
    addresses: field(
      'Local addresses for browser media; empty: every address of this machine but loopback.',
      'listOf',
      [],
      {
        item: required('An address.', 'address'),
        maxRows: MAX_MEDIA_ADDRESSES,
      },
    ),
    announced: optional('Address in candidates when a 1:1 NAT is in front.', 'addresses', {
      onePerFamily: true,
    }),
    threads: number('Threads of the packet path; more than cores bring nothing.', 1, 1, MAX_MEDIA_THREADS),
    webrtcPort: number(
      'UDP port shared by all browser media, with more threads the first of so many; 0 picks them.',
      10_000,
      0,
      65_535,
    ),
    rtpPortMin: number('First UDP port of trunk media; even.', 16_384, 1_024, 65_534),
    rtpPortMax: number('Last UDP port of trunk media; odd.', 32_767, 1_025, 65_535),
    portRestS: number('How long a trunk media port rests after a call.', 30, 0, 600),
    latchMs: number('How long a trunk may send from elsewhere than its SDP says.', 3_000, 0, 60_000),
    iceTimeoutS: number('How long to wait for the first connectivity check.', 15, 2, 120),
    dtlsTimeoutS: number('How long to wait for the DTLS handshake.', 15, 2, 120),
    consentTimeoutS: number('Silence of connectivity checks that ends a call.', 30, 5, 120),
    rtpTimeoutS: number('Silence of RTP and RTCP that ends a call; 0: none does.', 300, 0, 86_400),
    rtpHoldTimeoutS: number('The same while a call is held; 0: none does.', 1_800, 0, 86_400),
    maxLoad: number(
      'Percent of a core that the packet path may take; above it new calls are refused.',
      70,
      10,
      100,
    ),
    gatherUs: number(
      'Longest time in microseconds that packets wait for each other under load.',
      500,
      0,
      5_000,
    ),
  },
  dscp: {
    media: number('Mark of voice packets for routers and switches; 46 is EF, 0: none.', 46, 0, 63),
    sip: number('Mark of SIP towards trunks; 24 is CS3, 26 AF31, 0: none.', 24, 0, 63),
  },
  dns: {
    servers: field('Name servers for hosts of trunks; empty: those of this machine.', 'listOf', [], {
      item: required('An address, with a port where it is not 53.', 'nameServer'),
      maxRows: 8,
    }),
  },
  turn: {
    urls: field('TURN servers that browsers are told of.', 'listOf', [], {
      item: required('A TURN URL.', 'text', TURN_URL),
      maxRows: 8,
    }),
    secret: optional('The secret shared with them (coturn: static-auth-secret).', 'secret', LONG_SECRET),
    secretFile: optional('File whose first line is the secret.', 'text', PATH),
    lifetimeS: number('How long credentials are good; longer than a call.', 43_200, 300, 604_800),
  },
  admin: {
    socket: field(
      'Unix socket of the command line (webtrunk calls, explain, ...), for our user and root. auto: /run/webtrunk/admin.sock where we may write there; off: none.',
      'text',
      'auto',
      SOCKET_PATH,
    ),
  },
  metrics: {
    host: field('Address to serve /metrics on.', 'address', '127.0.0.1'),
    port: field(
      'TCP port of /metrics, for a Prometheus; 0 picks one, off: only webtrunk metrics has them.',
      'listenPort',
      'off',
    ),
    token: optional(
      'What a scraper must send as Authorization: Bearer; needed where host is not this machine alone.',
      'secret',
      LONG_SECRET,
    ),
    tokenFile: optional('File whose first line is the token.', 'text', PATH),
  },
  cdr: {
    file: optional(
      'File for call records, one line of JSON each; left out: they are lines of the log.',
      'text',
      PATH,
    ),
  },
  log: {
    level: choice('Least severity that is written.', 'info', ['error', 'warn', 'info', 'debug']),
    format: choice('How lines look; auto is pretty on a terminal, else json.', 'auto', [
      'auto',
      'json',
      'pretty',
    ]),
  },
}

export const isField = (node: Field | Section): node is Field => typeof node.format === 'string'

/** `web.https.port` becomes WEBTRUNK_WEB_HTTPS_PORT, `calls.maxCalls` WEBTRUNK_CALLS_MAX_CALLS. */
export const environmentName = (path: string): string =>
  `WEBTRUNK_${path
    .replace(/[a-z](?=[A-Z])/g, '$&_')
    .replaceAll('.', '_')
    .toUpperCase()}`

function withNames(section: Section, prefix: string): Section {
  const named = Object.entries(section).map(([name, node]) => {
    const path = `${prefix}${name}`
    return [
      name,
      isField(node) ? { ...node, env: environmentName(path) } : withNames(node, `${path}.`),
    ] as const
  })
  return Object.fromEntries(named)
}

/** Every key there is: what it means, its format, default and environment name. In the form that convict takes. */
export const SCHEMA: Section = withNames(SETTINGS, '')

/** Every field with its dotted path. */
export function fieldsOf(section: Section, prefix = ''): readonly (readonly [path: string, field: Field])[] {
  return Object.entries(section).flatMap(([name, node]) =>
    isField(node) ? [[`${prefix}${name}`, node] as const] : fieldsOf(node, `${prefix}${name}.`),
  )
}

/** For the same rule in a file. */
export const TOKEN_SECRET_FIELD = optional('The secret in a file.', 'secret', TOKEN_SECRET)

export const METRICS_TOKEN_FIELD = optional('The token in a file.', 'secret', LONG_SECRET)

export const TURN_SECRET_FIELD = optional('The secret in a file.', 'secret', LONG_SECRET)

/** The rows of the lists of mappings, for their defaults. */
export const ROWS = { users: USER, trunks: TRUNK, groups: GROUP, routes: ROUTE } as const
