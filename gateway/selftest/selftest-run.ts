import type { FailureRow, Stage } from '../../config/stage.ts'
import { CODES, type Code } from '../diagnosis.ts'
import { STAGE_NAMES } from '../ladder/codes-text.ts'
import { SelftestAudio } from './selftest-audio.ts'
import {
  type SelftestAccount,
  SelftestClient,
  type SelftestFailure,
  SelftestRefusal,
} from './selftest-client.ts'
import { toneMs } from './selftest-tone.ts'

export interface SelftestOptions {
  readonly account: SelftestAccount
  readonly number: string
  /** The far end sends back what it hears: our tone must come back. Else any audio will do. */
  readonly isEcho: boolean
  readonly timeoutMs: number
}

/** One rung of the client's own ladder. */
export interface SelftestStep {
  readonly stage: Stage
  readonly what: string
  /** Since the start; undefined: not reached. */
  readonly atMs: number | undefined
}

export interface SelftestResult {
  readonly isOk: boolean
  /** What kept the first rung that is missing from being climbed. */
  readonly reason: string | undefined
  /** The same, when it has a code of ours. */
  readonly failure?: SelftestFinding
  /** What others may not like, although the call went on. */
  readonly warnings: readonly SelftestFinding[]
  readonly steps: readonly SelftestStep[]
  readonly callId: string | undefined
}

/** As the table of codes says it, and what was expected and seen. */
export interface SelftestFinding extends FailureRow {
  readonly code: Code
  readonly expected?: string
  readonly seen?: string
}

const STEPS = [
  ['connected', 'S1', 'WebSocket connected'],
  ['registered', 'S1', 'registered'],
  ['answered', 'S1', 'call answered'],
  ['described', 'S2', 'answer understood'],
  ['checked', 'S3', 'connectivity check answered'],
  ['keyed', 'S4', 'DTLS connected, SRTP keys ready'],
  ['received', 'S6', 'audio arrives'],
  ['heard', 'S6', 'audio is what it should be'],
] as const satisfies readonly (readonly [string, Stage, string])[]

type StepName = (typeof STEPS)[number][0]

/** A tone that nobody plays by itself: neither `tone` (440 Hz) nor a ring-back. */
const SELFTEST_HZ = 1_050
/** So much of it proves that it was no click. */
const NEEDED_MS = 500
const POLL_MS = 20

/** Places one call as a softphone would and sees how far it comes. Never rejects for what the gateway does. */
export async function runSelftest(options: SelftestOptions): Promise<SelftestResult> {
  const startMs = performance.now()
  const times = new Map<StepName, number>()
  const climb = (step: StepName): void => void times.set(step, Math.round(performance.now() - startMs))
  const audio = new SelftestAudio({ toneHz: SELFTEST_HZ })
  const client = new SelftestClient(options.account, audio)
  const deadlineMs = startMs + options.timeoutMs
  let reason: string | undefined
  let failure: SelftestFailure | undefined
  try {
    await climbAll(client, options, deadlineMs, climb)
  } catch (error) {
    if (!(error instanceof SelftestRefusal)) throw error
    reason = error.message
    failure = error.failure
  } finally {
    await client.close()
  }
  const steps = STEPS.map(([name, stage, what]) => ({ stage, what, atMs: times.get(name) }))
  return {
    isOk: reason === undefined,
    reason,
    ...(failure === undefined ? {} : { failure: findingOf(failure) }),
    warnings: client.warnings.map(findingOf),
    steps,
    callId: client.callId,
  }
}

function findingOf({ code, expected, seen }: SelftestFailure): SelftestFinding {
  return {
    code,
    ...CODES[code],
    ...(expected === undefined ? {} : { expected }),
    ...(seen === undefined ? {} : { seen }),
  }
}

async function climbAll(
  client: SelftestClient,
  { number, isEcho, timeoutMs }: SelftestOptions,
  deadlineMs: number,
  climb: (step: StepName) => void,
): Promise<void> {
  const { audio } = client
  const inTime = <Value>(step: Promise<Value>): Promise<Value> => before(deadlineMs, timeoutMs, step)
  await inTime(client.connect())
  climb('connected')
  await inTime(client.register())
  climb('registered')
  await inTime(client.call(number))
  climb('answered')
  await reach(deadlineMs, 'our answer could not be used', () => audio.isAnswered)
  climb('described')
  await reach(deadlineMs, 'no connectivity check was answered', () => audio.isChecked)
  climb('checked')
  await reach(deadlineMs, 'DTLS did not connect', () => audio.connectionState === 'connected')
  climb('keyed')
  await reach(deadlineMs, 'no audio came', () => audio.heard.length > 0)
  climb('received')
  const wanted = isEcho ? `${SELFTEST_HZ} Hz, our own tone, did not come back` : 'only silence came'
  await reach(deadlineMs, wanted, () => soundMs(audio.heard, isEcho) >= NEEDED_MS)
  climb('heard')
}

function soundMs(heard: Float32Array, isEcho: boolean): number {
  if (isEcho) return toneMs(heard, { sampleRateHz: 8_000, frequencyHz: SELFTEST_HZ })
  return heard.filter((sample) => Math.abs(sample) > 0.005).length / 8
}

async function reach(deadlineMs: number, otherwise: string, isReached: () => boolean): Promise<void> {
  while (!isReached()) {
    if (performance.now() > deadlineMs) throw new SelftestRefusal(otherwise)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

async function before<Value>(deadlineMs: number, timeoutMs: number, step: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new SelftestRefusal(`no answer within ${timeoutMs / 1_000} s`)),
      Math.max(0, deadlineMs - performance.now()),
    )
  })
  try {
    return await Promise.race([step, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The client's ladder for a person; behind it what is wrong with the connection, and what to do. */
export function selftestText({ steps, isOk, reason, failure, warnings }: SelftestResult): string {
  const missing = steps.find(({ atMs }) => atMs === undefined)
  const lines = steps.map((step) => {
    const { stage, what, atMs } = step
    const how =
      atMs !== undefined
        ? `ok ${(atMs / 1_000).toFixed(3)} s`
        : step === missing && !isOk
          ? `FAILED: ${failure?.code ?? reason}`
          : '-'
    return `${stage} ${STAGE_NAMES[stage].padEnd(10)}  ${what.padEnd(32)}  ${how}\n`
  })
  const findings = [
    ...(failure === undefined ? [] : [findingText(failure)]),
    ...warnings.map((warning) => `warning, ${findingText(warning)}`),
  ]
  return [...lines, ...findings.map((text) => `\n${text}`)].join('')
}

function findingText({ code, stage, text, expected, seen, cause, remedy }: SelftestFinding): string {
  const rows = { what: text, expected, seen, cause, do: remedy }
  const lines = Object.entries(rows).flatMap(([name, value]) =>
    value === undefined ? [] : [`   ${name.padEnd(8)}  ${value}\n`],
  )
  return `${stage} ${STAGE_NAMES[stage]}: ${code}\n${lines.join('')}`
}
