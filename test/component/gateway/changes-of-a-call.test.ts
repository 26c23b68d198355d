import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Direction } from '../../../media/parameters.ts'
import {
  type AnsweredCall,
  answered,
  answerText,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  quiet,
  reinviteWithoutOffer,
  reofferOf,
  ringing,
  sdp,
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

const fromTrunk = (): Promise<AnsweredCall> =>
  answered(
    gateway,
    { peer: gateway.trunk, user: '0301234', local: PHONE },
    { peer: alice, number: 'alice', local: BROWSER },
  )

const directionOf = (text: string | undefined): string | undefined =>
  /^a=(sendrecv|sendonly|recvonly|inactive)\r$/m.exec(text ?? '')?.[1]

const bodyOf = (response: unknown): string =>
  typeof response === 'object' && response !== null && 'body' in response ? String(response.body) : ''

describe.each([
  ['browser', toTrunk, (call: AnsweredCall) => ({ holder: call.caller, other: call.callee })],
  ['trunk', toTrunk, (call: AnsweredCall) => ({ holder: call.callee, other: call.caller })],
  ['calling trunk', fromTrunk, (call: AnsweredCall) => ({ holder: call.caller, other: call.callee })],
])('hold by the %s', (_name, open, roles) => {
  it.each<[Direction, string]>([
    ['sendonly', 'recvonly'],
    ['inactive', 'inactive'],
  ])(
    'by %s is answered %s, the other side is offered the same, and resume undoes both',
    async (hold, answer) => {
      const call = await open()
      const { holder, other } = roles(call)
      const held = await holder.reoffer(gateway, reofferOf(holder.local, hold))
      expect(directionOf(bodyOf(held))).toBe(answer)
      expect(other.offers.map(directionOf)).toEqual([hold])
      const resumed = await holder.reoffer(gateway, reofferOf(holder.local, 'sendrecv', 3))
      expect(directionOf(bodyOf(resumed))).toBe('sendrecv')
      expect(other.offers.map(directionOf)).toEqual([hold, 'sendrecv'])
      call.caller.dialog?.bye()
    },
  )
})

describe('other spellings of hold', () => {
  it('c=0.0.0.0 means that the trunk wants nothing; resume without a direction attribute means sendrecv', async () => {
    const call = await toTrunk()
    const text = Buffer.from(reofferOf(PHONE, 'sendrecv').bytes).toString()
    const held = await call.callee.reoffer(gateway, sdp(text.replace(/^c=.*$/gm, 'c=IN IP4 0.0.0.0')))
    expect(directionOf(bodyOf(held))).toBe('recvonly')
    expect(bodyOf(held)).not.toContain('0.0.0.0')
    expect(call.caller.offers.map(directionOf)).toEqual(['sendonly'])
    expect(call.caller.offers[0]).not.toContain('0.0.0.0')
    const resumed = await call.callee.reoffer(gateway, sdp(text.replace(/^a=sendrecv\r\n/m, '')))
    expect(directionOf(bodyOf(resumed))).toBe('sendrecv')
    expect(call.caller.offers.map(directionOf)).toEqual(['sendonly', 'sendrecv'])
    call.caller.dialog?.bye()
  })

  it('both sides hold: each keeps its own state, and the call is only whole when both have resumed', async () => {
    const call = await toTrunk()
    call.caller.direction = 'sendonly'
    await call.caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
    call.callee.direction = 'sendonly'
    const held = await call.callee.reoffer(gateway, reofferOf(PHONE, 'sendonly'))
    expect(directionOf(bodyOf(held))).toBe('inactive')
    call.callee.direction = 'sendrecv'
    const resumed = await call.callee.reoffer(gateway, reofferOf(PHONE, 'sendrecv', 3))
    expect(directionOf(bodyOf(resumed))).toBe('sendonly')
    call.caller.direction = 'sendrecv'
    await call.caller.reoffer(gateway, reofferOf(BROWSER, 'sendrecv', 3))
    expect(directionOf(call.callee.offers.at(-1))).toBe('sendrecv')
    call.caller.dialog?.bye()
  })
})

describe('a re-INVITE', () => {
  it('that changes nothing is answered with the same bytes and tells the other side nothing', async () => {
    const call = await toTrunk()
    const first = bodyOf(await call.callee.reoffer(gateway, reofferOf(PHONE, 'sendrecv')))
    const second = bodyOf(await call.callee.reoffer(gateway, reofferOf(PHONE, 'sendrecv')))
    expect(second).toBe(first)
    expect(call.caller.offers).toEqual([])
    call.caller.dialog?.bye()
  })

  it('of the trunk never touches ICE and DTLS of the browser', async () => {
    const call = await toTrunk()
    const secrets = (text: string): string[] => text.match(/^a=(?:ice-ufrag|ice-pwd|fingerprint):.*$/gm) ?? []
    const before = secrets(alice.flow.sent.length > 0 ? gatewayAnswer() : '')
    await call.callee.reoffer(gateway, reofferOf(PHONE, 'sendonly'))
    expect(secrets(call.caller.offers[0] ?? '')).toEqual(before)
    expect(before).toHaveLength(3)
    call.caller.dialog?.bye()

    function gatewayAnswer(): string {
      return (
        gateway
          .toBrowser(alice)
          .find((text) => text.startsWith('SIP/2.0 200') && text.includes('a=ice-ufrag')) ?? ''
      )
    }
  })

  it('of a browser that was the DTLS server leaves it that, also where another association begins (RFC 8842 §5.3)', async () => {
    const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(PHONE) })
    const invite = await ringing(gateway, alice)
    const browser = new PeerDialog(BROWSER)
    const text = Buffer.from(answerTo(invite, BROWSER).bytes).toString()
    const answer = sdp(text.replace('a=setup:active', 'a=setup:passive'))
    browser.dialog = invite.accept({ body: answer }, browser.handler)
    await gateway.time.advance(100)
    const told: unknown[] = []
    const [session] = gateway.sessions
    const setRemote = session?.setRemote.bind(session)
    if (session !== undefined && setRemote !== undefined) {
      session.setRemote = (leg, remote, crypto) => {
        told.push(remote.kind === 'webrtc' && remote.setup)
        return setRemote(leg, remote, crypto)
      }
    }
    const offer = Buffer.from(reofferOf(BROWSER, 'sendrecv').bytes).toString()
    expect(offer).toContain('a=setup:actpass')
    for (const body of [offer, offer.replace(/AB:AB/, 'AB:AC')]) {
      expect(bodyOf(await browser.reoffer(gateway, sdp(body)))).toContain('a=setup:active')
    }
    expect(told).toEqual(['passive', 'passive'])
    call.dialog?.bye()
  })

  it('raises the version of o= by one for each change, and only then', async () => {
    const call = await toTrunk()
    const versionOf = (text: string): string | undefined => /^o=\S+ \S+ (\d+) /m.exec(text)?.[1]
    const versions: (string | undefined)[] = []
    for (const direction of ['sendrecv', 'sendonly', 'sendonly', 'sendrecv'] as const) {
      versions.push(versionOf(bodyOf(await call.callee.reoffer(gateway, reofferOf(PHONE, direction)))))
    }
    expect(versions).toEqual(['1', '2', '2', '3'])
    call.caller.dialog?.bye()
  })

  it('without a common codec is refused with 488 and the call goes on', async () => {
    const call = await toTrunk()
    const text = Buffer.from(reofferOf(PHONE, 'sendrecv').bytes)
      .toString()
      .replace(/^m=audio (\d+) RTP\/AVP .*$/m, 'm=audio $1 RTP/AVP 3')
      .replace(/^a=(?:rtpmap|fmtp).*\r\n/gm, '')
    const refused = await call.callee.reoffer(gateway, sdp(text))
    expect(typeof refused === 'object' && refused.status).toBe(488)
    expect(call.caller.ended).toBeUndefined()
    expect(directionOf(bodyOf(await call.callee.reoffer(gateway, reofferOf(PHONE, 'sendonly', 4))))).toBe(
      'recvonly',
    )
    gateway.expectsVerdicts('sdp.no-common-codec')
    call.caller.dialog?.bye()
  })

  it('of ours that collides is tried again after the back-off, until it gets through', async () => {
    const call = await toTrunk()
    call.callee.glares = 2
    await call.caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
    expect(call.callee.offers).toHaveLength(1)
    await gateway.time.advance(10_000)
    expect(call.callee.offers.map(directionOf)).toEqual(['sendonly', 'sendonly', 'sendonly'])
    call.caller.dialog?.bye()
  })

  it('of ours that the peer does not know (481) ends the call with a code', async () => {
    const call = await toTrunk()
    call.callee.handler.onReinvite = (reinvite) => reinvite.reject(481)
    await call.caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
    await gateway.time.advance(100)
    expect(call.caller.endedBy).toContain('call.dialog-lost')
    gateway.expectsVerdicts('call.dialog-lost')
  })
})

describe('an INVITE without an offer', () => {
  it('from a trunk: the browser is made an offer, the 200 carries ours, ACK the answer', async () => {
    const call = place(gateway.trunk, '0301234', 'alice', { body: 'none' })
    const invite = await ringing(gateway, alice)
    expect(invite.request.body.toString()).toContain('a=setup:actpass')
    call.answerInAck = PHONE
    invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(200)
    expect(statusOf(call)).toBe(200)
    expect(bodyOf(call.final)).toMatch(/m=audio \d+ RTP\/AVP /)
    expect(gateway.calls.size).toBe(1)
    call.dialog?.bye()
  })

  it('whose ACK brings no answer ends with BYE and a code', async () => {
    const call = place(gateway.trunk, '0301234', 'alice', { body: 'none' })
    const invite = await ringing(gateway, alice)
    invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(200)
    expect(call.ended).toBe('bye')
    expect(call.endedBy).toContain('call.no-answer-body')
    gateway.expectsVerdicts('call.no-answer-body')
  })
})

describe('a re-INVITE without an offer', () => {
  it('on a call that the trunk holds is offered all there is, with our own state and not the hold of the trunk (quirk 22)', async () => {
    const { caller, callee } = await toTrunk()
    await callee.reoffer(gateway, reofferOf(PHONE, 'sendonly'))
    const offer = await reinviteWithoutOffer(gateway, (offer) => answerText(offer, PHONE, 'sendrecv'))
    expect(directionOf(offer)).toBe('sendrecv')
    expect(offer).toMatch(/m=audio \d+ RTP\/AVP 8 0 /)
    expect([caller.ended, callee.ended]).toEqual([undefined, undefined])
    // The trunk has resumed by it, and the browser is told.
    expect(caller.offers.map(directionOf).at(-1)).toBe('sendrecv')
    caller.dialog?.bye()
  })
})

describe('a user with several devices', () => {
  it('rings on all; the first answer has the call, the others are cancelled', async () => {
    const phones = [
      alice,
      await gateway.registered('alice', 'phone2'),
      await gateway.registered('alice', 'phone3'),
    ]
    const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(PHONE) })
    const invites = []
    for (const phone of phones) invites.push(await ringing(gateway, phone))
    const cancelled: number[] = []
    invites.forEach((invite, index) => {
      invite.handler = { onCancel: () => cancelled.push(index) }
      invite.progress(180)
    })
    await gateway.time.advance(100)
    const winner = invites[1]
    winner?.accept({ body: answerTo(winner, BROWSER) }, quiet)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    expect(cancelled.sort()).toEqual([0, 2])
    call.dialog?.bye()
  })

  it('one declines, the other rings on; when both have declined the caller hears the busy one', async () => {
    const second = await gateway.registered('alice', 'phone2')
    const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(PHONE) })
    ;(await ringing(gateway, alice)).reject(404)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBeUndefined()
    ;(await ringing(gateway, second)).reject(486)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })

  it('a 603 on one device ends the ringing of all', async () => {
    const second = await gateway.registered('alice', 'phone2')
    const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(PHONE) })
    const other = await ringing(gateway, second)
    let isCancelled = false
    other.handler = { onCancel: () => (isCancelled = true) }
    other.progress(180)
    ;(await ringing(gateway, alice)).reject(603)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(603)
    expect(isCancelled).toBe(true)
    gateway.expectsVerdicts('call.refused')
  })
})

describe('an INVITE without an offer from a browser', () => {
  it('makes the trunk an offer of ours, and the 200 carries one with ICE and DTLS', async () => {
    const call = place(alice, 'alice', '0100', { body: 'none' })
    const invite = await ringing(gateway, gateway.trunk)
    expect(invite.request.body.toString()).toMatch(/m=audio \d+ RTP\/AVP /)
    call.answerInAck = BROWSER
    invite.accept({ body: answerTo(invite, PHONE) }, quiet)
    await gateway.time.advance(200)
    expect(statusOf(call)).toBe(200)
    expect(bodyOf(call.final)).toMatch(/a=setup:actpass/)
    expect(gateway.calls.size).toBe(1)
    call.dialog?.bye()
  })
})
