import { expect, test } from 'vitest'
import { AGES_MS, expectNothingLeft, howMany, inCall, pair } from '../../harness/sip/pair.ts'
import { sdp } from '../../harness/sip/phone.ts'
import { ask, scripted, statusOf, tagOf } from '../../harness/sip/scripted-peer.ts'

const offer = { body: sdp('new offer') }
const accepts = { onReinvite: (reinvite: { accept(options: object): unknown }) => reinvite.accept(offer) }

test('a re-INVITE is answered and acknowledged without the caller', () => {
  const { clock, alice, bob, ofAlice, ofBob } = inCall({}, { bob: accepts })
  ofAlice.reinvite(offer, alice.note)
  clock.advance(100)
  expect(alice.diary).toEqual(['done 200'])
  expect(bob.diary).toEqual(['reinvite INVITE'])
  ofBob.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test('glare: both sides re-INVITE and both get 491', () => {
  const { clock, alice, bob, ofAlice, ofBob } = inCall()
  ofAlice.reinvite(offer, alice.note)
  ofBob.reinvite(offer, bob.note)
  clock.advance(1_000)
  expect(alice.diary).toEqual(['done 491'])
  expect(bob.diary).toEqual(['done 491'])
  ofAlice.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test('glare: an UPDATE with an offer meets our open re-INVITE', () => {
  const { clock, alice, bob, ofAlice, ofBob } = inCall()
  ofAlice.reinvite(offer, alice.note)
  ofBob.request('UPDATE', offer, bob.note)
  clock.advance(100)
  // Bob's offer was open when the re-INVITE came, and Alice's when the UPDATE came.
  expect(bob.diary).toEqual(['done 491'])
  expect(alice.diary).toEqual(['done 491'])
})

test('glare: a re-INVITE before our ACK has gone', () => {
  const { clock, alice, bob, from, wire } = pair(
    { drop: (text) => text.startsWith('ACK') },
    { alice: { acknowledges: false }, bob: { onInvite: (invite, phone) => phone.answer(invite) } },
  )
  alice.call(from)
  clock.advance(100)
  const [dialog] = alice.dialogs
  const reinvite = [
    'INVITE sip:192.0.2.1 SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKearly',
    `From: <sip:bob@192.0.2.2>;tag=${dialog?.remoteTag}`,
    `To: <sip:alice@192.0.2.1>;tag=${dialog?.localTag}`,
    `Call-ID: ${dialog?.callId}`,
    'CSeq: 1 INVITE',
    'Contact: <sip:192.0.2.2>',
    '\r\n',
  ].join('\r\n')
  alice.agent.receive(Buffer.from(reinvite), wire.a.flow)
  expect(wire.a.sent.at(-1)).toMatch(/^SIP\/2\.0 491/)
  expect(bob.diary).toEqual(['invite'])
})

test('RFC 5407: before ACK a re-INVITE is taken when the 200 answered, and is glare when it offered', () => {
  for (const body of ['v=0', '']) {
    const headers = ['Content-Type: application/sdp']
    const { phone, say, last } = scripted({ onInvite: (invite, self) => self.answer(invite) })
    say(ask('INVITE', { headers, body }))
    say(ask('INVITE', { headers, body: 'v=0', toTag: tagOf(last()), cseq: 2 }))
    expect(statusOf(last())).toBe(body === '' ? 491 : 100)
    expect(phone.reinvites).toHaveLength(body === '' ? 0 : 1)
  }
})

test('a second re-INVITE before the first is answered gets 500 with Retry-After', () => {
  const { clock, alice, bob, ofAlice, sentByAlice, sentByBob, wire } = inCall()
  ofAlice.reinvite(offer, alice.note)
  clock.advance(100)
  const second = (sentByAlice.at(-1) ?? '')
    .replace('CSeq: 2 INVITE', 'CSeq: 3 INVITE')
    .replace(/branch=\w+/, 'branch=z9hG4bKsecond')
  bob.agent.receive(Buffer.from(second), wire.b.flow)
  expect(sentByBob.at(-1)).toMatch(/^SIP\/2\.0 500.*Retry-After: \d/s)
  bob.reinvites[0]?.accept(offer)
  clock.advance(100)
  expect(alice.diary).toEqual(['done 200'])
})

test('our own re-INVITE while the offer of the peer is open is answered 491 here and not sent', () => {
  const { clock, alice, bob, ofAlice, ofBob, sentByBob } = inCall()
  ofAlice.reinvite(offer, alice.note)
  clock.advance(100)
  ofBob.reinvite(offer, bob.note)
  expect(bob.diary).toEqual(['reinvite INVITE'])
  clock.advance(1)
  expect(bob.diary).toEqual(['reinvite INVITE', 'done 491'])
  expect(howMany(sentByBob, 'INVITE')).toBe(0)
})

test('a rejected re-INVITE leaves the way free for the next', () => {
  let isFirst = true
  const { clock, alice, ofAlice } = inCall(
    {},
    {
      bob: {
        onReinvite: (reinvite) => {
          if (isFirst) reinvite.reject(488)
          else reinvite.accept(offer)
          isFirst = false
        },
      },
    },
  )
  ofAlice.reinvite(offer, alice.note)
  clock.advance(100)
  ofAlice.reinvite(offer, alice.note)
  clock.advance(100)
  expect(alice.diary).toEqual(['done 488', 'done 200'])
})

test('an UPDATE with an offer is answered like a re-INVITE, without ACK', () => {
  const { clock, alice, bob, ofAlice, ofBob, sentByAlice } = inCall({}, { bob: accepts })
  ofAlice.request('UPDATE', offer, alice.note)
  clock.advance(100)
  expect(alice.diary).toEqual(['done 200'])
  expect(bob.diary).toEqual(['reinvite UPDATE'])
  expect(howMany(sentByAlice, 'ACK')).toBe(1)
  ofBob.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test.each(['udp', 'tcp', 'tls', 'ws', 'wss'] as const)(
  'an UPDATE over %s has its answer in turn, though its transaction ends within it',
  (transport) => {
    const { clock, alice, bob, ofAlice, ofBob } = inCall({ transport }, { bob: accepts })
    ofAlice.request('UPDATE', offer, alice.note)
    clock.advance(100)
    expect(alice.diary).toEqual(['done 200'])
    expect([alice, bob].map(({ agent }) => agent.counters()['offer-out-of-turn'])).toEqual([
      undefined,
      undefined,
    ])
    ofBob.bye()
    clock.advance(AGES_MS)
    expectNothingLeft(alice, bob)
  },
)

test('an UPDATE that nobody answers does not block later offers', () => {
  const { clock, alice, bob, ofAlice, ofBob } = inCall()
  ofAlice.request('UPDATE', offer, alice.note)
  clock.advance(40_000)
  expect(alice.diary).toEqual(['done timeout'])
  expect(bob.reinvites[0]?.accept(offer)).toBe(false)
  ofBob.request('UPDATE', offer, bob.note)
  clock.advance(100)
  alice.reinvites[0]?.accept(offer)
  clock.advance(100)
  expect(bob.diary.at(-1)).toBe('done 200')
})

test('a re-INVITE without an offer: the 200 offers and the answer in ACK reaches whoever accepted', () => {
  const answers: string[] = []
  const { clock, bob, ofAlice, ofBob, sentByAlice, sentByBob, wire } = inCall()
  ofAlice.request('INFO', {}, () => {})
  const info = sentByAlice.at(-1) ?? ''
  const make = (method: string, branch: string, body: string): Buffer =>
    Buffer.from(
      info
        .replace(/^INFO/, method)
        .replace('CSeq: 2 INFO', `CSeq: 9 ${method}`)
        .replace(/branch=\w+/, `branch=z9hG4bK${branch}`)
        .replace(
          'Content-Length: 0',
          `Contact: <sip:a@192.0.2.1>\r\nContent-Type: a/b\r\nContent-Length: ${body.length}`,
        ) + body,
    )
  clock.advance(100)
  bob.agent.receive(make('INVITE', 'one', ''), wire.b.flow)
  bob.reinvites[0]?.accept(offer, (ack) => answers.push(ack.body.toString()))
  ofBob.reinvite(offer, bob.note)
  clock.advance(1)
  expect([bob.diary.at(-1), howMany(sentByBob, 'INVITE')]).toEqual(['done 491', 0])
  bob.agent.receive(make('ACK', 'two', 'the answer'), wire.b.flow)
  bob.agent.receive(make('ACK', 'two', 'the answer'), wire.b.flow)
  expect(answers).toEqual(['the answer'])
  // Its offer has its answer: the next may go out.
  ofBob.reinvite(offer, bob.note)
  expect(howMany(sentByBob, 'INVITE')).toBe(1)
})

test('P5: without ACK for the 200 of a re-INVITE the call ends after 64*T1, and until then re-INVITEs go on', () => {
  let invites = 0
  const { clock, alice, bob, ofAlice, ofBob } = inCall(
    { drop: (text) => text.startsWith('ACK') && ++invites > 1 },
    { bob: accepts },
  )
  ofAlice.reinvite(offer, alice.note)
  clock.advance(1_000)
  ofAlice.reinvite(offer, alice.note)
  clock.advance(1_000)
  expect(alice.diary).toEqual(['done 200', 'done 200'])
  clock.advance(35_000)
  expect(bob.diary.at(-1)).toBe('end ack-timeout')
  expect(ofBob.state).toBe('ended')
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test('a re-INVITE with a 1xx and no final response is cancelled', () => {
  const { clock, alice, bob, ofAlice } = inCall()
  ofAlice.reinvite(offer, alice.note)
  clock.advance(33_000)
  expect(alice.diary).toEqual(['done cancelled'])
  ofAlice.bye()
  clock.advance(AGES_MS)
  expect(bob.diary).toEqual(['reinvite INVITE', 'end bye'])
  expectNothingLeft(alice, bob)
})

test('BYE while a re-INVITE is open: it is answered 487 and accepting it is too late', () => {
  const { clock, alice, bob, ofAlice, ofBob } = inCall()
  ofAlice.reinvite(offer, alice.note)
  clock.advance(100)
  ofBob.bye()
  expect(bob.reinvites[0]?.accept(offer)).toBe(false)
  clock.advance(AGES_MS)
  expect(alice.diary).toContain('done 487')
  expect(alice.diary).toContain('end bye')
  expectNothingLeft(alice, bob)
})

test('a re-INVITE of the callee waits for the ACK of its 200', () => {
  const { clock, alice, bob, from, sentByBob } = pair(
    {},
    {
      alice: { acknowledges: false, ...accepts },
      bob: { onInvite: (invite, phone) => phone.answer(invite).reinvite(offer, phone.note) },
    },
  )
  alice.call(from)
  clock.advance(1_000)
  expect(howMany(sentByBob, 'INVITE')).toBe(0)
  alice.dialogs[0]?.acknowledge()
  clock.advance(1_000)
  expect(bob.diary).toEqual(['invite', 'ack', 'done 200'])
})

test('requests in an ended dialog are answered 481 here, after control has returned', () => {
  const { clock, alice, ofAlice } = inCall()
  ofAlice.bye()
  ofAlice.reinvite(offer, alice.note)
  ofAlice.request('INFO', {}, alice.note)
  expect(alice.diary).toEqual([])
  clock.advance(1)
  expect(alice.diary).toEqual(['done 481', 'done 481'])
})
