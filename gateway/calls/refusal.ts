import type { SipResponse } from '../../sip/message/message.ts'
import type { NoAnswer } from '../../sip/user-agent.ts'
import { type GatewayCode, GatewayFailure } from '../gateway-failure.ts'
import { passedReasons, warningsOf } from './header-policy.ts'
import type { PartyPlan } from './plan.ts'
import { unanswered } from './unanswered.ts'

/** What the description was not good enough for (RFC 3261 §21.4.13, §21.4.26, §21.6.4). */
const OF_THE_OFFER: readonly number[] = [415, 488, 606]

/** Why a party that was called has not taken the call. */
export function refusalOf(response: SipResponse | NoAnswer, plan: PartyPlan): GatewayFailure {
  const own = plan.failureOf?.(response)
  if (own !== undefined) return own
  if (typeof response === 'string') return silenceOf(response, plan)
  const said = [`${response.status} ${response.reason}`, ...warningsOf(response)].join('; ')
  const seen = `${plan.name}: ${said}`
  if (response.status === 401 || response.status === 407) {
    const { account } = plan
    const whose = account === undefined ? 'without an account of ours' : `to the password of ${account}`
    return new GatewayFailure('trunk.credentials-wanted', { seen: `${seen}, ${whose}` })
  }
  // A redirection is ours to follow or to refuse, never the browser's: its Contact may be a private address.
  return response.status < 400
    ? new GatewayFailure('call.refused', { seen })
    : new GatewayFailure(codeOf(response.status), {
        seen,
        status: response.status,
        headers: passedReasons(response),
      })
}

function codeOf(status: number): GatewayCode {
  if (OF_THE_OFFER.includes(status)) return 'call.sdp-refused'
  return status >= 500 && status < 600 ? 'call.peer-failed' : 'call.refused'
}

/** A connection that failed, or a datagram that was not sent, says more than that there is no answer. */
function silenceOf(how: NoAnswer, plan: PartyPlan): GatewayFailure {
  const trouble = plan.trouble?.(how)
  const seen = `${plan.name}: ${trouble ?? how}`
  const code = trouble === undefined ? undefined : codeOfTrouble(trouble)
  return code === undefined
    ? unanswered(how, plan.media.kind === 'rtp', seen)
    : new GatewayFailure(code, { seen })
}

/** By the codes of OpenSSL (X509_V_ERR_...) and Node.js, and by that of our own look at the name (RFC 5922). */
function codeOfTrouble(trouble: string): GatewayCode | undefined {
  if (/EXPIRED|NOT_YET_VALID/.test(trouble)) return 'trunk.certificate-expired'
  if (/foreign-certificate|ALTNAME|HOSTNAME_MISMATCH/.test(trouble)) return 'trunk.certificate-name'
  const isRefused = /CERT|LEAF_SIGNATURE|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH/.test(trouble)
  return isRefused ? 'trunk.certificate-refused' : undefined
}
