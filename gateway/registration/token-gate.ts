import { bearerToken } from '../../sip/authentication/bearer.ts'
import { type Flow, isBrowserFlow } from '../../sip/flow.ts'
import type { SipRequest } from '../../sip/message/message.ts'
import type { IncomingInvite, IncomingRequest, IncomingSubscribe } from '../../sip/user-agent.ts'
import type { TokenVerdict, TokenVerifier } from './jwt.ts'

interface Incoming {
  readonly request: SipRequest
  readonly flow: Flow
}

export interface TokenGateOptions {
  /** Without one nobody signs in by token. */
  readonly verifier: TokenVerifier | undefined
  /** Whether what comes by a flow is refused in any case: then its token is not worth a quarter of a millisecond. */
  readonly isBarred: (flow: Flow) => boolean
  /** Gets what `next` threw after a verification. */
  readonly onError: (error: unknown, request: SipRequest) => void
}

/**
 * Verifying a token takes a turn of the event loop, deciding about a request must not: so the token of a request is
 * verified before anyone sees the request, and whoever then asks who sent it is answered at once.
 *
 * At most as many verifications are under way as the user agent has server transactions, since each belongs to one.
 */
export class TokenGate {
  readonly #verifier: TokenVerifier | undefined
  readonly #options: TokenGateOptions
  readonly #verdicts = new WeakMap<SipRequest, TokenVerdict>()

  constructor(options: TokenGateOptions) {
    this.#options = options
    this.#verifier = options.verifier
  }

  /** What the request's token has proven; undefined when it had none. */
  verdictOf(request: SipRequest): TokenVerdict | undefined {
    return this.#verdicts.get(request)
  }

  /** What the token of a request outside SIP proves; undefined when it has none. */
  async judge(request: Pick<SipRequest, 'headers'>): Promise<TokenVerdict | undefined> {
    const token = bearerToken(request)
    return token === undefined ? undefined : this.#verifier?.verify(token)
  }

  /** Calls `next` when the request's token has been verified: at once when there is none, or it changes nothing. */
  passRequest(incoming: IncomingRequest, next: () => void): void {
    this.#pass(incoming, next, () => incoming.respond(500))
  }

  /** As `passRequest`. */
  passSubscribe(subscribe: IncomingSubscribe, next: () => void): void {
    this.#pass(subscribe, next, () => subscribe.reject(500))
  }

  /** As `passRequest`; an INVITE that is cancelled meanwhile has been answered, and goes no further. */
  passInvite(invite: IncomingInvite, next: () => void): void {
    let isOver = false
    // Replaced by the call's own when it goes on.
    if (this.#verifier !== undefined && tokenOf(invite) !== undefined) {
      invite.handler = {
        onCancel: () => {
          isOver = true
        },
      }
    }
    this.#pass(
      invite,
      () => {
        if (!isOver) next()
      },
      () => invite.reject(500),
    )
  }

  /** When the flow has closed meanwhile, the request ends: what a closed flow registers, nothing would take away. */
  #pass(incoming: Incoming, next: () => void, abandon: () => void): void {
    const { request, flow } = incoming
    const token = tokenOf(incoming)
    if (token === undefined || this.#verifier === undefined || this.#options.isBarred(flow)) {
      next()
      return
    }
    this.#verifier
      .verify(token)
      .then((verdict) => {
        this.#verdicts.set(request, verdict)
        if (flow.isOpen) next()
        else abandon()
      })
      .catch((error: unknown) => {
        this.#options.onError(error, request)
        abandon()
      })
  }
}

/** Only browsers have tokens for us; what a trunk sends is not ours to judge. */
const tokenOf = ({ request, flow }: Incoming): string | undefined =>
  isBrowserFlow(flow) ? bearerToken(request) : undefined
