import { randomBytes } from 'node:crypto'
import type { Scenario, SystemName } from './arguments.ts'
import { GatewaySystem } from './gateway-system.ts'
import { LoadGenerator, type LoadResult } from './load-generator.ts'
import { processTimeMs, queueDrops, residentKiB } from './process-figures.ts'
import { RtpengineSystem } from './rtpengine-system.ts'
import type { MediaSystem } from './system.ts'

/** What is measured together. */
export interface Cell {
  readonly scenario: Scenario
  readonly system: SystemName
  readonly calls: number
}

/** One round of a cell. */
export interface Sample extends Cell {
  readonly load: LoadResult
  /** What it used to open all calls. */
  readonly setUpMs: number
  /** How much it grew by all calls and their traffic. */
  readonly grownKiB: number
  /** Of the system, by its own account. */
  readonly drops: Readonly<Record<string, number>>
  /** Datagrams that the kernel had no place for in a receive queue of the system. */
  readonly queueDrops: number
}

export interface MeasureOptions {
  readonly program: string
  readonly warmupMs: number
  readonly windowMs: number
}

/** Master key and salt of the suite. */
const KEY_BYTES = 30

const START: Readonly<Record<SystemName, () => Promise<MediaSystem>>> = {
  gateway: () => GatewaySystem.start(),
  rtpengine: () => RtpengineSystem.start(),
}

/** Starts the system and the generator, has the calls made, and measures. Leaves nothing running. */
export async function measure(cell: Cell, options: MeasureOptions): Promise<Sample> {
  const generator = await LoadGenerator.start(options.program)
  try {
    const system = await START[cell.system]()
    try {
      return await measureIn(cell, options, generator, system)
    } finally {
      await system.close()
    }
  } finally {
    await generator.close()
  }
}

async function measureIn(
  cell: Cell,
  { warmupMs, windowMs }: MeasureOptions,
  generator: LoadGenerator,
  system: MediaSystem,
): Promise<Sample> {
  const far = Array.from({ length: cell.calls }, (_, call) =>
    generator.farEnds(call, randomBytes(KEY_BYTES).toString('hex')),
  )
  const before = { kiB: residentKiB(system.pid), ms: processTimeMs(system.pid) }
  const near = await system.open(far)
  const setUpMs = processTimeMs(system.pid) - before.ms
  far.forEach((ends, call) => {
    const own = near[call]
    if (own === undefined) throw new Error(`call ${call} was not opened`)
    generator.add(ends, own)
  })
  const dropsBefore = queueDrops(system.pid)
  const load = await generator.run(system.pid, warmupMs, windowMs)
  return {
    ...cell,
    load,
    setUpMs,
    grownKiB: residentKiB(system.pid) - before.kiB,
    drops: await system.drops(),
    queueDrops: queueDrops(system.pid) - dropsBefore,
  }
}
