import type { SipEnvironment } from '../../sip/user-agent.ts'

interface Alarm {
  readonly atMs: number
  readonly order: number
  readonly ring: () => void
}

/** A clock that moves only when a test moves it, with random that repeats. */
export class VirtualTime implements SipEnvironment {
  #nowMs = 1_000_000
  #order = 0
  #alarms: Alarm[] = []
  /** What is due at the same time happens in one turn of the event loop, as frames of one segment of TCP are read. */
  isBreathless = false

  nowMs(): number {
    return this.#nowMs
  }

  schedule(atMs: number, callback: () => void): () => void {
    this.#order += 1
    const alarm = { atMs, order: this.#order, ring: callback }
    this.#alarms.push(alarm)
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm)
    }
  }

  token(): string {
    this.#order += 1
    return this.#order.toString(16).padStart(32, '0')
  }

  /** Alarms that are set. */
  get pending(): number {
    return this.#alarms.length
  }

  /** Rings what is due within `ms`, in order, letting promises settle before and after each. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settle()
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      const due = next
      this.#alarms = this.#alarms.filter((alarm) => alarm !== due)
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      due.ring()
      if (!this.isBreathless || this.#next(due.atMs) === undefined) await settle()
    }
    this.#nowMs = endMs
  }

  #next(endMs: number): Alarm | undefined {
    return this.#alarms
      .filter((alarm) => alarm.atMs <= endMs)
      .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
  }
}

/** Lets every promise that can go on without time or network go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
