import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { HUNG_UP_AT_ONCE } from '../harness/call-verdicts.ts'
import { closeAll } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { dropFirst } from '../harness/lossy-udp.ts'
import { headerOf, methodOf, statusOf } from '../harness/sip-text.ts'
import { TrunkSite } from '../harness/trunk-site.ts'

const TRUNK_HZ = 425
const BROWSER_HZ = 1000

let site: TrunkSite
beforeAll(async () => {
  site = await TrunkSite.start()
})
afterEach(closeAll)
afterAll(() => site.close())

const countOf = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0

describe('to a trunk, a lost', () => {
  test.each([
    ['INVITE', /^INVITE/, 'to-target'],
    ['180', /^SIP\/2\.0 180/, 'from-target'],
    ['200', /^SIP\/2\.0 200[\s\S]*CSeq: 1 INVITE/, 'from-target'],
    ['ACK', /^ACK/, 'to-target'],
    ['BYE', /^BYE/, 'to-target'],
    ['200 of BYE', /^SIP\/2\.0 200[\s\S]*BYE/, 'from-target'],
  ] as const)('%s changes nothing', async (_what, pattern, way) => {
    const trunk = await site.trunkBehind(dropFirst(pattern, way), 'uas-answer', { toneHz: TRUNK_HZ })
    const alice = await site.phone()
    const call = await alice.call('9100', { toneHz: BROWSER_HZ })
    await call.waitForTone(TRUNK_HZ)
    await call.waitForFinal()
    await call.hangUp()
    await expectSuccess(trunk)
    // However often the trunk answers, the browser is answered once.
    expect(call.received.filter((message) => statusOf(message) === 200)).toHaveLength(1)
  })
})

describe('from a trunk, a lost', () => {
  test.each([
    ['180', /^SIP\/2\.0 180/, 'from-target'],
    ['200', /^SIP\/2\.0 200[\s\S]*CSeq: 1 INVITE/, 'from-target'],
    ['ACK', /^ACK/, 'to-target'],
    ['200 of BYE', /^SIP\/2\.0 200[\s\S]*BYE/, 'from-target'],
  ] as const)('%s changes nothing', async (_what, pattern, way) => {
    const alice = await site.phone()
    const trunk = await site.callerBehind(dropFirst(pattern, way), 'uac-call', {
      toneHz: TRUNK_HZ,
      holdMs: 1_800,
    })
    const call = await alice.nextInvitation()
    await call.answer({ toneHz: BROWSER_HZ })
    await call.waitForTone(TRUNK_HZ)
    await call.waitForEnd()
    await expectSuccess(trunk)
  })
})

test('our 200 is repeated until a late ACK comes', async () => {
  const alice = await site.phone()
  const trunk = await site.caller('uac-late-ack', { toneHz: TRUNK_HZ, holdMs: 1_000 })
  const call = await alice.nextInvitation()
  await call.answer({ toneHz: BROWSER_HZ })
  await call.waitForTone(TRUNK_HZ)
  await call.waitForEnd()
  const log = await expectSuccess(trunk)
  // Sent at 0 and 500 ms at least, before the ACK of 1300 ms.
  expect(
    countOf(log, /^SIP\/2\.0 200 OK\r?\n(?:(?!\r?\n\r?\n)[\s\S])*CSeq: 1 INVITE/gm),
  ).toBeGreaterThanOrEqual(2)
})

describe('CANCEL', () => {
  test('that crosses the 200 of the trunk: the answer gets ACK and BYE, the browser its 487', async () => {
    const trunk = await site.trunk('uas-200-crosses-cancel')
    const alice = await site.phone()
    const call = await alice.call('9100', { toneHz: BROWSER_HZ })
    await call.waitForProgress(180)
    call.cancel()
    await call.waitForFinal()
    expect(call.finalStatus).toBe(487)
    site.daemon.expectsVerdicts('cancelled')
    await expectSuccess(trunk)
    await site.daemon.waitForNoCalls()
  })

  test('of the trunk that comes after our 200 changes nothing', async () => {
    const alice = await site.phone()
    const trunk = await site.caller('uac-cancel-after-200')
    site.daemon.verdicts.expectNoOtherThan(HUNG_UP_AT_ONCE)
    const call = await alice.nextInvitation()
    await call.answer({ toneHz: BROWSER_HZ })
    await call.waitForEnd()
    expect(headerOf(await call.waitForRequest('BYE'), 'CSeq')).toContain('BYE')
    await expectSuccess(trunk)
  })
})

describe('a trunk that forks', () => {
  test('is one answer to the browser, and the phone that answers is heard', async () => {
    const trunk = await site.trunk('uas-forks', { toneHz: TRUNK_HZ, holdMs: 600 })
    const alice = await site.phone()
    const call = await alice.call('9100', { toneHz: BROWSER_HZ })
    const early = await call.waitForProgress(183)
    const final = await call.waitForFinal()
    expect(call.finalStatus).toBe(200)
    expect(final.body).toBe(early.body)
    const described = new Set(call.received.map(({ body }) => body).filter((body) => body !== ''))
    expect([...described]).toEqual([final.body])
    await call.waitForMoreTone(TRUNK_HZ)
    await call.hangUp()
    await expectSuccess(trunk)
  })

  test('and answers twice: the second phone is hung up, the call goes on', async () => {
    const trunk = await site.trunk('uas-two-phones-answer', { toneHz: TRUNK_HZ })
    const alice = await site.phone()
    const call = await alice.call('9100', { toneHz: BROWSER_HZ })
    await call.waitForTone(TRUNK_HZ, 1_000)
    expect(call.isOver).toBe(false)
    await call.hangUp()
    await expectSuccess(trunk)
  })
})

test('a redirection to a host that is no trunk is refused, and its address is not told', async () => {
  const trunk = await site.trunk('uas-302-elsewhere')
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ })
  await call.waitForFinal()
  expect(call.finalStatus).toBeGreaterThanOrEqual(400)
  site.daemon.expectsVerdicts('call.refused')
  expect(alice.log).not.toContain('198.51.100.23')
  await expectSuccess(trunk)
})

describe("a user's devices ring in parallel", () => {
  test('one answers, the other is cancelled', async () => {
    const [desk, mobile] = [await site.phone('alice'), await site.phone('alice')]
    const trunk = await site.caller('uac-call', { toneHz: TRUNK_HZ, holdMs: 1_500 })
    const [first, second] = [await desk.nextInvitation(), await mobile.nextInvitation()]
    await second.answer({ toneHz: BROWSER_HZ })
    await first.waitForEnd()
    expect(await first.waitForRequest('CANCEL')).toBeDefined()
    await second.waitForTone(TRUNK_HZ)
    await second.waitForEnd()
    await expectSuccess(trunk)
  })

  test('one is busy, the other goes on ringing and answers', async () => {
    const [desk, mobile] = [await site.phone('alice'), await site.phone('alice')]
    const trunk = await site.caller('uac-call', { toneHz: TRUNK_HZ, holdMs: 1_500 })
    const [first, second] = [await desk.nextInvitation(), await mobile.nextInvitation()]
    first.reject('486 Busy Here')
    await second.answer({ toneHz: BROWSER_HZ })
    await second.waitForTone(TRUNK_HZ)
    await second.waitForEnd()
    await expectSuccess(trunk)
  })

  test('both answer: one keeps the call, the other gets ACK and BYE', async () => {
    const [desk, mobile] = [await site.phone('alice'), await site.phone('alice')]
    const trunk = await site.caller('uac-call', { toneHz: TRUNK_HZ, holdMs: 2_000 })
    const calls = [await desk.nextInvitation(), await mobile.nextInvitation()]
    await Promise.all(calls.map((call) => call.answer({ toneHz: BROWSER_HZ })))
    await Promise.race(calls.map((call) => call.waitForEnd()))
    const [lost, ...more] = calls.filter(({ isOver }) => isOver)
    const [kept] = calls.filter(({ isOver }) => !isOver)
    expect(more).toEqual([])
    await kept?.waitForTone(TRUNK_HZ, 1_000)
    expect(lost?.heard).toHaveLength(0)
    // Its answer came in time and it was hung up, or the CANCEL was quicker, or they crossed and the BYE came after.
    const ends = lost?.received.map(methodOf).filter((method) => method === 'BYE' || method === 'CANCEL')
    expect(ends).not.toEqual([])
    await kept?.waitForEnd()
    await expectSuccess(trunk)
    await site.daemon.waitForNoCalls()
  })
})
