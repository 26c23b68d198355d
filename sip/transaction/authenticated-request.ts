import { credentialsIn, type DigestAttempt } from '../authentication/digest-client.ts'
import type { Flow } from '../flow.ts'
import type { Header, SipRequest, SipResponse, Via } from '../message/message.ts'
import type { ClientEvents, ClientExchange } from './client-exchange.ts'
import type { TransactionLayer } from './transaction-layer.ts'

export interface AuthenticatedRequestOptions {
  readonly transactions: TransactionLayer
  readonly flow: Flow
  readonly attempt: DigestAttempt
  /** A Via with a branch of its own. */
  readonly via: () => Via
  /** The next number of the dialog, or of the Call-ID. */
  readonly nextCseq: () => number
  readonly events: RequestEvents
}

export interface RequestEvents extends ClientEvents {
  /** A challenge was answered: what follows is about this request. */
  onAgain?(request: SipRequest): void
}

/** A request of ours that answers challenges by itself; its owner sees the response that counts. */
export class AuthenticatedRequest {
  readonly #options: AuthenticatedRequestOptions
  #exchange: ClientExchange

  constructor(options: AuthenticatedRequestOptions, request: SipRequest) {
    this.#options = options
    this.#exchange = this.#send(request)
  }

  /** See `ClientExchange.abandon`. */
  abandon(): void {
    this.#exchange.abandon()
  }

  #send(request: SipRequest): ClientExchange {
    const { transactions, flow, events } = this.#options
    return transactions.send(request, flow, {
      ...events,
      onResponse: (response) => {
        const next = this.#answered(request, response)
        if (next === undefined) {
          events.onResponse(response)
          return
        }
        events.onAgain?.(next)
        this.#exchange = this.#send(next)
      },
      onReplaced: (exchange) => {
        this.#exchange = exchange
      },
    })
  }

  /** The same Call-ID, the next number (RFC 3261 §22.2). */
  #answered(request: SipRequest, response: SipResponse): SipRequest | undefined {
    const { attempt, via, nextCseq } = this.#options
    if (!attempt.take(response)) return undefined
    return renewed(request, via(), nextCseq(), attempt.headers(request.method, request.uri.text))
  }
}

function renewed(request: SipRequest, via: Via, number: number, answers: readonly Header[]): SipRequest {
  const old = new Set(credentialsIn(request))
  const headers = request.headers.flatMap((header) => {
    if (old.has(header)) return []
    if (header.name === 'Via') return [{ name: 'Via', value: via.text }]
    if (header.name === 'CSeq') return [{ name: 'CSeq', value: `${number} ${request.method}` }]
    return [header]
  })
  return Object.freeze({
    ...request,
    headers: Object.freeze([...headers, ...answers]),
    via: [via],
    cseq: { number, method: request.method },
  })
}
