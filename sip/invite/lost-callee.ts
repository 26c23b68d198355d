import type { Clock } from '../transaction/clock.ts'
import { TRANSACTION_LIFETIME_MS } from '../transaction/timers.ts'
import type { EarlyDialog } from './early-dialog.ts'
import { RECONNECT_MS } from './farewell.ts'
import { saysUnknown } from './known-dialog.ts'

export interface LostCalleeOptions {
  readonly clock: Clock
  /** All that ring, one at least. */
  readonly dialogs: Iterable<EarlyDialog>
  /** The caller can be called elsewhere, or told, sooner than others: one try, and no waiting for a peer that says nothing. */
  readonly isUrgent: boolean
  readonly onKnown: () => void
  /** Nobody will answer the INVITE. */
  readonly onForgotten: () => void
}

/**
 * Asks a callee that rings, and whose connection was lost, whether it still knows the call: one that was started anew does not,
 * and an INVITE that rings has no timer. The question also connects. What it returns ends the asking; it may be called later.
 */
export function askLostCallee(options: LostCalleeOptions): () => void {
  const { clock, dialogs, isUrgent, onKnown, onForgotten } = options
  const unheard = new Set(dialogs)
  const untilMs = clock.nowMs() + (isUrgent ? RECONNECT_MS : TRANSACTION_LIFETIME_MS)
  let isOver = false
  const cancelDeadline = clock.schedule(untilMs, () => end(onForgotten))
  const stop = (): void => {
    isOver = true
    cancelDeadline()
  }
  const end = (tell: () => void): void => {
    stop()
    tell()
  }
  const ask = (early: EarlyDialog): void => {
    early.ask((answer) => {
      if (isOver) return
      const nextMs = clock.nowMs() + RECONNECT_MS
      if (typeof answer === 'object' && !saysUnknown(answer)) end(onKnown)
      else if (typeof answer === 'string' && nextMs < untilMs) {
        clock.schedule(nextMs, () => {
          if (!isOver) ask(early)
        })
      } else {
        unheard.delete(early)
        if (unheard.size === 0) end(onForgotten)
      }
    })
  }
  for (const early of unheard) ask(early)
  return stop
}
