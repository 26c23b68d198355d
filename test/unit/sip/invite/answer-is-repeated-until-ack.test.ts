import { expect, test } from 'vitest'
import { UnacknowledgedAnswer } from '../../../../sip/invite/unacknowledged-answer.ts'
import { UnacknowledgedAnswers } from '../../../../sip/invite/unacknowledged-answers.ts'
import type { SipRequest } from '../../../../sip/message/message.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'
import { Clock } from '../../../../sip/transaction/clock.ts'
import { VirtualClock } from '../../../harness/sip/virtual-clock.ts'

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

function ack(cseq: number): SipRequest {
  const lines = [
    'ACK sip:gateway.example.com SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
    'From: <sip:alice@example.com>;tag=a',
    'To: <sip:100@example.com>;tag=b',
    'Call-ID: 1',
    `CSeq: ${cseq} ACK`,
    'Content-Length: 0',
  ]
  const message = parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`))
  if (message.kind !== 'request') throw new Error('no request')
  return message
}

test('one that is said anew takes the place of the one before, and is acknowledged in its own time', () => {
  const time = new VirtualClock()
  const answers = new UnacknowledgedAnswers(new Clock(time, () => {}))
  const events: string[] = []
  const add = (name: string): void =>
    answers.add(7, {
      repeat: () => {},
      acknowledged: () => events.push(`${name} acknowledged`),
      gaveUp: () => events.push(`${name} given up`),
    })
  add('first')
  time.advance(10_000)
  add('second')
  time.advance(25_000)
  answers.take(ack(7))
  time.advance(60_000)
  expect(events).toEqual(['second acknowledged'])
})
