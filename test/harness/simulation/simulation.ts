import { settle } from '../virtual-time.ts'
import { diceOf, type History, historyOf, type Step } from './history.ts'
import { FINE } from './network.ts'
import { afterTheEnd, beforeTheEnd, meanwhile } from './promises.ts'
import { ACTIONS, bye } from './steps.ts'
import { World } from './world.ts'

export interface Broken {
  readonly why: string
  /** What happened, in words. */
  readonly told: readonly string[]
  /** Places in the history where nothing could be done. */
  readonly idle: ReadonlySet<number>
}

interface Shortest {
  readonly history: History
  readonly broken: Broken
}

/** Longer than a session without a refresh lasts, a lost connection is waited for, and anything rings. */
const QUIET_MS = 240_000

/** Lives through a history; what is broken, if anything is. */
export async function live({ world: options, steps }: History, isWordy = false): Promise<Broken | undefined> {
  const world = await World.open(options)
  world.isWordy = isWordy
  const idle = new Set<number>()
  let isClosed = false
  const check = (found: string | undefined): void => {
    if (found !== undefined) throw new BrokenPromise(found)
  }
  try {
    for (const [index, { kind, seed, waitMs }] of steps.entries()) {
      const what = await ACTIONS[kind][1](world, diceOf(seed))
      if (what === undefined) idle.add(index)
      else world.note(what)
      await world.gateway.time.advance(waitMs)
      check(meanwhile(world))
    }
    await heal(world)
    check(meanwhile(world))
    world.note('all is quiet')
    await world.gateway.time.advance(QUIET_MS)
    check(meanwhile(world) ?? beforeTheEnd(world))
    world.note('everybody hangs up')
    await hangUp(world)
    await world.gateway.time.advance(QUIET_MS)
    check(meanwhile(world) ?? (await afterTheEnd(world)))
    isClosed = true
    world.gateway.verdicts.forget()
    return undefined
  } catch (error) {
    const why = error instanceof BrokenPromise ? error.message : String((error as Error).stack ?? error)
    return { why, told: world.told, idle }
  } finally {
    if (!isClosed) world.gateway.verdicts.forget()
    world.gateway.signalling.close()
    for (const { peer } of [...world.devices, ...world.trunks]) peer.userAgent.close()
    await settle()
  }
}

class BrokenPromise extends Error {}

/** The network is as it should be, and so are the peers. */
async function heal(world: World): Promise<void> {
  for (const trunk of world.trunks) {
    trunk.network.weather = FINE
    if (trunk.network.isCut) world.mend(trunk)
  }
  world.engine.delayMs = 0
  world.engine.refusals.length = 0
  for (const leg of world.legs) {
    leg.manner = 'accepts'
    leg.isDeaf = false
    while (leg.settleOffers());
  }
  for (const device of world.devices)
    if (device.network.link.isClosed || !device.isRegistered) await world.comeBack(device)
}

async function hangUp(world: World): Promise<void> {
  for (const leg of world.legs) {
    const { state } = leg
    if (state === 'calling') {
      leg.hasCancelled = true
      leg.outgoing?.cancel()
    } else if (state === 'ringing') {
      leg.incoming?.reject(480)
      leg.isOver = true
    } else if (state === 'talking') bye(leg)
  }
  await world.gateway.time.advance(1_000)
  // Nobody answers checks for what could not be hung up.
  if (world.legs.some(({ isUnproven }) => isUnproven))
    for (const { session, name } of world.engine.legs()) session.fail(name, 'ice.consent-lost')
  // What crossed.
  for (const leg of world.legs) if (leg.state === 'talking') bye(leg)
}

/** The same with as few steps as break it in the same way. */
async function shrink(history: History, broken: Broken): Promise<Shortest> {
  let best: Shortest = { history, broken }
  const again = async (steps: readonly Step[]): Promise<boolean> => {
    const tried = { ...history, steps }
    const found = await live(tried)
    if (found === undefined || classOf(found.why) !== classOf(broken.why)) return false
    best = { history: tried, broken: found }
    return true
  }
  await again(history.steps.filter((_, index) => !broken.idle.has(index)))
  for (let size = best.history.steps.length; size > 1; ) {
    size = Math.ceil(size / 2)
    for (let at = 0; at < best.history.steps.length; ) {
      const { steps } = best.history
      if (!(await again([...steps.slice(0, at), ...steps.slice(at + size)]))) at += size
    }
  }
  for (let at = 0; at < best.history.steps.length; at += 1) {
    for (const waitMs of [0, 10, 1_000]) {
      const { steps } = best.history
      if ((steps[at]?.waitMs ?? 0) <= waitMs) break
      if (await again(steps.map((step, index) => (index === at ? { ...step, waitMs } : step)))) break
    }
  }
  return best
}

/** Two are alike when they differ in names and numbers alone. */
const classOf = (why: string): string => why.replace(/[0-9a-f]{8,}|\d+/g, '#').slice(0, 60)

/** Lives through the history of a seed, and tells of the shortest one that breaks the same; undefined when none does. */
export async function simulate(seed: number, length: number): Promise<string | undefined> {
  const history = historyOf(seed, length)
  const broken = await live(history)
  if (broken === undefined) return undefined
  const shortest = await shrink(history, broken)
  const wordy = await live(shortest.history, process.env.WEBTRUNK_WIRE !== undefined)
  const { why, told } = wordy ?? shortest.broken
  const { world, steps } = shortest.history
  return [
    `seed ${seed}: ${why}`,
    ...told.map((line) => `  ${line}`),
    `steps in ${JSON.stringify(world)}:`,
    ...steps.map(({ kind, seed: dice, waitMs }) => `  ${kind} ${dice} ${waitMs}`),
  ].join('\n')
}
