import { credentials } from '../message/headers.ts'
import type { SipRequest } from '../message/message.ts'
import { quote } from '../message/parameters.ts'

export interface BearerChallenge {
  readonly realm: string
  /** Where the client gets a token: an https URL. */
  readonly authzServer: string | undefined
  readonly scope: string | undefined
}

/** The token of `Authorization: Bearer` (RFC 8898 §4); the first where there are several. */
export const bearerToken = (request: Pick<SipRequest, 'headers'>): string | undefined =>
  credentials(request, 'Authorization').find(
    ({ scheme, parameters }) => scheme === 'bearer' && parameters.size === 0,
  )?.text

/** Value of WWW-Authenticate (RFC 8898 §4). `isRefused`: the request had a token, and it was not good. */
export function bearerChallenge({ realm, authzServer, scope }: BearerChallenge, isRefused: boolean): string {
  const parameters = [
    ['realm', realm],
    ['authz_server', authzServer],
    ['scope', scope],
    ['error', isRefused ? 'invalid_token' : undefined],
  ] as const
  const given = parameters.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${quote(value)}`],
  )
  return `Bearer ${given.join(', ')}`
}
