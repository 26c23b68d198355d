import { createServer, type Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type {
  AgentAudio,
  AgentEvent,
  AgentEventKind,
  AgentOptions,
  AgentStack,
  AgentStats,
} from './browser-agent/agent.ts'
import type { BrowserPage } from './browser-page.ts'
import { type Daemon, PASSWORDS, type User } from './daemon.ts'
import { type WaitOptions, waitFor } from './wait-for.ts'

const ENTRY = fileURLToPath(new URL('./browser-agent/page.ts', import.meta.url))
const TONE_TOLERANCE_HZ = 15
const TONE_MIN_DB = -55
/** Comfort noise and the codec's own grain stay below; every tone of the tests is far above. */
const SILENCE_MAX_DB = -70

/** Serves the page of the browser agents. The gateway must allow its origin: `AGENT_ORIGINS`. */
export class AgentSite {
  readonly url: string
  readonly #server: Server

  static async start(): Promise<AgentSite> {
    const { outputFiles } = await build({
      entryPoints: [ENTRY],
      bundle: true,
      write: false,
      format: 'iife',
      platform: 'browser',
      target: 'es2022',
      logLevel: 'warning',
    })
    const script = outputFiles[0]?.text ?? ''
    const server = createServer((request, response) => {
      const isScript = request.url === '/agent.js'
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
      response.end(isScript ? script : '<!doctype html><title>agent</title><script src="agent.js"></script>')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new AgentSite(server)
  }

  private constructor(server: Server) {
    this.#server = server
    const address = server.address()
    // A secure context, so that there is a microphone.
    this.url = `http://localhost:${typeof address === 'object' ? address?.port : ''}/`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** For `config` of the daemon: pages of another site may connect. */
export const AGENT_ORIGINS = { web: { origins: ['*'] } } as const

/**
 * A scripted softphone in a browser, on JsSIP or on SIP.js.
 *
 *     const site = await AgentSite.start()
 *     const alice = await BrowserAgent.start(await chromium.newPage(), site, { stack: 'jssip', daemon, user: 'alice' })
 *     const call = await alice.call('9100')
 *     await call.waitFor('accepted')
 *     await call.waitForTone(440)
 *     await call.hangUp()
 */
export class BrowserAgent {
  readonly stack: AgentStack
  readonly #page: BrowserPage
  readonly #site: AgentSite
  readonly #options: AgentOptions

  /** Registered, when it resolves. */
  static async start(
    page: BrowserPage,
    site: AgentSite,
    options: {
      readonly stack: AgentStack
      readonly daemon: Daemon
      readonly user: User
      readonly reliable?: boolean
      readonly hurries?: boolean
      readonly instance?: string
      /** Port of a proxy in front of the daemon. */
      readonly proxyPort?: number
    },
  ): Promise<BrowserAgent> {
    const { stack, daemon, user, reliable = false, hurries = false, instance, proxyPort } = options
    const server = new URL(daemon.webSocketUrl)
    if (proxyPort !== undefined) server.port = String(proxyPort)
    const agentOptions: AgentOptions = {
      stack,
      server: server.href,
      domain: 'webtrunk.test',
      user,
      password: PASSWORDS[user],
      reliable,
      hurries,
      ...(instance === undefined ? {} : { instance }),
    }
    const agent = new BrowserAgent(page, site, agentOptions)
    await agent.load()
    return agent
  }

  private constructor(page: BrowserPage, site: AgentSite, options: AgentOptions) {
    this.#page = page
    this.#site = site
    this.#options = options
    this.stack = options.stack
  }

  /** Loads the page, again too, and starts the stack with the same options; registered, when it resolves. */
  async load(): Promise<void> {
    await this.#page.goto(this.#site.url)
    await this.evaluate(`window.startAgentOfTest(${JSON.stringify(this.#options)})`)
  }

  /** What the stacks wrote to the console. */
  get log(): string {
    return this.#page.console.join('\n')
  }

  /** Every SIP message of the page so far, sent (`>>> `) and received (`<<< `). */
  async messages(): Promise<readonly string[]> {
    return (await this.evaluate('window.sipMessagesOfTest')) as readonly string[]
  }

  /** Waits until `count` messages begin so: `<<< UPDATE`. Gives the last of them. */
  async waitForMessage(start: string, count = 1, options?: WaitOptions): Promise<string> {
    let seen: readonly string[] = []
    return waitFor(
      `${count} ${start}`,
      async () => {
        seen = await this.messages()
        return seen.filter((message) => message.startsWith(start))[count - 1]
      },
      options,
      () => seen.join('\n'),
    )
  }

  async call(target: string): Promise<AgentCall> {
    return new AgentCall(this, Number(await this.run('call', target)))
  }

  /** The oldest incoming call that rings. */
  async nextIncoming(options?: WaitOptions): Promise<AgentCall> {
    const number = await waitFor(
      'an incoming call in the page',
      async () => ((await this.run('incoming')) as readonly number[])[0],
      options,
      () => this.log,
    )
    return new AgentCall(this, number)
  }

  async events(): Promise<readonly AgentEvent[]> {
    return (await this.evaluate('window.agentOfTest.events')) as readonly AgentEvent[]
  }

  async unregister(): Promise<void> {
    await this.run('unregister')
  }

  /** Closes the page, as a user closes a tab. */
  async close(): Promise<void> {
    await this.#page.close()
  }

  /** Calls a method of the agent in the page. */
  async run(method: string, ...args: readonly unknown[]): Promise<unknown> {
    return this.evaluate(`window.agentOfTest.${method}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`)
  }

  async evaluate(source: string): Promise<unknown> {
    try {
      return await this.#page.evaluate(source)
    } catch (error) {
      throw new Error(`${source} in the page of ${this.stack}\n${this.log}`, { cause: error })
    }
  }
}

/** One call of a browser agent. */
export class AgentCall {
  /** Its number in the page. */
  readonly number: number
  readonly #agent: BrowserAgent

  constructor(agent: BrowserAgent, number: number) {
    this.#agent = agent
    this.number = number
  }

  async events(): Promise<readonly AgentEvent[]> {
    return (await this.#agent.events()).filter(({ call }) => call === this.number)
  }

  /** The first event of the kind, with the status when one is given. */
  async waitFor(kind: AgentEventKind, status?: number, options?: WaitOptions): Promise<AgentEvent> {
    let seen: readonly AgentEvent[] = []
    return waitFor(
      `${kind} ${status ?? ''} of call ${this.number}`,
      async () => {
        seen = await this.events()
        return seen.find((event) => event.kind === kind && (status === undefined || event.status === status))
      },
      options,
      () => `${JSON.stringify(seen, undefined, 1)}\n${this.#agent.log}`,
    )
  }

  async answer(): Promise<void> {
    await this.#agent.run('answer', this.number)
  }

  async hangUp(): Promise<void> {
    await this.#agent.run('hangUp', this.number)
  }

  async hold(): Promise<void> {
    await this.#agent.run('hold', this.number)
  }

  async resume(): Promise<void> {
    await this.#agent.run('resume', this.number)
  }

  async restartIce(): Promise<void> {
    await this.#agent.run('restartIce', this.number)
  }

  /** The status that the transfer came to. */
  async transfer(target: string): Promise<number> {
    return Number(await this.#agent.run('transfer', this.number, target))
  }

  async transferTo(other: AgentCall): Promise<number> {
    return Number(await this.#agent.run('transferTo', this.number, other.number))
  }

  async dtmf(tones: string, by: 'media' | 'info'): Promise<void> {
    await this.#agent.run('dtmf', this.number, tones, by)
  }

  async peer(): Promise<string> {
    return String(await this.#agent.run('peerOf', this.number))
  }

  async audio(): Promise<AgentAudio> {
    return (await this.#agent.run('audio', this.number)) as AgentAudio
  }

  async stats(): Promise<AgentStats> {
    return (await this.#agent.run('stats', this.number)) as AgentStats
  }

  /** Waits until the tone is heard now. */
  async waitForTone(frequencyHz: number, options?: WaitOptions): Promise<void> {
    await this.#waitForAudio(
      `${frequencyHz} Hz`,
      ({ hz, db }) => Math.abs(hz - frequencyHz) <= TONE_TOLERANCE_HZ && db >= TONE_MIN_DB,
      options,
    )
  }

  async waitForSilence(options?: WaitOptions): Promise<void> {
    await this.#waitForAudio('silence', ({ db }) => db <= SILENCE_MAX_DB, options)
  }

  async #waitForAudio(
    what: string,
    isWanted: (audio: AgentAudio) => boolean,
    options?: WaitOptions,
  ): Promise<void> {
    let last: AgentAudio = { hz: 0, db: -200 }
    await waitFor(
      `${what} in call ${this.number}`,
      async () => {
        last = await this.audio()
        return isWanted(last)
      },
      options,
      () => `heard ${last.hz} Hz at ${last.db} dB\n${this.#agent.log}`,
    )
  }
}
