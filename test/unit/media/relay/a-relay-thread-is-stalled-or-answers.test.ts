import { expect, test } from 'vitest'
import { RelayWatchdog } from '../../../../media/relay/relay-watchdog.ts'

const looks = (...owedMs: readonly number[]): readonly string[] => {
  const watchdog = new RelayWatchdog()
  return owedMs.map((ms) => `${watchdog.look(ms) ? 'now ' : ''}${watchdog.isStalled ? 'stalled' : 'answers'}`)
}

test('a thread that owes an answer for five seconds in two looks is stalled until it owes less', () => {
  expect(looks(0, 999, 4_999, 5_000, 6_000, 7_000, 0, 0)).toEqual([
    'answers',
    'answers',
    'answers',
    'answers',
    'now stalled',
    'stalled',
    'now answers',
    'answers',
  ])
})

test('one look after a standstill of the whole process says nothing', () => {
  expect(looks(60_000, 0, 60_000, 0)).toEqual(['answers', 'answers', 'answers', 'answers'])
})
