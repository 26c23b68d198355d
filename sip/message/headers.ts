import { SipFailure } from '../failure.ts'
import { isToken, parseDecimal } from './characters.ts'
import { canonicalHeaderName } from './header-names.ts'
import type { Header, NameAddr, SipMessage } from './message.ts'
import { parseNameAddr } from './name-addr.ts'
import { parseParameters, splitOutsideQuotes } from './parameters.ts'
import { MAX_CREDENTIALS, MAX_LIST_ELEMENTS, MAX_PARAMETERS } from './parser-limits.ts'
import { readable } from './readable.ts'

/** All that the accessors need; requests, responses and answerable scraps have it. */
type WithHeaders = Pick<SipMessage, 'headers'>

/** Headers whose value is a comma list (RFC 3261 §7.3.1). In any other a comma is text: dates, challenges, subjects. */
const LISTS: ReadonlySet<string> = new Set([
  'Accept',
  'Accept-Contact',
  'Accept-Encoding',
  'Accept-Language',
  'Alert-Info',
  'Allow',
  'Allow-Events',
  'Call-Info',
  'Contact',
  'Content-Encoding',
  'Content-Language',
  'Diversion',
  'Error-Info',
  'Geolocation',
  'History-Info',
  'In-Reply-To',
  'P-Asserted-Identity',
  'P-Preferred-Identity',
  'Path',
  'Proxy-Require',
  'Reason',
  'Record-Route',
  'Recv-Info',
  'Reject-Contact',
  'Request-Disposition',
  'Require',
  'Route',
  'Service-Route',
  'Supported',
  'Unsupported',
  'Via',
  'Warning',
])

const malformed = (name: string, seen: string): SipFailure =>
  new SipFailure('sip.malformed', { expected: `a ${name}`, seen: JSON.stringify(seen.slice(0, 80)) })

/** Known names are canonical on both sides; others were kept as sent. */
function isNamed(name: string): (header: Header) => boolean {
  const lower = name.toLowerCase()
  return (header) =>
    header.name === name || (header.name.length === lower.length && header.name.toLowerCase() === lower)
}

/** The raw values of every header of this name, in order, lists not split. Name in any case or compact. */
export function rawValues(message: WithHeaders, name: string): readonly string[] {
  return message.headers.filter(isNamed(canonicalHeaderName(name))).map(({ value }) => value)
}

/** The raw value of the first header of this name. */
export function header(message: WithHeaders, name: string): string | undefined {
  return message.headers.find(isNamed(canonicalHeaderName(name)))?.value
}

/**
 * Every element of every header of this name, topmost first. Only names known to hold lists are split. Empty elements,
 * which RFC 3261 allows in Accept and Supported, are left out.
 *
 * @throws SipFailure `sip.too-large` beyond MAX_LIST_ELEMENTS
 */
export function headerValues(message: WithHeaders, name: string): readonly string[] {
  const canonical = canonicalHeaderName(name)
  const values: string[] = []
  for (const value of rawValues(message, canonical)) {
    const elements = LISTS.has(canonical) ? splitOutsideQuotes(value, ',') : [value]
    for (const element of elements) if (element !== '') values.push(element)
  }
  if (values.length > MAX_LIST_ELEMENTS) {
    throw new SipFailure('sip.too-large', { expected: `${MAX_LIST_ELEMENTS} ${canonical} values` })
  }
  return values
}

/**
 * Addresses of Contact, Route, Record-Route, Path, P-Asserted-Identity and their like; of one that stands alone
 * (Refer-To, Referred-By) too.
 *
 * @throws SipFailure `sip.malformed`, `sip.too-large`
 */
export function addresses(message: WithHeaders, name: string): readonly NameAddr[] {
  return headerValues(message, name).map(parseNameAddr)
}

/**
 * The Contact header: `*`, which stands alone, or addresses.
 *
 * @throws SipFailure `sip.malformed`, `sip.too-large`
 */
export function contacts(message: WithHeaders): '*' | readonly NameAddr[] {
  const values = headerValues(message, 'Contact')
  if (!values.includes('*')) return values.map(parseNameAddr)
  if (values.length > 1) throw malformed('Contact', values.join(', '))
  return '*'
}

/** Option tags of Supported, Require, Proxy-Require, Unsupported, in lower case. */
export function optionTags(message: WithHeaders, name: string): ReadonlySet<string> {
  return new Set(headerValues(message, name).map((tag) => tag.toLowerCase()))
}

/** Methods of Allow, or event packages of Allow-Events; case counts. */
export function tokens(message: WithHeaders, name: string): ReadonlySet<string> {
  return new Set(headerValues(message, name))
}

export interface MediaType {
  /** `type/subtype` in lower case, without parameters. */
  readonly type: string
  readonly parameters: ReadonlyMap<string, string>
}

/** Content-Type; undefined when there is none. @throws SipFailure `sip.malformed` */
export function contentType(message: WithHeaders): MediaType | undefined {
  const value = header(message, 'Content-Type')
  if (value === undefined) return undefined
  const { token: type, parameters } = tokenAndParameters(value)
  const [major = '', minor = '', ...rest] = type.split('/').map((part) => part.trim())
  if (!isToken(major) || !isToken(minor) || rest.length > 0) throw malformed('Content-Type', value)
  return { type: `${major}/${minor}`.toLowerCase(), parameters }
}

/** Undefined when absent; `parseMessage` has refused what is no number of 0 to 255. */
export function maxForwards(message: WithHeaders): number | undefined {
  return parseDecimal(header(message, 'Max-Forwards') ?? '', 255)
}

const MAX_SECONDS = 0xffff_ffff

/** Seconds of an Expires header or `expires` parameter. What is too large is the largest; what is no number is undefined. */
export function parseSeconds(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined
  return parseDecimal(text, MAX_SECONDS) ?? MAX_SECONDS
}

/** Expires, Min-Expires or Min-SE in seconds; undefined when absent or no number. */
export function seconds(
  message: WithHeaders,
  name: 'Expires' | 'Min-Expires' | 'Min-SE',
): number | undefined {
  return parseSeconds(header(message, name)?.split(';', 1)[0]?.trim())
}

export interface SessionExpires {
  readonly seconds: number
  readonly refresher: 'uac' | 'uas' | undefined
}

/** Session-Expires (RFC 4028 §4); undefined when absent. @throws SipFailure `sip.malformed` */
export function sessionExpires(message: WithHeaders): SessionExpires | undefined {
  const value = header(message, 'Session-Expires')
  if (value === undefined) return undefined
  const { token, parameters } = tokenAndParameters(value)
  const interval = parseSeconds(token)
  if (interval === undefined) throw malformed('Session-Expires', value)
  const refresher = parameters.get('refresher')?.toLowerCase()
  return { seconds: interval, refresher: refresher === 'uac' || refresher === 'uas' ? refresher : undefined }
}

const MAX_RSEQ = 0xffff_ffff

/** RSeq (RFC 3262 §7.1); undefined when absent or no number. */
export function rseq(message: WithHeaders): number | undefined {
  return parseDecimal(header(message, 'RSeq')?.trim() ?? '', MAX_RSEQ)
}

export interface RAck {
  readonly rseq: number
  readonly cseq: number
  readonly method: string
}

/** RAck (RFC 3262 §7.2); undefined when absent or unreadable: it then acknowledges nothing. */
export function rack(message: WithHeaders): RAck | undefined {
  const [first = '', second = '', method, ...rest] = (header(message, 'RAck') ?? '').trim().split(/[ \t]+/)
  const [number, cseq] = [parseDecimal(first, MAX_RSEQ), parseDecimal(second, MAX_RSEQ)]
  if (number === undefined || cseq === undefined || method === undefined || rest.length > 0) return undefined
  return { rseq: number, cseq, method }
}

export interface Reason {
  /** Upper case for the registered ones, `SIP` and `Q.850`. */
  readonly protocol: string
  readonly cause: number | undefined
  readonly text: string | undefined
}

/** Reason values (RFC 3326). One that cannot be read is left out: it only explains. */
export function reasons(message: WithHeaders): readonly Reason[] {
  return headerValues(message, 'Reason').flatMap((value) => {
    const read = readable(() => tokenAndParameters(value))
    if (read === undefined || !isToken(read.token)) return []
    const cause = parseDecimal(read.parameters.get('cause') ?? '', 999)
    return [{ protocol: read.token.toUpperCase(), cause, text: read.parameters.get('text') }]
  })
}

/** Retry-After in seconds; a comment in brackets is skipped. Undefined when absent or no number. */
export function retryAfter(message: WithHeaders): number | undefined {
  return parseSeconds(/^\d+/.exec(header(message, 'Retry-After') ?? '')?.[0])
}

export interface Credentials {
  /** In lower case: `digest`, `bearer`. */
  readonly scheme: string
  /** Names in lower case, values unquoted. Empty for a scheme that has a bare token. */
  readonly parameters: ReadonlyMap<string, string>
  /** What follows the scheme, as sent. */
  readonly text: string
}

/**
 * Each Authorization, Proxy-Authorization, WWW-Authenticate or Proxy-Authenticate header, one credential or challenge
 * per header (RFC 3261 §7.3.1). One that cannot be read, or repeats a parameter, is left out: it proves nothing. So are
 * credentials beyond MAX_CREDENTIALS.
 */
export function credentials(
  message: WithHeaders,
  name: 'Authorization' | 'Proxy-Authorization' | 'WWW-Authenticate' | 'Proxy-Authenticate',
): readonly Credentials[] {
  const most = name.endsWith('Authorization') ? MAX_CREDENTIALS : MAX_LIST_ELEMENTS
  const values = rawValues(message, name).slice(0, most)
  return values.flatMap((value) => {
    const [, scheme, text] = /^([^ \t]+)[ \t]+(.*)$/s.exec(value) ?? []
    if (scheme === undefined || text === undefined || !isToken(scheme)) return []
    const parameters = authParameters(text)
    return parameters === undefined ? [] : [{ scheme: scheme.toLowerCase(), parameters, text }]
  })
}

/** Comma-separated `name=value`; undefined when repeated, unreadable or too many. Empty for a bare token (RFC 6750). */
function authParameters(text: string): ReadonlyMap<string, string> | undefined {
  const parameters = new Map<string, string>()
  if (/^[\w\-.~+/]+=*$/.test(text)) return parameters
  const elements = splitOutsideQuotes(text, ',')
  if (elements.length > MAX_PARAMETERS) return undefined
  for (const element of elements) {
    if (element === '') continue
    const read = readable(() => parseParameters(`;${element}`, 0))
    if (read === undefined) return undefined
    const [[name, value] = ['', ''], ...others] = read
    if (parameters.has(name) || others.length > 0) return undefined
    parameters.set(name, value)
  }
  return parameters
}

/** `token;name=value...`, as in Content-Type, Event, Session-Expires, Reason. @throws SipFailure `sip.malformed` */
export function tokenAndParameters(value: string): {
  readonly token: string
  readonly parameters: ReadonlyMap<string, string>
} {
  const semicolon = value.indexOf(';')
  if (semicolon === -1) return { token: value.trim(), parameters: new Map() }
  return { token: value.slice(0, semicolon).trim(), parameters: parseParameters(value, semicolon) }
}
