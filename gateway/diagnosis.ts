import type { FailureRow } from '../config/stage.ts'
import { MEDIA_CODES, MediaFailure } from '../media/failure.ts'
import { SDP_CODES, SdpFailure } from '../sdp/failure.ts'
import { SIP_CODES, SipFailure } from '../sip/failure.ts'
import { GATEWAY_CODES, GatewayFailure } from './gateway-failure.ts'

/**
 * Every code a call can fail with. A test proves that no folder's table is missing and no code stands twice.
 *
 * The type check refuses a row without cause or remedy here, by its code and by what is missing.
 */
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

/** Where in a call something happened. */
export interface Place {
  /** `caller`, `callee`, or the name a transfer gave. */
  readonly leg?: string | undefined
  /** As the leg sees it: what comes from its peer, or what goes there. */
  readonly direction?: 'received' | 'sent' | undefined
}

/** What is wrong with a call: one value that log, CDR, admin socket, metrics, page and Reason header all render. */
export interface Verdict extends Place {
  readonly code: Code
  readonly stage: FailureRow['stage']
  /** Final SIP status towards the caller. */
  readonly status: number
  /** What happened, expected and seen. Like them for the operator only, since it may name addresses and trunks. */
  readonly message: string
  readonly expected?: string | undefined
  readonly seen?: string | undefined
}

/** The verdict of anything that was thrown: an unknown error is our own mistake and becomes `call.internal`. */
export function verdictOf(error: unknown, place: Place = {}): Verdict {
  const failure = isFailure(error) ? error : new GatewayFailure('call.internal', { cause: error })
  const { code, expected, seen, message } = failure
  const row: FailureRow = CODES[code]
  const status = failure instanceof GatewayFailure ? (failure.status ?? row.status) : row.status
  return {
    code,
    stage: row.stage,
    status,
    message,
    ...(expected === undefined ? {} : { expected }),
    ...(seen === undefined ? {} : { seen }),
    ...(place.leg === undefined ? {} : { leg: place.leg }),
    ...(place.direction === undefined ? {} : { direction: place.direction }),
  }
}
