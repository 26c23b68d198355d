import { seeded } from '../seeded.ts'
import type { Dice } from './action.ts'
import { ACTIONS, type Kind } from './steps.ts'
import type { WorldOptions } from './world.ts'

/** Something that happens, and how long nothing else does then. */
export interface Step {
  readonly kind: Kind
  readonly seed: number
  readonly waitMs: number
}

/** Pauses in milliseconds: in the same moment, while a message is under way, and until timers ring. */
const PAUSES = [0, 0, 1, 2, 3, 5, 20, 100, 300, 600, 1_500, 4_000, 12_000, 45_000]

export function diceOf(seed: number): Dice {
  const random = seeded(seed)
  const roll = (sides: number): number => Math.floor(random() * sides)
  return {
    roll,
    chance: (share) => random() < share,
    pick: (choices) => {
      const choice = choices[roll(choices.length)]
      if (choice === undefined) throw new RangeError('nothing to choose from')
      return choice
    },
  }
}

export interface History {
  readonly world: WorldOptions
  readonly steps: readonly Step[]
}

/** The history of a seed: of each a part of the kinds alone, so that few of them meet each other often. */
export function historyOf(seed: number, length: number): History {
  const random = seeded(seed)
  const isLeftOut = new Set(
    (Object.keys(ACTIONS) as Kind[]).filter((kind) => !ALWAYS.has(kind) && random() < 0.45),
  )
  const kinds = (Object.keys(ACTIONS) as Kind[]).filter((kind) => !isLeftOut.has(kind))
  const total = kinds.reduce((sum, kind) => sum + ACTIONS[kind][0], 0)
  const haste = random()
  const world = { isTight: random() < 0.1, isBreathless: random() < 0.4 }
  const steps = Array.from({ length }, () => {
    let left = random() * total
    const kind = kinds.find((each) => {
      left -= ACTIONS[each][0]
      return left < 0
    })
    const range = random() < haste ? 8 : PAUSES.length
    const waitMs = PAUSES[Math.floor(random() * range)] ?? 0
    return { kind: kind ?? 'answer', seed: Math.floor(random() * 2 ** 32), waitMs }
  })
  return { world, steps }
}

const ALWAYS: ReadonlySet<Kind> = new Set(['call out', 'call in', 'answer'])
