import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { STANDARD_CODECS } from '../../../sdp/codecs.ts'
import {
  answered,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  reofferOf,
  ringing,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import {
  aliceParty,
  refer,
  replacesOf,
  trunkCallsAlice,
  trunkParty,
} from '../../harness/scripted-transfers.ts'

let gateway: ScriptedGateway
let alice: Peer
let bob: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  alice = await gateway.registered('alice')
  bob = await gateway.registered('bob')
})
afterEach(() => gateway.close())

describe('attended transfer', () => {
  it('joins the far sides of two calls of one browser, and ends both of its own', async () => {
    const first = await trunkCallsAlice(gateway, alice)
    await first.callee.reoffer(gateway, offerOf(BROWSER))
    const second = await answered(gateway, aliceParty(alice), { peer: bob, number: 'bob', local: BROWSER })
    const target = `<sip:bob@example.com?Replaces=${replacesOf(second.caller.dialog)}>`
    const transfer = await refer(gateway, first.callee, target)
    await gateway.time.advance(500)
    expect(transfer.status()).toBe(202)
    expect(transfer.fragments.at(-1)).toBe('SIP/2.0 200 OK')
    expect([first.callee.ended, second.caller.ended]).toEqual(['bye', 'bye'])
    expect([first.caller.ended, second.callee.ended]).toEqual([undefined, undefined])
    expect(gateway.calls.size).toBe(1)
    second.callee.dialog?.bye()
    await gateway.time.advance(100)
    expect(first.caller.ended).toBe('bye')
  })

  it('of calls without a common codec is refused, and both go on', async () => {
    const codecsOf = (name: string) => STANDARD_CODECS.filter((codec) => codec.name === name)
    const calls = async (peer: Peer, user: string, to: Peer, number: string, codec: string) => {
      const [caller, callee] = [new PeerDialog(peer === alice ? BROWSER : PHONE), new PeerDialog(BROWSER)]
      const call = place(peer, user, number, {
        body: offerOf(caller.local, codecsOf(codec)),
        handler: caller.handler,
      })
      const invite = await ringing(gateway, to)
      callee.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, callee.handler)
      await gateway.time.advance(100)
      caller.dialog = call.dialog
      return { caller, callee }
    }
    const first = await calls(gateway.trunk, '0301234', alice, 'alice', 'PCMA')
    const { caller, callee } = await calls(alice, 'alice', bob, 'bob', 'opus')
    const transfer = await refer(
      gateway,
      first.callee,
      `<sip:bob@example.com?Replaces=${replacesOf(caller.dialog)}>`,
    )
    expect(transfer.status()).toBe(488)
    expect(gateway.logged('transfer refused').at(-1)?.fields.code).toBe('transfer.no-common-codec')
    expect([first.caller.ended, callee.ended]).toEqual([undefined, undefined])
    first.caller.dialog?.bye()
    callee.dialog?.bye()
  })

  it('takes the remaining side off hold', async () => {
    const first = await trunkCallsAlice(gateway, alice)
    await first.callee.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
    expect(first.caller.offers).toHaveLength(1)
    const second = await answered(gateway, aliceParty(alice), { peer: bob, number: 'bob', local: BROWSER })
    await refer(gateway, first.callee, `<sip:bob@example.com?Replaces=${replacesOf(second.caller.dialog)}>`)
    await gateway.time.advance(500)
    expect(first.caller.offers.at(-1)).toContain('a=sendrecv')
    first.caller.dialog?.bye()
  })

  it('finds the other call when its tags are named the wrong way round, as JsSIP does', async () => {
    const first = await trunkCallsAlice(gateway, alice)
    alice.invites.length = 0
    const second = await answered(
      gateway,
      { peer: bob, user: 'bob', local: BROWSER },
      { peer: alice, number: 'alice', local: BROWSER },
    )
    const { callId, localTag, remoteTag } = second.callee.dialog ?? {
      callId: '',
      localTag: '',
      remoteTag: '',
    }
    const swapped = encodeURIComponent(`${callId};to-tag=${localTag};from-tag=${remoteTag}`)
    const transfer = await refer(gateway, first.callee, `<sip:bob@example.com?Replaces=${swapped}>`)
    await gateway.time.advance(500)
    expect(transfer.fragments.at(-1)).toBe('SIP/2.0 200 OK')
    first.caller.dialog?.bye()
  })

  it.each(['echo', 'tone'])('of a call with %s is refused by name, and both go on', async (name) => {
    const first = await trunkCallsAlice(gateway, alice)
    const second = new PeerDialog(BROWSER)
    const call = place(alice, 'alice', name, { handler: second.handler })
    await gateway.time.advance(200)
    second.dialog = call.dialog
    const transfer = await refer(
      gateway,
      first.callee,
      `<sip:${name}@example.com?Replaces=${replacesOf(second.dialog)}>`,
    )
    expect(transfer.status()).toBe(403)
    expect(gateway.logged('transfer refused').at(-1)?.fields.code).toBe('transfer.to-application')
    expect([first.caller.ended, first.callee.ended, second.ended]).toEqual([undefined, undefined, undefined])
    first.caller.dialog?.bye()
    second.dialog?.bye()
  })

  it('is refused to a party who has no part in the other call', async () => {
    const first = await trunkCallsAlice(gateway, alice)
    const second = await answered(gateway, { peer: bob, user: 'bob', local: BROWSER }, trunkParty(gateway))
    const stolen = await refer(
      gateway,
      first.callee,
      `<sip:bob@example.com?Replaces=${replacesOf(second.caller.dialog)}>`,
    )
    expect(stolen.status()).toBe(481)
    first.caller.dialog?.bye()
    second.caller.dialog?.bye()
  })
})
