// FreeSWITCH's SIP stack offers anew by UPDATE before it picks up, once its 183 was acknowledged. It was told to wait (500), tried
// four times, and ended the call with 480.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { header } from '../../../sip/message/headers.ts'
import {
  answered,
  answerText,
  answerTo,
  BROWSER,
  PeerDialog,
  PHONE,
  place,
  quiet,
  reofferOf,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { aliceParty, refer } from '../../harness/scripted-transfers.ts'

let gateway: ScriptedGateway
let alice: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  alice = await gateway.registered('alice')
})
afterEach(() => gateway.close())

const line = (text: string, name: string): string =>
  text.split('\r\n').find((one) => one.startsWith(`${name}: `)) ?? ''

/** An offer in UPDATE, of the trunk that has answered an INVITE early, by this branch or another one; our answer. */
const update = async (
  body: Uint8Array,
  {
    number = 1,
    tag,
    more = [],
    meanwhile = () => {},
  }: { number?: number; tag?: string; more?: readonly string[]; meanwhile?: () => void } = {},
): Promise<string> => {
  const invite = gateway.trunkFlow.sent.findLast((text) => text.startsWith('INVITE ')) ?? ''
  const progress = gateway.trunk.flow.sent.findLast((text) => text.startsWith('SIP/2.0 183')) ?? ''
  const own = line(progress, 'To')
  const lines = [
    `UPDATE ${/^Contact: <([^>]*)>/m.exec(invite)?.[1]} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKupdate${number}`,
    'Max-Forwards: 70',
    (tag === undefined ? own : own.replace(/;tag=.*/, `;tag=${tag}`)).replace('To:', 'From:'),
    line(invite, 'From').replace('From:', 'To:'),
    line(invite, 'Call-ID'),
    `CSeq: ${number} UPDATE`,
    'Contact: <sip:127.0.0.1:5070>',
    ...more,
    'Content-Type: application/sdp',
    `Content-Length: ${body.length}`,
    '',
    Buffer.from(body).toString(),
  ]
  gateway.userAgent.receive(Buffer.from(lines.join('\r\n')), gateway.trunkFlow)
  meanwhile()
  await gateway.time.advance(50)
  return gateway.trunkFlow.sent.findLast((text) => text.includes(`CSeq: ${number} UPDATE`)) ?? ''
}

it('by an offer in UPDATE, which holds though the 200 repeats the answer before', async () => {
  const browser = new PeerDialog(BROWSER)
  const call = place(alice, 'alice', '0100', { handler: browser.handler })
  const invite = await ringing(gateway, gateway.trunk)
  const answer = answerTo(invite, PHONE)
  invite.progress(183, { body: answer, reliable: true })
  await gateway.time.advance(50)
  const agreed = await update(reofferOf(PHONE, 'sendonly').bytes)
  expect(agreed).toMatch(/^SIP\/2\.0 200 [\s\S]*a=recvonly/)
  expect([statusOf(call), browser.offers]).toEqual([undefined, []])

  invite.accept({ body: answer }, quiet)
  await gateway.time.advance(100)
  browser.dialog = call.dialog
  await gateway.time.advance(100)
  expect(statusOf(call)).toBe(200)
  expect(browser.offers.map((offer) => /a=(sendrecv|sendonly)/.exec(offer)?.[1])).toEqual(['sendonly'])
  call.dialog?.bye()
  await gateway.time.advance(100)
})

it('and the browser is told in its 200 who is there now', async () => {
  await gateway.close()
  gateway = await ScriptedGateway.open({}, { trusted: true })
  alice = await gateway.registered('alice')
  const call = place(alice, 'alice', '0100')
  const invite = await ringing(gateway, gateway.trunk)
  const answer = answerTo(invite, PHONE)
  invite.progress(183, { body: answer, reliable: true })
  await gateway.time.advance(50)
  const more = ['P-Asserted-Identity: "Support" <sip:1001@127.0.0.1>']
  await update(reofferOf(PHONE, 'sendrecv').bytes, { more })
  invite.accept({ body: answer }, quiet)
  await gateway.time.advance(100)
  const final = typeof call.final === 'object' ? header(call.final, 'P-Asserted-Identity') : undefined
  expect(final).toContain('Support')
  call.dialog?.bye()
  await gateway.time.advance(100)
})

describe('of the target of a transfer', () => {
  const transferred = async () => {
    const bob = await gateway.registered('bob')
    const call = await answered(gateway, aliceParty(alice), { peer: bob, number: 'bob', local: BROWSER })
    await refer(gateway, call.caller, '<sip:0100@example.com>')
    const invite = await ringing(gateway, gateway.trunk)
    const answer = answerTo(invite, PHONE)
    invite.progress(183, { body: answer, reliable: true })
    await gateway.time.advance(50)
    return { call, invite, answer }
  }

  it('holds as well, though the 200 repeats the answer before', async () => {
    const { call, invite, answer } = await transferred()
    expect(await update(reofferOf(PHONE, 'sendonly').bytes)).toMatch(/^SIP\/2\.0 200 [\s\S]*a=recvonly/)
    expect(call.callee.offers).toEqual([])
    invite.accept({ body: answer }, quiet)
    await gateway.time.advance(500)
    expect(call.callee.offers.map((offer) => /a=(sendrecv|sendonly)/.exec(offer)?.[1])).toEqual(['sendonly'])
    call.callee.dialog?.bye()
    await gateway.time.advance(200)
    expect(gateway.calls.size).toBe(0)
  })

  it('is refused where it cannot be, and the transfer goes on', async () => {
    const { call, invite, answer } = await transferred()
    const video = Buffer.from(reofferOf(PHONE, 'sendrecv').bytes).toString().replace('m=audio', 'm=video')
    expect(await update(Buffer.from(video))).toMatch(/^SIP\/2\.0 488 /)
    invite.accept({ body: answer }, quiet)
    await gateway.time.advance(500)
    expect(gateway.logged('transfer done')).toHaveLength(1)
    call.callee.dialog?.bye()
    await gateway.time.advance(200)
  })
})

it('not by an offer that cannot be, and what the 200 answers is still heard', async () => {
  const browser = new PeerDialog(BROWSER)
  const call = place(alice, 'alice', '0100', { handler: browser.handler })
  const invite = await ringing(gateway, gateway.trunk)
  invite.progress(183, { body: answerTo(invite, PHONE), reliable: true })
  await gateway.time.advance(50)
  const video = Buffer.from(reofferOf(PHONE, 'sendrecv').bytes).toString().replace('m=audio', 'm=video')
  expect(await update(Buffer.from(video))).toMatch(/^SIP\/2\.0 488 /)
  invite.accept({ body: answerText(invite.request.body, PHONE, 'sendonly') }, quiet)
  await gateway.time.advance(100)
  expect(statusOf(call)).toBe(200)
  expect(browser.offers.map((offer) => /a=(sendrecv|sendonly)/.exec(offer)?.[1])).toEqual(['sendonly'])
  call.dialog?.bye()
  await gateway.time.advance(100)
  expect(gateway.logged('change refused').map(({ fields }) => fields.code)).toEqual(['sdp.no-audio'])
})

it('not by a fork when another one has answered since', async () => {
  const call = place(alice, 'alice', '0100')
  const invite = await ringing(gateway, gateway.trunk)
  const answer = answerTo(invite, PHONE)
  invite.progress(183, { body: answer, reliable: true })
  await gateway.time.advance(50)
  const first = gateway.trunk.flow.sent.findLast((text) => text.startsWith('SIP/2.0 183')) ?? ''
  const second = first.replace(/^(To: .*;tag=).*$/m, '$1other').replace('m=audio 40002', 'm=audio 40004')
  gateway.userAgent.receive(Buffer.from(second), gateway.trunkFlow)
  await gateway.time.advance(50)
  const offer = reofferOf(PHONE, 'sendonly').bytes
  expect(await update(offer)).toMatch(/^SIP\/2\.0 500 [\s\S]*Retry-After/)
  expect(await update(offer, { number: 2, tag: 'other' })).toMatch(/^SIP\/2\.0 200 /)
  invite.accept({ body: answer }, quiet)
  await gateway.time.advance(100)
  expect(statusOf(call)).toBe(200)
  call.dialog?.bye()
  await gateway.time.advance(100)
})

it('and is told 487 when the call ends before its turn', async () => {
  const call = place(alice, 'alice', '0100')
  const invite = await ringing(gateway, gateway.trunk)
  invite.progress(183, { body: answerTo(invite, PHONE), reliable: true })
  await gateway.time.advance(50)
  let cancel = ''
  alice.flow.drops = (text) => {
    cancel = text
    return true
  }
  call.invite.cancel()
  alice.flow.drops = () => false
  const meanwhile = () => gateway.userAgent.receive(Buffer.from(cancel), gateway.gatewayEnd(alice))
  expect(await update(reofferOf(PHONE, 'sendonly').bytes, { meanwhile })).toMatch(/^SIP\/2\.0 487 /)
  expect(statusOf(call)).toBe(487)
  gateway.expectsVerdicts('cancelled')
})

it('not by a fork that nobody knows, nor without a reliable answer', async () => {
  const call = place(alice, 'alice', '0100')
  const invite = await ringing(gateway, gateway.trunk)
  invite.progress(183, { body: answerTo(invite, PHONE) })
  await gateway.time.advance(50)
  const offer = reofferOf(PHONE, 'sendonly').bytes
  expect(await update(offer)).toMatch(/^SIP\/2\.0 491 /)
  expect(await update(offer, { number: 2, tag: 'nobody' })).toMatch(/^SIP\/2\.0 500 [\s\S]*Retry-After/)
  invite.reject(486)
  await gateway.time.advance(50)
  expect(statusOf(call)).toBe(486)
  gateway.expectsVerdicts('call.refused')
})
