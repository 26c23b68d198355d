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

test('422 of the trunk is met by a longer session, and the browser does not see it', async () => {
  const trunk = await site.trunk('uas-422', { toneHz: TRUNK_HZ })
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ })
  await call.waitForTone(TRUNK_HZ)
  expect(alice.log).not.toContain('SIP/2.0 422')
  await call.hangUp()
  await expectSuccess(trunk)
})

test('a session too short for anybody is refused with our minimum, and then runs', async () => {
  const alice = await site.phone()
  const trunk = await site.caller('uac-session-too-short', { toneHz: TRUNK_HZ, holdMs: 1_000 })
  const call = await alice.nextInvitation()
  await call.answer({ toneHz: BROWSER_HZ })
  await call.waitForTone(TRUNK_HZ)
  await call.waitForEnd()
  await expectSuccess(trunk)
})

test('a trunk refreshes by UPDATE and by re-INVITE, and the browser hears nothing of it', async () => {
  const trunk = await site.trunk('uas-refreshes-session', { toneHz: TRUNK_HZ, holdMs: 500 })
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ })
  await call.waitForTone(TRUNK_HZ)
  await call.waitForMoreTone(TRUNK_HZ, 1_000)
  await call.hangUp()
  await expectSuccess(trunk)
  expect(alice.log).not.toMatch(/<<< (?:UPDATE|INVITE)/)
})

test('a browser may have its 90 s, whatever the trunk wants', async () => {
  const trunk = await site.trunk('uas-422', { toneHz: TRUNK_HZ })
  const alice = await site.phone()
  const call = await alice.call('9100', {
    toneHz: BROWSER_HZ,
    supports: ['timer'],
    headers: [['Session-Expires', '90']],
  })
  await call.waitForTone(TRUNK_HZ)
  const final = await call.waitForFinal()
  expect(headerOf(final, 'Session-Expires')).toMatch(/^90;refresher=ua[cs]$/)
  const refreshed = await call.request('UPDATE', [
    ['Supported', 'timer'],
    ['Session-Expires', '90;refresher=uac'],
  ])
  expect(statusOf(refreshed), refreshed.startLine).toBe(200)
  expect(headerOf(refreshed, 'Session-Expires')).toBe('90;refresher=uac')
  await call.hangUp()
  await expectSuccess(trunk)
})
