import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { AGENT_ORIGINS, AgentSite, BrowserAgent } from '../harness/browser-agent.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { CuttableProxy } from '../harness/cuttable-proxy.ts'
import { Daemon } from '../harness/daemon.ts'
import { expectNothingLeft } from '../harness/nothing-left.ts'
import { waitFor } from '../harness/wait-for.ts'

const MICROPHONE_HZ = 620
const PBX_HZ = 440
const INSTANCE = '8e4b6f4a-2f1d-4c7b-9b1f-6a5f0c3d2e11'

let chromium: Chromium
let site: AgentSite

beforeAll(async () => {
  chromium = await Chromium.start(MICROPHONE_HZ)
  site = await AgentSite.start()
})
afterEach(closeAll)
afterAll(async () => {
  await site.close()
  await chromium.close()
})

describe.each(['jssip', 'sipjs'] as const)('%s', (stack) => {
  test('goes on with its call by another connection from another address; a page loaded again does not', async () => {
    const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: PBX_HZ, user: '9100' }))
    const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort }], config: AGENT_ORIGINS }))
    const proxy = closing(await CuttableProxy.start(Number(new URL(daemon.webSocketUrl).port)))
    const alice = closing(
      await BrowserAgent.start(await chromium.newPage(), site, {
        stack,
        daemon,
        user: 'alice',
        instance: INSTANCE,
        proxyPort: proxy.port,
      }),
    )
    const call = await alice.call('9100')
    await Promise.all([call.waitForTone(PBX_HZ), pbx.waitForTone(MICROPHONE_HZ)])
    const count = (kind: string): number => pbx.events.filter(({ type }) => type === kind).length
    const descriptions = count('CALL_REMOTE_SDP')

    // The Wi-Fi is left.
    proxy.from = '127.0.0.2'
    proxy.cut()
    const moved = await daemon.waitForLog(
      'the call to move',
      ({ message }) => message === 'connection replaced',
    )
    expect(moved.to).toMatch(/^127\.0\.0\.2:/)
    await call.restartIce()
    expect((await call.stats()).connectionState).toBe('connected')
    await Promise.all([call.waitForTone(PBX_HZ), pbx.waitForMoreTone(MICROPHONE_HZ)])
    expect(count('CALL_REMOTE_SDP'), 'the PBX has seen nothing of it').toBe(descriptions)
    expect(descriptions).toBeGreaterThan(0)
    expect(await call.events().then((events) => events.filter(({ kind }) => kind === 'ended'))).toEqual([])
    pbx.hangUp()
    expect((await call.waitFor('ended')).by, 'told by the new connection').toBe('peer')
    await daemon.waitForNoCalls()

    // Of a page that was loaded again.
    daemon.expectsVerdicts('call.dialog-lost')
    const second = await alice.call('9100')
    await second.waitForTone(PBX_HZ)
    await alice.load()
    await waitFor(
      'the PBX to be told',
      () => count('CALL_CLOSED') >= 2,
      {},
      () => daemon.output,
    )
    await daemon.waitForNoCalls()
    const { output } = await daemon.command('registrations', '--json')
    expect(JSON.parse(output)).toMatchObject([{ user: 'alice', instance: `<urn:uuid:${INSTANCE}>` }])
    pbx.dial(`sip:alice@${daemon.sipAddress}`)
    const third = await alice.nextIncoming()
    await third.answer()
    await Promise.all([third.waitForTone(PBX_HZ), pbx.waitForMoreTone(MICROPHONE_HZ)])
    await third.hangUp()
    await expectNothingLeft(daemon)
  })
})
