import { expect, test } from 'vitest'
import type { Clock } from '../../../../media/clock.ts'
import { nextRoundMs } from '../../../../media/deadline-timer.ts'
import { LegReports } from '../../../../media/leg/leg-reports.ts'

const ROUND_MS = 100

test('what is periodic happens at the next round, or now when that is one', () => {
  expect([0, 0.1, 99.9, 100, 100.5].map(nextRoundMs)).toEqual([0, 100, 100, 100, 200])
})

test('a report that is due waits for the round in which those of other legs go', () => {
  const wakeUps: number[] = []
  const nowMs = 12_345.6
  const clock: Clock = {
    now: () => nowMs,
    schedule: (delayMs) => {
      wakeUps.push(nowMs + delayMs)
      return () => undefined
    },
  }
  for (let id = 0; id < 1_000; id++) {
    const leg = { id, local: { ssrc: id, cname: 'us' }, canSend: true }
    const relay = { report: () => undefined, sendRtcp: () => undefined }
    const host = {
      relay,
      clock,
      count: () => undefined,
      report: (error: unknown) => expect.fail(String(error)),
    }
    new LegReports(leg, { ...host, random: () => id / 1_000 }).start()
  }
  expect(wakeUps).toHaveLength(1_000)
  // The first reports are due within a second of 13 345.6 ms; a timer has whole milliseconds.
  const rounds = new Set(wakeUps.map((atMs) => Math.floor(atMs / ROUND_MS) * ROUND_MS))
  expect([...rounds].toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 11 }, (_, at) => 13_400 + at * ROUND_MS),
  )
  for (const atMs of wakeUps) expect(atMs % ROUND_MS).toBeLessThan(1)
})
