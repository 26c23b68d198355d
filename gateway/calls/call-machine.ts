/** Every path a call can take, from INVITE to the last of its resources; drawn in gateway/README.md. */
export type CallState =
  /** Caller's offer is being read, media opened. */
  | 'routing'
  /** INVITE to the callee is out. */
  | 'dialling'
  /** The callee rings or plays early media. */
  | 'early'
  /** Both legs are answered. */
  | 'connected'
  /** Being torn down. */
  | 'ended'

export type CallEvent =
  | 'dialled'
  | 'progressed'
  | 'answered'
  /** The caller gave up before the answer. */
  | 'cancelled'
  /** The callee's side answered 3xx-6xx, or not at all. */
  | 'refused'
  /** BYE from either side. */
  | 'hung-up'
  /** A failure of any stage, a limit or the end of the daemon. */
  | 'failed'

export const CALL_TRANSITIONS = {
  routing: { dialled: 'dialling', answered: 'connected', cancelled: 'ended', failed: 'ended' },
  dialling: {
    progressed: 'early',
    answered: 'connected',
    cancelled: 'ended',
    refused: 'ended',
    failed: 'ended',
  },
  early: {
    progressed: 'early',
    answered: 'connected',
    cancelled: 'ended',
    refused: 'ended',
    failed: 'ended',
  },
  connected: { 'hung-up': 'ended', failed: 'ended' },
  ended: {},
} as const satisfies Record<CallState, Partial<Record<CallEvent, CallState>>>

/** The state after `event`, or undefined when the event has lost a race and means nothing any more. */
export function nextCallState(state: CallState, event: CallEvent): CallState | undefined {
  const row: Partial<Record<CallEvent, CallState>> = CALL_TRANSITIONS[state]
  return row[event]
}
