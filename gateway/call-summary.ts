import type { CallState } from './call-machine.ts'

/** One line of `webtrunk calls`. */
export interface CallSummary {
  readonly callId: string
  /** `user:alice` or `trunk:pbx`. */
  readonly caller: string
  /** The same, or `app:echo`. */
  readonly callee: string
  readonly state: CallState
  readonly durationS: number
}
