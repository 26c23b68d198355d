import { randomBytes } from 'node:crypto'
import type { SipEnvironment } from '../../../sip/user-agent.ts'

/** Time and chance as they are. */
export class RealClock implements SipEnvironment {
  nowMs(): number {
    return performance.now()
  }

  token(): string {
    return randomBytes(16).toString('hex')
  }

  schedule(atMs: number, callback: () => void): () => void {
    const timer = setTimeout(callback, Math.max(0, Math.ceil(atMs - performance.now())))
    return () => clearTimeout(timer)
  }
}
