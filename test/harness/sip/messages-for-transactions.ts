import { buildRequest, buildResponse } from '../../../sip/message/build.ts'
import type { SipRequest, SipResponse } from '../../../sip/message/message.ts'
import { parseNameAddr } from '../../../sip/message/name-addr.ts'
import { parseUri } from '../../../sip/message/uri.ts'
import { buildVia } from '../../../sip/message/via.ts'

export const requestOf = (method: string): SipRequest =>
  buildRequest({
    method,
    uri: parseUri('sip:bob@b.example'),
    via: buildVia({ transport: 'udp', host: 'a.example', port: 5060, branch: 'z9hG4bKone' }),
    from: parseNameAddr('<sip:alice@a.example>;tag=1'),
    to: parseNameAddr('<sip:bob@b.example>'),
    callId: 'call',
    cseq: 7,
    route: ['<sip:proxy.example;lr>'],
  })

export const responseTo = (request: SipRequest, status: number, toTag = '2'): SipResponse =>
  buildResponse(request, status, { toTag })
