import { expect, test } from 'vitest'
import type { Flow } from '../../../sip/flow.ts'
import { AGES_MS, expectNothingLeft, howMany, inCall, pair } from '../../harness/sip/pair.ts'
import { Phone, sdp } from '../../harness/sip/phone.ts'
import { reply, scripted } from '../../harness/sip/scripted-peer.ts'

const OVER_TCP = { transport: 'tcp' } as const
const BACK_OFF_MS = 500

/** A trunk that rings, and whose connection breaks then. `isRefused`: so is each later one, and for a while none is tried. */
function ringing({ isUrgent = false } = {}) {
  const made = pair(OVER_TCP, { bob: { onInvite: (invite) => invite.progress(180) } })
  const { clock, alice } = made
  const network = { isRefused: false }
  let closedUntilMs = 0
  const from: Flow = {
    ...made.from,
    get isOpen() {
      return made.from.isOpen && clock.nowMs() >= closedUntilMs
    },
    send: (bytes) => {
      if (!network.isRefused) {
        made.from.send(bytes)
        return
      }
      clock.schedule(clock.nowMs() + 1, () => {
        closedUntilMs = clock.nowMs() + BACK_OFF_MS
        alice.agent.flowClosed(from)
      })
    },
  }
  const call = alice.call(from, { body: sdp('offer'), isUrgent })
  clock.advance(1_000)
  return { ...made, from, network, call }
}

test('a trunk that rings answers by its next connection', () => {
  const { clock, alice, bob, from } = ringing()
  alice.agent.flowClosed(from)
  clock.advance(20_000)
  const [invite] = bob.invites
  if (invite !== undefined) bob.answer(invite)
  clock.advance(60_000)
  expect(alice.diary).toEqual(['progress 180', 'accept 200'])
  expect(bob.diary).toEqual(['invite', 'ack'])
  alice.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test.each([0, 10_000])('its call is cancelled when it can be connected to again, after %i ms', (awayMs) => {
  const { clock, alice, bob, from, wire, call } = ringing()
  alice.agent.flowClosed(from)
  if (awayMs > 0) wire.cut()
  call.cancel()
  clock.advance(awayMs)
  wire.mend()
  clock.advance(5_000)
  expect(bob.diary).toEqual(['invite', 'cancel CANCEL'])
  expect(alice.diary).toEqual(['progress 180', 'reject 487'])
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test.each([true, false])('an urgent (%s) call ends with the memory of a trunk that rang', (isUrgent) => {
  const { clock, alice, from, wire } = ringing({ isUrgent })
  wire.connect(alice.agent, new Phone(clock).agent)
  alice.agent.flowClosed(from)
  clock.advance(100)
  expect(alice.diary).toEqual(['progress 180', 'reject transport'])
  clock.advance(AGES_MS)
  expectNothingLeft(alice)
})

test('and rings on at one that remembers, which is asked at each loss', () => {
  const { clock, alice, bob, from, wire } = ringing({ isUrgent: true })
  alice.agent.flowClosed(from)
  clock.advance(AGES_MS)
  // A phone says so each minute.
  expect(new Set(alice.diary)).toEqual(new Set(['progress 180']))
  wire.connect(alice.agent, new Phone(clock).agent)
  alice.agent.flowClosed(from)
  clock.advance(100)
  expect(alice.diary.at(-1)).toBe('reject transport')
  bob.invites[0]?.reject(480)
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test.each([
  [true, 1, 10],
  [false, 28_000, 28_100],
])(
  'where no connection comes about an urgent (%s) call is waited with for %i ms',
  (isUrgent, waitMs, overMs) => {
    const { clock, alice, bob, from, network } = ringing({ isUrgent })
    network.isRefused = true
    alice.agent.flowClosed(from)
    clock.advance(waitMs - 1)
    expect(alice.diary).toEqual(['progress 180'])
    clock.advance(overMs - waitMs)
    expect(alice.diary).toEqual(['progress 180', 'reject transport'])
    bob.invites[0]?.reject(480)
    clock.advance(AGES_MS)
    expectNothingLeft(alice)
  },
)

test('any other is answered by a trunk that can be connected to again within 28 s', () => {
  const { clock, alice, bob, from, network } = ringing()
  network.isRefused = true
  alice.agent.flowClosed(from)
  clock.advance(20_000)
  network.isRefused = false
  clock.advance(20_000)
  const [invite] = bob.invites
  if (invite !== undefined) bob.answer(invite)
  clock.advance(1_000)
  expect(alice.diary).toEqual(['progress 180', 'accept 200'])
  alice.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test.each([
  [true, 4_000],
  [false, 32_000],
])('where nothing is said an urgent (%s) call is waited with for %i ms', (isUrgent, waitMs) => {
  const { clock, alice, from, wire } = ringing({ isUrgent })
  wire.connect(alice.agent, { receive: () => {} })
  alice.agent.flowClosed(from)
  clock.advance(waitMs - 1)
  expect(alice.diary).toEqual(['progress 180'])
  clock.advance(1)
  expect(alice.diary).toEqual(['progress 180', 'reject transport'])
  clock.advance(AGES_MS)
  expectNothingLeft(alice)
})

test('of two forks that ring one is enough', () => {
  const { clock, phone, flow, sent, say } = scripted({}, OVER_TCP)
  phone.call(flow)
  const [invite = ''] = sent
  for (const tag of ['one', 'two']) say(reply(invite, 180, { tag }))
  const asked = (): readonly string[] => {
    phone.agent.flowClosed(flow)
    return sent.slice(-2)
  }
  const [first = '', second = ''] = asked()
  say(reply(first, 481))
  say(reply(second, 200))
  clock.advance(60_000)
  expect(phone.diary).toEqual(['progress 180', 'progress 180'])
  for (const question of asked()) say(reply(question, 481))
  expect(phone.diary.at(-1)).toBe('reject transport')
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('one that was given up is cancelled though connections were refused', () => {
  const { clock, alice, bob, from, network, call } = ringing()
  network.isRefused = true
  alice.agent.flowClosed(from)
  call.cancel()
  clock.advance(10_000)
  network.isRefused = false
  clock.advance(5_000)
  expect(bob.diary).toEqual(['invite', 'cancel CANCEL'])
  expect(alice.diary).toEqual(['progress 180', 'reject 487'])
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test('a trunk that cannot be connected to for long is not waited with for a call that was given up', () => {
  const { clock, alice, from, wire, call } = ringing()
  alice.agent.flowClosed(from)
  wire.cut()
  call.cancel()
  clock.advance(33_000)
  expect(alice.diary).toEqual(['progress 180', 'reject timeout'])
  clock.advance(AGES_MS)
  expectNothingLeft(alice)
})

test.each([
  ['that has not rung', () => {}, false],
  ['that cannot be connected to', (invite: { progress(status: number): void }) => invite.progress(180), true],
])('a call to a trunk %s fails with its connection', (_which, onInvite, isCut) => {
  const { clock, alice, from, wire } = pair(OVER_TCP, { bob: { onInvite } })
  alice.call(from)
  clock.advance(1_000)
  if (isCut) wire.cut()
  alice.agent.flowClosed(from)
  clock.advance(100)
  expect(alice.diary.at(-1)).toBe('reject transport')
  clock.advance(AGES_MS)
  expectNothingLeft(alice)
})

test('a re-INVITE under way fails with the connection, and its late 200 has an ACK', () => {
  const { clock, alice, bob, from, ofAlice, sentByAlice } = inCall(OVER_TCP)
  ofAlice.reinvite({ body: sdp('hold') }, alice.note)
  clock.advance(100)
  alice.agent.flowClosed(from)
  expect(alice.diary).toEqual(['done transport'])
  bob.reinvites[0]?.accept({ body: sdp('answer') })
  clock.advance(60_000)
  expect(howMany(sentByAlice, 'ACK ')).toBe(2)
  expect([alice.diary, bob.diary]).toEqual([['done transport'], ['reinvite INVITE']])
  ofAlice.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test('one that was answered is not told again when the connection breaks then', () => {
  const { clock, alice, bob, from, ofAlice } = inCall(OVER_TCP, {
    bob: { onReinvite: (reinvite) => reinvite.accept({ body: sdp('answer') }) },
  })
  ofAlice.reinvite({ body: sdp('hold') }, alice.note)
  clock.advance(1_000)
  alice.agent.flowClosed(from)
  clock.advance(60_000)
  expect(alice.diary).toEqual(['done 200'])
  ofAlice.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test('a trunk that cannot be connected to hears BYE when it can', () => {
  const { clock, alice, bob, wire, ofAlice, sentByAlice } = inCall(OVER_TCP)
  wire.cut()
  ofAlice.bye([{ name: 'Reason', value: 'Q.850;cause=16' }])
  clock.advance(20_000)
  wire.mend()
  clock.advance(5_000)
  expect(bob.diary).toEqual(['end bye'])
  expect(sentByAlice.filter((text) => text.startsWith('BYE '))).toEqual([
    expect.stringContaining('Reason: Q.850;cause=16'),
  ])
  expect(alice.agent.tables()).toMatchObject({ dialogs: 0 })
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test('and is given up after 64*T1', () => {
  const { clock, alice, wire, ofAlice } = inCall(OVER_TCP)
  wire.cut()
  ofAlice.bye()
  clock.advance(27_000)
  expect(alice.agent.tables()).toMatchObject({ dialogs: 1 })
  clock.advance(6_000)
  expect(alice.agent.tables()).toMatchObject({ dialogs: 0 })
  clock.advance(AGES_MS)
  expectNothingLeft(alice)
})

test('BYE is not said again to a peer whose own has ended the dialog', () => {
  const { clock, alice, bob, from, ofAlice, ofBob, sentByAlice } = inCall(OVER_TCP)
  ofAlice.bye()
  ofBob.bye()
  // Before the answer to hers.
  clock.advance(10)
  alice.agent.flowClosed(from)
  clock.advance(AGES_MS)
  expect(howMany(sentByAlice, 'BYE ')).toBe(1)
  expectNothingLeft(alice, bob)
})

test('the fork that nobody wanted hears it again too', () => {
  const { clock, alice, bob, from, sentByAlice, call } = ringing()
  call.cancel()
  const [invite] = bob.invites
  if (invite !== undefined) bob.answer(invite)
  while (howMany(sentByAlice, 'BYE ') === 0) clock.advance(1)
  alice.agent.flowClosed(from)
  clock.advance(5_000)
  expect(howMany(sentByAlice, 'BYE ')).toBe(2)
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test.each([true, false])(
  'what is urgent (%s) has a connection asked for that has just failed',
  (isUrgent) => {
    const { clock, alice, bob, from, wire } = pair(OVER_TCP, {
      bob: { onInvite: (invite) => invite.reject(486) },
    })
    wire.cut()
    const flow = {
      ...from,
      get isOpen() {
        return from.isOpen
      },
      insist: () => wire.mend(),
    }
    alice.call(flow, { body: sdp('offer'), isUrgent })
    clock.advance(1_000)
    expect(alice.diary).toEqual([isUrgent ? 'reject 486' : 'reject transport'])
    clock.advance(AGES_MS)
    expectNothingLeft(alice, bob)
  },
)
