import type { Stage } from '../../config/stage.ts'
import type { LegStats } from '../../media/engine.ts'
import type { CallState } from '../calls/call-machine.ts'
import type { Verdict } from '../diagnosis.ts'

/**
 * How a call went: `ok`, nothing was found wrong; `impaired`, it went on although something was; `failed`, that ended it or
 * kept it from coming about; `cancelled`, the caller gave up before the answer.
 */
export type Outcome = 'ok' | 'impaired' | 'failed' | 'cancelled'

/** Milliseconds since the call's INVITE. */
export type CallMs = number

export interface Finding extends Verdict {
  readonly atMs: CallMs
}

/** One step of a leg's ladder. Stages that its kind does not have (ICE and DTLS of a trunk) are left out. */
export interface Rung {
  readonly stage: Stage
  /** S6 has two, as the leg sees them: what comes from its peer, and what goes there. */
  readonly direction?: 'received' | 'sent'
  /** `open`: not reached, or not yet. `impaired`: reached, or passed over, with something wrong. */
  readonly state: 'climbed' | 'open' | 'impaired' | 'failed'
  /** When it was climbed, or when it failed. */
  readonly atMs?: CallMs
}

export interface LegReport {
  /** `caller`, `callee`, or what a transfer called it. */
  readonly name: string
  /** `user:alice` or `trunk:pbx`. */
  readonly party: string
  readonly kind: 'webrtc' | 'rtp' | 'sdes' | 'dtls'
  /** The one that both sides prefer, once they have agreed. */
  readonly codec?: string
  readonly rungs: readonly Rung[]
  /** As last measured. */
  readonly stats?: LegStats
}

/** One line of a call's history. */
export interface TimelineEntry {
  readonly atMs: CallMs
  readonly leg?: string
  readonly direction?: 'received' | 'sent'
  /** `sdp`, `ice-checked`, `dtls-flight`, `finding`, `media`, ... */
  readonly what: string
  readonly detail?: string
}

/** Everything that is known of one call: what `webtrunk explain --json` prints. Without keys and passwords. */
export interface CallReport {
  /** Of the caller's leg. */
  readonly callId: string
  /** Of the other legs' dialogs. */
  readonly otherCallIds: readonly string[]
  /** `user:alice` or `trunk:pbx`. */
  readonly caller: string
  /** The same, or `app:echo`. */
  readonly callee: string
  readonly state: CallState
  /** ISO 8601, of the INVITE. */
  readonly startedAt: string
  readonly answeredMs?: CallMs
  readonly endedMs?: CallMs
  /** The leg that hung up. */
  readonly endedBy?: string
  /** Why, in the words of its BYE or CANCEL (RFC 3326). */
  readonly said?: string
  /** What it would be if the call ended well now. */
  readonly outcome: Outcome
  /** Of all that was found, what decided the outcome: what ended the call, else the lowest rung. */
  readonly verdict?: Finding
  readonly findings: readonly Finding[]
  readonly legs: readonly LegReport[]
  readonly timeline: readonly TimelineEntry[]
  /** Lines that the bounds of a timeline left no room for. */
  readonly omitted: number
}
