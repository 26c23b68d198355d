import type { Config } from '../config/config.ts'
import type { UserAgent } from '../sip/user-agent.ts'
import { systemEnvironment } from './environment.ts'
import type { Signalling } from './signalling.ts'

const POLL_MS = 50

/** Before the sockets close: ends calls with BYE and takes registrations back; waits for the answers, at most the configured time. */
export async function drain(config: Config, signalling: Signalling): Promise<void> {
  const { calls, relay, homes, mode, trunkWatch, userAgent } = signalling
  const inS = (seconds: number): number => systemEnvironment.nowMs() + seconds * 1_000
  const emergencyDeadlineMs = inS(config.emergency?.drainTimeoutS ?? 0)
  relay.close()
  await within(inS(config.calls.drainTimeoutS), calls.drain())
  // A caller on the phone with the fire brigade stays, and one that has to call it now can.
  await within(emergencyDeadlineMs, calls.over())
  calls.end()
  const deadlineMs = inS(config.calls.drainTimeoutS)
  await within(deadlineMs, Promise.all([calls.over(), trunkWatch.stop(), mode.stop()]))
  homes.close()
  await answered(userAgent, deadlineMs)
}

/** Waits for a promise, at most until the deadline. */
async function within(deadlineMs: number, promise: Promise<unknown>): Promise<void> {
  let cancel = (): void => {}
  const deadline = new Promise<void>((resolve) => {
    cancel = systemEnvironment.schedule(deadlineMs, resolve)
  })
  await Promise.race([promise, deadline])
  cancel()
}

/** BYEs want their answers: waits until every dialog is over and no request of ours is without one, or for the deadline. */
async function answered(userAgent: UserAgent, deadlineMs: number): Promise<void> {
  const isWaiting = (): boolean => {
    const { unansweredRequests = 0, dialogs = 0 } = userAgent.tables()
    return unansweredRequests > 0 || dialogs > 0
  }
  while (isWaiting() && systemEnvironment.nowMs() < deadlineMs) {
    await new Promise<void>((resolve) => {
      systemEnvironment.schedule(systemEnvironment.nowMs() + POLL_MS, resolve)
    })
  }
}
