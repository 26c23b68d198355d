import type { SipEnvironment } from '../../sip/user-agent.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { Ticket } from './admission.ts'
import { isTrunkParty } from './party.ts'

export interface CallChargesOptions {
  readonly environment: SipEnvironment
  /** How long a call of these parties may last. */
  readonly maxDurationS: (parties: readonly string[]) => number
  readonly onTooLong: (failure: GatewayFailure) => void
}

/**
 * What one call holds of the limits: the ticket it came in by and one for each leg that a transfer has called, and until
 * when it may last. A transferred call stays with the party that has transferred it, or hanging up would make room for the next one.
 */
export class CallCharges {
  readonly #options: CallChargesOptions
  /** With the time the leg has to end. */
  readonly #tickets = new Map<Ticket, number>()
  #cancelTimer: () => void = () => {}

  constructor(options: CallChargesOptions, first: Ticket) {
    this.#options = options
    this.#tickets.set(first, Infinity)
  }

  /** It is never ended for its length, and not by a stop of the daemon before its time. */
  get isEmergency(): boolean {
    return [...this.#tickets.keys()].some((ticket) => ticket.isEmergency)
  }

  add(ticket: Ticket): void {
    this.#tickets.set(ticket, Infinity)
    this.#schedule()
  }

  /** The leg it was for did not come about. */
  drop(ticket: Ticket): void {
    this.#tickets.delete(ticket)
    ticket.release()
    this.#schedule()
  }

  /** Somebody has answered; `parties`: who talks now. The time of every leg that had none begins. */
  answered(parties: readonly string[]): void {
    const { environment, maxDurationS } = this.#options
    for (const [ticket, endMs] of this.#tickets) {
      if (endMs !== Infinity) continue
      const lastsS = maxDurationS([ticket.payer, ...parties.filter(isTrunkParty)])
      this.#tickets.set(ticket, environment.nowMs() + lastsS * 1_000)
    }
    this.#schedule()
  }

  /** The other call has been joined to this one: what it was charged is charged here, and ends when it would have. */
  takeOver(other: CallCharges): void {
    for (const [ticket, endMs] of other.#tickets) {
      if (ticket.isOutside) this.#tickets.set(ticket, endMs)
      else ticket.release()
    }
    other.#tickets.clear()
    other.#cancelTimer()
    this.#schedule()
  }

  /** The call has ended, but keeps its places until it has given back what it used. */
  stop(): void {
    this.#cancelTimer()
  }

  /** Gives all back. */
  close(): void {
    this.#cancelTimer()
    for (const ticket of this.#tickets.keys()) ticket.release()
    this.#tickets.clear()
  }

  #schedule(): void {
    const { environment, onTooLong } = this.#options
    this.#cancelTimer()
    const endMs = Math.min(...this.#tickets.values())
    if (endMs === Infinity || this.isEmergency) return
    this.#cancelTimer = environment.schedule(endMs, () => onTooLong(new GatewayFailure('call.too-long')))
  }
}
