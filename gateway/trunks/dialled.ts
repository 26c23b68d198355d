import type { NumbersConfig } from '../../config/config.ts'
import { isSipUri, type Uri } from '../../sip/message/message.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { internationalForm, withoutSeparators } from './number-plan.ts'

/** Longer than any number or name; a longer one would only make a long INVITE of ours. */
const MAX_DIALLED_LENGTH = 128

/** Escaped in a URI; no number or name has one, and whoever reads ours unescaped would see a line end. */
const CONTROL = /\p{Cc}/u

/**
 * What a Request-URI or a Refer-To asks for: a name, or a number without separators and in the context it is to be read
 * in; '' when it is for the gateway itself. Read are `sip:` and `sips:` (a telephone number with its parameters in the user
 * part too, RFC 3261 §19.1.6), `tel:` (RFC 3966), and `urn:service:sos` (RFC 5031), which stays as it is. `;user=phone` needs nothing: a number is known by its form.
 *
 * `emergencies`: numbers that are what they are in every context. Throws `call.unknown-number`.
 */
export function dialledOf(uri: Uri, plan: NumbersConfig, emergencies: readonly string[] = []): string {
  const asked = subscriberOf(uri)
  if (asked === undefined || asked.length > MAX_DIALLED_LENGTH || CONTROL.test(asked)) {
    const seen = (asked ?? uri.text).slice(0, MAX_DIALLED_LENGTH)
    throw new GatewayFailure('call.unknown-number', {
      expected: `at most ${MAX_DIALLED_LENGTH} characters, none of them a control`,
      seen: JSON.stringify(seen),
    })
  }
  const [subscriber = '', ...parameters] = asked.split(';')
  const number = withoutSeparators(subscriber)
  const context = parameters.find((parameter) => /^phone-context=/i.test(parameter))
  const isComplete = context === undefined || emergencies.includes(number)
  return isComplete ? number : inContext(number, context.slice('phone-context='.length), plan)
}

/** RFC 5031 §4: help, of whatever kind. */
const SOS = /^urn:service:sos(?:\.[a-z0-9.-]+)?$/i

/** Whether what was dialled is the service URN of emergency calls, whose number the configuration knows. */
export const isSos = (dialled: string): boolean => SOS.test(dialled)

function subscriberOf(uri: Uri): string | undefined {
  if (isSipUri(uri)) return uri.user ?? ''
  if (uri.scheme === 'urn') return isSos(uri.text) ? uri.text.toLowerCase() : undefined
  return uri.scheme === 'tel' ? uri.text.slice('tel:'.length) : undefined
}

/**
 * RFC 3966 §5.1.5: a context that is a number is what stands before the local one. That of our own country says no more
 * than we know: many write `030123;phone-context=+49`. A domain is somebody's private plan, and here that is ours.
 */
function inContext(number: string, context: string, plan: NumbersConfig): string {
  const before = withoutSeparators(context)
  if (number.startsWith('+') || !/^\+\d+$/.test(before)) return number
  if (before === `+${plan.countryCode}` && internationalForm(number, plan) !== undefined) return number
  return `${before}${number}`
}
