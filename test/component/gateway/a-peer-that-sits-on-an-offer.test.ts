import { afterEach, expect, it } from 'vitest'
import { BROWSER, PeerDialog, PHONE, reofferOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { aliceCallsTrunk } from '../../harness/scripted-transfers.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

it('and has said 100 is asked to give it up, and the call goes on', async () => {
  gateway = await ScriptedGateway.open()
  const { caller, callee } = await aliceCallsTrunk(gateway, await gateway.registered('alice'))
  expect(callee).toBeInstanceOf(PeerDialog)
  callee.answers = () => {}
  await caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
  await gateway.time.advance(120_000)
  expect([caller.ended, callee.ended, gateway.calls.size]).toEqual([undefined, undefined, 1])
  expect(gateway.trunkFlow.sent.filter((text) => text.startsWith('CANCEL '))).toHaveLength(1)
  // And it can be told again.
  callee.answers = undefined
  await caller.reoffer(gateway, reofferOf(BROWSER, 'sendrecv', 3))
  await callee.reoffer(gateway, reofferOf(PHONE, 'sendrecv'))
  callee.dialog?.bye()
  await gateway.time.advance(100)
  expect(caller.ended).toBe('bye')
  gateway.expectsVerdicts('media.none-from-trunk')
})
