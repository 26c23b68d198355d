import { expect, test } from 'vitest'
import { UnacknowledgedAnswer } from '../../../../sip/invite/unacknowledged-answer.ts'

function watch(machine: UnacknowledgedAnswer): string[] {
  const events: string[] = []
  for (let at = machine.deadlineMs; at !== undefined; at = machine.deadlineMs) {
    for (const output of machine.handle({ kind: 'timeout' }, at)) events.push(`${at} ${output.kind}`)
  }
  return events
}

test('at T1, then doubling to T2, given up after 64*T1', () => {
  const events = watch(new UnacknowledgedAnswer(0))
  expect(events.slice(0, 5)).toEqual(['500 send', '1500 send', '3500 send', '7500 send', '11500 send'])
  expect(events.at(-1)).toBe('32000 give-up')
})

test('ACK ends it, and nothing starts it again', () => {
  const machine = new UnacknowledgedAnswer(0)
  machine.handle({ kind: 'ack' }, 100)
  expect(machine.deadlineMs).toBeUndefined()
  expect(machine.handle({ kind: 'timeout' }, 40_000)).toEqual([])
  expect(machine.isOver).toBe(true)
})

test('a timeout that comes early sends nothing', () => {
  const machine = new UnacknowledgedAnswer(0)
  expect(machine.handle({ kind: 'timeout' }, 499)).toEqual([])
  expect(machine.deadlineMs).toBe(500)
})
