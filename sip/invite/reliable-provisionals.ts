import { rack } from '../message/headers.ts'
import type { SipRequest } from '../message/message.ts'
import type { Machine } from '../transaction/state-table.ts'
import { T1_MS, TRANSACTION_LIFETIME_MS } from '../transaction/timers.ts'

/** Provisional responses that may wait for the PRACK of an earlier one; more mean nothing to a caller. */
export const MAX_WAITING_PROVISIONALS = 8

/** A reliable provisional response, as its PRACK names it (RFC 3262 §7.2). */
export interface ReliableName {
  readonly rseq: number
  readonly inviteCseq: number
}

export function isPrackFor(prack: SipRequest, { rseq, inviteCseq }: ReliableName): boolean {
  const named = rack(prack)
  return named?.rseq === rseq && named.cseq === inviteCseq && named.method === 'INVITE'
}

export type ReliableInput<Item> =
  | { readonly kind: 'progress'; readonly item: Item }
  /** PRACK for the number that is awaited. */
  | { readonly kind: 'prack' }
  | { readonly kind: 'timeout' }

export type ReliableOutput<Item> =
  | { readonly kind: 'send'; readonly item: Item; readonly rseq: number }
  | { readonly kind: 'repeat' }
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'too-many' }
  | { readonly kind: 'give-up' }

interface Awaited<Item> {
  readonly item: Item
  readonly rseq: number
  readonly endMs: number
  intervalMs: number
  repeatMs: number
}

/**
 * The reliable provisional responses to one INVITE (RFC 3262 §3): numbered one by one, never two without PRACK, each repeated
 * over every transport at T1 and doubling (there is no T2 here), and given up after 64*T1.
 */
export class ReliableProvisionals<Item> implements Machine<ReliableInput<Item>, ReliableOutput<Item>> {
  readonly #waiting: Item[] = []
  #rseq: number
  #awaited: Awaited<Item> | undefined

  /** `firstRseq`: chosen at random from 1 to 2^31 - 1. */
  constructor(firstRseq: number) {
    this.#rseq = firstRseq - 1
  }

  get deadlineMs(): number | undefined {
    return this.#awaited === undefined ? undefined : Math.min(this.#awaited.repeatMs, this.#awaited.endMs)
  }

  /** The response that was sent and has no PRACK. */
  get awaited(): { readonly item: Item; readonly rseq: number } | undefined {
    return this.#awaited
  }

  handle(input: ReliableInput<Item>, nowMs: number): readonly ReliableOutput<Item>[] {
    switch (input.kind) {
      case 'progress':
        if (this.#awaited === undefined) return [this.#send(input.item, nowMs)]
        if (this.#waiting.length >= MAX_WAITING_PROVISIONALS) return [{ kind: 'too-many' }]
        this.#waiting.push(input.item)
        return []
      case 'prack': {
        this.#awaited = undefined
        const next = this.#waiting.shift()
        return next === undefined
          ? [{ kind: 'acknowledged' }]
          : [{ kind: 'acknowledged' }, this.#send(next, nowMs)]
      }
      case 'timeout':
        return this.#onTimeout(nowMs)
      default:
        return input satisfies never
    }
  }

  #onTimeout(nowMs: number): readonly ReliableOutput<Item>[] {
    const awaited = this.#awaited
    if (awaited === undefined) return []
    if (nowMs >= awaited.endMs) {
      this.#awaited = undefined
      return [{ kind: 'give-up' }]
    }
    if (nowMs < awaited.repeatMs) return []
    awaited.intervalMs *= 2
    awaited.repeatMs = nowMs + awaited.intervalMs
    return [{ kind: 'repeat' }]
  }

  #send(item: Item, nowMs: number): ReliableOutput<Item> {
    this.#rseq += 1
    this.#awaited = {
      item,
      rseq: this.#rseq,
      endMs: nowMs + TRANSACTION_LIFETIME_MS,
      intervalMs: T1_MS,
      repeatMs: nowMs + T1_MS,
    }
    return { kind: 'send', item, rseq: this.#rseq }
  }
}
