import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { verdictOf } from '../../../gateway/diagnosis.ts'
import { CallHistory } from '../../../gateway/ladder/call-history.ts'
import { CallTrace } from '../../../gateway/ladder/call-trace.ts'
import { createLadder } from '../../../gateway/ladder/ladder-endpoint.ts'
import { LadderTickets } from '../../../gateway/ladder/ladder-tickets.ts'
import { MediaFailure } from '../../../media/failure.ts'

let nowMs = 0
let server: Server
let history: CallHistory
let tickets: LadderTickets

beforeEach(async () => {
  nowMs = 0
  history = new CallHistory({ maxCalls: 4, keepMs: 60_000, nowMs: () => 0 })
  tickets = new LadderTickets(() => nowMs)
  server = createServer(createLadder({ history, tickets }))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

function trace(): CallTrace {
  const made = new CallTrace({
    callId: 'a b',
    caller: 'user:alice',
    callee: 'trunk:secret-pbx',
    nowMs: () => 0,
    startedAt: new Date(0),
  })
  made.leg('caller', 'user:alice', 'webrtc')
  made.leg('callee', 'trunk:secret-pbx', 'rtp')
  made.climb('caller', 'S1')
  made.addFinding(
    verdictOf(new MediaFailure('media.none-from-trunk', { seen: '192.0.2.9' }), { leg: 'callee' }),
  )
  made.addFinding(verdictOf(new MediaFailure('media.poor', { seen: 'MOS 1.2' }), { leg: 'caller' }))
  return made
}

async function ask(ticket: string | undefined, callId = 'a b'): Promise<{ status: number; text: string }> {
  const { port } = server.address() as AddressInfo
  const headers: Record<string, string> = ticket === undefined ? {} : { Authorization: `Bearer ${ticket}` }
  const response = await fetch(`http://127.0.0.1:${port}/ladder?call=${encodeURIComponent(callId)}`, {
    headers,
  })
  return { status: response.status, text: await response.text() }
}

describe('the ladder of an own call', () => {
  it('is shown with stages, codes and times, and nothing of the far side but those', async () => {
    history.begin(trace())
    const { status, text } = await ask(tickets.headerFor('alice').value)
    expect(status).toBe(200)
    expect(JSON.parse(text)).toMatchObject({
      callId: 'a b',
      outcome: 'impaired',
      findings: [
        { stage: 'S6', code: 'media.none-from-trunk', isOwn: false },
        { stage: 'S6', code: 'media.poor', isOwn: true, seen: 'MOS 1.2' },
      ],
      legs: [
        { isOwn: true, rungs: expect.arrayContaining([{ stage: 'S1', state: 'climbed', atMs: 0 }]) },
        { isOwn: false },
      ],
    })
    expect(text).not.toMatch(/192\.0\.2\.9|secret-pbx/)
  })

  it('is not shown to others, and they do not learn whether there is such a call', async () => {
    history.begin(trace())
    const bob = tickets.headerFor('bob').value
    expect([await ask(bob), await ask(bob, 'no such call')]).toEqual([
      { status: 404, text: '{"error":"no such call of yours"}\n' },
      { status: 404, text: '{"error":"no such call of yours"}\n' },
    ])
    expect((await ask(tickets.headerFor('alice').value, 'a')).status).toBe(404)
  })

  it('is not shown without a ticket, with one that was changed, of another process, or too old', async () => {
    history.begin(trace())
    const { value } = tickets.headerFor('alice')
    const [, end = '', signature = ''] = value.split('.')
    const forged = `${Buffer.from('bob').toString('base64url')}.${end}.${signature}`
    for (const ticket of [
      undefined,
      '',
      'x',
      forged,
      `${value}x`,
      'a'.repeat(5_000),
      new LadderTickets(() => 0).headerFor('alice').value,
    ]) {
      expect((await ask(ticket)).status, String(ticket)).toBe(401)
    }
    nowMs = 2 * 3_600_000
    expect((await ask(value)).status).toBe(401)
  })
})
