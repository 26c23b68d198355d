import type { Line } from './description.ts'
import { SdpFailure } from './failure.ts'
import type { SdpLimits } from './session.ts'

const SESSION_LINES = 'vosiuepcbtrzka'
const MEDIA_LINES = 'micbka'

/**
 * Splits a body into its session block and one block per `m=` line, and refuses whatever is not a description at
 * all: too much of anything, broken UTF-8, NUL, a lone CR, an unknown line type, a line in the wrong block.
 * Lines may end in CRLF or LF (RFC 8866 §5), and blank lines may follow the last one. Order within a block is not
 * checked: too many devices get it wrong, and no meaning hangs on it.
 */
export function splitLines(body: Uint8Array, limits: SdpLimits): readonly (readonly Line[])[] {
  if (body.length > limits.maxBytes) throw tooLarge('bytes', limits.maxBytes, body.length)
  const text = decode(body)
  const written = text.slice(0, contentLength(text)).split('\n', limits.maxLines + 1)
  if (written.length > limits.maxLines) throw tooLarge('lines', limits.maxLines, written.length)

  let block: Line[] = []
  const blocks = [block]
  for (const [index, ending] of written.entries()) {
    const content = ending.endsWith('\r') ? ending.slice(0, -1) : ending
    if (Buffer.byteLength(content) > limits.maxLineBytes) {
      throw tooLarge(`bytes in line ${index + 1}`, limits.maxLineBytes, Buffer.byteLength(content))
    }
    const line = readLine(content, index + 1)
    if (line.type === 'm') {
      if (blocks.length > limits.maxSections) throw tooLarge('m-lines', limits.maxSections, blocks.length)
      block = []
      blocks.push(block)
    }
    const allowed = blocks.length === 1 ? SESSION_LINES : MEDIA_LINES
    if (!allowed.includes(line.type)) throw malformed(`a ${line.type}= line`, index + 1)
    block.push(line)
  }
  return blocks
}

/** A failure that names the line and never quotes it: it might be a key. */
export function malformed(what: string, lineNumber?: number): SdpFailure {
  const place = lineNumber === undefined ? '' : ` in line ${lineNumber}`
  return new SdpFailure('sdp.malformed', { seen: `${what}${place}` })
}

export function tooLarge(what: string, limit: number, seen: number): SdpFailure {
  return new SdpFailure('sdp.too-large', { expected: `at most ${limit} ${what}`, seen: String(seen) })
}

function decode(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch (cause) {
    throw new SdpFailure('sdp.malformed', { seen: 'invalid UTF-8', cause })
  }
}

/** Without the line ends behind the last line. A loop, because the expression for it is quadratic. */
function contentLength(text: string): number {
  let end = text.length
  while (end > 0 && (text[end - 1] === '\n' || text[end - 1] === '\r')) end -= 1
  return end
}

function readLine(content: string, lineNumber: number): Line {
  if (content.includes('\0')) throw malformed('a NUL', lineNumber)
  if (content.includes('\r')) throw malformed('a CR without LF', lineNumber)
  if (!/^[a-z]=/.test(content)) throw malformed('something that is no type=value', lineNumber)
  return { type: content.charAt(0), value: content.slice(2) }
}
