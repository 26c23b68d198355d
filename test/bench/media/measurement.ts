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
  /** What it used for all handshakes and the checks before them; undefined where there are none. */
  readonly handshakeMs: number | undefined
  /** How much it grew by all calls and their traffic. */
  readonly grownKiB: number
  /** Of the system, by its own account. */
  readonly drops: Readonly<Record<string, number>>
  /** Datagrams that the kernel had no place for in a receive queue of the system. */
  readonly queueDrops: number
}

export interface MeasureOptions {
  readonly program: string
  readonly gatherUs: number
  readonly warmupMs: number
  readonly windowMs: number
}

const START: Readonly<Record<SystemName, (gatherUs: number) => Promise<MediaSystem>>> = {
  gateway: (gatherUs) => GatewaySystem.start('per-call', gatherUs),
  shared: (gatherUs) => GatewaySystem.start('shared', gatherUs),
  rtpengine: () => RtpengineSystem.start(),
}

/** Starts the system and the generator, has the calls made, and measures. Leaves nothing running. */
export async function measure(cell: Cell, options: MeasureOptions): Promise<Sample> {
  const generator = await LoadGenerator.start(options.program)
  try {
    const system = await START[cell.system](options.gatherUs)
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
  const { pid } = system
  const far = Array.from({ length: cell.calls }, (_, call) => generator.farEnds(call, cell.scenario))
  await system.collect()
  const before = { kiB: residentKiB(pid), ms: processTimeMs(pid) }
  const near = await system.open(far)
  const openedMs = processTimeMs(pid)
  far.forEach((ends, call) => {
    const own = near[call]
    if (own === undefined) throw new Error(`call ${call} was not opened`)
    generator.add(ends, own)
  })
  if (cell.scenario === 'dtls') await generator.connect()
  const connectedMs = processTimeMs(pid)
  const quiet = { queueDrops: queueDrops(pid), drops: await system.drops() }
  const load = await generator.run(pid, warmupMs, windowMs)
  await system.collect()
  return {
    ...cell,
    load,
    setUpMs: openedMs - before.ms,
    handshakeMs: cell.scenario === 'dtls' ? connectedMs - openedMs : undefined,
    grownKiB: residentKiB(pid) - before.kiB,
    drops: increase(quiet.drops, await system.drops()),
    queueDrops: queueDrops(pid) - quiet.queueDrops,
  }
}

/** Reasons that came up since. */
function increase(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const more = Object.entries(after).map(
    ([reason, count]) => [reason, count - (before[reason] ?? 0)] as const,
  )
  return Object.fromEntries(more.filter(([, count]) => count > 0))
}
