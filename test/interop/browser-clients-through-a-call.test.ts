import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { AGENT_ORIGINS, AgentSite, BrowserAgent } from '../harness/browser-agent.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon } from '../harness/daemon.ts'

const MICROPHONE_HZ = 620
const TRUNK_HZ = 440

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
  const agentOf = async (daemon: Daemon): Promise<BrowserAgent> =>
    closing(await BrowserAgent.start(await chromium.newPage(), site, { stack, daemon, user: 'alice' }))

  const withBaresip = async (): Promise<{ daemon: Daemon; pbx: Baresip; alice: BrowserAgent }> => {
    const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: TRUNK_HZ, user: '9100' }))
    const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort }], config: AGENT_ORIGINS }))
    return { daemon, pbx, alice: await agentOf(daemon) }
  }

  test('calls the trunk, both hear each other, and hangs up', async () => {
    const { daemon, pbx, alice } = await withBaresip()
    const call = await alice.call('9100')
    await call.waitFor('accepted')
    await Promise.all([call.waitForTone(TRUNK_HZ), pbx.waitForTone(MICROPHONE_HZ)])
    await call.hangUp()
    await pbx.waitForEvent('CALL_CLOSED')
    await daemon.waitForNoCalls()
    expect((await call.events()).map(({ kind }) => kind)).not.toContain('failed')
  })
})
