/** The rungs of a call, in the order it climbs them. Every failure names one. */
export type Stage = 'S1' | 'S2' | 'S3' | 'S4' | 'S5' | 'S6'

/** One row of a folder's table of failure codes. */
export interface FailureRow {
  readonly stage: Stage
  /** SIP status of the final response, when the failure ends a call attempt. */
  readonly status: number
  readonly text: string
}
