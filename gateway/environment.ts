import { randomBytes } from 'node:crypto'
import type { SipEnvironment } from '../sip/user-agent.ts'

/** Node's clocks take at most this; a longer wait is cut into several. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Real time and chance. The clock is monotonic: a step of the wall clock moves no timer. */
export const systemEnvironment: SipEnvironment = {
  nowMs: () => performance.now(),
  schedule: (atMs, callback) => {
    let timer: NodeJS.Timeout
    const wait = (): void => {
      const restMs = Math.max(0, Math.ceil(atMs - performance.now()))
      timer = setTimeout(() => (restMs > MAX_TIMER_MS ? wait() : callback()), Math.min(restMs, MAX_TIMER_MS))
    }
    wait()
    return () => clearTimeout(timer)
  },
  token: () => randomBytes(16).toString('hex'),
}
