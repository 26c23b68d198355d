import { expect, test } from 'vitest'
import type { IncomingInvite } from '../../../sip/user-agent.ts'
import { AGES_MS, expectNothingLeft, howMany, pair } from '../../harness/sip/pair.ts'
import type { Phone } from '../../harness/sip/phone.ts'
import { ask, scripted, statusOf, tagOf } from '../../harness/sip/scripted-peer.ts'

const rings = (invite: IncomingInvite): void => invite.progress(180)
const answers = (invite: IncomingInvite, phone: Phone): unknown => phone.answer(invite)

test('CANCEL ends a ringing call', () => {
  const { clock, alice, bob, from, sentByBob } = pair({}, { bob: { onInvite: rings } })
  const call = alice.call(from)
  clock.advance(1_000)
  call.cancel([{ name: 'Reason', value: 'SIP;cause=200' }])
  call.cancel()
  clock.advance(AGES_MS)
  expect(alice.diary).toEqual(['progress 180', 'reject 487'])
  expect(bob.diary).toEqual(['invite', 'cancel CANCEL'])
  expect(sentByBob.slice(-2).map((text) => text.slice(0, 11))).toEqual(['SIP/2.0 200', 'SIP/2.0 487'])
  expectNothingLeft(alice, bob)
})

test('CANCEL has the branch, route, To and number of its INVITE', () => {
  const { clock, alice, from, sentByAlice } = pair({}, { bob: { onInvite: rings } })
  const call = alice.call(from)
  clock.advance(100)
  call.cancel()
  const line = (text: string | undefined, name: string): string | undefined =>
    text?.split('\r\n').find((header) => header.startsWith(`${name}:`))
  const [invite] = sentByAlice
  const cancel = sentByAlice.at(-1)
  for (const name of ['Via', 'From', 'To', 'Call-ID']) expect(line(cancel, name)).toBe(line(invite, name))
  expect(line(cancel, 'CSeq')).toBe('CSeq: 1 CANCEL')
})

test('a call cancelled before any response sends CANCEL after the first one', () => {
  const { clock, alice, bob, from, sentByAlice } = pair({}, { bob: { onInvite: rings } })
  const call = alice.call(from)
  call.cancel()
  expect(howMany(sentByAlice, 'CANCEL')).toBe(0)
  clock.advance(AGES_MS)
  expect(alice.diary).toEqual(['reject 487'])
  expect(bob.diary).toEqual(['invite', 'cancel CANCEL'])
  expectNothingLeft(alice, bob)
})

test('a call cancelled before any response that is answered at once is acknowledged and ended', () => {
  const { clock, alice, bob, from, sentByAlice } = pair(
    { drop: (text) => text.startsWith('SIP/2.0 100') },
    { bob: { onInvite: answers } },
  )
  alice.call(from).cancel()
  clock.advance(AGES_MS)
  expect(alice.diary).toEqual(['reject 200'])
  expect(bob.diary).toEqual(['invite', 'ack', 'end bye'])
  expect(howMany(sentByAlice, 'CANCEL')).toBe(0)
  expectNothingLeft(alice, bob)
})

test('200 crosses CANCEL: the callee is answered, acknowledged and ended, and its handler hears of no CANCEL', () => {
  const { clock, alice, bob, from } = pair({}, { bob: { onInvite: rings } })
  const call = alice.call(from)
  clock.advance(1_000)
  call.cancel()
  const [invite] = bob.invites
  if (invite !== undefined) answers(invite, bob)
  clock.advance(AGES_MS)
  expect(alice.diary).toEqual(['progress 180', 'reject 200'])
  expect(bob.diary).toEqual(['invite', 'ack', 'end bye'])
  expectNothingLeft(alice, bob)
})

test('a peer that answers CANCEL but never the INVITE is given up after 64*T1', () => {
  const { clock, alice, from } = pair(
    { drop: (text) => text.startsWith('SIP/2.0 487') },
    { bob: { onInvite: rings } },
  )
  const call = alice.call(from)
  clock.advance(1_000)
  call.cancel()
  clock.advance(31_900)
  expect(alice.diary).toEqual(['progress 180'])
  clock.advance(200)
  expect(alice.diary).toEqual(['progress 180', 'reject timeout'])
  clock.advance(AGES_MS)
  expectNothingLeft(alice)
})

test('a BYE in the early dialog means what CANCEL means', () => {
  const { clock, bob, alice, from, sentByAlice, wire } = pair({}, { bob: { onInvite: rings } })
  alice.call(from)
  clock.advance(100)
  const tag = /To: .*;tag=(\w+)/.exec(wire.b.sent.at(-1) ?? '')?.[1]
  const bye = (sentByAlice[0] ?? '')
    .replace(/^INVITE/, 'BYE')
    .replace('CSeq: 1 INVITE', 'CSeq: 2 BYE')
    .replace(/branch=\w+/, 'branch=z9hG4bKbye')
    .replace(/(To: .*)/, `$1;tag=${tag}`)
  bob.agent.receive(Buffer.from(bye), wire.b.flow)
  expect(wire.b.sent.slice(-2).map((text) => text.slice(0, 11))).toEqual(['SIP/2.0 200', 'SIP/2.0 487'])
  clock.advance(AGES_MS)
  expect(bob.diary).toEqual(['invite', 'cancel BYE'])
  expectNothingLeft(bob)
})

test('a CANCEL for nothing we know is answered 481', () => {
  const { clock, alice, bob, from, sentByAlice, wire } = pair({}, { bob: { onInvite: rings } })
  alice.call(from)
  clock.advance(100)
  const cancel = (sentByAlice[0] ?? '')
    .replace(/^INVITE/, 'CANCEL')
    .replace('1 INVITE', '1 CANCEL')
    .replace(/branch=\w+/, 'branch=z9hG4bKother')
  bob.agent.receive(Buffer.from(cancel), wire.b.flow)
  expect(wire.b.sent.at(-1)).toMatch(/^SIP\/2\.0 481/)
  expect(bob.diary).toEqual(['invite'])
})

test('an old request in an early dialog is refused, an ACK there means nothing, and the call rings on', () => {
  const { phone, say, last, sent } = scripted({ onInvite: rings })
  say(ask('INVITE'))
  const toTag = tagOf(last())
  say(ask('UPDATE', { toTag, cseq: 3 }))
  expect(statusOf(last())).toBe(200)
  say(ask('BYE', { toTag, cseq: 2 }))
  expect(last()).toMatch(/^SIP\/2\.0 500 CSeq Out of Order/)
  const answers = sent.length
  say(ask('ACK', { toTag }))
  expect([sent.length, phone.agent.counters()['stray-ack']]).toEqual([answers, 1])
  expect(phone.diary).toEqual(['invite'])
})
