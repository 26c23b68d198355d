import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sine } from '../../gateway/selftest/selftest-tone.ts'
import { encodeG711 } from './g711.ts'
import { PeerProcess } from './peer-process.ts'
import { freePort, freePortRange, isTcpPortTaken, isUdpPortTaken } from './ports.ts'
import { waitFor } from './wait-for.ts'

/** `test/interop/sipp/NAME.xml`. */
export type SippScenario =
  | 'uac-call'
  | 'uac-call-ended-by-peer'
  | 'uac-cancel'
  | 'uac-unknown-number'
  | 'uac-source-not-trusted'
  | 'uac-sdp-without-audio'
  | 'uac-sdp-without-common-codec'
  | 'uac-sdp-garbage'
  | 'uas-answer'
  | 'uas-early-media-183'
  | 'uas-hang-up'
  | 'uas-keys-by-info'
  | 'uas-busy'
  | 'uas-503'
  | 'uas-404'
  | 'uas-no-answer'
  | 'uas-200-crosses-cancel'
  | 'uas-forks'
  | 'uas-two-phones-answer'
  | 'uas-180-after-183'
  | 'uas-183-without-sdp'
  | 'uas-302-elsewhere'
  | 'uas-reliable-183'
  | 'uas-422'
  | 'uas-refreshes-session'
  | 'uas-connects-another'
  | 'uas-holds'
  | 'uas-holds-by-update'
  | 'uas-is-held'
  | 'uas-reinvite-without-sdp'
  | 'uas-refuses-reinvites'
  | 'uas-491-then-agrees'
  | 'uas-glare'
  | 'uas-agrees'
  | 'uas-echo-is-held'
  | 'uas-holds-while-held'
  | 'uas-refers'
  | 'uac-refers'
  | 'uac-late-ack'
  | 'uac-delayed-offer'
  | 'uac-session-too-short'
  | 'uac-requires-reliable'
  | 'uac-replaces'
  | 'uac-replaces-nothing'
  | 'uac-cancel-after-200'

export interface SippOptions {
  /** `host:port` of the peer; needed by `uac-*`. */
  readonly target?: string
  /** User part of the request URI of `uac-*`. */
  readonly user?: string
  /** The `pause` of the scenario. */
  readonly holdMs?: number
  readonly toneHz?: number
  /** Given, when the peer's configuration had to name it before. */
  readonly sipPort?: number
  readonly address?: string
  readonly timeoutS?: number
  /** Default: udp. */
  readonly transport?: 'udp' | 'tcp'
  /** Calls that the scenario serves; default 1. */
  readonly calls?: number
  /** Passes over what the scenario does not expect now: SIPp knows only the last message again when it is repeated. */
  readonly isPatient?: boolean
  /** Sends back the RTP that comes to `[media_port]`. Not beside a tone: its thread holds up the one that streams. */
  readonly isEcho?: boolean
  /** What stands for `[name]` in the scenario. */
  readonly keys?: Readonly<Record<string, string>>
}

export interface SippResult {
  /** 0: every call went as the scenario says. */
  readonly exitCode: number
  /** All SIP messages sent and received, and what SIPp found wrong. */
  readonly log: string
}

const SCENARIOS = fileURLToPath(new URL('../interop/sipp/', import.meta.url))
const TONE_MS = 1_000

const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')

/** One call, or a few, of a SIPp scenario. */
export class Sipp {
  readonly sipPort: number
  readonly #process: PeerProcess
  readonly #folder: string
  #result: SippResult | undefined

  static async start(scenario: SippScenario, options: SippOptions = {}): Promise<Sipp> {
    const address = options.address ?? '127.0.0.1'
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-sipp-'))
    const sipPort = options.sipPort ?? (await freePort(address))
    const rtpPort = await freePortRange(8 * (options.calls ?? 1), address)
    // Whole periods, so that the loop has no click. Streamed by `rtp_stream="tone.ulaw,-1,0"`.
    await writeFile(join(folder, 'tone.ulaw'), encodeG711('PCMU', sine(8000, options.toneHz ?? 440, TONE_MS)))
    const child = new PeerProcess(
      'sipp',
      [
        ...(options.target === undefined ? [] : [options.target]),
        ...['-sf', join(SCENARIOS, `${scenario}.xml`)],
        ...['-m', String(options.calls ?? 1), '-l', String(options.calls ?? 1)],
        ...Object.entries(options.keys ?? {}).flatMap(([name, value]) => ['-key', name, value]),
        ...['-t', options.transport === 'tcp' ? 't1' : 'u1'],
        ...['-i', address, '-p', String(sipPort), '-mi', address, '-mp', String(rtpPort)],
        ...['-cp', String(await freePort(address)), '-s', options.user ?? 'service'],
        ...[
          '-d',
          String(options.holdMs ?? 1_000),
          '-timeout',
          `${options.timeoutS ?? 40}s`,
          '-timeout_error',
        ],
        ...[
          '-trace_msg',
          '-message_file',
          join(folder, 'messages'),
          '-trace_err',
          '-error_file',
          join(folder, 'errors'),
        ],
        ...['-nostdin', '-skip_rlimit'],
        ...(options.isPatient === true ? ['-default_behaviors', 'all,-abortunexp'] : []),
        ...(options.isEcho === true ? ['-rtp_echo'] : []),
      ],
      { cwd: folder },
    )
    const isTcp = options.transport === 'tcp'
    // As a client over TCP it listens nowhere.
    if (isTcp && options.target !== undefined) return new Sipp(child, folder, sipPort)
    const isListening = isTcp ? isTcpPortTaken : isUdpPortTaken
    await waitFor(
      'SIPp to listen',
      async () => child.exitCode !== undefined || (await isListening(sipPort, address)),
      {},
      () => child.output,
    )
    return new Sipp(child, folder, sipPort)
  }

  private constructor(child: PeerProcess, folder: string, sipPort: number) {
    this.#process = child
    this.#folder = folder
    this.sipPort = sipPort
  }

  /** Everything said so far. */
  async messages(): Promise<string> {
    return this.#result?.log ?? readText(join(this.#folder, 'messages'))
  }

  /** Waits for the scenario's end; removes its files. May be called again. */
  async finished(): Promise<SippResult> {
    if (this.#result !== undefined) return this.#result
    const exitCode = await this.#process.exited()
    const log = [
      await readText(join(this.#folder, 'errors')),
      await readText(join(this.#folder, 'messages')),
      exitCode === 0 ? '' : this.#process.output.slice(-4_000),
    ].join('\n')
    this.#result = { exitCode, log }
    await rm(this.#folder, { recursive: true, force: true })
    return this.#result
  }

  /** Ends it if it still runs. */
  async close(): Promise<void> {
    await this.#process.stop('SIGKILL')
    await this.finished()
  }
}
