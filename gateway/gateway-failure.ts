/** What can end a call beside its SIP, SDP and media: routing, limits, trunks, and our own mistakes. */
export const GATEWAY_CODES = {
  'dtmf.bad-info': {
    stage: 'S1',
    status: 400,
    text: 'INFO names no key',
    cause:
      'an INFO with application/dtmf or application/dtmf-relay whose body is neither a key nor Signal=key',
    remedy: 'look at what is seen; keys are 0-9, *, #, A-D, R',
  },
  'dtmf.too-many': {
    stage: 'S1',
    status: 503,
    text: 'too many keys pressed by INFO',
    cause: 'more than six keys a second after a burst of 32',
    remedy: 'make the client slower',
  },
  'dtmf.refused': {
    stage: 'S1',
    status: 480,
    text: 'peer does not take a key pressed by INFO',
    cause: 'trunks[].dtmf is info-relay or info-dtmf, and the PBX knows no INFO, or not of that type (415)',
    remedy: 'set trunks[].dtmf to the other kind of INFO, or to rfc4733',
    isWarning: true,
  },
  'call.unknown-number': {
    stage: 'S1',
    status: 404,
    text: 'no user, application or route has this number',
    cause: 'no user, application or route matches what was dialled',
    remedy:
      'add a route for the prefix, or a user of that name or number; where a provider calls trunks[].account, To is looked at first',
  },
  'call.nothing-to-dial': {
    stage: 'S1',
    status: 484,
    text: 'nothing is left of the number',
    cause: 'the rule of the route takes every digit away, or nothing was dialled',
    remedy:
      'correct strip or replace of the route that is seen; webtrunk route NUMBER shows what comes of it',
  },
  'call.not-registered': {
    stage: 'S1',
    status: 480,
    text: 'user is not registered',
    cause: "the callee's softphone is closed or has lost its connection",
    remedy: "open the softphone; look for its last lines 'registration' and 'registration ended' in the log",
  },
  'call.forbidden': {
    stage: 'S1',
    status: 403,
    text: 'caller is not a known trunk',
    cause: 'a request from an address that no trunk has, or with a password that is not that of its trunk',
    remedy:
      'if the sender is yours, add the address to trunks[].sources, or correct the password of trunks[].inbound; else a scanner',
  },
  'call.wrong-identity': {
    stage: 'S1',
    status: 403,
    text: 'From is not the signed-in user',
    cause: 'From names another user than the one who signed in',
    remedy: "set the client's address of record to the name it signs in with",
  },
  'call.no-answer': {
    stage: 'S1',
    status: 480,
    text: 'callee did not answer in time',
    cause: 'nobody took the call within calls.ringTimeoutS',
    remedy: 'none is needed; raise calls.ringTimeoutS if phones ring longer',
  },
  'call.refused': {
    stage: 'S1',
    status: 480,
    text: 'callee refused',
    cause:
      'the callee is busy (486, 600), declined (603) or did not answer (408, 480), the PBX has no such number (404) or does not let us call it (403)',
    remedy: 'look at the status that is seen; at the PBX, at its log for this Call-ID',
  },
  'call.sdp-refused': {
    stage: 'S2',
    status: 488,
    text: 'peer refused our session description',
    cause:
      'the PBX or client has none of the codecs, or wants SRTP where we offered RTP, or RTP where we offered SRTP',
    remedy:
      'compare media, codecs and suites of trunks[] with what the PBX takes; a Warning or Reason that is seen says what it disliked',
  },
  'call.peer-failed': {
    stage: 'S1',
    status: 503,
    text: 'PBX or client failed over the call',
    cause:
      'it is overloaded, has no line free, cannot reach its own next hop, or has an error of its own (5xx)',
    remedy: 'look at the status that is seen; at the PBX, at its log for this Call-ID',
  },
  'call.unreachable': {
    stage: 'S1',
    status: 480,
    text: 'callee could not be reached',
    cause: "the callee's WebSocket went away while it was being called",
    remedy: "look at the callee's network; try again",
  },
  'call.overload': {
    stage: 'S1',
    status: 503,
    text: 'too many calls',
    cause: 'as many calls at a time as calls.maxCalls says; of emergency calls, as emergency.maxCalls says',
    remedy: 'raise calls.maxCalls, or emergency.maxCalls, with ports and memory to match',
  },
  'call.signalling-full': {
    stage: 'S1',
    status: 503,
    text: 'no place left in our tables of SIP',
    cause:
      'so many calls, and devices that ring in groups, at a time that a request of ours found no place; its peer was not asked',
    remedy: 'make ringing groups smaller; raise calls.maxCalls, which the tables are sized by',
  },
  'call.media-busy': {
    stage: 'S1',
    status: 503,
    text: 'the packet path is as busy as it may be',
    cause:
      'the relay thread that this call would go to worked for media.maxLoad percent of the last second: too many calls for its core, or a flood',
    remedy:
      'see webtrunk_media_load and webtrunk_drops_total; give it another core (media.threads) or a faster one, or lower calls.maxCalls to what it carries',
  },
  'limit.concurrent': {
    stage: 'S1',
    status: 503,
    text: 'as many calls of one user or trunk as it may have',
    cause: 'a user or trunk has placed or transferred more calls at a time than its limit',
    remedy:
      'raise limits.user.maxCalls, limits.trunk.maxShare or the limits of that row; if it is not yours, change the password',
  },
  'limit.rate': {
    stage: 'S1',
    status: 503,
    text: 'too many new calls or messages in a short time',
    cause:
      'more calls begun, or messages sent to trunks, than callsPerMinute of the user or trunk allows; or more messages than a person types',
    remedy: 'raise callsPerMinute there, or look for a script or a stolen password',
  },
  'limit.destination': {
    stage: 'S1',
    status: 403,
    text: 'number may not be called',
    cause: 'deny of the user or trunk has the beginning of the number, or allow has not',
    remedy: 'change allow and deny; webtrunk route NUMBER --from USER shows which form they see',
  },
  'call.draining': {
    stage: 'S1',
    status: 503,
    text: 'gateway is shutting down',
    cause: 'the daemon stops or restarts',
    remedy: 'try again when it is up',
  },
  'call.too-long': {
    stage: 'S1',
    status: 480,
    text: 'maximum call duration reached',
    cause: 'calls.maxDurationS has passed',
    remedy: 'raise calls.maxDurationS if such calls are wanted',
  },
  'call.ack-missing': {
    stage: 'S1',
    status: 408,
    text: 'ACK never came',
    cause:
      'the peer never acknowledged our 200, to its call or to its change of one: it is gone, or our Contact cannot be reached',
    remedy:
      'leg of a trunk: set udp.announced to an address that it can reach, look for SIP ALG in the router; of a browser: look at its network and at proxies before us',
  },
  'call.no-offer': {
    stage: 'S2',
    status: 488,
    text: 'INVITE without an offer is not supported',
    cause: 'an INVITE without SDP to echo or tone, or in a take-over',
    remedy: 'have the caller send an offer',
  },
  'call.no-answer-body': {
    stage: 'S2',
    status: 488,
    text: '200 without an answer',
    cause: 'a peer that accepts a call without SDP',
    remedy: 'update the peer; turn off its delayed media',
  },
  'call.change-refused': {
    stage: 'S2',
    status: 488,
    text: 'peer refuses a change of the call',
    cause:
      'hold, resume or other codecs that it does not take: then one side is on hold and the other is not',
    remedy: "look for the status in its log; allow re-INVITE on the PBX's side of the trunk",
    isWarning: true,
  },
  'call.session-expired': {
    stage: 'S1',
    status: 408,
    text: 'session was not refreshed in time',
    cause: 'the peer did not refresh its session (RFC 4028): it is gone, or cannot reach us',
    remedy: "look whether the peer's re-INVITE or UPDATE arrives here; raise calls.sessionExpiresS",
  },
  'call.refresh-challenged': {
    stage: 'S1',
    status: 408,
    text: 'peer wanted a password for a refresh of the session that we do not have',
    cause: 'a PBX that challenges re-INVITE or UPDATE, and no account of ours fits',
    remedy: 'set trunks[].account, or let the PBX take refreshes without a password',
  },
  'call.prack-missing': {
    stage: 'S1',
    status: 504,
    text: 'PRACK never came',
    cause: 'a caller that asked for 100rel and does not acknowledge',
    remedy: 'turn 100rel off at the caller, or update it',
  },
  'call.dialog-lost': {
    stage: 'S1',
    status: 481,
    text: 'peer no longer knows the call',
    cause: 'the peer has ended or forgotten the call without BYE, such as after a restart',
    remedy: "look at the peer's log for this Call-ID",
  },
  'call.connection-lost': {
    stage: 'S1',
    status: 480,
    text: 'browser lost its connection and did not come back',
    cause: 'a page that was closed in a call, or a network that lets audio pass and no WebSocket',
    remedy: 'look whether a proxy in between cuts WebSockets; calls.lostConnectionS says how long is waited',
  },
  'call.other-device': {
    stage: 'S1',
    status: 403,
    text: 'call belongs to another device',
    cause: 'a browser that came back without its +sip.instance and Contact, or a second device of the user',
    remedy: 'have the client register with the same +sip.instance before it goes on with its call',
  },
  'call.internal': {
    stage: 'S1',
    status: 500,
    text: 'internal error',
    cause: 'a defect of ours',
    remedy: "report it with the log line 'internal error' and its stack",
  },
  'transfer.malformed': {
    stage: 'S1',
    status: 400,
    text: 'REFER or Replaces cannot be read',
    cause: 'a client that writes Refer-To or Replaces wrongly',
    remedy: 'update the client',
  },
  'transfer.not-now': {
    stage: 'S1',
    status: 491,
    text: 'call cannot be transferred now',
    cause: 'the call is not connected yet, or another transfer is under way',
    remedy: 'try again in a moment',
  },
  'transfer.no-such-call': {
    stage: 'S1',
    status: 481,
    text: 'no call of this party to join with',
    cause: 'the call to join with has ended, or belongs to somebody else',
    remedy: 'none is needed: the other party hung up in between',
  },
  'transfer.to-application': {
    stage: 'S1',
    status: 403,
    text: 'nobody can be transferred to echo or tone',
    cause: 'a transfer to echo or tone, which only answer and join no call',
    remedy: 'hang up and dial them',
  },
  'transfer.already-answered': {
    stage: 'S1',
    status: 486,
    text: 'call to be replaced has been answered',
    cause: 'a pick-up of a call that somebody has answered',
    remedy: 'none is needed',
  },
  'transfer.no-common-codec': {
    stage: 'S2',
    status: 488,
    text: 'calls to be joined have no common codec',
    cause: 'the two parties to be joined speak different codecs; nothing is transcoded',
    remedy: 'leave one codec that all have in trunks[].codecs',
  },
  'transfer.no-media': {
    stage: 'S6',
    status: 480,
    text: 'target of the transfer has no media',
    cause: "the target's media failed as is seen",
    remedy: 'webtrunk codes tells what to do about the code that is seen',
  },
  'relay.refused': {
    stage: 'S1',
    status: 480,
    text: 'relayed request was refused',
    cause: 'the far side refused the message',
    remedy: 'look at the status that is seen',
  },
  'relay.overload': {
    stage: 'S1',
    status: 503,
    text: 'too many relayed requests wait for an answer, or too many relayed subscriptions',
    cause: 'more messages at a time than the relay holds, or more subscriptions of one user or trunk',
    remedy: 'slow the sender down, or have it end the subscriptions it does not need',
  },
  'relay.no-subscription': {
    stage: 'S1',
    status: 481,
    text: 'NOTIFY without a subscription',
    cause: 'a NOTIFY for a subscription that has ended',
    remedy: 'none is needed',
  },
  'trunk.unreachable': {
    stage: 'S1',
    status: 503,
    text: 'trunk does not answer',
    cause: 'the PBX is down, a firewall drops SIP to it, or it does not know our address',
    remedy:
      "set trunks[].optionsS and look at its health; try the port from this machine; look at the PBX's list of peers",
  },
  'trunk.full': {
    stage: 'S1',
    status: 503,
    text: 'every trunk for this call carries all it may',
    cause: 'more calls at a time than the trunks of this route may carry',
    remedy: 'raise trunks[].maxCalls where the provider allows it, or put another trunk into the group',
  },
  'trunk.too-large-for-udp': {
    stage: 'S1',
    status: 503,
    text: 'trunk does not answer a request of more than 1300 bytes over UDP',
    cause: 'the request went in fragments, and a firewall, NAT or tunnel on the way drops those',
    remedy:
      'set tcp.port, so that such requests go by TCP where the trunk takes it, or trunks[].transport: tcp; or list fewer codecs and passHeaders',
  },
  'trunk.unresolved': {
    stage: 'S1',
    status: 503,
    text: 'trunk host name has no address',
    cause: "the trunk's host name has no address in DNS",
    remedy: 'check trunks[].host and the resolver of this machine',
  },
  'trunk.no-route': {
    stage: 'S1',
    status: 503,
    text: 'no way leads to the trunk from this machine',
    cause: 'the trunk has an address, and we have no address of its family, or no route to it',
    remedy: 'give udp.host (or tcp, tls) an address of that family; look at ip route get ADDRESS',
  },
  'trunk.credentials-wanted': {
    stage: 'S1',
    status: 503,
    text: 'trunk wants credentials',
    cause: 'the trunk asks for a password, or refuses the one it got',
    remedy: 'set trunks[].account; if it is set, check user and password',
  },
  'call.contact-unreachable': {
    stage: 'S1',
    status: 408,
    text: 'peer does not answer inside the call',
    cause:
      'its Contact cannot be reached from here (a private address, a WebSocket that is gone), or it crashed',
    remedy: 'look at the Contact in its 200 or INVITE; at a PBX behind NAT, set its external address',
  },
  'trunk.silent': {
    stage: 'S1',
    status: 503,
    text: 'trunk had said nothing when the caller gave up',
    cause: 'the trunk is down, has another address, or a firewall drops SIP to it or back',
    remedy:
      "webtrunk trunks shows its state; set trunks[].optionsS to know before callers do; look at udp.host and the PBX's log",
    isWarning: true,
  },
  'trunk.certificate-expired': {
    stage: 'S1',
    status: 503,
    text: 'certificate of the trunk is outside its time',
    cause: 'nobody renewed it at the PBX or carrier',
    remedy: 'renew it there; look at the clock of this machine',
  },
  'trunk.certificate-refused': {
    stage: 'S1',
    status: 503,
    text: 'certificate of the trunk is not believed',
    cause: 'it is self-signed, of an authority that we do not know, or its chain is not complete',
    remedy: 'set trunks[].tls.ca to its authority, or have the PBX send its whole chain',
  },
  'trunk.certificate-name': {
    stage: 'S1',
    status: 503,
    text: 'certificate of the trunk is for another name',
    cause: 'it does not hold the name of trunks[].host, or another server answers there',
    remedy: 'set trunks[].tls.name to a name in it, when the peer is the right one',
  },
  'upstream.unreachable': {
    stage: 'S1',
    status: 503,
    text: 'PBX does not answer',
    cause:
      'the PBX of registration.registrar upstream is down, its name has no address, or a firewall is between',
    remedy: 'check upstream.host, port and transport; at the PBX, whether the request arrives',
  },
  'upstream.challenged': {
    stage: 'S1',
    status: 401,
    text: 'PBX asks for credentials',
    cause: 'the first half of every sign-in: the browser answers with its password',
    remedy: 'none is needed; when the browser does not come again, look at its password',
  },
  'upstream.bad-credentials': {
    stage: 'S1',
    status: 401,
    text: 'PBX does not take these credentials',
    cause: 'a wrong user name or password',
    remedy: 'correct it in the softphone, or reset it at the PBX',
  },
  'upstream.refused': {
    stage: 'S1',
    status: 403,
    text: 'PBX refused the registration',
    cause: 'the PBX does not know the user, or does not want it here',
    remedy: 'look at the status that is seen; at the PBX, at its log for the user',
  },
  'upstream.not-registered': {
    stage: 'S1',
    status: 403,
    text: 'browser has no registration that the PBX has confirmed',
    cause: 'a call before REGISTER was answered 200, or after the registration has expired',
    remedy: 'let the softphone register before it calls',
  },
  'upstream.no-credentials': {
    stage: 'S1',
    status: 403,
    text: 'PBX wants a password for a request of ours that only the browser has',
    cause: 'a transfer that the gateway makes in the name of a user whose password it does not know',
    remedy: 'let the PBX take such calls without a password, or use registration.credentials: gateway',
  },
  'upstream.bad-account': {
    stage: 'S1',
    status: 503,
    text: 'PBX does not take the stored account',
    cause: 'user or password of users[].account is wrong, or the PBX offers only MD5 and md5 is off',
    remedy: 'correct users[].account',
  },
  'upstream.unknown-token': {
    stage: 'S1',
    status: 404,
    text: 'no registration has this contact',
    cause: 'a registration that has ended here and not at the PBX, as after a restart; or a guess',
    remedy: 'none is needed: it is over when it expires at the PBX',
  },
  'upstream.auth-int': {
    stage: 'S1',
    status: 502,
    text: 'PBX wants its challenge answered for the body too',
    cause: 'the PBX offers qop auth-int alone, which no gateway that ends media can pass',
    remedy: 'let the PBX offer qop auth',
  },
  'upstream.foreign-domain': {
    stage: 'S1',
    status: 403,
    text: 'address is not of our domain',
    cause: 'the softphone signs in at another domain than that of the gateway',
    remedy: "set domain to what stands behind @ in the users' addresses",
  },
  'upstream.one-contact': {
    stage: 'S1',
    status: 403,
    text: 'REGISTER with more than one contact',
    cause: 'a client that registers several addresses at once',
    remedy: 'register one address by one REGISTER',
  },
  'selftest.unreachable': {
    stage: 'S1',
    status: 503,
    text: 'nobody takes the connection',
    cause: 'the daemon does not run, listens at another address or port, or a firewall is between',
    remedy: "compare with the 'listening' line of the log; give --url when it is reached by another way",
  },
  'selftest.no-websocket': {
    stage: 'S1',
    status: 503,
    text: 'what answers is no SIP WebSocket of ours',
    cause:
      'another server at this port, another path, a proxy that passes no upgrades, or a limit of connections',
    remedy: 'look at the status that is seen; give --url with web.path and /sip behind it',
  },
  'selftest.certificate-untrusted': {
    stage: 'S1',
    status: 503,
    text: 'certificate is not one to trust',
    cause:
      'self-signed, its chain is not complete, an authority that this machine does not know, or the daemon still serves the one before the renewal',
    remedy:
      'put the whole chain into web.https.certificate and reload; NODE_EXTRA_CA_CERTS=FILE names an authority of your own; --insecure takes any certificate',
  },
  'selftest.certificate-expired': {
    stage: 'S1',
    status: 503,
    text: 'certificate is outside its time',
    cause: 'the certificate was not renewed, or the clock of this machine is wrong',
    remedy: 'renew the files of web.https; the daemon takes them by itself. Browsers refuse it until then',
  },
  'selftest.certificate-name': {
    stage: 'S1',
    status: 503,
    text: 'certificate is for another name',
    cause: 'the certificate does not hold the name that softphones connect to',
    remedy: 'have it issued for that name; when browsers come by another one than domain, test with --url',
  },
} as const

export type GatewayCode = keyof typeof GATEWAY_CODES

/** A header of a SIP message; said here because the page reads this file and knows no Node.js types. */
interface HeaderLine {
  readonly name: string
  readonly value: string
}

/** The one error of `gateway/`. `status` replaces the table's when a peer's own status is passed on. */
export class GatewayFailure extends Error {
  readonly code: GatewayCode
  readonly expected: string | undefined
  readonly seen: string | undefined
  readonly status: number | undefined
  /** What the caller must see beside the status: challenges and Q.850 causes that pass. Not for the log. */
  readonly headers: readonly HeaderLine[]

  constructor(
    code: GatewayCode,
    detail: {
      expected?: string
      seen?: string
      status?: number
      headers?: readonly HeaderLine[]
      cause?: unknown
    } = {},
  ) {
    const expected = detail.expected === undefined ? '' : `, expected ${detail.expected}`
    const seen = detail.seen === undefined ? '' : `, seen ${detail.seen}`
    super(`${GATEWAY_CODES[code].text}${expected}${seen}`, { cause: detail.cause })
    this.name = 'GatewayFailure'
    this.code = code
    this.expected = detail.expected
    this.seen = detail.seen
    this.status = detail.status
    this.headers = detail.headers ?? []
  }
}
