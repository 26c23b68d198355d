import { SipFailure } from '../../sip/failure.ts'
import type { MediaType } from '../../sip/message/headers.ts'
import type { Body } from '../../sip/user-agent.ts'

/** One part of a `multipart/mixed` body (RFC 2046 §5.1), its headers as they came. */
export interface BodyPart {
  /** `type/subtype` in lower case, without parameters. */
  readonly type: string
  /** Without the empty line that ends them. */
  readonly headers: string
  readonly bytes: Buffer
}

/** What a body may hold: a description, a location, and what some PBXes put beside them. */
const MAX_PARTS = 8
const MAX_HEADER_BYTES = 2_048
/** Longest boundary of RFC 2046. */
const MAX_BOUNDARY_LENGTH = 70

const malformed = (seen: string): SipFailure =>
  new SipFailure('sip.malformed', { expected: 'a multipart body', seen })

export const isMultipart = ({ type }: MediaType): boolean => type.startsWith('multipart/')

/** Parts in their order; preamble and epilogue are left out. Throws `sip.malformed`, `sip.too-large`. */
export function readMultipart(body: Buffer, { parameters }: MediaType): readonly BodyPart[] {
  const boundary = parameters.get('boundary') ?? ''
  if (boundary === '' || boundary.length > MAX_BOUNDARY_LENGTH) throw malformed('no boundary')
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  // The first one may be the beginning of the body.
  const text = Buffer.concat([Buffer.from('\r\n'), body])
  const parts: BodyPart[] = []
  let start = text.indexOf(delimiter)
  if (start === -1) throw malformed('no part')
  for (;;) {
    const lineEnd = text.indexOf('\r\n', start + delimiter.length)
    const isLast = text.toString('latin1', start + delimiter.length, start + delimiter.length + 2) === '--'
    if (isLast) return parts
    const end = text.indexOf(delimiter, start + delimiter.length)
    if (lineEnd === -1 || end === -1) throw malformed('no end')
    if (parts.length >= MAX_PARTS) throw new SipFailure('sip.too-large', { expected: `${MAX_PARTS} parts` })
    parts.push(readPart(text.subarray(lineEnd, end)))
    start = end
  }
}

/** `raw` begins with the line break before its first header, or before the empty line when it has none. */
function readPart(raw: Buffer): BodyPart {
  const separator = raw.indexOf('\r\n\r\n')
  if (separator === -1 || separator > MAX_HEADER_BYTES) throw malformed('a part without headers')
  const headers = raw.toString('utf8', 2, Math.max(separator, 2))
  const type = /^content-type\s*:\s*([^\s;]+)/im.exec(headers)?.[1] ?? 'text/plain'
  // `\s`: or the blank before the value would pass for the beginning of another one.
  if (/^content-transfer-encoding\s*:\s*(?!\s|7bit|8bit|binary)/im.test(headers))
    throw malformed('an encoded part')
  return { type: type.toLowerCase(), headers, bytes: raw.subarray(separator + 4) }
}

/** `parts` in one body. `token`: unguessable, so that no part holds the boundary. */
export function formatMultipart(parts: readonly Pick<BodyPart, 'headers' | 'bytes'>[], token: string): Body {
  const boundary = `webtrunk-${token}`
  const pieces = parts.flatMap(({ headers, bytes }) => [
    Buffer.from(`--${boundary}\r\n${headers}\r\n\r\n`),
    Buffer.from(bytes),
    Buffer.from('\r\n'),
  ])
  return {
    contentType: `multipart/mixed;boundary="${boundary}"`,
    bytes: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
  }
}
