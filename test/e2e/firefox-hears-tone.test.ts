import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon } from '../harness/daemon.ts'
import { FIREFOX_MICROPHONE_HZ, Firefox } from '../harness/firefox.ts'

/** Typed faster than they sound; the first is held down. */
const TYPE_567 = `(() => {
  const press = (key, repeat = false) => document.dispatchEvent(new KeyboardEvent('keydown', { key, repeat }))
  press('5')
  for (let times = 0; times < 20; times += 1) press('5', true)
  press('6')
  press('7')
})()`

/** Whether a browser would click the button once more. */
const HELD_ENTER_CLICKS = `document.querySelector('#key-pad button').dispatchEvent(
  new KeyboardEvent('keydown', { key: 'Enter', repeat: true, bubbles: true, cancelable: true }))`

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

test('Firefox is called over an SDES trunk; both hear each other, and each key pressed is heard once', async () => {
  const pbx = closing(await Baresip.start({ media: 'sdes', toneHz: 440 }))
  const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort, media: 'sdes' }] }))
  const phone = closing(await firefox.newSoftphone())
  await phone.signIn(daemon.pageFor('alice'))
  pbx.dial(`sip:alice@${daemon.sipAddress}`)
  await phone.waitForCall('incoming')
  await phone.answer()
  await Promise.all([phone.waitForTone(440), pbx.waitForTone(FIREFOX_MICROPHONE_HZ)])
  await phone.click('#keys')
  await phone.evaluate(TYPE_567)
  expect(await phone.text('#pressed')).toBe('567')
  expect(await phone.evaluate(HELD_ENTER_CLICKS)).toBe(false)
  await expect
    .poll(() => pbx.events.filter(({ type }) => type === 'CALL_DTMF_START').map(({ param }) => param))
    .toEqual(['5', '6', '7'])
  await phone.hangUp()
  await pbx.waitForEvent('CALL_CLOSED')
  await daemon.waitForNoCalls()
})
