/** What can end a call beside its SIP, SDP and media: routing, limits, trunks, and our own mistakes. */
export const GATEWAY_CODES = {
  'call.unknown-number': { stage: 'S1', status: 404, text: 'no user, application or route has this number' },
  'call.not-registered': { stage: 'S1', status: 480, text: 'user is not registered' },
  'call.forbidden': { stage: 'S1', status: 403, text: 'caller is not a known trunk' },
  'call.wrong-identity': { stage: 'S1', status: 403, text: 'From is not the signed-in user' },
  'call.no-answer': { stage: 'S1', status: 480, text: 'callee did not answer in time' },
  'call.refused': { stage: 'S1', status: 480, text: 'callee refused' },
  'call.unreachable': { stage: 'S1', status: 480, text: 'callee could not be reached' },
  'call.overload': { stage: 'S1', status: 503, text: 'too many calls' },
  'call.draining': { stage: 'S1', status: 503, text: 'gateway is shutting down' },
  'call.too-long': { stage: 'S1', status: 480, text: 'maximum call duration reached' },
  'call.ack-missing': { stage: 'S1', status: 408, text: 'ACK never came' },
  'call.no-offer': { stage: 'S2', status: 488, text: 'INVITE without an offer is not supported' },
  'call.no-answer-body': { stage: 'S2', status: 488, text: '200 without an answer' },
  'call.session-expired': { stage: 'S1', status: 408, text: 'session was not refreshed in time' },
  'call.refresh-challenged': {
    stage: 'S1',
    status: 408,
    text: 'peer wanted a password for a refresh of the session that we do not have',
  },
  'call.prack-missing': { stage: 'S1', status: 504, text: 'PRACK never came' },
  'call.dialog-lost': { stage: 'S1', status: 481, text: 'peer no longer knows the call' },
  'call.internal': { stage: 'S1', status: 500, text: 'internal error' },
  'transfer.malformed': { stage: 'S1', status: 400, text: 'REFER or Replaces cannot be read' },
  'transfer.not-now': { stage: 'S1', status: 491, text: 'call cannot be transferred now' },
  'transfer.no-such-call': { stage: 'S1', status: 481, text: 'no call of this party to join with' },
  'transfer.already-answered': { stage: 'S1', status: 486, text: 'call to be replaced has been answered' },
  'transfer.no-common-codec': { stage: 'S2', status: 488, text: 'calls to be joined have no common codec' },
  'transfer.no-media': { stage: 'S6', status: 480, text: 'target of the transfer has no media' },
  'relay.refused': { stage: 'S1', status: 480, text: 'relayed request was refused' },
  'relay.overload': { stage: 'S1', status: 503, text: 'too many relayed requests wait for an answer' },
  'relay.no-subscription': { stage: 'S1', status: 481, text: 'NOTIFY without a subscription' },
  'trunk.unreachable': { stage: 'S1', status: 503, text: 'trunk does not answer' },
  'trunk.unresolved': { stage: 'S1', status: 503, text: 'trunk host name has no address' },
  'trunk.credentials-wanted': { stage: 'S1', status: 503, text: 'trunk wants credentials' },
} as const

export type GatewayCode = keyof typeof GATEWAY_CODES

/** The one error of `gateway/`. `status` replaces the table's when a peer's own status is passed on. */
export class GatewayFailure extends Error {
  readonly code: GatewayCode
  readonly expected: string | undefined
  readonly seen: string | undefined
  readonly status: number | undefined

  constructor(
    code: GatewayCode,
    detail: { expected?: string; seen?: string; status?: number; cause?: unknown } = {},
  ) {
    const expected = detail.expected === undefined ? '' : `, expected ${detail.expected}`
    const seen = detail.seen === undefined ? '' : `, seen ${detail.seen}`
    super(`${GATEWAY_CODES[code].text}${expected}${seen}`, { cause: detail.cause })
    this.name = 'GatewayFailure'
    this.code = code
    this.expected = detail.expected
    this.seen = detail.seen
    this.status = detail.status
  }
}
