import type { SipResponse } from '../../sip/message/message.ts'
import type { NoAnswer } from '../../sip/user-agent.ts'

/** Which of several targets' answers is told (RFC 3261 §16.7): 6xx speaks for all, then what the asker can act on; a timeout says least. */
export function rankOf(response: SipResponse | NoAnswer): number {
  if (typeof response === 'string') return 9
  if (response.status >= 600) return 0
  if (response.status === 486) return 1
  return response.status >= 500 ? 8 : Math.floor(response.status / 100)
}
