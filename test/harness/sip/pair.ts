import { expect } from 'vitest'
import { Link, type LinkOptions } from './link.ts'
import { EMPTY_TABLES, Phone, type PhoneOptions } from './phone.ts'
import { VirtualClock } from './virtual-clock.ts'

/** Longer than any timer of the stack. */
export const AGES_MS = 200_000

/** Alice, who calls, and Bob, at the two ends of a link. */
export function pair(
  link: LinkOptions = {},
  options: { readonly alice?: PhoneOptions; readonly bob?: PhoneOptions; readonly seed?: number } = {},
) {
  const clock = new VirtualClock(options.seed)
  const alice = new Phone(clock, options.alice)
  const bob = new Phone(clock, options.bob)
  const wire = new Link(clock, link)
  wire.connect(alice.agent, bob.agent)
  return { clock, alice, bob, wire, from: wire.a.flow, sentByAlice: wire.a.sent, sentByBob: wire.b.sent }
}

/** The same after Alice has called and Bob has answered. */
export function inCall(
  link: LinkOptions = {},
  options: { readonly alice?: PhoneOptions; readonly bob?: PhoneOptions } = {},
) {
  const made = pair(link, {
    ...options,
    bob: { onInvite: (invite, phone) => phone.answer(invite), ...options.bob },
  })
  made.alice.call(made.from)
  made.clock.advance(1_000)
  const [ofAlice] = made.alice.dialogs
  const [ofBob] = made.bob.dialogs
  if (ofAlice === undefined || ofBob === undefined) throw new Error('the call was not made')
  made.alice.diary.length = 0
  made.bob.diary.length = 0
  return { ...made, ofAlice, ofBob }
}

export const expectNothingLeft = (...phones: readonly Phone[]): void => {
  for (const phone of phones) {
    expect(phone.agent.tables()).toEqual(EMPTY_TABLES)
    expect(phone.errors).toEqual([])
  }
}

/** How many of the messages start with `start`. */
export const howMany = (messages: readonly string[], start: string): number =>
  messages.filter((text) => text.startsWith(start)).length
