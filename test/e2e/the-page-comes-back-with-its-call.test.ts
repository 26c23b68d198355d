import { afterEach, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { CuttableProxy } from '../harness/cuttable-proxy.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { waitFor } from '../harness/wait-for.ts'

afterEach(closeAll)

const TRUNK_HZ = 440
const MICROPHONE_HZ = 1000
const UFRAG = `/a=ice-ufrag:(\\S+)/.exec(window.liveConnectionOfTest().currentLocalDescription.sdp)[1]`

test('the page goes on with its call by another connection and network, and is the same device after a reload', async () => {
  const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: TRUNK_HZ, user: '9100' }))
  const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort }] }))
  const proxy = closing(await CuttableProxy.start(Number(new URL(daemon.pageUrl).port)))
  const url = `http://localhost:${proxy.port}/#user=alice&password=${encodeURIComponent(PASSWORDS.alice)}`
  const phone = await closing(await Chromium.start(MICROPHONE_HZ)).newSoftphone()
  const instance = async (): Promise<unknown> => {
    const { output } = await daemon.command('registrations', '--json')
    const [row, ...more] = JSON.parse(output)
    expect(more).toEqual([])
    return row.instance
  }
  await phone.signIn(url)
  const before = await instance()
  expect(before).toMatch(/^<urn:uuid:/)
  await phone.dial('9100')
  await phone.waitForCall('active')
  await Promise.all([phone.waitForTone(TRUNK_HZ), pbx.waitForTone(MICROPHONE_HZ)])
  const ufrag = await phone.evaluate(UFRAG)

  proxy.cut()
  await phone.waitForRegistration('reconnecting')
  // What a browser says when its machine has another network.
  await phone.evaluate("window.dispatchEvent(new Event('online'))")
  await phone.waitForRegistration('registered')
  await waitFor('an ICE restart', async () => (await phone.evaluate(UFRAG)) !== ufrag)
  await Promise.all([phone.waitForTone(TRUNK_HZ), pbx.waitForMoreTone(MICROPHONE_HZ)])
  expect(pbx.events.filter(({ type }) => type === 'CALL_CLOSED')).toEqual([])

  await phone.leave()
  await phone.signIn(url)
  await pbx.waitForEvent('CALL_CLOSED')
  await daemon.waitForNoCalls()
  expect(await instance()).toBe(before)
  daemon.expectsVerdicts('call.dialog-lost')
})
