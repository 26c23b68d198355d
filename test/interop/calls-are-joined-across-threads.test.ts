import { afterEach, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS, type User } from '../harness/daemon.ts'
import { expectNothingLeft } from '../harness/nothing-left.ts'
import { headerOf, statusOf } from '../harness/sip-text.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

const PBX_HZ = 425
const ALICE_HZ = 1000
const BOB_HZ = 620

/** The port in the candidates that the gateway told: each thread has one. */
const portIn = (message: string): string =>
  /^a=candidate:\S+ 1 udp \d+ \S+ (\d+) typ host/m.exec(message)?.[1] ?? 'none'

test('an attended transfer joins legs of two threads: the browser and the PBX hear each other', async () => {
  const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: PBX_HZ, user: '9100' }))
  // Each thread picks its port.
  const config = { media: { threads: 2, webrtcPort: 0 } }
  const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort }], config }))
  const phone = async (user: User): Promise<WebrtcClient> => {
    const client = closing(await WebrtcClient.connect(daemon.webSocketUrl, user, PASSWORDS[user]))
    await client.register()
    return client
  }
  const [alice, bob] = [await phone('alice'), await phone('bob')]
  const first = await bob.call('alice', { toneHz: BOB_HZ })
  const heard = await alice.nextInvitation()
  await heard.answer({ toneHz: ALICE_HZ })
  await first.waitForTone(ALICE_HZ)
  const second = await bob.call('9100', { toneHz: BOB_HZ })
  await Promise.all([second.waitForTone(PBX_HZ), pbx.waitForTone(BOB_HZ)])
  const [one, other] = [await first.waitForFinal(), await second.waitForFinal()]
  const ports = [portIn(one.body), portIn(other.body)]
  expect(new Set(ports).size).toBe(2)
  expect(ports).not.toContain('none')

  const toTag = /;tag=([^;]+)/.exec(headerOf(other, 'To'))?.[1] ?? ''
  const replaces = encodeURIComponent(`${second.callId};to-tag=${toTag};from-tag=${second.localTag}`)
  const referTo = `<sip:9100@webtrunk.test?Replaces=${replaces}>`
  expect(statusOf(await first.request('REFER', [['Refer-To', referTo]]))).toBe(202)
  await Promise.all([heard.waitForTone(PBX_HZ), pbx.waitForTone(ALICE_HZ)])
  await first.hangUp()
  await heard.waitForMoreTone(PBX_HZ)
  await heard.hangUp()
  await pbx.waitForEvent('CALL_CLOSED')
  await expectNothingLeft(daemon)
})
