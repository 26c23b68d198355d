import { SipFailure } from '../../sip/failure.ts'
import { contentType } from '../../sip/message/headers.ts'
import type { SipRequest, SipResponse } from '../../sip/message/message.ts'
import { readable } from '../../sip/message/readable.ts'
import type { Body } from '../../sip/user-agent.ts'
import { type BodyPart, formatMultipart, isMultipart, readMultipart } from './multipart.ts'

const SDP_TYPE = 'application/sdp'
/** Where the caller is (RFC 6442 §4.1). */
const LOCATION_TYPE = 'application/pidf+xml'
const NOTHING = Buffer.alloc(0)

export const sdpBody = (text: string): Body => ({ contentType: SDP_TYPE, bytes: Buffer.from(text) })

/**
 * The description in a request: its body, or the first of several parts that is one; empty when there is none. Throws
 * `sip.unsupported-media-type` for a body of another kind, `sip.malformed` for one that cannot be read.
 */
export function requireSdp(request: SipRequest): Buffer {
  if (request.body.length === 0) return NOTHING
  const type = contentType(request)
  if (type?.type === SDP_TYPE) return request.body
  const seen = type?.type ?? 'none'
  if (type === undefined || !isMultipart(type)) {
    throw new SipFailure('sip.unsupported-media-type', { expected: SDP_TYPE, seen })
  }
  return readMultipart(request.body, type).find((part) => part.type === SDP_TYPE)?.bytes ?? NOTHING
}

/** The parts of a request that say where its sender is. */
export function locationsIn(request: SipRequest): readonly BodyPart[] {
  const type = readable(() => contentType(request))
  if (type === undefined || !isMultipart(type)) return []
  const parts = readable(() => readMultipart(request.body, type)) ?? []
  return parts.filter((part) => part.type === LOCATION_TYPE)
}

/** A description and locations; one by itself when there are none. */
export function bodyWith(sdp: Body, locations: readonly BodyPart[], token: () => string): Body {
  if (locations.length === 0) return sdp
  const own = { headers: `Content-Type: ${sdp.contentType}`, bytes: Buffer.from(sdp.bytes) }
  return formatMultipart([own, ...locations], token())
}

/** The description in an answer; what cannot be read, or is of another kind (ISUP, QSIG), is none. A body without a type is taken for one. */
export function sdpIn(response: SipResponse): Buffer {
  const type = readable(() => contentType(response))
  if (type === undefined || type.type === SDP_TYPE) return response.body
  if (!isMultipart(type)) return NOTHING
  const parts = readable(() => readMultipart(response.body, type)) ?? []
  return parts.find((part) => part.type === SDP_TYPE)?.bytes ?? NOTHING
}
