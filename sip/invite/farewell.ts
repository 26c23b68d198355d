import type { DialogRequests } from '../dialog/dialog-requests.ts'
import type { Header, SipRequest } from '../message/message.ts'
import type { Clock } from '../transaction/clock.ts'
import { TRANSACTION_LIFETIME_MS } from '../transaction/timers.ts'

/** How long after a connection to a peer has failed another one is asked for, to end a call there. */
export const RECONNECT_MS = 4_000

export interface FarewellOwner {
  /** The peer's flow is lost, and the peer may come back by another one: `resume` follows then. */
  readonly isAway: boolean
  /** The peer has answered, or cannot be told. */
  onOver(): void
}

const NOBODY: FarewellOwner = { isAway: false, onOver: () => {} }

/**
 * A BYE of ours until it is answered. It waits for who is away. Where there is no connection to the peer, whose end would go on
 * and be charged, it is sent anew for 64*T1, which is how long a request waits for its answer.
 */
export class Farewell {
  readonly #clock: Clock
  readonly #requests: DialogRequests
  readonly #owner: FarewellOwner
  #deferred: (() => void) | undefined
  #cancelNext: () => void = () => {}
  #isStopped = false

  constructor(clock: Clock, requests: DialogRequests, owner = NOBODY) {
    this.#clock = clock
    this.#requests = requests
    this.#owner = owner
  }

  /** `headers`: what it was composed with, and is again. */
  send(bye: SipRequest, headers: readonly Header[] = []): void {
    this.#send(bye, headers, this.#clock.nowMs() + TRANSACTION_LIFETIME_MS)
  }

  /** Until `resume`. */
  defer(bye: SipRequest, headers: readonly Header[]): void {
    this.#deferred = () => this.send(bye, headers)
  }

  /** What was put off can be sent. */
  resume(): void {
    const deferred = this.#deferred
    this.#deferred = undefined
    deferred?.()
  }

  /** Sends nothing more. */
  stop(): void {
    this.#isStopped = true
    this.#deferred = undefined
    this.#cancelNext()
  }

  #send(bye: SipRequest, headers: readonly Header[], untilMs: number): void {
    const again = (): SipRequest => this.#requests.compose('BYE', { headers })
    this.#requests.send(bye, {
      onResponse: (response) => {
        if (response.status >= 200) this.#owner.onOver()
      },
      onFailed: (reason) => {
        if (this.#isStopped) return
        const nextMs = this.#clock.nowMs() + RECONNECT_MS
        if (reason === 'timeout') this.#owner.onOver()
        else if (this.#owner.isAway) this.#deferred = () => this.send(again(), headers)
        else if (reason !== 'transport' || nextMs > untilMs) this.#owner.onOver()
        else this.#cancelNext = this.#clock.schedule(nextMs, () => this.#send(again(), headers, untilMs))
      },
    })
  }
}
