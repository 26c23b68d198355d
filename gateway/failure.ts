import type { LogFields } from '../config/log-line.ts'
import { SipFailure } from '../sip/failure.ts'
import type { Header } from '../sip/message/message.ts'
import type { IncomingRequest } from '../sip/user-agent.ts'
import { type Verdict, verdictOf } from './diagnosis.ts'
import { GatewayFailure } from './gateway-failure.ts'

/** RFC 3326: what the caller may know of a failure, its status and code; no addresses and no trunk names. */
export function reasonHeader(verdict: Verdict): Header {
  return { name: 'Reason', value: `SIP;cause=${verdict.status};text="${verdict.code}"` }
}

/** Our own mistakes are errors; a challenge is half of a sign-in; all else is the weather of the internet. */
export function logLevelOf({ code }: Verdict): 'error' | 'warn' | 'info' {
  if (code === 'call.internal') return 'error'
  return code === 'upstream.challenged' ? 'info' : 'warn'
}

/** A verdict on a line of the log, whose own text is called `message`. `error`: what was thrown, told where it is our own mistake. */
export function verdictFields({ message: reason, ...verdict }: Verdict, error?: unknown): LogFields {
  return { ...verdict, reason, ...(verdict.code === 'call.internal' && error !== undefined ? { error } : {}) }
}

/** What a peer is told with a refusal beside what every refusal says. */
export const ownHeadersOf = (error: unknown): readonly Header[] =>
  error instanceof GatewayFailure ? error.headers : []

/** When an overload may be over: the next try of a phone comes no sooner. */
const RETRY_AFTER_S = 10

/** Headers of a refusal: Reason, and for an overload when to try again (RFC 3261 §20.33). */
export function refusalHeaders(verdict: Verdict): readonly Header[] {
  const reason = reasonHeader(verdict)
  return verdict.status === 503 ? [reason, { name: 'Retry-After', value: String(RETRY_AFTER_S) }] : [reason]
}

/** Answers a request whose method means nothing here. `allowed`: what does (RFC 3261 §8.2.1). */
export function refuseMethod({ request, respond }: IncomingRequest, allowed: Header): void {
  const verdict = verdictOf(new SipFailure('sip.unsupported-method', { seen: request.method }))
  respond(verdict.status, { headers: [allowed, reasonHeader(verdict)] })
}

/** Answers a request that came too late: the daemon stops. */
export function refuseStopped({ respond }: IncomingRequest): void {
  const verdict = verdictOf(new GatewayFailure('call.draining'))
  respond(verdict.status, { headers: refusalHeaders(verdict) })
}
