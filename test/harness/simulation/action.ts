import type { World } from './world.ts'

/** Draws for one step, the same for the same seed. */
export interface Dice {
  /** 0 to `sides` - 1. */
  roll(sides: number): number
  chance(share: number): boolean
  pick<Choice>(choices: readonly Choice[]): Choice
}

/** What somebody does. Returns it in words; undefined where it cannot be done now. */
export type Action = (world: World, dice: Dice) => string | undefined | Promise<string | undefined>

/** One of them, the newest more often. */
export function one<Thing>(things: readonly Thing[], dice: Dice): Thing | undefined {
  if (things.length === 0) return undefined
  return dice.chance(0.5) ? things.at(-1) : dice.pick(things)
}
