import { type Flow, isReliable } from '../flow.ts'
import { encoded } from '../message/encoded.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { NoAnswer } from '../user-agent-contract.ts'
import { ClientTransaction } from './client-transaction.ts'
import type { Clock } from './clock.ts'
import { Drive } from './drive.ts'
import { isTooLarge } from './wider-ways.ts'

export interface ClientEvents {
  /** Each provisional response (100 too), the final one, and each 2xx to INVITE that follows. */
  onResponse(response: SipResponse): void
  /** No final response will come. */
  onFailed(reason: NoAnswer): void
  /** The transaction is out of the table; called before the event that ended it is handed on. */
  onEnd?(): void
  /**
   * It was too large for its flow, was sent by the wider one, which led nowhere, and is sent anew: this is it from now on.
   */
  onReplaced?(exchange: ClientExchange): void
  /**
   * The connection is gone. True: the owner waits for another one (`TransactionLayer.moveClient`) or fails the exchange
   * itself; else it fails now.
   */
  onFlowLost?(): boolean
}

/** A request of ours that is under way. */
export class ClientExchange {
  readonly request: SipRequest
  #flow: Flow
  /** Set by the layer. */
  onOver: (() => void) | undefined
  readonly #machine: ClientTransaction
  readonly #drive: Drive<
    Parameters<ClientTransaction['handle']>[0],
    ReturnType<ClientTransaction['handle']>[number]
  >
  readonly #events: ClientEvents
  #isOver = false
  #hasResponse = false
  #endIfSilent: (() => void) | undefined

  constructor(request: SipRequest, flow: Flow, events: ClientEvents, clock: Clock) {
    this.request = request
    this.#flow = flow
    this.#events = events
    encoded(request)
    this.#machine = new ClientTransaction(request, isReliable(flow), clock.nowMs())
    this.#drive = new Drive({
      machine: this.#machine,
      clock,
      settled: () => this.#settle(),
      perform: (output) => {
        if (output.kind === 'send') this.#flow.send(encoded(output.request))
        else if (output.kind === 'pass') this.#events.onResponse(output.response)
        else this.#fail(output.reason)
      },
    })
  }

  get flow(): Flow {
    return this.#flow
  }

  /** For the layer. */
  moved(flow: Flow): void {
    this.#flow = flow
  }

  /** Without an answer it is sent again: nobody knows what the lost connection has carried. */
  repeat(): void {
    if (!this.isUnanswered) return
    this.#flow.send(encoded(this.request))
    this.#endIfSilent = this.#flow.watchSilence?.()
  }

  /** True when the owner goes on without the connection for a while. */
  outlivesFlow(): boolean {
    return this.#events.onFlowLost?.() ?? false
  }

  start(): void {
    this.#drive.feed({ kind: 'start' })
    this.#endIfSilent = this.#flow.watchSilence?.()
  }

  /** It waits for a final response. */
  get isUnanswered(): boolean {
    const { state } = this.#machine
    return state !== 'accepted' && state !== 'completed' && state !== 'terminated'
  }

  receive(response: SipResponse): void {
    this.#hasResponse = true
    this.#drive.feed({ kind: 'response', response })
  }

  /** The flow is gone. */
  fail(): void {
    this.#drive.feed({ kind: 'transport' })
  }

  /** Stops waiting for the final response to an INVITE that has shown a provisional one. */
  abandon(): void {
    this.#drive.feed({ kind: 'abandon' })
  }

  #fail(reason: 'timeout' | 'transport'): void {
    if (reason === 'timeout') this.#endIfSilent?.()
    this.#events.onFailed(this.#noAnswer(reason))
  }

  /** Silence about a request that large is most likely its size. */
  #noAnswer(reason: 'timeout' | 'transport'): NoAnswer {
    const isLikelyLost = reason === 'timeout' && !this.#hasResponse && isTooLarge(this.request, this.#flow)
    return isLikelyLost ? 'too-large' : reason
  }

  #settle(): void {
    if (this.#machine.state !== 'terminated' || this.#isOver) return
    this.#isOver = true
    this.onOver?.()
    this.#events.onEnd?.()
  }
}
