import type { Config } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import { sipLimits } from './calls/capacity.ts'
import { ClockWatch } from './clock-watch.ts'
import { Admin } from './commands/admin.ts'
import { answerCommands } from './daemon-answers.ts'
import { logCounters, logListening, mediaPlaces } from './daemon-log.ts'
import { drain } from './drain.ts'
import { systemEnvironment } from './environment.ts'
import { CdrWriter, cdrOf } from './ladder/cdr.ts'
import { metricSources } from './ladder/metric-sources.ts'
import { Metrics } from './ladder/metrics.ts'
import { openMetrics } from './ladder/metrics-server.ts'
import { openMediaEngine } from './media-engine.ts'
import { OpenFilesWatch } from './open-files.ts'
import { warnOfCutBuffer } from './receive-buffer-warning.ts'
import { createTokenVerifier } from './registration/jwt.ts'
import { joinSignalling } from './signalling.ts'
import { warnOfClearKeys } from './trunks/clear-keys.ts'
import { Dns } from './trunks/dns.ts'
import { watchTrunkCertificates } from './trunks/trunk-certificates.ts'
import { openTrunkSockets, type TrunkSockets } from './trunks/trunk-sockets.ts'
import { openTrunkTables } from './trunks/trunk-tables.ts'
import { openBrowserSide } from './web/browser-side.ts'
import { watchCertificate } from './web/certificate.ts'
import { CertificateTimes, shownCertificates } from './web/certificate-times.ts'
import { SocketMarks } from './web/socket-marks.ts'
import type { WebServer } from './web/web.ts'

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

const COUNTERS_LOG_MS = 60_000
const MACHINE_LOOK_MS = 10_000

/** What has been opened so far. */
class Opened {
  readonly #parts: { close(): unknown }[] = []

  readonly add = <Part extends { close(): unknown }>(part: Part): Part => {
    this.#parts.push(part)
    return part
  }

  /** The newest first. */
  async close(): Promise<void> {
    for (const part of this.#parts.reverse()) await part.close()
  }
}

/** Builds every part from the configuration, joins them and starts. What was opened is closed again when a later part fails. */
export async function startDaemon(config: Config, log: Log, options: DaemonOptions): Promise<Daemon> {
  const opened = new Opened()
  try {
    return await compose(config, log, options, opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function compose(
  config: Config,
  log: Log,
  { product, pagesFolder }: DaemonOptions,
  opened: Opened,
): Promise<Daemon> {
  const environment = systemEnvironment

  // Media, and what is known of trunks.
  const engine = opened.add(openMediaEngine(config, log))
  warnOfCutBuffer(engine.receiveBuffer, log)
  const openFiles = new OpenFilesWatch(log)
  await openFiles.checkLimit(config)
  warnOfClearKeys([...config.trunks, ...(config.upstream === undefined ? [] : [config.upstream.trunk])], log)
  const dns = opened.add(new Dns(config.dns.servers))
  const tables = opened.add(await openTrunkTables({ config, dns, environment, log }))

  // What remains of a call.
  const records = opened.add(new CdrWriter(config.cdr.file, log))
  const metrics = new Metrics(
    metricSources(config, () => ({
      signalling,
      engine,
      sockets: browserSide.sockets,
      web: browserSide.web,
      certificates,
    })),
  )

  // SIP, from who signs in to what a call does.
  const { jwt } = config.registration
  const verifier = jwt === undefined ? undefined : opened.add(await createTokenVerifier({ config: jwt, log }))
  const signalling = opened.add(
    joinSignalling({
      config,
      environment,
      chance: Math.random,
      log,
      product,
      limits: sipLimits(config),
      engine,
      tables,
      verifier,
      flows: () => trunkSockets,
      onReport: (report) => {
        records.write(cdrOf(report))
        metrics.ended(report)
      },
    }),
  )

  // Sockets: towards trunks, and of browsers.
  const marks = new SocketMarks(config.dscp.sip, log)
  const trunkSockets: TrunkSockets = opened.add(
    await openTrunkSockets({
      config,
      tables,
      token: environment.token,
      log,
      onSocket: marks.mark,
      onTrouble: (trunk, reason) => signalling.states.noteTrouble(trunk, reason),
      onUnsent: (trunk, reason) => signalling.states.noteUnsent(trunk, reason),
      handler: signalling.ofTrunks,
    }),
  )
  let isDraining = false
  const browserSide = opened.add(
    await openBrowserSide({
      config,
      environment,
      log,
      signalling,
      engine,
      pagesFolder,
      isDraining: () => isDraining,
    }),
  )
  const { web, sockets } = browserSide

  // What is looked at again and again: files, names, counters.
  const watches = [
    ...web.certificates.map(({ files, use }) => watchCertificate(files, use, log)),
    ...watchTrunkCertificates(config, trunkSockets, log),
  ].map(opened.add)
  const certificates = opened.add(
    new CertificateTimes({
      shown: () => shownCertificates(config, web, trunkSockets),
      environment,
      log,
      dateMs: Date.now,
    }),
  )
  tables.keep(trunkSockets)
  const counted = { signalling, engine, sockets, trunkSockets, marks, web }
  const counting = setInterval(() => logCounters(log, counted), COUNTERS_LOG_MS)
  opened.add({ close: () => clearInterval(counting) })
  const clock = new ClockWatch({
    nowMs: environment.nowMs,
    dateMs: Date.now,
    log,
    onForward: () => signalling.renewRegistrations(),
  })
  const lookingAtMachine = setInterval(() => {
    void openFiles.look()
    clock.look()
  }, MACHINE_LOOK_MS)
  opened.add({ close: () => clearInterval(lookingAtMachine) })

  // Who may ask: commands, and a Prometheus.
  const admin = opened.add(new Admin(log))
  answerCommands(admin, { config, signalling, browserSide, metrics })
  const scraped =
    config.metrics === undefined ? undefined : opened.add(await openMetrics(config.metrics, metrics, log))
  if (config.admin.socket !== undefined) await admin.listen(config.admin.socket)

  logListening(log, web, trunkSockets, {
    ...mediaPlaces(config.media),
    ...(config.admin.socket === undefined ? {} : { admin: config.admin.socket }),
    ...(scraped === undefined ? {} : { metrics: scraped.port }),
  })
  signalling.trunkWatch.start()
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    isDraining = true
    await drain(config, signalling)
    logCounters(log, counted)
    await opened.close()
  }
  return {
    web,
    reload: async () => {
      records.reopen()
      await Promise.all([...watches.map((watch) => watch.reload()), verifier?.reload()])
    },
    stop: () => (stopped ??= stop()),
    get stalledThreads() {
      return engine.stalledThreads
    },
  }
}
