import type { CallsConfig, DnsConfig, DscpConfig, MediaConfig, TrunkTransport } from './config.ts'
import type { ProfileName, TrunkProfile } from './trunk-profiles.ts'

/** The values as the schema leaves them: defaults filled in, formats checked, nothing yet compared with anything else. */
export interface Settings {
  readonly domain: string
  readonly web: {
    readonly https: {
      readonly host: string
      readonly port: ListenPort
      readonly proxyProtocol: boolean
      readonly certificate: string | null
      readonly key: string | null
    }
    readonly http: { readonly host: string; readonly port: ListenPort; readonly proxyProtocol: boolean }
    /** Checked by the schema, defaults not filled in. */
    readonly listeners: readonly Readonly<Record<string, unknown>>[]
    readonly unixSocket: string | null
    readonly path: string
    readonly trustedProxies: readonly string[]
    readonly page: boolean
    readonly origins: readonly string[]
    readonly pingMs: number
    readonly maxConnections: number
    readonly maxConnectionsPerAddress: number
    readonly maxMessageBytes: number
    readonly maxBufferedBytes: number
  }
  readonly udp: {
    readonly host: AddressesValue
    readonly port: number
    readonly announced: AddressesValue | null
  }
  readonly tcp: { readonly host: AddressesValue; readonly port: ListenPort }
  readonly tls: {
    readonly host: AddressesValue
    readonly port: ListenPort
    readonly certificate: string | null
    readonly key: string | null
  }
  readonly users: readonly UserRow[]
  readonly trunks: readonly TrunkRow[]
  readonly numbers: {
    readonly countryCode: string | null
    readonly nationalPrefix: string
    readonly internationalPrefix: string
  }
  readonly groups: readonly GroupRow[]
  readonly emergency: {
    readonly numbers: readonly string[]
    readonly prefix: string
    readonly trunks: readonly string[]
    readonly callerId: string | null
    readonly maxCalls: number
    readonly drainTimeoutS: number
  }
  readonly limits: {
    readonly user: { readonly maxCalls: number } & PartyLimitsRow
    readonly trunk: { readonly maxShare: number } & PartyLimitsRow
  }
  readonly routes: readonly RouteRow[]
  readonly registration: {
    readonly registrar: 'local' | 'upstream'
    readonly credentials: 'browser' | 'gateway'
    readonly minExpiresS: number
    readonly maxExpiresS: number
    readonly maxBindingsPerUser: number
    readonly maxFlowsPerUser: number
    readonly maxBindings: number
    readonly nonceLifetimeS: number
    readonly md5: boolean
    readonly jwt: {
      readonly secret: string | null
      readonly secretFile: string | null
      readonly jwksFile: string | null
      readonly issuer: string | null
      readonly audience: string | null
      readonly userClaim: string
      readonly clockToleranceS: number
      readonly authzServer: string | null
      readonly scope: string | null
    }
  }
  readonly upstream: Omit<
    TrunkRow,
    | 'name'
    | 'host'
    | 'transport'
    | 'tls'
    | 'account'
    | 'inbound'
    | 'optionsS'
    | 'maxCalls'
    | 'mediaPorts'
    | 'callerId'
    | 'trusted'
  > & {
    readonly host: string | null
    readonly transport: Exclude<TrunkTransport, 'auto'>
    readonly tls: Readonly<Record<string, unknown>>
    readonly domain: string | null
    readonly localHost: AddressesValue
    readonly localPort: number
    readonly announced: AddressesValue | null
    readonly path: boolean
    readonly expiresS: number
    readonly graceS: number
  }
  readonly calls: CallsConfig
  readonly media: Omit<MediaConfig, 'announced'> & { readonly announced: AddressesValue | null }
  readonly dscp: DscpConfig
  readonly dns: DnsConfig
  readonly turn: {
    readonly urls: readonly string[]
    readonly secret: string | null
    readonly secretFile: string | null
    readonly lifetimeS: number
  }
  readonly admin: {
    /** A path, `auto` or `off`. */
    readonly socket: string
  }
  readonly metrics: {
    readonly host: string
    readonly port: ListenPort
    readonly token: string | null
    readonly tokenFile: string | null
  }
  readonly cdr: { readonly file: string | null }
  readonly log: {
    readonly level: 'error' | 'warn' | 'info' | 'debug'
    readonly format: 'auto' | 'json' | 'pretty'
  }
}

interface PartyLimitsRow {
  readonly callsPerMinute: number
  readonly maxDurationS: number | null
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

export type ListenPort = number | 'off'

export type AddressesValue = string | readonly string[]

export interface UserRow {
  readonly name: string
  readonly password: string | null
  readonly passwordFile: string | null
  readonly ha1: Readonly<Record<string, unknown>> | null
  /** Checked by the schema, defaults not filled in. */
  readonly account: Readonly<Record<string, unknown>> | null
  readonly numbers: readonly string[]
  readonly callerId: string | null
  readonly limits: Readonly<Record<string, unknown>> | null
}

/** What the profile leaves open is 0. */
export interface TrunkRow extends Omit<TrunkProfile, 'ptimeMs' | 'sessionExpiresS'> {
  readonly name: string
  readonly profile: ProfileName
  readonly ptimeMs: number
  readonly sessionExpiresS: number
  readonly host: string
  readonly port: number | null
  readonly transport: TrunkTransport
  /** Checked by the schema, defaults not filled in. */
  readonly tls: Readonly<Record<string, unknown>> | null
  readonly account: Readonly<Record<string, unknown>> | null
  readonly inbound: Readonly<Record<string, unknown>> | null
  readonly optionsS: number
  readonly maxCalls: number
  readonly sources: readonly string[]
  readonly mediaPorts: 'per-call' | 'shared'
  readonly userNumbers: boolean
  readonly callerId: string | null
  readonly limits: Readonly<Record<string, unknown>> | null
  readonly trusted: boolean
}

export interface GroupRow {
  readonly name: string
  /** Checked by the schema, defaults not filled in. */
  readonly trunks: readonly Readonly<Record<string, unknown>>[]
}

export interface RouteRow {
  readonly from: string | null
  readonly prefix: string
  readonly pattern: string | null
  readonly strip: number
  readonly add: string
  readonly replace: string | null
  readonly trunk: string | null
  readonly users: readonly string[]
}
