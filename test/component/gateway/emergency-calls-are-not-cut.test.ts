import { afterEach, expect, it } from 'vitest'
import type { Config } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import type { Code } from '../../../gateway/diagnosis.ts'
import { header } from '../../../sip/message/headers.ts'
import {
  type AnsweredCall,
  answered,
  answerTo,
  BROWSER,
  PeerDialog,
  PHONE,
  place,
  reasonText,
  reofferOf,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { until } from '../../harness/until.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const demo = loadConfig(undefined, {})

async function open(more: Partial<Config>): Promise<Peer> {
  gateway = await ScriptedGateway.open({
    emergency: {
      numbers: ['112'],
      prefix: '',
      trunks: ['pbx'],
      callerId: undefined,
      maxCalls: 2,
      drainTimeoutS: 60,
    },
    ...more,
  })
  return gateway.registered('alice')
}

const callTo = (alice: Peer, number: string): Promise<AnsweredCall> =>
  answered(
    gateway,
    { peer: alice, user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number, local: PHONE },
  )

/** Waits until a call that is no emergency, and began last, has ended because nobody was heard: those before it were silent longer. */
async function untilAnotherIsCut(alice: Peer): Promise<void> {
  gateway.trunk.invites.length = 0
  const ordinary = await callTo(alice, '0100')
  const cut = () => gateway.logged('call failed').map(({ fields }) => fields.code as Code)
  // Time of media is real.
  await until(() => cut().length > 0)
  await gateway.time.advance(200)
  expect([ordinary.caller.ended, ordinary.callee.ended]).toEqual(['bye', 'bye'])
  gateway.expectsVerdicts(...cut())
}

it('an emergency call in which nobody is heard goes on, and one that a transfer has made', async () => {
  const alice = await open({ media: { ...demo.media, rtpTimeoutS: 1, rtpHoldTimeoutS: 1 } })
  const direct = await callTo(alice, '112')
  gateway.trunk.invites.length = 0
  const held = await answered(
    gateway,
    { peer: gateway.trunk, user: '030', local: PHONE },
    { peer: alice, number: 'alice', local: BROWSER },
  )
  const refer = { headers: [{ name: 'Refer-To', value: '<sip:112@example.com>' }] }
  held.callee.dialog?.request('REFER', refer, () => {})
  const invite = await ringing(gateway, gateway.trunk)
  const centre = new PeerDialog(PHONE)
  centre.dialog = invite.accept({ body: answerTo(invite, PHONE) }, centre.handler)
  await gateway.time.advance(200)
  expect(held.callee.ended).toBe('bye')
  await untilAnotherIsCut(alice)
  expect([direct.caller.ended, direct.callee.ended]).toEqual([undefined, undefined])
  expect([held.caller.ended, centre.ended]).toEqual([undefined, undefined])
  direct.caller.dialog?.bye()
  held.caller.dialog?.bye()
  await gateway.time.advance(200)
})

it('an emergency call that is joined to another one goes on in it, though nobody is heard', async () => {
  const alice = await open({ media: { ...demo.media, rtpTimeoutS: 1, rtpHoldTimeoutS: 1 } })
  const held = await answered(
    gateway,
    { peer: gateway.trunk, user: '030', local: PHONE },
    { peer: alice, number: 'alice', local: BROWSER },
  )
  const centre = await callTo(alice, '112')
  const { callId, remoteTag, localTag } = centre.caller.dialog ?? {}
  const replaces = encodeURIComponent(`${callId};to-tag=${remoteTag};from-tag=${localTag}`)
  const refer = { headers: [{ name: 'Refer-To', value: `<sip:112@example.com?Replaces=${replaces}>` }] }
  held.callee.dialog?.request('REFER', refer, () => {})
  await gateway.time.advance(500)
  expect([held.callee.ended, centre.caller.ended, gateway.calls.size]).toEqual(['bye', 'bye', 1])
  await untilAnotherIsCut(alice)
  expect([held.caller.ended, centre.callee.ended]).toEqual([undefined, undefined])
  held.caller.dialog?.bye()
  await gateway.time.advance(200)
})

const WITH_LOSS = { calls: { ...demo.calls, lostConnectionS: 45 } }

it('an emergency call goes on without the WebSocket of its browser for as long as it takes, and by the next one', async () => {
  const alice = await open(WITH_LOSS)
  const { caller: browser, callee: centre } = await callTo(alice, '112')
  await gateway.disconnect(alice)
  await gateway.time.advance(200_000)
  expect([centre.ended, gateway.calls.size]).toEqual([undefined, 1])
  expect(gateway.logged('connection did not come back')).not.toEqual([])
  await gateway.back(alice, 'alice')
  await gateway.time.advance(1_000)
  expect(gateway.logged('connection replaced')).toHaveLength(1)
  browser.dialog?.bye()
  await gateway.time.advance(200)
  expect(centre.ended).toBe('bye')
  gateway.expectsVerdicts('media.none-from-trunk')
})

it('what an emergency call leaves behind whose browser never comes back is gone after calls.lostConnectionS', async () => {
  const alice = await open(WITH_LOSS)
  const { callee: centre } = await callTo(alice, '112')
  await gateway.disconnect(alice)
  await gateway.time.advance(100_000)
  centre.dialog?.bye()
  await gateway.time.advance(1_000)
  expect([gateway.calls.size, gateway.homes.tables().lostConnections]).toEqual([0, 1])
  await gateway.time.advance(45_000)
  expect(gateway.homes.tables().lostConnections).toBe(0)
  expect(gateway.userAgent.tables()).toMatchObject({ dialogs: 0, flowsInUse: 0 })
  gateway.expectsVerdicts('media.none-from-trunk')
})

it('a stop that has waited long enough forsakes it too', async () => {
  const alice = await open(WITH_LOSS)
  await callTo(alice, '112')
  await gateway.disconnect(alice)
  await gateway.time.advance(100_000)
  gateway.homes.close()
  await gateway.time.advance(1_000)
  expect(gateway.calls.size).toBe(0)
  gateway.expectsVerdicts(['media.none-from-trunk', 'call.connection-lost'])
})

// It was taken, and went with the process a moment later, without a BYE.
it('one that is placed when a stop has waited long enough is refused, and told when to try again', async () => {
  const alice = await open({})
  void gateway.calls.drain()
  const waiting = await callTo(alice, '112')
  gateway.calls.end()
  await gateway.time.advance(100)
  expect(waiting.caller.ended).toBe('bye')
  gateway.trunk.invites.length = 0
  const late = place(alice, 'alice', '112')
  await gateway.time.advance(100)
  expect([statusOf(late), reasonText(late)]).toEqual([503, expect.stringContaining('call.draining')])
  expect(typeof late.final === 'object' ? header(late.final, 'Retry-After') : undefined).toBe('10')
  expect([gateway.trunk.invites, gateway.calls.size]).toEqual([[], 0])
  gateway.expectsVerdicts('call.draining')
})

it('an emergency call goes on when its browser, whose WebSocket is dead unnoticed, does not answer a re-INVITE, and is told when it is back', async () => {
  // The call ended after 32 s, with call.contact-unreachable.
  const alice = await open(WITH_LOSS)
  const { caller: browser, callee: centre } = await callTo(alice, '112')
  const end = gateway.gatewayEnd(alice)
  end.drops = () => true
  const answer = await centre.reoffer(gateway, reofferOf(PHONE, 'sendonly'))
  expect(answer).toMatchObject({ status: 200 })
  await gateway.time.advance(40_000)
  expect([centre.ended, gateway.calls.size, end.probes]).toEqual([undefined, 1, 1])
  await gateway.disconnect(alice)
  await gateway.time.advance(200_000)
  expect([centre.ended, browser.offers]).toEqual([undefined, []])
  await gateway.back(alice, 'alice')
  await gateway.time.advance(5_000)
  expect(browser.offers).toHaveLength(1)
  expect(browser.offers[0]).toContain('a=sendonly')
  centre.dialog?.bye()
  await gateway.time.advance(200)
  expect(browser.ended).toBe('bye')
  gateway.expectsVerdicts('media.none-from-trunk')
})
