import type { Cell, Sample } from './measurement.ts'

/**
 * The rounds of a cell in one row: medians of those that were not disturbed (of all, if all were), and nothing wrong is forgotten.
 */
export interface Row extends Cell {
  readonly rounds: number
  readonly cpuUsPerPacket: number
  /** Share of the system's core. */
  readonly coreShare: number
  readonly lossShare: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly kiBPerCall: number
  /** CPU of the system to open a call, and for its handshake; undefined where it has none. */
  readonly setUpMs: number
  readonly handshakeMs: number | undefined
  /** Share of the system's core that went to others meanwhile: above a few per cent its caches are not its own. */
  readonly othersShare: number
  /** Datagrams lost in receive queues of the system, all rounds together. */
  readonly queueDrops: number
  /** Packets that the system dropped by its own account, all rounds together. */
  readonly ownDrops: number
  /** Packets that were not what they should be, all rounds together. */
  readonly wrong: number
  /** Rounds in which the generator was held up, or others had much of the system's core. */
  readonly disturbed: number
}

/** Of its packets, so many may be late before a round is called disturbed. */
const LATE_SHARE = 0.001

/** So much of the system's core may go to others. */
const MOST_OF_OTHERS = 0.05

/** 0 when there is nothing; of an even number the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const [below = 0, above = 0] = [sorted[middle - 1], sorted[middle]]
  return sorted.length % 2 === 0 ? (below + above) / 2 : above
}

export const cpuUsPerPacket = ({ load }: Sample): number => load.systemNs / 1e3 / load.forwarded
export const lossShare = ({ load }: Sample): number => load.lost / load.sent
export const wrongPackets = ({ load }: Sample): number =>
  Object.values(load.faults).reduce((sum, count) => sum + count, 0)
/** 0 or more: the two are counted in different ways. */
export const othersShare = ({ load }: Pick<Sample, 'load'>): number =>
  Math.max(0, (load.coreNs - load.systemNs) / load.windowNs)
export const isDisturbed = ({ load }: Pick<Sample, 'load'>): boolean =>
  load.late > load.sent * LATE_SHARE ||
  othersShare({ load }) > MOST_OF_OTHERS ||
  load.overflowed > 0 ||
  load.unsent > 0

/** What a core that holds so many calls must show, all at once: loss alone flatters. */
const MOST_LOSS = 0.001
const MOST_P50_NS = 5e6

export const isWithinLimits = (sample: Sample): boolean =>
  lossShare(sample) < MOST_LOSS && sample.load.latencyNs.p50 < MOST_P50_NS

/** One row for each cell, in the order in which they come. */
export function summarise(samples: readonly Sample[]): readonly Row[] {
  const cells = new Map<string, Sample[]>()
  for (const sample of samples) {
    const name = `${sample.scenario} ${sample.calls} ${sample.system}`
    cells.set(name, [...(cells.get(name) ?? []), sample])
  }
  return [...cells.values()].map(rowOf)
}

function rowOf(rounds: readonly Sample[]): Row {
  const [first] = rounds
  if (first === undefined) throw new Error('a cell without a round')
  const calm = rounds.filter((sample) => !isDisturbed(sample))
  const middle = (value: (sample: Sample) => number): number =>
    median((calm.length > 0 ? calm : rounds).map(value))
  const sum = (value: (sample: Sample) => number): number =>
    rounds.map(value).reduce((total, one) => total + one, 0)
  const { scenario, system, calls } = first
  return {
    scenario,
    system,
    calls,
    rounds: rounds.length,
    cpuUsPerPacket: middle(cpuUsPerPacket),
    coreShare: middle(({ load }) => load.systemNs / load.windowNs),
    lossShare: middle(lossShare),
    p50Ms: middle(({ load }) => load.latencyNs.p50 / 1e6),
    p99Ms: middle(({ load }) => load.latencyNs.p99 / 1e6),
    p999Ms: middle(({ load }) => load.latencyNs.p999 / 1e6),
    kiBPerCall: middle(({ grownKiB }) => grownKiB / calls),
    setUpMs: middle(({ setUpMs }) => setUpMs / calls),
    handshakeMs:
      first.handshakeMs === undefined ? undefined : middle(({ handshakeMs = 0 }) => handshakeMs / calls),
    othersShare: middle(othersShare),
    ownDrops: sum(({ drops }) => Object.values(drops).reduce((total, count) => total + count, 0)),
    queueDrops: sum(({ queueDrops }) => queueDrops),
    wrong: sum(wrongPackets),
    disturbed: sum((sample) => (isDisturbed(sample) ? 1 : 0)),
  }
}

/** A gateway's CPU per packet over rtpengine's; undefined where one of them was not measured. */
export function ratio(
  rows: readonly Row[],
  scenario: Row['scenario'],
  calls: number,
  gateway: Row['system'],
): number | undefined {
  const of = (system: Row['system']): number | undefined =>
    rows.find((row) => row.scenario === scenario && row.calls === calls && row.system === system)
      ?.cpuUsPerPacket
  const [own, theirs] = [of(gateway), of('rtpengine')]
  return own === undefined || theirs === undefined ? undefined : own / theirs
}
