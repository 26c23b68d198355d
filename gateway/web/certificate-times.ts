import { X509Certificate } from 'node:crypto'
import type { Config } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { SipEnvironment } from '../../sip/user-agent.ts'
import type { TrunkSockets } from '../trunks/trunk-sockets.ts'
import type { WebServer } from './web.ts'

/** Programs that renew certificates do so a month before the end: one that has less than this is one that nobody renews. */
export const SOON_DAYS = 14
const DAY_MS = 86_400_000

export interface CertificateTimesOptions {
  /** PEM of each certificate that we show now, by its file. */
  readonly shown: () => ReadonlyMap<string, string>
  readonly environment: Pick<SipEnvironment, 'nowMs' | 'schedule'>
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly dateMs: () => number
}

/** What browsers and trunks are shown: by listeners of the page and of SIP over TLS. */
export function shownCertificates(
  { tls, upstream }: Pick<Config, 'tls' | 'upstream'>,
  web: Pick<WebServer, 'certificates'>,
  { transports, pbxTransports }: Pick<TrunkSockets, 'transports' | 'pbxTransports'>,
): ReadonlyMap<string, string> {
  const file = (tls ?? upstream?.certificate)?.certificate
  const pem = transports.certificate ?? pbxTransports?.certificate
  return new Map([
    ...(file === undefined || pem === undefined ? [] : [[file, pem] as const]),
    ...web.certificates.map(({ files, shown }) => [files.certificate, shown()] as const),
  ])
}

/** Whole days until its end, less than 0 after it. */
export const daysLeft = ({ validTo }: X509Certificate, dateMs: number): number =>
  Math.floor((Date.parse(validTo) - dateMs) / DAY_MS)

/** How long our certificates are good for. At the start and once a day the log says which will not be for long. */
export class CertificateTimes {
  readonly #options: CertificateTimesOptions
  #cancel = (): void => undefined

  constructor(options: CertificateTimesOptions) {
    this.#options = options
    this.#look()
  }

  daysLeft(): ReadonlyMap<string, number> {
    const { shown, dateMs } = this.#options
    return new Map([...shown()].map(([file, pem]) => [file, daysLeft(new X509Certificate(pem), dateMs())]))
  }

  /** May be called twice. */
  close(): void {
    this.#cancel()
  }

  #look(): void {
    const { environment, log } = this.#options
    for (const [file, days] of this.daysLeft()) {
      if (days < 0) log.error('certificate has expired, browsers and peers refuse it', { file })
      else if (days < SOON_DAYS) log.warn('certificate expires soon', { file, days })
    }
    this.#cancel = environment.schedule(environment.nowMs() + DAY_MS, () => this.#look())
  }
}
