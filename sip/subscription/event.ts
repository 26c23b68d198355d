import { isToken } from '../message/characters.ts'
import { header, parseSeconds, tokenAndParameters } from '../message/headers.ts'
import type { SipMessage } from '../message/message.ts'
import { readable } from '../message/readable.ts'

/** The Event header: what a subscription is about (RFC 6665 §8.2.1). */
export interface EventName {
  /** The package, case counts. */
  readonly name: string
  /** Tells several subscriptions of one dialog apart; '' when absent. */
  readonly id: string
}

/** Undefined when absent or unreadable. */
export function eventOf(message: Pick<SipMessage, 'headers'>): EventName | undefined {
  const read = readToken(header(message, 'Event'))
  return read === undefined ? undefined : { name: read.token, id: read.parameters.get('id') ?? '' }
}

export const isSameEvent = (a: EventName, b: EventName): boolean => a.name === b.name && a.id === b.id

export interface SubscriptionState {
  /** In lower case: `active`, `pending`, `terminated` or an extension. */
  readonly name: string
  /** `expires` in seconds. */
  readonly expiresS: number | undefined
}

/** RFC 6665 §4.1.3. Peers that leave it out mean a subscription that lives; so does one that cannot be read. */
export function subscriptionState(message: Pick<SipMessage, 'headers'>): SubscriptionState {
  const read = readToken(header(message, 'Subscription-State'))
  if (read === undefined) return { name: 'active', expiresS: undefined }
  return { name: read.token.toLowerCase(), expiresS: parseSeconds(read.parameters.get('expires')) }
}

function readToken(value: string | undefined): ReturnType<typeof tokenAndParameters> | undefined {
  const read = value === undefined ? undefined : readable(() => tokenAndParameters(value))
  return read !== undefined && isToken(read.token) ? read : undefined
}

/** Longest subscription, in seconds: beyond it peers refresh. A timer could not hold the largest Expires. */
export const MAX_SUBSCRIPTION_S = 86_400
