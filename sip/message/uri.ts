import { isIPv6 } from 'node:net'
import { SipFailure } from '../failure.ts'
import { parseDecimal } from './characters.ts'
import { isSipUri, type OtherUri, type SipUri, type Uri } from './message.ts'
import { checkParameterCount } from './parameters.ts'

const NO_PARAMETERS: ReadonlyMap<string, string> = new Map()

const malformed = (seen: string): SipFailure =>
  new SipFailure('sip.malformed', { expected: 'a URI', seen: JSON.stringify(seen.slice(0, 80)) })

/**
 * Reads a URI by RFC 3261 §19.1.1. More is accepted than written: `#` and UTF-8 in the user part, `_` in host names.
 * Schemes other than sip and sips are kept unread.
 *
 * @throws SipFailure `sip.malformed`, and `sip.too-large` beyond MAX_PARAMETERS
 */
export function parseUri(text: string): Uri {
  if (!hasOnlyUriCharacters(text)) throw malformed(text)
  if (text.startsWith('sip:')) return parseSipUri('sip', text, 4)
  const colon = text.indexOf(':')
  const scheme = text.slice(0, colon).toLowerCase()
  if (colon === -1 || !/^[a-z][a-z0-9+.-]*$/.test(scheme)) throw malformed(text)
  if (scheme === 'sip' || scheme === 'sips') return parseSipUri(scheme, text, colon + 1)
  if (colon === text.length - 1) throw malformed(text)
  return { scheme, user: undefined, host: undefined, text } satisfies OtherUri
}

/** Without what it would have in the request (RFC 3261 §19.1.5 calls such headers and methods dangerous); else as it stands. */
export function bareUri(uri: Uri): Uri {
  if (!isSipUri(uri) || (uri.headers === undefined && !uri.parameters.has('method'))) return uri
  const text = uri.headers === undefined ? uri.text : uri.text.slice(0, -uri.headers.length - 1)
  return parseUri(text.replace(/;method=[^;?]*/gi, ''))
}

/** Blanks, controls, quotes, angle brackets and backslashes stand in no URI. */
function hasOnlyUriCharacters(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code === 0x22 || code === 0x3c || code === 0x3e || code === 0x5c || code === 0x7f) {
      return false
    }
  }
  return true
}

function parseSipUri(scheme: 'sip' | 'sips', text: string, start: number): SipUri {
  // `;`, `?` and `/` may stand in the user part, `@` nowhere but after it.
  const at = text.indexOf('@', start)
  const hostStart = at === -1 ? start : at + 1
  if (text.indexOf('@', hostStart) !== -1) throw malformed(text)
  const hostEnd = endOfHost(text, hostStart)
  const question = text.indexOf('?', hostEnd)
  const parametersEnd = question === -1 ? text.length : question
  const { host, port } = parseHostPort(text.slice(hostStart, hostEnd))
  return {
    scheme,
    user: at === -1 ? undefined : parseUser(text.slice(start, at)),
    host,
    port,
    parameters:
      hostEnd === parametersEnd ? NO_PARAMETERS : parseUriParameters(text.slice(hostEnd + 1, parametersEnd)),
    headers: question === -1 ? undefined : text.slice(question + 1),
    text,
  }
}

/** The password, long forbidden in practice, stays in the text only. */
function parseUser(userInfo: string): string {
  const colon = userInfo.indexOf(':')
  const user = colon === -1 ? userInfo : userInfo.slice(0, colon)
  if (user === '') throw malformed(`${userInfo}@`)
  return percentDecode(user)
}

function endOfHost(text: string, start: number): number {
  let i = start
  while (i < text.length) {
    const code = text.charCodeAt(i)
    if (code === 0x3b || code === 0x3f) break
    i += 1
  }
  return i
}

/**
 * `host`, `host:port`, `[v6]` or `[v6]:port`; the host in lower case and without brackets.
 *
 * @throws SipFailure `sip.malformed`
 */
export function parseHostPort(text: string): { readonly host: string; readonly port: number | undefined } {
  if (text.charCodeAt(0) === 0x5b) return parseV6Port(text)
  const colon = text.indexOf(':')
  const host = colon === -1 ? text : text.slice(0, colon)
  if (!isHostName(host)) throw malformed(text)
  return { host: host.toLowerCase(), port: colon === -1 ? undefined : parsePort(text.slice(colon + 1), text) }
}

function parseV6Port(text: string): { readonly host: string; readonly port: number | undefined } {
  const close = text.indexOf(']')
  const host = text.slice(1, close).toLowerCase()
  // A zone (`%eth0`) means nothing to anyone else.
  if (close === -1 || !isIPv6(host) || host.includes('%')) throw malformed(text)
  const rest = text.slice(close + 1)
  if (rest === '') return { host, port: undefined }
  if (!rest.startsWith(':')) throw malformed(text)
  return { host, port: parsePort(rest.slice(1), text) }
}

function parsePort(digits: string, text: string): number {
  const port = parseDecimal(digits, 65_535)
  if (port === undefined || port === 0) throw malformed(text)
  return port
}

/** Letters, digits, `-`, `.` and `_`; at most 255. Covers IPv4. */
function isHostName(host: string): boolean {
  for (let i = 0; i < host.length; i += 1) {
    const code = host.charCodeAt(i)
    const isAlphanumeric =
      (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a)
    if (!isAlphanumeric && code !== 0x2e && code !== 0x2d && code !== 0x5f) return false
  }
  return host.length > 0 && host.length <= 255
}

function parseUriParameters(text: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  const all = text.split(';')
  checkParameterCount(all.length)
  for (const parameter of all) {
    const equals = parameter.indexOf('=')
    const name = percentDecode(equals === -1 ? parameter : parameter.slice(0, equals)).toLowerCase()
    if (name === '') throw malformed(`;${text}`)
    if (!parameters.has(name))
      parameters.set(name, equals === -1 ? '' : percentDecode(parameter.slice(equals + 1)))
  }
  return parameters
}

/** Bytes that are no UTF-8 become U+FFFD: a caller from a Latin-1 system still gets through. */
function percentDecode(text: string): string {
  if (!text.includes('%')) return text
  if (/%(?![0-9a-fA-F]{2})/.test(text)) throw malformed(text)
  return text.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'),
  )
}

function escapeExcept(text: string, kept: RegExp): string {
  return text.replace(kept, (character) =>
    Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(
      '',
    ),
  )
}

/** RFC 3261 §25.1: unreserved and user-unreserved stay, except `?` and `;`, which old parsers take for delimiters. */
const escapeUser = (text: string): string => escapeExcept(text, /[^A-Za-z0-9\-_.!~*'()&=+$,/]/gu)

/** unreserved and param-unreserved stay. */
const escapeParameter = (text: string): string => escapeExcept(text, /[^A-Za-z0-9\-_.!~*'()[\]/:&+$]/gu)

/** `host` with brackets where it is IPv6, and the port where there is one. */
export function formatHostPort(host: string, port: number | undefined): string {
  const bracketed = host.includes(':') ? `[${host}]` : host
  return port === undefined ? bracketed : `${bracketed}:${port}`
}

export interface SipUriParts {
  readonly scheme?: 'sip' | 'sips'
  /** Any text; escaped here. */
  readonly user?: string | undefined
  /** A host name, IPv4, or IPv6 without brackets. */
  readonly host: string
  readonly port?: number | undefined
  readonly parameters?: ReadonlyMap<string, string> | Readonly<Record<string, string>>
}

/**
 * Makes a URI of parts, each escaped as its place asks.
 *
 * @throws SipFailure `sip.malformed` when host or port are none
 */
export function sipUri(parts: SipUriParts): SipUri {
  const scheme = parts.scheme ?? 'sip'
  const user = parts.user === undefined || parts.user === '' ? '' : `${escapeUser(parts.user)}@`
  let text = `${scheme}:${user}${formatHostPort(parts.host, parts.port)}`
  const parameters = parts.parameters ?? NO_PARAMETERS
  const entries = parameters instanceof Map ? parameters.entries() : Object.entries(parameters)
  for (const [name, value] of entries) {
    text += value === '' ? `;${escapeParameter(name)}` : `;${escapeParameter(name)}=${escapeParameter(value)}`
  }
  const uri = parseSipUri(scheme, text, scheme.length + 1)
  if (uri.host !== parts.host.toLowerCase()) throw malformed(parts.host)
  return uri
}

/** Parameters that make two URIs differ when only one of them has it (RFC 3261 §19.1.4). */
const SIGNIFICANT = ['user', 'ttl', 'method', 'maddr', 'transport'] as const

/** RFC 3261 §19.1.4. URIs of other schemes are equal when their texts are. */
export function areEqualUris(a: Uri, b: Uri): boolean {
  if (!isSipUri(a) || !isSipUri(b)) return a.text === b.text
  return (
    a.scheme === b.scheme &&
    a.user === b.user &&
    passwordOf(a) === passwordOf(b) &&
    a.host === b.host &&
    a.port === b.port &&
    areEqualParameters(a.parameters, b.parameters) &&
    (a.headers === b.headers || sortedHeaders(a) === sortedHeaders(b))
  )
}

function areEqualParameters(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (SIGNIFICANT.some((name) => a.has(name) !== b.has(name))) return false
  for (const [name, value] of a) {
    const other = b.get(name)
    if (other !== undefined && other.toLowerCase() !== value.toLowerCase()) return false
  }
  return true
}

function passwordOf(uri: SipUri): string | undefined {
  const userInfo = uri.text.slice(uri.scheme.length + 1, Math.max(uri.text.indexOf('@'), 0))
  const colon = userInfo.indexOf(':')
  return colon === -1 ? undefined : percentDecode(userInfo.slice(colon + 1))
}

/** A Contact is compared with every other one of its user. */
const SORTED_HEADERS = new WeakMap<SipUri, string>()

function sortedHeaders(uri: SipUri): string {
  const known = SORTED_HEADERS.get(uri)
  if (known !== undefined) return known
  const sorted = (uri.headers ?? '').toLowerCase().split('&').sort().join('&')
  SORTED_HEADERS.set(uri, sorted)
  return sorted
}
