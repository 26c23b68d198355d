import type { SipResponse } from '../../sip/message/message.ts'
import type { NoAnswer, OutgoingInvite, OutgoingInviteHandler } from '../../sip/user-agent.ts'
import type { Target } from './plan.ts'

/** Ways that one call to one device may try; a device that goes on failing is not worth the caller's time. */
const MAX_WAYS = 10

/** The device was not reached; any other answer is its own, and stands (RFC 5626 §5.3). By no way is there more room with us. */
const isFlowFailure = (outcome: SipResponse | NoAnswer): boolean =>
  typeof outcome === 'string' ? outcome !== 'overload' : outcome.status === 408 || outcome.status === 430

/**
 * An INVITE to one device: by one way, and where that does not lead to it, by the next.
 *
 * @param place sends one INVITE
 */
export function serialInvite(
  target: Target,
  handler: OutgoingInviteHandler,
  place: (target: Target, handler: OutgoingInviteHandler) => OutgoingInvite,
): Pick<OutgoingInvite, 'cancel'> {
  let isCancelled = false
  let ways = 0
  const send = (way: Target): OutgoingInvite => {
    ways += 1
    return place(way, {
      ...handler,
      onReject: (outcome) => {
        const next = isCancelled || ways >= MAX_WAYS || !isFlowFailure(outcome) ? undefined : way.next?.()
        if (next === undefined) handler.onReject(outcome)
        else current = send(next)
      },
    })
  }
  let current = send(target)
  return {
    cancel: (headers) => {
      isCancelled = true
      current.cancel(headers)
    },
  }
}
