import type { Dialog } from '../dialog/dialog.ts'
import { allowsUpdate } from '../dialog/session-terms.ts'
import type { Stack } from '../dialog/stack.ts'
import type { Flow } from '../flow.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { NoAnswer } from '../user-agent-contract.ts'

/** RFC 5057 §5.1: a peer that answers so does not know the dialog, or is not the one that had it. */
const UNKNOWN: ReadonlySet<number> = new Set([404, 410, 416, 481, 482, 484, 485, 604])

/** Whether an answer to a request inside a dialog says that the peer has none. 501 or 403 to the request itself does not. */
export const saysUnknown = (answer: SipResponse | NoAnswer): boolean =>
  typeof answer === 'object' && UNKNOWN.has(answer.status)

/**
 * What asks a peer whether it knows a dialog, and changes nothing: UPDATE without a body where it is taken, else OPTIONS. JsSIP
 * answers any OPTIONS with 200; SIP.js answers any UPDATE with 405, and OPTIONS by the dialog as RFC 3261 §11.2 wants it.
 */
export const questionFor = (isUpdateAllowed: boolean): 'UPDATE' | 'OPTIONS' =>
  isUpdateAllowed ? 'UPDATE' : 'OPTIONS'

/**
 * Asks a peer that came by another flow whether it still has an early dialog: a page that was loaded again has not, and
 * JsSIP gives up an INVITE with its WebSocket.
 */
export function askWhetherKnown(
  stack: Stack,
  flow: Flow,
  dialog: Dialog,
  invite: SipRequest,
  onUnknown: () => void,
): void {
  const method = questionFor(allowsUpdate(invite) ?? false)
  const request = stack.compose(flow, dialog.next(method))
  const events = {
    onResponse: (response: SipResponse): void => {
      if (saysUnknown(response)) onUnknown()
    },
    onFailed: (): void => {},
  }
  stack.send(request, flow, events, () => dialog.next(method).cseq)
}
