import type { SipRequest } from '../message/message.ts'
import type { Clock } from '../transaction/clock.ts'
import { Drive } from '../transaction/drive.ts'
import {
  UnacknowledgedAnswer,
  type UnacknowledgedInput,
  type UnacknowledgedOutput,
} from './unacknowledged-answer.ts'

export interface UnacknowledgedEvents {
  /** Sends the 2xx once more. */
  repeat(): void
  acknowledged(ack: SipRequest): void
  /** No ACK for 64*T1. */
  gaveUp(): void
}

interface Waiting {
  readonly drive: Drive<UnacknowledgedInput, UnacknowledgedOutput>
  readonly acknowledged: (ack: SipRequest) => void
}

/** Our 2xx to the INVITEs of one dialog that wait for their ACK, each known by the number that the two share (RFC 3261 §13.2.2.4). */
export class UnacknowledgedAnswers {
  readonly #clock: Clock
  readonly #waiting = new Map<number, Waiting>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** In the place of one that waits already. */
  add(cseq: number, events: UnacknowledgedEvents): void {
    this.#waiting.get(cseq)?.drive.stop()
    const machine = new UnacknowledgedAnswer(this.#clock.nowMs())
    const drive = new Drive<UnacknowledgedInput, UnacknowledgedOutput>({
      machine,
      clock: this.#clock,
      settled: () => {
        if (machine.isOver) this.#waiting.delete(cseq)
      },
      perform: (output) => {
        if (output.kind === 'send') events.repeat()
        else events.gaveUp()
      },
    })
    this.#waiting.set(cseq, { drive, acknowledged: events.acknowledged })
  }

  /** An ACK that nobody waits for is none of ours, or a copy. */
  take(ack: SipRequest): void {
    const waiting = this.#waiting.get(ack.cseq.number)
    if (waiting === undefined) return
    waiting.drive.feed({ kind: 'ack' })
    waiting.acknowledged(ack)
  }

  stop(): void {
    for (const { drive } of this.#waiting.values()) drive.stop()
    this.#waiting.clear()
  }
}
