import { expect, it } from 'vitest'
import { simulate } from '../harness/simulation/simulation.ts'

const FIRST = Number(process.env.WEBTRUNK_SEED ?? 100_000)
const COUNT = Number(process.env.WEBTRUNK_SEEDS ?? 10_000)
const STEPS = 60

it(`whatever browsers, trunks and networks do: ${COUNT} seeds from ${FIRST}`, async () => {
  const broken: string[] = []
  for (let seed = FIRST; seed < FIRST + COUNT; seed += 1) {
    const found = await simulate(seed, STEPS)
    if (found !== undefined) broken.push(found)
  }
  expect(broken.join('\n\n')).toBe('')
})
