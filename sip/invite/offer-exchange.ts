import { nextOfferState, type OfferEvent, type OfferState } from './offer-answer.ts'

/** Whose turn it is in a dialog. An event out of turn changes nothing. */
export class OfferExchange {
  #state: OfferState
  readonly #onOutOfTurn: () => void

  constructor(state: OfferState, onOutOfTurn: () => void) {
    this.#state = state
    this.#onOutOfTurn = onOutOfTurn
  }

  get state(): OfferState {
    return this.#state
  }

  move(event: OfferEvent): void {
    const next = nextOfferState(this.#state, event)
    if (next === undefined) this.#onOutOfTurn()
    else this.#state = next
  }
}
