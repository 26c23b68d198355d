import type { LogFields } from '../config/log-line.ts'
import type { Log } from '../config/logging.ts'
import { PartyRates, type Rate } from '../sip/party-rates.ts'
import { TokenBucket } from '../sip/token-bucket.ts'
import { isTrunkParty } from './calls/party.ts'
import type { Verdict } from './diagnosis.ts'
import { logLevelOf, verdictFields } from './failure.ts'

/** Lines about all strangers together: enough for an operator who looks for a mistake, no use for filling the disk. */
const LINES_PER_SECOND = 10
const LINE_BURST = 20

/** Of what one party is refused: a page that tries again and again by itself, or a trunk with many callers, stays below. */
export const REFUSAL_RATES: Readonly<Record<'party' | 'trunk' | 'habit', Rate>> = {
  party: { perSecond: 5, burst: 60 },
  trunk: { perSecond: 50, burst: 600 },
  /** Six an hour remind of it. */
  habit: { perSecond: 1 / 600, burst: 5 },
}

export interface RefusalsOptions {
  readonly nowMs: () => number
  readonly log: Log
}

export interface Refusal {
  readonly verdict: Verdict
  /** What was thrown: told where it is our own mistake. */
  readonly error: unknown
  readonly fields: LogFields
  /** A user or trunk, who has been seen to be the one, or by its address; undefined for strangers. */
  readonly party: string | undefined
  /** A call for help, which no other refusals of the party may hide: it counts by itself. */
  readonly isEmergency?: boolean
  /** What peers ask again and again and never get, such as PUBLISH, and who: told a few times. */
  readonly habit?: string
}

/** What is said of refused requests. They are as many as peers like: beyond a rate, of strangers together and of each party, they are counted. */
export class Refusals {
  readonly #options: RefusalsOptions
  readonly #bucket: TokenBucket
  readonly #rates = new PartyRates()
  readonly #emergencyRates = new PartyRates()
  readonly #habitRates = new PartyRates()
  readonly #counters = { unlogged: 0 }

  constructor(options: RefusalsOptions) {
    this.#options = options
    this.#bucket = new TokenBucket(LINES_PER_SECOND, LINE_BURST, options.nowMs())
  }

  /** False past the rate: then nothing else is to be kept of it either. */
  tell(message: string, refusal: Refusal): boolean {
    const { verdict, error, fields } = refusal
    if (!this.#take(refusal)) {
      this.#counters.unlogged += 1
      return false
    }
    this.#options.log[logLevelOf(verdict)](message, { ...fields, ...verdictFields(verdict, error) })
    return true
  }

  #take({ party, isEmergency = false, habit }: Refusal): boolean {
    const nowMs = this.#options.nowMs()
    if (habit !== undefined && !this.#habitRates.take(habit, REFUSAL_RATES.habit, nowMs)) return false
    if (party === undefined) return this.#bucket.take(nowMs)
    const rates = isEmergency ? this.#emergencyRates : this.#rates
    return rates.take(party, isTrunkParty(party) ? REFUSAL_RATES.trunk : REFUSAL_RATES.party, nowMs)
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
  }
}
