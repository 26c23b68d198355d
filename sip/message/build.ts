import type { SocketAddress } from '../flow.ts'
import type { Body, ResponseOptions } from '../user-agent-contract.ts'
import type { Answerable } from './malformed-request.ts'
import type { Header, NameAddr, SipRequest, SipResponse, Uri, Via } from './message.ts'
import { formatNameAddr, withTag } from './name-addr.ts'
import { reasonPhrase } from './reason-phrases.ts'
import { stampVia } from './via.ts'

const NO_BODY = Buffer.alloc(0)

export interface RequestParts {
  readonly method: string
  readonly uri: Uri
  /** One of ours, by `buildVia`. */
  readonly via: Via
  /** With its tag. */
  readonly from: NameAddr
  readonly to: NameAddr
  readonly callId: string
  readonly cseq: number
  /** Defaults to 70. */
  readonly maxForwards?: number
  /** Values of Route headers, topmost first. */
  readonly route?: readonly string[]
  /** All other headers, in order: Contact, Supported, Authorization... */
  readonly headers?: readonly Header[]
  readonly body?: Body | undefined
}

/** A request of ours with all headers RFC 3261 §8.1.1 asks for. Content-Length is `formatMessage`'s. */
export function buildRequest(parts: RequestParts): SipRequest {
  const headers: Header[] = [{ name: 'Via', value: parts.via.text }]
  for (const value of parts.route ?? []) headers.push({ name: 'Route', value })
  headers.push(
    { name: 'Max-Forwards', value: String(parts.maxForwards ?? 70) },
    { name: 'From', value: formatNameAddr(parts.from) },
    { name: 'To', value: formatNameAddr(parts.to) },
    { name: 'Call-ID', value: parts.callId },
    { name: 'CSeq', value: `${parts.cseq} ${parts.method}` },
    ...(parts.headers ?? []),
  )
  return Object.freeze({
    kind: 'request',
    method: parts.method,
    uri: parts.uri,
    headers: withContentType(headers, parts.body),
    via: [parts.via],
    from: parts.from,
    to: parts.to,
    callId: parts.callId,
    cseq: { number: parts.cseq, method: parts.method },
    body: toBuffer(parts.body),
  })
}

export interface BuildResponseOptions extends ResponseOptions {
  /** Added to a To that has no tag, except in 100 (RFC 3261 §8.2.6.2). */
  readonly toTag?: string | undefined
}

/**
 * A response with what RFC 3261 §8.2.6 has copied from the request, byte for byte: Via, From, To, Call-ID, CSeq; in 100
 * Timestamp; in 101 to 299 of anything but REGISTER Record-Route (§12.1.1).
 */
export function buildResponse(
  request: Answerable,
  status: number,
  options: BuildResponseOptions = {},
): SipResponse {
  const toTag = needsTag(request, status) ? options.toTag : undefined
  const isRouted = status > 100 && status < 300 && request.method !== 'REGISTER'
  const headers: Header[] = request.via.map((via) => ({ name: 'Via', value: via.text }))
  for (const header of request.headers) {
    switch (header.name) {
      case 'To':
        headers.push(toTag === undefined ? header : { name: 'To', value: `${header.value};tag=${toTag}` })
        break
      case 'From':
      case 'Call-ID':
      case 'CSeq':
        headers.push(header)
        break
      case 'Record-Route':
        if (isRouted) headers.push(header)
        break
      case 'Timestamp':
        if (status === 100) headers.push(header)
    }
  }
  if (options.headers !== undefined) headers.push(...options.headers)
  return Object.freeze({
    kind: 'response',
    status,
    reason: options.reason ?? reasonPhrase(status),
    headers: withContentType(headers, options.body),
    via: request.via,
    from: request.from,
    to: toTag === undefined ? request.to : withTag(request.to, toTag),
    callId: request.callId,
    cseq: request.cseq,
    body: toBuffer(options.body),
  })
}

/** A To that could not be read is echoed as it is: nobody can say where in it a tag would land. */
const needsTag = ({ to }: Answerable, status: number): boolean =>
  status > 100 && !to.parameters.has('tag') && to.uri.scheme !== ''

function withContentType(headers: Header[], body: Body | undefined): readonly Header[] {
  if (body !== undefined) headers.push({ name: 'Content-Type', value: body.contentType })
  return Object.freeze(headers)
}

function toBuffer(body: Body | undefined): Buffer {
  if (body === undefined) return NO_BODY
  const { buffer, byteOffset, byteLength } = body.bytes
  return Buffer.from(buffer, byteOffset, byteLength)
}

/** The request as it must be handled from here on: its top Via stamped with the source (`stampVia`). */
export function stampRequest<Request extends Answerable>(request: Request, source: SocketAddress): Request {
  const [top, ...others] = request.via
  if (top === undefined) return request
  const stamped = stampVia(top, source)
  if (stamped === top) return request
  const via = [stamped, ...others]
  const headers = request.headers.filter(({ name }) => name !== 'Via')
  return { ...request, via, headers: [...via.map(({ text }) => ({ name: 'Via', value: text })), ...headers] }
}

export { stampVia }
