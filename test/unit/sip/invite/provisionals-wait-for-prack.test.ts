import { expect, test } from 'vitest'
import {
  MAX_WAITING_PROVISIONALS,
  ReliableProvisionals,
} from '../../../../sip/invite/reliable-provisionals.ts'

test('repeated at T1 and doubling without an upper bound, given up after 64*T1', () => {
  const machine = new ReliableProvisionals<string>(7)
  expect(machine.handle({ kind: 'progress', item: 'a' }, 0)).toEqual([{ kind: 'send', item: 'a', rseq: 7 }])
  const events: string[] = []
  for (let at = machine.deadlineMs; at !== undefined; at = machine.deadlineMs) {
    for (const output of machine.handle({ kind: 'timeout' }, at)) events.push(`${at} ${output.kind}`)
  }
  expect(events).toEqual([
    '500 repeat',
    '1500 repeat',
    '3500 repeat',
    '7500 repeat',
    '15500 repeat',
    '31500 repeat',
    '32000 give-up',
  ])
})

test('the next one is sent when the one before is acknowledged, with the next number', () => {
  const machine = new ReliableProvisionals<string>(1)
  machine.handle({ kind: 'progress', item: 'a' }, 0)
  expect(machine.handle({ kind: 'progress', item: 'b' }, 10)).toEqual([])
  expect(machine.awaited).toMatchObject({ item: 'a', rseq: 1 })
  expect(machine.handle({ kind: 'prack' }, 100)).toEqual([
    { kind: 'acknowledged' },
    { kind: 'send', item: 'b', rseq: 2 },
  ])
  expect(machine.deadlineMs).toBe(600)
  expect(machine.handle({ kind: 'prack' }, 200)).toEqual([{ kind: 'acknowledged' }])
  expect(machine.deadlineMs).toBeUndefined()
})

test('one past the most that may wait is dropped and told', () => {
  const machine = new ReliableProvisionals<number>(1)
  const outputs = Array.from({ length: MAX_WAITING_PROVISIONALS + 2 }, (_, item) =>
    machine.handle({ kind: 'progress', item }, 0),
  )
  expect(outputs.filter((output) => output.length > 0)).toEqual([
    [{ kind: 'send', item: 0, rseq: 1 }],
    [{ kind: 'too-many' }],
  ])
})

test('a timeout that comes early repeats nothing', () => {
  const machine = new ReliableProvisionals<string>(1)
  machine.handle({ kind: 'progress', item: 'a' }, 0)
  expect(machine.handle({ kind: 'timeout' }, 499)).toEqual([])
})
