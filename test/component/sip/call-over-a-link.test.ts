import { expect, test } from 'vitest'
import type { IncomingInvite } from '../../../sip/user-agent.ts'
import { AGES_MS, expectNothingLeft, howMany, inCall, pair } from '../../harness/sip/pair.ts'
import { type Phone, sdp } from '../../harness/sip/phone.ts'

const rings = (invite: IncomingInvite): void => invite.progress(180)
const answers = (invite: IncomingInvite, phone: Phone): unknown => phone.answer(invite)
const firstOnly = (start: string): ((text: string) => boolean) => {
  let seen = 0
  return (text) => text.startsWith(start) && seen++ === 0
}

test('a call is made, answered and ended by the caller', () => {
  const { clock, alice, bob, from } = pair(
    {},
    {
      bob: {
        onInvite: (invite, phone) => {
          rings(invite)
          answers(invite, phone)
        },
      },
    },
  )
  alice.call(from)
  clock.advance(1_000)
  expect(alice.diary).toEqual(['progress 180', 'accept 200'])
  expect(bob.diary).toEqual(['invite', 'ack'])
  alice.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expect(bob.diary).toEqual(['invite', 'ack', 'end bye'])
  expectNothingLeft(alice, bob)
})

test('a call over a WebSocket is ended by the callee', () => {
  const { clock, alice, bob, ofBob } = inCall({ transport: 'wss' })
  ofBob.bye()
  clock.advance(AGES_MS)
  expect(alice.diary).toEqual(['end bye'])
  expectNothingLeft(alice, bob)
})

test('a call is rejected and the ACK lost on its way is asked for again', () => {
  const { clock, alice, bob, from, sentByBob, sentByAlice } = pair(
    { drop: firstOnly('ACK') },
    { bob: { onInvite: (invite) => invite.reject(486) } },
  )
  alice.call(from)
  clock.advance(AGES_MS)
  expect(alice.diary).toEqual(['reject 486'])
  expect(howMany(sentByBob, 'SIP/2.0 486')).toBe(2)
  expect(howMany(sentByAlice, 'ACK')).toBe(2)
  expectNothingLeft(alice, bob)
})

test('nobody answers: the caller learns of it after timer B', () => {
  const { clock, alice, from, sentByAlice } = pair({ loss: 1 })
  alice.call(from)
  clock.advance(31_000)
  expect(alice.diary).toEqual([])
  clock.advance(2_000)
  expect(alice.diary).toEqual(['reject timeout'])
  expect(sentByAlice).toHaveLength(7)
  clock.advance(AGES_MS)
  expectNothingLeft(alice)
})

test('a phone that rings for minutes shows signs of life each minute', () => {
  const { clock, alice, from, sentByBob } = pair({}, { bob: { onInvite: rings } })
  alice.call(from)
  clock.advance(185_000)
  expect(howMany(sentByBob, 'SIP/2.0 180')).toBe(4)
})

test('a lost 200 comes again and the call stands', () => {
  const { clock, alice, bob, from, sentByBob } = pair(
    { drop: firstOnly('SIP/2.0 200') },
    { bob: { onInvite: answers } },
  )
  alice.call(from)
  clock.advance(2_000)
  expect(alice.diary).toEqual(['accept 200'])
  expect(bob.diary).toEqual(['invite', 'ack'])
  expect(howMany(sentByBob, 'SIP/2.0 200')).toBe(2)
})

test('a lost ACK is sent again for the repeated 200', () => {
  const { clock, bob, from, alice, sentByAlice } = pair(
    { drop: firstOnly('ACK') },
    { bob: { onInvite: answers } },
  )
  alice.call(from)
  clock.advance(2_000)
  expect(bob.diary).toEqual(['invite', 'ack'])
  const acks = sentByAlice.filter((text) => text.startsWith('ACK'))
  expect(acks).toHaveLength(2)
  expect(acks[0]).toBe(acks[1])
})

test('without any ACK the callee repeats 200 at growing intervals, then ends the call', () => {
  const { clock, alice, bob, from, sentByBob } = pair(
    { drop: (text) => text.startsWith('ACK') },
    { bob: { onInvite: answers } },
  )
  alice.call(from)
  clock.advance(31_000)
  expect(bob.diary).toEqual(['invite'])
  clock.advance(2_000)
  expect(bob.diary).toEqual(['invite', 'end ack-timeout'])
  // At 0, .5, 1.5, 3.5, then every 4 s up to 31.5.
  expect(sentByBob.filter((text) => /^SIP\/2\.0 200.*CSeq: 1 INVITE/s.test(text))).toHaveLength(11)
  expect(howMany(sentByBob, 'BYE')).toBe(1)
  expect(alice.diary).toEqual(['accept 200', 'end bye'])
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test('the callee hangs up before ACK: BYE waits for it (RFC 3261 §15)', () => {
  const { clock, alice, bob, from, sentByBob } = pair(
    {},
    { alice: { acknowledges: false }, bob: { onInvite: (invite, phone) => phone.answer(invite).bye() } },
  )
  alice.call(from)
  clock.advance(3_000)
  expect(howMany(sentByBob, 'BYE')).toBe(0)
  alice.dialogs[0]?.acknowledge()
  clock.advance(100)
  expect(howMany(sentByBob, 'BYE')).toBe(1)
  expect(bob.diary).toEqual(['invite'])
  expect(alice.diary).toEqual(['accept 200', 'end bye'])
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test('the callee hangs up and ACK never comes: BYE follows after 64*T1, once', () => {
  const { clock, alice, bob, from, sentByBob } = pair(
    { drop: (text) => text.startsWith('ACK') },
    { bob: { onInvite: (invite, phone) => phone.answer(invite).bye() } },
  )
  alice.call(from)
  clock.advance(AGES_MS)
  expect(howMany(sentByBob, 'BYE')).toBe(1)
  expect(bob.diary).toEqual(['invite'])
  expectNothingLeft(alice, bob)
})

test('the caller hangs up before it acknowledged: ACK goes before BYE', () => {
  const { clock, alice, bob, from, sentByAlice } = pair(
    {},
    { alice: { acknowledges: false }, bob: { onInvite: answers } },
  )
  alice.call(from)
  clock.advance(100)
  alice.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expect(sentByAlice.slice(1).map((text) => text.split(' ')[0])).toEqual(['ACK', 'BYE'])
  expectNothingLeft(alice, bob)
})

test('BYE overtakes a lost ACK: the call ends once and 200 is no longer repeated', () => {
  const { clock, alice, bob, from, sentByBob } = pair(
    { drop: (text) => text.startsWith('ACK') },
    { bob: { onInvite: answers } },
  )
  alice.call(from)
  clock.advance(100)
  alice.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expect(bob.diary).toEqual(['invite', 'end bye'])
  expect(sentByBob.filter((text) => /^SIP\/2\.0 200.*CSeq: 1 INVITE/s.test(text))).toHaveLength(1)
  expect(howMany(sentByBob, 'BYE')).toBe(0)
  expectNothingLeft(alice, bob)
})

test('both hang up at once: each BYE is answered 200 and nobody is called back', () => {
  const { clock, alice, bob, ofAlice, ofBob, sentByAlice, sentByBob } = inCall()
  ofAlice.bye()
  ofBob.bye()
  ofBob.bye()
  clock.advance(AGES_MS)
  expect([...alice.diary, ...bob.diary]).toEqual([])
  expect(sentByAlice.at(-1)).toMatch(/^SIP\/2\.0 200/)
  expect(sentByBob.at(-1)).toMatch(/^SIP\/2\.0 200/)
  expect(howMany(sentByBob, 'BYE')).toBe(1)
  expectNothingLeft(alice, bob)
})

test('a delayed offer: the 200 offers and the ACK answers', () => {
  const { clock, alice, bob, from } = pair({}, { alice: { acknowledges: false }, bob: { onInvite: answers } })
  alice.call(from, { body: undefined })
  clock.advance(100)
  alice.dialogs[0]?.acknowledge(sdp('answer in ACK'))
  clock.advance(100)
  expect(bob.acks[0]?.body.toString()).toBe('answer in ACK')
})

test('every datagram twice and out of order: handlers are called once', () => {
  const { clock, alice, bob, from } = pair({ duplicates: 1, jitterMs: 300 }, { bob: { onInvite: answers } })
  alice.call(from)
  clock.advance(3_000)
  bob.dialogs[0]?.request('INFO', {}, bob.note)
  clock.advance(3_000)
  for (const request of alice.requests) request.respond(200)
  clock.advance(3_000)
  alice.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expect(alice.diary).toEqual(['accept 200', 'inside INFO'])
  expect(bob.diary).toEqual(['invite', 'ack', 'done 200', 'end bye'])
  expectNothingLeft(alice, bob)
})

test('a dialog is found by the flow it was moved to, and no longer by the old one', () => {
  const onInvite = (invite: IncomingInvite, phone: Phone): void => {
    invite.party = 'user:alice'
    phone.answer(invite)
  }
  const { clock, alice, bob, ofBob, wire } = inCall({}, { bob: { onInvite } })
  const moved = { ...wire.b.flow, id: 'other', scope: 'trunk:other', send: wire.b.flow.send, isOpen: true }
  bob.agent.rehome(wire.b.flow, moved, 'user:alice', undefined)
  expect(bob.agent.tables()).toMatchObject({ dialogs: 1 })
  alice.dialogs[0]?.request('INFO', {}, alice.note)
  clock.advance(100)
  expect(alice.diary).toEqual(['done 481'])
  ofBob.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(bob)
})
