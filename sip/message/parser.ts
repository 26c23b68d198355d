import { SipFailure } from '../failure.ts'
import { hasForbiddenControl, isToken, parseDecimal } from './characters.ts'
import { readSection, readSectionLeniently } from './header-section.ts'
import { type Answerable, MalformedRequest } from './malformed-request.ts'
import {
  type Header,
  isSipUri,
  type NameAddr,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  type Uri,
  type Via,
} from './message.ts'
import { parseNameAddr } from './name-addr.ts'
import { splitOutsideQuotes } from './parameters.ts'
import { DEFAULT_PARSER_LIMITS, type ParserLimits } from './parser-limits.ts'
import { parseUri } from './uri.ts'
import { parseVia } from './via.ts'

const malformed = (expected: string, seen?: string): SipFailure =>
  new SipFailure('sip.malformed', {
    expected,
    ...(seen === undefined ? {} : { seen: JSON.stringify(seen.slice(0, 80)) }),
  })

/**
 * Reads one message from one datagram, WebSocket frame or framed piece of a stream. Linear in its length. The headers
 * every message needs are read and checked now, all others by the accessors of `headers.ts`. The message keeps a copy of the body and
 * nothing of `bytes`; bytes after the body (RFC 3261 §18.3) are ignored.
 *
 * @throws MalformedRequest for a request, with what is needed to answer it; SipFailure for anything else
 */
export function parseMessage(bytes: Buffer, limits: ParserLimits = DEFAULT_PARSER_LIMITS): SipMessage {
  try {
    const section = readSection(bytes, limits)
    // First, so that another version is refused as such, whatever its headers look like.
    const startLine = readStartLine(section.startLine, limits)
    const common = readCommon(section.headers, limits)
    const body = readBody(bytes, section.bodyStart, common.contentLength)
    const { via, from, to, callId, cseq } = common
    Object.freeze(section.headers)
    Object.freeze(via)
    if (startLine.kind === 'request') {
      const { method, uri } = startLine
      if (cseq.method !== method) throw malformed(`CSeq of ${method}`, cseq.method)
      const request: SipRequest = {
        kind: 'request',
        method,
        uri,
        headers: section.headers,
        via,
        from,
        to,
        callId,
        cseq,
        body,
      }
      return Object.freeze(request)
    }
    const { status, reason } = startLine
    const response: SipResponse = {
      kind: 'response',
      status,
      reason,
      headers: section.headers,
      via,
      from,
      to,
      callId,
      cseq,
      body,
    }
    return Object.freeze(response)
  } catch (error) {
    if (!(error instanceof SipFailure)) throw error
    throw withAnswerable(error, bytes, limits)
  }
}

type StartLine =
  | { readonly kind: 'request'; readonly method: string; readonly uri: Uri }
  | { readonly kind: 'response'; readonly status: number; readonly reason: string }

const VERSION = /^SIP\/\d+\.\d+$/i

function readStartLine(line: string, limits: ParserLimits): StartLine {
  if (/^SIP\//i.test(line)) return readStatusLine(line)
  const parts = line.split(' ', 4)
  const [method, target, version] = parts
  // Exactly one space between the parts and none after them (RFC 4475 §3.1.2.7, §3.1.2.8).
  if (method === undefined || target === undefined || version === undefined || parts.length !== 3) {
    throw malformed('a start line', line)
  }
  if (version !== 'SIP/2.0') checkVersion(version, line)
  if (!isToken(method) || method.length > 64) throw malformed('a method', method)
  if (target.length > limits.maxUriLength) {
    throw new SipFailure('sip.uri-too-long', { expected: `${limits.maxUriLength}`, seen: `${target.length}` })
  }
  const uri = parseUri(target)
  if (isSipUri(uri) && uri.headers !== undefined) throw malformed('a Request-URI without headers', target)
  return { kind: 'request', method, uri }
}

function checkVersion(version: string, line: string): void {
  if (version.toUpperCase() === 'SIP/2.0') return
  if (VERSION.test(version)) throw new SipFailure('sip.unsupported-version', { seen: version.slice(0, 40) })
  throw malformed('a start line', line)
}

function readStatusLine(line: string): StartLine {
  const match = /^(SIP\/[^ ]*) ([1-6]\d\d)(?: (.*))?$/is.exec(line)
  const [, version, status, reason] = match ?? []
  if (version === undefined || status === undefined) throw malformed('a status line', line)
  if (version !== 'SIP/2.0') checkVersion(version, line)
  return { kind: 'response', status: Number(status), reason: reason ?? '' }
}

interface Common {
  readonly via: Via[]
  readonly from: NameAddr
  readonly to: NameAddr
  readonly callId: string
  readonly cseq: SipRequest['cseq']
  readonly contentLength: number | undefined
}

/** Raw values of the headers that may come once only. */
interface Singles {
  From?: string
  To?: string
  'Call-ID'?: string
  CSeq?: string
  'Content-Length'?: string
  'Content-Type'?: string
  'Max-Forwards'?: string
}

function readCommon(headers: readonly Header[], limits: ParserLimits): Common {
  const via: Via[] = []
  const singles: Singles = {}
  for (const { name, value } of headers) {
    switch (name) {
      case 'Via':
        readVias(value, via, limits)
        break
      case 'From':
      case 'To':
      case 'Call-ID':
      case 'CSeq':
      case 'Content-Length':
      case 'Content-Type':
      case 'Max-Forwards':
        // Two readers may pick different ones of two; RFC 4475 §3.3.8, §3.3.9.
        if (singles[name] !== undefined) throw malformed(`one ${name}`)
        singles[name] = value
    }
  }
  if (via.length === 0) throw malformed('a Via')
  return { via, ...readSingles(singles) }
}

function readSingles(singles: Singles): Omit<Common, 'via'> {
  const maxForwards = singles['Max-Forwards']
  if (maxForwards !== undefined && parseDecimal(maxForwards, 255) === undefined) {
    throw malformed('Max-Forwards of 0 to 255', maxForwards)
  }
  return {
    from: parseNameAddr(required(singles, 'From')),
    to: parseNameAddr(required(singles, 'To')),
    callId: readCallId(required(singles, 'Call-ID')),
    cseq: readCseq(required(singles, 'CSeq')),
    contentLength: readContentLength(singles['Content-Length']),
  }
}

function required(singles: Singles, name: 'From' | 'To' | 'Call-ID' | 'CSeq'): string {
  const value = singles[name]
  if (value === undefined) throw malformed(`a ${name}`)
  return value
}

function readVias(value: string, into: Via[], limits: ParserLimits): void {
  const elements = value.includes(',') ? splitOutsideQuotes(value, ',') : [value]
  for (const element of elements) {
    if (into.length === limits.maxVias) {
      throw new SipFailure('sip.too-large', { expected: `${limits.maxVias} Via values` })
    }
    into.push(parseVia(element))
  }
}

function readCallId(value: string): string {
  if (value === '' || /[ \t]/.test(value)) throw malformed('a Call-ID', value)
  return value
}

/** RFC 3261 §8.1.1.5 asks for less than 2^31; all that fits 32 bits is taken. */
function readCseq(value: string): SipRequest['cseq'] {
  let digits = 0
  while (digits < value.length && value.charCodeAt(digits) > 0x20) digits += 1
  const number = parseDecimal(value.slice(0, digits), 0xffff_ffff)
  const method = value.slice(digits).trimStart()
  if (number === undefined || !isToken(method)) throw malformed('a CSeq', value)
  return { number, method }
}

function readContentLength(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const length = parseDecimal(value, 0xffff_ffff)
  if (length === undefined) throw malformed('a Content-Length', value)
  return length
}

function readBody(bytes: Buffer, start: number, contentLength: number | undefined): Buffer {
  const available = bytes.length - start
  const length = contentLength ?? available
  if (length > available) throw malformed(`a body of ${length} bytes`, String(available))
  return Buffer.from(bytes.subarray(start, start + length))
}

/** Reads again, forgiving, what was refused: only to find out whether and how it can be answered. */
function withAnswerable(failure: SipFailure, bytes: Buffer, limits: ParserLimits): SipFailure {
  const { startLine, headers } = readSectionLeniently(bytes, limits)
  const method = startLine.slice(0, Math.max(startLine.indexOf(' '), 0))
  if (!isToken(method)) return failure
  return new MalformedRequest(failure, readAnswerable(method, headers, limits))
}

function readAnswerable(
  method: string,
  headers: readonly Header[],
  limits: ParserLimits,
): Answerable | undefined {
  const first = (name: string): string | undefined => {
    const value = headers.find((header) => header.name === name)?.value
    // U+FFFD: was no UTF-8, so it cannot be echoed byte for byte.
    return value === undefined || value.includes('\ufffd') || hasForbiddenControl(value) ? undefined : value
  }
  const [from, to, callId, cseq] = [first('From'), first('To'), first('Call-ID'), first('CSeq')]
  if (from === undefined || to === undefined || callId === undefined || cseq === undefined) return undefined
  const via = readableVias(headers, limits)
  if (via.length === 0) return undefined
  return {
    method,
    headers: [
      ...via.map(({ text }) => ({ name: 'Via', value: text })),
      { name: 'From', value: from },
      { name: 'To', value: to },
      { name: 'Call-ID', value: callId },
      { name: 'CSeq', value: cseq },
    ],
    via,
    from: readableAddress(from),
    to: readableAddress(to),
    callId,
    cseq: readableCseq(cseq, method),
  }
}

/** The Via values up to the first that is unreadable; none when that is the topmost. */
function readableVias(headers: readonly Header[], limits: ParserLimits): Via[] {
  const via: Via[] = []
  try {
    for (const { name, value } of headers) {
      if (name === 'Via' && !hasForbiddenControl(value) && !value.includes('\ufffd'))
        readVias(value, via, limits)
    }
  } catch (error) {
    if (!(error instanceof SipFailure)) throw error
  }
  return via
}

/** An address that does not parse stands in as a URI without a scheme; `buildResponse` echoes the raw header anyway. */
function readableAddress(value: string): NameAddr {
  try {
    return parseNameAddr(value)
  } catch {
    const uri: Uri = { scheme: '', user: undefined, host: undefined, text: value }
    return { displayName: undefined, uri, parameters: new Map() }
  }
}

function readableCseq(value: string, method: string): SipRequest['cseq'] {
  try {
    return readCseq(value)
  } catch {
    return { number: 0, method }
  }
}
