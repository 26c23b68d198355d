import { afterEach, describe, expect, it } from 'vitest'
import {
  answerTo,
  BROWSER,
  offerOf,
  PHONE,
  place,
  quiet,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

describe('a call to a browser', () => {
  it('from a trunk rings the registered browser and is answered', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(PHONE) })
    const invite = await ringing(gateway, alice)
    expect(invite.request.from.uri.text).toBe('sip:0301234@example.com')
    expect(invite.request.body.toString()).toMatch(/UDP\/TLS\/RTP\/SAVPF[\s\S]*a=setup:actpass/)
    invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(200)
    expect(typeof call.final === 'object' && call.final.body.toString()).toMatch(/m=audio \d+ RTP\/AVP /)
    call.dialog?.bye()
  })

  it('from another browser is answered, and the callee hangs up', async () => {
    gateway = await ScriptedGateway.open()
    const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
    const call = place(alice, 'alice', 'bob')
    const invite = await ringing(gateway, bob)
    const dialog = invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(200)
    dialog.bye()
    await gateway.time.advance(50)
    expect(call.ended).toBe('bye')
  })

  it('whose WebSocket is gone ends with 480', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const bob = await gateway.registered('bob')
    bob.flow.close()
    const call = place(alice, 'alice', 'bob')
    await gateway.time.advance(60_000)
    expect(statusOf(call)).toBe(480)
    gateway.expectsVerdicts('call.not-registered')
  })
})
