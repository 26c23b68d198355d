import { expect, it } from 'vitest'
import { PENDING_MOST, RelayLimits } from '../../../../gateway/relay/relay-limits.ts'

it('one past the maximum of a peer, and one past that of all, is refused; places come back, once', () => {
  const { each, all } = PENDING_MOST
  const limits = new RelayLimits(PENDING_MOST)
  const scopes = Array.from({ length: all / each }, (_, number) => `ws${number}`)
  const leaves = scopes.flatMap((scope) =>
    Array.from({ length: each }, (_, at) => {
      const leave = limits.enter(scope)
      if (at === each - 1) expect(() => limits.enter(scope)).toThrow(/too many relayed/)
      return leave
    }),
  )
  expect(limits.size).toBe(all)
  expect(() => limits.enter('another')).toThrow(/too many relayed/)
  leaves[0]?.()
  leaves[0]?.()
  expect(limits.size).toBe(all - 1)
  leaves.push(limits.enter('another'))
  expect(() => limits.enter('ws0')).toThrow(/too many relayed/)
  for (const leave of leaves) leave()
  expect(limits.size).toBe(0)
})
