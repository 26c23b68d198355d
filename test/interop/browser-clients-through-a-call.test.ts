import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Baresip } from '../harness/baresip.ts'
import { AGENT_ORIGINS, AgentSite, BrowserAgent } from '../harness/browser-agent.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import type { Daemon } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import type { Sipp, SippOptions, SippScenario } from '../harness/sipp.ts'
import { TrunkSite } from '../harness/trunk-site.ts'

const MICROPHONE_HZ = 620
const PBX_HZ = 440
const DESK_HZ = 880
const SIPP_HZ = 1500

let chromium: Chromium
let pages: AgentSite
let trunks: TrunkSite

beforeAll(async () => {
  chromium = await Chromium.start(MICROPHONE_HZ)
  pages = await AgentSite.start()
  trunks = await TrunkSite.start(AGENT_ORIGINS)
})
afterEach(closeAll)
afterAll(async () => {
  await pages.close()
  await chromium.close()
  await trunks.close()
})

interface Stage {
  readonly daemon: Daemon
  readonly pbx: Baresip
  readonly alice: BrowserAgent
}

describe.each(['jssip', 'sipjs'] as const)('%s', (stack) => {
  const startAlice = async (
    options: { readonly reliable?: boolean; readonly hurries?: boolean } = {},
  ): Promise<BrowserAgent> => {
    const { daemon } = trunks
    const page = await chromium.newPage()
    return closing(await BrowserAgent.start(page, pages, { stack, daemon, user: 'alice', ...options }))
  }

  /** alice, and the phone behind 9100. */
  const withBaresip = async (): Promise<Stage> => ({
    daemon: trunks.daemon,
    pbx: await trunks.phoneOfTrunk(PBX_HZ),
    alice: await startAlice(),
  })

  /** And the one behind 9200. */
  const withTwoBaresips = async (): Promise<Stage & { readonly desk: Baresip }> => ({
    desk: await trunks.phoneOfTrunk(DESK_HZ, 'desk'),
    ...(await withBaresip()),
  })

  /** alice with SIPp as the trunk, for a `uas-*` scenario. */
  const withSipp = async (
    scenario: SippScenario,
    options: SippOptions = {},
    agentOptions: Parameters<typeof startAlice>[0] = {},
  ): Promise<{ readonly daemon: Daemon; readonly trunk: Sipp; readonly alice: BrowserAgent }> => ({
    daemon: trunks.daemon,
    trunk: await trunks.trunk(scenario, { toneHz: SIPP_HZ, ...options }),
    alice: await startAlice(agentOptions),
  })

  describe('calls the trunk, both hear each other', () => {
    test('and hangs up', async () => {
      const { daemon, pbx, alice } = await withBaresip()
      const call = await alice.call('9100')
      await call.waitFor('accepted')
      await Promise.all([call.waitForTone(PBX_HZ), pbx.waitForTone(MICROPHONE_HZ)])
      await call.hangUp()
      await pbx.waitForEvent('CALL_CLOSED')
      expect((await call.waitFor('ended')).by).toBe('us')
      await daemon.waitForNoCalls()
    })

    test('and the trunk hangs up', async () => {
      const { daemon, pbx, alice } = await withBaresip()
      const call = await alice.call('9100')
      await Promise.all([call.waitForTone(PBX_HZ), pbx.waitForTone(MICROPHONE_HZ)])
      pbx.hangUp()
      expect((await call.waitFor('ended')).by).toBe('peer')
      await daemon.waitForNoCalls()
    })
  })

  describe('is called by the trunk, both hear each other', () => {
    test('and hangs up', async () => {
      const { daemon, pbx, alice } = await withBaresip()
      pbx.dial(`sip:alice@${daemon.sipAddress}`)
      const call = await alice.nextIncoming()
      await pbx.waitForEvent('CALL_RINGING')
      await call.answer()
      await Promise.all([call.waitForTone(PBX_HZ), pbx.waitForTone(MICROPHONE_HZ)])
      await call.hangUp()
      await pbx.waitForEvent('CALL_CLOSED')
      await daemon.waitForNoCalls()
    })

    test('without an offer, and the trunk hangs up', async () => {
      const alice = await startAlice()
      const trunk = await trunks.caller('uac-delayed-offer', { toneHz: SIPP_HZ, holdMs: 3_000 })
      const call = await alice.nextIncoming()
      await call.answer()
      await call.waitForTone(SIPP_HZ)
      expect((await call.waitFor('ended')).by).toBe('peer')
      await expectSuccess(trunk)
    })
  })

  test('hears early media before the answer', async () => {
    // SIP.js plays it only when it came reliably; JsSIP does not know 100rel.
    const { trunk, alice } = await withSipp(
      'uas-early-media-183',
      { holdMs: 2_500 },
      { reliable: stack === 'sipjs' },
    )
    const call = await alice.call('9100')
    await call.waitFor('progress', 183)
    await call.waitForTone(SIPP_HZ)
    expect((await call.events()).map(({ kind }) => kind)).not.toContain('accepted')
    await call.waitFor('accepted')
    await call.waitForTone(SIPP_HZ)
    await call.hangUp()
    await expectSuccess(trunk)
  })

  test('hears the phone that answers after a fork', async () => {
    const { trunk, alice } = await withSipp('uas-forks', { holdMs: 1_000 })
    const call = await alice.call('9100')
    await call.waitFor('accepted')
    await call.waitForTone(SIPP_HZ)
    await call.hangUp()
    await expectSuccess(trunk)
  })

  test('is told why a call failed', async () => {
    const { daemon, trunk, alice } = await withSipp('uas-busy')
    const call = await alice.call('9100')
    const failure = await call.waitFor('failed')
    expect(failure.status).toBe(486)
    expect(failure.reason).toContain('call.refused')
    daemon.expectsVerdicts('call.refused')
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })

  test('gives up a call that rings', async () => {
    const { daemon, trunk, alice } = await withSipp('uas-no-answer')
    const call = await alice.call('9100')
    await call.waitFor('progress', 180)
    await call.hangUp()
    await call.waitFor('failed')
    daemon.expectsVerdicts('cancelled')
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })

  test('holds and resumes, and is heard and hears again', async () => {
    const { daemon, trunk, alice } = await withSipp('uas-echo-is-held', { isEcho: true })
    const call = await alice.call('9100')
    // Its own microphone, there and back.
    await call.waitForTone(MICROPHONE_HZ)
    await call.hold()
    await call.waitForSilence()
    await call.resume()
    await call.waitForTone(MICROPHONE_HZ)
    expect((await call.stats()).signalingState).toBe('stable')
    await call.hangUp()
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })

  test('is held and resumed', async () => {
    const { trunk, alice } = await withSipp('uas-holds', {
      holdMs: 3_000,
      keys: { hold_address: '127.0.0.1', hold_line: 'a=sendonly' },
    })
    const call = await alice.call('9100')
    await call.waitForTone(SIPP_HZ)
    await call.waitForSilence()
    await call.waitForTone(SIPP_HZ)
    expect((await call.stats()).signalingState).toBe('stable')
    const offers = (await alice.messages()).filter((message) => message.startsWith('<<< INVITE'))
    expect(offers.map((message) => /^a=(sendonly|sendrecv)\r?$/m.exec(message)?.[1])).toEqual([
      'sendonly',
      'sendrecv',
    ])
    await call.hangUp()
    await expectSuccess(trunk)
  })

  test('transfers blindly: the two trunks hear each other', async () => {
    const { daemon, pbx, desk, alice } = await withTwoBaresips()
    const call = await alice.call('9100')
    await Promise.all([call.waitForTone(PBX_HZ), pbx.waitForTone(MICROPHONE_HZ)])
    expect(await call.transfer('9200')).toBe(200)
    await call.hangUp()
    await Promise.all([pbx.waitForTone(DESK_HZ), desk.waitForTone(PBX_HZ)])
    desk.hangUp()
    await pbx.waitForEvent('CALL_CLOSED')
    await daemon.waitForNoCalls()
  })

  test.each([
    ['held', true],
    // What baresip hears after a hold is in none of its files: this one shows the other direction too.
    ['not held', false],
  ] as const)(
    'transfers with a question first (%s): the two trunks hear each other',
    async (_name, isHeld) => {
      const { daemon, pbx, desk, alice } = await withTwoBaresips()
      const first = await alice.call('9100')
      await first.waitForTone(PBX_HZ)
      if (isHeld) await first.hold()
      const second = await alice.call('9200')
      await Promise.all([second.waitForTone(DESK_HZ), desk.waitForTone(MICROPHONE_HZ)])
      expect(await first.transferTo(second)).toBe(200)
      // The gateway has ended what was replaced; a transferor that hangs up itself must not disturb the others.
      await Promise.all([first.hangUp(), second.hangUp()])
      await desk.waitForTone(PBX_HZ)
      if (!isHeld) await pbx.waitForTone(DESK_HZ)
      pbx.hangUp()
      await desk.waitForEvent('CALL_CLOSED')
      await daemon.waitForNoCalls()
    },
  )

  test('goes on while the trunk refreshes its session', async () => {
    const { trunk, alice } = await withSipp('uas-refreshes-session', { holdMs: 1_500 })
    const call = await alice.call('9100')
    await call.waitForTone(SIPP_HZ)
    await expect.poll(() => trunk.messages(), { timeout: 10_000 }).toMatch(/CSeq: 2 ACK/)
    await call.waitForTone(SIPP_HZ)
    expect((await call.stats()).signalingState).toBe('stable')
    await call.hangUp()
    await expectSuccess(trunk)
  })

  const refreshesItsOwnSession = async (): Promise<void> => {
    const pbx = await trunks.phoneOfTrunk(PBX_HZ)
    const alice = await startAlice({ hurries: true })
    const call = await alice.call('9100')
    await call.waitFor('accepted')
    // Twice: the answer to the first one has started the timer again.
    await alice.waitForMessage('>>> UPDATE', 2)
    await call.waitForTone(PBX_HZ)
    const answers = (await alice.messages()).filter((message) =>
      /^<<< SIP[\s\S]*CSeq: \d+ UPDATE/.test(message),
    )
    expect(answers.map((message) => message.slice(0, 15))).toEqual(answers.map(() => '<<< SIP/2.0 200'))
    expect(answers.length).toBeGreaterThanOrEqual(1)
    await call.hangUp()
    await pbx.waitForEvent('CALL_CLOSED')
  }
  // SIP.js has no session timers of its own.
  if (stack === 'jssip') test('refreshes its own session', refreshesItsOwnSession)
})
