import type { CallReport } from './call-report.ts'
import { type CallTrace, keptCallId } from './call-trace.ts'

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
  /** The oldest first, and so are those refused. */
  readonly #ended: Kept[] = []
  readonly #refused: Kept[] = []

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
    this.#ended.push({ trace, endedMs: this.#options.nowMs() })
    this.#forgetOld()
  }

  /** An attempt that never became a call. */
  refuse(trace: CallTrace): void {
    this.#refused.push({ trace, endedMs: this.#options.nowMs() })
    this.#forgetOld()
  }

  /** The newest first, those that are live before all others. */
  list(): readonly CallReport[] {
    return this.traces().map((trace) => trace.report())
  }

  /** In that order. */
  traces(): readonly CallTrace[] {
    this.#forgetOld()
    const past = [...this.#ended, ...this.#refused].sort((one, other) => other.endedMs - one.endedMs)
    return [...[...this.#live].reverse(), ...past.map(({ trace }) => trace)]
  }

  /** By the Call-ID of any of its legs. */
  findExactly(callId: string): CallTrace | undefined {
    this.#forgetOld()
    const kept = keptCallId(callId)
    return [...this.#live, ...this.#past()].find((trace) => idsOf(trace).includes(kept))
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
    this.#trim(this.#ended, maxCalls)
    this.#trim(this.#refused, Math.ceil(maxCalls / 4))
  }

  #trim(all: Kept[], max: number): void {
    const oldestMs = this.#options.nowMs() - this.#options.keepMs
    const isOver = (kept: Kept): boolean => all.length > max || kept.endedMs <= oldestMs
    for (let [oldest] = all; oldest !== undefined && isOver(oldest); [oldest] = all) all.shift()
  }
}

const MIN_PREFIX = 4

const idsOf = (trace: CallTrace): readonly string[] => [trace.callId, ...trace.otherCallIds]
