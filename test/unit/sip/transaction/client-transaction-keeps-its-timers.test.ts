import { describe, expect, test } from 'vitest'
import { type ClientOutput, ClientTransaction } from '../../../../sip/transaction/client-transaction.ts'
import { requestOf, responseTo } from '../../../harness/sip/messages-for-transactions.ts'

/** Starts at time 0. */
function started(method: string, reliable = false) {
  const request = requestOf(method)
  const machine = new ClientTransaction(request, reliable, 0)
  const first = machine.handle({ kind: 'start' }, 0)
  const hear = (status: number, nowMs: number): readonly string[] =>
    machine.handle({ kind: 'response', response: responseTo(request, status) }, nowMs).map(short)
  /** What happens, and when, as long as timers run; at most `untilMs`. */
  const watch = (untilMs = 1_000_000): string[] => {
    const events: string[] = []
    for (let at = machine.deadlineMs; at !== undefined && at <= untilMs; at = machine.deadlineMs) {
      const outputs = machine.handle({ kind: 'timeout' }, at).map(short)
      events.push(`${at} ${outputs.join(' ') || machine.state}`)
    }
    return events
  }
  return { machine, request, first: first.map(short), hear, watch }
}

const short = (output: ClientOutput): string => {
  if (output.kind === 'send') return output.request.method
  return output.kind === 'pass' ? String(output.response.status) : output.reason
}

describe('INVITE', () => {
  test('A doubles without a cap and B ends it', () => {
    const { first, watch } = started('INVITE')
    expect(first).toEqual(['INVITE'])
    expect(watch()).toEqual([
      '500 INVITE',
      '1500 INVITE',
      '3500 INVITE',
      '7500 INVITE',
      '15500 INVITE',
      '31500 INVITE',
      '32000 timeout',
    ])
  })

  test('over a reliable transport A is off and B is not', () => {
    expect(started('INVITE', true).watch()).toEqual(['32000 timeout'])
  })

  test('a provisional response stops A and B: Proceeding has no timer', () => {
    const { machine, hear } = started('INVITE')
    expect(hear(180, 600)).toEqual(['180'])
    expect(hear(183, 700)).toEqual(['183'])
    expect(machine.deadlineMs).toBeUndefined()
  })

  test('a failure is acknowledged, its copies too, for the time of D', () => {
    const { machine, hear, watch } = started('INVITE')
    expect(hear(486, 100)).toEqual(['ACK', '486'])
    expect(hear(486, 200)).toEqual(['ACK'])
    expect(hear(200, 300)).toEqual([])
    expect(watch()).toEqual(['32100 terminated'])
    expect(machine.state).toBe('terminated')
  })

  test('D is zero over a reliable transport', () => {
    const { machine, hear } = started('INVITE', true)
    expect(hear(486, 100)).toEqual(['ACK', '486'])
    expect(machine.state).toBe('terminated')
  })

  test('the ACK has the branch, Request-URI, Route and number of the INVITE and the To of the response', () => {
    const { machine, request } = started('INVITE')
    const [output] = machine.handle({ kind: 'response', response: responseTo(request, 404, 'tag') }, 1)
    const ack = output?.kind === 'send' ? output.request : undefined
    expect(ack?.via).toEqual(request.via)
    expect(ack?.uri).toBe(request.uri)
    expect(ack?.cseq).toEqual({ number: 7, method: 'ACK' })
    expect(ack?.to.parameters.get('tag')).toBe('tag')
    expect(ack?.headers).toContainEqual({ name: 'Route', value: '<sip:proxy.example;lr>' })
  })

  test('a second failure with another To tag gets the ACK of the first', () => {
    const { machine, request } = started('INVITE')
    const [first] = machine.handle({ kind: 'response', response: responseTo(request, 486, 'one') }, 1)
    const again = machine.handle({ kind: 'response', response: responseTo(request, 486, 'two') }, 2)
    expect(again).toEqual([first])
  })

  test('RFC 6026: every 2xx is handed on for the time of M, whatever the transport', () => {
    for (const reliable of [false, true]) {
      const { hear, watch } = started('INVITE', reliable)
      expect(hear(200, 100)).toEqual(['200'])
      expect(hear(200, 200)).toEqual(['200'])
      expect(hear(486, 300)).toEqual([])
      expect(watch()).toEqual(['32100 terminated'])
    }
  })

  test('a lost flow ends what waits, and only abandons what is over', () => {
    for (const status of [undefined, 180]) {
      const { machine, hear } = started('INVITE')
      if (status !== undefined) hear(status, 1)
      expect(machine.handle({ kind: 'transport' }, 2).map(short)).toEqual(['transport'])
    }
    const { machine, hear } = started('INVITE')
    hear(486, 1)
    expect(machine.handle({ kind: 'transport' }, 2)).toEqual([])
    expect(machine.state).toBe('terminated')
  })

  test('abandon ends Proceeding and nothing else', () => {
    const calling = started('INVITE')
    expect(calling.machine.handle({ kind: 'abandon' }, 1)).toEqual([])
    calling.hear(100, 2)
    expect(calling.machine.handle({ kind: 'abandon' }, 3).map(short)).toEqual(['timeout'])
  })
})

describe('other requests', () => {
  test('E doubles to T2 and F ends it', () => {
    expect(started('OPTIONS').watch()).toEqual([
      '500 OPTIONS',
      '1500 OPTIONS',
      '3500 OPTIONS',
      '7500 OPTIONS',
      '11500 OPTIONS',
      '15500 OPTIONS',
      '19500 OPTIONS',
      '23500 OPTIONS',
      '27500 OPTIONS',
      '31500 OPTIONS',
      '32000 timeout',
    ])
  })

  test('in Proceeding E goes on at T2, and F with it', () => {
    const { hear, watch } = started('OPTIONS')
    expect(watch(500)).toEqual(['500 OPTIONS'])
    expect(hear(100, 600)).toEqual(['100'])
    const events = watch()
    expect(events.slice(0, 3)).toEqual(['1500 OPTIONS', '5500 OPTIONS', '9500 OPTIONS'])
    expect(events.at(-1)).toBe('32000 timeout')
  })

  test('over a reliable transport E is off', () => {
    expect(started('BYE', true).watch()).toEqual(['32000 timeout'])
  })

  test('copies of the final response are absorbed for the time of K, which is zero over a reliable transport', () => {
    const { hear, watch } = started('BYE')
    expect(hear(200, 100)).toEqual(['200'])
    expect(hear(200, 200)).toEqual([])
    expect(watch()).toEqual(['5100 terminated'])
    const reliable = started('BYE', true)
    reliable.hear(481, 100)
    expect(reliable.machine.state).toBe('terminated')
  })
})
