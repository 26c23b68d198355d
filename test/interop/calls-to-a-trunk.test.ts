import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { closeAll } from '../harness/closing.ts'
import type { Daemon } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { headerOf } from '../harness/sip-text.ts'
import type { Sipp, SippOptions, SippScenario } from '../harness/sipp.ts'
import { TrunkSite } from '../harness/trunk-site.ts'
import type { WebrtcClient } from '../harness/webrtc-client.ts'

let site: TrunkSite
beforeAll(async () => {
  site = await TrunkSite.start()
})
afterEach(closeAll)
afterAll(() => site.close())

/** SIPp as the trunk, the gateway, and alice registered at it. */
const start = async (
  scenario: SippScenario,
  options: SippOptions = {},
): Promise<{ daemon: Daemon; trunk: Sipp; alice: WebrtcClient }> => ({
  daemon: site.daemon,
  trunk: await site.trunk(scenario, options),
  alice: await site.phone(),
})

describe('a call to a trunk', () => {
  test('that answers is heard until the browser hangs up', async () => {
    const { daemon, trunk, alice } = await start('uas-answer', { toneHz: 425 })
    const call = await alice.call('9100', { toneHz: 1000 })
    await call.waitForProgress(180)
    await call.waitForTone(425, 1_000)
    await call.hangUp()
    const messages = await expectSuccess(trunk)
    expect(messages).toContain('INVITE sip:9100@127.0.0.1')
    await daemon.waitForNoCalls()
  })

  test('carries a lean offer without anything of WebRTC', async () => {
    const { trunk, alice } = await start('uas-answer')
    const call = await alice.call('9100', { toneHz: 1000 })
    await call.waitForTone(440)
    await call.hangUp()
    const messages = await expectSuccess(trunk)
    const invite = messages.slice(messages.indexOf('INVITE sip:'), messages.indexOf('SIP/2.0 180'))
    expect(invite).toMatch(/^m=audio \d+ RTP\/AVP /m)
    expect(invite).not.toMatch(/a=(?:ice|candidate|fingerprint|setup|rtcp-mux|extmap|ssrc|msid|group)/)
    expect(invite).not.toContain('.invalid')
  })

  test('with early media is heard before the answer, by the same description', async () => {
    const { trunk, alice } = await start('uas-early-media-183', { toneHz: 425, holdMs: 2_000 })
    const call = await alice.call('9100', { toneHz: 1000 })
    const progress = await call.waitForProgress(183)
    await call.waitForTone(425, 500)
    expect(call.finalStatus).toBeUndefined()
    const final = await call.waitForFinal()
    expect(final.startLine).toContain('200')
    expect(final.body).toBe(progress.body)
    await call.hangUp()
    await expectSuccess(trunk)
  })

  test('ends when the trunk hangs up', async () => {
    const { daemon, trunk, alice } = await start('uas-hang-up', { holdMs: 2_500 })
    const call = await alice.call('9100', { toneHz: 1000 })
    await call.waitForTone(440)
    await call.waitForEnd()
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })

  test.each([
    ['uas-busy', 486, 'call.refused'],
    ['uas-404', 404, 'call.refused'],
    ['uas-503', 503, 'call.peer-failed'],
  ] as const)('refused by %s gives %i with a reason', async (scenario, status, code) => {
    const { daemon, trunk, alice } = await start(scenario)
    const call = await alice.call('9100', { toneHz: 1000 })
    const final = await call.waitForFinal()
    expect(call.finalStatus).toBe(status)
    expect(headerOf(final, 'Reason')).toContain(code)
    daemon.expectsVerdicts(code)
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })

  test('that only rings is cancelled when the browser gives up', async () => {
    const { daemon, trunk, alice } = await start('uas-no-answer')
    const call = await alice.call('9100', { toneHz: 1000 })
    await call.waitForProgress(180)
    call.cancel()
    await call.waitForFinal()
    expect(call.finalStatus).toBe(487)
    daemon.expectsVerdicts('cancelled')
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })
})
