import { UPSTREAM } from '../../config/upstream.ts'
import type { Flow } from '../../sip/flow.ts'
import type { Header, NameAddr, SipRequest, SipResponse, Uri } from '../../sip/message/message.ts'
import type { NoAnswer, RequestNumbers } from '../../sip/user-agent.ts'
import type { Target } from '../calls/plan.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { Trunk } from '../trunks/trunk.ts'
import type { Device } from './registrar.ts'
import { isWrongPassword, passedChallenges } from './upstream-credentials.ts'

/** The PBX as a party of calls. */
export const PBX = `trunk:${UPSTREAM}`

/** How a request goes to the PBX. One target: what has credentials in it goes nowhere else. */
export interface UpstreamWay {
  readonly targets: readonly [Target]
  readonly localAddress: string
  readonly from: NameAddr
  readonly to: NameAddr
  readonly headers: readonly Header[]
  readonly route?: readonly string[]
  readonly numbers?: RequestNumbers
  /** Where a 3xx may send us. */
  readonly redirectHosts: ReadonlySet<string>
  /** What an outcome that is no success means. Asked once for each: the way takes note of it. */
  readonly failureOf: (outcome: SipResponse | NoAnswer) => GatewayFailure | undefined
}

/** The PBX that users are registered at, as calls and the relay see it: whoever signs in there, the browser or we. */
export interface Upstream {
  readonly trunk: Trunk
  isFrom(flow: Flow): boolean
  /** The way of a request of a user. Throws `upstream.*`. */
  wayOut(user: string, request: SipRequest, flow: Flow): UpstreamWay
  /** The way of a request that we make in the name of a user. Throws `upstream.*`. */
  wayFor(user: string, target: Uri): UpstreamWay
  /** The user that a request of the PBX is for. Throws `upstream.unknown-token`, `call.not-registered`. */
  devicesFor(request: SipRequest): { readonly user: string; readonly devices: readonly Device[] }
}

/** The PBX did not answer; undefined when it did. */
export const unreachable = (outcome: SipResponse | NoAnswer): GatewayFailure | undefined =>
  typeof outcome !== 'string'
    ? undefined
    : outcome === 'overload'
      ? new GatewayFailure('call.signalling-full')
      : new GatewayFailure('upstream.unreachable', { seen: outcome })

export const seenIn = ({ status, reason }: SipResponse): string => `${status} ${reason}`

/** A challenge as it passes to the browser; with a code of its own when it refuses what the browser has shown. */
export function challengeOf(request: Pick<SipRequest, 'headers'>, response: SipResponse): GatewayFailure {
  const headers = passedChallenges(response)
  const seen = seenIn(response)
  if (headers.length === 0) return new GatewayFailure('upstream.auth-int', { seen })
  const code = isWrongPassword(request, response) ? 'upstream.bad-credentials' : 'upstream.challenged'
  return new GatewayFailure(code, { seen, status: response.status, headers })
}
