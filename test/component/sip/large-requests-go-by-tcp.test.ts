import { expect, test } from 'vitest'
import type { Flow } from '../../../sip/flow.ts'
import { agrees } from '../../harness/sip/browser-site.ts'
import { Link, type LinkOptions } from '../../harness/sip/link.ts'
import { AGES_MS, expectNothingLeft, howMany, pair } from '../../harness/sip/pair.ts'
import { type Phone, type PhoneOptions, sdp } from '../../harness/sip/phone.ts'

const LARGE = sdp('x'.repeat(1_300))
const TEN_MINUTES_MS = 600_000

interface Options {
  /** What becomes of the connection when something is sent by it. */
  readonly tcp?: 'works' | 'refused' | 'silent'
  readonly udp?: LinkOptions
  readonly bob?: PhoneOptions
}

/** Alice and Bob with UDP and TCP between them; `from` is Alice's way by UDP, which knows the other. */
function wide({ tcp = 'works', udp = {}, bob = {} }: Options = {}) {
  const made = pair(udp, { bob: { onInvite: (invite, phone) => phone.answer(invite), ...bob } })
  const { clock, alice } = made
  const link = new Link(clock, { transport: 'tcp', drop: () => tcp !== 'works' })
  link.connect(alice.agent, made.bob.agent)
  const own = link.a.flow
  const wider: Flow = {
    ...own,
    isOpen: true,
    send: (bytes) => {
      own.send(bytes)
      if (tcp === 'refused') clock.schedule(clock.nowMs() + 5, () => alice.agent.flowClosed(wider))
    },
  }
  const from: Flow = Object.create(made.from, { wider: { value: () => wider } })
  return { ...made, from, sentByTcp: link.a.sent }
}

const via = (text: string | undefined): string => /^Via: (.*)\r$/m.exec(text ?? '')?.[1] ?? ''
const branch = (text: string | undefined): string => /branch=([^;\r]+)/.exec(text ?? '')?.[1] ?? ''
const callAndHangUp = (alice: Phone, from: Flow): void => void alice.call(from, { body: LARGE })

test('an INVITE of more than 1300 bytes goes by TCP and says so in its Via; the rest of the call follows it', () => {
  const { clock, alice, bob, from, sentByAlice, sentByTcp } = wide()
  alice.call(from, { body: LARGE })
  clock.advance(1_000)
  expect(alice.diary).toEqual(['accept 200'])
  expect(via(sentByTcp[0])).toMatch(/^SIP\/2\.0\/TCP 192\.0\.2\.1:5060;branch=z9hG4bK[^;]+$/)
  // Where Bob calls back is as it was.
  expect(sentByTcp[0]).toContain('transport=udp')
  alice.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expect(sentByTcp.map((text) => text.split(' ')[0])).toEqual(['INVITE', 'ACK', 'BYE'])
  expect(sentByAlice).toEqual([])
  expectNothingLeft(alice, bob)
})

test('one byte decides', () => {
  const sizeWith = (bytes: number): { readonly length: number; readonly isByTcp: boolean } => {
    const { clock, alice, from, sentByAlice, sentByTcp } = wide()
    alice.call(from, { body: sdp('x'.repeat(bytes)) })
    clock.advance(1)
    const sent = sentByTcp[0] ?? sentByAlice[0] ?? ''
    return { length: Buffer.byteLength(sent), isByTcp: sentByTcp.length > 0 }
  }
  const base = sizeWith(700).length - 700
  expect(sizeWith(1_300 - base)).toEqual({ length: 1_300, isByTcp: false })
  expect(sizeWith(1_301 - base).isByTcp).toBe(true)
})

test('CANCEL takes the way of its INVITE', () => {
  const { clock, alice, from, sentByAlice, sentByTcp } = wide({
    bob: { onInvite: (invite) => invite.progress(180) },
  })
  const call = alice.call(from, { body: LARGE })
  clock.advance(1_000)
  call.cancel()
  clock.advance(AGES_MS)
  expect(alice.diary).toEqual(['progress 180', 'reject 487'])
  expect(sentByTcp.map((text) => text.split(' ')[0])).toEqual(['INVITE', 'CANCEL', 'ACK'])
  expect(new Set(sentByTcp.map(via)).size).toBe(1)
  expect(sentByAlice).toEqual([])
})

test('where TCP is refused it goes by UDP, with the same branch, and later calls do not ask for ten minutes', () => {
  const { clock, alice, from, sentByAlice, sentByTcp } = wide({ tcp: 'refused' })
  callAndHangUp(alice, from)
  clock.advance(1_000)
  expect(alice.diary).toEqual(['accept 200'])
  expect(sentByTcp).toHaveLength(1)
  expect(via(sentByAlice[0])).toMatch(/^SIP\/2\.0\/UDP /)
  expect(branch(sentByAlice[0])).toBe(branch(sentByTcp[0]))
  callAndHangUp(alice, from)
  clock.advance(1_000)
  expect(howMany(sentByAlice, 'INVITE')).toBe(2)
  expect(sentByTcp).toHaveLength(1)
  clock.advance(TEN_MINUTES_MS)
  callAndHangUp(alice, from)
  clock.advance(1_000)
  expect(sentByTcp).toHaveLength(2)
  expect(alice.diary.filter((line) => line === 'accept 200')).toHaveLength(3)
})

test('a connection that says nothing ends the call, and the next one goes by UDP', () => {
  const { clock, alice, from, sentByAlice, sentByTcp } = wide({ tcp: 'silent' })
  callAndHangUp(alice, from)
  clock.advance(AGES_MS)
  expect(alice.diary).toEqual(['reject timeout'])
  expect([sentByTcp.length, sentByAlice.length]).toEqual([1, 0])
  callAndHangUp(alice, from)
  clock.advance(1_000)
  expect(alice.diary.at(-1)).toBe('accept 200')
})

test('silence about a large request by UDP is told from silence about a small one, and about one that was taken', () => {
  const told = (body: ReturnType<typeof sdp>, drop: (text: string) => boolean, rings = false): string => {
    const { clock, alice, from } = pair(
      { drop },
      { bob: { onInvite: (invite) => (rings ? undefined : invite.reject(486)) } },
    )
    alice.call(from, { body })
    clock.advance(AGES_MS)
    return alice.diary.at(-1) ?? ''
  }
  expect(told(LARGE, () => true)).toBe('reject too-large')
  expect(told(sdp('small'), () => true)).toBe('reject timeout')
  expect(told(LARGE, () => false)).toBe('reject 486')
})

test('a re-INVITE is as large as its offer', () => {
  const { clock, alice, bob, from, sentByAlice, sentByTcp } = wide()
  alice.call(from, { body: sdp('small') })
  clock.advance(1_000)
  const outcomes: unknown[] = []
  alice.dialogs[0]?.reinvite({ body: LARGE }, (outcome) => outcomes.push(outcome))
  clock.advance(1_000)
  expect(howMany(sentByAlice, 'INVITE')).toBe(1)
  expect(howMany(sentByTcp, 'INVITE')).toBe(1)
  expect(bob.diary).toContain('reinvite INVITE')
})

test('and goes by UDP where TCP is refused', () => {
  const { clock, alice, bob, from, sentByAlice, sentByTcp } = wide({ tcp: 'refused', bob: agrees })
  alice.call(from, { body: sdp('small') })
  clock.advance(1_000)
  alice.dialogs[0]?.reinvite({ body: LARGE }, alice.note)
  clock.advance(1_000)
  expect(alice.diary).toEqual(['accept 200', 'done 200'])
  expect([howMany(sentByTcp, 'INVITE'), howMany(sentByAlice, 'INVITE')]).toEqual([1, 2])
  alice.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})
