import { describe, expect, test } from 'vitest'
import { type ServerOutput, ServerTransaction } from '../../../../sip/transaction/server-transaction.ts'
import { requestOf, responseTo } from '../../../harness/sip/messages-for-transactions.ts'

const short = (output: ServerOutput): string =>
  output.kind === 'send' ? String(output.response.status) : output.kind

function received(method: string, reliable = false) {
  const request = requestOf(method)
  const machine = new ServerTransaction(request, reliable, 0)
  const say = (status: number, nowMs: number): readonly string[] =>
    machine.handle({ kind: 'respond', response: responseTo(request, status) }, nowMs).map(short)
  const dismiss = (status: number, nowMs: number): readonly string[] =>
    machine.handle({ kind: 'respond', response: responseTo(request, status), isOnce: true }, nowMs).map(short)
  const again = (nowMs: number): readonly string[] => machine.handle({ kind: 'request' }, nowMs).map(short)
  const ack = (nowMs: number): readonly string[] =>
    machine.handle({ kind: 'ack', ack: requestOf('ACK') }, nowMs).map(short)
  const watch = (untilMs = 1_000_000): string[] => {
    const events: string[] = []
    for (let at = machine.deadlineMs; at !== undefined && at <= untilMs; at = machine.deadlineMs) {
      const outputs = machine.handle({ kind: 'timeout' }, at).map(short)
      events.push(`${at} ${outputs.join(' ') || machine.state}`)
    }
    return events
  }
  return { machine, say, dismiss, again, ack, watch }
}

describe('INVITE', () => {
  test('a copy of the INVITE is answered with the last provisional response', () => {
    const { say, again } = received('INVITE')
    expect(again(1)).toEqual([])
    expect(say(100, 2)).toEqual(['100'])
    expect(again(3)).toEqual(['100'])
    say(180, 4)
    expect(again(5)).toEqual(['180'])
  })

  test('each minute without an answer the last provisional response goes out, but never 100', () => {
    const { say, watch } = received('INVITE')
    say(100, 0)
    expect(watch(60_000)).toEqual(['60000 proceeding'])
    say(180, 61_000)
    expect(watch(180_000)).toEqual(['120000 180', '180000 180'])
  })

  test('a failure is repeated by G up to T2 until H gives up', () => {
    const { say, watch } = received('INVITE')
    say(486, 0)
    expect(watch()).toEqual([
      '500 486',
      '1500 486',
      '3500 486',
      '7500 486',
      '11500 486',
      '15500 486',
      '19500 486',
      '23500 486',
      '27500 486',
      '31500 486',
      '32000 terminated',
    ])
  })

  test('over a reliable transport G is off and H is zero: nothing is repeated, and nothing waits for ACK', () => {
    const { machine, say } = received('INVITE', true)
    expect(say(486, 0)).toEqual(['486'])
    expect(machine.state).toBe('terminated')
  })

  test('ACK stops G; its copies are absorbed for the time of I', () => {
    const { say, ack, again, watch } = received('INVITE')
    say(486, 0)
    expect(ack(100)).toEqual([])
    expect(ack(200)).toEqual([])
    expect(again(300)).toEqual([])
    expect(watch()).toEqual(['5100 terminated'])
  })

  test('RFC 6026: after 2xx copies of the INVITE are absorbed and ACK is handed on, for the time of L', () => {
    for (const reliable of [false, true]) {
      const { say, ack, again, watch } = received('INVITE', reliable)
      expect(say(200, 0)).toEqual(['200'])
      expect(again(100)).toEqual([])
      expect(ack(200)).toEqual(['pass-ack'])
      expect(watch()).toEqual(['32000 terminated'])
    }
  })

  test('after the final response there is no other', () => {
    const { say, again } = received('INVITE')
    say(486, 0)
    expect(say(200, 1)).toEqual([])
    expect(again(2)).toEqual(['486'])
  })
})

describe('other requests', () => {
  test('a copy of the request gets the final response for the time of J', () => {
    const { say, again, watch } = received('BYE')
    expect(again(1)).toEqual([])
    expect(say(200, 2)).toEqual(['200'])
    expect(again(3)).toEqual(['200'])
    expect(watch()).toEqual(['32002 terminated'])
  })

  test('J is zero over a reliable transport', () => {
    const { machine, say } = received('BYE', true)
    say(200, 2)
    expect(machine.state).toBe('terminated')
  })

  test('nobody answers: the transaction ends without a response (RFC 4320)', () => {
    for (const provisional of [false, true]) {
      const { say, watch } = received('OPTIONS')
      if (provisional) say(100, 10)
      expect(watch()).toEqual(['32000 terminated'])
    }
  })
})

describe('a refusal that is given once', () => {
  test.each(['INVITE', 'MESSAGE'])('ends the transaction of %s: nothing is repeated or kept', (method) => {
    const { machine, say, dismiss, again, ack, watch } = received(method)
    say(100, 0)
    expect(dismiss(401, 1)).toEqual(['401'])
    expect(machine.state).toBe('terminated')
    expect([again(2), ack(3), watch()]).toEqual([[], [], []])
  })
})
