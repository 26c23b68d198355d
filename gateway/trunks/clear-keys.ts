import type { TrunkConfig } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'

/**
 * One warning for each trunk whose media keys anyone on the way of its signalling can read (RFC 4568 §8.3). Not refused: in a
 * network of one's own, SRTP against casual listeners may be all that is wanted.
 */
export function warnOfClearKeys(trunks: readonly TrunkConfig[], log: Pick<Log, 'warn'>): void {
  for (const { name, media, osrtp, transport } of trunks) {
    const hasKeys = media === 'sdes' || osrtp !== 'off'
    if (!hasKeys || transport === 'tls') continue
    log.warn('media keys of this trunk travel in clear: its signalling is not TLS', {
      trunk: name,
      transport,
    })
  }
}
