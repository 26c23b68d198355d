import { expect, test } from 'vitest'
import { unanswered } from '../../../../gateway/calls/unanswered.ts'
import { failureOf } from '../../../../gateway/relay/relay-policy.ts'

test.each([
  ['timeout', true, 'trunk.unreachable'],
  ['transport', true, 'trunk.unreachable'],
  ['too-large', true, 'trunk.too-large-for-udp'],
  ['timeout', false, 'call.unreachable'],
  ['transport', false, 'call.unreachable'],
] as const)('%s, towards a trunk: %s, is %s', (reason, isTrunk, code) => {
  expect(unanswered(reason, isTrunk, 'trunk:pbx: nothing')).toMatchObject({
    code,
    seen: 'trunk:pbx: nothing',
  })
  expect(failureOf(reason, isTrunk)).toMatchObject({ code, seen: reason })
})
