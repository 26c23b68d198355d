import type { SipEnvironment } from '../../../sip/user-agent.ts'
import { seeded } from '../seeded.ts'

interface Entry {
  readonly atMs: number
  readonly order: number
  readonly callback: () => void
}

/** Time that moves when a test says so, and chance that is the same in each run. */
export class VirtualClock implements SipEnvironment {
  #nowMs = 1_000
  #order = 0
  readonly #random: () => number
  readonly #heap: Entry[] = []
  readonly #cancelled = new Set<Entry>()

  constructor(seed = 1) {
    this.#random = seeded(seed)
  }

  nowMs(): number {
    return this.#nowMs
  }

  random(): number {
    return this.#random()
  }

  token(): string {
    let text = ''
    for (let i = 0; i < 4; i += 1) {
      text += Math.floor(this.#random() * 0x1_0000_0000)
        .toString(16)
        .padStart(8, '0')
    }
    return text
  }

  schedule(atMs: number, callback: () => void): () => void {
    const entry = { atMs: Math.max(atMs, this.#nowMs), order: this.#order++, callback }
    this.#push(entry)
    return () => this.#cancelled.add(entry)
  }

  /** Runs all that is due in the next `ms`. */
  advance(ms: number): void {
    const end = this.#nowMs + ms
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= end; next = this.#heap[0]) {
      this.#pop()
      if (this.#cancelled.delete(next)) continue
      this.#nowMs = next.atMs
      next.callback()
    }
    this.#nowMs = end
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    heap.push(entry)
    let at = heap.length - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#swapIfEarlier(at, parent)) break
      at = parent
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    heap[0] = last
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const right = left + 1
      const child = right < heap.length && this.#isEarlier(right, left) ? right : left
      if (child >= heap.length || !this.#swapIfEarlier(child, at)) return
      at = child
    }
  }

  #isEarlier(a: number, b: number): boolean {
    const [left, right] = [this.#heap[a], this.#heap[b]]
    if (left === undefined || right === undefined) return false
    return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order)
  }

  #swapIfEarlier(a: number, b: number): boolean {
    if (!this.#isEarlier(a, b)) return false
    const [left, right] = [this.#heap[a], this.#heap[b]]
    if (left === undefined || right === undefined) return false
    this.#heap[a] = right
    this.#heap[b] = left
    return true
  }
}
