import { afterEach, expect, test } from 'vitest'
import { closeAll, closing } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { leftTables } from '../harness/left-tables.ts'
import { TrunkSite } from '../harness/trunk-site.ts'

const CENTRE_HZ = 425
const FIRST_HZ = 1_000
const SECOND_HZ = 1_300

afterEach(closeAll)

test('an emergency call goes past limits and a trunk that fails, and is heard on while the daemon stops', async () => {
  const site = await TrunkSite.start({
    limits: { user: { maxCalls: 1, callsPerMinute: 1 } },
    emergency: { numbers: ['112'], trunks: ['pbx', 'desk'], maxCalls: 4, drainTimeoutS: 10 },
  })
  closing(site.daemon)
  const failing = await site.trunk('uas-503', { calls: 2 })
  const centre = await site.phoneOfTrunk(CENTRE_HZ, 'desk', '112')
  const alice = await site.phone()
  const echo = await alice.call('echo', { toneHz: 700 })
  await echo.waitForTone(700)

  const first = await alice.call('112', { toneHz: FIRST_HZ })
  await Promise.all([first.waitForTone(CENTRE_HZ), centre.waitForTone(FIRST_HZ)])
  const stopped = site.daemon.stop()
  await echo.waitForEnd()
  const second = await alice.call('112', { toneHz: SECOND_HZ })
  await Promise.all([second.waitForTone(CENTRE_HZ), centre.waitForTone(SECOND_HZ)])
  const late = await alice.call('echo', { toneHz: 700 })
  await late.waitForFinal()
  expect(late.finalStatus).toBe(503)
  // The echo call that the stop ends, and one past it, refused before it is asked who calls.
  site.daemon.expectsVerdicts('call.draining')
  expect(first.isOver).toBe(false)
  await first.waitForMoreTone(CENTRE_HZ)
  await first.hangUp()
  await second.hangUp()
  expect(await stopped).toBe(0)

  const messages = await expectSuccess(failing)
  expect(messages).toContain('INVITE sip:112@')
  expect(messages).toMatch(/^Priority: emergency\r?$/m)
  expect(site.daemon.log.filter(({ message }) => message === 'emergency call')).toHaveLength(2)
  expect(leftTables(site.daemon.log, false)).toEqual([])
})
