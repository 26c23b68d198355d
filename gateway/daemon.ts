import type { Config } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import { MIN_SESSION_S } from '../sip/dialog/session-terms.ts'
import type { Flow } from '../sip/flow.ts'
import type { SipRequest } from '../sip/message/message.ts'
import { WebSocketTransport } from '../sip/transport/wss.ts'
import { createUserAgent, type IncomingRequest, type UserAgent } from '../sip/user-agent.ts'
import { Calls } from './calls/calls.ts'
import { sipLimits } from './calls/capacity.ts'
import { Homes } from './calls/homes.ts'
import { sentBy } from './calls/sent-by.ts'
import { Admin } from './commands/admin.ts'
import { answerCommands } from './daemon-answers.ts'
import { logCounters, logListening } from './daemon-log.ts'
import { drain } from './drain.ts'
import { systemEnvironment } from './environment.ts'
import { CdrWriter, cdrOf } from './ladder/cdr.ts'
import { createLadder } from './ladder/ladder-endpoint.ts'
import { LadderTickets } from './ladder/ladder-tickets.ts'
import { metricSources } from './ladder/metric-sources.ts'
import { Metrics } from './ladder/metrics.ts'
import { openMetrics } from './ladder/metrics-server.ts'
import { openMediaEngine } from './media-engine.ts'
import { warnOfCutBuffer } from './receive-buffer-warning.ts'
import { Refusals } from './refusals.ts'
import { createTokenVerifier } from './registration/jwt.ts'
import type { Registrar } from './registration/registrar.ts'
import { registrarMode } from './registration/registrar-mode.ts'
import { TokenGate } from './registration/token-gate.ts'
import { UpstreamLine } from './registration/upstream-line.ts'
import { Relay } from './relay/relay.ts'
import { warnOfClearKeys } from './trunks/clear-keys.ts'
import { Dns } from './trunks/dns.ts'
import { Strangers } from './trunks/strangers.ts'
import { sessionExpiresOf } from './trunks/trunk.ts'
import { watchTrunkCertificates } from './trunks/trunk-certificates.ts'
import { TrunkChoice } from './trunks/trunk-choice.ts'
import { TrunkDoor } from './trunks/trunk-door.ts'
import { openTrunkSockets } from './trunks/trunk-sockets.ts'
import { TrunkStates } from './trunks/trunk-states.ts'
import { openTrunkTables } from './trunks/trunk-tables.ts'
import { STRANGER } from './trunks/trunk-transports.ts'
import { TrunkWatch } from './trunks/trunk-watch.ts'
import { readKeyPair, watchCertificate } from './web/certificate.ts'
import { ClientAddresses } from './web/client-addresses.ts'
import { createIceServers } from './web/ice-servers.ts'
import { selfSigned } from './web/self-signed.ts'
import { SocketMarks } from './web/socket-marks.ts'
import { TrustedProxies } from './web/trusted-proxies.ts'
import { TurnCredentials } from './web/turn.ts'
import { openWeb, type WebServer } from './web/web.ts'

export interface Daemon {
  readonly web: WebServer
  /** Looks at the files of certificate and token keys now; nothing else is read again. Never rejects. */
  reload(): Promise<void>
  /** Ends calls with BYE, waits for them at most the configured time, and closes everything. */
  stop(): Promise<void>
  /** Media threads that do not answer. After `stop` they still run. */
  readonly stalledThreads: number
}

export interface DaemonOptions {
  /** `webtrunk/0.1.0`, for Server and User-Agent. */
  readonly product: string
  /** Folder of the built softphone page. */
  readonly pagesFolder: string
}

const WEBSOCKET_PATH = '/sip'
const COUNTERS_LOG_MS = 60_000

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

  // Media, and what is known of trunks.
  const engine = openMediaEngine(config, log)
  opened.push(() => engine.close())
  warnOfCutBuffer(engine.receiveBuffer, log)
  const { upstream } = config
  const ownTrunk = upstream === undefined ? [] : [upstream.trunk]
  warnOfClearKeys([...config.trunks, ...ownTrunk], log)
  const dns = new Dns(config.dns.servers)
  opened.push(() => dns.close())
  const tables = await openTrunkTables({ config, dns, environment, log })
  opened.push(() => tables.close())
  const { trunks, pbx } = tables
  const states = new TrunkStates(environment.nowMs)
  const choice = new TrunkChoice({ trunks, groups: config.groups, states, chance: Math.random })
  const door = new TrunkDoor({ config, trunks, environment })

  // Who signs in, and by what.
  const { jwt } = config.registration
  const verifier = jwt === undefined ? undefined : await createTokenVerifier({ config: jwt, log })
  opened.push(() => verifier?.close())
  const onError = (error: unknown, request: SipRequest | undefined): void =>
    log.error('internal error', { error, method: request?.method, callId: request?.callId })
  const tokens = new TokenGate(verifier, onError)
  const turn = config.turn === undefined ? undefined : new TurnCredentials(config.turn)
  const tickets = new LadderTickets(environment.nowMs)

  // SIP: requests pass the gate of tokens, then go to calls, relay, registrar or homes, which follow.
  const userAgent: UserAgent = createUserAgent({
    environment,
    product: options.product,
    sentBy: (flow) => sentBy(config, flow),
    credentialsFor: (flow, request) => mode.accountFor(flow, request) ?? trunks.ofFlow(flow)?.config.account,
    flowTowards: (flow, hop) => transports.flowTowards(flow, hop) ?? pbxTransports?.flowTowards(flow, hop),
    flowToListener: (flow, port) =>
      transports.flowToListener(flow, port) ?? pbxTransports?.flowToListener(flow, port),
    // JsSIP asks for the least there is and gives up when it is refused; a trunk that asks for it loses nothing by it.
    sessionTimer: {
      expiresOf: (flow) => sessionExpiresOf(config, pbx.ofFlow(flow) === undefined ? trunks : pbx, flow),
      minSeOf: () => MIN_SESSION_S,
    },
    limits: sipLimits(config),
    handler: {
      onInvite: (invite) => tokens.passInvite(invite, () => calls.onInvite(invite)),
      onSubscribe: (subscribe) => tokens.passSubscribe(subscribe, () => relay.onSubscribe(subscribe)),
      onRequest: (request) => tokens.passRequest(request, () => onRequest(request, mode.registrar, relay)),
      onForeign: (foreign) => tokens.passRequest(foreign, () => homes.onForeign(foreign)),
      onError,
    },
  })
  opened.push(() => userAgent.close())

  // What remains of a call.
  const records = new CdrWriter(config.cdr.file, log)
  const metrics = new Metrics(
    metricSources(config, () => ({
      calls,
      mode,
      sockets,
      states,
      trunkWatch,
      userAgent,
      engine,
      strangers,
      refusals,
    })),
  )
  opened.push(() => records.close())

  // Who is where.
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
          nowMs: () => environment.nowMs(),
          sentBy: (flow) => sentBy(config, flow),
        })
  const strangers = new Strangers({ nowMs: environment.nowMs, log })
  const refusals = new Refusals({ nowMs: environment.nowMs, log })
  const mode = registrarMode({
    config,
    environment,
    log,
    refusals,
    userAgent,
    tokens,
    turn,
    tickets,
    line,
    onRegistered: (registered) => homes.registered(registered),
  })
  opened.push(() => mode.registrar.close())

  // Calls, and requests outside them.
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
    refusals,
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
    refusals,
    registration: mode.registrar,
    trunks,
    choice,
    door,
    admission: calls.admission,
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

  // Sockets: towards trunks, and of browsers.
  const receive = (bytes: Buffer, flow: Flow): void => userAgent.receive(bytes, flow)
  const marks = new SocketMarks(config.dscp.sip, log)
  const trunkSockets = await openTrunkSockets({
    config,
    tables,
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
  const { transports, pbxTransports } = trunkSockets
  opened.push(() => {
    pbxTransports?.close()
    transports.close()
  })
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
    isKnown: (flow) => mode.registrar.isKnown(flow) || userAgent.usesOf(flow) > 0,
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
  const webSocketPath = `${config.web.path}${WEBSOCKET_PATH}`
  const web = await openWeb({
    config: config.web,
    keyPairOf: async (files) => (files === undefined ? selfSigned(config) : readKeyPair(files)),
    pagesFolder: options.pagesFolder,
    health: () => ({
      status: isDraining ? 'draining' : engine.stalledThreads > 0 ? 'media-stalled' : 'ok',
      calls: calls.size,
      registrations: mode.registrar.size,
      mediaLoad: engine.load(),
      trunks: trunkWatch.counts(),
      ...(mode.counts() === undefined ? {} : { extensions: mode.counts() }),
    }),
    clients,
    ladder: createLadder({ history: calls.history, tickets }),
    iceServers:
      turn === undefined || mode.registration === undefined
        ? undefined
        : createIceServers({ registration: mode.registration, turn, log, clients }),
    attach: (server) => sockets.attach(server, webSocketPath),
  })
  // A server waits for its upgraded connections, and closes none of them.
  opened.push(() => {
    sockets.close()
    return web.close()
  })

  // Files that are read again.
  const watches = [
    ...web.certificates.map(({ files, use }) => watchCertificate(files, use, log)),
    ...watchTrunkCertificates(config, trunkSockets, log),
  ]
  opened.push(() => {
    for (const watch of watches) watch.close()
  })

  tables.keep(trunkSockets)
  const counted = { calls, userAgent, engine, sockets, strangers, refusals, door, marks, ...trunkSockets }
  const counting = setInterval(() => logCounters(log, counted), COUNTERS_LOG_MS)
  opened.push(() => clearInterval(counting))

  // Who may ask: commands, and a Prometheus.
  const admin = new Admin(log)
  opened.push(() => admin.close())
  answerCommands(admin, { config, calls, mode, trunks, states, trunkWatch, metrics, web, webSocketPath })
  const scraped = config.metrics === undefined ? undefined : await openMetrics(config.metrics, metrics, log)
  opened.push(() => scraped?.close())
  if (config.admin.socket !== undefined) await admin.listen(config.admin.socket)

  logListening(log, web, trunkSockets, {
    ...(config.admin.socket === undefined ? {} : { admin: config.admin.socket }),
    ...(scraped === undefined ? {} : { metrics: scraped.port }),
  })
  trunkWatch.start()
  const reload = async (): Promise<void> => {
    records.reopen()
    await Promise.all([...watches.map((watch) => watch.reload()), verifier?.reload()])
  }
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    isDraining = true
    await drain(config, { calls, relay, homes, mode, trunkWatch, userAgent })
    logCounters(log, counted)
    for (const close of opened.reverse()) await close()
  }
  return {
    web,
    reload,
    stop: () => (stopped ??= stop()),
    get stalledThreads() {
      return engine.stalledThreads
    },
  }
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
