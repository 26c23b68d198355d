import { randomBytes } from 'node:crypto'
import type { SipEnvironment } from '../sip/user-agent.ts'

/** Node's clocks take at most this; a longer wait is cut into several. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** A timer that is so late was held up with everything else: by the machine, by whoever stopped the process, by work of our own. */
const LATE_MS = 500
/** What a late one waits for more: what came meanwhile is in the sockets, and Node.js has timers before those. */
const HEAR_FIRST_MS = 50

/**
 * Real time and chance. The clock is monotonic: a step of the wall clock moves no timer. After a standstill what came during it is
 * heard before anybody is given up for saying nothing.
 */
export const systemEnvironment: SipEnvironment = {
  nowMs: () => performance.now(),
  schedule: (atMs, callback) => {
    let timer: NodeJS.Timeout
    const wait = (): void => {
      const restMs = Math.max(0, Math.ceil(atMs - performance.now()))
      timer = setTimeout(() => (restMs > MAX_TIMER_MS ? wait() : due()), Math.min(restMs, MAX_TIMER_MS))
    }
    const due = (): void => {
      if (performance.now() - atMs < LATE_MS) callback()
      else timer = setTimeout(callback, HEAR_FIRST_MS)
    }
    wait()
    return () => clearTimeout(timer)
  },
  token: () => randomBytes(16).toString('hex'),
}
