import { afterEach, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { Kamailio } from '../harness/kamailio.ts'
import { waitFor } from '../harness/wait-for.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const PHONE_HZ = 440
const BROWSER_HZ = 1000
const REALM = 'webtrunk.test'
/** What Kamailio knows: browsers by their own names, and the extension that the gateway holds. */
const USERS = { alice: 'secret-of-alice', '1001': 'secret-of-1001', '9100': 'secret-of-9100' }

afterEach(closeAll)

async function site(
  registration: Readonly<Record<string, unknown>>,
  users: readonly Readonly<Record<string, unknown>>[],
  upstream: Readonly<Record<string, unknown>> = {},
) {
  const pbx = closing(await Kamailio.startRegistrar({ realm: REALM, users: USERS }))
  const address = `127.0.0.1:${pbx.port}`
  const registrar = { address, password: USERS['9100'] }
  const phone = closing(await Baresip.start({ media: 'rtp', toneHz: PHONE_HZ, user: '9100', registrar }))
  const daemon = closing(
    await Daemon.start({
      users,
      config: {
        registration: { registrar: 'upstream', ...registration },
        upstream: {
          host: '127.0.0.1',
          port: pbx.port,
          localHost: '127.0.0.1',
          localPort: 0,
          codecs: ['PCMU'],
          ...upstream,
        },
      },
    }),
  )
  await phone.waitForRegistration()
  return { pbx, phone, daemon, address }
}

test('a browser registers there with its own password, calls out, is called, and is forgotten after it has gone', async () => {
  const { pbx, phone, daemon, address } = await site({}, [], { graceS: 1 })
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', USERS.alice))
  await alice.register()
  const out = await alice.call('9100', { toneHz: BROWSER_HZ })
  await Promise.all([out.waitForTone(PHONE_HZ, 1_000), phone.waitForTone(BROWSER_HZ)])
  await out.hangUp()
  await phone.waitForEvent('CALL_CLOSED')
  phone.dial(`sip:alice@${address}`)
  const incoming = await alice.nextInvitation()
  await incoming.answer({ toneHz: BROWSER_HZ })
  await incoming.waitForTone(PHONE_HZ, 1_000)
  await incoming.hangUp()
  await daemon.waitForNoCalls()
  // Kamailio has seen a Contact of ours, from a port that is no trunk's, and nothing of the browser.
  expect(pbx.log).toMatch(
    /got REGISTER of alice from 127\.0\.0\.1:\d+ by udp with contact <sip:[0-9a-f]{32}@127\.0\.0\.1:\d+;transport=udp>/,
  )
  expect(pbx.log).not.toContain('.invalid')
  await alice.close()
  await daemon.waitForLog('the end of the registration', (line) => line.message === 'registration taken back')
})

test('a call that the PBX forks to two browsers of a user rings both, and is had by the one that answers', async () => {
  const { phone, daemon, address } = await site({}, [])
  const browsers = await Promise.all(
    [1, 2].map(async () => closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', USERS.alice))),
  )
  for (const browser of browsers) await browser.register()
  phone.dial(`sip:alice@${address}`)
  const [call, other] = await Promise.all(browsers.map((browser) => browser.nextInvitation()))
  await call?.answer({ toneHz: BROWSER_HZ })
  await other?.waitForEnd()
  await Promise.all([call?.waitForTone(PHONE_HZ), phone.waitForTone(BROWSER_HZ)])
  await call?.hangUp()
  await daemon.waitForNoCalls()
  daemon.expectsVerdicts('cancelled')
})

test('a wrong password is refused there, and a registration lasts as long as it grants', async () => {
  const { phone, daemon, address } = await site({}, [])
  const stranger = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', 'wrong'))
  await stranger.register(300, 401)
  await daemon.waitForLog('the refusal', (line) => line.code === 'upstream.bad-credentials')
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', USERS.alice))
  await alice.register(4)
  expect((await daemon.health()).registrations).toBe(1)
  await waitFor('the registration to expire', async () => (await daemon.health()).registrations === 0)
  phone.dial(`sip:alice@${address}`)
  const closed = await phone.waitForEvent('CALL_CLOSED')
  expect(closed.param).toContain('404')
})

test('the gateway registers an extension there for its user, calls out, is called, and gives it up at the stop', async () => {
  const users = [
    { name: 'alice', password: PASSWORDS.alice, account: { user: '1001', password: USERS['1001'] } },
    { name: 'bob', password: PASSWORDS.bob, account: { user: '1002', password: 'unknown there' } },
  ]
  const { pbx, phone, daemon, address } = await site({ credentials: 'gateway' }, users, {
    domain: REALM,
    transport: 'tcp',
  })
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  await daemon.waitForLog(
    'the extension',
    (line) => line.message === 'extension registered' && line.extension === 'alice',
  )
  const out = await alice.call('9100', { toneHz: BROWSER_HZ })
  await Promise.all([out.waitForTone(PHONE_HZ, 1_000), phone.waitForTone(BROWSER_HZ)])
  await out.hangUp()
  await phone.waitForEvent('CALL_CLOSED')
  phone.dial(`sip:1001@${address}`)
  const incoming = await alice.nextInvitation()
  await incoming.answer({ toneHz: BROWSER_HZ })
  await incoming.waitForTone(PHONE_HZ, 1_000)
  await incoming.hangUp()
  await daemon.waitForNoCalls()
  const bob = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'bob', PASSWORDS.bob))
  await bob.register()
  const refused = await daemon.waitForLog(
    'the refusal',
    (line) => line.message === 'extension not registered',
  )
  expect(refused).toMatchObject({ extension: 'bob', reason: expect.stringContaining('401') })
  expect(await daemon.stop()).toBe(0)
  await waitFor(
    'the registration and its end in the log there',
    () => (pbx.log.match(/got REGISTER of 1001 .* by tcp/g)?.length ?? 0) >= 2,
  )
})
