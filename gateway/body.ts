import { SipFailure } from '../sip/failure.ts'
import { contentType } from '../sip/headers.ts'
import type { SipRequest } from '../sip/message.ts'
import type { Body } from '../sip/user-agent.ts'

const SDP_TYPE = 'application/sdp'

export const sdpBody = (text: string): Body => ({ contentType: SDP_TYPE, bytes: Buffer.from(text) })

/** Throws `sip.unsupported-media-type` unless the body is SDP or absent. */
export function requireSdp(request: SipRequest): void {
  if (request.body.length === 0) return
  const seen = contentType(request)?.type ?? 'none'
  if (seen !== SDP_TYPE) throw new SipFailure('sip.unsupported-media-type', { expected: SDP_TYPE, seen })
}
