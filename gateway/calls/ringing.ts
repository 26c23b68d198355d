import type { Header, SipResponse } from '../../sip/message/message.ts'
import type { InviteDialog, NoAnswer, OutgoingInvite, OutgoingInviteHandler } from '../../sip/user-agent.ts'
import { rankOf } from './answer-rank.ts'
import { ANSWERED_ELSEWHERE } from './header-policy.ts'

export interface RingingHandler {
  /** 100 of any target. */
  onTrying(): void
  /** A provisional response of any target, 100 excepted. */
  onProgress(response: SipResponse): void
  /** The first 2xx, already acknowledged when it carried the answer. The other targets have been cancelled. */
  onAccept(response: SipResponse, dialog: InviteDialog): void
  /** No target is left; the best of their answers (RFC 3261 §16.7). */
  onReject(response: SipResponse | NoAnswer): void
}

/** Several INVITEs for one call: all ring, one answers, the others are cancelled. */
export class Ringing {
  readonly #handler: RingingHandler
  readonly #pending = new Set<Pick<OutgoingInvite, 'cancel'>>()
  #best: SipResponse | NoAnswer | undefined
  #isOver = false

  /** `place` sends one INVITE with the handler it is given; called once for each target. */
  constructor(
    places: readonly ((handler: OutgoingInviteHandler) => Pick<OutgoingInvite, 'cancel'>)[],
    handler: RingingHandler,
  ) {
    this.#handler = handler
    for (const place of places) {
      let invite: Pick<OutgoingInvite, 'cancel'> | undefined
      let isDone = false
      const done = (): void => {
        isDone = true
        if (invite !== undefined) this.#pending.delete(invite)
      }
      invite = place({
        onTrying: () => {
          if (!this.#isOver) this.#handler.onTrying()
        },
        onProgress: (response) => {
          if (!this.#isOver) this.#handler.onProgress(response)
        },
        onAccept: (response, dialog) => {
          done()
          this.#accepted(response, dialog)
        },
        onReject: (response) => {
          done()
          this.#rejected(response)
        },
      })
      if (!isDone) this.#pending.add(invite)
    }
  }

  /** Gives up; nothing is reported any more, a 200 that crosses is ended. */
  cancel(headers: readonly Header[]): void {
    this.#isOver = true
    for (const invite of this.#pending) invite.cancel(headers)
  }

  #accepted(response: SipResponse, dialog: InviteDialog): void {
    this.cancel([ANSWERED_ELSEWHERE])
    this.#handler.onAccept(response, dialog)
  }

  #rejected(response: SipResponse | NoAnswer): void {
    if (this.#isOver) return
    if (this.#best === undefined || rankOf(response) < rankOf(this.#best)) this.#best = response
    const isFinal = typeof response === 'object' && response.status >= 600
    if (!isFinal && this.#pending.size > 0) return
    this.cancel([])
    this.#handler.onReject(this.#best)
  }
}
