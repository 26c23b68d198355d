import { SIP_CODES, SipFailure } from '../failure.ts'
import type { Flow } from '../flow.ts'
import { detached } from '../message/characters.ts'
import { contacts, header, optionTags, parseSeconds, seconds } from '../message/headers.ts'
import { type Header, isSipUri, type NameAddr, type SipRequest } from '../message/message.ts'
import { formatNameAddr, parseNameAddr } from '../message/name-addr.ts'
import { type Binding, flowsOf, isSameDevice, type Location } from './location.ts'
import { asksForOutbound, OUTBOUND_HEADERS, regIdOf } from './outbound.ts'

export interface RegistrarPolicy {
  /** Shorter wishes are refused with 423; 0, which ends a registration, is none. */
  readonly minExpiresS: number
  /** Longer wishes are cut to this, and a request without a wish gets it. */
  readonly maxExpiresS: number
}

export interface RegisterInput {
  readonly request: SipRequest
  /** Where it came from, and where the user will be called. */
  readonly flow: Flow
  /** The authenticated user. */
  readonly user: string
  readonly location: Location
  readonly nowMs: number
  readonly policy: RegistrarPolicy
}

export interface RegisterAnswer {
  readonly status: number
  readonly headers: readonly Header[]
  /** Why it was refused; undefined with 200. */
  readonly failure: SipFailure | undefined
  /** What has been added or refreshed. */
  readonly bound: readonly Binding[]
  /** Bindings of the same devices on other flows, whose place those have taken. */
  readonly superseded: readonly Binding[]
  /** A device has come, gone or moved; false for a refresh, which most are. */
  readonly isNews: boolean
}

/** A Contact with its parameters, or a Call-ID, as it is stored; 513 beyond. */
export const MAX_STORED_LENGTH = 1_024

/**
 * Handles an authenticated REGISTER by RFC 3261 §10.3, all of it or nothing of it. Never throws for what a peer sent.
 *
 * One `Location` holds one domain, and its AOR is the user part: browsers reach a gateway by many host names, and
 * whether the domain is ours has been judged before. A user registers only itself (To), and only by itself (From).
 */
export function handleRegister(input: RegisterInput): RegisterAnswer {
  try {
    checkRequire(input.request)
    checkUser(input)
    const { location, user, nowMs, request } = input
    const wanted = contacts(request)
    const isOutbound = wanted !== '*' && asksForOutbound(request, wanted)
    const before = location.bindingsOf(user, nowMs)
    const bindings = nextBindings(wanted, before, input)
    if (bindings !== undefined) store(bindings, input)
    const headers = [...listing(input), ...(isOutbound ? OUTBOUND_HEADERS : [])]
    return { status: 200, headers, failure: undefined, ...changes(before, bindings ?? before) }
  } catch (error) {
    if (!(error instanceof SipFailure)) throw error
    const { status } = SIP_CODES[error.code]
    return {
      status,
      headers: refusalHeaders(error, input),
      failure: error,
      bound: [],
      superseded: [],
      isNews: false,
    }
  }
}

function changes(
  before: readonly Binding[],
  after: readonly Binding[],
): Pick<RegisterAnswer, 'bound' | 'superseded' | 'isNews'> {
  const bound = after.filter((binding) => !before.includes(binding))
  const gone = before.filter((binding) => !after.includes(binding))
  const superseded = gone.filter((old) =>
    bound.some((binding) => isSameDevice(old, binding) && old.flow.id !== binding.flow.id),
  )
  const isNew = bound.some((binding) => !before.some((old) => isSameDevice(old, binding)))
  return { bound, superseded, isNews: isNew || superseded.length > 0 || after.length !== before.length }
}

/** Path is asked of proxies, and no other extension is needed for what we do here. */
function checkRequire(request: SipRequest): void {
  const tag = [...optionTags(request, 'Require')].find((name) => name !== 'outbound')
  if (tag !== undefined) throw new SipFailure('sip.unsupported-extension', { seen: tag })
}

function checkUser({ request, user }: RegisterInput): void {
  for (const { uri } of [request.to, request.from]) {
    if (!isSipUri(uri)) throw new SipFailure('sip.malformed', { expected: 'a SIP address', seen: uri.scheme })
    if (uri.user !== user)
      throw new SipFailure('sip.foreign-address', { expected: user, seen: uri.user ?? 'none' })
  }
}

/** All bindings the user shall have from now on; undefined when the request only asks. */
function nextBindings(
  wanted: readonly NameAddr[] | '*',
  current: readonly Binding[],
  input: RegisterInput,
): readonly Binding[] | undefined {
  const { request } = input
  if (wanted === '*') {
    if (seconds(request, 'Expires') !== 0) {
      throw new SipFailure('sip.malformed', { expected: 'Expires: 0 with Contact: *' })
    }
    for (const binding of current) checkOrder(request, binding)
    return []
  }
  if (wanted.length === 0) return undefined
  // Before each is compared with all others.
  checkCount(wanted.length, input)
  return wanted.reduce<readonly Binding[]>(
    (bindings, contact) => withContact(bindings, contact, input),
    current,
  )
}

function withContact(
  bindings: readonly Binding[],
  contact: NameAddr,
  input: RegisterInput,
): readonly Binding[] {
  if (!isSipUri(contact.uri)) {
    throw new SipFailure('sip.malformed', { expected: 'a SIP Contact', seen: contact.uri.scheme })
  }
  const { request, flow, user, nowMs } = input
  const lifetimeS = lifetimeOf(contact, input)
  const binding: Binding = {
    aor: user,
    contact: parseNameAddr(stored(formatNameAddr(contact))),
    instance: stored(contact.parameters.get('+sip.instance') ?? '') || undefined,
    regId: regIdOf(contact),
    flow,
    callId: stored(request.callId),
    cseq: request.cseq.number,
    expiresAtMs: nowMs + lifetimeS * 1_000,
    userAgent: shortUserAgent(request),
  }
  const others = bindings.filter((known) => !isSameDevice(known, binding))
  for (const known of bindings) if (!others.includes(known)) checkOrder(request, known)
  return lifetimeS === 0 ? others : [binding, ...others]
}

/** For people who look; the rest of a long one tells them nothing. */
const MAX_USER_AGENT_LENGTH = 128

export function shortUserAgent(request: SipRequest): string | undefined {
  const text = header(request, 'User-Agent')
  return text === undefined ? undefined : detached(text.slice(0, MAX_USER_AGENT_LENGTH))
}

function stored(text: string): string {
  if (text.length <= MAX_STORED_LENGTH) return detached(text)
  throw new SipFailure('sip.too-large', {
    expected: `${MAX_STORED_LENGTH} characters`,
    seen: `${text.length}`,
  })
}

/** RFC 3261 §10.3, 7: within one Call-ID an older request must not undo a newer one. */
function checkOrder(request: SipRequest, known: Binding): void {
  if (known.callId !== request.callId || known.cseq < request.cseq.number) return
  throw new SipFailure('sip.out-of-order', {
    expected: `CSeq above ${known.cseq}`,
    seen: `${request.cseq.number}`,
  })
}

/** The `expires` parameter counts before the header; one that is no number counts as none. */
function lifetimeOf(contact: NameAddr, { request, policy }: RegisterInput): number {
  const wish = parseSeconds(contact.parameters.get('expires')) ?? seconds(request, 'Expires')
  if (wish === undefined) return policy.maxExpiresS
  if (wish > 0 && wish < policy.minExpiresS) {
    throw new SipFailure('sip.interval-too-brief', { expected: `${policy.minExpiresS} s`, seen: `${wish} s` })
  }
  return Math.min(wish, policy.maxExpiresS)
}

function checkCount(count: number, { location }: Pick<RegisterInput, 'location'>): void {
  const { maxBindingsPerAor } = location.limits
  if (count <= maxBindingsPerAor) return
  throw new SipFailure('sip.too-many-bindings', { expected: `${maxBindingsPerAor}`, seen: `${count}` })
}

function store(bindings: readonly Binding[], { location, user }: RegisterInput): void {
  const { maxFlowsPerAor, maxBindings } = location.limits
  checkCount(bindings.length, { location })
  if (flowsOf(bindings) > maxFlowsPerAor) {
    throw new SipFailure('sip.too-many-flows', {
      expected: `${maxFlowsPerAor}`,
      seen: `${flowsOf(bindings)}`,
    })
  }
  if (!location.replace(user, bindings)) {
    throw new SipFailure('sip.overload', { expected: `${maxBindings} bindings in all` })
  }
}

/** Every binding of the user with the seconds it has left, as RFC 3261 §10.3, 8 asks. */
function listing({ location, user, nowMs }: RegisterInput): readonly Header[] {
  return location.bindingsOf(user, nowMs).map(({ contact, expiresAtMs }) => {
    const parameters = new Map(contact.parameters).set(
      'expires',
      `${Math.ceil((expiresAtMs - nowMs) / 1_000)}`,
    )
    return {
      name: 'Contact',
      value: formatNameAddr({ displayName: undefined, uri: contact.uri, parameters }),
    }
  })
}

function refusalHeaders(failure: SipFailure, { policy }: RegisterInput): readonly Header[] {
  if (failure.code === 'sip.interval-too-brief') {
    return [{ name: 'Min-Expires', value: String(policy.minExpiresS) }]
  }
  if (failure.code === 'sip.unsupported-extension') {
    return [{ name: 'Unsupported', value: failure.seen ?? '' }]
  }
  return []
}
