import { type SessionExpires, seconds, sessionExpires, tokens } from '../message/headers.ts'
import type { Header, SipMessage, SipRequest, SipResponse } from '../message/message.ts'
import { readable } from '../message/readable.ts'
import { hasOption } from '../message/request-checks.ts'

/** Default and least Min-SE (RFC 4028 §5). JsSIP asks for it, and gives up when it is refused. */
export const MIN_SESSION_S = 90

/** Two weeks: longer than a call may last; what a peer says beyond is as good as this. */
export const MAX_SESSION_S = 1_209_600

/** What two peers have agreed on. */
export interface SessionTerms {
  readonly intervalS: number
  readonly refresher: 'us' | 'peer'
}

/** What we want: an interval, and the shortest one that we take. */
export interface SessionWish {
  readonly expiresS: number
  readonly minSeS: number
}

const SUPPORTED: Header = { name: 'Supported', value: 'timer' }

/** An unreadable header counts as absent: without a timer a call lives as well. */
const asked = (message: SipMessage): SessionExpires | undefined => readable(() => sessionExpires(message))

const bounded = (intervalS: number): number => Math.min(Math.max(intervalS, MIN_SESSION_S), MAX_SESSION_S)

const expires = (intervalS: number, refresher: 'uac' | 'uas' | undefined): Header => ({
  name: 'Session-Expires',
  value: refresher === undefined ? String(intervalS) : `${intervalS};refresher=${refresher}`,
})

export const minSe = (intervalS: number): Header => ({ name: 'Min-SE', value: String(intervalS) })

/** Min-SE of a 422 to a request of ours that asked for `intervalS`; undefined when asking again would be of no use. */
export function demanded(response: SipResponse, intervalS: number): number | undefined {
  const value = response.status === 422 ? seconds(response, 'Min-SE') : undefined
  return value !== undefined && value > intervalS && value <= MAX_SESSION_S ? value : undefined
}

/**
 * Session-Expires and Min-SE of a request of ours (RFC 4028 §7.1, §7.4). `minSeS` is what the peer has told of itself, 0
 * when nothing. In the first request the refresher is left for the peer to choose.
 */
export function proposal(intervalS: number, minSeS: number, refresher?: 'us' | 'peer'): readonly Header[] {
  const role = refresher === 'us' ? 'uac' : 'uas'
  const headers = [expires(Math.max(intervalS, minSeS), refresher === undefined ? undefined : role)]
  return minSeS > MIN_SESSION_S ? [...headers, minSe(minSeS)] : headers
}

/** What a 2xx to a request of ours says (§7.2); undefined: no timer. */
export function agreed(response: SipResponse): SessionTerms | undefined {
  const terms = asked(response)
  if (terms === undefined) return undefined
  return { intervalS: bounded(terms.seconds), refresher: terms.refresher === 'uas' ? 'peer' : 'us' }
}

/** Whether a request must be answered 422 (§9): only who knows the extension can do better. */
export function isTooBrief(request: SipRequest, minSeS: number): boolean {
  const terms = asked(request)
  return terms !== undefined && terms.seconds < minSeS && hasOption(request, 'Supported', 'timer')
}

/**
 * What our 2xx to `request` says (§9 with its table 2). We refresh wherever the peer leaves it to us: then nobody's silence
 * ends a call that lives. A peer that does not know the extension is refreshed when a proxy asked for it.
 */
export function answered(
  request: SipRequest,
  wish: SessionWish,
  current: SessionTerms | undefined,
): { readonly terms: SessionTerms | undefined; readonly headers: readonly Header[] } {
  const isKnown = hasOption(request, 'Supported', 'timer')
  const wanted = asked(request)
  if (!isKnown && wanted === undefined && current === undefined)
    return { terms: undefined, headers: [SUPPORTED] }
  const leastS = Math.max(wish.minSeS, seconds(request, 'Min-SE') ?? 0)
  const oursS = Math.max(current?.intervalS ?? wish.expiresS, leastS)
  const intervalS = bounded(Math.min(wanted?.seconds ?? oursS, oursS))
  const refresher = isKnown ? roleOf(wanted?.refresher, current) : 'us'
  const headers = [expires(intervalS, refresher === 'us' ? 'uas' : 'uac'), SUPPORTED]
  if (refresher === 'peer') headers.push({ name: 'Require', value: 'timer' })
  return { terms: { intervalS, refresher }, headers }
}

function roleOf(refresher: 'uac' | 'uas' | undefined, current: SessionTerms | undefined): 'us' | 'peer' {
  if (refresher === undefined) return current?.refresher ?? 'us'
  return refresher === 'uac' ? 'peer' : 'us'
}

/** Whether the sender of `message` takes UPDATE; undefined when it does not say. */
export function allowsUpdate(message: SipMessage): boolean | undefined {
  const allowed = readable(() => tokens(message, 'Allow'))
  return allowed === undefined || allowed.size === 0 ? undefined : allowed.has('UPDATE')
}

/** Headers of any request of ours in a dialog that can agree on a timer. */
export const reproposal = (terms: SessionTerms | undefined, minSeS: number): readonly Header[] =>
  terms === undefined ? [SUPPORTED] : [SUPPORTED, ...proposal(terms.intervalS, minSeS, terms.refresher)]
