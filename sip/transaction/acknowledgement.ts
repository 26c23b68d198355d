import { buildRequest } from '../message/build.ts'
import { rawValues } from '../message/headers.ts'
import type { Header, SipRequest, SipResponse, Via } from '../message/message.ts'

/** ACK for a final response of 300 to 699, on the branch of its INVITE (RFC 3261 §17.1.1.3). */
export const acknowledgement = (invite: SipRequest, response: SipResponse): SipRequest =>
  buildRequest({
    ...sharedParts(invite),
    method: 'ACK',
    to: response.to,
  })

/** CANCEL of an INVITE of ours, on its branch (RFC 3261 §9.1). */
export const cancellation = (invite: SipRequest, headers: readonly Header[]): SipRequest =>
  buildRequest({ ...sharedParts(invite), method: 'CANCEL', to: invite.to, headers })

const sharedParts = (invite: SipRequest) => ({
  uri: invite.uri,
  via: topVia(invite),
  from: invite.from,
  callId: invite.callId,
  cseq: invite.cseq.number,
  route: rawValues(invite, 'Route'),
})

function topVia(request: SipRequest): Via {
  const [via] = request.via
  if (via === undefined) throw new TypeError('a request of ours has a Via')
  return via
}
