/**
 * `npm run bench`: the gateway's media engine and rtpengine (userspace) side by side, the same calls from the same load
 * generator, in turns. A table, JSON and a plot in dist/bench, and as the last line the gateway's CPU per packet over
 * rtpengine's, of browsers' calls at 500 of them. Ends with status 1 when the gateway lost a packet below its capacity or
 * anybody's packet was wrong, never because of a time.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ArgumentError, type BenchOptions, readArguments, USAGE } from './media/arguments.ts'
import { findCapacity, type Verdict } from './media/capacity.ts'
import { describeMachine, machineLine, mostOpenFiles } from './media/machine.ts'
import { type Cell, measure, type Sample } from './media/measurement.ts'
import {
  type CapacityRow,
  capacityLine,
  plotOf,
  ratioLines,
  reportOf,
  sampleLine,
  troubles,
} from './media/report.ts'
import { cellsOf } from './media/rounds.ts'
import { isDisturbed, isWithinLimits, type Row, summarise } from './media/summary.ts'
import { formatMarkdown, formatTable } from './media/table.ts'

/** `run.mjs` has it built there, beside this. */
const LOAD_PROGRAM = fileURLToPath(new URL('load', import.meta.url))
const REPORT = fileURLToPath(new URL('media.json', import.meta.url))
const TABLE = fileURLToPath(new URL('media.md', import.meta.url))
const PLOT = fileURLToPath(new URL('media.svg', import.meta.url))
/** Two port pairs for a call, beside what a process has open anyway. */
const FILES_PER_CALL = 4
const OTHER_FILES = 200
/** The most the generator can be asked for. */
const MOST_CALLS = 6_000
/** Where a search begins when there is nothing to guess from, and what share of a core is aimed at when there is. */
const FIRST_GUESS = 800
const GUESSED_SHARE = 0.8
/** Of one number of calls, while it was too many in rounds that others disturbed. */
const MOST_TRIES = 3

async function measureOne(cell: Cell, options: BenchOptions): Promise<Sample> {
  const sample = await measure(cell, { program: LOAD_PROGRAM, ...options })
  console.log(sampleLine(sample))
  return sample
}

async function measureAll(options: BenchOptions, deadlineMs: number): Promise<readonly Sample[]> {
  const cells = cellsOf(options)
  const samples: Sample[] = []
  for (const cell of cells) {
    if (performance.now() > deadlineMs) {
      console.log(`time is up: ${samples.length} of ${cells.length} measured`)
      break
    }
    samples.push(await measureOne(cell, options))
  }
  return samples
}

async function measureCapacities(
  rows: readonly Row[],
  options: BenchOptions,
  deadlineMs: number,
): Promise<readonly CapacityRow[]> {
  const found: CapacityRow[] = []
  for (const scenario of options.scenarios) {
    for (const system of options.systems) {
      const judge = (calls: number): Promise<Verdict> =>
        judgeCalls({ scenario, system, calls }, options, deadlineMs)
      const most = Math.min(MOST_CALLS, mostCalls())
      const row = { scenario, system, ...(await findCapacity(guess(rows, scenario, system), most, judge)) }
      console.log(capacityLine(row))
      found.push(row)
    }
  }
  return found
}

async function judgeCalls(cell: Cell, options: BenchOptions, deadlineMs: number): Promise<Verdict> {
  let verdict: Verdict = 'unknown'
  for (let tries = 0; tries < MOST_TRIES && performance.now() <= deadlineMs; tries += 1) {
    const sample = await measureOne(cell, options)
    if (isWithinLimits(sample)) return 'holds'
    // What the generator could not send in time says nothing of the system.
    if (sample.load.late > sample.load.sent / 2) return 'unknown'
    verdict = 'fails'
    if (!isDisturbed(sample)) break
  }
  return verdict
}

/** From the largest number of calls that was measured. */
function guess(rows: readonly Row[], scenario: Row['scenario'], system: Row['system']): number {
  const own = rows.filter((row) => row.scenario === scenario && row.system === system)
  const last = own.sort((a, b) => a.calls - b.calls).at(-1)
  return last === undefined ? FIRST_GUESS : (last.calls / last.coreShare) * GUESSED_SHARE
}

const mostCalls = (): number => Math.floor((mostOpenFiles() - OTHER_FILES) / FILES_PER_CALL)

/** What this machine can: without rtpengine, and with as many calls as it has file descriptors for. */
function possible(options: BenchOptions, hasRtpengine: boolean): BenchOptions {
  const calls = options.calls.filter((count) => count <= mostCalls())
  if (calls.length < options.calls.length) {
    console.log(
      `more than ${mostCalls()} calls need more open files than the hard limit of ${mostOpenFiles()}`,
    )
  }
  if (hasRtpengine || !options.systems.includes('rtpengine')) return { ...options, calls }
  console.log('rtpengine is not installed (apt-get install rtpengine-daemon): the gateway alone')
  return { ...options, calls, systems: options.systems.filter((system) => system !== 'rtpengine') }
}

async function run(asked: BenchOptions): Promise<void> {
  const machine = describeMachine()
  console.log(machineLine(machine))
  const options = possible(asked, machine.rtpengine !== undefined)
  const deadlineMs = performance.now() + options.limitMs
  const samples = options.capacity === 'only' ? [] : await measureAll(options, deadlineMs)
  const rows = summarise(samples)
  const capacities = options.capacity === 'no' ? [] : await measureCapacities(rows, options, deadlineMs)
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ')
  writeFileSync(REPORT, reportOf({ machine, command, options, samples, rows, capacities }))
  writeFileSync(TABLE, formatMarkdown(rows))
  writeFileSync(PLOT, plotOf(rows, machine))

  console.log(`\n${formatTable(rows)}\n`)
  for (const row of capacities) console.log(capacityLine(row))
  const wrong = troubles(samples)
  for (const trouble of wrong) console.log(`TROUBLE: ${trouble}`)
  console.log(`figures: ${REPORT}\ntable for a page: ${TABLE}\nplot: ${PLOT}`)
  for (const line of ratioLines(rows, options)) console.log(line)
  if (wrong.length > 0) process.exitCode = 1
}

// What runs on other cores ends with us, see `onCore`.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

try {
  const options = readArguments(process.argv.slice(2))
  if (options === undefined) console.log(USAGE)
  else await run(options)
} catch (error) {
  if (!(error instanceof ArgumentError)) throw error
  console.error(`${error.message}\n\n${USAGE}`)
  process.exitCode = 64
}
