import { afterEach, expect, test } from 'vitest'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon } from '../harness/daemon.ts'

afterEach(closeAll)

test.each(['http', 'https'])('a newcomer hears themselves by the %s address', async (scheme) => {
  const daemon = closing(await Daemon.startDemo())
  const url = await daemon.waitForOutput('the address', new RegExp(`alice: (${scheme}://\\S+)`))
  const browser = closing(await Chromium.start(620))
  const phone = await browser.newSoftphone()
  await phone.signIn(url)
  await phone.dial('echo')
  await phone.waitForTone(620)
  await phone.hangUp()
  await phone.waitForCall('none')
  expect(await phone.text('#problem')).toBe('')
})

test('alice and bob, from their printed addresses, call each other by a button', async () => {
  const daemon = closing(await Daemon.startDemo())
  const [alice, bob] = await Promise.all(
    (['alice', 'bob'] as const).map(async (user, index) => {
      const url = await daemon.waitForOutput('the address', new RegExp(`${user}: (http://\\S+)`))
      const browser = closing(await Chromium.start(620 + 300 * index))
      const phone = await browser.newSoftphone()
      await phone.signIn(url)
      return phone
    }),
  )
  if (alice === undefined || bob === undefined) throw new Error('two pages were opened')
  await alice.click('#other-user')
  await bob.waitForCall('incoming')
  expect(await bob.text('#peer')).toBe('alice')
  await alice.waitForCall('ringing')
  await bob.answer()
  await Promise.all([alice.waitForTone(920), bob.waitForTone(620)])
  await bob.hangUp()
  await alice.waitForCall('none')
  await daemon.waitForNoCalls()
})
