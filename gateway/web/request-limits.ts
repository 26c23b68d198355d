import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { PartyRates } from '../../sip/party-rates.ts'
import { addressGroup } from '../../sip/transport/address-group.ts'
import { respond } from './respond.ts'

/**
 * Requests of one IPv4 address or IPv6 /64. A request costs a tenth of a millisecond; a page is four files, and 500 softphones
 * behind one address may load it again at once.
 */
export const REQUEST_RATE = { perSecond: 200, burst: 2_000 } as const

/** How fast clients of the web server may ask. WebSockets have limits of their own, and connections too. */
export class RequestLimits {
  readonly #clientOf: (request: IncomingMessage) => string
  readonly #rates = new PartyRates()
  readonly #last = new WeakMap<Duplex, ServerResponse>()
  readonly #counters = { pipelined: 0, tooManyRequests: 0 }

  /** `clientOf`: the address of who asks, behind proxies too. */
  constructor(clientOf: (request: IncomingMessage) => string) {
    this.#clientOf = clientOf
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
  }

  /** False for one that is not to be answered any more. */
  admit(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request
    // Node hands on all that one read has brought, 1 600 requests in one turn, and lets nothing else happen before they are
    // answered. Whoever waits for answers, as browsers and proxies do, asks one by one.
    if (this.#last.get(socket)?.writableFinished === false) {
      this.#counters.pipelined += 1
      socket.destroy()
      return false
    }
    this.#last.set(socket, response)
    const group = addressGroup(this.#clientOf(request))
    if (this.#rates.take(group, REQUEST_RATE, performance.now())) return true
    this.#counters.tooManyRequests += 1
    // The connection ends: how many of them there are in a second is limited.
    respond(response, 429, TOO_MANY, { Connection: 'close', 'Retry-After': '5' })
    return false
  }
}

const TOO_MANY = { type: 'text/plain; charset=utf-8', content: 'too many requests\n' } as const
