/** What can go wrong in signalling; all of it is stage S1. */
export const SIP_CODES = {
  'sip.malformed': {
    stage: 'S1',
    status: 400,
    text: 'malformed SIP message',
    cause: 'a client that breaks the grammar of RFC 3261, or a proxy that rewrites headers badly',
    remedy:
      'compare the message in a capture with what the field named here asks for; update or replace the sender',
  },

  'sip.too-large': {
    stage: 'S1',
    status: 513,
    text: 'SIP message is too large',
    cause: 'a description with many codecs and candidates, or a message that is no SIP',
    remedy: 'raise web.maxMessageBytes, or turn off codecs and video in the client',
  },

  'sip.uri-too-long': {
    stage: 'S1',
    status: 414,
    text: 'Request-URI is too long',
    cause: 'a client that puts parameters into what it dials',
    remedy: 'dial a plain number or name',
  },

  'sip.unsupported-version': {
    stage: 'S1',
    status: 505,
    text: 'SIP version is not 2.0',
    cause: 'a client of SIP 1.0, or a scanner',
    remedy: 'none is needed unless the sender is yours',
  },

  'sip.unsupported-method': {
    stage: 'S1',
    status: 405,
    text: 'method is not supported',
    cause: 'a PBX that tries a method of its own on us, or a phone that would register without a WebSocket',
    remedy:
      'turn the feature off at the sender: Allow in the answer lists what is taken; let phones register at the PBX',
  },

  'sip.unsupported-extension': {
    stage: 'S1',
    status: 420,
    text: 'required extension is not supported',
    cause: 'Require names an extension that we do not have',
    remedy: 'make the extension optional at the sender (Supported instead of Require)',
  },

  'sip.unsupported-media-type': {
    stage: 'S1',
    status: 415,
    text: 'body type is not supported',
    cause: 'an INVITE whose body is no SDP, such as multipart or ISUP',
    remedy: 'have the sender send application/sdp alone',
  },

  'sip.merged-request': {
    stage: 'S1',
    status: 482,
    text: 'request arrived by two paths',
    cause: 'a proxy that forks one call to us by two paths',
    remedy: "leave one path to us in the proxy's routing",
  },

  'sip.too-many-hops': {
    stage: 'S1',
    status: 483,
    text: 'Max-Forwards is used up',
    cause: 'a routing loop between us and a PBX',
    remedy: "look whether the PBX's route for this number leads back to us",
  },

  'sip.no-dialog': {
    stage: 'S1',
    status: 481,
    text: 'no such dialog or transaction',
    cause: "the call is over here already, or a peer's retransmission came late",
    remedy: 'none is needed unless it comes often: then a peer loses our BYE',
  },

  'sip.overload': {
    stage: 'S1',
    status: 503,
    text: 'signalling table is full',
    cause: 'a flood of requests, or more calls than calls.maxCalls was set for',
    remedy: 'look at the counters in the log for the source; raise calls.maxCalls if the load is wanted',
  },

  'sip.handler-failed': {
    stage: 'S1',
    status: 500,
    text: 'internal error',
    cause: 'a defect of ours',
    remedy: "report it with the log line 'internal error' and its stack",
  },

  'sip.bad-credentials': {
    stage: 'S1',
    status: 403,
    text: 'wrong user name or password',
    cause: 'a wrong password, or a user name that is not in the configuration',
    remedy: 'check name and password; for ha1, that domain is the one it was made for',
  },

  'sip.barred': {
    stage: 'S1',
    status: 503,
    text: 'too many wrong passwords from this address',
    cause: 'somebody at this address, or behind the same NAT or proxy, has tried too many passwords',
    remedy:
      'wait ten seconds; look in the log for the address and the users it tries; name proxies in web.trustedProxies',
  },

  'sip.bad-token': {
    stage: 'S1',
    status: 401,
    text: 'bearer token is not valid',
    cause: 'an expired token, another issuer or audience, or a key that we do not have',
    remedy: "compare the token's claims with registration.jwt; check the clocks of both machines",
  },

  'sip.foreign-address': {
    stage: 'S1',
    status: 403,
    text: 'address of record is not the user',
    cause: "a user who registers or acts for another one's address",
    remedy: "set the client's address of record to the name it signs in with",
  },

  'sip.out-of-order': {
    stage: 'S1',
    status: 500,
    text: 'request is older than one already handled',
    cause: 'requests that overtook each other, or a client that reuses CSeq',
    remedy: 'none is needed unless it comes often: then update the client',
  },

  'sip.too-many-bindings': {
    stage: 'S1',
    status: 403,
    text: 'too many contacts for one address',
    cause: 'a client that registers anew at each start and never signs off',
    remedy: 'raise registration.maxBindingsPerUser, or have clients send +sip.instance',
  },

  'sip.too-many-flows': {
    stage: 'S1',
    status: 403,
    text: 'too many connections of one address of record',
    cause: 'one user signed in on many devices, or a client that opens WebSockets and never closes them',
    remedy: 'raise registration.maxFlowsPerUser, or give each person a user of their own',
  },

  'sip.no-outbound': {
    stage: 'S1',
    status: 439,
    text: 'proxy next to the client keeps no flow to it',
    cause: 'a SIP proxy between client and gateway that does not support RFC 5626',
    remedy: 'connect the client to the gateway itself, or take reg-id out of its REGISTER',
  },

  'sip.bad-event': {
    stage: 'S1',
    status: 489,
    text: 'event package is missing or not supported',
    cause: 'a subscription to something else than presence, dialog or message-summary',
    remedy: 'turn the feature off at the client',
  },

  'sip.session-too-brief': {
    stage: 'S1',
    status: 422,
    text: 'session interval is too brief',
    cause: 'a peer that asks for a shorter session than the minimum',
    remedy: 'raise the session interval at the peer to Min-SE of the answer',
  },

  'sip.foreign-certificate': {
    stage: 'S1',
    status: 503,
    text: 'certificate is of another domain',
    cause: "the trunk's certificate is for another name, or a connection reached another host",
    remedy: 'set trunks[].tls.name to a name in the certificate, or renew the certificate',
  },

  'sip.connect-timeout': {
    stage: 'S1',
    status: 503,
    text: 'connection did not come about in time',
    cause: 'a firewall that drops TCP to the trunk, or a host that is down',
    remedy: 'try the port from this machine (nc -vz HOST PORT); open the firewall',
  },

  'sip.interval-too-brief': {
    stage: 'S1',
    status: 423,
    text: 'registration interval is too brief',
    cause: 'a client that wants to register more often than allowed',
    remedy: 'lower registration.minExpiresS, or raise the interval in the client',
  },
} as const

export type SipCode = keyof typeof SIP_CODES

/** The one error of `sip/`. */
export class SipFailure extends Error {
  readonly code: SipCode
  readonly expected: string | undefined
  readonly seen: string | undefined

  constructor(code: SipCode, detail: { expected?: string; seen?: string; cause?: unknown } = {}) {
    const expected = detail.expected === undefined ? '' : `, expected ${detail.expected}`
    const seen = detail.seen === undefined ? '' : `, seen ${detail.seen}`
    super(`${SIP_CODES[code].text}${expected}${seen}`, { cause: detail.cause })
    this.name = 'SipFailure'
    this.code = code
    this.expected = detail.expected
    this.seen = detail.seen
  }
}
