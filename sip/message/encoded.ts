import { formatMessage } from './format.ts'
import type { SipMessage } from './message.ts'

const BYTES = new WeakMap<SipMessage, Buffer>()

/**
 * The bytes of a message of ours, written once however often they are sent. Asserts that it can be written: called where a
 * message is made, so that the mistake meets whoever made it and no machine counts on what cannot be sent.
 */
export function encoded(message: SipMessage): Buffer {
  const known = BYTES.get(message)
  if (known !== undefined) return known
  const bytes = formatMessage(message)
  BYTES.set(message, bytes)
  return bytes
}
