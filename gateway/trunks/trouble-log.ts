import type { Log } from '../../config/logging.ts'
import type { SocketAddress } from '../../sip/flow.ts'
import { formatHostPort } from '../../sip/message/uri.ts'
import { PartyRates } from '../../sip/party-rates.ts'
import type { SipTransport } from '../../sip/routing/locate.ts'

/** Lines about connections of one trunk: whoever has its address may fail as many handshakes as it likes. */
export const TROUBLE_RATE = { perSecond: 0.2, burst: 20 } as const

/** Tells of connections to and from trunks, and of datagrams to them, that have failed; beyond a rate they are counted by the transport alone. */
export class TroubleLog {
  readonly #log: Log
  readonly #nowMs: () => number
  readonly #rates = new PartyRates()

  constructor(log: Log, nowMs: () => number) {
    this.#log = log
    this.#nowMs = nowMs
  }

  tell(trunk: string, transport: SipTransport, { address, port }: SocketAddress, reason: string): void {
    if (!this.#rates.take(trunk, TROUBLE_RATE, this.#nowMs())) return
    const remote = formatHostPort(address, port)
    const message = transport === 'udp' ? 'trunk cannot be sent to' : 'trunk connection failed'
    this.#log.warn(message, { trunk, transport, remote, reason })
  }
}
