/** In real time, with the sockets of a real trunk: what tests on virtual time show too, and what takes half a minute each. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { closeAll } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { atRandom } from '../harness/lossy-udp.ts'
import { headerOf } from '../harness/sip-text.ts'
import { TrunkSite } from '../harness/trunk-site.ts'

const TRUNK_HZ = 425
const BROWSER_HZ = 1000
const CALLS = 5

let site: TrunkSite
beforeAll(async () => {
  // Longer than Timer B.
  site = await TrunkSite.start({ calls: { ringTimeoutS: 40 } })
})
afterEach(closeAll)
// Whatever was lost, nothing at all is left when every transaction has had its time.
afterAll(() => site.close(true), 60_000)

test('a call to a trunk that only rings is given up by the gateway', async () => {
  const trunk = await site.trunk('uas-no-answer', { timeoutS: 60 })
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ })
  const final = await call.waitForFinal({ timeoutMs: 60_000 })
  expect(call.finalStatus).toBe(480)
  expect(headerOf(final, 'Reason')).toContain('call.no-answer')
  site.daemon.expectsVerdicts('call.no-answer')
  await expectSuccess(trunk)
  await site.daemon.waitForNoCalls()
})

test('a call to a trunk that is not there fails with 503 and a reason', async () => {
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ })
  // Timer B: RFC 3261 §17.1.1.2.
  const final = await call.waitForFinal({ timeoutMs: 45_000 })
  expect(call.finalStatus).toBe(503)
  expect(headerOf(final, 'Reason')).toContain('trunk.unreachable')
  site.daemon.expectsVerdicts('trunk.unreachable')
})

test('calls through loss, doubles and disorder leave nothing behind', async () => {
  const rule = atRandom(21, { drop: 0.2, twice: 0.2, late: 0.2 })
  const trunk = await site.trunkBehind(rule, 'uas-answer', { toneHz: TRUNK_HZ, calls: CALLS, timeoutS: 60 })
  const alice = await site.phone()
  const calls = await Promise.all(
    Array.from({ length: CALLS }, () => alice.call('9100', { toneHz: BROWSER_HZ })),
  )
  await Promise.all(calls.map((call) => call.waitForTone(TRUNK_HZ, 300, { timeoutMs: 40_000 })))
  await Promise.all(calls.map((call) => call.hangUp()))
  await expectSuccess(trunk)
  await site.daemon.waitForNoCalls()
})
