import type { Machine } from '../transaction/state-table.ts'
import { T1_MS, T2_MS, TRANSACTION_LIFETIME_MS } from '../transaction/timers.ts'

export type UnacknowledgedInput = { readonly kind: 'ack' } | { readonly kind: 'timeout' }
export type UnacknowledgedOutput = { readonly kind: 'send' } | { readonly kind: 'give-up' }

/**
 * Our 2xx to an INVITE that waits for its ACK: repeated over every transport, since ACK is end to end, and given up after
 * 64*T1 (RFC 3261 §13.3.1.4). The first sending is the server transaction's.
 */
export class UnacknowledgedAnswer implements Machine<UnacknowledgedInput, UnacknowledgedOutput> {
  readonly #endMs: number
  #intervalMs = T1_MS
  #repeatMs: number | undefined

  constructor(nowMs: number) {
    this.#endMs = nowMs + TRANSACTION_LIFETIME_MS
    this.#repeatMs = nowMs + T1_MS
  }

  get deadlineMs(): number | undefined {
    return this.#repeatMs === undefined ? undefined : Math.min(this.#repeatMs, this.#endMs)
  }

  get isOver(): boolean {
    return this.#repeatMs === undefined
  }

  handle(input: UnacknowledgedInput, nowMs: number): readonly UnacknowledgedOutput[] {
    if (this.#repeatMs === undefined) return []
    if (input.kind === 'ack') {
      this.#repeatMs = undefined
      return []
    }
    if (nowMs >= this.#endMs) {
      this.#repeatMs = undefined
      return [{ kind: 'give-up' }]
    }
    if (nowMs < this.#repeatMs) return []
    this.#intervalMs = Math.min(2 * this.#intervalMs, T2_MS)
    this.#repeatMs = nowMs + this.#intervalMs
    return [{ kind: 'send' }]
  }
}
