import { DeadlineTimer } from '../deadline-timer.ts'
import { MediaFailure } from '../failure.ts'
import type { LegHost } from '../leg-host.ts'

export interface LegGuardOptions {
  readonly host: Pick<LegHost, 'clock' | 'fail'>
  /** When the leg next has something to do. */
  deadlineMs(): number | undefined
  onDeadline(): void
  /** Frees what the leg has; once. */
  onEnd(): void
}

/** The one way into a leg: nothing runs after its end, an unexpected error ends this leg only, the timer follows. */
export class LegGuard {
  readonly #options: LegGuardOptions
  readonly #timer: DeadlineTimer
  #hasEnded = false

  constructor(options: LegGuardOptions) {
    this.#options = options
    this.#timer = new DeadlineTimer(options.host.clock, () => this.run(() => options.onDeadline()))
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  run(step: () => void): void {
    if (this.#hasEnded) return
    try {
      step()
    } catch (cause) {
      this.fail(new MediaFailure('media.internal', { cause }))
    }
    this.#timer.set(this.#hasEnded ? undefined : this.#options.deadlineMs())
  }

  /** The leg ends, and its host hears why. */
  fail(failure: MediaFailure): void {
    if (this.#hasEnded) return
    this.close()
    this.#options.host.fail(failure)
  }

  close(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#timer.set(undefined)
    this.#options.onEnd()
  }
}
