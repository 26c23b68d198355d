import { spawnSync } from 'node:child_process'
import { onTestFailed } from 'vitest'
import { Baresip } from './baresip.ts'
import { closing } from './closing.ts'
import { Daemon, type DaemonOptions, PASSWORDS, type User } from './daemon.ts'
import { type LossyRule, LossyUdp } from './lossy-udp.ts'
import { expectNothingLeft } from './nothing-left.ts'
import { freePort, isTcpPortTaken, isUdpPortTaken } from './ports.ts'
import { linesOfThreads } from './process-threads.ts'
import { Sipp, type SippOptions, type SippScenario } from './sipp.ts'
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
    const ports = { pbx: await freePortPair(), desk: await freePortPair() }
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

  /** baresip where a trunk is configured: it answers as 9100 or 9200, with this tone. */
  async phoneOfTrunk(toneHz: number, name: TrunkName = 'pbx'): Promise<Baresip> {
    const user = name === 'pbx' ? '9100' : '9200'
    const baresip = closing(await Baresip.start({ media: 'rtp', toneHz, user, sipPort: this.#ports[name] }))
    onTestFailed(() => this.#noteFailure())
    return baresip
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
    onTestFailed(() => this.#noteFailure())
    const client = closing(await WebrtcClient.connect(this.daemon.webSocketUrl, user, PASSWORDS[user]))
    await client.register()
    return client
  }

  async #start(scenario: SippScenario, options: SippOptions): Promise<Sipp> {
    const sipp = closing(await Sipp.start(scenario, options))
    // The other side of a failure: what the browser saw is in its text.
    onTestFailed(async () => {
      await this.#noteFailure()
      console.log(`${scenario}\n${await sipp.messages()}`)
    })
    return sipp
  }

  /**
   * Of the first one, what the gateway has logged, where its threads are, what it dropped, and what waits in its sockets and in
   * those of this process, where the browser is: it may be why all after it fail.
   */
  async #noteFailure(): Promise<void> {
    if (this.#hasFailures) return
    this.#hasFailures = true
    const { daemon } = this
    const log = daemon.output.split('\n').slice(-LAST_LINES).join('\n')
    const drops = (await daemon.command('metrics')).output
      .split('\n')
      .filter((line) => line.startsWith('webtrunk_drops_total') || line.startsWith('webtrunk_media_'))
    const sockets = spawnSync('ss', ['-uanpH'], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter((line) => [daemon.pid, process.pid].some((pid) => line.includes(`pid=${pid},`)))
    console.log(
      [
        `the gateway, process ${daemon.pid}, and its sockets and ours (${process.pid}): state, bytes received and not read, ...`,
        ...[log, linesOfThreads(daemon.pid), ...drops, ...sockets],
      ].join('\n'),
    )
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

/** baresip needs the next one too. */
async function freePortPair(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (!(await isTcpPortTaken(port + 1)) && !(await isUdpPortTaken(port + 1))) return port
  }
}
