import type { Verdict } from '../diagnosis.ts'

/** The stages of a call from the bottom up, as the gateway numbers them: S1 to S6. */
export const RUNGS = ['signalling', 'sdp', 'ice', 'dtls', 'srtp', 'media'] as const
export type RungName = (typeof RUNGS)[number]

export type RungState = 'waiting' | 'climbing' | 'reached' | 'failed'

export interface Rung {
  readonly name: RungName
  readonly state: RungState
  /** What is seen there now, in words. */
  readonly detail: string
  /** Milliseconds from the start of the call to when it was reached or failed; undefined before. */
  readonly atMs: number | undefined
}

export type Ladder = readonly Rung[]

export interface RungEvent {
  readonly rung: RungName
  /** `lost`: it had been reached, and now it does not hold. */
  readonly kind: 'began' | 'reached' | 'lost' | 'failed'
  readonly detail: string
}

const STAGES: Readonly<Record<Verdict['stage'], RungName>> = {
  S1: 'signalling',
  S2: 'sdp',
  S3: 'ice',
  S4: 'dtls',
  S5: 'srtp',
  S6: 'media',
}

export const rungOf = (stage: Verdict['stage']): RungName => STAGES[stage]

export const newLadder = (): Ladder =>
  RUNGS.map((name) => ({ name, state: 'waiting', detail: '', atMs: undefined }))

/**
 * The ladder after an event. A failure stays whatever comes later; what was reached goes back only by `lost`, and keeps the
 * time it was reached first.
 */
export const climbed = (ladder: Ladder, { rung: name, kind, detail }: RungEvent, nowMs: number): Ladder =>
  ladder.map((rung) => {
    if (rung.name !== name || rung.state === 'failed') return rung
    switch (kind) {
      case 'began':
        return rung.state === 'reached' ? rung : { ...rung, state: 'climbing', detail }
      case 'reached':
        return { ...rung, state: 'reached', detail, atMs: rung.atMs ?? nowMs }
      case 'lost':
        return rung.state === 'reached' ? { ...rung, state: 'climbing', detail } : rung
      case 'failed':
        return { ...rung, state: 'failed', detail, atMs: nowMs }
      default:
        return kind satisfies never
    }
  })

/** The ladder of a call that is over: what was under way is no more. */
export const ended = (ladder: Ladder): Ladder =>
  ladder.map((rung) => (rung.state === 'climbing' ? { ...rung, state: 'waiting' } : rung))
