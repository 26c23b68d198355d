import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import type { SoftphonePage } from '../harness/browser-page.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon } from '../harness/daemon.ts'

const TRUNK_HZ = 440
const MICROPHONE_HZ = 1000

let chromium: Chromium
beforeAll(async () => {
  chromium = await Chromium.start(MICROPHONE_HZ)
})
afterEach(closeAll)
afterAll(() => chromium.close())

describe.each(['rtp', 'sdes'] as const)('over a trunk with %s', (media) => {
  const start = async (): Promise<{ daemon: Daemon; pbx: Baresip; phone: SoftphonePage }> => {
    const pbx = closing(await Baresip.start({ media, toneHz: TRUNK_HZ, user: '9100' }))
    const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort, media }] }))
    const phone = closing(await chromium.newSoftphone())
    await phone.signIn(daemon.pageFor('alice'))
    return { daemon, pbx, phone }
  }

  test('Chromium calls, both hear each other, Chromium hangs up', async () => {
    const { daemon, pbx, phone } = await start()
    await phone.dial('9100')
    await phone.waitForCall('active')
    await Promise.all([phone.waitForTone(TRUNK_HZ), pbx.waitForTone(MICROPHONE_HZ)])
    expect((await phone.waitForPackets(100)).codec).toMatch(/^audio\/PCM[UA]$/)
    await phone.hangUp()
    await pbx.waitForEvent('CALL_CLOSED')
    await daemon.waitForNoCalls()
  })

  test('the PBX calls, both hear each other, the PBX hangs up', async () => {
    const { daemon, pbx, phone } = await start()
    pbx.dial(`sip:alice@${daemon.sipAddress}`)
    await phone.waitForCall('incoming')
    await pbx.waitForEvent('CALL_RINGING')
    await phone.answer()
    await Promise.all([phone.waitForTone(TRUNK_HZ), pbx.waitForTone(MICROPHONE_HZ)])
    pbx.hangUp()
    await phone.waitForCall('none')
    expect(await phone.text('#problem')).toBe('')
    await daemon.waitForNoCalls()
  })
})
