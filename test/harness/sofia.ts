import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile, SOFIA_PEER } from '../native/compile.ts'
import { PeerProcess } from './peer-process.ts'
import { freePort } from './ports.ts'
import { parseSipText, type SipText } from './sip-text.ts'
import { ToneSocket } from './tone-socket.ts'
import { type WaitOptions, waitFor } from './wait-for.ts'

/** What nua tells: `nua_i_invite`, `nua_r_invite`, `nua_i_state`, ...; `complaint` for a line of ours that it does not know. */
export interface SofiaEvent {
  readonly event: string
  readonly status: number
  readonly phrase: string
  readonly handle?: string
  /** Of `nua_i_state`: `calling`, `proceeding`, `received`, `early`, `completing`, `ready`, `terminated`, ... */
  readonly state?: string
  /** Descriptions that came with it. */
  readonly remote?: string
  readonly local?: string
  /** Of an INVITE with Replaces: the handle it would replace, empty when there is none. */
  readonly replaces?: string
  readonly message?: string
}

/** Keys as `sofia_peer.cc` has them; a list is a key that comes again. */
export type SofiaFields = Readonly<Record<string, string | number | readonly string[] | undefined>>

export interface SofiaOptions {
  readonly toneHz?: number
  readonly sipPort?: number
  readonly address?: string
  /** Debian's build knows no TLS. */
  readonly transport?: 'udp' | 'tcp'
  /** Methods it challenges, and by whose credentials. */
  readonly challenges?: {
    readonly methods: readonly string[]
    readonly user: string
    readonly password: string
  }
  /** For challenges of the far end. */
  readonly account?: { readonly user: string; readonly password: string }
  /** Over those that FreeSWITCH's profiles set. */
  readonly params?: SofiaFields
}

const wordsOf = (fields: SofiaFields): readonly string[] =>
  Object.entries(fields).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(
      (one) => `${key}=${encodeURIComponent(String(one))}`,
    ),
  )

/** As mod_sofia sets a profile up. */
const FREESWITCH: SofiaFields = {
  user_agent: 'FreeSWITCH-mod_sofia/1.10',
  user_via: 1,
  auto_alert: 0,
  auto_answer: 0,
  messenger: 1,
  extra_100: 0,
  allow:
    'INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY, PUBLISH, SUBSCRIBE, PRACK',
  allow_events:
    'talk, hold, conference, presence, as-feature-event, dialog, line-seize, call-info, sla, include-session-description, presence.winfo, message-summary, refer',
  supported: 'timer, path, replaces',
  use_naptr: 0,
}

/** Offers and answers as mod_sofia wants them of soa. */
const ANSWERING: SofiaFields = { reuse_rejected: 1, audio_aux: 'cn telephone-event' }

const isEvent = (value: unknown): value is SofiaEvent =>
  typeof value === 'object' && value !== null && 'event' in value

/**
 * A peer on sofia-sip, which FreeSWITCH's SIP stack was forked from, with one audio port for all its calls.
 *
 *     const pbx = await Sofia.start({ toneHz: 440 })
 *     const handle = await pbx.waitForInvite()
 *     pbx.answer(handle)
 *     await pbx.waitForState(handle, 'ready')
 */
export class Sofia {
  readonly audio: ToneSocket
  readonly sipPort: number
  readonly #process: PeerProcess
  readonly #folder: string
  readonly #transport: string
  /** Of the process's output, how much has been read. */
  #read = 0
  readonly #events: SofiaEvent[] = []
  #version = 1

  static async start(options: SofiaOptions = {}): Promise<Sofia> {
    const { address = '127.0.0.1', transport = 'udp', challenges } = options
    const program = await compile(SOFIA_PEER)
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-sofia-'))
    const sipPort = options.sipPort ?? (await freePort(address))
    const passwords = join(folder, 'passwords')
    if (challenges !== undefined) await writeFile(passwords, `${challenges.user}:${challenges.password}:\n`)
    const params: SofiaFields = {
      url: `sip:sofia@${address}:${sipPort}${transport === 'udp' ? '' : `;transport=${transport}`}`,
      log: 1,
      ...FREESWITCH,
      ...options.params,
    }
    let onOutput = (): void => undefined
    const child = new PeerProcess(
      program,
      [...(challenges === undefined ? [] : ['--passwords', passwords]), ...wordsOf(params)],
      { hasInput: true, onOutput: () => onOutput() },
    )
    try {
      await child.waitForOutput('start', (output) => output.includes('"event":"started"'))
      const peer = new Sofia(
        child,
        folder,
        await ToneSocket.open(options.toneHz ?? 425, address),
        sipPort,
        transport,
      )
      onOutput = () => peer.#onOutput()
      if (challenges !== undefined) child.type(`challenges ${challenges.methods.join(',')}`)
      const { account } = options
      if (account !== undefined)
        child.type(`credentials ${encodeURIComponent(`${account.user}:${account.password}`)}`)
      return peer
    } catch (error) {
      await child.stop('SIGKILL')
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  private constructor(
    child: PeerProcess,
    folder: string,
    audio: ToneSocket,
    sipPort: number,
    transport: string,
  ) {
    this.#process = child
    this.#folder = folder
    this.audio = audio
    this.sipPort = sipPort
    this.#transport = transport
  }

  /** Its wire and its events. */
  get log(): string {
    return this.#process.output
  }

  /** So far. */
  get events(): readonly SofiaEvent[] {
    return this.#events
  }

  /** A verb of nua, such as `invite`, `update`, `bye`, on a handle that it makes when it is new. */
  do(verb: string, handle: string, fields: SofiaFields = {}): void {
    this.#process.type([verb, handle, ...wordsOf(fields)].join(' '))
  }

  respond(handle: string, status: number, phrase: string, fields: SofiaFields = {}): void {
    const words = ['respond', handle, String(status), encodeURIComponent(phrase), ...wordsOf(fields)]
    this.#process.type(words.join(' '))
  }

  /** Its description in this direction, each time of a new version. */
  describe(direction = 'sendrecv'): string {
    this.#version += 1
    return this.audio.describe(direction, this.#version)
  }

  /** INVITE to `user` at an address of the gateway, as mod_sofia sends it. */
  call(handle: string, user: string, target: string, fields: SofiaFields = {}): void {
    const suffix = this.#transport === 'udp' ? '' : `;transport=${this.#transport}`
    this.do('invite', handle, {
      url: `sip:${user}@${target}${suffix}`,
      from: `"Extension 1000" <sip:1000@127.0.0.1>`,
      to: `<sip:${user}@${target}>`,
      header: [
        'X-FS-Support: update_display,send_info',
        'Remote-Party-ID: "Extension 1000" <sip:1000@127.0.0.1>;party=calling;screen=yes;privacy=off',
      ],
      ordered_user: 1,
      reuse_rejected: 1,
      rtp_sort: 1,
      rtp_select: 2,
      sdp: this.describe(),
      ...fields,
    })
  }

  answer(handle: string, fields: SofiaFields = {}): void {
    this.respond(handle, 200, 'OK', { sdp: this.describe(), ...ANSWERING, ...fields })
  }

  /** Early media: 183 with its description, reliable when the far end can. */
  progress(handle: string, fields: SofiaFields = {}): void {
    this.respond(handle, 183, 'Session Progress', {
      sdp: this.describe(),
      ...ANSWERING,
      early_media: 1,
      ...fields,
    })
  }

  /** The handle of the `count`th incoming call. */
  async waitForInvite(count = 1, options?: WaitOptions): Promise<string> {
    const isCall = (one: SofiaEvent): boolean => one.event === 'nua_i_invite' && one.status < 200
    const handles = (): readonly string[] => [
      ...new Set(this.events.filter(isCall).flatMap(({ handle = '' }) => handle)),
    ]
    return this.#wait(`${count} calls`, () => handles()[count - 1], options)
  }

  /** The `count`th event of the handle. */
  async waitForEvent(handle: string, event: string, count = 1, options?: WaitOptions): Promise<SofiaEvent> {
    const isIt = (one: SofiaEvent): boolean => one.event === event && one.handle === handle
    return this.#wait(`${count} ${event} of ${handle}`, () => this.events.filter(isIt)[count - 1], options)
  }

  /** The final response to the `count`th request of ours. */
  async waitForFinal(handle: string, event: string, count = 1, options?: WaitOptions): Promise<SofiaEvent> {
    const isIt = (one: SofiaEvent): boolean =>
      one.event === event &&
      one.handle === handle &&
      one.status >= 200 &&
      one.status !== 401 &&
      one.status !== 407
    return this.#wait(`${count} finals of ${event}`, () => this.events.filter(isIt)[count - 1], options)
  }

  async waitForState(handle: string, state: string, count = 1, options?: WaitOptions): Promise<SofiaEvent> {
    const isIt = (one: SofiaEvent): boolean => one.handle === handle && one.state === state
    return this.#wait(`${state} of ${handle}`, () => this.events.filter(isIt)[count - 1], options)
  }

  async waitForTone(frequencyHz: number, durationMs = 500, options?: WaitOptions): Promise<void> {
    await this.#wait(
      `${frequencyHz} Hz at sofia-sip`,
      () => this.audio.heardMs(frequencyHz) >= durationMs,
      options,
    )
  }

  /** Waits until `durationMs` more than now are heard of the tone. */
  async waitForMoreTone(frequencyHz: number, durationMs = 500, options?: WaitOptions): Promise<void> {
    await this.waitForTone(frequencyHz, this.audio.heardMs(frequencyHz) + durationMs, options)
  }

  async close(): Promise<void> {
    await this.audio.close()
    await this.#process.stop('SIGKILL')
    await rm(this.#folder, { recursive: true, force: true })
  }

  #wait<Value>(what: string, probe: () => Value | undefined | false, options?: WaitOptions): Promise<Value> {
    const heedful = (): Value | undefined | false => {
      const complaint = this.#events.find(({ event }) => event === 'complaint')
      if (complaint !== undefined) throw new Error(`sofia-peer: ${complaint.phrase}`)
      return probe()
    }
    return waitFor(what, heedful, { intervalMs: 10, ...options }, () => this.log)
  }

  #onOutput(): void {
    const end = this.#process.output.lastIndexOf('\n') + 1
    for (const line of this.#process.output.slice(this.#read, end).split('\n')) {
      if (!line.startsWith('{"event":')) continue
      const event: unknown = JSON.parse(line)
      if (!isEvent(event)) continue
      this.#events.push(event)
      if (event.remote !== undefined) this.audio.sendTo(event.remote)
    }
    this.#read = end
  }
}

/** The request or response of an event. */
export const messageOf = ({ message = '' }: SofiaEvent): SipText => parseSipText(message)
