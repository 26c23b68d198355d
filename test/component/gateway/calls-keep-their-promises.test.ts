import { expect, it } from 'vitest'
import { simulate } from '../../harness/simulation/simulation.ts'

/** More of them, or the history of one failure again: WEBTRUNK_SEED=417 WEBTRUNK_SEEDS=1. */
const FIRST = Number(process.env.WEBTRUNK_SEED ?? 1)
const COUNT = Number(process.env.WEBTRUNK_SEEDS ?? 100)
const STEPS = Number(process.env.WEBTRUNK_STEPS ?? 25)
const AT_ONCE = 10

const firsts = Array.from({ length: Math.ceil(COUNT / AT_ONCE) }, (_, index) => FIRST + index * AT_ONCE)

it.each(firsts)(
  'whatever browsers, trunks and networks do: seeds from %i',
  async (first) => {
    for (let seed = first; seed < Math.min(first + AT_ONCE, FIRST + COUNT); seed += 1) {
      expect(await simulate(seed, STEPS)).toBeUndefined()
    }
  },
  120_000,
)
