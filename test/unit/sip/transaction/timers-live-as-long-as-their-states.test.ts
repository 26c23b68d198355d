import { expect, test } from 'vitest'
import { type StateTable, StateTableWalk } from '../../../../sip/transaction/state-table.ts'

type State = 'a' | 'b' | 'end'
const TABLE: StateTable<State, 'go', 'tick' | 'kept', string> = {
  a: { timers: ['tick', 'kept'], on: { tick: ['a', 'ticked'], go: ['b', 'gone'] } },
  b: { timers: ['kept'], on: { kept: ['end', 'kept'] } },
  end: { timers: [], on: {} },
}
const RULES = {
  tick: { firstMs: (reliable: boolean) => (reliable ? undefined : 10), nextMs: (ms: number) => ms * 2 },
  kept: { firstMs: () => 100 },
}
const walkOf = (reliable = false): StateTableWalk<State, 'go', 'tick' | 'kept', string> =>
  new StateTableWalk(TABLE, RULES, { state: 'a', reliable, nowMs: 0 })

test('a timer that both states list runs on; one that only the first lists ends', () => {
  const walk = walkOf()
  expect(walk.deadlineMs).toBe(10)
  expect(walk.fire('go', 5)).toEqual(['gone'])
  expect(walk.deadlineMs).toBe(100)
  expect(walk.expire(100)).toEqual(['kept'])
  expect(walk.deadlineMs).toBeUndefined()
})

test('a repeating timer starts again from when it was heard', () => {
  const walk = walkOf()
  expect(walk.expire(9)).toEqual([])
  expect(walk.expire(12)).toEqual(['ticked'])
  expect(walk.deadlineMs).toBe(32)
})

test('a machine that slept fires each timer once, and an event without an entry changes nothing', () => {
  const walk = walkOf()
  expect(walk.expire(99)).toEqual(['ticked'])
  walk.fire('go', 99)
  expect(walk.fire('go', 99)).toEqual([])
  expect(walk.state).toBe('b')
})

test('a timer that is off for reliable transports never runs', () => {
  expect(walkOf(true).deadlineMs).toBe(100)
})

test('of two that are due the earlier is heard first, and may end the state of the other', () => {
  const table: StateTable<State, never, 'late' | 'early', string> = {
    a: { timers: ['late', 'early'], on: { late: ['end', 'late'], early: ['b', 'early'] } },
    b: { timers: [], on: {} },
    end: { timers: [], on: {} },
  }
  const rules = { late: { firstMs: () => 20 }, early: { firstMs: () => 10 } }
  const walk = new StateTableWalk(table, rules, { state: 'a', reliable: false, nowMs: 0 })
  expect([walk.expire(30), walk.state]).toEqual([['early'], 'b'])
})
