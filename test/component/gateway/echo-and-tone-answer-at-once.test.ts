import { afterEach, describe, expect, it } from 'vitest'
import { place, statusOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

describe('built-in applications', () => {
  it.each(['echo', 'tone'])('%s answers at once', async (name) => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', name)
    await gateway.time.advance(500)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
    await gateway.time.advance(50)
    expect(gateway.calls.size).toBe(0)
  })
})
