import {
  agreed,
  allowsUpdate,
  answered,
  demanded,
  isTooBrief,
  minSe,
  reproposal,
  type SessionTerms,
} from '../dialog/session-terms.ts'
import type { Stack } from '../dialog/stack.ts'
import type { Flow } from '../flow.ts'
import type { Header, SipMessage, SipRequest, SipResponse } from '../message/message.ts'
import { Drive } from '../transaction/drive.ts'
import type { NoAnswer, ReinviteOutcome } from '../user-agent-contract.ts'
import { SessionTimer, type SessionTimerInput, type SessionTimerOutput } from './session-timer.ts'

/** The dialog whose session is kept alive. */
export interface SessionOwner {
  readonly flow: Flow
  /** UPDATE without a body, with the headers of `proposal`; its 2xx comes to `onSuccess` first. */
  sendUpdate(done: (outcome: SipResponse | NoAnswer) => void): void
  /** Has a re-INVITE sent, unless one is under way: its 2xx refreshes as well. */
  askForReinvite(): void
  /** Nobody has refreshed the session, or the peer does not know it. `isChallenged`: it wants credentials that we do not have. */
  expire(isChallenged: boolean): void
}

/** Keeps one session alive (RFC 4028): by UPDATE where the peer takes it, else by re-INVITE. */
export class SessionRefresh {
  readonly #stack: Stack
  readonly #owner: SessionOwner
  readonly #drive: Drive<SessionTimerInput, SessionTimerOutput>
  #terms: SessionTerms | undefined
  /** What a 422 of the peer asked for. */
  #peerMinSeS = 0
  #isUpdateAllowed = false
  /** The peer says that it takes UPDATE and does not. */
  #isUpdateUseless = false
  #isUpdateOpen = false
  /** Refusals in a row that another try might not meet. */
  #updateRefusals = 0
  #isChallenged = false
  #isStopped = false

  constructor(stack: Stack, owner: SessionOwner) {
    this.#stack = stack
    this.#owner = owner
    this.#drive = new Drive<SessionTimerInput, SessionTimerOutput>({
      machine: new SessionTimer(),
      clock: stack.clock,
      settled: () => {},
      perform: (output) => {
        if (output.kind === 'refresh') this.#refresh()
        else this.#owner.expire(this.#isChallenged)
      },
    })
  }

  /** As far as the peer has said. */
  get isUpdateAllowed(): boolean {
    return this.#isUpdateAllowed
  }

  /** Headers of a request of ours that refreshes. */
  proposal(): readonly Header[] {
    return reproposal(this.#terms, this.#peerMinSeS)
  }

  /** A 2xx to a request of ours that refreshes, or that made the dialog. */
  onSuccess(response: SipResponse): void {
    this.#isChallenged = false
    this.#learn(response)
    this.#agree(agreed(response))
  }

  /** A request of ours that would have refreshed was refused, or not answered. */
  onFailure(outcome: ReinviteOutcome): void {
    this.#isChallenged = typeof outcome === 'object' && (outcome.status === 401 || outcome.status === 407)
  }

  /** Whether the request that got `response` is worth sending again with new headers. */
  onTooBrief(response: SipResponse): boolean {
    const seconds = demanded(response, this.#terms?.intervalS ?? 0)
    if (seconds !== undefined) this.#peerMinSeS = seconds
    return seconds !== undefined && this.#terms !== undefined
  }

  /** Min-SE when a request of the peer must be answered 422. */
  refusal(request: SipRequest): readonly Header[] | undefined {
    const { minSeS } = this.#stack.sessionWish(this.#owner.flow)
    return isTooBrief(request, minSeS) ? [minSe(minSeS)] : undefined
  }

  /** Headers of our 2xx, which is about to be sent. */
  answer(request: SipRequest): readonly Header[] {
    this.#learn(request)
    const { terms, headers } = answered(request, this.#stack.sessionWish(this.#owner.flow), this.#terms)
    this.#agree(terms)
    return headers
  }

  stop(): void {
    this.#isStopped = true
    this.#drive.stop()
  }

  #learn(message: SipMessage): void {
    this.#isUpdateAllowed = allowsUpdate(message) ?? this.#isUpdateAllowed
  }

  #agree(terms: SessionTerms | undefined): void {
    this.#terms = terms
    if (this.#isStopped) return
    this.#drive.feed(terms === undefined ? { kind: 'off' } : { kind: 'agreed', terms })
  }

  #refresh(): void {
    // Unanswered since the last try: it must not cost the call.
    if (this.#isUpdateOpen) this.#isUpdateUseless = true
    if (!this.#isUpdateAllowed || this.#isUpdateUseless) {
      this.#owner.askForReinvite()
      return
    }
    this.#isUpdateOpen = true
    this.#owner.sendUpdate((outcome) => {
      this.#isUpdateOpen = false
      if (!this.#isStopped) this.#onUpdated(outcome)
    })
  }

  #onUpdated(outcome: SipResponse | NoAnswer): void {
    // A lost flow may be replaced, a full table be emptier, and then the next try gets through.
    if (outcome === 'transport' || outcome === 'overload') return
    const status = typeof outcome === 'string' ? 408 : outcome.status
    if (status >= 300) this.onFailure(outcome)
    if (status === 481) this.#owner.expire(false)
    if (typeof outcome !== 'string') this.onTooBrief(outcome)
    if (!this.#isRefusal(status) || this.#isUpdateUseless) return
    this.#isUpdateUseless = true
    this.#owner.askForReinvite()
  }

  /** The peer takes no UPDATE, whatever its Allow says. A failure of a server may pass once: one that comes again will not. */
  #isRefusal(status: number): boolean {
    const isPassing = status < 300 || [422, 481, 491].includes(status)
    this.#updateRefusals = isPassing ? 0 : this.#updateRefusals + 1
    const isFinal = (status >= 400 && status < 500) || status === 501
    return !isPassing && (isFinal || this.#updateRefusals > 1)
  }
}
