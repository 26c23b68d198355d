import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { SoftphonePage } from '../harness/browser-page.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { freePort } from '../harness/ports.ts'
import { Sipp, type SippScenario } from '../harness/sipp.ts'

let chromium: Chromium
beforeAll(async () => {
  chromium = await Chromium.start(620)
})
afterEach(closeAll)
afterAll(() => chromium.close())

const open = async (): Promise<SoftphonePage> => closing(await chromium.newSoftphone())

const withTrunk = async (
  scenario: SippScenario,
): Promise<{ daemon: Daemon; trunk: Sipp; phone: SoftphonePage }> => {
  const trunk = closing(await Sipp.start(scenario))
  const daemon = closing(await Daemon.start({ trunks: [{ port: trunk.sipPort }] }))
  const phone = await open()
  await phone.signIn(daemon.pageFor('alice'))
  return { daemon, trunk, phone }
}

describe('the page', () => {
  test('says that the password is wrong, and lets one try again', async () => {
    const daemon = closing(await Daemon.start())
    const phone = await open()
    await phone.open(`${daemon.pageUrl}#user=alice&password=guess`)
    await phone.waitForRegistration('failed')
    expect(await phone.problem()).toContain('Wrong user name or password (403')
    await phone.signInAgain('open sesame')
    await phone.waitForRegistration('registered')
    expect(await phone.text('#problem')).toBe('')
  })

  test('says that nobody has the number', async () => {
    const daemon = closing(await Daemon.start())
    const phone = await open()
    await phone.signIn(daemon.pageFor('alice'))
    await phone.dial('nobody')
    expect(await phone.problem()).toBe('No such number (404 Not Found: call.unknown-number)')
    daemon.expectsVerdicts('call.unknown-number')
    await phone.waitForCall('none')
    await daemon.waitForNoCalls()
  })

  test('says that the trunk is busy', async () => {
    const { daemon, trunk, phone } = await withTrunk('uas-busy')
    await phone.dial('9100')
    expect(await phone.problem()).toMatch(/^Busy \(486 .*: call\.refused\)$/)
    daemon.expectsVerdicts('call.refused')
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })

  test('cancels a call that only rings, and complains of nothing', async () => {
    const { daemon, trunk, phone } = await withTrunk('uas-no-answer')
    await phone.dial('9100')
    await phone.waitForCall('ringing')
    await phone.hangUp()
    await phone.waitForCall('none')
    expect(await phone.text('#problem')).toBe('')
    daemon.expectsVerdicts('cancelled')
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })

  test('tells of a missed call', async () => {
    const sipPort = await freePort()
    const daemon = closing(await Daemon.start({ trunks: [{ port: sipPort }] }))
    const phone = await open()
    await phone.signIn(daemon.pageFor('alice'))
    const trunk = closing(
      await Sipp.start('uac-cancel', { target: daemon.sipAddress, user: 'alice', sipPort }),
    )
    expect(await phone.problem()).toBe('Missed call from SIPp.')
    await phone.waitForCall('none')
    await expectSuccess(trunk)
    daemon.expectsVerdicts('cancelled')
  })

  test('signs in again by itself when the gateway comes back', async () => {
    const port = await freePort()
    const config = { web: { http: { host: '127.0.0.1', port } } }
    const first = closing(await Daemon.start({ config }))
    const phone = await open()
    await phone.signIn(first.pageFor('alice'))
    await phone.dial('echo')
    await phone.waitForCall('active')
    await first.kill()
    await phone.waitForRegistration('reconnecting')
    await phone.hangUp()
    await phone.waitForCall('none')
    expect(await phone.text('#status')).toBe('Reconnecting…')
    closing(await Daemon.start({ config }))
    await phone.waitForRegistration('registered')
    expect(await phone.text('#problem')).toBe('')
  })
})
