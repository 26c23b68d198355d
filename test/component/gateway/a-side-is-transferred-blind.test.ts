import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GatewayFailure } from '../../../gateway/gateway-failure.ts'
import { MediaFailure } from '../../../media/failure.ts'
import {
  answered,
  answerOfFork,
  answerTo,
  BROWSER,
  inOneBreath,
  PeerDialog,
  PHONE,
  ringing,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway, statusIn } from '../../harness/scripted-gateway.ts'
import { aliceCallsTrunk, aliceParty, refer, trunkCallsAlice } from '../../harness/scripted-transfers.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

let gateway: ScriptedGateway
let alice: Peer
let bob: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  alice = await gateway.registered('alice')
  bob = await gateway.registered('bob')
})
afterEach(() => gateway.close())

describe('blind transfer', () => {
  it('by the browser of a trunk call to another browser: both talk, the transferor is told and hung up', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    const transfer = await refer(gateway, call.callee, '<sip:bob@example.com>')
    expect(transfer.status()).toBe(202)
    const invite = await ringing(gateway, bob)
    invite.progress(180)
    await gateway.time.advance(100)
    const target = new PeerDialog(BROWSER)
    target.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, target.handler)
    await gateway.time.advance(200)
    expect(transfer.fragments).toEqual(['SIP/2.0 100 Trying', 'SIP/2.0 180 Ringing', 'SIP/2.0 200 OK'])
    expect(call.callee.ended).toBe('bye')
    expect(call.caller.ended).toBeUndefined()
    expect(gateway.calls.size).toBe(1)
    call.caller.dialog?.bye()
    await gateway.time.advance(100)
    expect(target.ended).toBe('bye')
  })

  it('by the browser that called: the trunk stays and gets the new browser', async () => {
    const call = await aliceCallsTrunk(gateway, alice)
    await refer(gateway, call.caller, '<sip:bob@example.com>')
    const invite = await ringing(gateway, bob)
    const target = new PeerDialog(BROWSER)
    target.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, target.handler)
    await gateway.time.advance(200)
    expect(call.caller.ended).toBe('bye')
    call.callee.dialog?.bye()
    await gateway.time.advance(100)
    expect(target.ended).toBe('bye')
  })

  it('by the trunk of its caller back to itself', async () => {
    const call = await aliceCallsTrunk(gateway, alice)
    gateway.trunk.invites.length = 0
    await refer(gateway, call.callee, '<sip:200@127.0.0.1:5070>')
    const invite = await ringing(gateway, gateway.trunk)
    expect(invite.request.uri.text).toBe('sip:200@127.0.0.1:5070')
    const target = new PeerDialog(PHONE)
    target.dialog = invite.accept({ body: answerTo(invite, PHONE) }, target.handler)
    await gateway.time.advance(200)
    expect(call.callee.ended).toBe('bye')
    expect(call.caller.ended).toBeUndefined()
    call.caller.dialog?.bye()
  })

  it('that fails is told, and the call goes on as it was', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    const transfer = await refer(gateway, call.callee, '<sip:bob@example.com>')
    ;(await ringing(gateway, bob)).reject(486)
    await gateway.time.advance(200)
    expect(transfer.fragments.at(-1)).toBe('SIP/2.0 486 Transfer Failed')
    expect([call.callee.ended, call.caller.ended]).toEqual([undefined, undefined])
    call.caller.dialog?.bye()
  })

  it('to a target that answers without SDP fails alone: the target is hung up, the call goes on', async () => {
    // The whole call ended, and the dialog with the target was left for ever.
    const call = await trunkCallsAlice(gateway, alice)
    const transfer = await refer(gateway, call.callee, '<sip:bob@example.com>')
    const target = new PeerDialog(BROWSER)
    target.dialog = (await ringing(gateway, bob)).accept({}, target.handler)
    await gateway.time.advance(300)
    expect(target.ended).toBe('bye')
    expect(transfer.fragments.at(-1)).not.toContain('200')
    expect(call.callee.ended).toBeUndefined()
    call.caller.dialog?.bye()
  })

  it('to a target that answers in a reliable 183 and says nothing more in its 200', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    gateway.trunk.invites.length = 0
    const transfer = await refer(gateway, call.callee, '<sip:0200@example.com>')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(183, { body: answerTo(invite, PHONE), reliable: true })
    await gateway.time.advance(100)
    const target = new PeerDialog(PHONE)
    target.dialog = invite.accept({}, target.handler)
    await gateway.time.advance(300)
    expect(transfer.fragments.at(-1)).toBe('SIP/2.0 200 OK')
    expect([call.callee.ended, call.caller.ended, target.ended]).toEqual(['bye', undefined, undefined])
    call.caller.dialog?.bye()
    await gateway.time.advance(100)
    expect(target.ended).toBe('bye')
  })

  it('to a target that forks goes on with what the fork that answers has said', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    gateway.trunk.invites.length = 0
    await refer(gateway, call.callee, '<sip:0200@example.com>')
    await ringing(gateway, gateway.trunk)
    answerOfFork(gateway, 183, 'first', 40_010)
    await gateway.time.advance(50)
    answerOfFork(gateway, 183, 'second', 40_020)
    await gateway.time.advance(50)
    answerOfFork(gateway, 200, 'first', undefined)
    await gateway.time.advance(300)
    expect(call.callee.ended).toBe('bye')
    expect(await gateway.sessions[0]?.stats()).toMatchObject({
      legs: { 'transfer-1': { remote: '127.0.0.1:40010' } },
    })
    call.caller.dialog?.bye()
    await gateway.time.advance(100)
  })

  it('to a target whose early answer is of no use is decided by its 200', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    gateway.trunk.invites.length = 0
    const transfer = await refer(gateway, call.callee, '<sip:0200@example.com>')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(183, { body: { contentType: 'application/sdp', bytes: Buffer.from('v=0') } })
    await gateway.time.advance(100)
    expect(transfer.fragments.at(-1)).toBe('SIP/2.0 183 Session Progress')
    const target = new PeerDialog(PHONE)
    target.dialog = invite.accept({ body: answerTo(invite, PHONE) }, target.handler)
    await gateway.time.advance(300)
    expect(transfer.fragments.at(-1)).toBe('SIP/2.0 200 OK')
    expect([call.callee.ended, call.caller.ended]).toEqual(['bye', undefined])
    call.caller.dialog?.bye()
    await gateway.time.advance(100)
    expect(target.ended).toBe('bye')
  })

  it('that fails in the breath in which the transferor hangs up ends the call: nobody is left alone in it', async () => {
    const call = await aliceCallsTrunk(gateway, alice)
    gateway.trunk.invites.length = 0
    await refer(gateway, call.callee, '<sip:200@127.0.0.1:5070>')
    const invite = await ringing(gateway, gateway.trunk)
    inOneBreath(gateway, () => {
      invite.reject(486)
      call.callee.dialog?.bye()
    })
    await gateway.time.advance(300)
    expect([call.caller.ended, gateway.calls.size]).toEqual(['bye', 0])
    expect(gateway.logged('call ended').at(-1)?.fields).toMatchObject({ event: 'hung-up', leg: 'callee' })
  })

  it('that succeeds in the breath in which the transferor hangs up goes on', async () => {
    const call = await aliceCallsTrunk(gateway, alice)
    gateway.trunk.invites.length = 0
    await refer(gateway, call.callee, '<sip:200@127.0.0.1:5070>')
    const invite = await ringing(gateway, gateway.trunk)
    const target = new PeerDialog(PHONE)
    inOneBreath(gateway, () => {
      target.dialog = invite.accept({ body: answerTo(invite, PHONE) }, target.handler)
      call.callee.dialog?.bye()
    })
    await gateway.time.advance(1_000)
    expect([call.caller.ended, target.ended, gateway.calls.size]).toEqual([undefined, undefined, 1])
    call.caller.dialog?.bye()
    await gateway.time.advance(100)
    expect(target.ended).toBe('bye')
  })

  it('to a target that answers and hangs up in one breath fails, and the call goes on', async () => {
    // It ended the whole call.
    const call = await aliceCallsTrunk(gateway, alice)
    gateway.trunk.invites.length = 0
    const transfer = await refer(gateway, call.callee, '<sip:200@127.0.0.1:5070>')
    const invite = await ringing(gateway, gateway.trunk)
    const byeBehind = (answer: string): string => {
      const line = (name: string) => new RegExp(`^${name}: (.*)\\r$`, 'm').exec(answer)?.[1] ?? ''
      const lines = ['BYE sip:127.0.0.1:5060 SIP/2.0', 'Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKbye']
      const parties = [`From: ${line('To')}`, `To: ${line('From')}`, `Call-ID: ${line('Call-ID')}`]
      return [...lines, ...parties, 'CSeq: 1 BYE', 'Max-Forwards: 70', 'Content-Length: 0', '', ''].join(
        '\r\n',
      )
    }
    inOneBreath(
      gateway,
      () => invite.accept({ body: answerTo(invite, PHONE) }, new PeerDialog(PHONE).handler),
      ([answer = '']) => [answer, byeBehind(answer)],
    )
    await gateway.time.advance(300)
    expect([call.caller.ended, call.callee.ended, gateway.calls.size]).toEqual([undefined, undefined, 1])
    expect(transfer.fragments.at(-1)).toMatch(/^SIP\/2\.0 [45]/)
    call.caller.dialog?.bye()
    await gateway.time.advance(100)
    expect(call.callee.ended).toBe('bye')
  })

  it('that is asked for in the breath in which the transferor hangs up is answered 487', async () => {
    // The REFER had no answer at all.
    const call = await aliceCallsTrunk(gateway, alice)
    let status: unknown
    inOneBreath(gateway, () => {
      const headers = [{ name: 'Refer-To', value: '<sip:200@127.0.0.1:5070>' }]
      call.callee.dialog?.request('REFER', { headers }, (response) => {
        status = statusIn(response)
      })
      call.callee.dialog?.bye()
    })
    await gateway.time.advance(300)
    expect([status, call.caller.ended]).toEqual([487, 'bye'])
  })

  it('calls nobody when the call ends while it is prepared', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    const [session] = gateway.sessions
    if (session === undefined) throw new Error('no media')
    const addLeg = session.addLeg.bind(session)
    let open: () => void = () => {}
    session.addLeg = async (...asked) => {
      await new Promise<void>((resolve) => {
        open = resolve
      })
      return addLeg(...asked)
    }
    await refer(gateway, call.callee, '<sip:bob@example.com>')
    call.caller.dialog?.bye()
    await gateway.time.advance(100)
    open()
    await gateway.time.advance(1_000)
    expect([bob.invites, gateway.calls.size]).toEqual([[], 0])
  })

  it('whose next trunk cannot be called fails, and no leg of either is left', async () => {
    await gateway.close()
    const ways = ['pbx', 'second'].map((trunk, priority) => ({ trunk, priority, weight: 1 }))
    gateway = await ScriptedGateway.open({
      trunks: ways.map(({ trunk, priority }) => trunkConfig({ name: trunk, port: 5_070 + priority })),
      groups: [{ name: 'out', trunks: ways }],
      routes: [{ prefix: '0', trunk: 'out', strip: 1, add: '' }],
    })
    alice = await gateway.registered('alice')
    bob = await gateway.registered('bob')
    const call = await answered(gateway, aliceParty(alice), { peer: bob, number: 'bob', local: BROWSER })
    const transfer = await refer(gateway, call.caller, '<sip:0100@example.com>')
    const invite = await ringing(gateway, gateway.trunk)
    gateway.userAgent.invite = () => {
      throw new GatewayFailure('trunk.unresolved')
    }
    invite.reject(503)
    await gateway.time.advance(300)
    expect(transfer.fragments.at(-1)).toBe('SIP/2.0 503 Transfer Failed')
    expect([call.caller.ended, call.callee.ended]).toEqual([undefined, undefined])
    const { legs } = (await gateway.sessions[0]?.stats()) ?? {}
    expect(Object.keys(legs ?? {})).toEqual(['caller', 'callee'])
    const [report] = gateway.calls.history.list()
    const dropped = report?.timeline.filter(({ what }) => what === 'dropped').map(({ leg }) => leg)
    expect(dropped).toEqual(['transfer-1', 'transfer-2'])
    call.caller.dialog?.bye()
  })

  it('whose target loses its media before it answers fails alone', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    const transfer = await refer(gateway, call.callee, '<sip:bob@example.com>')
    await ringing(gateway, bob)
    gateway.observers.at(-1)?.onFailure('transfer-1', new MediaFailure('media.internal'))
    await gateway.time.advance(200)
    expect(transfer.fragments.at(-1)).toBe('SIP/2.0 480 Transfer Failed')
    expect(gateway.logged('transfer failed').at(-1)?.fields).toMatchObject({
      code: 'transfer.no-media',
      seen: expect.stringMatching(/^media\.internal: /),
    })
    expect(call.caller.ended).toBeUndefined()
    call.caller.dialog?.bye()
  })

  it('goes on when the transferor hangs up before the target answers', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    await refer(gateway, call.callee, '<sip:bob@example.com>')
    const invite = await ringing(gateway, bob)
    call.callee.dialog?.bye()
    await gateway.time.advance(200)
    expect(call.caller.ended).toBeUndefined()
    const target = new PeerDialog(BROWSER)
    target.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, target.handler)
    await gateway.time.advance(200)
    expect(call.caller.ended).toBeUndefined()
    target.dialog.bye()
    await gateway.time.advance(100)
    expect(call.caller.ended).toBe('bye')
  })

  it('that fails after the transferor has gone ends the call', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    await refer(gateway, call.callee, '<sip:bob@example.com>')
    const invite = await ringing(gateway, bob)
    call.callee.dialog?.bye()
    await gateway.time.advance(200)
    invite.reject(486)
    await gateway.time.advance(200)
    expect(call.caller.ended).toBe('bye')
    gateway.expectsVerdicts('call.refused')
  })

  it('is given up when the remaining side hangs up: the target is cancelled', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    await refer(gateway, call.callee, '<sip:bob@example.com>')
    const invite = await ringing(gateway, bob)
    let isCancelled = false
    invite.handler = { onCancel: () => (isCancelled = true) }
    invite.progress(180)
    await gateway.time.advance(100)
    call.caller.dialog?.bye()
    await gateway.time.advance(200)
    expect(isCancelled).toBe(true)
    expect(call.callee.ended).toBe('bye')
    gateway.expectsVerdicts('open transfer-1 S2')
  })

  it('without a subscription (Refer-Sub: false) sends no NOTIFY', async () => {
    const call = await trunkCallsAlice(gateway, alice)
    const transfer = await refer(gateway, call.callee, '<sip:bob@example.com>', [
      { name: 'Refer-Sub', value: 'false' },
    ])
    const invite = await ringing(gateway, bob)
    const target = new PeerDialog(BROWSER)
    target.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, target.handler)
    await gateway.time.advance(200)
    expect([transfer.status(), transfer.fragments]).toEqual([202, []])
    expect(call.callee.ended).toBe('bye')
    target.dialog.bye()
  })

  it.each([
    ['an unknown number', '<sip:nobody@example.com>', 404],
    ['nothing that is a number', '<mailto:bob@example.com>', 400],
    ['a number without a route', '<tel:+4930>', 404],
    ['another method', '<sip:bob@example.com;method=BYE>', 400],
    ['a call that is not theirs', '<sip:bob@example.com?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>', 481],
    ['a broken escape', '<sip:bob@example.com?Replaces=%zz>', 400],
    ['echo, which joins nobody', '<sip:echo@example.com>', 403],
    ['two at once', '<sip:bob@example.com>', 400, [{ name: 'Refer-To', value: '<sip:bob@example.com>' }]],
  ])('to %s is refused with its status, and the call goes on', async (_name, target, status, more = []) => {
    const call = await trunkCallsAlice(gateway, alice)
    const transfer = await refer(gateway, call.callee, target, more)
    expect(transfer.status()).toBe(status)
    const code = gateway.logged('transfer refused').at(-1)?.fields.code
    if (status === 400) expect(code).toBe('transfer.malformed')
    if (status === 403) expect(code).toBe('transfer.to-application')
    expect(call.callee.ended).toBeUndefined()
    call.caller.dialog?.bye()
  })
})
