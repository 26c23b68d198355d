import { constants } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import * as http from 'node:http'
import * as https from 'node:https'
import { type AddressInfo, isIPv6, type Socket } from 'node:net'
import { extname, join } from 'node:path'
import type { WebConfig } from '../../config/config.ts'
import type { SocketAddress } from '../../sip/flow.ts'
import type { CertificateFiles, KeyPair } from './certificate.ts'
import type { ClientAddresses } from './client-addresses.ts'
import { Connections } from './connections.ts'
import { closeNow, listenAt, listenAtPath } from './listening.ts'
import { expectProxyHeader } from './proxy-header.ts'
import { RequestLimits } from './request-limits.ts'
import { type Content, type Endpoint, jsonContent, respond } from './respond.ts'
import { type WebListener, webListenersOf } from './web-listeners.ts'

export interface Health {
  /** `media-stalled`: a media thread does not answer, and its calls carry nothing. */
  readonly status: 'ok' | 'draining' | 'media-stalled'
  readonly calls: number
  readonly registrations: number
  /** Share of the last second that the packet path worked, 0 to 1. */
  readonly mediaLoad: number
  /** How many trunks are in which state; absent where there are none to tell of. */
  readonly trunks?: Readonly<Record<string, number>>
  /** How many users' extensions we keep registered at the PBX; absent where we keep none. */
  readonly extensions?: Readonly<Record<string, number>>
}

export interface WebOptions {
  readonly config: WebConfig
  /** For an https listener; without files, one that has no certificate of its own. Rejects when the files cannot be used. */
  readonly keyPairOf: (files: CertificateFiles | undefined) => Promise<KeyPair>
  /** Folder of the built page. */
  readonly pagesFolder: string
  readonly health: () => Health
  /** Answers `/ice-servers`; undefined where there is no TURN server. */
  readonly iceServers?: Endpoint | undefined
  /** Answers `/ladder`. */
  readonly ladder?: Endpoint | undefined
  /** Says who is a proxy, and is told whom PROXY headers name. */
  readonly clients: ClientAddresses
  /** Takes the server's WebSocket upgrades. */
  readonly attach: (server: http.Server | https.Server) => void
  /** How long a connection on which nothing moves, in either direction, is kept; defaults to 60 s. WebSockets have their pings. */
  readonly idleMs?: number
}

export interface WebServer {
  /** The ordinary listeners. */
  readonly https: AddressInfo | undefined
  readonly http: AddressInfo | undefined
  /** Where the others are found, in the order of the configuration: `https://[::]:8443`. */
  readonly others: readonly string[]
  /** Path of the Unix socket. */
  readonly unixSocket: string | undefined
  /** Every certificate there is, and how the listeners that show it are given a renewed one. */
  readonly certificates: readonly ServedCertificate[]
  /** TLS handshakes that failed, `certificateRefused` by the client, `handshakeFailed` for whatever else; and what limits refused. */
  counters(): Readonly<Record<string, number>>
  /** Stops listening and ends open connections. May be called twice. */
  close(): Promise<void>
}

export interface ServedCertificate {
  readonly files: CertificateFiles
  /** PEM of what is shown now. */
  shown(): string
  /** From now on for new connections; those that are open keep what they have. Throws for a pair that does not fit. */
  use(pair: KeyPair): void
}

interface Site {
  readonly files: ReadonlyMap<string, Content>
  readonly health: () => Health
  readonly iceServers?: Endpoint | undefined
  readonly ladder?: Endpoint | undefined
  /** What stands before every path; empty or `/a/b`. */
  readonly base: string
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The page needs scripts and styles of its own, its WebSocket and the microphone: nothing else. */
const SECURITY_HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Permissions-Policy': 'microphone=(self), camera=(), geolocation=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
}

/** Read and write for owner and group: a reverse proxy gets in by the group, nobody else does. */
const UNIX_SOCKET_MODE = 0o660

const MAX_CONNECTIONS_BESIDE_SIP = 256
/** For each client address: a browser opens six at most, an office behind NAT a few times that. */
const MAX_CONNECTIONS_BESIDE_SIP_PER_ADDRESS = 64
const HANDSHAKE_TIMEOUT_MS = 10_000
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 15_000
/** The times above are those of requests: this one is for clients that ask, and do not read what is answered. */
const IDLE_MS = 60_000
/** How often Node looks for connections past their times. */
const TIMEOUT_CHECK_MS = 5_000
/** What upgraded connections have for their goodbyes. */
const CLOSE_GRACE_MS = 1_500

const TLS = {
  minVersion: 'TLSv1.2',
  handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  // A second handshake on a connection would be none of those that are limited.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
} as const

const TIMEOUTS = {
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  connectionsCheckingInterval: TIMEOUT_CHECK_MS,
}

/** Opens the configured listeners: softphone page, `/healthz` and SIP over WebSocket on each, under `web.path`. */
export async function openWeb(options: WebOptions): Promise<WebServer> {
  const { config } = options
  const files = config.page ? await loadFiles(options.pagesFolder) : new Map<string, Content>()
  const requests = new RequestLimits((request) => options.clients.of(request).address)
  const site = { ...options, files, base: config.path }
  const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    if (requests.admit(request, response)) serve(request, response, site)
  }
  const servers: (http.Server | https.Server)[] = []
  const failures = { certificateRefused: 0, handshakeFailed: 0 }
  const isProxy = (address: string): boolean => options.clients.isProxy(address)
  const connections = new Connections(
    config.maxConnectionsPerAddress + MAX_CONNECTIONS_BESIDE_SIP_PER_ADDRESS,
    isProxy,
  )
  const onClient = (socket: Socket, client: SocketAddress): boolean => {
    options.clients.announce(socket, client)
    return isProxy(client.address) || connections.count(socket, client.address)
  }
  const prepare = <Kind extends http.Server | https.Server>(server: Kind, hasProxyHeader = false): Kind => {
    servers.push(server)
    harden(server, config, options.idleMs)
    // A broken TLS handshake or HTTP request is the peer's business; without a listener Node only closes the socket.
    server.on('tlsClientError', (error, socket) => {
      failures[isOfCertificate(error) ? 'certificateRefused' : 'handshakeFailed'] += 1
      socket.destroy()
    })
    if (hasProxyHeader) expectProxyHeader(server, { isProxy, onClient })
    connections.watch(server)
    options.attach(server)
    return server
  }
  const close = async (): Promise<void> => {
    const grace = setTimeout(() => connections.destroy(), CLOSE_GRACE_MS)
    await Promise.all(servers.splice(0).map(closeNow))
    clearTimeout(grace)
  }
  const plainServer = (): http.Server => http.createServer(TIMEOUTS, answer)
  const opened: OpenListener[] = []
  try {
    for (const listener of webListenersOf(config)) {
      const pair = listener.scheme === 'http' ? undefined : await options.keyPairOf(listener.files)
      const server =
        pair === undefined ? plainServer() : https.createServer({ ...pair, ...TLS, ...TIMEOUTS }, answer)
      const address = await listenAt(prepare(server, listener.hasProxyHeader), listener.at)
      opened.push({ ...listener, server, address, pair })
    }
    const { unixSocket } = config
    if (unixSocket !== undefined) {
      const local = prepare(plainServer())
      local.on('connection', (socket) => options.clients.trust(socket))
      await listenAtPath(local, unixSocket, UNIX_SOCKET_MODE)
    }
    const first = (scheme: WebListener['scheme']): AddressInfo | undefined =>
      opened.find((listener) => listener.isFirst && listener.scheme === scheme)?.address
    return {
      https: first('https'),
      http: first('http'),
      others: opened.filter(({ isFirst }) => !isFirst).map(({ scheme, address }) => urlOf(scheme, address)),
      unixSocket,
      certificates: certificatesOf(opened),
      counters: () => ({ ...failures, ...connections.counters(), ...requests.counters() }),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

interface OpenListener extends WebListener {
  readonly server: http.Server | https.Server
  readonly address: AddressInfo
  readonly pair: KeyPair | undefined
}

/** `https://[::]:8443` */
export const urlOf = (
  scheme: WebListener['scheme'],
  { address, port }: Pick<AddressInfo, 'address' | 'port'>,
): string => `${scheme}://${isIPv6(address) ? `[${address}]` : address}:${port}`

/** Listeners may share one, as those of IPv4 and IPv6 do. */
function certificatesOf(listeners: readonly OpenListener[]): readonly ServedCertificate[] {
  const served = new Map<string, ServedCertificate & { readonly servers: https.Server[] }>()
  for (const { files, server, pair } of listeners) {
    if (files === undefined || pair === undefined || !(server instanceof https.Server)) continue
    const key = JSON.stringify([files.certificate, files.key])
    const known = served.get(key)
    if (known === undefined) served.set(key, servedBy([server], files, pair))
    else known.servers.push(server)
  }
  return [...served.values()]
}

function servedBy(servers: https.Server[], files: CertificateFiles, first: KeyPair) {
  let shown = first
  return {
    servers,
    files,
    shown: () => shown.cert,
    use: (pair: KeyPair) => {
      for (const server of servers) server.setSecureContext({ ...pair, ...TLS })
      shown = pair
    },
  }
}

/** The client has said so by an alert (RFC 8446 §6.2): expired, of an authority it does not know, for another name. */
const isOfCertificate = (error: Error): boolean =>
  'code' in error && /_ALERT_(?:UNKNOWN_CA|(?:BAD_)?CERTIFICATE(?:_\w+)?)$/.test(String(error.code))

async function loadFiles(folder: string): Promise<ReadonlyMap<string, Content>> {
  const files = new Map<string, Content>()
  for (const name of await readdir(folder)) {
    const type = CONTENT_TYPES[extname(name)]
    if (type === undefined) continue
    const file = { type, content: await readFile(join(folder, name)) }
    files.set(`/${name}`, file)
    if (name === 'index.html') files.set('/', file)
  }
  return files
}

function serve(request: http.IncomingMessage, response: http.ServerResponse, site: Site): void {
  const { files, health, base } = site
  const asked = (request.url ?? '/').split('?')[0] ?? '/'
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    respond(response, 405, text('method not allowed\n'), SECURITY_HEADERS)
    return
  }
  if (base !== '' && asked === base) {
    // Its links are relative to a folder.
    response.writeHead(308, { ...SECURITY_HEADERS, Location: `${base}/`, 'Content-Length': 0 }).end()
    return
  }
  const path = asked.startsWith(`${base}/`) ? asked.slice(base.length) : undefined
  // Without the base too: a check of health seldom comes through the proxy.
  if (path === '/healthz' || asked === '/healthz') {
    const state = health()
    respond(response, state.status === 'ok' ? 200 : 503, jsonContent(state), SECURITY_HEADERS)
    return
  }
  if (path === '/ladder' && request.method === 'GET' && site.ladder !== undefined) {
    site.ladder(request, response)
    return
  }
  if (path === '/ice-servers' && request.method === 'GET' && site.iceServers !== undefined) {
    site.iceServers(request, response)
    return
  }
  const file = path === undefined ? undefined : files.get(path)
  if (file === undefined) {
    respond(response, 404, text('not found\n'), SECURITY_HEADERS)
    return
  }
  respond(response, 200, file, SECURITY_HEADERS)
}

const text = (content: string): Content => ({ type: 'text/plain; charset=utf-8', content })

function harden(server: http.Server | https.Server, config: WebConfig, idleMs = IDLE_MS): void {
  // Node leaves out what is beyond a count, and says nothing: then the address that a proxy appends would be what is missing. Their bytes
  // are limited (16 KiB).
  server.maxHeadersCount = 0
  server.maxConnections = config.maxConnections + MAX_CONNECTIONS_BESIDE_SIP
  // Node destroys the socket then. It sees what has left by lots, over TLS of up to 160 kB: a line must not be all too slow.
  server.setTimeout(idleMs)
}
