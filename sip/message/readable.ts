import { SipFailure } from '../failure.ts'

/** What `read` returns; undefined where the message cannot be read. For what counts as absent then, such as all in a response. */
export function readable<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof SipFailure) return undefined
    throw error
  }
}
