// A desk phone that holds its second call right before REFER was refused (491): our offer of the hold had no answer yet.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AnsweredCall, answered, answerText, BROWSER, reofferOf } from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { aliceParty, refer, replacesOf, trunkCallsAlice } from '../../harness/scripted-transfers.ts'

let gateway: ScriptedGateway
let alice: Peer
let first: AnsweredCall
let second: AnsweredCall
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  alice = await gateway.registered('alice')
  const bob = await gateway.registered('bob')
  first = await trunkCallsAlice(gateway, alice)
  second = await answered(gateway, aliceParty(alice), { peer: bob, number: 'bob', local: BROWSER })
})
afterEach(() => gateway.close())

/** Alice holds her second call, whose other side answers after so long, and transfers in the same breath. */
async function holdAndRefer(answerMs: number, isRefused = false) {
  second.callee.answers = (reinvite) => {
    const body = answerText(reinvite.request.body, BROWSER, 'sendrecv')
    gateway.time.schedule(gateway.time.nowMs() + answerMs, () =>
      isRefused ? reinvite.reject(500) : reinvite.accept({ body }),
    )
  }
  await second.caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
  second.callee.answers = undefined
  return refer(gateway, first.callee, `<sip:bob@example.com?Replaces=${replacesOf(second.caller.dialog)}>`)
}

const ends = () => [first.callee.ended, second.caller.ended, first.caller.ended, second.callee.ended]

describe('an attended transfer right behind a hold', () => {
  it('is taken, and made when the hold is answered', async () => {
    const transfer = await holdAndRefer(1_000)
    expect([transfer.status(), transfer.fragments]).toEqual([202, ['SIP/2.0 100 Trying']])
    await gateway.time.advance(1_500)
    expect(transfer.fragments).toEqual(['SIP/2.0 100 Trying', 'SIP/2.0 200 OK'])
    expect([gateway.calls.size, ends()]).toEqual([1, ['bye', 'bye', undefined, undefined]])
    gateway.expectsVerdicts('media.none-from-trunk')
    // Both are off hold.
    expect(second.callee.offers.at(-1)).toContain('a=sendrecv')
    first.caller.dialog?.bye()
    await gateway.time.advance(100)
    expect(second.callee.ended).toBe('bye')
  })

  it.each([50, 1_000])('is made as soon as the hold is refused for now, after %i ms', async (answerMs) => {
    const transfer = await holdAndRefer(answerMs, true)
    await gateway.time.advance(answerMs)
    expect([transfer.status(), transfer.fragments.at(-1)]).toEqual([202, 'SIP/2.0 200 OK'])
    expect([gateway.calls.size, ends()]).toEqual([1, ['bye', 'bye', undefined, undefined]])
    gateway.expectsVerdicts('media.none-from-trunk')
    // When it is asked again it is told what holds by then.
    const before = second.callee.offers.length
    await gateway.time.advance(5_000)
    expect(second.callee.offers).toHaveLength(before + 1)
    expect(second.callee.offers.at(-1)).toContain('a=sendrecv')
    first.caller.dialog?.bye()
    await gateway.time.advance(100)
    expect(second.callee.ended).toBe('bye')
  })

  it('is given up after five seconds, and both calls go on', async () => {
    const transfer = await holdAndRefer(8_000)
    await gateway.time.advance(5_000)
    expect(transfer.fragments.at(-1)).toBe('SIP/2.0 491 Transfer Failed')
    expect([gateway.calls.size, ends()]).toEqual([2, [undefined, undefined, undefined, undefined]])
    gateway.expectsVerdicts('media.none-from-trunk')
    first.caller.dialog?.bye()
    second.caller.dialog?.bye()
    await gateway.time.advance(5_000)
  })

  it('is one at a time', async () => {
    await holdAndRefer(1_000)
    const other = await refer(gateway, first.callee, '<sip:bob@example.com>')
    expect(other.status()).toBe(491)
    gateway.expectsVerdicts('media.none-from-trunk')
    await gateway.time.advance(1_500)
    first.caller.dialog?.bye()
  })

  it('is over when its call ends meanwhile', async () => {
    await holdAndRefer(1_000)
    first.caller.dialog?.bye()
    await gateway.time.advance(1_500)
    expect([gateway.calls.size, ends()]).toEqual([1, ['bye', undefined, undefined, undefined]])
    second.caller.dialog?.bye()
  })

  it('fails when the other call ends meanwhile', async () => {
    const transfer = await holdAndRefer(1_000)
    second.caller.dialog?.bye()
    await gateway.time.advance(5_000)
    expect(transfer.fragments.at(-1)).toBe('SIP/2.0 481 Transfer Failed')
    expect(ends()).toEqual([undefined, undefined, undefined, 'bye'])
    gateway.expectsVerdicts('media.none-from-trunk')
    first.caller.dialog?.bye()
  })
})
