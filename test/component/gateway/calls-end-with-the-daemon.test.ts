import { afterEach, describe, expect, it } from 'vitest'
import { place, statusOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

describe('the end of the daemon', () => {
  it('hangs up calls with a reason and refuses new ones', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', 'echo')
    await gateway.time.advance(500)
    const drained = gateway.calls.drain()
    await gateway.time.advance(500)
    await drained
    expect(call.ended).toBe('bye')
    expect(call.endedBy).toContain('call.draining')
    const late = place(alice, 'alice', 'echo')
    await gateway.time.advance(500)
    expect(statusOf(late)).toBe(503)
    gateway.expectsVerdicts('call.draining')
  })
})
