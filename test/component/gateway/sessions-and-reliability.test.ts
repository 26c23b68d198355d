import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { header } from '../../../sip/message/headers.ts'
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
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
let alice: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  alice = await gateway.registered('alice')
})
afterEach(() => gateway.close())

const toTrunk = (): Promise<AnsweredCall> =>
  answered(
    gateway,
    { peer: alice, user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: PHONE },
  )

const isRefresh = (text: string): boolean => /^(UPDATE|INVITE) /.test(text)

describe('session timers', () => {
  it('are kept on each leg for itself, and a call outlives many intervals', async () => {
    const { caller, callee } = await toTrunk()
    await gateway.time.advance(7_200_000)
    expect([caller.ended, callee.ended]).toEqual([undefined, undefined])
    expect([caller.offers, callee.offers]).toEqual([[], []])
    caller.dialog?.bye()
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('are as long as the trunk wants them, on its leg', async () => {
    await gateway.close()
    gateway = await ScriptedGateway.open({}, { sessionExpiresS: 600 })
    alice = await gateway.registered('alice')
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    expect(header(invite.request, 'Session-Expires')).toBe('600')
    invite.reject(486)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })

  it('refresh by re-INVITE a trunk that takes no UPDATE, and the browser hears nothing of it', async () => {
    const caller = new PeerDialog(PHONE)
    const allow = { name: 'Allow', value: 'INVITE, ACK, BYE, CANCEL' }
    caller.headers = [allow]
    const call = place(gateway.trunk, '0301234', 'alice', {
      body: offerOf(PHONE),
      handler: caller.handler,
      headers: [allow],
    })
    const callee = new PeerDialog(BROWSER)
    const invite = await ringing(gateway, alice)
    callee.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, callee.handler)
    await gateway.time.advance(901_000)
    expect(statusOf(call)).toBe(200)
    expect(caller.offers).toHaveLength(1)
    await gateway.time.advance(900_000)
    expect(caller.offers).toHaveLength(2)
    // Nothing has changed, so nothing looks changed (RFC 4028 §7.4).
    expect(caller.offers[1]).toBe(caller.offers[0])
    expect(callee.offers).toEqual([])
    expect(caller.ended).toBeUndefined()
    call.dialog?.bye()
    await gateway.time.advance(100)
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('end a call whose trunk stopped refreshing, and both sides are told', async () => {
    const { caller, callee } = await toTrunk()
    // Our peer, the callee, is the refresher of its leg.
    gateway.trunk.flow.drops = isRefresh
    await gateway.time.advance(1_767_000)
    expect(caller.ended).toBeUndefined()
    await gateway.time.advance(2_000)
    expect([caller.ended, callee.ended]).toEqual(['bye', 'bye'])
    expect(caller.endedBy).toContain('call.session-expired')
    expect(gateway.logged('call failed').at(-1)?.fields).toMatchObject({
      code: 'call.session-expired',
      leg: 'callee',
    })
    gateway.expectsVerdicts(['media.none-from-trunk', 'call.session-expired'])
  })

  it('of a trunk that wants longer intervals cost the browser nothing: 422 is absorbed', async () => {
    const call = place(alice, 'alice', '0100')
    const first = await ringing(gateway, gateway.trunk)
    first.reject(422, { headers: [{ name: 'Min-SE', value: '3600' }] })
    await gateway.time.advance(50)
    const second = gateway.trunk.invites[1]
    if (second === undefined) throw new Error('the trunk was not called again')
    expect(second.request.callId).toBe(first.request.callId)
    expect(header(second.request, 'Session-Expires')).toBe('3600')
    second.accept({ body: answerTo(second, PHONE) }, quiet)
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
    await gateway.time.advance(50)
  })
})

describe('100rel', () => {
  it('is each leg its own: a plain 183 of the trunk is reliable for a browser that can, and its 200 follows', async () => {
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(183, { body: answerTo(invite, PHONE) })
    await gateway.time.advance(50)
    const [progress] = call.progress
    expect(progress === undefined ? undefined : header(progress, 'Require')).toBe('100rel')
    invite.accept({ body: answerTo(invite, PHONE) }, quiet)
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(200)
    expect(call.progress).toHaveLength(1)
    call.dialog?.bye()
    await gateway.time.advance(50)
  })

  it('towards the trunk is answered by us, whatever the browser knows', async () => {
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    expect(invite.supports100rel).toBe(true)
    invite.progress(183, { body: answerTo(invite, PHONE), reliable: true })
    invite.progress(180, { reliable: true })
    await gateway.time.advance(100)
    expect(call.progress.map((response) => response.status)).toEqual([183, 180])
    expect(gateway.trunkFlow.sent.filter((text) => text.startsWith('PRACK'))).toHaveLength(2)
    invite.reject(486)
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })

  it('missing PRACKs of a browser end the call at both sides', async () => {
    alice.flow.drops = (text) => text.startsWith('PRACK')
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    let cancelled = 0
    invite.handler = { onCancel: () => (cancelled += 1) }
    invite.progress(183, { body: answerTo(invite, PHONE) })
    await gateway.time.advance(33_000)
    expect(statusOf(call)).toBe(504)
    expect(cancelled).toBe(1)
    expect(gateway.logged('call failed').at(-1)?.fields).toMatchObject({ code: 'call.prack-missing' })
    gateway.expectsVerdicts('call.prack-missing')
  })
})
