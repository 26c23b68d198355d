import { formatAddress } from '../address.ts'
import type { LegStats } from '../engine.ts'
import type { NativeLegStats } from '../native/boundary.ts'
import type { RelayLane } from '../relay/relay-lane.ts'
import type { Leg } from './leg-opening.ts'
import type { LegReports } from './leg-reports.ts'
import { type LegRouting, sumOf } from './leg-routing.ts'

/** A leg of a session, as far as figures of it are kept. */
export interface MeasuredLeg {
  readonly lane: RelayLane
  readonly leg: Leg
  readonly routing: LegRouting
  readonly reports: LegReports
  /** The last figures of a leg that is no longer in the relay. */
  readonly final: NativeLegStats | undefined
}

const NO_FIGURES: NativeLegStats = {
  packetsReceived: 0,
  octetsReceived: 0,
  packetsSent: 0,
  octetsSent: 0,
  payloadSamples: 0,
  flatSamples: 0,
  drops: {},
  remote: undefined,
}

/** All that is known of a leg, from wherever it is known. Field by field: spread objects cost twenty times as much to make. */
export function legStats({ lane, leg, routing, reports, final }: MeasuredLeg): LegStats {
  const counts = final ?? lane.relay.stats(leg.id) ?? NO_FIGURES
  const quality = reports.quality()
  return {
    packetsReceived: counts.packetsReceived,
    octetsReceived: counts.octetsReceived,
    packetsSent: counts.packetsSent,
    octetsSent: counts.octetsSent,
    payloadSamples: counts.payloadSamples,
    flatSamples: counts.flatSamples,
    drops: sumOf(counts.drops, routing.dropsElsewhere()),
    remote: counts.remote === undefined ? undefined : formatAddress(counts.remote),
    suite: leg.suite,
    lossRatio: quality.lossRatio,
    jitterMs: quality.jitterMs,
    rttMs: quality.rttMs,
    mos: quality.mos,
    remoteLossRatio: quality.remoteLossRatio,
    remoteJitterMs: quality.remoteJitterMs,
    peerReports: reports.ofPeer.peerReports,
    emptyReports: reports.ofPeer.emptyReports,
    clockRatio: quality.clockRatio,
  }
}
