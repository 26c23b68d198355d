import { parseArgs } from 'node:util'

export type SystemName = 'gateway' | 'rtpengine'
/** What the encrypted side gets its keys from. */
export type Scenario = 'sdes' | 'dtls'

export interface BenchOptions {
  readonly calls: readonly number[]
  readonly rounds: number
  readonly systems: readonly SystemName[]
  readonly scenarios: readonly Scenario[]
  readonly warmupMs: number
  readonly windowMs: number
}

export const USAGE = `usage: npm run bench -- [--quick] [--calls 50,200,...] [--rounds N] [--only gateway,rtpengine]
                        [--scenario sdes,dtls] [--seconds S]

  --quick     500 calls, 2 rounds, 2 s each: within a minute
  --calls     numbers of calls at once, default 50,200,500,1000
  --rounds    how often each is measured, the systems in turn; default 5
  --only      one system or some: gateway, rtpengine
  --scenario  where the keys of the encrypted side come from: sdes, dtls
  --seconds   measured time of each, default 4`

const SYSTEMS: readonly SystemName[] = ['gateway', 'rtpengine']
const SCENARIOS: readonly Scenario[] = ['sdes', 'dtls']
const FULL = { calls: '50,200,500,1000', rounds: '5', seconds: '4' }
const QUICK = { calls: '500', rounds: '2', seconds: '2' }
/** Above it a core has no room for the generator. */
const MOST_CALLS = 8_000
const WARMUP_MS = 1_000
const QUICK_WARMUP_MS = 600

/** Throws an Error that says what is wrong. */
export function readArguments(words: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...words],
    options: {
      quick: { type: 'boolean', default: false },
      calls: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      scenario: { type: 'string' },
      seconds: { type: 'string' },
    },
  })
  const usual = values.quick ? QUICK : FULL
  const number = (name: 'rounds' | 'seconds'): number => positive(`--${name}`, values[name] ?? usual[name])
  return {
    calls: (values.calls ?? usual.calls).split(',').map((text) => wholeUpTo('--calls', text, MOST_CALLS)),
    rounds: wholeUpTo('--rounds', String(number('rounds')), 100),
    systems: chosen('--only', values.only, SYSTEMS),
    scenarios: chosen('--scenario', values.scenario, SCENARIOS),
    warmupMs: values.quick ? QUICK_WARMUP_MS : WARMUP_MS,
    windowMs: Math.round(number('seconds') * 1_000),
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new Error(`${name}: '${text}' is no number above 0`)
  return value
}

function wholeUpTo(name: string, text: string, most: number): number {
  const value = positive(name, text)
  if (!Number.isInteger(value) || value > most)
    throw new Error(`${name}: '${text}' is no whole number up to ${most}`)
  return value
}

/** In the order of `all`, whatever order they are named in. */
function chosen<Name extends string>(
  option: string,
  text: string | undefined,
  all: readonly Name[],
): readonly Name[] {
  if (text === undefined) return all
  const names = text.split(',')
  const unknown = names.find((name) => !all.some((one) => one === name))
  if (unknown !== undefined) throw new Error(`${option}: '${unknown}' is none of ${all.join(', ')}`)
  return all.filter((name) => names.includes(name))
}
