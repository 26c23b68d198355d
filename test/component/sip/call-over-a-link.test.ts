import { expect, test } from 'vitest'
import { Link, type LinkOptions } from './link.ts'
import { EMPTY_TABLES, Phone, type PhoneOptions } from './phone.ts'
import { VirtualClock } from './virtual-clock.ts'

const AGES_MS = 200_000

function pair(
  link: LinkOptions = {},
  options: { readonly alice?: PhoneOptions; readonly bob?: PhoneOptions; readonly seed?: number } = {},
) {
  const clock = new VirtualClock(options.seed)
  const alice = new Phone(clock, options.alice)
  const bob = new Phone(clock, options.bob)
  const wire = new Link(clock, link)
  wire.connect(alice.agent, bob.agent)
  return { clock, alice, bob, wire, from: wire.a.flow }
}

const expectNothingLeft = (...phones: readonly Phone[]): void => {
  for (const phone of phones) {
    expect(phone.agent.tables()).toEqual(EMPTY_TABLES)
    expect(phone.errors).toEqual([])
  }
}

test('a call is made, answered and ended by the caller', () => {
  const { clock, alice, bob, from } = pair(
    {},
    {
      bob: {
        onInvite: (invite, phone) => {
          invite.progress(180)
          phone.answer(invite)
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
