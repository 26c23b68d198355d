import type { BenchOptions, Scenario, SystemName } from './arguments.ts'
import type { Capacity } from './capacity.ts'
import { type Machine, machineLine } from './machine.ts'
import type { Sample } from './measurement.ts'
import { drawPlot, type Panel } from './plot.ts'
import {
  cpuUsPerPacket,
  isDisturbed,
  lossShare,
  othersShare,
  type Row,
  ratio,
  wrongPackets,
} from './summary.ts'

export interface CapacityRow extends Capacity {
  readonly scenario: Scenario
  readonly system: SystemName
}

const NAMES: Readonly<Record<SystemName, string>> = {
  gateway: 'gateway',
  shared: 'shared ports',
  rtpengine: 'rtpengine',
}
const COLOURS: Readonly<Record<SystemName, string>> = {
  gateway: '#1565c0',
  shared: '#00897b',
  rtpengine: '#d84315',
}
const TITLES: Readonly<Record<Scenario, string>> = { sdes: 'RTP <-> SDES-SRTP', dtls: 'RTP <-> DTLS-SRTP' }
const RATIO_CALLS = 500

/** One round in one line. */
export function sampleLine(sample: Sample): string {
  const { load, scenario, system, calls } = sample
  const words = [
    `${scenario} ${calls} ${system}:`,
    `${cpuUsPerPacket(sample).toFixed(2)} us/packet,`,
    `p50 ${(load.latencyNs.p50 / 1e6).toFixed(3)} ms,`,
    `loss ${(lossShare(sample) * 100).toFixed(3)} %`,
  ]
  if (wrongPackets(sample) > 0) words.push(`wrong packets ${JSON.stringify(load.faults)}`)
  if (Object.keys(sample.drops).length > 0) words.push(`dropped ${JSON.stringify(sample.drops)}`)
  if (isDisturbed(sample)) words.push(`(disturbed: ${disturbance(sample)})`)
  return words.join(' ')
}

function disturbance(sample: Sample): string {
  const { load } = sample
  return [
    `${(othersShare(sample) * 100).toFixed(0)} % of the core went to others`,
    `${load.late} packets left late, at most ${(load.mostLateNs / 1e6).toFixed(1)} ms`,
    `the generator lost ${load.overflowed + load.unsent}`,
  ].join(', ')
}

/** The gateway's CPU per packet over rtpengine's, each in a line; the last is that of a browser's call at 500 calls. */
export function ratioLines(
  rows: readonly Row[],
  { scenarios, calls, systems }: BenchOptions,
): readonly string[] {
  const all = scenarios.flatMap((scenario) =>
    calls.flatMap((count) =>
      systems
        .filter((system) => system !== 'rtpengine')
        .flatMap((system) => {
          const value = ratio(rows, scenario, count, system)
          return value === undefined
            ? []
            : [`ratio_cpu_per_packet_${scenario}_${count}_${system}=${value.toFixed(3)}`]
        }),
    ),
  )
  const count = calls.includes(RATIO_CALLS) ? RATIO_CALLS : (calls.at(-1) ?? RATIO_CALLS)
  const scenario = scenarios.at(-1) ?? 'dtls'
  const value = ratio(rows, scenario, count, 'gateway')?.toFixed(3) ?? 'not-measured'
  return [...all, `ratio_cpu_per_packet=${value}`]
}

export const capacityLine = ({ scenario, system, calls, isAtLeast }: CapacityRow): string =>
  `capacity of one core, ${TITLES[scenario]}, ${NAMES[system]}: ${isAtLeast ? 'at least ' : ''}${calls} calls`

/** What is wrong with what the gateway did, or with anybody's packets; times are never. Empty when nothing is. */
export function troubles(samples: readonly Sample[]): readonly string[] {
  return samples.flatMap((sample) => {
    const { scenario, system, calls, load } = sample
    const name = `${scenario} ${calls} ${system}`
    const wrong = wrongPackets(sample)
    // What the generator itself had no place for was forwarded.
    const lost = Math.max(0, load.lost - load.overflowed - load.unsent)
    return [
      ...(wrong > 0 ? [`${name}: ${wrong} wrong packets ${JSON.stringify(load.faults)}`] : []),
      ...(lost > 0 && system !== 'rtpengine' ? [`${name}: ${lost} of ${load.sent} packets lost`] : []),
    ]
  })
}

/** CPU per packet of each system against calls, a panel for each scenario. */
export function plotOf(rows: readonly Row[], machine: Machine): string {
  const scenarios = [...new Set(rows.map(({ scenario }) => scenario))]
  const systems = [...new Set(rows.map(({ system }) => system))]
  const panels = scenarios.map((scenario): Panel => {
    const lines = systems.map((system) => ({
      name: NAMES[system],
      colour: COLOURS[system],
      points: rows
        .filter((row) => row.scenario === scenario && row.system === system)
        .map(({ calls, cpuUsPerPacket: us }) => ({ calls, us })),
    }))
    return { title: TITLES[scenario], lines: lines.filter(({ points }) => points.length > 0) }
  })
  return drawPlot(panels, machineLine(machine))
}

/** Everything, for machines. */
export function reportOf(parts: {
  readonly machine: Machine
  readonly command: string
  readonly options: BenchOptions
  readonly samples: readonly Sample[]
  readonly rows: readonly Row[]
  readonly capacities: readonly CapacityRow[]
}): string {
  return `${JSON.stringify(parts, undefined, 2)}\n`
}
