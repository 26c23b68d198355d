import type { UserConfig } from '../../config/config.ts'
import { addresses, headerValues } from '../../sip/message/headers.ts'
import {
  type Header,
  isSipUri,
  type NameAddr,
  type SipRequest,
  type SipResponse,
  type Uri,
} from '../../sip/message/message.ts'
import { formatNameAddr } from '../../sip/message/name-addr.ts'
import { readable } from '../../sip/message/readable.ts'
import { sipUri } from '../../sip/message/uri.ts'
import type { NumberDirectory } from '../trunks/number-directory.ts'
import { isTrunkParty } from './party.ts'

/** Who calls, as the callee's side may know it. */
export interface Identity {
  /** User part: a user of ours or a number. */
  readonly user: string
  /** A number of that user, for those who do not know the user by name. */
  readonly number?: string | undefined
  /** `user` is the number of somebody who is no user of ours. */
  readonly isForeignNumber: boolean
  readonly displayName: string | undefined
  /** RFC 3323: the caller does not want to be shown. */
  readonly isPrivate: boolean
}

/** Whom nobody is to know, as `callerId` and as user part of a URI. */
export const ANONYMOUS = 'anonymous'

/** RFC 3323 §4.1.1.3. */
export const isAnonymous = (uri: Uri): boolean =>
  isSipUri(uri) && (uri.user ?? '').toLowerCase() === ANONYMOUS && uri.host === 'anonymous.invalid'

/**
 * The identity of a trunk's caller: its P-Asserted-Identity counts only when it is trusted (RFC 3325 §5), else its From. We put our
 * domain behind what is shown, so that the name of a user of ours would be that user: a caller that may not be believed and says such a
 * name is unknown. Numbers are shown as they come.
 */
export function identityOfTrunk(
  request: SipRequest,
  isTrusted: boolean,
  directory: Pick<NumberDirectory, 'looksLikeName'>,
): Identity {
  const shown = (isTrusted ? assertedIn(request) : undefined) ?? request.from
  return shownAs(shown, request, isTrusted, directory)
}

/**
 * Who a trunk says is on the line now, in an answer or in a request inside the call, by the same rules; undefined: it says nothing new.
 * Phones say Privacy in their INVITE alone, and proxies assert the number in each message: who did not want to be shown is not, until
 * the message says that they may be.
 */
export function identitySaid(
  message: SipRequest | SipResponse,
  isTrusted: boolean,
  directory: Pick<NumberDirectory, 'looksLikeName' | 'isSame'>,
  before: {
    /** What its From was so far, which may change (RFC 4916); undefined for an answer, whose From is ours. */
    readonly from: NameAddr | undefined
    /** Users who were not to be shown. */
    readonly hidden: readonly string[]
  },
): Identity | undefined {
  const { from } = before
  const asserted = isTrusted ? readable(() => assertedIn(message)) : undefined
  const renamed =
    from !== undefined && formatNameAddr(bare(message.from)) !== formatNameAddr(bare(from))
      ? message.from
      : undefined
  const shown = asserted ?? renamed
  if (shown === undefined) return undefined
  const identity = shownAs(shown, message, isTrusted, directory)
  const wasHidden = before.hidden.some((user) => directory.isSame(identity.user, user))
  return wasHidden && !allowsShowing(shown, message) ? { ...identity, isPrivate: true } : identity
}

/** RFC 3323 §4.2, and what Remote-Party-ID has for it. */
const allowsShowing = ({ parameters }: NameAddr, message: SipRequest | SipResponse): boolean =>
  headerValues(message, 'Privacy').some((value) => /^none$/i.test(value.trim())) ||
  /^off$/i.test(parameters.get('privacy') ?? '')

const bare = (address: NameAddr): NameAddr => ({ ...address, parameters: new Map() })

/** P-Asserted-Identity, or what was used before there was one and PBXes may still send instead. */
function assertedIn(message: SipRequest | SipResponse): NameAddr | undefined {
  const [asserted] = addresses(message, 'P-Asserted-Identity')
  return asserted ?? (readable(() => addresses(message, 'Remote-Party-ID')) ?? [])[0]
}

function shownAs(
  { uri, displayName, parameters }: NameAddr,
  message: SipRequest | SipResponse,
  isTrusted: boolean,
  directory: Pick<NumberDirectory, 'looksLikeName'>,
): Identity {
  const user = userOf(uri)
  if (!isTrusted && !isNumber(user) && directory.looksLikeName(user)) {
    return { user: ANONYMOUS, isForeignNumber: false, displayName: undefined, isPrivate: true }
  }
  return {
    user,
    isForeignNumber: isNumber(user),
    displayName,
    // The latter is of Remote-Party-ID.
    isPrivate: wantsPrivacy(message) || /^(?:full|name|uri)$/i.test(parameters.get('privacy') ?? ''),
  }
}

/** A user may have an extension for a name, which is a number all the same. */
const isNumber = (user: string): boolean => /^\+?[\d*#]+$/.test(user)

/**
 * The identity of a user: the one that signed in, whatever the headers assert. Among their own numbers they may choose, by
 * P-Preferred-Identity (RFC 3325 §9.2) or From; anybody else's is passed over.
 */
export function identityOfUser(
  request: SipRequest,
  user: Pick<UserConfig, 'name' | 'numbers' | 'callerId'>,
  directory: Pick<NumberDirectory, 'isSame'>,
): Identity {
  const { name, numbers = [], callerId } = user
  const preferred = readable(() => addresses(request, 'P-Preferred-Identity')) ?? []
  const wanted = [...preferred, request.from].map(({ uri }) => userOf(uri))
  const chosen = wanted.flatMap((one) => numbers.filter((own) => directory.isSame(own, one)))[0]
  const isHidden = callerId === ANONYMOUS && chosen === undefined
  return {
    user: name,
    number: chosen ?? shownNumberOf(user),
    isForeignNumber: false,
    displayName: undefined,
    isPrivate: isHidden || wantsPrivacy(request) || isAnonymous(request.from.uri),
  }
}

/** Of one who has sent no request to choose by; `user`: undefined for a trunk's caller. */
export function identityWithoutRequest(
  user: Pick<UserConfig, 'name' | 'numbers' | 'callerId'> | undefined,
): Identity {
  if (user === undefined) {
    return { user: ANONYMOUS, isForeignNumber: false, displayName: undefined, isPrivate: false }
  }
  return {
    user: user.name,
    number: shownNumberOf(user),
    isForeignNumber: false,
    displayName: undefined,
    isPrivate: user.callerId === ANONYMOUS,
  }
}

/** Of a trunk's party that was called, whom nothing names but the number; users have names of their own. */
export function calledIdentity({
  name,
  to,
}: {
  readonly name: string
  readonly to: NameAddr
}): Identity | undefined {
  if (!isTrunkParty(name)) return undefined
  const user = userOf(to.uri)
  return { user, isForeignNumber: isNumber(user), displayName: undefined, isPrivate: false }
}

/** The number of a user who chooses none. */
export const shownNumberOf = ({
  numbers = [],
  callerId,
}: Pick<UserConfig, 'numbers' | 'callerId'>): string | undefined =>
  callerId === undefined || callerId === ANONYMOUS ? numbers[0] : callerId

const wantsPrivacy = (message: SipRequest | SipResponse): boolean =>
  headerValues(message, 'Privacy').some((value) => /(?:^|;)\s*(?:id|user|full)\s*(?:;|$)/i.test(value))

function userOf(uri: Uri): string {
  const user = isSipUri(uri) ? uri.user : uri.text.replace(/^[^:]*:/, '').split(';')[0]
  return user === undefined || user === '' ? ANONYMOUS : user
}

/** From towards a user: a caller that wants to be unknown is. */
export function fromForUser(identity: Identity, domain: string): NameAddr {
  if (identity.isPrivate) return anonymous()
  return nameAddr(sipUri({ user: identity.user, host: domain }), identity.displayName)
}

/** Who has transferred a call to a user (RFC 3892); one who is not to be known is not named. */
export function referredBy(by: Identity | undefined, domain: string): readonly Header[] {
  if (by === undefined || by.isPrivate) return []
  return [{ name: 'Referred-By', value: formatNameAddr(fromForUser(by, domain)) }]
}

/** From and identity headers towards a trunk; a trusted one is told who it is even when the callee shall not know. */
export function fromForTrunk(
  identity: Identity,
  trunk: {
    /** Shown where the caller has no number of their own, or `showsUsers` is false. */
    readonly callerId: string | undefined
    /** Of our account there. Without a callerId it is shown for our users: it is the one name of ours that the provider knows. */
    readonly accountUser: string | undefined
    readonly showsUsers: boolean
    readonly isTrusted: boolean
    readonly host: string
  },
): { readonly from: NameAddr; readonly headers: readonly Header[] } {
  const known = (trunk.showsUsers ? identity.number : undefined) ?? trunk.callerId
  const nameless = identity.isForeignNumber ? identity.user : (trunk.accountUser ?? identity.user)
  const at = (user: string): NameAddr => nameAddr(sipUri({ user, host: trunk.host }), identity.displayName)
  const shown = at(known ?? nameless)
  // A PBX that is trusted has a use for the names of our users, whatever else it knows us by.
  const asserted = at(known ?? (identity.user === ANONYMOUS ? nameless : identity.user))
  const headers = trunk.isTrusted ? [named('P-Asserted-Identity', asserted)] : []
  if (!identity.isPrivate) return { from: shown, headers }
  // Nothing else would say there whose call it is (RFC 3325 §9.2), and a provider calls for nobody.
  const isOnlyPreferred = trunk.accountUser !== undefined && !trunk.isTrusted
  const preferred = isOnlyPreferred
    ? [named('P-Preferred-Identity', nameAddr(sipUri({ user: trunk.accountUser, host: trunk.host })))]
    : []
  return { from: anonymous(), headers: [...headers, ...preferred, { name: 'Privacy', value: 'id' }] }
}

const named = (name: string, address: NameAddr): Header => ({ name, value: formatNameAddr(address) })

/** RFC 3323 §4.1. */
const anonymous = (): NameAddr =>
  nameAddr(sipUri({ user: ANONYMOUS, host: 'anonymous.invalid' }), 'Anonymous')

export function nameAddr(uri: Uri, displayName?: string): NameAddr {
  return { displayName, uri, parameters: new Map() }
}
