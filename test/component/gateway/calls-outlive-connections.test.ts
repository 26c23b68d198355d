import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { RINGING_GRACE_MS } from '../../../gateway/calls/homes.ts'
import type { LocalTransport } from '../../../media/parameters.ts'
import {
  type AnsweredCall,
  answered,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  quiet,
  reasonText,
  reofferOf,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

/** Another network: the browser offers with new ICE credentials. */
const RESTARTED: LocalTransport = {
  ...(BROWSER as Extract<LocalTransport, { kind: 'webrtc' }>),
  ice: { ufrag: 'efgh', pwd: 'efghijklmnopqrstuvwxyzab' },
}
const ufragOf = (text: string): string => /a=ice-ufrag:(\S+)/.exec(text)?.[1] ?? ''

interface Talking extends AnsweredCall {
  readonly alice: Peer
}

const WAYS = {
  'that a browser has placed': async (): Promise<Talking> => {
    const alice = await gateway.registered('alice')
    const call = await answered(
      gateway,
      { peer: alice, user: 'alice', local: BROWSER },
      { peer: gateway.trunk, number: '0100', local: PHONE },
    )
    return { ...call, alice }
  },
  'that a browser was called for': async (): Promise<Talking> => {
    const alice = await gateway.registered('alice')
    const { caller, callee } = await answered(
      gateway,
      { peer: gateway.trunk, user: '100', local: PHONE },
      { peer: alice, number: 'alice', local: BROWSER },
    )
    return { caller: callee, callee: caller, alice }
  },
} as const

describe.each(Object.entries(WAYS))('a call %s', (_, make) => {
  it('goes on by a new WebSocket, an ICE restart is answered, and the trunk sees nothing of it', async () => {
    gateway = await ScriptedGateway.open()
    const { caller: browser, callee: phone, alice } = await make()
    const sentToTrunk = gateway.trunkFlow.sent.length
    await gateway.disconnect(alice)
    await gateway.time.advance(9_000)
    await gateway.back(alice, 'alice')
    await gateway.time.advance(1_000)
    expect(gateway.logged('connection replaced')).toMatchObject([{ fields: { user: 'alice' } }])
    const answer = await browser.reoffer(gateway, reofferOf(RESTARTED, 'sendrecv'))
    expect(answer).toMatchObject({ status: 200 })
    expect(ufragOf(typeof answer === 'object' ? answer.body.toString() : '')).not.toBe('')
    expect(gateway.trunkFlow.sent.length, 'not one message').toBe(sentToTrunk)
    expect([phone.ended, browser.ended, gateway.calls.size]).toEqual([undefined, undefined, 1])
    phone.dialog?.bye()
    await gateway.time.advance(100)
    expect(browser.ended).toBe('bye')
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('ends at once when the page was loaded again and knows nothing of it', async () => {
    gateway = await ScriptedGateway.open()
    const { callee: phone, alice } = await make()
    await gateway.disconnect(alice)
    const reloaded = await gateway.registered('alice')
    await gateway.time.advance(200)
    expect(phone.ended).toBe('bye')
    expect(phone.endedBy).toContain('call.dialog-lost')
    expect(gateway.calls.size).toBe(0)
    place(gateway.trunk, '100', 'alice', { body: offerOf(PHONE) })
    const invite = await ringing(gateway, reloaded)
    invite.reject(486)
    await gateway.time.advance(100)
    gateway.expectsVerdicts('call.dialog-lost', 'call.refused')
  })

  it('whose browser does not come back ends with the reason, and no sooner than configured', async () => {
    const { calls } = loadConfig(undefined, {})
    gateway = await ScriptedGateway.open({ calls: { ...calls, lostConnectionS: 45 } })
    const { callee: phone, alice } = await make()
    await gateway.disconnect(alice)
    await gateway.time.advance(44_000)
    expect(phone.ended).toBeUndefined()
    await gateway.time.advance(2_000)
    expect(phone.ended).toBe('bye')
    expect(phone.endedBy).toContain('call.connection-lost')
    expect(gateway.logged('call failed').at(-1)?.fields).toMatchObject({ code: 'call.connection-lost' })
    gateway.expectsVerdicts(['media.none-from-trunk', 'call.connection-lost'])
  })

  it('goes on when the browser, whose WebSocket lives, leaves every re-INVITE without an answer', async () => {
    gateway = await ScriptedGateway.open()
    const { callee: phone, alice } = await make()
    const end = gateway.gatewayEnd(alice)
    end.drops = (text) => text.startsWith('INVITE ')
    await phone.reoffer(gateway, reofferOf(PHONE, 'sendonly'))
    await gateway.time.advance(400_000)
    expect([phone.ended, gateway.calls.size]).toEqual([undefined, 1])
    // One offer and five more tries, and no end of it in between.
    expect(end.probes).toBe(6)
    phone.dialog?.bye()
    await gateway.time.advance(100)
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('that the other side holds and resumes meanwhile is told the browser once, as it is when it comes back', async () => {
    gateway = await ScriptedGateway.open()
    const { caller: browser, callee: phone, alice } = await make()
    await gateway.disconnect(alice)
    for (const direction of ['sendonly', 'inactive', 'recvonly'] as const) {
      expect(await phone.reoffer(gateway, reofferOf(PHONE, direction))).toMatchObject({ status: 200 })
    }
    await gateway.back(alice, 'alice')
    await gateway.time.advance(1_000)
    expect(browser.offers).toHaveLength(1)
    expect(browser.offers[0]).toContain('a=recvonly')
    phone.dialog?.bye()
    await gateway.time.advance(100)
  })

  it('that the other side ends meanwhile is over when the browser is back', async () => {
    gateway = await ScriptedGateway.open()
    const { caller: browser, callee: phone, alice } = await make()
    await gateway.disconnect(alice)
    phone.dialog?.bye()
    await gateway.time.advance(5_000)
    expect(gateway.calls.size).toBe(0)
    expect(browser.ended).toBeUndefined()
    await gateway.back(alice, 'alice')
    await gateway.time.advance(100)
    expect(browser.ended).toBe('bye')
  })

  it('that the other side puts on hold meanwhile is held when the browser is back', async () => {
    gateway = await ScriptedGateway.open()
    const { caller: browser, callee: phone, alice } = await make()
    await gateway.disconnect(alice)
    expect(await phone.reoffer(gateway, reofferOf(PHONE, 'sendonly'))).toMatchObject({ status: 200 })
    await gateway.time.advance(5_000)
    expect([browser.offers, phone.ended]).toEqual([[], undefined])
    browser.direction = 'recvonly'
    await gateway.back(alice, 'alice')
    await gateway.time.advance(1_000)
    expect(browser.offers).toHaveLength(1)
    expect(browser.offers[0]).toContain('a=sendonly')
    phone.dialog?.bye()
    await gateway.time.advance(100)
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('stays where it is while the old WebSocket lives, which is asked whether it does', async () => {
    gateway = await ScriptedGateway.open()
    const { caller: browser, callee: phone, alice } = await make()
    const old = gateway.gatewayEnd(alice)
    const other = await gateway.registered('alice')
    await gateway.time.advance(100)
    expect([old.probes, gateway.logged('connection replaced')]).toEqual([1, []])
    expect([browser.ended, phone.ended]).toEqual([undefined, undefined])
    expect(gateway.toBrowser(other).filter((text) => text.startsWith('UPDATE'))).toEqual([])
    phone.dialog?.bye()
    await gateway.time.advance(100)
    expect(browser.ended).toBe('bye')
  })

  it('goes on when the new WebSocket came before the old one was found dead', async () => {
    gateway = await ScriptedGateway.open()
    const { caller: browser, callee: phone, alice } = await make()
    await gateway.back(alice, 'alice')
    await gateway.disconnect(alice)
    await gateway.time.advance(100)
    expect(gateway.logged('connection replaced')).toHaveLength(1)
    expect(await browser.reoffer(gateway, reofferOf(RESTARTED, 'sendrecv'))).toMatchObject({ status: 200 })
    phone.dialog?.bye()
    await gateway.time.advance(100)
    expect(browser.ended).toBe('bye')
  })

  it('is told of a hold again that went by the old WebSocket, which was dead unnoticed', async () => {
    gateway = await ScriptedGateway.open()
    const { caller: browser, callee: phone, alice } = await make()
    gateway.gatewayEnd(alice).drops = () => true
    await phone.reoffer(gateway, reofferOf(PHONE, 'sendonly'))
    await gateway.back(alice, 'alice')
    // The call has moved with this request.
    expect(await browser.reoffer(gateway, reofferOf(RESTARTED, 'sendrecv'))).toMatchObject({ status: 200 })
    await gateway.disconnect(alice)
    await gateway.time.advance(15_000)
    expect([phone.ended, browser.ended, browser.offers.length]).toEqual([undefined, undefined, 1])
    expect(browser.offers[0]).toContain('a=sendonly')
    phone.dialog?.bye()
    await gateway.time.advance(100)
    expect(browser.ended).toBe('bye')
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it.each([
    ['another device of the user', 'alice', 'desk'],
    ['the same device name of another user', 'bob', 'alice'],
  ])('is not moved by %s', async (_name, user, device) => {
    gateway = await ScriptedGateway.open()
    const { caller: browser, callee: phone, alice } = await make()
    await gateway.disconnect(alice)
    await gateway.registered(user, device)
    await gateway.time.advance(100)
    expect(gateway.logged('connection replaced')).toEqual([])
    await gateway.back(alice, 'alice')
    expect(gateway.logged('connection replaced')).toHaveLength(1)
    phone.dialog?.bye()
    await gateway.time.advance(100)
    expect(browser.ended).toBe('bye')
  })
})

describe('a call that rings at a browser', () => {
  it('is answered by its new WebSocket', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(gateway.trunk, '100', 'alice', { body: offerOf(PHONE) })
    const invite = await ringing(gateway, alice)
    invite.progress(180)
    await gateway.time.advance(100)
    await gateway.disconnect(alice)
    await gateway.time.advance(RINGING_GRACE_MS - 5_000)
    expect(call.final).toBeUndefined()
    await gateway.back(alice, 'alice')
    expect(alice.invites, 'it rings on, not anew').toHaveLength(1)
    const dialog = new PeerDialog(BROWSER)
    dialog.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, dialog.handler)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
    await gateway.time.advance(100)
    expect(dialog.ended).toBe('bye')
  })

  it('rings anew at a page that was loaded again, under its new address', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(gateway.trunk, '100', 'alice', { body: offerOf(PHONE) })
    const invite = await ringing(gateway, alice)
    invite.progress(180)
    await gateway.time.advance(100)
    await gateway.disconnect(alice)
    const reloaded = gateway.browser()
    const password = gateway.passwordOf('alice')
    expect(await gateway.register(reloaded, 'alice', password, 'alice', 'fresh')).toBe(200)
    const again = await ringing(gateway, reloaded)
    expect(again.request.uri.text).toContain('fresh@')
    again.accept({ body: answerTo(again, BROWSER) }, quiet)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
    await gateway.time.advance(100)
  })

  it('could not be delivered when it does not come back', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(gateway.trunk, '100', 'alice', { body: offerOf(PHONE) })
    ;(await ringing(gateway, alice)).progress(180)
    await gateway.time.advance(100)
    await gateway.disconnect(alice)
    await gateway.time.advance(RINGING_GRACE_MS + 1_000)
    expect([statusOf(call), reasonText(call)?.includes('call.unreachable')]).toEqual([480, true])
    gateway.expectsVerdicts('call.unreachable')
  })

  it('by two WebSockets rings once; the second is tried when the first is lost', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice', 'alice;reg-id=1')
    const second = gateway.browser()
    expect(await gateway.register(second, 'alice', gateway.passwordOf('alice'), 'alice;reg-id=2')).toBe(200)
    const call = place(gateway.trunk, '100', 'alice', { body: offerOf(PHONE) })
    const invite = await ringing(gateway, second)
    await gateway.time.advance(1_000)
    expect(alice.invites).toEqual([])
    invite.progress(180)
    await gateway.disconnect(second)
    const other = await ringing(gateway, alice)
    expect(other.request.callId, 'the same call').toBe(invite.request.callId)
    other.accept({ body: answerTo(other, BROWSER) }, quiet)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
    await gateway.time.advance(100)
  })

  it('that the device itself refuses is not tried by its second WebSocket', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice', 'alice;reg-id=1')
    const second = gateway.browser()
    expect(await gateway.register(second, 'alice', gateway.passwordOf('alice'), 'alice;reg-id=2')).toBe(200)
    const call = place(gateway.trunk, '100', 'alice', { body: offerOf(PHONE) })
    ;(await ringing(gateway, second)).reject(486)
    await gateway.time.advance(1_000)
    expect([alice.invites.length, statusOf(call)]).toEqual([0, 486])
    gateway.expectsVerdicts('call.refused')
  })

  it.each([430, 408])('that a flow answers %i is tried by the next', async (status) => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice', 'alice;reg-id=1')
    const second = gateway.browser()
    expect(await gateway.register(second, 'alice', gateway.passwordOf('alice'), 'alice;reg-id=2')).toBe(200)
    const call = place(gateway.trunk, '100', 'alice', { body: offerOf(PHONE) })
    ;(await ringing(gateway, second)).reject(status)
    ;(await ringing(gateway, alice)).reject(status)
    await gateway.time.advance(1_000)
    expect([alice.invites.length, second.invites.length]).toEqual([1, 1])
    expect(statusOf(call)).toBe(status)
    gateway.expectsVerdicts('call.refused')
  })
})

describe('a call that a browser has placed and that rings', () => {
  it('is answered by its new WebSocket', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(180)
    await gateway.time.advance(100)
    await gateway.disconnect(alice)
    await gateway.time.advance(5_000)
    await gateway.back(alice, 'alice')
    invite.accept({ body: answerTo(invite, PHONE) }, quiet)
    await gateway.time.advance(200)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
    await gateway.time.advance(100)
  })

  it.each([
    ['that gave it up meanwhile', async () => void (await gateway.registered('alice'))],
    ['that does not come back', async () => void (await gateway.time.advance(RINGING_GRACE_MS))],
  ])('by one %s is cancelled at the trunk', async (_name, come) => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    let cancelled = ''
    invite.handler = { onCancel: (cancel) => (cancelled = cancel.headers.map(({ value }) => value).join()) }
    invite.progress(180)
    await gateway.time.advance(100)
    await gateway.disconnect(alice)
    await come()
    await gateway.time.advance(1_000)
    expect(cancelled).toContain('call.connection-lost')
    expect(gateway.calls.size).toBe(0)
    gateway.expectsVerdicts('call.connection-lost')
  })
})

it('a gateway that stops waits for nobody who is away', async () => {
  gateway = await ScriptedGateway.open()
  const { callee: phone, alice } = await WAYS['that a browser has placed']()
  await gateway.disconnect(alice)
  const drained = gateway.calls.drain()
  await gateway.time.advance(100)
  await drained
  expect(phone.ended).toBe('bye')
  gateway.homes.close()
  expect(gateway.userAgent.tables()).toMatchObject({ flowsInUse: 0 })
  gateway.expectsVerdicts('call.draining')
})

it('a gateway that has stopped waits for nobody whose connection closes then', async () => {
  gateway = await ScriptedGateway.open()
  const { alice } = await WAYS['that a browser has placed']()
  gateway.homes.close()
  await gateway.disconnect(alice)
  expect(gateway.homes.tables()).toEqual({ lostConnections: 0 })
  expect(gateway.userAgent.tables()).toMatchObject({ flowsInUse: 0 })
  gateway.expectsVerdicts('call.connection-lost')
})
