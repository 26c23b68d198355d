import type { LogFields } from '../config/log-line.ts'
import type { Log } from '../config/logging.ts'
import { TokenBucket } from '../sip/token-bucket.ts'
import type { Verdict } from './diagnosis.ts'
import { logLevelOf, verdictFields } from './failure.ts'

/** Lines about all strangers together: enough for an operator who looks for a mistake, no use for filling the disk. */
const LINES_PER_SECOND = 10
const LINE_BURST = 20

export interface RefusalsOptions {
  readonly nowMs: () => number
  readonly log: Log
}

export interface Refusal {
  readonly verdict: Verdict
  /** What was thrown: told where it is our own mistake. */
  readonly error: unknown
  readonly fields: LogFields
  /** A user or trunk, who has been seen to be the one. */
  readonly isKnown: boolean
}

/** What is said of refused requests. Those of strangers are as many as strangers like: beyond a rate they are counted. */
export class Refusals {
  readonly #options: RefusalsOptions
  readonly #bucket: TokenBucket
  readonly #counters = { unlogged: 0 }

  constructor(options: RefusalsOptions) {
    this.#options = options
    this.#bucket = new TokenBucket(LINES_PER_SECOND, LINE_BURST, options.nowMs())
  }

  tell(message: string, { verdict, error, fields, isKnown }: Refusal): void {
    const { log, nowMs } = this.#options
    if (isKnown || this.#bucket.take(nowMs()))
      log[logLevelOf(verdict)](message, { ...fields, ...verdictFields(verdict, error) })
    else this.#counters.unlogged += 1
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
  }
}
