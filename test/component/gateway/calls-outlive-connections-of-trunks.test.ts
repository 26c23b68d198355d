import { afterEach, describe, expect, it } from 'vitest'
import {
  type AnsweredCall,
  answered,
  BROWSER,
  PHONE,
  place,
  reofferOf,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const emergency = {
  numbers: ['112'],
  prefix: '',
  trunks: ['pbx'],
  callerId: undefined,
  maxCalls: 2,
  drainTimeoutS: 60,
}

/** The trunk is reached over TCP. */
async function opened(): Promise<Peer> {
  gateway = await ScriptedGateway.open({ emergency })
  gateway.trunkFlow.transport = 'tcp'
  gateway.trunk.flow.transport = 'tcp'
  return gateway.registered('alice')
}

const toTrunk = (alice: Peer, number: string): Promise<AnsweredCall> =>
  answered(
    gateway,
    { peer: alice, user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number, local: PHONE },
  )

const directionsOf = (offers: readonly string[]): readonly (string | undefined)[] =>
  offers.map((offer) => /^a=(sendrecv|sendonly|recvonly|inactive)\r$/m.exec(offer)?.[1])

describe.each(['0100', '112'])('a call of %s whose trunk cannot be connected to', (number) => {
  it('goes on when it is held, and the trunk is told when it can', async () => {
    const call = await toTrunk(await opened(), number)
    gateway.trunkFlow.isBackedOff = true
    await call.caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
    // More tries than a peer that collides is given.
    await gateway.time.advance(100_000)
    gateway.trunkFlow.isBackedOff = false
    await gateway.time.advance(10_000)
    expect([call.caller.ended, call.callee.ended]).toEqual([undefined, undefined])
    expect(directionsOf(call.callee.offers)).toEqual(['sendonly'])
    call.caller.dialog?.bye()
    await gateway.time.advance(100)
  })
})

it('an emergency call is placed though the connection to its trunk has just failed, another call is not', async () => {
  const alice = await opened()
  gateway.trunkFlow.isBackedOff = true
  const ordinary = place(alice, 'alice', '0100')
  await gateway.time.advance(100)
  expect(statusOf(ordinary)).toBe(503)
  const call = place(alice, 'alice', '112')
  const invite = await ringing(gateway, gateway.trunk)
  invite.reject(486)
  await gateway.time.advance(100)
  expect(statusOf(call)).toBe(486)
  gateway.expectsVerdicts('trunk.unreachable', 'call.refused')
})
