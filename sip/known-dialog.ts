import type { Dialog } from './dialog.ts'
import type { Flow } from './flow.ts'
import type { SipResponse } from './message.ts'
import type { Stack } from './stack.ts'
import type { NoAnswer } from './user-agent-contract.ts'

/** RFC 5057 §5.1: who answers so does not know the dialog, or is not the one who had it. */
const UNKNOWN: ReadonlySet<number> = new Set([404, 410, 416, 481, 482, 484, 485, 604])

/** Whether an answer to a request inside a dialog says that the peer has none. 501 or 403 to the request itself does not. */
export const saysUnknown = (answer: SipResponse | NoAnswer): boolean =>
  typeof answer === 'object' && UNKNOWN.has(answer.status)

/**
 * Asks a peer that came by another flow whether it still has an early dialog: a page that was loaded again has not, and
 * JsSIP gives up an INVITE with its WebSocket. UPDATE without a body, because it changes nothing and everybody answers it.
 */
export function askWhetherKnown(stack: Stack, flow: Flow, dialog: Dialog, onUnknown: () => void): void {
  const request = stack.compose(flow, dialog.next('UPDATE'))
  const events = {
    onResponse: (response: SipResponse): void => {
      if (saysUnknown(response)) onUnknown()
    },
    onFailed: (): void => {},
  }
  stack.send(request, flow, events, () => dialog.next('UPDATE').cseq)
}
