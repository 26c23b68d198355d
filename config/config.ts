import type {
  EmergencyConfig,
  LimitsConfig,
  NumbersConfig,
  RouteConfig,
  TrunkLimits,
  UserLimits,
} from './routing-config.ts'
import type { Secret } from './secret.ts'
import type { ProfileName, TrunkProfile } from './trunk-profiles.ts'

export type {
  EmergencyConfig,
  LimitsConfig,
  NumbersConfig,
  PartyLimits,
  RouteConfig,
} from './routing-config.ts'

/** The whole configuration, validated, deep-frozen. One meaning per key; docs and defaults are in `schema.ts`. */
export interface Config {
  /** Host part of our users' addresses of record, lower case. */
  readonly domain: string
  /** True only when no config file was given. */
  readonly demo: boolean
  readonly web: WebConfig
  readonly udp: UdpConfig
  /** undefined: no SIP over TCP. */
  readonly tcp: TcpConfig | undefined
  /** undefined: no SIP over TLS. */
  readonly tls: TlsConfig | undefined
  readonly users: readonly UserConfig[]
  readonly trunks: readonly TrunkConfig[]
  readonly numbers: NumbersConfig
  readonly groups: readonly GroupConfig[]
  /** undefined: no number is one. */
  readonly emergency: EmergencyConfig | undefined
  readonly limits: LimitsConfig
  /** First match wins; tried after local users. */
  readonly routes: readonly RouteConfig[]
  readonly registration: RegistrationConfig
  /** Defined when a PBX keeps the registrations of users; undefined when we do. */
  readonly upstream?: UpstreamConfig | undefined
  readonly calls: CallsConfig
  readonly media: MediaConfig
  readonly dscp: DscpConfig
  readonly dns: DnsConfig
  /** undefined: browsers get no TURN server. */
  readonly turn?: TurnConfig | undefined
  readonly admin: AdminConfig
  /** undefined: no listener of their own. */
  readonly metrics: MetricsConfig | undefined
  /** File of call records; undefined: they go into the log. */
  readonly cdr: { readonly file: string | undefined }
  readonly log: LogConfig
}

/** HTTPS + WSS and HTTP + WS listeners: softphone page, `/healthz` and SIP over WebSocket share each. */
export interface WebConfig {
  /** undefined: no such listener. */
  readonly https:
    | {
        readonly host: string
        readonly port: number
        readonly certificate: string | undefined
        readonly key: string | undefined
        /** Every connection begins with a PROXY protocol header, and comes from a trusted proxy. */
        readonly proxyProtocol?: boolean
      }
    | undefined
  readonly http:
    | { readonly host: string; readonly port: number; readonly proxyProtocol?: boolean }
    | undefined
  /** More of them. */
  readonly listeners: readonly WebListenerConfig[]
  /** A Unix socket for page and WS, beside or instead of ports; for a reverse proxy on this host. */
  readonly unixSocket: string | undefined
  /** What stands before every path: empty, or `/a/b`. */
  readonly path: string
  /** Addresses and networks whose X-Forwarded-For and PROXY headers are believed. */
  readonly trustedProxies: readonly string[]
  /** Serve the softphone page at `/`. */
  readonly page: boolean
  /** Allowed `Origin` values for WebSockets beside our own; `*` allows all. */
  readonly origins: readonly string[]
  readonly pingMs: number
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly maxMessageBytes: number
  /** Bytes queued towards one slow WebSocket before it is cut. */
  readonly maxBufferedBytes: number
}

export interface WebListenerConfig {
  readonly host: string
  readonly port: number
  /** Files, both or none: then it is clear text. */
  readonly certificate: string | undefined
  readonly key: string | undefined
  readonly proxyProtocol: boolean
}

/** SIP over UDP towards trunks. */
export interface UdpConfig {
  /** Addresses; 0.0.0.0 and :: stand for all of their family. */
  readonly host: readonly string[]
  readonly port: number
  /** Addresses in Via, Contact and SDP when they differ from the bound ones (1:1 NAT), at most one of each family. */
  readonly announced: readonly string[]
}

/** SIP over TCP: where trunks connect to us, and where our connections begin. */
export interface TcpConfig {
  /** Addresses; 0.0.0.0 and :: stand for all of their family. */
  readonly host: readonly string[]
  readonly port: number
}

export interface TlsConfig extends TcpConfig {
  /** Files. */
  readonly certificate: string
  readonly key: string
}

export interface UserConfig {
  /** User part of the AOR and digest user name. */
  readonly name: string
  /** This, `ha1`, or neither for a user who signs in by token only. */
  readonly password: Secret | undefined
  /** H(A1) in lower-case hex for the realm `domain`, by algorithm. */
  readonly ha1?: Readonly<Partial<Record<'MD5' | 'SHA-256' | 'SHA-512-256', Secret>>> | undefined
  /** Numbers that ring the user; they may show any of them, and show the first. */
  readonly numbers?: readonly string[]
  /** Shown instead of the first number; `anonymous`: nothing is. */
  readonly callerId?: string | undefined
  readonly limits?: Partial<UserLimits> | undefined
  /** Defined for each user where the gateway signs in to the PBX. */
  readonly account?: UserAccountConfig | undefined
}

/** The account of a user at the PBX. */
export interface UserAccountConfig {
  readonly user: string
  readonly password: Secret
  /** Answer challenges that know nothing better. */
  readonly md5: boolean
}

/** `auto`: as the DNS says (RFC 3263). */
export type TrunkTransport = 'udp' | 'tcp' | 'tls' | 'auto'

/** Its profile's values, each where the trunk itself says nothing else. */
export interface TrunkConfig extends TrunkProfile {
  readonly name: string
  /** For logs; its values are here. */
  readonly profile: ProfileName
  /** IP address or host name of the peer. */
  readonly host: string
  /** undefined: as SRV records say, else the usual one. */
  readonly port: number | undefined
  readonly transport: TrunkTransport
  /** Defined for transports tls and auto. */
  readonly tls: TrunkTlsConfig | undefined
  /** Our account at the peer, when it asks. */
  readonly account: TrunkAccountConfig | undefined
  /** Seconds between two OPTIONS that ask whether the peer lives; 0: it is not asked. */
  readonly optionsS: number
  /** How its requests are known beside their source; undefined: by that alone. */
  readonly inbound: TrunkInboundConfig | undefined
  /** Calls at a time, both ways; 0: any number. */
  readonly maxCalls: number
  /** Addresses and networks that requests are accepted from; empty: all addresses of `host`. */
  readonly sources: readonly string[]
  /** Whether its calls have media ports of their own, or share a pair as long as its packets come from where its SDP says. */
  readonly mediaPorts: 'per-call' | 'shared'
  /** Show a number of the calling user, where there is one (default). */
  readonly userNumbers?: boolean
  /** User part of From else; undefined: the caller's user name. */
  readonly callerId: string | undefined
  readonly limits?: Partial<TrunkLimits> | undefined
  /** Believe its P-Asserted-Identity, and send it ours (RFC 3325). */
  readonly trusted: boolean
}

export interface TrunkTlsConfig {
  /** The domain the peer's certificate must be for (RFC 5922), and the server name sent. */
  readonly name: string
  /** File of the authorities that are believed; undefined: the usual ones. */
  readonly ca: string | undefined
  /** Files of a certificate of ours, both or none. */
  readonly certificate: string | undefined
  readonly key: string | undefined
  readonly alpn: boolean
  readonly wildcards: boolean
  /** Connections that the peer opens must show a certificate for `name` too. */
  readonly requireCertificate: boolean
  readonly minVersion: '1.2' | '1.3'
}

export interface TrunkAccountConfig {
  readonly user: string
  /** Name that answers challenges; left out: `user`. */
  readonly authUser?: string | undefined
  /** Host part of addresses there, lower case; left out: `host`. */
  readonly domain?: string | undefined
  readonly password: Secret
  /** Answer challenges that know nothing better. */
  readonly md5: boolean
  /** Keep a registration at the trunk. */
  readonly register: boolean
  readonly expiresS: number
  /** Register all numbers of the account at once (RFC 6140). */
  readonly bulk: boolean
}

export interface TrunkInboundConfig {
  /** Host of the Request-URI or To of its requests, lower case. */
  readonly domain: string | undefined
  /** Who it proves to be by digest. */
  readonly credentials: TrunkInboundCredentials | undefined
}

export interface TrunkInboundCredentials {
  readonly user: string
  readonly password: Secret
  /** MD5 is taken too. */
  readonly md5: boolean
  /** Nothing else is asked for. */
  readonly md5Only: boolean
}

/** Trunks of which one stands in for another. */
export interface GroupConfig {
  readonly name: string
  /** Tried by priority, and within one drawn by weight. */
  readonly trunks: readonly { readonly trunk: string; readonly priority: number; readonly weight: number }[]
}

/** The PBX that users are registered at. */
export interface UpstreamConfig {
  /** How it is reached; no route leads there, and its name is reserved. */
  readonly trunk: TrunkConfig
  /** Who signs in there: `browser`, by requests that pass, or `gateway`, by `users[].account`. */
  readonly credentials: 'browser' | 'gateway'
  /** Host part of addresses of record there; for credentials `gateway`. */
  readonly domain: string
  /** Our socket for it, no trunk's. */
  readonly local: UdpConfig
  /** Our certificate on that socket; defined for transport tls. */
  readonly certificate: { readonly certificate: string; readonly key: string } | undefined
  /** Contact stays the browser's, and Path leads to us. */
  readonly path: boolean
  readonly expiresS: number
  readonly graceS: number
}

export interface RegistrationConfig {
  readonly minExpiresS: number
  readonly maxExpiresS: number
  readonly maxBindingsPerUser: number
  readonly maxFlowsPerUser: number
  readonly maxBindings: number
  readonly nonceLifetimeS: number
  /** Offer MD5 beside SHA-512-256 and SHA-256 (last of the challenges). */
  readonly md5: boolean
  /** undefined: no sign-in by token. */
  readonly jwt?: JwtConfig | undefined
}

/** JSON Web Tokens as `Authorization: Bearer` (RFC 8898). */
export interface JwtConfig {
  /** HS256 with a secret, RS256 and ES256 with a JSON Web Key Set; the file has been checked once, and may change. */
  readonly key:
    | { readonly kind: 'secret'; readonly secret: Secret }
    | { readonly kind: 'jwks'; readonly file: string }
  readonly issuer: string
  readonly audience: string
  /** The claim that holds the name of a user of ours. */
  readonly userClaim: string
  readonly clockToleranceS: number
  /** https URL, told in challenges. */
  readonly authzServer: string | undefined
  readonly scope: string | undefined
}

export interface CallsConfig {
  readonly maxCalls: number
  readonly ringTimeoutS: number
  /** How long a trunk may be silent, and how long it may take until it rings, where there is another to try. */
  readonly attemptS: number
  readonly progressS: number
  readonly maxDurationS: number
  /** How long a call may go on without the WebSocket of its browser; without audio it ends before. */
  readonly lostConnectionS: number
  /** Session-Expires that we ask for and the most that we grant (RFC 4028). */
  readonly sessionExpiresS: number
  /** How many calls are remembered after their end, and how long. */
  readonly keepCalls: number
  readonly keepCallsS: number
  /** How long SIGTERM waits for calls after BYE. */
  readonly drainTimeoutS: number
}

export interface MediaConfig {
  /** Local addresses for browser media; each becomes a candidate. Default: every own address; in demo mode loopback too. */
  readonly addresses: readonly string[]
  /** Addresses that replace the local ones of their family in candidates (1:1 NAT), at most one of each. */
  readonly announced: readonly string[]
  /** Threads of the packet path; a call stays on one. */
  readonly threads: number
  /** UDP port shared by all browser legs of the first thread, the next one of the second, and so on; 0: each picks one. */
  readonly webrtcPort: number
  readonly rtpPortMin: number
  readonly rtpPortMax: number
  /** How long an RTP port rests after a call. */
  readonly portRestS: number
  /** How long a trunk may send from another address than its SDP says before the source is fixed. */
  readonly latchMs: number
  readonly iceTimeoutS: number
  readonly dtlsTimeoutS: number
  /** No authenticated connectivity check for this long ends the call (RFC 7675). */
  readonly consentTimeoutS: number
  /** No RTP and no RTCP of a peer that should speak for this long ends the call; 0: it never does. */
  readonly rtpTimeoutS: number
  /** The same while either side holds. */
  readonly rtpHoldTimeoutS: number
  /** Percent of a core that the packet path may take; above it new calls are refused, but emergency calls. */
  readonly maxLoad: number
  /** Longest time in microseconds that packets wait for each other under load; 0: they never do. */
  readonly gatherUs: number
}

/** Code points (RFC 2474) of what we send; 0: not marked. */
export interface DscpConfig {
  readonly media: number
  readonly sip: number
}

export interface DnsConfig {
  /** `address` or `address:port`; empty: those of the machine. */
  readonly servers: readonly string[]
}

/** TURN servers for browsers behind firewalls that let no UDP to us. */
export interface TurnConfig {
  /** `turn:` and `turns:` URLs. */
  readonly urls: readonly string[]
  /** Shared with the TURN servers (coturn: `static-auth-secret`). */
  readonly secret: Secret
  /** How long credentials are good. */
  readonly lifetimeS: number
}

/** What the command line asks the daemon by. */
export interface AdminConfig {
  /** Path of a Unix socket; undefined: none. */
  readonly socket: string | undefined
}

export interface MetricsConfig {
  readonly host: string
  readonly port: number
  /** undefined only where nobody but this machine can ask. */
  readonly token: Secret | undefined
}

export interface LogConfig {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly format: 'json' | 'pretty'
}
