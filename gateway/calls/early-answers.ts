import type { SipRequest, SipResponse } from '../../sip/message/message.ts'
import { sdpIn } from './body.ts'

/** Forks of one INVITE whose descriptions are kept; as many as may have early dialogs. */
export const MAX_EARLY_ANSWERS = 16

const NOTHING = Buffer.alloc(0)

/**
 * What the forks of an INVITE have answered so far, by their To tags. A 2xx without a description goes on with the one that a
 * reliable 1xx of the same fork had (RFC 3262 §5), and another fork may have said something else since.
 */
export class EarlyAnswers {
  readonly #byTag = new Map<string, Buffer>()
  /** Whose was taken last. */
  #latest: string | undefined
  /** It has made an offer since, and repeats in its 2xx what it had answered before. */
  #isSuperseded = false

  /** The description to take now; empty when there is none, or it has been taken. */
  from(response: SipResponse): Buffer {
    const tag = response.to.parameters.get('tag') ?? ''
    if (this.#isSuperseded && tag === this.#latest) return NOTHING
    const own = sdpIn(response)
    if (own.length === 0) {
      return response.status < 200 || tag === this.#latest ? NOTHING : (this.#byTag.get(tag) ?? NOTHING)
    }
    this.#latest = tag
    this.#isSuperseded = false
    if (this.#byTag.has(tag) || this.#byTag.size < MAX_EARLY_ANSWERS) this.#byTag.set(tag, own)
    return own
  }

  /** Whether it is of the fork whose answer holds. */
  isOfLatest(offer: SipRequest): boolean {
    return (offer.from.parameters.get('tag') ?? '') === this.#latest
  }

  /** An offer of a fork was accepted, and takes the place of its answer. */
  supersede(offer: SipRequest): void {
    if (this.isOfLatest(offer)) this.#isSuperseded = true
  }
}
