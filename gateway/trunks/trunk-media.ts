import type { DtmfWay } from '../../config/trunk-profiles.ts'
import type { TrunkTerms } from '../../sdp/trunk-terms.ts'

/** How a trunk wants its media. Values, never names tested by an `if`. */
export interface TrunkMedia extends TrunkTerms {
  /** Allowed codecs by name, in order of preference. */
  readonly codecs: readonly string[]
  readonly dtmf: DtmfWay
  /** Packet time that the trunk insists on, in both directions; undefined: it takes what comes. */
  readonly ptimeMs: number | undefined
}
