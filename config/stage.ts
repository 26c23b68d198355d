/** The rungs of a call, in the order it climbs them. Every failure names one. */
export type Stage = 'S1' | 'S2' | 'S3' | 'S4' | 'S5' | 'S6'

/** One row of a folder's table of failure codes. */
export interface FailureRow {
  readonly stage: Stage
  /** SIP status of the final response, when the failure ends a call attempt. */
  readonly status: number
  /** What happened, in a few words. */
  readonly text: string
  /** What it usually comes from, for an operator who has never seen it. */
  readonly cause: string
  /** What to do about it: keys of the configuration by name, commands, what to look at. */
  readonly remedy: string
  /** The call goes on with it: it is told, and the call's verdict at the end is `impaired`. */
  readonly isWarning?: true
}
