import { spawnSync } from 'node:child_process'
import { onTestFailed } from 'vitest'
import { Baresip } from './baresip.ts'
import { closing, noteIfFailed } from './closing.ts'
import { Daemon, type DaemonOptions, PASSWORDS, type User } from './daemon.ts'
import { type LossyRule, LossyUdp } from './lossy-udp.ts'
import { expectNothingLeft } from './nothing-left.ts'
import { freePort, freePortRange } from './ports.ts'
import { linesOfThreads } from './process-threads.ts'
import { Sipp, type SippOptions, type SippScenario } from './sipp.ts'
import { Sofia, type SofiaOptions } from './sofia.ts'
import { WebrtcClient } from './webrtc-client.ts'

/** The trunks of a site: `91...` is routed to the first, `92...` to the second. */
export type TrunkName = 'pbx' | 'desk'

/** Of the gateway's log, shown when a test has failed. */
const LAST_LINES = 60

/**
 * The gateway with two trunks whose places SIPp or baresip take, test by test: one gateway for all tests of a file. What a test
 * starts here is ended by `afterEach(closeAll)`.
 */
export class TrunkSite {
  readonly daemon: Daemon
  readonly #ports: Readonly<Record<TrunkName, number>>
  #hasFailures = false

  static async start(config: DaemonOptions['config'] = {}): Promise<TrunkSite> {
    // baresip needs the next one too.
    const ports = { pbx: await freePortRange(2), desk: await freePortRange(2) }
    const daemon = await Daemon.start({
      trunks: [
        { name: 'pbx', port: ports.pbx },
        // Who calls from the common address is the pbx.
        { name: 'desk', port: ports.desk, sources: ['127.0.0.2'] },
      ],
      routes: [
        { prefix: '91', trunk: 'pbx' },
        { prefix: '92', trunk: 'desk' },
      ],
      config,
    })
    return new TrunkSite(daemon, ports)
  }

  private constructor(daemon: Daemon, ports: Readonly<Record<TrunkName, number>>) {
    this.daemon = daemon
    this.#ports = ports
  }

  /** SIPp where a trunk is configured, for a `uas-*` scenario. */
  async trunk(scenario: SippScenario, options: SippOptions = {}, name: TrunkName = 'pbx'): Promise<Sipp> {
    return this.#start(scenario, { sipPort: this.#ports[name], ...options })
  }

  /** baresip where a trunk is configured: it answers with this tone, and only calls to `user`. */
  async phoneOfTrunk(
    toneHz: number,
    name: TrunkName = 'pbx',
    user = name === 'pbx' ? '9100' : '9200',
  ): Promise<Baresip> {
    const baresip = closing(await Baresip.start({ media: 'rtp', toneHz, user, sipPort: this.#ports[name] }))
    noteIfFailed(() => this.#noteFailure())
    return baresip
  }

  /** sofia-sip where a trunk is configured. */
  async sofia(options: SofiaOptions = {}, name: TrunkName = 'pbx'): Promise<Sofia> {
    const sofia = closing(await Sofia.start({ sipPort: this.#ports[name], ...options }))
    noteIfFailed(() => this.#noteFailure())
    onTestFailed(() => console.log(sofia.log))
    return sofia
  }

  /** As `trunk`, behind a bad network. */
  async trunkBehind(rule: LossyRule, scenario: SippScenario, options: SippOptions = {}): Promise<Sipp> {
    const sipp = await this.#start(scenario, { isPatient: true, ...options })
    closing(await LossyUdp.start({ port: this.#ports.pbx, targetPort: sipp.sipPort, rule }))
    return sipp
  }

  /** As `caller`, behind a bad network. */
  async callerBehind(rule: LossyRule, scenario: SippScenario, options: SippOptions = {}): Promise<Sipp> {
    const targetPort = Number(this.daemon.sipAddress.split(':')[1])
    const port = await freePort()
    closing(await LossyUdp.start({ port, targetPort, rule }))
    return this.#start(scenario, { user: 'alice', isPatient: true, ...options, target: `127.0.0.1:${port}` })
  }

  /** SIPp that calls alice (or `user`) from the trunk's address, for a `uac-*` scenario. */
  async caller(scenario: SippScenario, options: SippOptions = {}): Promise<Sipp> {
    return this.#start(scenario, { target: this.daemon.sipAddress, user: 'alice', ...options })
  }

  /** A registered softphone. */
  async phone(user: User = 'alice'): Promise<WebrtcClient> {
    noteIfFailed(() => this.#noteFailure())
    const client = closing(await WebrtcClient.connect(this.daemon.webSocketUrl, user, PASSWORDS[user]))
    await client.register()
    return client
  }

  async #start(scenario: SippScenario, options: SippOptions): Promise<Sipp> {
    const sipp = closing(await Sipp.start(scenario, options))
    noteIfFailed(() => this.#noteFailure())
    // The other side of a failure: what the browser saw is in its text.
    onTestFailed(async () => {
      console.log(`${scenario}\n${await sipp.messages()}`)
    })
    return sipp
  }

  /**
   * Of the first one, what the gateway has logged, where its threads are, what waits in its sockets and in those of this process,
   * where the browser is, and what it dropped: it may be why all after it fail. Each is printed before the next is asked for.
   */
  async #noteFailure(): Promise<void> {
    if (this.#hasFailures) return
    this.#hasFailures = true
    const { daemon } = this
    const log = daemon.output.split('\n').slice(-LAST_LINES).join('\n')
    console.log(`the gateway, process ${daemon.pid}:\n${log}\n${linesOfThreads(daemon.pid)}`)
    const { stdout } = spawnSync('ss', ['-uanpH'], { encoding: 'utf8' })
    const sockets = (stdout ?? '').split('\n')
    const own = sockets.filter((line) =>
      [daemon.pid, process.pid].some((pid) => line.includes(`pid=${pid},`)),
    )
    console.log(
      `sockets of it and of us (${process.pid}): state, bytes received and not read, ...\n${own.join('\n')}`,
    )
    const metrics = (await daemon.command('metrics')).output.split('\n')
    const drops = metrics.filter((line) => /^webtrunk_(drops_total|media_)/.test(line))
    console.log(`dropped, and load of media threads:\n${drops.join('\n')}`)
  }

  /**
   * Stops the gateway, which must hold nothing of any call by then; `afterTransactions` as in `expectNothingLeft`. After a
   * failed test it is only stopped: that test's peers were ended without a goodbye, and a second try that passed must not
   * fail for the calls of the first.
   */
  async close(afterTransactions = false): Promise<void> {
    if (this.#hasFailures) {
      console.log('a test failed: what its calls left in the gateway is not looked at')
      await this.daemon.stop()
      return
    }
    await expectNothingLeft(this.daemon, afterTransactions)
  }
}
