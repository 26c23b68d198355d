import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { SoftphonePage } from '../harness/browser-page.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { waitFor } from '../harness/wait-for.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

let chromium: Chromium
let daemon: Daemon
beforeAll(async () => {
  ;[chromium, daemon] = await Promise.all([Chromium.start(620), Daemon.start()])
})
afterEach(closeAll)
afterAll(() => Promise.all([chromium.close(), daemon.close()]))

/** A person who thinks about each question for the microphone until the test says Allow. */
const ASK_FIRST = `(() => {
  const { mediaDevices } = navigator
  const open = mediaDevices.getUserMedia.bind(mediaDevices)
  window.questionsOfTest = []
  window.tracksOfTest = []
  mediaDevices.getUserMedia = async (constraints) => {
    await new Promise((allow) => window.questionsOfTest.push(allow))
    const stream = await open(constraints)
    window.tracksOfTest.push(...stream.getTracks())
    return stream
  }
})()`

const openPage = async (): Promise<SoftphonePage> => {
  const phone = closing(await chromium.newSoftphone())
  await phone.signIn(daemon.pageFor('alice'))
  await phone.evaluate(ASK_FIRST)
  return phone
}

const waitForQuestion = (phone: SoftphonePage): Promise<unknown> =>
  waitFor('the question for the microphone', () => phone.evaluate('window.questionsOfTest.length > 0'))

const allow = (phone: SoftphonePage): Promise<unknown> => phone.evaluate('window.questionsOfTest.shift()()')

const waitForTracks = (phone: SoftphonePage, states: readonly string[]): Promise<void> =>
  expect.poll(() => phone.evaluate('window.tracksOfTest.map(({ readyState }) => readyState)')).toEqual(states)

describe('the microphone is off when it is allowed', () => {
  test('after the call was cancelled', async () => {
    const phone = await openPage()
    await phone.dial('echo')
    await waitForQuestion(phone)
    await phone.hangUp()
    await phone.waitForCall('none')
    await allow(phone)
    await waitForTracks(phone, ['ended'])
    expect(await phone.text('#problem')).toBe('')
  })

  test('after the caller has given up', async () => {
    const phone = await openPage()
    const bob = await WebrtcClient.connect(daemon.webSocketUrl, 'bob', PASSWORDS.bob)
    closing(bob)
    await bob.register()
    const call = await bob.call('alice', { toneHz: 440 })
    await phone.waitForCall('incoming')
    await phone.answer()
    await waitForQuestion(phone)
    call.cancel()
    await phone.waitForCall('none')
    await allow(phone)
    await waitForTracks(phone, ['ended'])
    expect(await phone.problem()).toBe('Missed call from bob.')
    daemon.expectsVerdicts('cancelled')
  })

  test('after the call in which it was to replace another', async () => {
    const phone = await openPage()
    await phone.dial('echo')
    await waitForQuestion(phone)
    await allow(phone)
    await phone.waitForCall('active')
    await phone.waitForPackets()
    await phone.evaluate(`(() => {
      const microphones = document.querySelector('#microphone')
      microphones.selectedIndex = 1
      microphones.dispatchEvent(new Event('change'))
    })()`)
    await waitForQuestion(phone)
    await phone.hangUp()
    await phone.waitForCall('none')
    await allow(phone)
    await waitForTracks(phone, ['ended', 'ended'])
    expect(await phone.text('#problem')).toBe('')
  })
})
