import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon } from '../harness/daemon.ts'
import { FIREFOX_MICROPHONE_HZ, Firefox } from '../harness/firefox.ts'

let firefox: Firefox
beforeAll(async () => {
  firefox = await Firefox.start()
})
afterEach(closeAll)
afterAll(() => firefox.close())

test('Firefox calls tone and recognises it', async () => {
  const daemon = closing(await Daemon.start())
  const phone = closing(await firefox.newSoftphone())
  await phone.signIn(daemon.pageFor('alice'))
  await phone.dial('tone')
  await phone.waitForCall('active')
  await phone.waitForTone(440)
  await phone.waitForPackets(100)
  await phone.hangUp()
  await phone.waitForCall('none')
  expect(await phone.text('#problem')).toBe('')
  await daemon.waitForNoCalls()
})

test('Firefox is called over an SDES trunk; both hear each other', async () => {
  const pbx = closing(await Baresip.start({ media: 'sdes', toneHz: 440 }))
  const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort, media: 'sdes' }] }))
  const phone = closing(await firefox.newSoftphone())
  await phone.signIn(daemon.pageFor('alice'))
  pbx.dial(`sip:alice@${daemon.sipAddress}`)
  await phone.waitForCall('incoming')
  await phone.answer()
  await Promise.all([phone.waitForTone(440), pbx.waitForTone(FIREFOX_MICROPHONE_HZ)])
  await phone.hangUp()
  await pbx.waitForEvent('CALL_CLOSED')
  await daemon.waitForNoCalls()
})
