import { header } from '../../sip/message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../../sip/message/message.ts'
import type { Body, IncomingRequest, InviteDialog, NoAnswer } from '../../sip/user-agent.ts'
import { verdictOf } from '../diagnosis.ts'
import { reasonHeader, refusalHeaders, refuseMethod } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { failureOf, MAX_RELAYED_BODY_BYTES, nextHops, relayedBody } from './relay-policy.ts'

/** Requests of one dialog that may wait for the other leg's answer. */
export const MAX_PENDING_IN_DIALOG = 16

/** Which requests inside a call pass to the other leg, with these headers beside those of every request. */
const PASSED: ReadonlyMap<string, readonly string[]> = new Map([
  ['INFO', ['Info-Package', 'Content-Disposition']],
  ['MESSAGE', ['Content-Disposition', 'Content-Language']],
])

/** Answers that would end the asker's dialog (RFC 5057 §5.1), although it is the other leg's that has ended, or nothing. */
const ENDS_DIALOG: ReadonlySet<number> = new Set([
  404, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 502, 604,
])

export type InDialogPlan =
  | {
      readonly kind: 'pass'
      readonly method: string
      readonly headers: readonly Header[]
      readonly body?: Body
    }
  /** Answered here with success: it means nothing to the other leg. */
  | { readonly kind: 'absorb' }
  /** Answered here: no such subscription. */
  | { readonly kind: 'no-subscription' }
  | { readonly kind: 'refuse-method' }

/**
 * What becomes of a request inside a call. Throws `sip.too-many-hops`, `sip.too-large`.
 *
 * Candidates of a browser (RFC 8840) stay here: each leg has its own ICE, and they would tell a trunk its addresses.
 */
function planInDialog(request: SipRequest, headersOf: InDialogRules['headers']): InDialogPlan {
  const { method } = request
  if (method === 'OPTIONS') return { kind: 'absorb' }
  if (method === 'NOTIFY') return { kind: 'no-subscription' }
  const names = PASSED.get(method)
  if (names === undefined) return { kind: 'refuse-method' }
  if (method === 'INFO' && /^\s*trickle-ice\b/i.test(header(request, 'Info-Package') ?? '')) {
    return { kind: 'absorb' }
  }
  const headers = [nextHops(request), ...headersOf(request, names)]
  return { kind: 'pass', method, headers, ...relayedBody(request) }
}

export interface InDialogRules {
  /** What we allow. */
  readonly allowed: Header
  /** Throws where its sender may not send one more MESSAGE now. */
  readonly admitMessage: () => void
  /** What of a request's headers may pass to the other leg; `named`: those that its body needs. */
  readonly headers: (request: SipRequest, named: readonly string[]) => readonly Header[]
  /** What of the headers of the other leg's answer may pass back. */
  readonly answered: (response: SipResponse) => readonly Header[]
}

const pendingOf = new WeakMap<InviteDialog, number>()

/**
 * Passes a request of one leg to the other and its answer back, or answers it. `other` is undefined when the call has no
 * other leg: an application hears no INFO, but its caller need not know.
 */
export function relayInDialog(
  incoming: IncomingRequest,
  other: InviteDialog | undefined,
  { allowed, admitMessage, headers, answered }: InDialogRules,
): void {
  try {
    const plan = planInDialog(incoming.request, headers)
    if (plan.kind === 'pass' && other !== undefined) {
      if (plan.method === 'MESSAGE') admitMessage()
      pass(incoming, plan, other, answered)
    } else if (plan.kind === 'absorb' || (plan.kind === 'pass' && plan.method === 'INFO')) {
      incoming.respond(200, { headers: [allowed] })
    } else if (plan.kind === 'no-subscription') throw new GatewayFailure('relay.no-subscription')
    else refuseMethod(incoming, allowed)
  } catch (error) {
    const verdict = verdictOf(error)
    incoming.respond(verdict.status, { headers: refusalHeaders(verdict) })
  }
}

function pass(
  incoming: IncomingRequest,
  { method, headers, body }: Extract<InDialogPlan, { kind: 'pass' }>,
  other: InviteDialog,
  answered: InDialogRules['answered'],
): void {
  const pending = pendingOf.get(other) ?? 0
  if (pending >= MAX_PENDING_IN_DIALOG) throw new GatewayFailure('relay.overload')
  pendingOf.set(other, pending + 1)
  other.request(method, { headers, ...(body === undefined ? {} : { body }) }, (response) => {
    pendingOf.set(other, (pendingOf.get(other) ?? 1) - 1)
    answer(incoming, response, answered)
  })
}

function answer(
  incoming: IncomingRequest,
  response: SipResponse | NoAnswer,
  answered: InDialogRules['answered'],
): void {
  if (typeof response === 'object' && response.status < 300) {
    incoming.respond(response.status, { headers: answered(response), ...bodyOf(response) })
    return
  }
  const verdict = verdictOf(failureOf(response, false))
  const passed = typeof response === 'object' ? answered(response) : []
  const status = ENDS_DIALOG.has(verdict.status) ? 500 : verdict.status
  incoming.respond(status, { headers: [...passed, reasonHeader(verdict)] })
}

/** What is too long for a leg is left out: the answer itself counts. */
const bodyOf = (response: SipResponse): { readonly body?: Body } =>
  response.body.length > MAX_RELAYED_BODY_BYTES ? {} : relayedBody(response)
