import type { Header, SipResponse } from '../../sip/message/message.ts'
import type { Body, NoAnswer, SipEnvironment, UserAgent } from '../../sip/user-agent.ts'
import { rankOf } from '../calls/answer-rank.ts'
import type { Party } from '../calls/parties.ts'

/**
 * How long the other side may take. A request that is not an INVITE must be answered within 32 s (RFC 4320 §4.2), or its
 * sender hears nothing at all; so it hears of a silent peer before.
 */
export const RELAY_ANSWER_MS = 24_000

export interface RelayRequest {
  readonly method: string
  readonly headers: readonly Header[]
  readonly body?: Body
}

/**
 * Sends one request to every target of a plan. `done` is called once: with the first 2xx; or, when there is none, with
 * the best of the other answers (RFC 3261 §16.7) as soon as all are there or the time is up. Returns how to give up,
 * which calls `done` too.
 */
export function relayRequest(
  { userAgent, environment }: { readonly userAgent: UserAgent; readonly environment: SipEnvironment },
  plan: Party,
  request: RelayRequest,
  done: (response: SipResponse | NoAnswer) => void,
): () => void {
  let waiting = plan.targets.length
  let best: SipResponse | NoAnswer = 'timeout'
  let isDone = false
  const settle = (response: SipResponse | NoAnswer): void => {
    if (isDone) return
    isDone = true
    stopTimer()
    done(response)
  }
  const stopTimer = environment.schedule(environment.nowMs() + RELAY_ANSWER_MS, () => settle(best))
  const { from, to, route, numbers } = plan
  const asked = {
    ...request,
    from,
    to,
    ...(route === undefined ? {} : { route }),
    ...(numbers === undefined ? {} : { numbers }),
  }
  for (const { flow, uri } of plan.targets) {
    userAgent.request({ ...asked, flow, uri }, (response) => {
      waiting -= 1
      if (rankOf(response) <= rankOf(best)) best = response
      const isSuccess = typeof response === 'object' && response.status < 300
      if (isSuccess || waiting === 0) settle(isSuccess ? response : best)
    })
  }
  return () => settle('transport')
}
