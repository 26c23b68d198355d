import type { Log } from '../../config/logging.ts'
import type { Flow } from '../../sip/flow.ts'
import { buildResponse, stampRequest } from '../../sip/message/build.ts'
import { formatMessage } from '../../sip/message/format.ts'
import type { SipRequest } from '../../sip/message/message.ts'
import { parseMessage } from '../../sip/message/parser.ts'
import { readable } from '../../sip/message/readable.ts'
import { TokenBucket } from '../../sip/token-bucket.ts'
import { verdictOf } from '../diagnosis.ts'
import { reasonHeader, verdictFields } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'

/** What is read of all strangers together, and answered: enough for an admin with a wrong address, no use for reflecting a flood. */
const READ_PER_SECOND = 10
const READ_BURST = 20

export interface StrangersOptions {
  readonly nowMs: () => number
  readonly log: Log
  /** Otherwise it may be one that name servers have yet to tell of. */
  readonly areTrunksKnown: () => boolean
}

/**
 * Peers that are no trunk. Over UDP their sources may be forged, so they get no transaction (whose retransmissions would
 * amplify a flood) and no more than one 403 each request, shorter than the request, within a rate; the rest is counted. None while it may
 * be a trunk that comes too early: that one asks again, and would take a 403 for the last word.
 */
export class Strangers {
  readonly #options: StrangersOptions
  readonly #bucket: TokenBucket
  readonly #counters = { refused: 0, silent: 0, garbage: 0 }

  constructor(options: StrangersOptions) {
    this.#options = options
    this.#bucket = new TokenBucket(READ_PER_SECOND, READ_BURST, options.nowMs())
  }

  /** One datagram, or one message of a connection, which is closed then. Never throws for what a peer sent. */
  receive(bytes: Buffer, flow: Flow): void {
    this.#answer(bytes, flow)
    flow.close('stranger')
  }

  #answer(bytes: Buffer, flow: Flow): void {
    // Before it is read, which takes twenty times as long as dropping it, and much longer where it was made for that.
    if (!this.#bucket.take(this.#options.nowMs())) {
      this.#counters.silent += 1
      return
    }
    const request = readRequest(bytes, flow)
    if (request === undefined) {
      this.#counters.garbage += 1
      return
    }
    const { log, areTrunksKnown } = this.#options
    const source = flow.remote.address
    if (!areTrunksKnown()) {
      this.#counters.silent += 1
      log.warn('stranger not answered: name servers have yet to tell of a trunk', {
        source,
        method: request.method,
      })
      return
    }
    const answer = formatMessage(refusalOf(request))
    if (request.method === 'ACK' || answer.length > bytes.length + MAX_GROWTH) {
      this.#counters.silent += 1
      return
    }
    this.#counters.refused += 1
    log.warn('stranger refused', {
      source,
      method: request.method,
      ...verdictFields(VERDICT),
    })
    flow.send(answer)
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
  }
}

/** received and rport, and our Reason: an answer is never much longer than what it answers. */
const MAX_GROWTH = 128

const VERDICT = verdictOf(new GatewayFailure('call.forbidden'))

const refusalOf = (request: SipRequest) =>
  buildResponse(request, VERDICT.status, { toTag: 'stranger', headers: [reasonHeader(VERDICT)] })

/** With the Via of its answer. */
function readRequest(bytes: Buffer, flow: Flow): SipRequest | undefined {
  return readable(() => {
    const message = parseMessage(bytes)
    return message.kind === 'request' ? stampRequest(message, flow.remote) : undefined
  })
}
