import { parseArgs } from 'node:util'

/** The gateway with a port pair for each trunk call, the gateway with ports that they share, rtpengine. */
export type SystemName = 'gateway' | 'shared' | 'rtpengine'
/** Where the keys of the encrypted side come from: descriptions, or a browser's handshake. */
export type Scenario = 'sdes' | 'dtls'

export interface BenchOptions {
  readonly calls: readonly number[]
  readonly rounds: number
  readonly systems: readonly SystemName[]
  readonly scenarios: readonly Scenario[]
  readonly capacity: 'yes' | 'no' | 'only'
  /** The gateway's `media.gatherUs`. */
  readonly gatherUs: number
  readonly warmupMs: number
  readonly windowMs: number
  /** Nothing new is begun after this. */
  readonly limitMs: number
}

export const USAGE = `usage: npm run bench -- [--quick] [--calls 50,200,...] [--rounds N] [--seconds S] [--capacity yes|no|only]
                        [--gather-us US] [--only gateway,shared,rtpengine] [--scenario sdes,dtls]

  --quick     500 calls, 2 rounds, 1.5 s each, no capacity: within a minute
  --calls     numbers of calls at once, default 50,200,500,1000
  --rounds    how often each is measured, the systems in turn; default 5
  --seconds   measured time of each, default 4, at most 15
  --capacity  also look for the most calls that one core holds, or only that; default yes
  --gather-us the gateway's media.gatherUs, default 500 as there
  --only      some of the systems: gateway (a port pair for each trunk call), shared (ports that trunk calls share), rtpengine
  --scenario  where the keys of the encrypted side come from: sdes (descriptions), dtls (browsers)`

export class ArgumentError extends Error {}

const OPTIONS = {
  help: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  calls: { type: 'string' },
  rounds: { type: 'string' },
  only: { type: 'string' },
  scenario: { type: 'string' },
  seconds: { type: 'string' },
  capacity: { type: 'string' },
  'gather-us': { type: 'string', default: '500' },
} as const
const SYSTEMS: readonly SystemName[] = ['gateway', 'shared', 'rtpengine']
const SCENARIOS: readonly Scenario[] = ['sdes', 'dtls']
const CAPACITY: readonly BenchOptions['capacity'][] = ['yes', 'no', 'only']
const FULL = { calls: '50,200,500,1000', rounds: '5', seconds: '4', capacity: 'yes' }
const QUICK = { calls: '500', rounds: '2', seconds: '1.5', capacity: 'no' }
/** Above it a core has no room for the generator. */
const MOST_CALLS = 8_000
/** The gateway wants a new check of a browser 30 s after the last, and the generator's browsers make one. */
const MOST_SECONDS = 15
/** As the configuration has it. */
const MOST_GATHER_US = 5_000
/** All calls begin at once here, and so would their first reports (RTCP), which in life are spread as calls are: they are over by then. */
const WARMUP_MS = 2_500
const QUICK_WARMUP_MS = 600
const LIMIT_MS = 1_500_000
const QUICK_LIMIT_MS = 50_000

/** Undefined: they ask for help. Throws an ArgumentError that says what is wrong. */
export function readArguments(words: readonly string[]): BenchOptions | undefined {
  const values = parse(words)
  if (values.help) return undefined
  const usual = values.quick ? QUICK : FULL
  const [capacity = 'yes', ...more] = chosen('--capacity', values.capacity ?? usual.capacity, CAPACITY)
  if (more.length > 0) throw new ArgumentError(`--capacity: '${values.capacity}' is more than one`)
  const seconds = positive('--seconds', values.seconds ?? usual.seconds)
  if (seconds > MOST_SECONDS) throw new ArgumentError(`--seconds: '${seconds}' is more than ${MOST_SECONDS}`)
  return {
    calls: (values.calls ?? usual.calls).split(',').map((text) => wholeUpTo('--calls', text, MOST_CALLS)),
    rounds: wholeUpTo('--rounds', values.rounds ?? usual.rounds, 100),
    systems: chosen('--only', values.only, SYSTEMS),
    scenarios: chosen('--scenario', values.scenario, SCENARIOS),
    gatherUs: wholeUpTo('--gather-us', values['gather-us'], MOST_GATHER_US, 0),
    warmupMs: values.quick ? QUICK_WARMUP_MS : WARMUP_MS,
    windowMs: Math.round(seconds * 1_000),
    limitMs: values.quick ? QUICK_LIMIT_MS : LIMIT_MS,
    capacity,
  }
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: OPTIONS }).values
  } catch (cause) {
    throw new ArgumentError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0)
    throw new ArgumentError(`${name}: '${text}' is no number above 0`)
  return value
}

function wholeUpTo(name: string, text: string, most: number, least = 1): number {
  const value = text === '' ? Number.NaN : Number(text)
  if (!Number.isInteger(value) || value < least || value > most)
    throw new ArgumentError(`${name}: '${text}' is no whole number from ${least} to ${most}`)
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
  if (unknown !== undefined) throw new ArgumentError(`${option}: '${unknown}' is none of ${all.join(', ')}`)
  return all.filter((name) => names.includes(name))
}
