import { expect, test } from 'vitest'
import { ClockWatch } from '../../../gateway/clock-watch.ts'

const LOOK_MS = 10_000

function watched() {
  let [nowMs, dateMs] = [5_000, Date.UTC(2026, 0, 1)]
  const told: unknown[] = []
  let forward = 0
  const watch = new ClockWatch({
    nowMs: () => nowMs,
    dateMs: () => dateMs,
    log: { warn: (_message, fields) => void told.push(fields) },
    onForward: () => {
      forward += 1
    },
  })
  /** `byMs`: what the wall clock moves beside. */
  const look = (byMs: number): void => {
    nowMs += LOOK_MS
    dateMs += LOOK_MS + byMs
    watch.look()
  }
  return { look, told, forward: () => forward }
}

test('a clock that is slowly put right is no news, however far', () => {
  const { look, told } = watched()
  for (let count = 0; count < 10; count += 1) look(4_999)
  for (let count = 0; count < 10; count += 1) look(-4_999)
  expect(told).toEqual([])
})

test('a step is told once; after one forward a registration elsewhere may be over', () => {
  const { look, told, forward } = watched()
  look(86_400_000)
  look(0)
  expect([told, forward()]).toEqual([[{ byS: 86_400 }], 1])
  look(-86_400_000)
  look(0)
  expect([told, forward()]).toEqual([[{ byS: 86_400 }, { byS: -86_400 }], 1])
  look(5_000)
  expect(forward()).toBe(2)
})
