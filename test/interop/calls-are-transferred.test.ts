import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { closeAll } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { headerOf, statusOf } from '../harness/sip-text.ts'
import type { Sipp } from '../harness/sipp.ts'
import { TrunkSite } from '../harness/trunk-site.ts'
import { waitFor } from '../harness/wait-for.ts'
import type { WebrtcCall } from '../harness/webrtc-call.ts'

const TRUNK_HZ = 425
const ALICE_HZ = 1000
const BOB_HZ = 620

let site: TrunkSite
beforeAll(async () => {
  site = await TrunkSite.start()
})
afterEach(closeAll)
afterAll(() => site.close())

const referTo = (uri: string): readonly (readonly [string, string])[] => [['Refer-To', `<${uri}>`]]

/** The final status that NOTIFY tells of a transfer. */
const outcomeOf = (call: WebrtcCall): Promise<number> =>
  waitFor('the outcome of the transfer', () =>
    call.received
      .filter(({ startLine }) => startLine.startsWith('NOTIFY '))
      .map(({ body }) => Number(/^SIP\/2\.0 (\d{3})/.exec(body)?.[1]))
      .find((status) => status >= 200),
  )

/** `call-id;to-tag=...;from-tag=...` of the call that a `uas-*` scenario answered, as the peer of SIPp (the gateway) has it. */
const dialogOf = async (trunk: Sipp): Promise<{ callId: string; ours: string; theirs: string }> => {
  const answer = /SIP\/2\.0 200 OK[\s\S]*?\r?\n\r?\n/.exec(await trunk.messages())?.[0] ?? ''
  const field = (pattern: RegExp): string => pattern.exec(answer)?.[1] ?? ''
  return {
    callId: field(/^Call-ID: *(\S+)/m),
    theirs: field(/^From:.*;tag=([^;\s]+)/m),
    ours: field(/^To:.*;tag=([^;\s]+)/m),
  }
}

describe('blind, by the browser', () => {
  test('to another trunk: both trunks are joined and the browser may leave', async () => {
    const pbx = await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
    const desk = await site.trunk('uas-hang-up', { holdMs: 1_500 }, 'desk')
    const alice = await site.phone()
    const call = await alice.call('9100', { toneHz: ALICE_HZ })
    await call.waitForTone(TRUNK_HZ)
    expect(statusOf(await call.request('REFER', referTo('sip:9200@webtrunk.test')))).toBe(202)
    expect(await outcomeOf(call)).toBe(200)
    await call.hangUp()
    // The desk hangs up, and so the pbx is told.
    await expectSuccess(desk)
    await expectSuccess(pbx)
    await site.daemon.waitForNoCalls()
  })

  test('to another user', async () => {
    const pbx = await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
    const [alice, bob] = [await site.phone('alice'), await site.phone('bob')]
    const call = await alice.call('9100', { toneHz: ALICE_HZ })
    await call.waitForTone(TRUNK_HZ)
    expect(statusOf(await call.request('REFER', referTo('sip:bob@webtrunk.test')))).toBe(202)
    const taken = await bob.nextInvitation()
    await taken.answer({ toneHz: BOB_HZ })
    expect(await outcomeOf(call)).toBe(200)
    await taken.waitForTone(TRUNK_HZ)
    await call.hangUp()
    await taken.waitForMoreTone(TRUNK_HZ)
    await taken.hangUp()
    await expectSuccess(pbx)
  })

  test('to a number that is busy fails, and the call goes on', async () => {
    const pbx = await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
    await site.trunk('uas-busy', {}, 'desk')
    const alice = await site.phone()
    const call = await alice.call('9100', { toneHz: ALICE_HZ })
    await call.waitForTone(TRUNK_HZ)
    await call.request('REFER', referTo('sip:9200@webtrunk.test'))
    expect(await outcomeOf(call)).toBe(486)
    await call.waitForMoreTone(TRUNK_HZ)
    await call.hangUp()
    await expectSuccess(pbx)
  })

  test('with Refer-Sub: false is told nothing', async () => {
    const pbx = await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
    const desk = await site.trunk('uas-hang-up', { holdMs: 1_000 }, 'desk')
    const alice = await site.phone()
    const call = await alice.call('9100', { toneHz: ALICE_HZ })
    await call.waitForTone(TRUNK_HZ)
    const response = await call.request('REFER', [
      ...referTo('sip:9200@webtrunk.test'),
      ['Refer-Sub', 'false'],
      ['Supported', 'norefersub'],
    ])
    expect(statusOf(response)).toBe(202)
    expect(headerOf(response, 'Refer-Sub')).toBe('false')
    await expectSuccess(desk)
    expect(alice.log).not.toContain('<<< NOTIFY')
    await call.close()
    await expectSuccess(pbx)
  })

  test.each([
    ['without Refer-To', []],
    ['to what is no SIP address', [['Refer-To', '<mailto:bob@webtrunk.test>']]],
    ['with another method', [['Refer-To', '<sip:9200@webtrunk.test;method=BYE>']]],
  ] as const)('%s is refused, and the call goes on', async (_what, headers) => {
    const pbx = await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
    const alice = await site.phone()
    const call = await alice.call('9100', { toneHz: ALICE_HZ })
    await call.waitForTone(TRUNK_HZ)
    expect(statusOf(await call.request('REFER', headers))).toBeGreaterThanOrEqual(400)
    await call.waitForMoreTone(TRUNK_HZ)
    await call.hangUp()
    await expectSuccess(pbx)
  })
})

describe('blind, by the trunk', () => {
  test.each([
    ['that was called', 'uas-refers'],
    ['that calls', 'uac-refers'],
  ] as const)('%s: the browser talks with another user', async (_who, scenario) => {
    const [alice, bob] = [await site.phone('alice'), await site.phone('bob')]
    const options = { toneHz: TRUNK_HZ, holdMs: 1_000, keys: { refer_to: 'sip:bob@webtrunk.test' } }
    const trunk = await (scenario === 'uas-refers'
      ? site.trunk(scenario, options)
      : site.caller(scenario, options))
    const call =
      scenario === 'uas-refers'
        ? await alice.call('9100', { toneHz: ALICE_HZ })
        : await alice.nextInvitation()
    if (scenario === 'uac-refers') await call.answer({ toneHz: ALICE_HZ })
    const taken = await bob.nextInvitation()
    await taken.answer({ toneHz: BOB_HZ })
    await Promise.all([taken.waitForTone(ALICE_HZ), call.waitForTone(BOB_HZ)])
    await expectSuccess(trunk)
    await taken.hangUp()
    await call.waitForEnd()
  })
})

describe('attended', () => {
  test('by the browser: the two far ends of its calls are joined', async () => {
    const pbx = await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
    const desk = await site.trunk('uas-hang-up', { holdMs: 3_000 }, 'desk')
    const alice = await site.phone()
    const first = await alice.call('9100', { toneHz: ALICE_HZ })
    await first.waitForTone(TRUNK_HZ)
    const second = await alice.call('9200', { toneHz: ALICE_HZ })
    await second.waitForTone(440)
    const final = await second.waitForFinal()
    const toTag = /;tag=([^;]+)/.exec(headerOf(final, 'To'))?.[1] ?? ''
    const replaces = encodeURIComponent(`${second.callId};to-tag=${toTag};from-tag=${second.localTag}`)
    const target = `sip:9200@webtrunk.test?Replaces=${replaces}`
    expect(statusOf(await first.request('REFER', referTo(target)))).toBe(202)
    expect(await outcomeOf(first)).toBe(200)
    await first.hangUp()
    await expectSuccess(desk)
    await expectSuccess(pbx)
    await site.daemon.waitForNoCalls()
  })

  test('by the trunk, with an INVITE that replaces a call', async () => {
    const pbx = await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
    const alice = await site.phone()
    const call = await alice.call('9100', { toneHz: ALICE_HZ })
    await call.waitForTone(TRUNK_HZ)
    const { callId, ours, theirs } = await dialogOf(pbx)
    // As RFC 3891 §3 has it: to-tag is the tag of whoever gets this INVITE.
    const keys = { replaces: `${callId};to-tag=${theirs};from-tag=${ours}` }
    const successor = await site.caller('uac-replaces', { toneHz: 800, holdMs: 2_000, keys })
    // The replaced call ends, the browser's goes on.
    await expectSuccess(pbx)
    await call.waitForTone(800)
    await call.waitForEnd()
    await expectSuccess(successor)
  })

  test('of a call that nobody has is refused', async () => {
    await site.phone()
    const trunk = await site.caller('uac-replaces-nothing')
    await expectSuccess(trunk)
    site.daemon.expectsVerdicts('transfer.no-such-call')
  })
})
