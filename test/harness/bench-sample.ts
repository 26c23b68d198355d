import type { LoadResult } from '../bench/media/load-generator.ts'
import type { Cell, Sample } from '../bench/media/measurement.ts'

/** A run of 10 000 packets in 2 s, at 5 us each, with nothing wrong in it. */
const LOAD: LoadResult = {
  sent: 10_000,
  lost: 0,
  forwarded: 10_000,
  systemNs: 50_000_000,
  windowNs: 2_000_000_000,
  coreNs: 110_000_000,
  ownNs: 2_000_000_000,
  late: 0,
  mostLateNs: 0,
  overflowed: 0,
  unsent: 0,
  rtcp: 0,
  other: 0,
  faults: { payload: 0, duplicate: 0 },
  latencyNs: { samples: 10_000, p50: 40_000, p99: 200_000, p999: 1_500_000 },
}

/** A round of the media bench at 500 calls, as if it had been measured. */
export function benchSample(
  system: Cell['system'],
  scenario: Cell['scenario'],
  load: Partial<LoadResult> = {},
): Sample {
  return {
    scenario,
    system,
    calls: 500,
    load: { ...LOAD, ...load },
    setUpMs: 500,
    handshakeMs: scenario === 'dtls' ? 250 : undefined,
    grownKiB: 3_000,
    drops: {},
    queueDrops: 0,
  }
}
