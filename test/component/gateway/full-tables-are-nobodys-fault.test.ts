import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { sipLimits } from '../../../gateway/calls/capacity.ts'
import type { UserAgentLimits } from '../../../sip/user-agent.ts'
import {
  answered,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  reasonText,
  reofferOf,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

// Each device of a ringing group takes a place in the tables of SIP, and four calls to a large one filled them: then 112 was
// refused, and a call that we could not send was told of its trunk, which rested for it.

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const EMERGENCY = {
  numbers: ['112'],
  prefix: '',
  trunks: ['pbx'],
  callerId: undefined,
  maxCalls: 1,
  drainTimeoutS: 60,
}
/** Room for a few calls and for ten devices. */
const LIMITS = { maxDialogs: 14, reserved: 4 }
const DEVICES = 6

/** alice has six devices, and bob one. */
async function open(limits: Partial<UserAgentLimits> = LIMITS) {
  const trunks = ['pbx', 'second'].map((name, index) => trunkConfig({ name, port: 5070 + index }))
  const groups = [
    { name: 'out', trunks: trunks.map(({ name }, index) => ({ trunk: name, priority: index, weight: 1 })) },
  ]
  const routes = [{ prefix: '0', trunk: 'out', strip: 1, add: '' }]
  const more = { trunks, groups, routes, emergency: EMERGENCY }
  gateway = await ScriptedGateway.open(more, {}, { limits })
  const bob = await gateway.registered('bob')
  for (let count = 0; count < DEVICES; count += 1) await gateway.registered('alice', `phone${count}`)
  return bob
}

/** Calls to all devices of alice until the tables have only their reserve. */
async function fill() {
  const calls = [
    place(gateway.trunk, '030', 'alice', { body: offerOf(PHONE) }),
    place(gateway.trunk, '031', 'alice', { body: offerOf(PHONE) }),
  ]
  await gateway.time.advance(200)
  return calls
}

describe('while devices that ring have all places but those in reserve', () => {
  it('a call to a trunk is refused with the true reason, and no trunk rests for it or is asked', async () => {
    const bob = await open()
    const calls = await fill()
    const made = place(bob, 'bob', '0100')
    await gateway.time.advance(200)
    expect([statusOf(made), reasonText(made)]).toEqual([503, 'SIP;cause=503;text="call.signalling-full"'])
    expect([gateway.states.restCount, gateway.states.lastFailureOf('pbx')]).toEqual([0, undefined])
    expect([gateway.trunk.invites, gateway.trunkAt(5071).peer.invites]).toEqual([[], []])
    for (const call of calls) call.invite.cancel()
    await gateway.time.advance(200)
    const again = place(bob, 'bob', '0100')
    ;(await ringing(gateway, gateway.trunk)).reject(486)
    await gateway.time.advance(200)
    expect(statusOf(again)).toBe(486)
    gateway.expectsVerdicts('call.signalling-full', 'call.refused', 'cancelled', 'cancelled')
  })

  it('an emergency call goes out, and a call comes in', async () => {
    const bob = await open()
    const calls = await fill()
    const dialog = new PeerDialog(BROWSER)
    const help = place(bob, 'bob', '112', { handler: dialog.handler })
    const invite = await ringing(gateway, gateway.trunk)
    const centre = new PeerDialog(PHONE)
    centre.dialog = invite.accept({ body: answerTo(invite, PHONE) }, centre.handler)
    const echo = place(bob, 'bob', 'echo')
    await gateway.time.advance(200)
    expect([statusOf(help), statusOf(echo)]).toEqual([200, 200])
    expect(gateway.userAgent.counters(), 'some of the devices').toMatchObject({ 'sip.overload': 4 })
    echo.dialog?.bye()
    for (const call of calls) call.invite.cancel()
    centre.dialog.bye()
    await gateway.time.advance(200)
    gateway.expectsVerdicts('cancelled', 'cancelled')
  })
})

it('an offer in mid-call for which there is no place is made a little later, and the call goes on', async () => {
  const alice = await open({ maxClientTransactions: 1, reserved: 0 })
  const call = await answered(
    gateway,
    { peer: alice, user: 'bob', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: PHONE },
  )
  // The INVITE stays in the table for half a minute, for the sake of answers that come again.
  await gateway.time.advance(28_000)
  await call.caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
  expect(call.callee.offers).toEqual([])
  expect(gateway.userAgent.counters()).toMatchObject({ 'sip.overload': 1 })
  await gateway.time.advance(15_000)
  expect(call.callee.offers).toHaveLength(1)
  expect([call.caller.ended, call.callee.ended]).toEqual([undefined, undefined])
  call.caller.dialog?.bye()
  await gateway.time.advance(200)
  gateway.expectsVerdicts('media.none-from-trunk')
})

it('the tables of a daemon have room for a thousand devices that ring beside its calls, and two places of each call in reserve', async () => {
  await open()
  const demo = loadConfig(undefined, {})
  const config = {
    ...demo,
    calls: { ...demo.calls, maxCalls: 90 },
    emergency: { ...EMERGENCY, maxCalls: 10 },
  }
  const { maxDialogs, maxClientTransactions, maxServerTransactions, reserved } = sipLimits(config)
  // What all calls have at a time, both legs, and the devices.
  expect(maxDialogs - reserved).toBe(2 * 100 + 1_000)
  expect(maxClientTransactions - reserved).toBeGreaterThanOrEqual(2 * 100 + 1_000)
  expect(reserved).toBe(2 * 100)
  // Over UDP each request of a peer keeps its place for 32 s: a hundred a second in half of them, of one trunk.
  expect(maxServerTransactions - 16 * 100).toBe(4_096)
})
