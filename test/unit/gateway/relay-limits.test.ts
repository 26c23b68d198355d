import { expect, it } from 'vitest'
import { MAX_PENDING, MAX_PENDING_PER_SCOPE, RelayLimits } from '../../../gateway/relay/relay-limits.ts'

it('one past the maximum of a peer, and one past that of all, is refused; places come back, once', () => {
  const limits = new RelayLimits()
  const scopes = Array.from({ length: MAX_PENDING / MAX_PENDING_PER_SCOPE }, (_, number) => `ws${number}`)
  const leaves = scopes.flatMap((scope) =>
    Array.from({ length: MAX_PENDING_PER_SCOPE }, (_, at) => {
      const leave = limits.enter(scope)
      if (at === MAX_PENDING_PER_SCOPE - 1) expect(() => limits.enter(scope)).toThrow(/too many relayed/)
      return leave
    }),
  )
  expect(limits.size).toBe(MAX_PENDING)
  expect(() => limits.enter('another')).toThrow(/too many relayed/)
  leaves[0]?.()
  leaves[0]?.()
  expect(limits.size).toBe(MAX_PENDING - 1)
  leaves.push(limits.enter('another'))
  expect(() => limits.enter('ws0')).toThrow(/too many relayed/)
  for (const leave of leaves) leave()
  expect(limits.size).toBe(0)
})
