import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import type { NativeLegStats } from '../../media/native/boundary.ts'
import { openRelay } from './relay-script.ts'
import { until } from './until.ts'

/** Two plain trunk legs that feed each other, on as many relay threads. Node runs it as it stands, so it is JavaScript. */
const script = (threads: 1 | 2): string => `
const openOne = () => ${openRelay({ onReady: '() => { for (const relay of relays) while (relay.takeBatch() !== undefined); }' })}
const relays = Array.from({ length: ${threads} }, openOne)
function open(relay, ssrc) {
  for (;;) {
    const port = 6000 + 2 * Math.floor(Math.random() * 900)
    try {
      return { relay, port, leg: relay.addLeg({ kind: 'rtp', address: '127.0.0.1', rtpPort: port, ssrc }) }
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error
    }
  }
}
const legs = [open(relays[0], 1), open(relays[${threads} - 1], 2)]
const visitors = []
const map = [{ from: 0, to: 0, clockRateHz: 8000 }]
const answers = {
  connect(ports) {
    legs.forEach(({ relay, leg }, at) => {
      const other = legs[1 - at]
      relay.setRemote(leg, { rtp: { address: '127.0.0.1', port: ports[at] }, rtcp: undefined, latchMs: 0 })
      for (const direction of ['receive', 'send']) relay.setKeys(leg, direction, 'none')
      if (other.relay === relay) return relay.setRoute(leg, { target: other.leg, map })
      const visitor = other.relay.addVisitor()
      visitors.push({ relay: other.relay, leg: visitor })
      other.relay.setRoute(visitor, { target: other.leg, map })
      relay.setRoute(leg, { target: visitor, relay: other.relay, map })
    })
    for (const relay of relays) relay.tables()
    process.send({ ports: legs.map(({ port }) => port) })
  },
  stats() { process.send({ stats: [...legs, ...visitors].map(({ relay, leg }) => relay.stats(leg)) }) },
  block(ms) {
    process.send({ isBlocked: true }, () => {
      for (const end = Date.now() + ms; Date.now() < end; );
      process.send({ isBlocked: false })
    })
  },
}
process.on('message', ({ ask, of }) => answers[ask](of))
`

interface Answer {
  readonly ports?: readonly number[]
  readonly stats?: readonly NativeLegStats[]
  readonly isBlocked?: boolean
}

/** A relay in a process of its own, whose JavaScript thread, or all of it, can be stopped. Ends with the test. */
export class RelayProcess {
  readonly #child: ChildProcess
  #answers: Answer[] = []
  isBlocked = false

  /** `under`: a program that runs it. `threads`: with two, each leg is on one of its own. */
  constructor(under: readonly string[] = [], threads: 1 | 2 = 1) {
    const [command = '', ...words] = [...under, process.execPath, '-e', script(threads)]
    this.#child = spawn(command, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', (answer: Answer) => {
      if (answer.isBlocked === undefined) this.#answers.push(answer)
      else this.isBlocked = answer.isBlocked
    })
    onTestFinished(() => void this.#child.kill('SIGKILL'))
  }

  /** Ports of the two legs, which from now on send to `ports`, one each, what comes from the other. */
  async connect(ports: readonly [number, number]): Promise<readonly number[]> {
    return (await this.#ask('connect', ports)).ports ?? []
  }

  /** Of the two legs, and of what they have on each other's thread. */
  async stats(): Promise<readonly NativeLegStats[]> {
    return (await this.#ask('stats')).stats ?? []
  }

  async block(ms: number): Promise<void> {
    this.#child.send({ ask: 'block', of: ms })
    await until(() => this.isBlocked)
  }

  /** All of its threads; they stand still then. */
  async pause(): Promise<void> {
    this.#child.kill('SIGSTOP')
    const tasks = `/proc/${this.#child.pid}/task`
    const isStill = (task: string): boolean =>
      /^State:\s+T/m.test(readFileSync(`${tasks}/${task}/status`, 'utf8'))
    await until(() => readdirSync(tasks).every(isStill))
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  async #ask(ask: string, of?: unknown): Promise<Answer> {
    this.#answers = []
    this.#child.send({ ask, of })
    await until(() => this.#answers.length > 0)
    return this.#answers[0] ?? {}
  }
}
