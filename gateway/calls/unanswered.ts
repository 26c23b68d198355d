import type { NoAnswer } from '../../sip/user-agent.ts'
import { GatewayFailure } from '../gateway-failure.ts'

/** Why a request of ours has no answer. `seen`: more than the reason, for the log. */
export function unanswered(reason: NoAnswer, isTrunk: boolean, seen: string = reason): GatewayFailure {
  if (reason === 'overload') return new GatewayFailure('call.signalling-full')
  if (!isTrunk) return new GatewayFailure('call.unreachable', { seen })
  return new GatewayFailure(reason === 'too-large' ? 'trunk.too-large-for-udp' : 'trunk.unreachable', {
    seen,
  })
}
