/** How often a thread is asked for a sign of life. */
export const HEARTBEAT_MS = 1_000
/** A round is over within milliseconds, however much there is to do: a thread that owes an answer for so long does nothing else either. */
const STALLED_MS = 5_000
/** In a row: after a standstill of the whole process one look comes before the thread could answer. */
const LOOKS = 2

/** Whether a relay thread still answers, by looks `HEARTBEAT_MS` apart. */
export class RelayWatchdog {
  #overdue = 0

  get isStalled(): boolean {
    return this.#overdue >= LOOKS
  }

  /** `owedMs`: as `Relay.heartbeat` has it. True when this look made the difference, either way. */
  look(owedMs: number): boolean {
    const wasStalled = this.isStalled
    this.#overdue = owedMs < STALLED_MS ? 0 : this.#overdue + 1
    return this.isStalled !== wasStalled
  }
}
