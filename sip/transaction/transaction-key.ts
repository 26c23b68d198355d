import type { SipRequest, SipResponse } from '../message/message.ts'

const COOKIE = 'z9hg4bk'

/** No value taken from a message can contain a line feed, so keys of different parts never meet. */
const join = (...parts: readonly (string | number)[]): string => parts.join('\n')

/**
 * What a request of a server transaction is found by (RFC 3261 §17.2.3). ACK and CANCEL find their INVITE with
 * `method` 'INVITE'. Peers of RFC 2543 send no branch with the cookie; their requests are known by what stays the same in all
 * copies. The To tag is left out there: it differs between an INVITE and its ACK.
 */
export const serverKey = (request: SipRequest, scope: string, method: string): string => {
  const [via] = request.via
  const branch = via?.parameters.get('branch')
  if (via !== undefined && branch?.toLowerCase().startsWith(COOKIE) && branch.length > COOKIE.length) {
    return join(scope, branch, via.host, via.port ?? '', method)
  }
  return join(
    scope,
    'rfc2543',
    request.uri.text,
    request.from.parameters.get('tag') ?? '',
    request.callId,
    request.cseq.number,
    via?.text ?? '',
    method,
  )
}

/** What a response of a client transaction is found by (RFC 3261 §17.1.3). The branch is our own and unguessable. */
export const clientKey = (message: SipRequest | SipResponse, scope: string): string =>
  join(scope, message.via[0]?.parameters.get('branch') ?? '', message.cseq.method)

/** `clientKey` of the INVITE that a CANCEL of ours is about. */
export const inviteKey = (cancel: SipRequest, scope: string): string =>
  join(scope, cancel.via[0]?.parameters.get('branch') ?? '', 'INVITE')

/**
 * The same request that came by two paths has all of these in common and another branch (RFC 3261 §8.2.2.2). The URI too:
 * we are many users, and a proxy that forks to several of them, or tries one after the other, asks each for another.
 */
export const mergeKey = (request: SipRequest, scope: string): string =>
  join(
    scope,
    request.uri.text,
    request.from.parameters.get('tag') ?? '',
    request.callId,
    request.cseq.number,
    request.cseq.method,
  )

/** RFC 3261 §12: seen from us. */
export const dialogKey = (scope: string, callId: string, localTag: string, remoteTag: string): string =>
  join(scope, callId, localTag, remoteTag)

/** The same key in another scope. */
export const rescoped = (key: string, from: string, to: string): string => to + key.slice(from.length)
