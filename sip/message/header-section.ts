import { isUtf8 } from 'node:buffer'
import { SipFailure } from '../failure.ts'
import { hasForbiddenControl, isBlank, isToken } from './characters.ts'
import { canonicalHeaderName } from './header-names.ts'
import type { Header } from './message.ts'
import type { ParserLimits } from './parser-limits.ts'

const CR = 0x0d
const LF = 0x0a

const malformed = (expected: string, seen?: string): SipFailure =>
  new SipFailure('sip.malformed', { expected, ...(seen === undefined ? {} : { seen }) })

/** A message cut into its parts; nothing but the shape of lines has been judged. */
export interface Section {
  readonly startLine: string
  readonly headers: Header[]
  /** Offset of the first byte of the body. */
  readonly bodyStart: number
}

/**
 * Decodes start line and headers once, and cuts them into lines: folded lines joined by one space (RFC 3261 §7.3.1),
 * names in canonical form. CRLF is the only line end; a lone CR or LF, which two readers could take differently, is
 * refused, and so is any control character outside a quoted pair.
 *
 * @throws SipFailure
 */
export function readSection(bytes: Buffer, limits: ParserLimits): Section {
  if (bytes.length > limits.maxMessageBytes) {
    throw new SipFailure('sip.too-large', {
      expected: `${limits.maxMessageBytes} bytes`,
      seen: `${bytes.length}`,
    })
  }
  const start = skipLineEnds(bytes)
  const end = bytes.indexOf('\r\n\r\n', start, 'latin1')
  if (end === -1) throw malformed('an empty line after the headers')
  return { ...readLines(decode(bytes, start, end), limits), bodyStart: end + 4 }
}

/** RFC 3261 §7.5: empty lines before the start line are ignored. */
function skipLineEnds(bytes: Buffer): number {
  let start = 0
  while (bytes[start] === CR && bytes[start + 1] === LF) start += 2
  return start
}

/** One pass for the usual case, printable ASCII; the checks that tell more only when it is something else. */
function decode(bytes: Buffer, start: number, end: number): string {
  if (isPrintableAscii(bytes, start, end)) return bytes.toString('latin1', start, end)
  const head = bytes.subarray(start, end)
  if (!isUtf8(head)) throw malformed('UTF-8')
  const text = head.toString('utf8')
  // Control characters stand nowhere but in quoted pairs, where RFC 3261 §25.1 allows them.
  if (text.split('\r\n').some(hasForbiddenControl)) throw malformed('no control characters')
  return text
}

/** Printable ASCII, HTAB, CR and LF only. */
function isPrintableAscii(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i += 1) {
    const byte = bytes[i] ?? 0
    if ((byte < 0x20 && byte !== CR && byte !== LF && byte !== 0x09) || byte >= 0x7f) return false
  }
  return true
}

/** `text` is the message up to, without, the CRLF CRLF that ends the headers. */
function readLines(text: string, limits: ParserLimits): { startLine: string; headers: Header[] } {
  const startEnd = endOfLine(text, 0)
  checkLineLength(startEnd, limits)
  const headers: Header[] = []
  let at = startEnd + 2
  while (at < text.length) {
    let end = endOfLine(text, at)
    let isFolded = false
    while (end + 2 < text.length && isBlank(text.charCodeAt(end + 2))) {
      isFolded = true
      end = endOfLine(text, end + 2)
    }
    checkLineLength(end - at, limits)
    if (headers.length === limits.maxHeaders) {
      throw new SipFailure('sip.too-large', { expected: `${limits.maxHeaders} headers` })
    }
    headers.push(isFolded ? readHeader(unfold(text.slice(at, end))) : readHeader(text, at, end))
    at = end + 2
  }
  return { startLine: text.slice(0, startEnd), headers }
}

/** The index of the next CRLF, or the end of the text. */
function endOfLine(text: string, start: number): number {
  const cr = text.indexOf('\r', start)
  const lf = text.indexOf('\n', start)
  if (cr === -1 && lf === -1) return text.length
  if (lf !== cr + 1 || cr === -1) throw malformed('CRLF at line ends')
  return cr
}

function checkLineLength(length: number, limits: ParserLimits): void {
  if (length <= limits.maxLineLength) return
  throw new SipFailure('sip.too-large', { expected: `lines of ${limits.maxLineLength}`, seen: `${length}` })
}

const unfold = (lines: string): string => lines.replace(/\r\n[ \t]+/g, ' ')

function readHeader(text: string, start = 0, end = text.length): Header {
  const colon = text.indexOf(':', start)
  if (colon === -1 || colon >= end) {
    throw malformed('a header with a colon', JSON.stringify(text.slice(start, Math.min(end, start + 40))))
  }
  let nameEnd = colon
  while (nameEnd > start && isBlank(text.charCodeAt(nameEnd - 1))) nameEnd -= 1
  const sent = text.slice(start, nameEnd)
  const name = canonicalHeaderName(sent)
  if (name === sent && !isToken(name)) throw malformed('a header name', JSON.stringify(sent.slice(0, 40)))
  let valueStart = colon + 1
  let valueEnd = end
  while (valueStart < valueEnd && isBlank(text.charCodeAt(valueStart))) valueStart += 1
  while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd -= 1
  return { name, value: text.slice(valueStart, valueEnd) }
}

/** What can still be read of a message that `readSection` refused; for the answer to it only. */
export function readSectionLeniently(
  bytes: Buffer,
  limits: ParserLimits,
): Pick<Section, 'startLine' | 'headers'> {
  const readable = bytes.subarray(0, limits.maxMessageBytes)
  const start = skipLineEnds(readable)
  const end = readable.indexOf('\r\n\r\n', start, 'latin1')
  const text = readable.subarray(start, end === -1 ? readable.length : end).toString('utf8')
  const [startLine = '', ...lines] = text.replace(/\r\n[ \t]+/g, ' ').split('\r\n')
  const headers: Header[] = []
  for (const line of lines.slice(0, limits.maxHeaders)) {
    try {
      if (line.length <= limits.maxLineLength) headers.push(readHeader(line))
    } catch {
      // This line is what is wrong with the message, or one more thing that is.
    }
  }
  return { startLine, headers }
}
