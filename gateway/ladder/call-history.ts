import type { CallReport } from './call-report.ts'
import type { CallTrace } from './call-trace.ts'

export interface HistoryOptions {
  /** Calls that are kept after their end; of attempts that were refused at once, a quarter of it more. */
  readonly maxCalls: number
  readonly keepMs: number
  readonly nowMs: () => number
}

interface Kept {
  readonly trace: CallTrace
  readonly endedMs: number
}

/** Calls that are live, and those that ended not long ago. Refused attempts have a place of their own: they are cheap to make. */
export class CallHistory {
  readonly #options: HistoryOptions
  readonly #live = new Set<CallTrace>()
  #ended: Kept[] = []
  #refused: Kept[] = []

  constructor(options: HistoryOptions) {
    this.#options = options
  }

  /** How many calls are kept. */
  get size(): number {
    return this.#ended.length + this.#refused.length
  }

  begin(trace: CallTrace): void {
    this.#live.add(trace)
  }

  end(trace: CallTrace): void {
    this.#live.delete(trace)
    this.#ended = this.#kept(
      [...this.#ended, { trace, endedMs: this.#options.nowMs() }],
      this.#options.maxCalls,
    )
  }

  /** An attempt that never became a call. */
  refuse(trace: CallTrace): void {
    const all = [...this.#refused, { trace, endedMs: this.#options.nowMs() }]
    this.#refused = this.#kept(all, Math.ceil(this.#options.maxCalls / 4))
  }

  /** The newest first, those that are live before all others. */
  list(): readonly CallReport[] {
    this.#forgetOld()
    const past = [...this.#ended, ...this.#refused].sort((one, other) => other.endedMs - one.endedMs)
    return [...[...this.#live].reverse(), ...past.map(({ trace }) => trace)].map((trace) => trace.report())
  }

  /** By the Call-ID of any of its legs. */
  findExactly(callId: string): CallTrace | undefined {
    this.#forgetOld()
    return [...this.#live, ...this.#past()].find((trace) => idsOf(trace).includes(callId))
  }

  /** By the Call-ID of any of its legs, or by the first characters of one when only one call has them. */
  find(callId: string): CallTrace | undefined {
    const exact = this.findExactly(callId)
    if (exact !== undefined || callId.length < MIN_PREFIX) return exact
    const all = [...this.#live, ...this.#past()]
    const [one, another] = all.filter((trace) => idsOf(trace).some((id) => id.startsWith(callId)))
    return another === undefined ? one : undefined
  }

  #past(): readonly CallTrace[] {
    return [...this.#ended, ...this.#refused].reverse().map(({ trace }) => trace)
  }

  #forgetOld(): void {
    const { maxCalls } = this.#options
    this.#ended = this.#kept(this.#ended, maxCalls)
    this.#refused = this.#kept(this.#refused, Math.ceil(maxCalls / 4))
  }

  #kept(all: readonly Kept[], max: number): Kept[] {
    const oldestMs = this.#options.nowMs() - this.#options.keepMs
    const young = all.filter(({ endedMs }) => endedMs > oldestMs)
    return max === 0 ? [] : young.slice(-max)
  }
}

const MIN_PREFIX = 4

const idsOf = (trace: CallTrace): readonly string[] => [trace.callId, ...trace.otherCallIds]
