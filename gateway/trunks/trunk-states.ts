import { retryAfter } from '../../sip/message/headers.ts'
import type { SipResponse } from '../../sip/message/message.ts'
import { readable } from '../../sip/message/readable.ts'
import type { NoAnswer } from '../../sip/user-agent.ts'
import type { TrunkPath } from './trunk.ts'
import type { TrunkState } from './trunk-health.ts'

/** How a trunk did not take a call or a request: said nothing in time, did not ring in time, has no codec of the caller's. */
export type Unreached = SipResponse | NoAnswer | 'silent' | 'slow' | 'unfit'

/** How long a failed connection explains that there is none: longer than the longest back-off. */
const TROUBLE_MS = 120_000
/** And a datagram that was not sent explains that there is no answer: as long as a request waits for one (RFC 3261 §17, 64 * T1). */
const UNSENT_MS = 32_000
/** How long an address that did not answer is tried after all others. */
const REST_MS = 30_000
/** A 503 may ask for more; nobody is left alone for a day because of one. */
const MAX_REST_MS = 300_000
const MAX_RESTS = 4_096

export interface LastFailure {
  readonly atMs: number
  /** For operators: what was seen, and where. */
  readonly reason: string
}

/** What calls and OPTIONS have found out about trunks: which are up, which addresses rest, and what went wrong last. */
export class TrunkStates {
  readonly #nowMs: () => number
  readonly #health = new Map<string, TrunkState>()
  readonly #failures = new Map<string, LastFailure>()
  /** Connections that did not come about, by trunk. */
  readonly #troubles = new Map<string, LastFailure>()
  /** Datagrams that the kernel did not send, by trunk. */
  readonly #unsent = new Map<string, LastFailure>()
  /** By address: until when. The oldest first. */
  readonly #rests = new Map<string, number>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** As OPTIONS tell, with hysteresis; `unknown` where nobody asks. */
  healthOf(trunk: string): TrunkState {
    return this.#health.get(trunk) ?? 'unknown'
  }

  noteHealth(trunk: string, state: TrunkState): void {
    this.#health.set(trunk, state)
  }

  lastFailureOf(trunk: string): LastFailure | undefined {
    return this.#failures.get(trunk)
  }

  get restCount(): number {
    return this.#rests.size
  }

  isResting(path: TrunkPath): boolean {
    return (this.#rests.get(keyOf(path)) ?? Number.NEGATIVE_INFINITY) > this.#nowMs()
  }

  /** It has been heard: what was not sent before explains nothing that comes. */
  answered(path: TrunkPath): void {
    this.#rests.delete(keyOf(path))
    this.#unsent.delete(path.trunk.name)
  }

  /** An address that did not answer rests, and so does one that asks for it (RFC 3261 §21.5.4); not one that was not asked. */
  failed(path: TrunkPath, how: Exclude<Unreached, 'overload'>): void {
    const { address, port } = path.remote
    const seen = this.seenOf(path.trunk.name, how)
    const nowMs = this.#nowMs()
    this.#failures.set(path.trunk.name, {
      atMs: nowMs,
      reason: `${seen} (${path.transport} ${address}:${port})`,
    })
    const restMs = restOf(how)
    if (restMs === 0) return
    const key = keyOf(path)
    this.#rests.delete(key)
    this.#rests.set(key, nowMs + restMs)
    const [oldest] = this.#rests.keys()
    if (this.#rests.size > MAX_RESTS && oldest !== undefined) this.#rests.delete(oldest)
  }

  /** A connection to the trunk did not come about. */
  noteTrouble(trunk: string, reason: string): void {
    this.#troubles.set(trunk, { atMs: this.#nowMs(), reason })
  }

  /** The kernel did not send it a datagram: a code of the system. */
  noteUnsent(trunk: string, code: string): void {
    this.#unsent.set(trunk, { atMs: this.#nowMs(), reason: `this machine did not send (${code})` })
  }

  /** Why there was no connection, or no answer, when that was not long ago. */
  troubleOf(trunk: string, how: Unreached): string | undefined {
    if (how === 'transport') return this.#lately(this.#troubles.get(trunk), TROUBLE_MS)
    return how === 'timeout' || how === 'silent'
      ? this.#lately(this.#unsent.get(trunk), UNSENT_MS)
      : undefined
  }

  #lately(trouble: LastFailure | undefined, withinMs: number): string | undefined {
    return trouble === undefined || this.#nowMs() - trouble.atMs > withinMs ? undefined : trouble.reason
  }

  /** What an outcome is called: a connection that failed, and a datagram that was not sent, say why. */
  seenOf(trunk: string, how: Unreached): string {
    if (typeof how === 'object') return `${how.status} ${how.reason}`
    const trouble = this.troubleOf(trunk, how)
    return trouble === undefined ? how : `${how}: ${trouble}`
  }

  /** A registration that failed, for operators. */
  noteFailure(trunk: string, reason: string): void {
    this.#failures.set(trunk, { atMs: this.#nowMs(), reason })
  }
}

function restOf(how: Unreached): number {
  if (typeof how === 'string') return how === 'slow' || how === 'unfit' ? 0 : REST_MS
  const askedS = how.status === 503 ? readable(() => retryAfter(how)) : undefined
  return Math.min(MAX_REST_MS, (askedS ?? 0) * 1_000)
}

/** Tells the ways to trunks apart. */
export const keyOf = ({ trunk, transport, remote }: TrunkPath): string =>
  `${trunk.name} ${transport} ${remote.address} ${remote.port}`
