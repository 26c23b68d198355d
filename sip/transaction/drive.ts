import type { Clock } from './clock.ts'
import type { Machine } from './state-table.ts'

export interface DriveOptions<Input, Output> {
  readonly machine: Machine<Input | { readonly kind: 'timeout' }, Output>
  readonly clock: Clock
  /** After each input, before its outputs are performed: the place to notice that the machine has ended. */
  readonly settled: () => void
  readonly perform: (output: Output) => void
}

/** Feeds a machine and owns its single timeout. Inputs may come from within `perform`. */
export class Drive<Input, Output> {
  readonly #options: DriveOptions<Input, Output>
  #armedMs: number | undefined
  #disarm: (() => void) | undefined

  constructor(options: DriveOptions<Input, Output>) {
    this.#options = options
    this.#arm()
  }

  feed(input: Input | { readonly kind: 'timeout' }): void {
    const { machine, clock, settled, perform } = this.#options
    const outputs = machine.handle(input, clock.nowMs())
    this.#arm()
    settled()
    for (const output of outputs) perform(output)
  }

  stop(): void {
    this.#disarm?.()
    this.#disarm = undefined
    this.#armedMs = undefined
  }

  #arm(): void {
    const { deadlineMs } = this.#options.machine
    if (deadlineMs === this.#armedMs) return
    this.stop()
    if (deadlineMs === undefined) return
    this.#armedMs = deadlineMs
    this.#disarm = this.#options.clock.schedule(deadlineMs, () => {
      this.#armedMs = undefined
      this.feed({ kind: 'timeout' })
    })
  }
}
