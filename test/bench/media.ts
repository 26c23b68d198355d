/**
 * `npm run bench`: the gateway's media engine and rtpengine (userspace) side by side, the same calls from the same load
 * generator, in turns. A table, and as the last line the gateway's CPU per packet over rtpengine's at 500 calls.
 */

import { fileURLToPath } from 'node:url'
import { type BenchOptions, readArguments, USAGE } from './media/arguments.ts'
import { type Cell, measure, type Sample } from './media/measurement.ts'
import {
  cpuUsPerPacket,
  isDisturbed,
  lossShare,
  othersShare,
  type Row,
  ratio,
  summarise,
  wrongPackets,
} from './media/summary.ts'
import { formatTable } from './media/table.ts'

const RATIO_CALLS = 500
/** `run.mjs` has it built there, beside this. */
const LOAD_PROGRAM = fileURLToPath(new URL('load', import.meta.url))

function* cells({ scenarios, calls, rounds, systems }: BenchOptions): Generator<Cell> {
  for (const scenario of scenarios)
    for (const count of calls)
      for (let round = 0; round < rounds; round += 1)
        for (const system of systems) yield { scenario, system, calls: count }
}

function tell(sample: Sample): void {
  const { load, scenario, system, calls } = sample
  const words = [
    `${scenario} ${calls} ${system}:`,
    `${cpuUsPerPacket(sample).toFixed(2)} us/packet,`,
    `p50 ${(load.latencyNs.p50 / 1e6).toFixed(3)} ms,`,
    `loss ${(lossShare(sample) * 100).toFixed(3)} %`,
  ]
  if (wrongPackets(sample) > 0) words.push(`wrong packets ${JSON.stringify(load.faults)}`)
  if (isDisturbed(sample)) {
    words.push(
      `(disturbed: ${(othersShare(sample) * 100).toFixed(0)} % of the core went to others, ${load.late} packets left late, at most ${(load.mostLateNs / 1e6).toFixed(1)} ms, generator lost ${load.overflowed})`,
    )
  }
  console.log(words.join(' '))
}

/** The calls nearest to those that the ratio is defined for. */
function finalRatio(rows: readonly Row[], { scenarios, calls }: BenchOptions): string {
  const count = calls.includes(RATIO_CALLS) ? RATIO_CALLS : (calls.at(-1) ?? RATIO_CALLS)
  const [scenario] = scenarios
  return (scenario === undefined ? undefined : ratio(rows, scenario, count))?.toFixed(3) ?? 'not-measured'
}

async function run(options: BenchOptions): Promise<void> {
  const samples: Sample[] = []
  for (const cell of cells(options)) {
    const sample = await measure(cell, { program: LOAD_PROGRAM, ...options })
    tell(sample)
    samples.push(sample)
  }
  const rows = summarise(samples)
  console.log(`\n${formatTable(rows)}\n`)
  console.log(`ratio_cpu_per_packet=${finalRatio(rows, options)}`)
}

let options: BenchOptions | undefined
try {
  options = readArguments(process.argv.slice(2))
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  process.exitCode = 64
}
if (options !== undefined) await run(options)
