import type { Caller } from '../trunks/router.ts'

/** `user:alice` or `trunk:pbx`: how limits, plans and reports name who takes part in a call. */
export const partyName = (caller: Caller): string =>
  caller.kind === 'user' ? `user:${caller.user}` : `trunk:${caller.trunk}`

export const isTrunkParty = (party: string): boolean => party.startsWith('trunk:')

/** One user; several that ring together are `users:alice,bob`. */
export const isUserParty = (party: string): boolean => party.startsWith('user:')

/** Whom `partyName` has named. */
export function callerOf(party: string): Caller {
  const name = party.slice(party.indexOf(':') + 1)
  return isTrunkParty(party) ? { kind: 'trunk', trunk: name } : { kind: 'user', user: name }
}
