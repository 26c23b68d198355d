import { formatAddress } from '../address.ts'
import type { Clock } from '../clock.ts'
import { MediaFailure } from '../failure.ts'
import type { NativePorts } from '../native/boundary.ts'
import { named } from '../system-failure.ts'
import type { PortPool } from './port-pool.ts'

/** Ports that another process holds are passed over this many times. */
const BIND_ATTEMPTS = 16

/** Opens something on a port of the pool that can be bound, which stays leased. Throws `media.no-port`, `media.overload`, `media.system-limit`. */
export function onFreePorts<Made>(
  { ports, clock }: { readonly ports: PortPool; readonly clock: Clock },
  address: string,
  open: (ports: NativePorts) => Made,
): { readonly made: Made; readonly port: number } {
  for (let attempt = 1; ; attempt++) {
    const port = ports.lease(clock.now())
    try {
      return { made: named(() => open({ address, rtpPort: port }), formatAddress({ address, port })), port }
    } catch (failure) {
      ports.release(port, clock.now())
      const isTaken = failure instanceof MediaFailure && failure.seen === 'EADDRINUSE'
      if (!isTaken || attempt === BIND_ATTEMPTS) throw failure
    }
  }
}
