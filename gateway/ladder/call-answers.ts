import type { CallState } from '../calls/call-machine.ts'
import type { Admin } from '../commands/admin.ts'
import { AdminRefusal } from '../commands/admin.ts'
import type { CallHistory } from './call-history.ts'
import type { Outcome } from './call-report.ts'
import type { CallTrace } from './call-trace.ts'

/** One line of `webtrunk calls`. */
export interface CallLine {
  readonly callId: string
  readonly caller: string
  readonly callee: string
  readonly state: CallState
  readonly startedAt: string
  /** Since the INVITE; of an ended call, until its end. */
  readonly durationS: number
  readonly outcome: Outcome
  readonly stage?: string
  readonly code?: string
}

/** Where softphones reach us, for those on this machine. */
export interface Listening {
  readonly domain: string
  /** Of the WebSocket, by the address it listens at; undefined: there is no listener that takes others than proxies. */
  readonly url: string | undefined
  /** File of the certificate that is served there; undefined: in clear text, or by a certificate that the demo made. */
  readonly certificateFile: string | undefined
}

/** What the command line may ask about calls. */
export function answerAboutCalls(admin: Admin, history: CallHistory): void {
  admin.handle('calls', () => history.traces().map(lineOf))
  admin.handle('call', (query) => {
    const callId = query.get('id') ?? ''
    const trace = history.find(callId)
    if (trace !== undefined) return trace.report()
    throw new AdminRefusal(`no call, and no one call that begins with, ${JSON.stringify(callId)}`)
  })
}

function lineOf(trace: CallTrace): CallLine {
  const { callId, caller, callee, state, startedAt, outcome, verdict, endedMs } = trace.report()
  const spentMs = endedMs ?? trace.nowMs
  return {
    callId,
    caller,
    callee,
    state,
    startedAt,
    durationS: Math.round(spentMs / 1_000),
    outcome,
    ...(verdict === undefined ? {} : { stage: verdict.stage, code: verdict.code }),
  }
}
