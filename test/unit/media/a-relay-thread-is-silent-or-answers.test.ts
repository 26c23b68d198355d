import { expect, test } from 'vitest'
import { RelayPulse } from '../../../media/relay-pulse.ts'

const looks = (...owedMs: readonly number[]): readonly string[] => {
  const pulse = new RelayPulse()
  return owedMs.map((ms) => `${pulse.look(ms) ? 'now ' : ''}${pulse.isSilent ? 'silent' : 'answers'}`)
}

test('a thread that owes an answer for five seconds in two looks is silent until it owes less', () => {
  expect(looks(0, 999, 4_999, 5_000, 6_000, 7_000, 0, 0)).toEqual([
    'answers',
    'answers',
    'answers',
    'answers',
    'now silent',
    'silent',
    'now answers',
    'answers',
  ])
})

test('one look after a standstill of the whole process says nothing', () => {
  expect(looks(60_000, 0, 60_000, 0)).toEqual(['answers', 'answers', 'answers', 'answers'])
})
