import { header, parseSeconds, tokenAndParameters } from './headers.ts'
import type { SipMessage } from './message.ts'

/** The Event header: what a subscription is about (RFC 6665 §8.2.1). */
export interface EventName {
  /** The package, case counts. */
  readonly name: string
  /** Tells several subscriptions of one dialog apart; '' when absent. */
  readonly id: string
}

/** Undefined when absent. @throws SipFailure `sip.malformed` */
export function eventOf(message: Pick<SipMessage, 'headers'>): EventName | undefined {
  const value = header(message, 'Event')
  if (value === undefined) return undefined
  const { token, parameters } = tokenAndParameters(value)
  return { name: token, id: parameters.get('id') ?? '' }
}

export const isSameEvent = (a: EventName, b: EventName): boolean => a.name === b.name && a.id === b.id

export interface SubscriptionState {
  /** In lower case: `active`, `pending`, `terminated` or an extension. */
  readonly name: string
  /** `expires` in seconds. */
  readonly expiresS: number | undefined
}

/** RFC 6665 §4.1.3. Peers that leave it out mean a subscription that lives. @throws SipFailure `sip.malformed` */
export function subscriptionState(message: Pick<SipMessage, 'headers'>): SubscriptionState {
  const { token, parameters } = tokenAndParameters(header(message, 'Subscription-State') ?? 'active')
  return { name: token.toLowerCase(), expiresS: parseSeconds(parameters.get('expires')) }
}

/** Longest subscription, in seconds: beyond it peers refresh. A timer could not hold the largest Expires. */
export const MAX_SUBSCRIPTION_S = 86_400
