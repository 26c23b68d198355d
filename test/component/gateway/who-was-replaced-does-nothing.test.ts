import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { header } from '../../../sip/message/headers.ts'
import type { Header } from '../../../sip/message/message.ts'
import type { Body } from '../../../sip/user-agent.ts'
import {
  answered,
  answerTo,
  BROWSER,
  PeerDialog,
  PHONE,
  place,
  reofferOf,
  ringing,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway, statusIn } from '../../harness/scripted-gateway.ts'

// A transferor that answers no NOTIFY has its dialog for half a minute after the others talk. What it asked then was taken for
// the wish of one of them: a second REFER ended their call, and its INFO and MESSAGE reached them.

let gateway: ScriptedGateway
let bob: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  bob = await gateway.registered('bob')
})
afterEach(() => gateway.close())

/** A trunk that called alice, and alice has sent it to bob; she is not told that she has been hung up. */
async function transferred() {
  const alice = await gateway.registered('alice')
  const { caller: far, callee: transferor } = await answered(
    gateway,
    { peer: gateway.trunk, user: '0301234', local: PHONE },
    { peer: alice, number: 'alice', local: BROWSER },
  )
  transferor.handler.onRequest = () => {}
  const ask = async (method: string, headers: readonly Header[], body?: Body) => {
    let status: unknown
    transferor.dialog?.request(method, { headers, ...(body === undefined ? {} : { body }) }, (response) => {
      status = statusIn(response)
    })
    await gateway.time.advance(200)
    return status
  }
  const refer = (target: string) => ask('REFER', [{ name: 'Refer-To', value: `<sip:${target}@example.com>` }])
  expect(await refer('bob')).toBe(202)
  const invite = await ringing(gateway, bob)
  const target = new PeerDialog(BROWSER)
  target.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, target.handler)
  await gateway.time.advance(200)
  expect(gateway.logged('transfer done')).toHaveLength(1)
  expect(transferor.ended).toBeUndefined()
  return { far, transferor, target, ask, refer }
}

describe('a transferor that is still there after the transfer', () => {
  it('transfers nobody else', async () => {
    const { far, target, refer } = await transferred()
    gateway.trunk.invites.length = 0
    expect(await refer('0100')).toBe(491)
    expect(gateway.trunk.invites).toEqual([])
    await gateway.time.advance(40_000)
    expect([far.ended, target.ended, gateway.calls.size]).toEqual([undefined, undefined, 1])
    far.dialog?.bye()
    await gateway.time.advance(200)
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('says nothing to the others, and changes nothing of theirs', async () => {
    const { far, transferor, target, ask } = await transferred()
    const told: string[] = []
    for (const { handler } of [far, target]) {
      handler.onRequest = (request) => {
        told.push(request.request.method)
        request.respond(200)
      }
    }
    const text: Body = { contentType: 'text/plain', bytes: Buffer.from('hello') }
    const key: Body = { contentType: 'application/dtmf', bytes: Buffer.from('5') }
    expect(await ask('MESSAGE', [], text)).toBe(405)
    expect(await ask('INFO', [], key)).toBe(200)
    const offers = [far.offers.length, target.offers.length]
    const answer = await transferor.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
    expect(typeof answer === 'object' && answer.status).toBe(481)
    expect(told).toEqual([])
    expect([far.offers.length, target.offers.length]).toEqual(offers)
    expect([far.ended, target.ended]).toEqual([undefined, undefined])
    far.dialog?.bye()
    await gateway.time.advance(200)
  })
})

it('the target of a transfer is told the Session-ID of who will talk to it', async () => {
  const alice = await gateway.registered('alice')
  const transferor = new PeerDialog(BROWSER)
  const call = place(alice, 'alice', '0100', { handler: transferor.handler })
  const first = await ringing(gateway, gateway.trunk)
  const far = new PeerDialog(PHONE)
  const headers = [{ name: 'Session-ID', value: `${'b'.repeat(32)};remote=${'0'.repeat(32)}` }]
  far.dialog = first.accept({ body: answerTo(first, PHONE), headers }, far.handler)
  await gateway.time.advance(200)
  call.dialog?.request('REFER', { headers: [{ name: 'Refer-To', value: '<sip:bob@example.com>' }] }, () => {})
  const invite = await ringing(gateway, bob)
  expect(header(invite.request, 'Session-ID')).toBe(`${'b'.repeat(32)};remote=${'0'.repeat(32)}`)
  const target = new PeerDialog(BROWSER)
  target.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, target.handler)
  await gateway.time.advance(200)
  far.dialog.bye()
  await gateway.time.advance(200)
})
