import { type Flow, isReliable } from '../flow.ts'
import { buildResponse } from '../message/build.ts'
import { encoded } from '../message/encoded.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { ResponseOptions } from '../user-agent-contract.ts'
import type { Clock } from './clock.ts'
import { Drive } from './drive.ts'
import { ServerTransaction } from './server-transaction.ts'

/** A request of a peer that is being answered. */
export class ServerExchange {
  readonly request: SipRequest
  #flow: Flow
  /** The To tag of every response to a request that came without one. */
  readonly localTag: string
  /** Set by the layer. */
  onOver: (() => void) | undefined
  onEnd: (() => void) | undefined
  /** CANCEL for this INVITE, answered 200 already; called only while a final response is due. */
  onCancel: ((cancel: SipRequest) => void) | undefined
  readonly #machine: ServerTransaction
  readonly #drive: Drive<
    Parameters<ServerTransaction['handle']>[0],
    ReturnType<ServerTransaction['handle']>[number]
  >
  readonly #product: string
  #isOver = false
  #hasResponded = false

  constructor(
    request: SipRequest,
    flow: Flow,
    clock: Clock,
    product: string,
    passAck: (ack: SipRequest) => void,
  ) {
    this.request = request
    this.#flow = flow
    this.localTag = clock.token()
    this.#product = product
    this.#machine = new ServerTransaction(request, isReliable(flow), clock.nowMs())
    this.#drive = new Drive({
      machine: this.#machine,
      clock,
      settled: () => this.#settle(),
      perform: (output) => {
        if (output.kind === 'send') this.#flow.send(encoded(output.response))
        else passAck(output.ack)
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

  /** True as long as no final response was given. */
  get isPending(): boolean {
    return this.#machine.isPending
  }

  /**
   * 100, when nothing has been said yet. Who has heard it does not repeat the INVITE any more, and a final response that is sent
   * once must not come behind it (RFC 3261 §8.2.7).
   */
  trying(): void {
    if (!this.#hasResponded) this.respond(100)
  }

  /** Ignored after a final response. Returns what was sent. */
  respond(status: number, options: ResponseOptions = {}): SipResponse | undefined {
    return this.respondTagged(status, this.localTag, options)
  }

  respondTagged(status: number, toTag: string, options: ResponseOptions = {}): SipResponse | undefined {
    if (!this.isPending) return undefined
    this.#hasResponded = true
    const headers = [...(options.headers ?? []), { name: 'Server', value: this.#product }]
    const response = buildResponse(this.request, status, { ...options, headers, toTag })
    encoded(response)
    this.#drive.feed({ kind: 'respond', response, isOnce: options.isOnce ?? false })
    return response
  }

  /** A provisional response that was sent before, again. */
  resend(response: SipResponse): void {
    if (this.isPending) this.#drive.feed({ kind: 'respond', response })
  }

  /** The request came again. */
  repeat(): void {
    this.#drive.feed({ kind: 'request' })
  }

  acknowledge(ack: SipRequest): void {
    this.#drive.feed({ kind: 'ack', ack })
  }

  #settle(): void {
    if (this.#machine.state !== 'terminated' || this.#isOver) return
    this.#isOver = true
    this.onOver?.()
  }
}
