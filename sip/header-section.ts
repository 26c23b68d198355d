import { isAscii, isUtf8 } from 'node:buffer'
import { isBlank, isToken } from './characters.ts'
import { SipFailure } from './failure.ts'
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
  return { ...readLines(decode(bytes.subarray(start, end)), limits), bodyStart: end + 4 }
}

/** RFC 3261 §7.5: empty lines before the start line are ignored. */
function skipLineEnds(bytes: Buffer): number {
  let start = 0
  while (bytes[start] === CR && bytes[start + 1] === LF) start += 2
  return start
}

function decode(head: Buffer): string {
  if (isAscii(head)) return head.toString('latin1')
  if (!isUtf8(head)) throw malformed('UTF-8')
  return head.toString('utf8')
}

/** `text` is the message up to, without, the CRLF CRLF that ends the headers. */
export function readLines(text: string, limits: ParserLimits): { startLine: string; headers: Header[] } {
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

/** The index of the next CRLF, or the end of the text. Judges every character on its way. */
function endOfLine(text: string, start: number): number {
  for (let i = start; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if ((code >= 0x20 && code !== 0x7f) || code === 0x09) continue
    if (code === CR && text.charCodeAt(i + 1) === LF) return i
    const isQuotedPair = code !== CR && code !== LF && text.charCodeAt(i - 1) === 0x5c
    if (!isQuotedPair) throw malformed('no control character', `0x${code.toString(16).padStart(2, '0')}`)
  }
  return text.length
}

function checkLineLength(length: number, limits: ParserLimits): void {
  if (length <= limits.maxLineLength) return
  throw new SipFailure('sip.too-large', { expected: `lines of ${limits.maxLineLength}`, seen: `${length}` })
}

const unfold = (lines: string): string => lines.replace(/[ \t]*\r\n[ \t]+/g, ' ')

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
