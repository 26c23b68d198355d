import { SipFailure } from '../failure.ts'
import { isBlank } from './characters.ts'
import type { NameAddr } from './message.ts'
import { endOfQuoted, formatParameters, parseParameters, quote, unquote } from './parameters.ts'
import { parseUri } from './uri.ts'

const malformed = (seen: string): SipFailure =>
  new SipFailure('sip.malformed', { expected: 'an address', seen: JSON.stringify(seen.slice(0, 80)) })

/**
 * Reads one `name-addr` or `addr-spec` with its header parameters (RFC 3261 §20.10, §25.1): the value of From, To,
 * Refer-To, or one element of Contact, Route, Record-Route. Without brackets, what follows `;` belongs to the header.
 * An unquoted display name may hold what it should not (`Bell, Alexander <...>`), as RFC 4475 §3.1.2.15 permits.
 *
 * @throws SipFailure `sip.malformed`
 */
export function parseNameAddr(text: string): NameAddr {
  if (text.charCodeAt(0) === 0x22) return parseQuotedName(text)
  const open = text.indexOf('<')
  if (open === -1) return parseAddrSpec(text)
  const name = text.slice(0, open).trim()
  if (name.includes('"') || name.includes('>')) throw malformed(text)
  return parseBracketed(text, open, name === '' ? undefined : name)
}

function parseQuotedName(text: string): NameAddr {
  const end = endOfQuoted(text, 0)
  if (end === -1) throw malformed(text)
  let open = end
  while (open < text.length && isBlank(text.charCodeAt(open))) open += 1
  if (text.charCodeAt(open) !== 0x3c) throw malformed(text)
  return parseBracketed(text, open, unquote(text.slice(0, end)))
}

function parseBracketed(text: string, open: number, displayName: string | undefined): NameAddr {
  const close = text.indexOf('>', open)
  if (close === -1) throw malformed(text)
  return {
    displayName,
    uri: parseUri(text.slice(open + 1, close)),
    parameters: parseParameters(text, close + 1),
  }
}

function parseAddrSpec(text: string): NameAddr {
  const semicolon = text.indexOf(';')
  const end = semicolon === -1 ? text.length : semicolon
  const spec = text.slice(0, end).trim()
  // RFC 3261 §20: a URI with a comma or question mark must stand in brackets.
  if (spec.includes(',') || spec.includes('?')) throw malformed(text)
  return { displayName: undefined, uri: parseUri(spec), parameters: parseParameters(text, end) }
}

/** Always with brackets; the display name, whoever chose it, quoted and escaped. */
export function formatNameAddr(address: NameAddr): string {
  const name = address.displayName === undefined ? '' : `${quote(address.displayName)} `
  return `${name}<${address.uri.text}>${formatParameters(address.parameters)}`
}

/** The same address with this `tag`, instead of any it had. */
export function withTag(address: NameAddr, tag: string): NameAddr {
  return { ...address, parameters: new Map(address.parameters).set('tag', tag) }
}
