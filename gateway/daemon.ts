import { hostname } from 'node:os'
import type { Config } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import { UPSTREAM } from '../config/upstream.ts'
import type { MediaEngine } from '../media/engine.ts'
import { announcedFor } from '../media/host-candidates.ts'
import { native } from '../media/native/index.ts'
import { createNativeEngine } from '../media/native-engine.ts'
import type { Flow } from '../sip/flow.ts'
import type { SipRequest } from '../sip/message.ts'
import { MIN_SESSION_S } from '../sip/session-terms.ts'
import { WebSocketTransport } from '../sip/transport/wss.ts'
import { createUserAgent, type IncomingRequest, type UserAgent } from '../sip/user-agent.ts'
import { ownAddresses } from './addresses.ts'
import { Admin, PlainText } from './admin.ts'
import { answerAboutCalls, type Listening } from './call-answers.ts'
import { Calls } from './calls.ts'
import { CdrWriter, cdrOf } from './cdr.ts'
import { type KeyPair, readKeyPair, watchCertificate } from './certificate.ts'
import { warnOfClearKeys } from './clear-keys.ts'
import { ClientAddresses } from './client-addresses.ts'
import { Dns } from './dns.ts'
import { systemEnvironment } from './environment.ts'
import { Homes } from './homes.ts'
import { createIceServers } from './ice-servers.ts'
import { createTokenVerifier } from './jwt.ts'
import { createLadder } from './ladder-endpoint.ts'
import { LadderTickets } from './ladder-tickets.ts'
import { Metrics } from './metrics.ts'
import { openMetrics } from './metrics-server.ts'
import type { Registrar } from './registrar.ts'
import { registrarMode } from './registrar-mode.ts'
import { Relay } from './relay.ts'
import { SocketMarks } from './socket-marks.ts'
import { Strangers } from './strangers.ts'
import { TokenGate } from './token-gate.ts'
import { sessionExpiresOf, type TrunkTable } from './trunk.ts'
import { TrunkChoice } from './trunk-choice.ts'
import { TrunkDoor } from './trunk-door.ts'
import { createTrunkTable, TrunkLookup } from './trunk-lookup.ts'
import { trunkReport } from './trunk-report.ts'
import { TrunkStates } from './trunk-states.ts'
import { STRANGER, TrunkTransports } from './trunk-transports.ts'
import { TrunkWatch } from './trunk-watch.ts'
import { TrustedProxies } from './trusted-proxies.ts'
import { TurnCredentials } from './turn.ts'
import { onlyUpstream, UpstreamLine } from './upstream-line.ts'
import { openWeb, type WebServer } from './web.ts'

export interface Daemon {
  readonly web: WebServer
  /** Looks at the files of certificate and token keys now; nothing else is read again. Never rejects. */
  reload(): Promise<void>
  /** Ends calls with BYE, waits for them at most the configured time, and closes everything. */
  stop(): Promise<void>
}

export interface DaemonOptions {
  /** `webtrunk/0.1.0`, for Server and User-Agent. */
  readonly product: string
  /** Folder of the built softphone page. */
  readonly pagesFolder: string
}

const WEBSOCKET_PATH = '/sip'
const COUNTERS_LOG_MS = 60_000
const DRAIN_POLL_MS = 50
const CERTIFICATE_DAYS = 30

/** Limits of the SIP tables; each call takes about four transactions and two dialogs. */
const TRANSACTIONS_PER_CALL = 16
const DIALOGS_PER_CALL = 4

/** Builds every part from the configuration, joins them and starts. What was opened is closed again when a later part fails. */
export async function startDaemon(config: Config, log: Log, options: DaemonOptions): Promise<Daemon> {
  const opened: (() => unknown)[] = []
  try {
    return await compose(config, log, options, opened)
  } catch (error) {
    for (const close of opened.reverse()) await close()
    throw error
  }
}

async function compose(
  config: Config,
  log: Log,
  options: DaemonOptions,
  opened: (() => unknown)[],
): Promise<Daemon> {
  const environment = systemEnvironment
  const engine = createEngine(config, log)
  opened.push(() => engine.close())
  const { upstream } = config
  const ownTrunk = upstream === undefined ? [] : [upstream.trunk]
  warnOfClearKeys([...config.trunks, ...ownTrunk], log)
  const dns = new Dns(config.dns.servers)
  opened.push(() => dns.close())
  const trunks = createTrunkTable(config, dns, environment.nowMs)
  const pbx = createTrunkTable(
    upstream === undefined ? { ...config, trunks: [] } : onlyUpstream(config, upstream),
    dns,
    environment.nowMs,
  )
  const lookups = [trunks, pbx].map((table) => new TrunkLookup({ trunks: table, environment, log }))
  opened.push(() => {
    for (const lookup of lookups) lookup.close()
  })
  await Promise.all(lookups.map((lookup) => lookup.refresh()))
  const states = new TrunkStates(environment.nowMs)
  const choice = new TrunkChoice({ trunks, groups: config.groups, states, chance: Math.random })
  const door = new TrunkDoor({ config, trunks, environment })
  const { jwt } = config.registration
  const verifier = jwt === undefined ? undefined : await createTokenVerifier({ config: jwt, log })
  opened.push(() => verifier?.close())
  const onError = (error: unknown, request: SipRequest | undefined): void =>
    log.error('internal error', { error, method: request?.method, callId: request?.callId })
  const tokens = new TokenGate(verifier, onError)
  const turn = config.turn === undefined ? undefined : new TurnCredentials(config.turn)
  const tickets = new LadderTickets(environment.nowMs)

  const userAgent: UserAgent = createUserAgent({
    environment,
    product: options.product,
    sentBy: (flow) => sentBy(config, flow),
    credentialsFor: (flow, request) => mode.accountFor(flow, request) ?? trunks.ofFlow(flow)?.config.account,
    // JsSIP asks for the least there is and gives up when it is refused; a trunk that asks for it loses nothing by it.
    sessionTimer: {
      expiresOf: (flow) => sessionExpiresOf(config, pbx.ofFlow(flow) === undefined ? trunks : pbx, flow),
      minSeOf: () => MIN_SESSION_S,
    },
    limits: {
      maxServerTransactions: mostCalls(config) * TRANSACTIONS_PER_CALL,
      maxClientTransactions: mostCalls(config) * TRANSACTIONS_PER_CALL,
      maxDialogs: mostCalls(config) * DIALOGS_PER_CALL,
      maxForks: 16,
    },
    handler: {
      onInvite: (invite) => tokens.passInvite(invite, () => calls.onInvite(invite)),
      onSubscribe: (subscribe) => tokens.passSubscribe(subscribe, () => relay.onSubscribe(subscribe)),
      onRequest: (request) => tokens.passRequest(request, () => onRequest(request, mode.registrar, relay)),
      onForeign: (foreign) => tokens.passRequest(foreign, () => homes.onForeign(foreign)),
      onError,
    },
  })
  opened.push(() => userAgent.close())
  const records = new CdrWriter(config.cdr.file, log)
  const metrics = new Metrics({
    calls: () => calls.size,
    registrations: () => mode.registrar.size,
    webSockets: () => sockets.connectionCount,
    trunks: () => new Map(config.trunks.map(({ name }) => [name, states.healthOf(name)])),
    trunkRegistrations: () =>
      new Map(
        config.trunks.flatMap(({ name }) => {
          const isRegistered = trunkWatch.isRegistered(name)
          return isRegistered === undefined ? [] : [[name, isRegistered] as const]
        }),
      ),
    drops: () => ({
      sip: userAgent.counters(),
      media: engine.counters(),
      websocket: sockets.counters(),
      strangers: strangers.counters(),
    }),
  })
  opened.push(() => records.close())
  const line =
    upstream === undefined
      ? undefined
      : new UpstreamLine({
          config: upstream,
          trunks: pbx,
          flowTo: (path) => {
            if (pbxTransports === undefined) throw new Error('a PBX without sockets')
            return pbxTransports.flowTo(path)
          },
          sentBy: (flow) => sentBy(config, flow),
        })
  const mode = registrarMode({
    config,
    environment,
    log,
    userAgent,
    tokens,
    turn,
    tickets,
    line,
    onRegistered: (registered) => homes.registered(registered),
  })
  opened.push(() => mode.registrar.close())
  const calls = new Calls({
    config,
    onReport: (report) => {
      records.write(cdrOf(report))
      metrics.ended(report)
    },
    userAgent,
    engine,
    environment,
    log,
    registration: mode.registrar,
    trunks,
    choice,
    states,
    door,
    upstream: mode.upstream,
    flowTo: (path) => transports.flowTo(path),
  })

  const relay = new Relay({
    config,
    userAgent,
    environment,
    log,
    registration: mode.registrar,
    trunks,
    choice,
    door,
    upstream: mode.upstream,
    flowTo: (path) => transports.flowTo(path),
  })

  const homes = new Homes({
    userAgent,
    relay,
    registration: mode.registrar,
    environment,
    log,
    lostConnectionS: config.calls.lostConnectionS,
  })
  opened.push(() => homes.close())

  const receive = (bytes: Buffer, flow: Flow): void => userAgent.receive(bytes, flow)
  const marks = new SocketMarks(config.dscp.sip, log)
  const strangers = new Strangers({ nowMs: environment.nowMs, log })
  const openTransports = async (forConfig: Config, table: TrunkTable): Promise<TrunkTransports> => {
    const made = await TrunkTransports.open({
      config: forConfig,
      trunks: table,
      token: environment.token,
      log,
      onSocket: marks.mark,
      onTrouble: (trunk, reason) => states.noteTrouble(trunk, reason),
      handler: {
        onMessage: (bytes, flow) =>
          flow.scope === STRANGER ? strangers.receive(bytes, flow) : receive(bytes, flow),
        onClose: (flow) => userAgent.flowClosed(flow),
      },
    })
    opened.push(() => made.close())
    return made
  }
  const transports = await openTransports(config, trunks)
  const pbxTransports =
    upstream === undefined ? undefined : await openTransports(onlyUpstream(config, upstream), pbx)
  const clients = new ClientAddresses(new TrustedProxies(config.web.trustedProxies))
  const trunkWatch = new TrunkWatch({
    config,
    trunks,
    choice,
    states,
    userAgent,
    environment,
    log,
    flowTo: (path) => transports.flowTo(path),
    sentBy: (flow) => sentBy(config, flow),
  })
  const sockets = new WebSocketTransport({
    origins: config.web.origins,
    token: environment.token,
    limits: {
      maxConnections: config.web.maxConnections,
      maxConnectionsPerAddress: config.web.maxConnectionsPerAddress,
      maxMessageBytes: config.web.maxMessageBytes,
      maxBufferedBytes: config.web.maxBufferedBytes,
      pingMs: config.web.pingMs,
    },
    clientOf: (request) => clients.of(request),
    handler: {
      onOpen: (flow) => log.debug('websocket opened', { source: flow.remote.address }),
      onMessage: receive,
      onClose: (flow) => {
        userAgent.flowClosed(flow)
        mode.registrar.flowClosed(flow)
        relay.flowClosed(flow)
        homes.flowClosed(flow)
        log.debug('websocket closed', { source: flow.remote.address })
      },
    },
  })
  opened.push(() => sockets.close())

  let isDraining = false
  const web = await openWeb({
    config: config.web,
    keyPairOf: async (files) => (files === undefined ? selfSigned(config) : readKeyPair(files)),
    pagesFolder: options.pagesFolder,
    health: () => ({
      status: isDraining ? 'draining' : 'ok',
      calls: calls.size,
      registrations: mode.registrar.size,
      trunks: trunkWatch.counts(),
      ...(mode.counts() === undefined ? {} : { extensions: mode.counts() }),
    }),
    clients,
    ladder: createLadder({ history: calls.history, tickets }),
    iceServers:
      turn === undefined || mode.registration === undefined
        ? undefined
        : createIceServers({ registration: mode.registration, turn, log, clients }),
    attach: (server) => sockets.attach(server, `${config.web.path}${WEBSOCKET_PATH}`),
  })
  // A server waits for its upgraded connections, and closes none of them.
  opened.push(() => {
    sockets.close()
    return web.close()
  })

  const watches = web.certificates.map(({ files, use }) => watchCertificate(files, use, log))
  opened.push(() => {
    for (const watch of watches) watch.close()
  })
  const trunkFiles = config.tls ?? upstream?.certificate
  const useTrunkCertificate = (pair: KeyPair): void => {
    transports.useCertificate(pair)
    pbxTransports?.useCertificate(pair)
  }
  const trunkCertificate =
    trunkFiles === undefined ? undefined : watchCertificate(trunkFiles, useTrunkCertificate, log)
  opened.push(() => trunkCertificate?.close())

  const [lookup, pbxLookup] = lookups
  lookup?.keep(() => transports.refresh())
  pbxLookup?.keep(() => pbxTransports?.refresh())
  const counting = setInterval(
    () =>
      logCounters(log, {
        calls,
        userAgent,
        engine,
        sockets,
        strangers,
        door,
        transports,
        pbxTransports,
        marks,
      }),
    COUNTERS_LOG_MS,
  )
  opened.push(() => clearInterval(counting))

  const admin = new Admin(log)
  opened.push(() => admin.close())
  answerAboutCalls(admin, calls.history)
  admin.handle('trunks', () =>
    trunkReport({
      trunks,
      groups: config.groups,
      states,
      callsOver: (trunk) => calls.callsOver(trunk),
      isRegistered: (trunk) => trunkWatch.isRegistered(trunk),
      wallTime: (atMs) => new Date(Date.now() - (environment.nowMs() - atMs)),
    }),
  )
  admin.handle('listening', () => listeningOf(config, web))
  admin.handle('metrics', async () => new PlainText(metrics.contentType, await metrics.text()))
  const scraped = config.metrics === undefined ? undefined : await openMetrics(config.metrics, metrics, log)
  opened.push(() => scraped?.close())
  admin.handle('registrations', () => mode.registrar.list())
  if (config.admin.socket !== undefined) await admin.listen(config.admin.socket)

  logListening(
    log,
    web,
    { transports, pbxTransports },
    {
      ...(config.admin.socket === undefined ? {} : { admin: config.admin.socket }),
      ...(scraped === undefined ? {} : { metrics: scraped.port }),
    },
  )
  trunkWatch.start()
  const reload = async (): Promise<void> => {
    records.reopen()
    await Promise.all([
      ...watches.map((watch) => watch.reload()),
      trunkCertificate?.reload(),
      verifier?.reload(),
    ])
  }
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    isDraining = true
    const inS = (seconds: number): number => environment.nowMs() + seconds * 1_000
    const emergencyDeadlineMs = inS(config.emergency?.drainTimeoutS ?? 0)
    relay.close()
    await within(inS(config.calls.drainTimeoutS), calls.drain())
    // Whoever is on the phone with the fire brigade stays, and who has to call it now can.
    await within(emergencyDeadlineMs, calls.over())
    calls.end()
    const deadlineMs = inS(config.calls.drainTimeoutS)
    await within(deadlineMs, Promise.all([calls.over(), trunkWatch.stop(), mode.stop()]))
    homes.close()
    await answered(userAgent, deadlineMs)
    logCounters(log, { calls, userAgent, engine, sockets, strangers, door, transports, pbxTransports, marks })
    for (const close of opened.reverse()) await close()
  }
  return { web, reload, stop: () => (stopped ??= stop()) }
}

/** Emergency calls have places of their own. */
const mostCalls = ({ calls, emergency }: Config): number => calls.maxCalls + (emergency?.maxCalls ?? 0)

function createEngine(config: Config, log: Log): MediaEngine {
  const { media } = config
  const options = {
    addresses: media.addresses,
    announced: media.announced,
    webrtcPort: media.webrtcPort,
    rtpPortMin: media.rtpPortMin,
    rtpPortMax: media.rtpPortMax,
    portRestMs: media.portRestS * 1_000,
    latchMs: media.latchMs,
    iceTimeoutMs: media.iceTimeoutS * 1_000,
    dtlsTimeoutMs: media.dtlsTimeoutS * 1_000,
    consentTimeoutMs: media.consentTimeoutS * 1_000,
    maxSessions: mostCalls(config),
    dscp: config.dscp.media,
  }
  return createNativeEngine(options, { report: (error) => log.error('internal error in media', { error }) })
}

/** Via and Contact: towards a trunk the address it can reach, towards a browser our name (it answers on its WebSocket). */
function sentBy(config: Config, flow: Flow): { readonly host: string; readonly port: number | undefined } {
  if (flow.transport === 'ws' || flow.transport === 'wss') return { host: config.domain, port: undefined }
  const isPbx = flow.scope === `trunk:${UPSTREAM}`
  const { announced } = (isPbx ? config.upstream?.local : undefined) ?? config.udp
  return { host: announcedFor(flow.local.address, announced), port: flow.local.port }
}

/** Requests outside calls: REGISTER from browsers; all else is relayed or answered in its place. */
function onRequest(incoming: IncomingRequest, registrar: Registrar, relay: Relay): void {
  const { request, flow } = incoming
  const isBrowser = flow.transport === 'ws' || flow.transport === 'wss'
  if (request.method !== 'REGISTER' || !isBrowser) {
    relay.onRequest(incoming)
    return
  }
  registrar.onRegister(incoming)
}

/** For the demo. */
function selfSigned(config: Config): KeyPair {
  const { certificatePem, privateKeyPem } = native.createCertificate({
    commonName: config.domain,
    days: CERTIFICATE_DAYS,
    names: ['localhost', hostname(), ...ownAddresses('IPv4', true), ...ownAddresses('IPv6', true)],
  })
  return { cert: certificatePem, key: privateKeyPem }
}

interface Counted {
  readonly calls: Calls
  readonly userAgent: UserAgent
  readonly engine: MediaEngine
  readonly sockets: WebSocketTransport
  readonly strangers: Strangers
  readonly door: TrunkDoor
  readonly transports: TrunkTransports
  readonly pbxTransports: TrunkTransports | undefined
  readonly marks: SocketMarks
}

/** Drops are counters; this is where they become visible. */
function logCounters(log: Log, counted: Counted): void {
  const { calls, userAgent, engine, sockets, strangers, door, transports, pbxTransports, marks } = counted
  // As many as there are users: for who asks, not for every minute.
  const { placed: _, ...limits } = calls.counters()
  log.info('counters', {
    limits,
    sip: userAgent.counters(),
    media: engine.counters(),
    websocket: sockets.counters(),
    strangers: strangers.counters(),
    trunkSignIns: door.counters(),
    dscp: marks.counters(),
    tables: { ...userAgent.tables(), ...engine.tables() },
    ...transports.counters(),
    ...(pbxTransports === undefined ? {} : { upstream: pbxTransports.counters() }),
  })
}

function logListening(
  log: Log,
  web: WebServer,
  { transports, pbxTransports }: Pick<Counted, 'transports' | 'pbxTransports'>,
  others: Readonly<Record<string, unknown>>,
): void {
  log.info('listening', {
    ...(web.https === undefined ? {} : { https: web.https.port }),
    ...(web.http === undefined ? {} : { http: web.http.port }),
    ...(web.others.length === 0 ? {} : { others: web.others }),
    ...(web.unixSocket === undefined ? {} : { unixSocket: web.unixSocket }),
    ...transports.listening(),
    ...(pbxTransports === undefined ? {} : { upstream: pbxTransports.listening() }),
    ...others,
  })
}

/** By the domain, so that the certificate fits; in clear text on this machine only. */
function listeningOf({ domain, web: { path } }: Config, web: WebServer): Listening {
  const rest = `${path}${WEBSOCKET_PATH}`
  const url =
    web.https !== undefined
      ? `wss://${domain}:${web.https.port}${rest}`
      : web.http !== undefined
        ? `ws://127.0.0.1:${web.http.port}${rest}`
        : undefined
  return { domain, url }
}

/** Waits for a promise, at most until the deadline. */
async function within(deadlineMs: number, promise: Promise<unknown>): Promise<void> {
  let cancel = (): void => {}
  const deadline = new Promise<void>((resolve) => {
    cancel = systemEnvironment.schedule(deadlineMs, resolve)
  })
  await Promise.race([promise, deadline])
  cancel()
}

/** BYEs want their answers: waits until every dialog is over and no request of ours is without one, or for the deadline. */
async function answered(userAgent: UserAgent, deadlineMs: number): Promise<void> {
  const isWaiting = (): boolean => {
    const { unansweredRequests = 0, dialogs = 0 } = userAgent.tables()
    return unansweredRequests > 0 || dialogs > 0
  }
  while (isWaiting() && systemEnvironment.nowMs() < deadlineMs) {
    await new Promise<void>((resolve) => {
      systemEnvironment.schedule(systemEnvironment.nowMs() + DRAIN_POLL_MS, resolve)
    })
  }
}
