import { deviceOf } from '../../sip/registration/location.ts'
import type { Device, Registrar } from '../registration/registrar.ts'
import type { Target } from './plan.ts'

/**
 * The way to a device of a user, and after it, one at a time, each other that is open then: a second flow of the same device
 * (RFC 5626 §5.3), or the page that was loaded again meanwhile.
 */
export function deviceTarget(
  registration: Pick<Registrar, 'bindingsOf'>,
  user: string,
  binding: Device,
  tried: readonly string[] = [],
): Target {
  const now = [...tried, wayOf(binding)]
  return {
    flow: binding.flow,
    uri: binding.contact.uri,
    party: `user:${user}`,
    next: () => {
      const other = registration
        .bindingsOf(user)
        .find((row) => deviceOf(row) === deviceOf(binding) && !now.includes(wayOf(row)))
      return other === undefined ? undefined : deviceTarget(registration, user, other, now)
    },
  }
}

const wayOf = ({ flow, contact }: Device): string => `${flow.id} ${contact.uri.text}`
