import { afterEach, expect, test } from 'vitest'
import { closeAll, closing } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { leftTables } from '../harness/left-tables.ts'
import { TrunkSite } from '../harness/trunk-site.ts'

afterEach(closeAll)

test('an emergency call goes past limits and a trunk that fails, and is heard on while the daemon stops', async () => {
  const site = await TrunkSite.start({
    limits: { user: { maxCalls: 1, callsPerMinute: 1 } },
    emergency: { numbers: ['112', '110'], trunks: ['pbx', 'desk'], maxCalls: 4, drainTimeoutS: 10 },
  })
  closing(site.daemon)
  const failing = await site.trunk('uas-503', { calls: 2 })
  const answering = await site.trunk('uas-answer', { toneHz: 425, calls: 2 }, 'desk')
  const alice = await site.phone()
  const echo = await alice.call('echo', { toneHz: 1000 })
  await echo.waitForTone(1000)

  const first = await alice.call('112', { toneHz: 1000 })
  await first.waitForTone(425)
  const stopped = site.daemon.stop()
  await echo.waitForEnd()
  const second = await alice.call('110', { toneHz: 1000 })
  await second.waitForTone(425)
  const late = await alice.call('echo', { toneHz: 1000 })
  await late.waitForFinal()
  expect(late.finalStatus).toBe(503)
  // The echo call that the stop ends, and one past it, refused before it is asked who calls.
  site.daemon.expectsVerdicts('call.draining')
  expect(first.isOver).toBe(false)
  await first.waitForMoreTone(425)
  await first.hangUp()
  await second.hangUp()
  expect(await stopped).toBe(0)

  expect(await expectSuccess(failing)).toContain('INVITE sip:112@')
  const messages = await expectSuccess(answering)
  expect(messages).toContain('INVITE sip:112@')
  expect(messages).toContain('INVITE sip:110@')
  expect(messages).toMatch(/^Priority: emergency\r?$/m)
  expect(site.daemon.log.filter(({ message }) => message === 'emergency call')).toHaveLength(2)
  expect(leftTables(site.daemon.log, false)).toEqual([])
})
