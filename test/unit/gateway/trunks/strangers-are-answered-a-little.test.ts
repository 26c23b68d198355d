import { beforeEach, describe, expect, it } from 'vitest'
import type { Log } from '../../../../config/logging.ts'
import { Strangers } from '../../../../gateway/trunks/strangers.ts'
import type { Flow } from '../../../../sip/flow.ts'

let warned: string[]
const log: Log = {
  error() {},
  warn: (message) => warned.push(message),
  info() {},
  debug() {},
  child: () => log,
}
const request = (method = 'INVITE', via = 'SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKscan;rport'): Buffer =>
  Buffer.from(
    [
      `${method} sip:100@192.0.2.1 SIP/2.0`,
      `Via: ${via}`,
      'From: <sip:100@203.0.113.9>;tag=scan',
      'To: <sip:100@192.0.2.1>',
      'Call-ID: scan',
      `CSeq: 1 ${method}`,
      'User-Agent: friendly-scanner',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  )

let nowMs = 0
let sent: string[]
let strangers: Strangers
let areTrunksKnown: boolean
let closed: number
const flow: Flow = {
  id: 'f',
  transport: 'udp',
  local: { address: '192.0.2.1', port: 5060 },
  remote: { address: '203.0.113.9', port: 5060 },
  scope: 'stranger',
  isOpen: true,
  send: (bytes) => sent.push(Buffer.from(bytes).toString()),
  close: () => {
    closed += 1
  },
}

beforeEach(() => {
  nowMs = 0
  sent = []
  closed = 0
  warned = []
  areTrunksKnown = true
  strangers = new Strangers({ nowMs: () => nowMs, log, areTrunksKnown: () => areTrunksKnown })
})

describe('a peer that is no trunk', () => {
  it.each(['INVITE', 'REGISTER', 'OPTIONS'])('gets one 403 with a code for %s', (method) => {
    strangers.receive(request(method), flow)
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatch(/^SIP\/2\.0 403 [\s\S]*Reason: SIP;cause=403;text="call.forbidden"/)
    expect(strangers.counters().refused).toBe(1)
  })

  it('is closed after its message, answered or not', () => {
    strangers.receive(request(), flow)
    strangers.receive(Buffer.from([0]), flow)
    expect(closed).toBe(2)
  })

  it('gets nothing for ACK, a response or garbage', () => {
    strangers.receive(request('ACK'), flow)
    strangers.receive(Buffer.from('SIP/2.0 200 OK\r\n\r\n'), flow)
    strangers.receive(Buffer.from([0, 1, 2, 3]), flow)
    expect(sent).toEqual([])
    expect(strangers.counters()).toEqual({ refused: 0, silent: 1, garbage: 2 })
  })

  it.each(['SIP/"x/UDP h;a="b;rport="', 'SIP/2.0/UDP "h;rport="'])('gets nothing for Via: %s', (via) => {
    strangers.receive(request('INVITE', via), flow)
    expect(sent).toEqual([])
    expect(strangers.counters()).toEqual({ refused: 0, silent: 0, garbage: 1 })
    expect(closed).toBe(1)
  })

  it('gets nothing while it may be a trunk that name servers have said nothing of, which is told: it asks again', () => {
    areTrunksKnown = false
    strangers.receive(request(), flow)
    expect([sent, closed]).toEqual([[], 1])
    expect(strangers.counters()).toEqual({ refused: 0, silent: 1, garbage: 0 })
    areTrunksKnown = true
    strangers.receive(request(), flow)
    expect(sent).toHaveLength(1)
    expect(warned).toEqual([expect.stringContaining('stranger not answered'), 'stranger refused'])
  })

  it('gets 20 answers at once and one past that none, then ten a second', () => {
    for (let turn = 0; turn < 21; turn += 1) strangers.receive(request(), flow)
    expect(sent).toHaveLength(20)
    nowMs = 1_000
    for (let turn = 0; turn < 21; turn += 1) strangers.receive(request(), flow)
    expect(sent).toHaveLength(30)
  })

  it('is not read past those, whatever it sends', () => {
    for (let turn = 0; turn < 20; turn += 1) strangers.receive(Buffer.from([0]), flow)
    expect(strangers.counters()).toEqual({ refused: 0, silent: 0, garbage: 20 })
    strangers.receive(Buffer.from([0]), flow)
    strangers.receive(request(), flow)
    expect(strangers.counters()).toEqual({ refused: 0, silent: 2, garbage: 20 })
    expect([sent, closed]).toEqual([[], 22])
  })

  it('never gets an answer much longer than its request', () => {
    strangers.receive(request(), flow)
    expect(sent[0]?.length).toBeLessThanOrEqual(request().length + 128)
  })
})
