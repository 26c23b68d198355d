import { afterEach, expect, it } from 'vitest'
import { BROWSER, reofferOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { aliceCallsTrunk } from '../../harness/scripted-transfers.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

it('and has said 100 is asked to give it up, the call goes on, and that is a finding', async () => {
  gateway = await ScriptedGateway.open()
  const { caller, callee } = await aliceCallsTrunk(gateway, await gateway.registered('alice'))
  const sent = (method: string): number =>
    gateway.trunkFlow.sent.filter((text) => text.startsWith(`${method} `)).length
  callee.answers = () => {}
  await caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
  await gateway.time.advance(120_000)
  expect([caller.ended, callee.ended, gateway.calls.size]).toEqual([undefined, undefined, 1])
  // Not made again by itself: while it is open the peer's own offers are refused.
  expect([sent('INVITE'), sent('CANCEL')]).toEqual([2, 1])
  expect(gateway.logged('change refused by peer')).toHaveLength(1)
  // The trunk does not know that it is held, and is told when that is said again.
  callee.answers = undefined
  await caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly', 3))
  expect(callee.offers.map((text) => text.includes('a=sendonly'))).toEqual([true, true])
  callee.dialog?.bye()
  await gateway.time.advance(100)
  expect(caller.ended).toBe('bye')
  gateway.expectsVerdicts('call.change-refused')
})
