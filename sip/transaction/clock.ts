import type { SipEnvironment } from '../user-agent-contract.ts'

/** Time and chance as the stack uses them: no exception leaves a callback, and all timers end with `close`. */
export class Clock implements SipEnvironment {
  readonly #environment: SipEnvironment
  readonly #onFault: (error: unknown) => void
  readonly #pending = new Set<() => void>()
  #isOpen = true

  constructor(environment: SipEnvironment, onFault: (error: unknown) => void) {
    this.#environment = environment
    this.#onFault = onFault
  }

  /** Timers that run. */
  get size(): number {
    return this.#pending.size
  }

  nowMs(): number {
    return this.#environment.nowMs()
  }

  token(): string {
    return this.#environment.token()
  }

  schedule(atMs: number, callback: () => void): () => void {
    if (!this.#isOpen) return () => {}
    const stop = this.#environment.schedule(atMs, () => {
      this.#pending.delete(cancel)
      try {
        callback()
      } catch (error) {
        this.#onFault(error)
      }
    })
    const cancel = (): void => {
      if (this.#pending.delete(cancel)) stop()
    }
    this.#pending.add(cancel)
    return cancel
  }

  /** Calls back after control has returned to the caller of the stack. */
  soon(callback: () => void): void {
    this.schedule(this.nowMs(), callback)
  }

  /** From now on nothing is called back. */
  close(): void {
    this.#isOpen = false
    for (const cancel of [...this.#pending]) cancel()
  }
}
