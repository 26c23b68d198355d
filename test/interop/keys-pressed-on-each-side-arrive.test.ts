import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { AGENT_ORIGINS, AgentSite, BrowserAgent } from '../harness/browser-agent.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { expectNothingLeft } from '../harness/nothing-left.ts'
import { Sipp } from '../harness/sipp.ts'
import { waitFor } from '../harness/wait-for.ts'

const MICROPHONE_HZ = 620
const PBX_HZ = 440

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

/** What baresip understood, key by key. */
const keysAt = (peer: Baresip): string =>
  peer.events
    .filter(({ type }) => type === 'CALL_DTMF_START')
    .map(({ param }) => param)
    .join('')

const untilKeys = (peer: Baresip, keys: string): Promise<unknown> =>
  waitFor(
    `${keys} at baresip`,
    () => keysAt(peer).length >= keys.length,
    {},
    () => `${keysAt(peer)}\n${peer.log}`,
  )

test.each([
  ['jssip', 'PCMU/8000/1', 'rfc4733'],
  ['sipjs', 'opus/48000/2', 'rfc4733'],
  ['jssip', 'PCMA/8000/1', 'info-relay'],
] as const)('%s and a trunk with %s and keys by %s', async (stack, codec, dtmf) => {
  const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: PBX_HZ, user: '9100', codecs: codec }))
  const trunk = { port: pbx.sipPort, dtmf, codecs: [codec.split('/')[0] ?? ''] }
  const daemon = closing(await Daemon.start({ trunks: [trunk], config: AGENT_ORIGINS }))
  const page = await chromium.newPage()
  const alice = closing(await BrowserAgent.start(page, site, { stack, daemon, user: 'alice' }))
  const call = await alice.call('9100')
  await Promise.all([call.waitForTone(PBX_HZ), pbx.waitForTone(MICROPHONE_HZ)])
  await call.dtmf('159', 'media')
  await untilKeys(pbx, '159')
  await call.dtmf('*0#', 'info')
  await untilKeys(pbx, '159*0#')
  expect(keysAt(pbx)).toBe('159*0#')
  // The voice goes on behind them, in the same stream.
  await pbx.waitForMoreTone(MICROPHONE_HZ)
  await call.waitForTone(PBX_HZ)
  await call.hangUp()
  await pbx.waitForEvent('CALL_CLOSED')
  await expectNothingLeft(daemon)
})

test('keys of SIPp by INFO reach a page, and those of the page SIPp by INFO', async () => {
  const pbx = closing(await Sipp.start('uas-keys-by-info', { toneHz: PBX_HZ }))
  const trunk = { port: pbx.sipPort, dtmf: 'info-dtmf' } as const
  const daemon = closing(await Daemon.start({ trunks: [trunk], config: AGENT_ORIGINS }))
  const page = await chromium.newPage()
  const alice = closing(await BrowserAgent.start(page, site, { stack: 'jssip', daemon, user: 'alice' }))
  const call = await alice.call('9100')
  await call.waitForTone(PBX_HZ)
  expect(await alice.waitForMessage('<<< INFO')).toContain('Signal=4')
  await call.dtmf('7', 'media')
  await expectSuccess(pbx)
  await call.waitFor('ended')
  await expectNothingLeft(daemon)
})
