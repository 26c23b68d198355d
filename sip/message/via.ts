import { SipFailure } from '../failure.ts'
import type { SocketAddress } from '../flow.ts'
import { isToken, skipBlanks } from './characters.ts'
import type { Via } from './message.ts'
import { parseParameters, splitOutsideQuotes } from './parameters.ts'
import { formatHostPort, parseHostPort } from './uri.ts'

const malformed = (seen: string): SipFailure =>
  new SipFailure('sip.malformed', { expected: 'a Via', seen: JSON.stringify(seen.slice(0, 80)) })

/**
 * Reads one Via value (RFC 3261 §20.42).
 *
 * @throws SipFailure `sip.malformed`
 */
export function parseVia(text: string): Via {
  const { transport, end } = parseSentProtocol(text)
  const hostStart = skipBlanks(text, end)
  if (hostStart === end) throw malformed(text)
  const semicolon = text.indexOf(';', hostStart)
  const hostEnd = semicolon === -1 ? text.length : semicolon
  let sentBy = text.slice(hostStart, hostEnd)
  // Blanks may stand around the colon of the port: `host : 5060`.
  if (sentBy.includes(' ') || sentBy.includes('\t')) sentBy = sentBy.split(':').map(trim).join(':')
  const { host, port } = parseHostPort(sentBy)
  return { transport, host, port, parameters: parseParameters(text, hostEnd), text }
}

const trim = (text: string): string => text.trim()

function parseSentProtocol(text: string): { readonly transport: string; readonly end: number } {
  if (!text.startsWith('SIP/2.0/')) return parseLooseSentProtocol(text)
  let end = 8
  while (end < text.length && text.charCodeAt(end) > 0x20) end += 1
  const transport = text.slice(8, end)
  if (!isToken(transport)) return parseLooseSentProtocol(text)
  return { transport: transport.toUpperCase(), end }
}

/** With blanks around the slashes, or the name in lower case. Another version is the start line's to refuse, with 505. */
function parseLooseSentProtocol(text: string): { readonly transport: string; readonly end: number } {
  const match = /^([^\s/;]+)[ \t]*\/[ \t]*([^\s/;]+)[ \t]*\/[ \t]*([^\s/;]+)/.exec(text)
  const [all, protocol, version, transport] = match ?? []
  // A quote in one of them would hide parameters from whoever splits the value outside quotes.
  const areTokens = [version, transport].every((part) => part !== undefined && isToken(part))
  if (all === undefined || transport === undefined || !areTokens) throw malformed(text)
  if (protocol?.toUpperCase() !== 'SIP') throw malformed(text)
  return { transport: transport.toUpperCase(), end: all.length }
}

export interface ViaParts {
  /** Upper or lower case. */
  readonly transport: string
  readonly host: string
  readonly port: number | undefined
  /** With the `z9hG4bK` cookie. */
  readonly branch: string
  /** Asks the peer to answer to the port it sees (RFC 3581). */
  readonly rport?: boolean
}

export function buildVia(parts: ViaParts): Via {
  const sentBy = formatHostPort(parts.host, parts.port)
  const rport = parts.rport === true ? ';rport' : ''
  return parseVia(`SIP/2.0/${parts.transport.toUpperCase()} ${sentBy};branch=${parts.branch}${rport}`)
}

/**
 * The top Via of a request as its receiver must leave it: `received` when the source is not what sent-by says (RFC 3261
 * §18.2.1), `received` and `rport` when the sender asked (RFC 3581 §4). Values the sender put there are no longer
 * the sender's to say. All other text stays as it was.
 */
export function stampVia(via: Via, source: SocketAddress): Via {
  const isAsked = via.parameters.has('rport')
  const address = source.address.startsWith('::ffff:') ? source.address.slice(7) : source.address
  const isNeeded = isAsked || via.host !== address.toLowerCase()
  if (!isNeeded && !via.parameters.has('received')) return via
  const kept = splitOutsideQuotes(via.text, ';').filter(
    (part) => !/^(?:received|rport)[ \t]*(?:=|$)/i.test(part),
  )
  let text = kept.join(';')
  if (isNeeded) text += `;received=${address}`
  if (isAsked) text += `;rport=${source.port}`
  return parseVia(text)
}
