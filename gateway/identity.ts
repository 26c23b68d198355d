import { addresses, headerValues } from '../sip/headers.ts'
import { type Header, isSipUri, type NameAddr, type SipRequest, type Uri } from '../sip/message.ts'
import { formatNameAddr } from '../sip/name-addr.ts'
import { sipUri } from '../sip/uri.ts'
import type { Caller } from './router.ts'

/** Who calls, as the callee's side may know it. */
export interface Identity {
  /** User part: a user of ours or a number. */
  readonly user: string
  readonly displayName: string | undefined
  /** RFC 3323: the caller does not want to be shown. */
  readonly isPrivate: boolean
}

const ANONYMOUS = 'anonymous'

/**
 * The identity of a caller. A browser is who it signed in as, whatever its headers assert. A trunk's P-Asserted-Identity
 * counts only when it is trusted (RFC 3325 §5), else its From.
 */
export function identityOf(request: SipRequest, caller: Caller, isTrusted: boolean): Identity {
  const isPrivate = headerValues(request, 'Privacy').some((value) =>
    /(?:^|;)\s*(?:id|user|full)\s*(?:;|$)/i.test(value),
  )
  if (caller.kind === 'user') return { user: caller.user, displayName: undefined, isPrivate }
  const [asserted] = isTrusted ? addresses(request, 'P-Asserted-Identity') : []
  const shown = asserted ?? request.from
  return { user: userOf(shown.uri), displayName: shown.displayName, isPrivate }
}

function userOf(uri: Uri): string {
  const user = isSipUri(uri) ? uri.user : uri.text.replace(/^[^:]*:/, '').split(';')[0]
  return user === undefined || user === '' ? ANONYMOUS : user
}

/** From towards a user: a caller who wants to be unknown is. */
export function fromForUser(identity: Identity, domain: string): NameAddr {
  if (identity.isPrivate) return anonymous()
  return nameAddr(sipUri({ user: identity.user, host: domain }), identity.displayName)
}

/** From and identity headers towards a trunk; a trusted one is told who it is even when the callee shall not know. */
export function fromForTrunk(
  identity: Identity,
  trunk: { readonly callerId: string | undefined; readonly isTrusted: boolean; readonly host: string },
): { readonly from: NameAddr; readonly headers: readonly Header[] } {
  const own = nameAddr(
    sipUri({ user: trunk.callerId ?? identity.user, host: trunk.host }),
    identity.displayName,
  )
  const asserted = trunk.isTrusted ? [{ name: 'P-Asserted-Identity', value: formatNameAddr(own) }] : []
  if (!identity.isPrivate) return { from: own, headers: asserted }
  return { from: anonymous(), headers: [...asserted, { name: 'Privacy', value: 'id' }] }
}

/** RFC 3323 §4.1. */
const anonymous = (): NameAddr =>
  nameAddr(sipUri({ user: ANONYMOUS, host: 'anonymous.invalid' }), 'Anonymous')

export function nameAddr(uri: Uri, displayName?: string): NameAddr {
  return { displayName, uri, parameters: new Map() }
}
