import type { Log } from '../config/logging.ts'
import type { SipResponse } from '../sip/message.ts'
import type { NoAnswer, SipEnvironment } from '../sip/user-agent.ts'
import { GatewayFailure } from './gateway-failure.ts'

export interface TrunkHealthOptions {
  readonly trunk: string
  readonly intervalS: number
  readonly environment: SipEnvironment
  readonly log: Log
  /** Sends OPTIONS to the trunk. May throw when there is no way. */
  readonly ask: (done: (outcome: SipResponse | NoAnswer) => void) => void
}

/** One lost datagram is no dead trunk, and one answer no healthy one. */
const DOWN_AFTER = 3
const UP_AFTER = 2

/** Busy with something else than us: alive, and of no use now. */
const OUT_OF_SERVICE: ReadonlySet<number> = new Set([408, 503, 504])

export type TrunkState = 'unknown' | 'up' | 'down'

/** Whether a trunk lives, as its answers to OPTIONS tell. Any answer but 503 and its like counts: many PBXes refuse OPTIONS. */
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
    const done = (outcome: SipResponse | NoAnswer): void => {
      if (this.#isOver) return
      this.#note(outcome)
      // An answer that took its time takes it from the pause.
      const atMs = Math.max(sentMs + intervalS * 1_000, environment.nowMs())
      this.#cancelTimer = environment.schedule(atMs, () => this.start())
    }
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
    const isAlive = typeof outcome !== 'string' && !OUT_OF_SERVICE.has(outcome.status)
    const next = isAlive ? 'up' : 'down'
    this.#against = next === this.#state ? 0 : this.#against + 1
    const isFirstAnswer = this.#state === 'unknown' && isAlive
    if (!isFirstAnswer && this.#against < (isAlive ? UP_AFTER : DOWN_AFTER)) return
    this.#state = next
    this.#against = 0
    const { trunk, log } = this.#options
    const seen = typeof outcome === 'string' ? outcome : `${outcome.status} ${outcome.reason}`
    if (isAlive) log.info('trunk is up', { trunk, seen })
    else log.warn('trunk is down', { trunk, seen })
  }
}
