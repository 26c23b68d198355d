import type { Codec } from '../../media/parameters.ts'
import { offerableCodecs } from '../../sdp/codecs.ts'
import { SdpFailure } from '../../sdp/failure.ts'
import type { Unreached } from '../trunks/trunk-states.ts'
import { keysOn } from './leg-route.ts'
import type { PartyPlan } from './plan.ts'

/**
 * Whether a call that one trunk did not take is to be tried at the next: nobody answered, or the trunk itself failed. What the
 * callee's side says (4xx, 6xx, a redirection) is the same by every other way: busy is busy; and so is a full table of ours.
 */
export function isWorthAnother(how: Unreached): boolean {
  return typeof how === 'string' ? how !== 'overload' : how.status >= 500 && how.status < 600
}

export interface FittingPlan {
  readonly plan: PartyPlan
  /** What its party is to be offered. */
  readonly codecs: readonly Codec[]
}

/** A trunk has its order; a browser takes what it may in that of its caller, which may be a trunk with one. */
function preferenceOf({ media }: PartyPlan, codecs: readonly Codec[]): readonly string[] {
  if (media.kind === 'rtp') return media.codecs
  const placeOf = (name: string): number =>
    codecs.findIndex((codec) => codec.name.toLowerCase() === name.toLowerCase())
  return [...media.codecs].sort((one, other) => placeOf(one) - placeOf(other))
}

/**
 * The first of a plan and those that stand in for it that takes a codec of these, or else one of `more`. Throws
 * `sdp.no-common-codec`.
 */
export function fittingPlan(
  plan: PartyPlan,
  best: readonly Codec[],
  more: readonly Codec[] = best,
): FittingPlan {
  const takes = ({ name }: Codec): boolean =>
    plan.media.codecs.some((allowed) => allowed.toLowerCase() === name.toLowerCase())
  const codecs = best.some(takes) ? best : more
  try {
    return { plan, codecs: offerableCodecs(codecs, preferenceOf(plan, codecs), keysOn(plan.media)) }
  } catch (error) {
    const next = error instanceof SdpFailure ? plan.next?.('unfit') : undefined
    if (next === undefined) throw error
    return fittingPlan(next, best, more)
  }
}
