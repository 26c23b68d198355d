import type { Clock } from './clock.ts'
import type { MediaNote, MediaStageEvent } from './engine.ts'
import type { MediaFailure } from './failure.ts'
import type { DtlsContext, Relay } from './native/boundary.ts'
import type { RtpLocal } from './parameters.ts'

/** What a leg is given by its session: the relay below it and the way up to the observer. */
export interface LegHost {
  readonly relay: Relay
  readonly dtls: DtlsContext
  readonly clock: Clock
  readonly timeouts: LegTimeouts
  /** Passes a rung on to the observer, later and once. */
  stage(event: MediaStageEvent): void
  /** Tells the observer that the leg is lost, later and once. */
  fail(failure: MediaFailure): void
  count(reason: string): void
  /** Tells the observer that the leg has other ports, of which its peer must hear. */
  moved(local: RtpLocal): void
  /** For the history of the call; nothing depends on it. */
  note(note: MediaNote): void
}

export interface LegTimeouts {
  readonly latchMs: number
  readonly iceTimeoutMs: number
  readonly dtlsTimeoutMs: number
  readonly consentTimeoutMs: number
}
