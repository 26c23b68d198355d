import { describe, expect, test } from 'vitest'
import { summaryOf } from '../../summary.mjs'

const file = (...outcomes: readonly string[]) => ({
  name: 'a.test.ts',
  status: outcomes.includes('failed') ? 'failed' : 'passed',
  assertionResults: outcomes.map((status, index) => ({ status, fullName: `test ${index}` })),
})
const lastLine = ({ lines }: { readonly lines: readonly string[] }) => lines.at(-1)

describe('the summary of npm test', () => {
  test('everything ran and passed', () => {
    const summary = summaryOf({ testResults: [file('passed', 'passed'), file('passed')] }, 0, [])
    expect(summary).toEqual({ lines: ['', '3 passed, 0 failed'], isGood: true })
  })

  test.each([
    ['a failed test', [file('passed', 'failed')], 1, [], '1 passed, 1 failed'],
    ['a skipped test', [file('passed', 'skipped')], 0, [], '1 passed, 1 failed'],
    ['a pending test', [file('passed', 'pending')], 0, [], '1 passed, 1 failed'],
    ['a test still to be written', [file('passed', 'todo')], 0, [], '1 passed, 1 failed'],
    ['a failed check', [file('passed')], 0, ['types'], '1 passed, 1 failed'],
    ['no test at all', [], 0, [], '0 passed, 1 failed'],
    ['an error outside of the tests', [file('passed')], 1, [], '1 passed, 1 failed'],
    [
      'a file that did not load',
      [{ name: 'b', status: 'failed', assertionResults: [] }, file('passed')],
      1,
      [],
      '1 passed, 1 failed',
    ],
  ])('%s', (_name, testResults, status, failedChecks, expected) => {
    const summary = summaryOf({ testResults }, status, failedChecks)
    expect(lastLine(summary)).toBe(expected)
    expect(summary.isGood).toBe(false)
  })

  test('no report', () => {
    expect(lastLine(summaryOf(undefined, 1, []))).toBe('0 passed, 1 failed')
  })

  test('names what was left out', () => {
    expect(summaryOf({ testResults: [file('passed', 'skipped')] }, 0, []).lines).toContain(
      'not run (skipped): test 1',
    )
  })
})
