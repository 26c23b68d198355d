import type { LogFields } from '../../config/log-line.ts'
import type { Log } from '../../config/logging.ts'
import { PartyRates, type Rate } from '../../sip/party-rates.ts'

/** Lines about devices of one user that come and go; what is past it is told at `debug`. */
const NEWS_RATE: Rate = { perSecond: 1, burst: 60 }

/** What is said of devices that come and go: a script with one good password could register and sign off as fast as it can write. */
export class RegistrationNews {
  readonly #log: Log
  readonly #nowMs: () => number
  readonly #rates = new PartyRates()

  constructor(log: Log, nowMs: () => number) {
    this.#log = log
    this.#nowMs = nowMs
  }

  /** A device has come, gone or moved. */
  tell(message: string, user: string, more: LogFields): void {
    const isTold = this.#rates.take(user, NEWS_RATE, this.#nowMs())
    this.#log[isTold ? 'info' : 'debug'](message, { user, ...more })
  }

  /** A refresh every few minutes of every browser is no event. */
  tellRefresh(user: string, more: LogFields): void {
    this.#log.debug('registration', { user, ...more })
  }
}
