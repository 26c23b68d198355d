/** What has happened to one leg's re-offers. */
export type RenegotiationInput =
  /** Our wish for the leg has changed: direction or codecs of the other side. */
  | { readonly kind: 'wish' }
  /** An offer of ours has gone out: the one of a 'wish', with what has been wished since, or one in a 2xx, whose answer ACK brings. */
  | { readonly kind: 'offered' }
  /** The offer under way was answered. */
  | { readonly kind: 'answered' }
  /**
   * 491: both sides offered at once; `backOffMs` as RFC 3261 §14.1 draws it. Or a table of ours had no place for it, or it got no
   * answer by a connection that may be dead.
   */
  | { readonly kind: 'glare'; readonly backOffMs: number }
  /** There is no connection to the peer: it has refused nothing, and is asked until there is one. */
  | { readonly kind: 'unreached'; readonly backOffMs: number }
  /** Any other refusal; the session stays as it was. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'timeout' }

export type RenegotiationState = 'idle' | 'offering' | 'backing-off'

/** RFC 3261 §14.1 asks for one more try; a peer that collides this often will not stop. */
const MAX_GLARES = 5

/**
 * The queue of one leg's re-offers: at most one under way, and since an offer says everything, the queue is one bit deep:
 * the newest wish is offered when the way is free. `handle` returns true when an offer has to be sent now.
 */
export class Renegotiation {
  #state: RenegotiationState = 'idle'
  #isWished = false
  #glares = 0
  #deadlineMs: number | undefined

  get state(): RenegotiationState {
    return this.#state
  }

  /** When to call `handle({ kind: 'timeout' }, now)`; undefined means never. */
  get deadlineMs(): number | undefined {
    return this.#deadlineMs
  }

  handle(input: RenegotiationInput, nowMs: number): boolean {
    switch (input.kind) {
      case 'wish':
        this.#isWished = true
        return this.#offerIfFree()
      case 'offered':
        this.#isWished = false
        this.#state = 'offering'
        this.#deadlineMs = undefined
        return false
      case 'answered':
      case 'refused':
        this.#glares = 0
        return this.#free()
      case 'glare':
        return this.#collide(input.backOffMs, nowMs)
      case 'unreached':
        return this.#backOff(input.backOffMs, nowMs)
      case 'timeout':
        if (this.#deadlineMs === undefined || nowMs < this.#deadlineMs) return false
        return this.#free()
      default:
        return input satisfies never
    }
  }

  #collide(backOffMs: number, nowMs: number): boolean {
    this.#glares += 1
    if (this.#glares <= MAX_GLARES) return this.#backOff(backOffMs, nowMs)
    this.#glares = 0
    return this.#free()
  }

  #backOff(backOffMs: number, nowMs: number): boolean {
    this.#isWished = true
    this.#state = 'backing-off'
    this.#deadlineMs = nowMs + backOffMs
    return false
  }

  #free(): boolean {
    this.#state = 'idle'
    this.#deadlineMs = undefined
    return this.#offerIfFree()
  }

  #offerIfFree(): boolean {
    if (this.#state !== 'idle' || !this.#isWished) return false
    this.#isWished = false
    this.#state = 'offering'
    return true
  }
}

/** RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side 0 to 2 s, in units of 10 ms. */
export function glareBackOffMs(isCallIdOwner: boolean, random: number): number {
  return isCallIdOwner ? 2_100 + Math.floor(random * 191) * 10 : Math.floor(random * 201) * 10
}
