import type { SipCode } from '../failure.ts'
import { parseDecimal } from './characters.ts'
import { DEFAULT_PARSER_LIMITS } from './parser-limits.ts'

export type StreamFrame =
  /** One message, cut where its Content-Length says; the bytes are a copy of their own. */
  | { readonly kind: 'message'; readonly bytes: Buffer }
  /** CRLF CRLF between messages: the peer wants one CRLF back (RFC 5626 §3.5.1). */
  | { readonly kind: 'ping' }
  /** The stream cannot be read on: nobody knows where the next message begins. Always the last frame. */
  | { readonly kind: 'broken'; readonly code: Extract<SipCode, 'sip.malformed' | 'sip.too-large'> }

const CR = 0x0d
const LF = 0x0a
const HEAD_END = Buffer.from('\r\n\r\n')
const NOTHING = Buffer.alloc(0)
const SMALLEST_BUFFER = 2_048
const MAX_LENGTH = 9_999_999_999

/** A method, blank, anything, version; or a version first. What else comes (TLS, HTTP, noise) is no SIP. */
const START_LINE = /^(?:SIP\/\d+\.\d+ |[!%'*+\-.`~\w]{1,64} .* SIP\/\d+\.\d+$)/i
const METHOD_SO_FAR = /^(?:[!%'*+\-.`~\w]{1,64}(?: |$)|SIP\/)/i

/**
 * Cuts a byte stream into messages by Content-Length (RFC 3261 §18.3), which every message over a stream must have,
 * once. It holds at most one unfinished message, of at most `maxMessageBytes`.
 */
export class StreamFramer {
  readonly #maxMessageBytes: number
  /** Bytes from `#start` to `#end` wait; the rest is room. */
  #buffer = NOTHING
  #start = 0
  #end = 0
  /** How far the end of the header section was looked for already. */
  #searched = 0
  /** Of the message under way, when its header section is complete. */
  #messageLength: number | undefined
  #isBroken = false

  constructor(maxMessageBytes: number = DEFAULT_PARSER_LIMITS.maxMessageBytes) {
    this.#maxMessageBytes = maxMessageBytes
  }

  /** A message has begun and is not complete. */
  get isPartial(): boolean {
    return this.#end > this.#start && !this.#isBroken && this.#buffer[this.#start] !== CR
  }

  /** Bytes held. */
  get pendingBytes(): number {
    return this.#end - this.#start
  }

  /** What the stream holds now. After `broken` nothing follows. Pings of one chunk count as one. */
  push(chunk: Uint8Array): readonly StreamFrame[] {
    if (this.#isBroken) return []
    this.#append(chunk)
    const frames: StreamFrame[] = []
    let isPinged = false
    for (;;) {
      if (this.#skipLineEnds()) isPinged = true
      const frame = this.#next()
      if (frame === undefined) break
      frames.push(frame)
      if (frame.kind === 'broken') break
    }
    if (isPinged) frames.unshift({ kind: 'ping' })
    this.#release()
    return frames
  }

  #append(chunk: Uint8Array): void {
    const waiting = this.#end - this.#start
    const needed = waiting + chunk.length
    if (this.#end + chunk.length > this.#buffer.length) {
      // Doubled, so that a message that comes byte by byte is not copied for each byte.
      const isRoomy = needed * 2 <= this.#buffer.length
      const target = isRoomy ? this.#buffer : Buffer.allocUnsafe(Math.max(SMALLEST_BUFFER, needed * 2))
      this.#buffer.copy(target, 0, this.#start, this.#end)
      this.#buffer = target
      this.#searched -= this.#start
      this.#start = 0
      this.#end = waiting
    }
    this.#buffer.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** Between messages. One CRLF may stay, because the ping's other half may follow. True when there was a ping. */
  #skipLineEnds(): boolean {
    if (this.#messageLength !== undefined) return false
    let isPing = false
    while (this.#startsWithLineEnd(0) && this.#startsWithLineEnd(2)) {
      this.#start += 4
      isPing = true
    }
    const next = this.#buffer[this.#start + 2]
    if (this.#startsWithLineEnd(0) && this.#end - this.#start > 2 && next !== CR) this.#start += 2
    this.#searched = Math.max(this.#searched, this.#start)
    return isPing
  }

  #startsWithLineEnd(offset: number): boolean {
    const at = this.#start + offset
    return at + 1 < this.#end && this.#buffer[at] === CR && this.#buffer[at + 1] === LF
  }

  #next(): StreamFrame | undefined {
    if (this.#messageLength === undefined) {
      const length = this.#readHead()
      if (typeof length !== 'number') return length
      this.#messageLength = length
    }
    if (this.#end - this.#start < this.#messageLength) return undefined
    const end = this.#start + this.#messageLength
    const bytes = Buffer.from(this.#buffer.subarray(this.#start, end))
    this.#start = end
    this.#searched = end
    this.#messageLength = undefined
    return { kind: 'message', bytes }
  }

  /** The length of the message whose header section is complete. */
  #readHead(): number | StreamFrame | undefined {
    if (this.#end === this.#start || this.#isHalfLineEnd()) return undefined
    if (!this.#mayBeStartLine()) return this.#broken('sip.malformed')
    const from = Math.max(this.#start, this.#searched - HEAD_END.length + 1)
    const found = this.#buffer.subarray(0, this.#end).indexOf(HEAD_END, from)
    this.#searched = this.#end
    if (found === -1) {
      return this.#end - this.#start > this.#maxMessageBytes ? this.#broken('sip.too-large') : undefined
    }
    if (found - this.#start > this.#maxMessageBytes) return this.#broken('sip.too-large')
    const bodyLength = contentLength(this.#buffer.toString('latin1', this.#start, found))
    if (bodyLength === undefined) return this.#broken('sip.malformed')
    const length = found + HEAD_END.length - this.#start + bodyLength
    return length > this.#maxMessageBytes ? this.#broken('sip.too-large') : length
  }

  /** CR, CRLF or CRLF CR: of a keep-alive of which the rest will come. */
  #isHalfLineEnd(): boolean {
    const text = this.#buffer.toString('latin1', this.#start, Math.min(this.#end, this.#start + 4))
    return this.#end - this.#start < 4 && '\r\n\r\n'.startsWith(text)
  }

  /** Looks at no more than a peer needs to show that it does not speak SIP. */
  #mayBeStartLine(): boolean {
    const seen = this.#buffer.subarray(this.#start, Math.min(this.#end, this.#start + MAX_START_LINE))
    const end = seen.indexOf(LF)
    if (end !== -1) return seen[end - 1] === CR && START_LINE.test(seen.toString('latin1', 0, end - 1))
    const isTooLong = seen.length === MAX_START_LINE
    return !isTooLong && METHOD_SO_FAR.test(seen.toString('latin1', 0, Math.min(seen.length, 65)))
  }

  #broken(code: 'sip.malformed' | 'sip.too-large'): StreamFrame {
    this.#isBroken = true
    return { kind: 'broken', code }
  }

  /** An idle connection holds no buffer. */
  #release(): void {
    if (this.#start < this.#end && !this.#isBroken) return
    this.#buffer = NOTHING
    this.#start = 0
    this.#end = 0
    this.#searched = 0
  }
}

const MAX_START_LINE = DEFAULT_PARSER_LIMITS.maxLineLength + 2

/** Undefined when it is not there exactly once as a number: two readers could cut the stream at different places. */
function contentLength(head: string): number | undefined {
  const [value, ...others] = head
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
    .flatMap(contentLengthOf)
  return value !== undefined && others.length === 0 ? parseDecimal(value, MAX_LENGTH) : undefined
}

/** By hand: an expression that skips the blanks around a value takes a line of blanks apart in every way there is. */
function contentLengthOf(line: string): readonly string[] {
  const colon = line.indexOf(':')
  if (colon === -1) return []
  const name = line.slice(0, colon).trimEnd().toLowerCase()
  return name === 'content-length' || name === 'l' ? [line.slice(colon + 1).trim()] : []
}
