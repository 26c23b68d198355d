import type { FailureRow } from '../config/stage.ts'
import { MEDIA_CODES, MediaFailure } from '../media/failure.ts'
import { SDP_CODES, SdpFailure } from '../sdp/failure.ts'
import { SIP_CODES, SipFailure } from '../sip/failure.ts'
import { GATEWAY_CODES, GatewayFailure } from './gateway-failure.ts'

/** Every code a call can fail with. A test proves that no folder's table is missing and no code stands twice. */
export const CODES = {
  ...SIP_CODES,
  ...SDP_CODES,
  ...MEDIA_CODES,
  ...GATEWAY_CODES,
} as const satisfies Record<string, FailureRow>

export type Code = keyof typeof CODES

export type Failure = SipFailure | SdpFailure | MediaFailure | GatewayFailure

export const isFailure = (error: unknown): error is Failure =>
  error instanceof SipFailure ||
  error instanceof SdpFailure ||
  error instanceof MediaFailure ||
  error instanceof GatewayFailure

/** Why a call failed, as every reader of it (log, Reason header, later CDR and API) needs it. */
export interface Verdict {
  readonly code: Code
  readonly stage: FailureRow['stage']
  /** Final SIP status towards the caller. */
  readonly status: number
  /** What happened, expected and seen; for the log only, since it may name addresses and trunks. */
  readonly message: string
}

/** The verdict of anything that was thrown: an unknown error is our own mistake and becomes `call.internal`. */
export function verdictOf(error: unknown): Verdict {
  const failure = isFailure(error) ? error : new GatewayFailure('call.internal', { cause: error })
  const row: FailureRow = CODES[failure.code]
  const status = failure instanceof GatewayFailure ? (failure.status ?? row.status) : row.status
  return { code: failure.code, stage: row.stage, status, message: failure.message }
}
