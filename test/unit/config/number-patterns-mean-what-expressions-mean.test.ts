import { describe, expect, it } from 'vitest'
import {
  compileNumberPattern,
  expandReplacement,
  type NumberPattern,
  PatternError,
} from '../../../config/number-pattern.ts'
import { seeded } from '../../harness/seeded.ts'

const expected = (text: string, input: string) => new RegExp(`^(?:${text})$`).exec(input)

const ATOMS = ['0', '1', '2', '.', '\\d', '\\D', '\\+', '[01]', '[^1]', '[0-2]', '[2+-]']
const QUANTIFIERS = ['', '', '', '?', '*', '+', '{2}', '{1,}', '{0,2}', '{0}']

/** A pattern; what is repeated captures nothing, as here it must not. */
function patternOf(random: (below: number) => number, depth: number, isCapturing: boolean): string {
  const pick = (list: readonly string[]): string => list[random(list.length)] ?? ''
  const piece = (): string => {
    const kind = depth === 0 ? 0 : random(4)
    if (kind < 2) return `${pick(ATOMS)}${pick(QUANTIFIERS)}`
    if (kind === 2 && isCapturing) return `(${patternOf(random, depth - 1, true)})`
    return `(?:${patternOf(random, depth - 1, false)})${pick(QUANTIFIERS)}`
  }
  const sequence = (): string => Array.from({ length: random(4) }, piece).join('')
  return Array.from({ length: 1 + random(3) }, sequence).join('|')
}

/** Undefined for what is refused here although it is an expression: too large, or it repeats nothing. */
function compiledUnlessRefused(text: string): NumberPattern | undefined {
  try {
    return compileNumberPattern(text)
  } catch (error) {
    expect(String(error)).toMatch(/more than|may be empty/)
    return undefined
  }
}

describe('a pattern for numbers', () => {
  it('matches and captures what the same regular expression does', () => {
    const uniform = seeded(2_026)
    const random = (below: number): number => Math.floor(uniform() * below)
    const inputOf = (): string => Array.from({ length: random(8) }, () => '012+a'.charAt(random(5))).join('')
    let matches = 0
    for (let count = 0; count < 5_000; count += 1) {
      const text = patternOf(random, 3, true)
      const compiled = compiledUnlessRefused(text)
      if (compiled === undefined) continue
      for (const number of [inputOf(), inputOf(), inputOf(), inputOf()]) {
        const match = expected(text, number)
        if (match !== null) matches += 1
        expect(compiled.match(number), `${text} on ${number}`).toEqual(
          match === null ? undefined : [...match],
        )
      }
    }
    expect(matches).toBeGreaterThan(1_000)
  })

  it.each([
    ['^0([1-9]\\d+)$', '030123', ['030123', '30123']],
    ['\\+49(\\d+)', '+4930', ['+4930', '30']],
    ['(\\d{2})(\\d*)', '4930123', ['4930123', '49', '30123']],
    ['1(?:1[02]|16117)', '116117', ['116117']],
    ['(a)|(b)', 'b', ['b', undefined, 'b']],
    ['\\$', '$', ['$']],
    ['', '', ['']],
  ])('%s on %s', (text, number, match) => {
    expect(compileNumberPattern(text).match(number)).toEqual(match)
  })

  it('takes no longer for a hostile number', () => {
    // JavaScript needs more than the age of the universe for the first.
    for (const text of ['(?:(?:\\d+)+)+x', '(?:\\d|\\d\\d)+x', '.*.*.*.*.*.*.*.*x', '(?:1|1)*(?:1|1)*x']) {
      const compiled = compileNumberPattern(text)
      const beganMs = performance.now()
      expect(compiled.match('1'.repeat(128))).toBeUndefined()
      expect(performance.now() - beganMs).toBeLessThan(5_000)
    }
  })

  it.each([
    ['(1', 'a ( without )'],
    ['1)', 'a ) without ('],
    ['[1', 'an end too early'],
    ['1\\', 'an end too early'],
    ['+1', '+ where it means nothing'],
    ['1**', '* after a repetition'],
    ['1+?', '? after a repetition'],
    ['1{2', 'a { that is no {2}, {2,} or {2,4}'],
    ['1{3,2}', '{3,2}, which counts down'],
    ['(?:1*)*', 'a repetition of what may be empty'],
    ['(1)+', 'a repeated ( ), which could be (?: )'],
    ['(?=1)', '(?, other than (?: )'],
    ['(1)\\1', '\\1, which is not known here'],
    ['1$2', '$ where it means nothing'],
    ['1^2', '^ where it means nothing'],
    ['[9-0]', 'the range 9-0'],
    ['()'.repeat(10), 'more than 9 ( )'],
    ['(?:\\d{99}){99}', 'more than 1024 steps'],
    ['1'.repeat(257), 'more than 256 characters'],
  ])('%s is refused: %s', (text, reason) => {
    expect(() => compileNumberPattern(text)).toThrow(new PatternError(reason))
  })

  it('puts groups into a replacement', () => {
    expect(expandReplacement('+49$1*$2', ['x', '30', undefined])).toBe('+4930*')
  })
})
