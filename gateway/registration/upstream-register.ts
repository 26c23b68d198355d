import { SipFailure } from '../../sip/failure.ts'
import { detached, parseDecimal } from '../../sip/message/characters.ts'
import { contacts, headerValues, optionTags, parseSeconds, seconds } from '../../sip/message/headers.ts'
import {
  type Header,
  isSipUri,
  type NameAddr,
  type SipRequest,
  type SipResponse,
} from '../../sip/message/message.ts'
import { formatNameAddr, parseNameAddr } from '../../sip/message/name-addr.ts'
import { quote } from '../../sip/message/parameters.ts'
import { readable } from '../../sip/message/readable.ts'
import type { Binding } from '../../sip/registration/location.ts'
import { MAX_STORED_LENGTH } from '../../sip/registration/registrar.ts'
import { GatewayFailure } from '../gateway-failure.ts'

/** Service-Route values that are kept, and characters of one; what is beyond is as good as none. */
export const MAX_SERVICE_ROUTES = 8
const MAX_SERVICE_ROUTE_LENGTH = 512
const MAX_USER_LENGTH = 128

/** What a browser wants of the PBX, as far as we must understand it. */
export interface RegisterWish {
  readonly user: string
  /** Undefined: the request only asks, or is for all devices. */
  readonly device: Pick<Binding, 'contact' | 'instance' | 'regId'> | undefined
  /** Contact: *. */
  readonly isForAll: boolean
  /** Seconds; undefined where the registrar shall choose. */
  readonly expiresS: number | undefined
}

/** Throws `sip.malformed`, `sip.foreign-address`, `sip.unsupported-extension`, `sip.too-large`, `upstream.foreign-domain`, `upstream.one-contact`. */
export function readRegister(request: SipRequest, domain: string): RegisterWish {
  const [tag] = optionTags(request, 'Require')
  if (tag !== undefined) throw new SipFailure('sip.unsupported-extension', { seen: tag })
  const user = userOf(request, domain)
  const list = contacts(request)
  if (list === '*') return { user, device: undefined, isForAll: true, expiresS: seconds(request, 'Expires') }
  const [contact, second] = list
  // Each has a place of its own at the PBX, and browsers have one.
  if (second !== undefined) throw new GatewayFailure('upstream.one-contact', { seen: `${list.length}` })
  if (contact === undefined) {
    return { user, device: undefined, isForAll: false, expiresS: seconds(request, 'Expires') }
  }
  if (!isSipUri(contact.uri)) {
    throw new SipFailure('sip.malformed', { expected: 'a SIP Contact', seen: contact.uri.scheme })
  }
  return {
    user,
    device: {
      contact: parseNameAddr(stored(formatNameAddr(contact))),
      instance: stored(contact.parameters.get('+sip.instance') ?? '') || undefined,
      regId: parseDecimal(contact.parameters.get('reg-id') ?? '', 0x7fff_ffff),
    },
    isForAll: false,
    expiresS: parseSeconds(contact.parameters.get('expires')) ?? seconds(request, 'Expires'),
  }
}

/** The user part is the user to all that follows, so the host part must be ours; and nobody registers somebody else. */
function userOf(request: SipRequest, domain: string): string {
  const [to, from] = [request.to.uri, request.from.uri]
  if (!isSipUri(to) || !isSipUri(from)) {
    throw new SipFailure('sip.malformed', { expected: 'a SIP address', seen: to.scheme })
  }
  for (const { host } of [to, from]) {
    if (host !== domain) throw new GatewayFailure('upstream.foreign-domain', { expected: domain, seen: host })
  }
  if (to.user === undefined || to.user === '' || to.user.length > MAX_USER_LENGTH) {
    throw new SipFailure('sip.malformed', {
      expected: `a user of at most ${MAX_USER_LENGTH} characters`,
      seen: `${to.user?.length ?? 0}`,
    })
  }
  if (from.user !== to.user) {
    throw new SipFailure('sip.foreign-address', { expected: to.user, seen: from.user ?? 'none' })
  }
  return to.user
}

function stored(text: string): string {
  if (text.length <= MAX_STORED_LENGTH) return detached(text)
  throw new SipFailure('sip.too-large', {
    expected: `${MAX_STORED_LENGTH} characters`,
    seen: `${text.length}`,
  })
}

/** Contact towards the PBX: `own` in place of the browser's, or the browser's, with what says that it is the same device. */
export function contactFor({ contact, instance }: NonNullable<RegisterWish['device']>, own: string): Header {
  const expires = parseSeconds(contact.parameters.get('expires'))
  const value = [
    `<${own}>`,
    ...(instance === undefined ? [] : [`+sip.instance=${quote(instance)}`]),
    ...(expires === undefined ? [] : [`expires=${expires}`]),
  ]
  return { name: 'Contact', value: value.join(';') }
}

/** The browser's own Contact in our 200, with what the PBX has granted. */
export function contactOf(contact: NameAddr, expiresS: number): Header {
  const parameters = new Map(contact.parameters).set('expires', String(expiresS))
  return { name: 'Contact', value: formatNameAddr({ displayName: undefined, uri: contact.uri, parameters }) }
}

/** Where requests of the user go through at the PBX (RFC 3608); none when it cannot be read or is too much. */
export function serviceRoute(response: SipResponse): readonly string[] {
  const routes = readable(() =>
    headerValues(response, 'Service-Route').map((value) => ({ value, uri: parseNameAddr(value).uri })),
  )
  const isUsable =
    routes !== undefined &&
    routes.length <= MAX_SERVICE_ROUTES &&
    routes.every(({ value, uri }) => isSipUri(uri) && value.length <= MAX_SERVICE_ROUTE_LENGTH)
  return isUsable ? routes.map(({ value }) => detached(value)) : []
}
