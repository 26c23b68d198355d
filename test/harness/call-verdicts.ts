import { AssertionError } from 'node:assert'
import type { Code } from '../../gateway/diagnosis.ts'
import type { Cdr } from '../../gateway/ladder/cdr.ts'

/**
 * A code that was found, `cancelled`, or a rung that an answered call has not climbed, such as `open callee S6 received`;
 * `climbed ...` when signalling alone has climbed one of media.
 */
export type VerdictWord = Code | 'cancelled' | `${'open' | 'climbed'} ${string}`

/** All that is not as in a good call, in order. */
export type ExpectedCall = VerdictWord | readonly VerdictWord[]

const MEDIA_RUNGS = {
  webrtc: ['S3', 'S4', 'S5', 'S6 received', 'S6 sent'],
  dtls: ['S4', 'S5', 'S6 received', 'S6 sent'],
  sdes: ['S5', 'S6 received', 'S6 sent'],
  rtp: ['S6 received', 'S6 sent'],
} as const

/** What may be missing of a call that is hung up in the moment it is answered, a race with its media. */
export const HUNG_UP_AT_ONCE: readonly VerdictWord[] = ['caller', 'callee'].flatMap((leg) =>
  MEDIA_RUNGS.webrtc.map((rung) => `open ${leg} ${rung}` as const),
)

/**
 * What a gateway has to say of the calls of a test. Unless the test expects something else by name, each call is `ok` and, when it
 * was answered, has climbed every rung; so a test that expects one verdict finds every false one beside it.
 */
export class CallVerdicts {
  #expected: string[] = []
  #possible: ReadonlySet<string> | undefined
  /** Calls of the test are signalling alone: the rungs of media are the ones that must be open. */
  isWithoutMedia = false

  /** One for each call that is not good, in any order. */
  expect(...calls: readonly ExpectedCall[]): void {
    this.#expected.push(...calls.map((call) => [call].flat().join(', ')))
  }

  /** For a random mix of calls, and for races: these may stand in any of them, and nothing else. */
  expectNoOtherThan(words: readonly VerdictWord[]): void {
    this.#possible = new Set(words)
  }

  /** Of a test that has failed. */
  forget(): void {
    this.#expected = []
    this.#possible = undefined
  }

  /** Compares, and begins anew for the next test. */
  check(records: readonly Cdr[]): void {
    const expected = this.#expected.sort()
    const possible = this.#possible
    this.forget()
    const seen = records.map((record) =>
      this.#wordsOf(record)
        .filter((word) => !possible?.has(word))
        .join(', '),
    )
    const actual = seen.filter((verdict) => verdict !== '').sort()
    if (actual.join('\n') === expected.join('\n')) return
    const calls = records.map((record, index) => ` ${record.caller} -> ${record.callee}: ${seen[index]}`)
    const message = `verdicts of calls are not those that the test expects:\n${calls.join('\n')}`
    throw new AssertionError({ message, actual, expected, operator: 'deepStrictEqual' })
  }

  #wordsOf({ outcome, verdict, findings: found, ringS, legs }: Cdr): readonly string[] {
    // Where nobody has media, that it waits for ICE is no news.
    const isNews = (code: string): boolean =>
      !this.isWithoutMedia || code !== 'ice.no-check-seen' || (outcome === 'failed' && verdict?.code === code)
    const findings = found.filter(isNews)
    const isAnswered = ringS !== undefined && outcome !== 'failed'
    return [
      ...(outcome === 'cancelled' ? ['cancelled'] : []),
      ...findings,
      ...(isAnswered ? legs.flatMap((leg) => this.#wrongRungs(leg, found.length > 0)) : []),
    ]
  }

  #wrongRungs({ name, kind, open = [] }: Cdr['legs'][number], isImpaired: boolean): readonly string[] {
    const mayBeOpen: readonly string[] = this.isWithoutMedia ? MEDIA_RUNGS[kind] : []
    return [
      ...open.filter((rung) => !mayBeOpen.includes(rung)).map((rung) => `open ${name} ${rung}`),
      // Where something was found, a rung is neither.
      ...mayBeOpen
        .filter((rung) => !isImpaired && !open.includes(rung))
        .map((rung) => `climbed ${name} ${rung}`),
    ]
  }
}
