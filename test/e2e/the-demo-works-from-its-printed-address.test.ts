import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, type User } from '../harness/daemon.ts'

const ALICE_HZ = 620
const BOB_HZ = 920

let browsers: Readonly<Record<User, Chromium>>
beforeAll(async () => {
  const [alice, bob] = await Promise.all([Chromium.start(ALICE_HZ), Chromium.start(BOB_HZ)])
  browsers = { alice, bob }
})
afterEach(closeAll)
afterAll(() => Promise.all([browsers.alice.close(), browsers.bob.close()]))

test.each(['http', 'https'])('a newcomer hears themselves and a tone by the %s address', async (scheme) => {
  const daemon = closing(await Daemon.startDemo())
  const url = await daemon.waitForOutput('the address', new RegExp(`alice: (${scheme}://\\S+)`))
  const phone = closing(await browsers.alice.newSoftphone())
  await phone.signIn(url)
  await phone.dial('echo')
  await phone.waitForTone(ALICE_HZ)
  await phone.hangUp()
  await phone.waitForCall('none')
  await phone.dial('tone')
  await phone.waitForTone(440)
  await phone.hangUp()
  await phone.waitForCall('none')
  expect(await phone.text('#problem')).toBe('')
})

test('alice and bob, from their printed addresses, call each other by a button', async () => {
  const daemon = closing(await Daemon.startDemo())
  const [alice, bob] = await Promise.all(
    (['alice', 'bob'] as const).map(async (user) => {
      const url = await daemon.waitForOutput('the address', new RegExp(`${user}: (http://\\S+)`))
      const phone = closing(await browsers[user].newSoftphone())
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
  await Promise.all([alice.waitForTone(BOB_HZ), bob.waitForTone(ALICE_HZ)])
  await bob.hangUp()
  await alice.waitForCall('none')
  await daemon.waitForNoCalls()
})
