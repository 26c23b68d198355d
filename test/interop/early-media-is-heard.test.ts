import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { closeAll } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { headerOf, statusOf } from '../harness/sip-text.ts'
import { TrunkSite } from '../harness/trunk-site.ts'

const TRUNK_HZ = 425
const BROWSER_HZ = 1000

let site: TrunkSite
beforeAll(async () => {
  site = await TrunkSite.start()
})
afterEach(closeAll)
afterAll(() => site.close())

test('180 after 183 does not end early media', async () => {
  const trunk = await site.trunk('uas-180-after-183', { toneHz: TRUNK_HZ, holdMs: 2_500 })
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ })
  await call.waitForProgress(183)
  await call.waitForProgress(180)
  await call.waitForMoreTone(TRUNK_HZ, 800)
  expect(call.finalStatus).toBeUndefined()
  await call.waitForFinal()
  await call.hangUp()
  await expectSuccess(trunk)
})

test('183 without a description has none towards the browser either, and the call is answered', async () => {
  const trunk = await site.trunk('uas-183-without-sdp', { toneHz: TRUNK_HZ, holdMs: 500 })
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ })
  expect((await call.waitForProgress(183)).body).toBe('')
  expect((await call.waitForProgress(180)).body).toBe('')
  await call.waitForTone(TRUNK_HZ)
  await call.hangUp()
  await expectSuccess(trunk)
})

test('a reliable 183 of the trunk is acknowledged and heard, and its answer counts', async () => {
  const trunk = await site.trunk('uas-reliable-183', { toneHz: TRUNK_HZ, holdMs: 1_500 })
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ })
  const early = await call.waitForProgress(183)
  await call.waitForTone(TRUNK_HZ)
  expect(call.finalStatus).toBeUndefined()
  // This browser does not know 100rel: what the trunk does on its leg is none of its business.
  expect(headerOf(early, 'Require')).not.toContain('100rel')
  const final = await call.waitForFinal()
  expect(call.finalStatus).toBe(200)
  expect(final.body).toBe(early.body)
  await call.waitForMoreTone(TRUNK_HZ)
  await call.hangUp()
  await expectSuccess(trunk)
})

test('a browser that knows 100rel gets early media reliably', async () => {
  const trunk = await site.trunk('uas-early-media-183', { toneHz: TRUNK_HZ, holdMs: 1_500 })
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ, supports: ['100rel'] })
  const early = await call.waitForProgress(183)
  expect(headerOf(early, 'Require')).toContain('100rel')
  await call.waitForTone(TRUNK_HZ)
  expect(call.finalStatus).toBeUndefined()
  await call.waitForFinal()
  expect(call.acknowledgedProgress).toContain(headerOf(early, 'RSeq'))
  // Acknowledged in time: it was not sent again.
  expect(call.received.filter((message) => statusOf(message) === 183)).toHaveLength(1)
  await call.hangUp()
  await expectSuccess(trunk)
})

test('a trunk that requires 100rel is rung reliably', async () => {
  const alice = await site.phone()
  const trunk = await site.caller('uac-requires-reliable', { toneHz: TRUNK_HZ, holdMs: 1_500 })
  const call = await alice.nextInvitation()
  // The answer follows the PRACK: RFC 3262 §3.
  await expect.poll(() => trunk.messages()).toMatch(/PRACK[\s\S]*SIP\/2\.0 200/)
  await call.answer({ toneHz: BROWSER_HZ })
  await call.waitForTone(TRUNK_HZ)
  await call.waitForEnd()
  await expectSuccess(trunk)
})
