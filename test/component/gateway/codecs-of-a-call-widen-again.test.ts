import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LegRoute } from '../../../media/engine.ts'
import type { Codec, Direction, LocalTransport } from '../../../media/parameters.ts'
import { createAnswer } from '../../../sdp/answer.ts'
import { STANDARD_CODECS } from '../../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import type { Body } from '../../../sip/user-agent.ts'
import {
  answerTo,
  BROWSER,
  PeerDialog,
  PHONE,
  place,
  reinviteWithoutOffer,
  ringing,
  sdp,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

// A call that a PBX had answered with PCMA alone stayed so for ever: the next phone that it joined to it, by a re-INVITE without an
// offer, was offered PCMA alone, and one that has PCMU alone was refused although the browser has that.

let gateway: ScriptedGateway
let alice: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open({}, { codecs: ['PCMA', 'PCMU', 'opus'] })
  alice = await gateway.registered('alice')
})
afterEach(() => gateway.close())

const only = (...names: readonly string[]): readonly Codec[] =>
  STANDARD_CODECS.filter(({ name }) => names.includes(name) || name === 'telephone-event')
const formatsOf = (text: string | undefined): string | undefined =>
  /^m=audio \d+ \S+ (.*)\r$/m.exec(text ?? '')?.[1]
const directionOf = (text: string): string | undefined =>
  /^a=(sendrecv|sendonly|recvonly|inactive)\r$/m.exec(text)?.[1]
const bodyOf = (response: unknown): string =>
  typeof response === 'object' && response !== null && 'body' in response ? String(response.body) : ''

/** What a phone answers that has these codecs alone. */
function answerIn(body: Buffer, local: LocalTransport, ...names: readonly string[]): Body {
  const offer = readOffer(body, local.kind)
  const codecs = offer.codecs.filter(({ name }) => names.includes(name) || name === 'telephone-event')
  const origin = { sessionId: '1', version: 2 }
  return sdp(createAnswer({ offer, local, codecs, origin, direction: 'sendrecv' }))
}

let version = 2
const reofferIn = (
  local: LocalTransport,
  codecs: readonly Codec[],
  direction: Direction = 'sendrecv',
): Body => {
  version += 1
  const origin = { sessionId: '1', version }
  return sdp(createOffer({ local, codecs, origin, direction }).text)
}

/** alice has called a PBX that has answered with PCMA alone. */
async function narrowed() {
  const browser = new PeerDialog(BROWSER)
  const call = place(alice, 'alice', '0100', { handler: browser.handler })
  const invite = await ringing(gateway, gateway.trunk)
  const pbx = new PeerDialog(PHONE)
  const body = answerIn(Buffer.from(invite.request.body), PHONE, 'PCMA')
  pbx.dialog = invite.accept({ body }, pbx.handler)
  await gateway.time.advance(100)
  expect([statusOf(call), formatsOf(bodyOf(call.final))]).toEqual([200, '8 101'])
  // Its first request of its own in the dialog.
  await pbx.reoffer(gateway, reofferIn(PHONE, only('PCMA')))
  expect(browser.offers).toEqual([])
  browser.dialog = call.dialog
  return { browser, pbx }
}

const end = async ({ browser }: { readonly browser: PeerDialog }): Promise<void> => {
  browser.dialog?.bye()
  await gateway.time.advance(200)
}

describe('a re-INVITE without an offer in a call that has come down to one codec', () => {
  it('is offered all that both have, what is agreed first; another one that is taken is told the browser, by its own number', async () => {
    const call = await narrowed()
    const offer = await reinviteWithoutOffer(gateway, (body) => answerIn(body, PHONE, 'opus'))
    expect(formatsOf(offer)).toMatch(/^8 0 111 /)
    expect(call.browser.offers.map(formatsOf)).toEqual(['111 101 110'])
    await end(call)
  })

  it('that takes more than is agreed widens the call to it', async () => {
    const call = await narrowed()
    await reinviteWithoutOffer(gateway, (body) => answerIn(body, PHONE, 'PCMA', 'PCMU'))
    expect(call.browser.offers.map(formatsOf)).toEqual(['8 0 101'])
    await end(call)
  })

  it('is answered from what it was offered, though the browser holds before its ACK, and then the PBX is told', async () => {
    // The offer that could not be sent before the ACK took the place of the one that had been: sdp.no-common-codec.
    const call = await narrowed()
    call.browser.direction = 'sendonly'
    await reinviteWithoutOffer(
      gateway,
      (body) => answerIn(body, PHONE, 'PCMU'),
      () => call.browser.reoffer(gateway, reofferIn(BROWSER, only('PCMA', 'PCMU'), 'sendonly')),
    )
    await gateway.time.advance(5_000)
    expect([call.browser.ended, call.pbx.ended]).toEqual([undefined, undefined])
    expect(call.pbx.offers.map(directionOf)).toEqual(['sendonly'])
    expect(formatsOf(call.pbx.offers[0])).toMatch(/^0 /)
    expect(call.browser.offers.map(formatsOf)).toEqual(['0 101'])
    await end(call)
  })

  it('that takes what is agreed disturbs nobody', async () => {
    const call = await narrowed()
    await reinviteWithoutOffer(gateway, (body) => answerIn(body, PHONE, 'PCMA'))
    expect(call.browser.offers).toEqual([])
    await end(call)
  })
})

describe('an INVITE without an offer', () => {
  it('is answered from what its 200 offered, though the callee offers anew before its ACK', async () => {
    const pbx = new PeerDialog(PHONE)
    const call = place(gateway.trunk, '030', 'alice', { body: 'none', handler: pbx.handler })
    call.answerInAck = (offer) => answerIn(offer, PHONE, 'PCMA')
    const invite = await ringing(gateway, alice)
    gateway.trunk.flow.drops = (text) => text.startsWith('ACK ')
    const browser = new PeerDialog(BROWSER)
    browser.dialog = invite.accept(
      { body: answerIn(invite.request.body, BROWSER, 'PCMA', 'PCMU') },
      browser.handler,
    )
    await gateway.time.advance(100)
    expect(formatsOf(bodyOf(call.final))).toBe('8 0 101')
    const held = await browser.reoffer(gateway, reofferIn(BROWSER, only('PCMU'), 'sendonly'))
    expect(held).toMatchObject({ status: 200 })
    gateway.trunk.flow.drops = () => false
    // Its 200 comes again, and so does the ACK.
    await gateway.time.advance(4_000)
    expect([browser.ended, pbx.ended]).toEqual([undefined, undefined])
    expect(pbx.offers.map(directionOf)).toEqual(['sendonly'])
    await end({ browser })
  })
})

describe('an offer in mid-call', () => {
  it('of none of the agreed codecs is answered from all that both have, and the browser is told', async () => {
    const call = await narrowed()
    const [session] = gateway.sessions
    const routes = new Map<string, LegRoute>()
    const setRoute = session?.setRoute.bind(session)
    if (session !== undefined && setRoute !== undefined) {
      session.setRoute = (leg, route) => {
        routes.set(leg, route)
        return setRoute(leg, route)
      }
    }
    const answer = await call.pbx.reoffer(gateway, reofferIn(PHONE, only('PCMU')))
    expect(formatsOf(bodyOf(answer))).toBe('0 101')
    expect(call.browser.offers.map(formatsOf)).toEqual(['0 101'])
    for (const leg of ['caller', 'callee']) {
      expect(routes.get(leg)).toMatchObject({ kind: 'bridge', map: [{ from: 0, to: 0 }] })
    }
    // And back.
    const back = await call.pbx.reoffer(gateway, reofferIn(PHONE, only('PCMA')))
    expect(formatsOf(bodyOf(back))).toBe('8 101')
    expect(call.browser.offers.map(formatsOf)).toEqual(['0 101', '8 101'])
    await end(call)
  })

  it('of the browser that has none of them is answered so too, and the PBX is told', async () => {
    const browser = new PeerDialog(BROWSER)
    const call = place(alice, 'alice', '0100', { handler: browser.handler })
    const invite = await ringing(gateway, gateway.trunk)
    const pbx = new PeerDialog(PHONE)
    pbx.dialog = invite.accept({ body: answerTo(invite, PHONE) }, pbx.handler)
    await gateway.time.advance(100)
    browser.dialog = call.dialog
    await pbx.reoffer(gateway, reofferIn(PHONE, only('PCMA', 'PCMU')))
    await browser.reoffer(gateway, reofferIn(BROWSER, only('PCMA')))
    expect(pbx.offers.map(formatsOf)).toEqual(['8 101'])
    const answer = await browser.reoffer(gateway, reofferIn(BROWSER, only('PCMU')))
    expect(formatsOf(bodyOf(answer))).toBe('0 101')
    expect(pbx.offers.map(formatsOf)).toEqual(['8 101', '0 101'])
    await end({ browser })
  })

  it('that has an agreed one beside others is answered with that, and nobody is told', async () => {
    const call = await narrowed()
    const answer = await call.pbx.reoffer(gateway, reofferIn(PHONE, only('PCMU', 'PCMA', 'opus')))
    expect(formatsOf(bodyOf(answer))).toBe('8 101')
    expect(call.browser.offers).toEqual([])
    await end(call)
  })

  it('of what the browser has never had is refused, and the call goes on', async () => {
    const call = await narrowed()
    await call.browser.reoffer(gateway, reofferIn(BROWSER, only('PCMA')))
    // It has just said that PCMA is all it has now.
    const answer = await call.pbx.reoffer(gateway, reofferIn(PHONE, only('PCMU')))
    expect(typeof answer === 'object' && answer.status).toBe(488)
    expect([call.browser.ended, call.browser.offers]).toEqual([undefined, []])
    gateway.expectsVerdicts('sdp.no-common-codec')
    await end(call)
  })
})
