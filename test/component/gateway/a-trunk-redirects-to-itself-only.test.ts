import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { place, ringing, statusOf } from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
let alice: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  alice = await gateway.registered('alice')
})
afterEach(() => gateway.close())

describe('a trunk that redirects', () => {
  it('to itself is followed', async () => {
    const call = place(alice, 'alice', '0100')
    ;(await ringing(gateway, gateway.trunk)).reject(302, {
      headers: [{ name: 'Contact', value: '<sip:200@127.0.0.1:5070>' }],
    })
    gateway.trunk.invites.length = 0
    const second = await ringing(gateway, gateway.trunk)
    expect(second.request.uri.text).toBe('sip:200@127.0.0.1:5070')
    second.reject(486)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })

  it('elsewhere is not followed, and in circles not for long', async () => {
    const call = place(alice, 'alice', '0100')
    for (let turn = 0; turn < 4; turn += 1) {
      const invite = await ringing(gateway, gateway.trunk)
      gateway.trunk.invites.length = 0
      invite.reject(302, {
        headers: [{ name: 'Contact', value: '<sip:200@10.0.0.1>, <sip:200@127.0.0.1:5070>' }],
      })
      await gateway.time.advance(100)
    }
    expect(statusOf(call)).toBe(480)
    expect(gateway.trunkFlow.sent.join('')).not.toContain('sip:200@10.0.0.1')
    gateway.expectsVerdicts('call.refused')
  })
})
