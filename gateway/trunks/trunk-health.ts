import type { Log } from '../../config/logging.ts'
import type { SipResponse } from '../../sip/message/message.ts'
import type { NoAnswer, SipEnvironment } from '../../sip/user-agent.ts'
import { GatewayFailure } from '../gateway-failure.ts'

export interface TrunkHealthOptions {
  readonly trunk: string
  readonly intervalS: number
  readonly environment: SipEnvironment
  readonly log: Log
  /** Sends OPTIONS to the trunk. May throw when there is no way. */
  readonly ask: (done: (outcome: SipResponse | NoAnswer) => void) => void
  /** What an outcome is called. */
  readonly seenOf: (outcome: SipResponse | NoAnswer) => string
  readonly onState: (state: TrunkState) => void
}

/** One lost datagram is no dead trunk, and one answer no healthy one. */
const DOWN_AFTER = 3
const UP_AFTER = 2

/** Retransmissions of a lost request have come and gone by then; its transaction may last longer. */
const MIN_ANSWER_S = 2
const MAX_ANSWER_S = 8

/** Busy with something else than us: alive, and of no use now. */
const OUT_OF_SERVICE: ReadonlySet<number> = new Set([408, 503, 504])

export type TrunkState = 'unknown' | 'up' | 'down'

/** Any answer but 503 and its like: many PBXes refuse OPTIONS. */
export const isAlive = (outcome: SipResponse | NoAnswer): boolean =>
  typeof outcome !== 'string' && !OUT_OF_SERVICE.has(outcome.status)

/** Whether a trunk lives, as its answers to OPTIONS tell. */
export class TrunkHealth {
  readonly #options: TrunkHealthOptions
  #state: TrunkState = 'unknown'
  /** Outcomes in a row that speak against the state. */
  #against = 0
  #isOver = false
  #cancelTimer: () => void = () => {}

  constructor(options: TrunkHealthOptions) {
    this.#options = options
  }

  get state(): TrunkState {
    return this.#state
  }

  start(): void {
    const { environment, intervalS, ask } = this.#options
    const sentMs = environment.nowMs()
    let isDone = false
    const done = (outcome: SipResponse | NoAnswer): void => {
      if (this.#isOver || isDone) return
      isDone = true
      this.#cancelTimer()
      // It was not asked: a table of ours was full.
      if (outcome !== 'overload') this.#note(outcome)
      // An answer that took its time takes it from the pause.
      const atMs = Math.max(sentMs + intervalS * 1_000, environment.nowMs())
      this.#cancelTimer = environment.schedule(atMs, () => this.start())
    }
    const answerS = Math.min(MAX_ANSWER_S, Math.max(MIN_ANSWER_S, intervalS))
    this.#cancelTimer = environment.schedule(sentMs + answerS * 1_000, () => done('timeout'))
    try {
      ask(done)
    } catch (error) {
      // The trunk has no address now.
      if (!(error instanceof GatewayFailure)) throw error
      done('transport')
    }
  }

  stop(): void {
    this.#isOver = true
    this.#cancelTimer()
  }

  #note(outcome: SipResponse | NoAnswer): void {
    const lives = isAlive(outcome)
    const next = lives ? 'up' : 'down'
    this.#against = next === this.#state ? 0 : this.#against + 1
    const isFirstAnswer = this.#state === 'unknown' && lives
    if (!isFirstAnswer && this.#against < (lives ? UP_AFTER : DOWN_AFTER)) return
    this.#state = next
    this.#against = 0
    const { trunk, log, onState } = this.#options
    onState(next)
    if (lives) log.info('trunk is up', { trunk, seen: this.#options.seenOf(outcome) })
    else log.warn('trunk is down', { trunk, seen: this.#options.seenOf(outcome) })
  }
}
