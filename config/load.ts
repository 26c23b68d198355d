import { X509Certificate } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { dirname, resolve } from 'node:path'
import convict from 'convict'
import { LineCounter, parseDocument } from 'yaml'
import type {
  Config,
  GroupConfig,
  JwtConfig,
  MetricsConfig,
  TrunkAccountConfig,
  TrunkConfig,
  TrunkInboundConfig,
  TrunkTlsConfig,
  TurnConfig,
} from './config.ts'
import { CROSS_CHECKS } from './cross-checks.ts'
import { demoSettings } from './demo.ts'
import { ConfigFailure, type Mistake } from './failure.ts'
import {
  type Field,
  isMapping,
  kindOf,
  mistakesIn,
  mistakesOfConvict,
  registerFormats,
  rowValue,
  unknownKey,
} from './format.ts'
import { httpListener, httpsListener, listed, listener, tlsListener, webListeners } from './listeners.ts'
import { type Machine, THIS_MACHINE } from './machine.ts'
import {
  type BuildContext,
  errorCode,
  keyPair,
  passwordOf,
  readNamedFile,
  readPem,
  secretIn,
} from './named-files.ts'
import { ownLimits, routing } from './routing.ts'
import {
  fieldsOf,
  GROUP_MEMBER,
  isField,
  MAX_MEDIA_ADDRESSES,
  METRICS_TOKEN_FIELD,
  ROWS,
  SCHEMA,
  type Section,
  TOKEN_SECRET_FIELD,
  TRUNK_ACCOUNT,
  TRUNK_INBOUND,
  TRUNK_TLS,
  TURN_SECRET_FIELD,
} from './schema.ts'
import { Secret } from './secret.ts'
import type { GroupRow, Settings, TrunkRow } from './settings.ts'
import { PROFILE_NAMES, PROFILES } from './trunk-profiles.ts'
import { upstream } from './upstream.ts'
import { user } from './users.ts'

type Environment = Readonly<Record<string, string | undefined>>
type Tree = Readonly<Record<string, unknown>>

/** Names the config file for the command line, so it is no key of the schema. */
const FILE_VARIABLE = 'WEBTRUNK_CONFIG'
const DEMO_SOURCE = 'demo and environment'

/**
 * The whole configuration: file (YAML or JSON), then environment over it; without a file the demo. Frozen to the leaves.
 * Throws `ConfigFailure` with every mistake found. Relative paths in the file are relative to it.
 */
export function loadConfig(
  path: string | undefined,
  environment: Environment,
  machine: Machine = THIS_MACHINE,
): Config {
  const isDemo = path === undefined
  const source = path ?? DEMO_SOURCE
  const tree = isDemo ? demoSettings(machine) : readTree(path, machine)

  const mistakes: Mistake[] = []
  const own = ownVariables(environment, mistakes)
  const settings = merge(pruned(tree, SCHEMA, '', mistakes), own, mistakes)
  for (const { keys, find } of CROSS_CHECKS) {
    if (!keys.some((key) => mistakes.some((mistake) => isRelated(mistake.key, key)))) {
      mistakes.push(...find(settings, isDemo))
    }
  }
  if (mistakes.length > 0) throw new ConfigFailure('config.invalid', source, traced(mistakes, own))

  const base = path === undefined ? process.cwd() : dirname(resolve(path))
  const config = build(settings, { isDemo, base, machine, mistakes })
  if (mistakes.length > 0) throw new ConfigFailure('config.invalid', source, traced(mistakes, own))
  return deepFreeze(config)
}

/** JSON is YAML too. Messages of the parser quote the file, passwords and all, so only code and place are passed on. */
function readTree(path: string, machine: Machine): Tree {
  const text = readFile(path, machine)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const mistakes = document.errors.map(({ code, pos }) => {
    const { line, col } = lines.linePos(pos[0])
    return {
      key: `line ${line}, column ${col}`,
      expected: 'valid YAML',
      seen: code.toLowerCase().replaceAll('_', ' '),
    }
  })
  if (mistakes.length > 0) throw new ConfigFailure('config.malformed', path, mistakes)
  const tree = toPlain(document, path) ?? {}
  if (isMapping(tree)) return tree
  throw new ConfigFailure('config.malformed', path, [
    { key: 'file', expected: 'a mapping of keys to values', seen: kindOf(tree) },
  ])
}

function readFile(path: string, machine: Machine): string {
  try {
    return machine.readText(path)
  } catch (error) {
    throw new ConfigFailure('config.unreadable', path, [
      { key: 'file', expected: 'a readable file', seen: errorCode(error) },
    ])
  }
}

function toPlain(document: { toJS(): unknown }, path: string): unknown {
  try {
    return document.toJS()
  } catch {
    // An alias without an anchor, or more aliases than a config file has any use for.
    throw new ConfigFailure('config.malformed', path, [
      { key: 'file', expected: 'YAML aliases that resolve', seen: 'one that does not' },
    ])
  }
}

/** Those of our variables that say something. An empty one (compose passes them) is as if not set. */
function ownVariables(environment: Environment, mistakes: Mistake[]): Record<string, string> {
  const known = new Set(fieldsOf(SCHEMA).map(([, { env }]) => env))
  const own: Record<string, string> = {}
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('WEBTRUNK_') || value === undefined || value === '') continue
    if (name === FILE_VARIABLE) continue
    if (known.has(name)) own[name] = value
    else mistakes.push({ key: name, expected: 'a variable that names a key', seen: 'an unknown variable' })
  }
  return own
}

/** The tree without what the schema does not know (each a mistake) and without empty keys (as if left out). */
function pruned(tree: Tree, section: Section, prefix: string, mistakes: Mistake[]): Tree {
  const kept: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(tree)) {
    const node = Object.hasOwn(section, name) ? section[name] : undefined
    if (node === undefined) {
      mistakes.push(unknownKey(prefix, name, Object.keys(section)))
    } else if (value === null) {
      // Left out.
    } else if (isField(node)) {
      // convict would look into a mapping for keys, so it never gets to see one here.
      if (isMapping(value)) mistakes.push(...mistakesIn(`${prefix}${name}`, value, node))
      else kept[name] = value
    } else if (isMapping(value)) {
      kept[name] = pruned(value, node, `${prefix}${name}.`, mistakes)
    } else {
      mistakes.push({ key: `${prefix}${name}`, expected: 'a mapping', seen: kindOf(value) })
    }
  }
  return kept
}

function merge(tree: Tree, variables: Record<string, string>, mistakes: Mistake[]): Settings {
  registerFormats()
  // `args: []`: convict would read the command line.
  const merged = convict<Settings>(SCHEMA as never, { env: variables, args: [] })
  merged.load(tree)
  try {
    merged.validate({ allowed: 'strict' })
  } catch (error) {
    mistakes.push(...mistakesOfConvict(error))
  }
  return withRowDefaults(merged.getProperties())
}

/** A value of the environment stands in no file: its variable is named before the key. */
function traced(
  mistakes: readonly Mistake[],
  variables: Readonly<Record<string, string>>,
): readonly Mistake[] {
  const given = fieldsOf(SCHEMA).filter(([, { env }]) => env !== undefined && Object.hasOwn(variables, env))
  return mistakes.map((mistake) => {
    const [, field] = given.find(([key]) => isWithin(mistake.key, key)) ?? []
    return field === undefined ? mistake : { ...mistake, key: `${field.env} (${mistake.key})` }
  })
}

/** One is the other or lies within it: `users` and `users[3].name`. */
const isRelated = (one: string, other: string): boolean => isWithin(one, other) || isWithin(other, one)

const isWithin = (key: string, section: string): boolean =>
  key.startsWith(section) && ['', '.', '['].includes(key.charAt(section.length))

function withRowDefaults(settings: Settings): Settings {
  const filled = (rows: readonly unknown[], fields: Readonly<Record<string, Field>>): readonly unknown[] =>
    rows
      .filter(isMapping)
      .map((row) =>
        Object.fromEntries(
          Object.entries(fields).map(([name, field]) => [name, rowValue(row, name, field)] as const),
        ),
      )
  const lists = Object.entries(ROWS).map(([name, fields]) => {
    const rows: unknown = settings[name as keyof typeof ROWS]
    return [name, Array.isArray(rows) ? filled(rows, fields) : []] as const
  })
  // The schema has checked each row, or there is a mistake and nobody reads it.
  const rows = Object.fromEntries(lists) as Pick<Settings, keyof typeof ROWS>
  return {
    ...settings,
    ...rows,
    trunks: rows.trunks.map(withProfile),
    upstream: withProfile(settings.upstream),
  }
}

/** What the trunk itself does not say, its profile does. */
function withProfile<Row extends Pick<TrunkRow, 'profile'>>(row: Row): Row {
  const given: Readonly<Record<string, unknown>> = { ...row }
  const profile = PROFILE_NAMES.includes(row.profile) ? PROFILES[row.profile] : PROFILES.generic
  const values = Object.entries(profile).map(([name, value]) => [name, given[name] ?? value ?? 0] as const)
  return { ...row, ...(Object.fromEntries(values) as Partial<Row>) }
}

function build(settings: Settings, context: BuildContext): Config {
  const { web, udp, media, log } = settings
  return {
    domain: settings.domain.toLowerCase(),
    demo: context.isDemo,
    web: {
      ...web,
      https: httpsListener(web.https, context),
      http: httpListener(web.http),
      listeners: webListeners(web.listeners, context),
      unixSocket: web.unixSocket === null ? undefined : resolve(context.base, web.unixSocket),
    },
    udp: { ...udp, host: listed(udp.host), announced: listed(udp.announced) },
    users: settings.users.map((row, index) => user(row, `users[${index}]`, context)),
    tcp: listener(settings.tcp),
    tls: tlsListener(settings.tls, context),
    trunks: settings.trunks.map((row, index) => trunk(row, `trunks[${index}]`, context)),
    groups: settings.groups.map(group),
    ...routing(settings),
    registration: registration(settings.registration, context),
    upstream: upstream(settings, trunk, context),
    calls: settings.calls,
    media: {
      ...media,
      addresses: mediaAddresses(media.addresses, context),
      announced: listed(media.announced),
    },
    dscp: settings.dscp,
    dns: settings.dns,
    turn: turn(settings.turn, context),
    metrics: metrics(settings.metrics, context),
    cdr: { file: settings.cdr.file === null ? undefined : resolve(context.base, settings.cdr.file) },
    admin: { socket: adminSocket(settings.admin.socket, context) },
    log: { level: log.level, format: logFormat(log.format, context.machine) },
  }
}

function trunk(row: TrunkRow, key: string, context: BuildContext): TrunkConfig {
  return {
    ...row,
    port: row.port ?? undefined,
    tls:
      row.transport === 'tls' || row.transport === 'auto' ? trunkTls(row, `${key}.tls`, context) : undefined,
    account: row.account === null ? undefined : trunkAccount(row.account, `${key}.account`, context),
    inbound: row.inbound === null ? undefined : trunkInbound(row.inbound, `${key}.inbound`, context),
    callerId: row.callerId ?? undefined,
    limits: ownLimits(row.limits),
    ptimeMs: row.ptimeMs || undefined,
    sessionExpiresS: row.sessionExpiresS || undefined,
  }
}

function trunkInbound(
  inbound: NonNullable<TrunkRow['inbound']>,
  key: string,
  context: BuildContext,
): TrunkInboundConfig {
  const value = (name: keyof typeof TRUNK_INBOUND): unknown => rowValue(inbound, name, TRUNK_INBOUND[name])
  const [domain, user] = [value('domain'), value('user')]
  return {
    domain: typeof domain === 'string' ? domain.toLowerCase() : undefined,
    credentials:
      typeof user === 'string'
        ? {
            user,
            password: passwordOf(inbound, key, TRUNK_INBOUND, context),
            md5: value('md5') === true,
            md5Only: value('md5Only') === true,
          }
        : undefined,
  }
}

const group = ({ name, trunks }: GroupRow): GroupConfig => ({
  name,
  trunks: trunks.map((row) => {
    const value = (key: keyof typeof GROUP_MEMBER): unknown => rowValue(row, key, GROUP_MEMBER[key])
    return {
      trunk: String(value('trunk')),
      priority: Number(value('priority')),
      weight: Number(value('weight')),
    }
  }),
})

function trunkTls({ tls, host }: TrunkRow, key: string, context: BuildContext): TrunkTlsConfig {
  const value = (name: keyof typeof TRUNK_TLS): unknown => rowValue(tls ?? {}, name, TRUNK_TLS[name])
  const text = (name: keyof typeof TRUNK_TLS): string | undefined => {
    const found = value(name)
    return typeof found === 'string' ? found : undefined
  }
  const [ca, certificate, ownKey] = [text('ca'), text('certificate'), text('key')]
  const authorities = ca === undefined ? undefined : resolve(context.base, ca)
  if (authorities !== undefined) {
    readPem(authorities, `${key}.ca`, 'certificate', (pem) => new X509Certificate(pem), context)
  }
  const own =
    certificate === undefined || ownKey === undefined
      ? { certificate: undefined, key: undefined }
      : keyPair(certificate, ownKey, key, context)
  return {
    name: (text('name') ?? host).toLowerCase(),
    ca: authorities,
    ...own,
    alpn: value('alpn') === true,
    wildcards: value('wildcards') === true,
    requireCertificate: value('requireCertificate') === true,
    minVersion: value('minVersion') === '1.3' ? '1.3' : '1.2',
  }
}

function trunkAccount(
  account: NonNullable<TrunkRow['account']>,
  key: string,
  context: BuildContext,
): TrunkAccountConfig {
  const value = (name: keyof typeof TRUNK_ACCOUNT): unknown => rowValue(account, name, TRUNK_ACCOUNT[name])
  return {
    user: String(value('user')),
    authUser: textOf(value('authUser')),
    domain: textOf(value('domain'))?.toLowerCase(),
    password: passwordOf(account, key, TRUNK_ACCOUNT, context),
    md5: value('md5') === true,
    register: value('register') === true,
    expiresS: Number(value('expiresS')),
    bulk: value('bulk') === true,
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

function registration(settings: Settings['registration'], context: BuildContext): Config['registration'] {
  const { registrar: _, credentials: __, ...rest } = settings
  return { ...rest, jwt: jwt(settings.jwt, context) }
}

function turn(settings: Settings['turn'], context: BuildContext): TurnConfig | undefined {
  const { urls, secret, secretFile, lifetimeS } = settings
  if (urls.length === 0) return undefined
  if (secretFile === null) return { urls, lifetimeS, secret: new Secret(secret ?? '') }
  return { urls, lifetimeS, secret: secretIn(secretFile, 'turn.secretFile', TURN_SECRET_FIELD, context) }
}

function jwt(settings: Settings['registration']['jwt'], context: BuildContext): JwtConfig | undefined {
  const { secret, secretFile, jwksFile, issuer, audience, ...rest } = settings
  if (issuer === null || audience === null) return undefined
  const key = ((): JwtConfig['key'] => {
    if (jwksFile !== null) return { kind: 'jwks', file: keySetFile(jwksFile, context) }
    if (secretFile === null) return { kind: 'secret', secret: new Secret(secret ?? '') }
    const name = 'registration.jwt.secretFile'
    return { kind: 'secret', secret: secretIn(secretFile, name, TOKEN_SECRET_FIELD, context) }
  })()
  return {
    ...rest,
    key,
    issuer,
    audience,
    authzServer: rest.authzServer ?? undefined,
    scope: rest.scope ?? undefined,
  }
}

/** Whether its keys are good shows when they are used; a file that is something else should show itself now. */
function keySetFile(path: string, context: BuildContext): string {
  const file = resolve(context.base, path)
  const text = readNamedFile(file, 'registration.jwt.jwksFile', context)
  if (text !== undefined && !isKeySet(text)) {
    context.mistakes.push({
      key: 'registration.jwt.jwksFile',
      expected: 'a JSON Web Key Set with at least one key',
      seen: 'something else',
    })
  }
  return file
}

function isKeySet(text: string): boolean {
  try {
    const set: unknown = JSON.parse(text)
    return isMapping(set) && Array.isArray(set.keys) && set.keys.length > 0 && set.keys.every(isMapping)
  } catch {
    return false
  }
}

/** IPv4 first: the first stands in the description for peers without ICE. */
function mediaAddresses(
  given: readonly string[],
  { isDemo, machine, mistakes }: BuildContext,
): readonly string[] {
  if (given.length > 0) return given
  const own = machine.addresses().filter(({ isInternal }) => isDemo || !isInternal)
  const addresses = [
    ...own.filter(({ address }) => isIPv4(address)),
    ...own.filter(({ address }) => isIPv6(address)),
  ]
  const isTooMany = addresses.length > MAX_MEDIA_ADDRESSES && !isDemo
  if (own.length === 0 || isTooMany) {
    mistakes.push({
      key: 'media.addresses',
      expected: isTooMany ? `those to use, at most ${MAX_MEDIA_ADDRESSES}` : 'an address',
      seen: isTooMany ? `${own.length} on this machine` : 'none on this machine but loopback',
      ...(isTooMany ? {} : { isPassing: true }),
    })
  }
  return addresses.slice(0, MAX_MEDIA_ADDRESSES).map(({ address }) => address)
}

function metrics(settings: Settings['metrics'], context: BuildContext): MetricsConfig | undefined {
  const { host, port, token, tokenFile } = settings
  if (port === 'off') return undefined
  const open = { host, port }
  if (tokenFile !== null) {
    return { ...open, token: secretIn(tokenFile, 'metrics.tokenFile', METRICS_TOKEN_FIELD, context) }
  }
  return { ...open, token: token === null ? undefined : new Secret(token) }
}

/** In the folder that systemd makes for us (RuntimeDirectory). */
export const USUAL_ADMIN_SOCKET = '/run/webtrunk/admin.sock'

function adminSocket(socket: string, { base, machine }: BuildContext): string | undefined {
  if (socket === 'off') return undefined
  if (socket !== 'auto') return resolve(base, socket)
  return machine.isWritable(dirname(USUAL_ADMIN_SOCKET)) ? USUAL_ADMIN_SOCKET : undefined
}

function logFormat(format: Settings['log']['format'], machine: Machine): 'json' | 'pretty' {
  if (format !== 'auto') return format
  return machine.isTerminal ? 'pretty' : 'json'
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
