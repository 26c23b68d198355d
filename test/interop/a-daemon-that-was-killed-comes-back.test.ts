import { afterEach, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, type LogLine, PASSWORDS } from '../harness/daemon.ts'
import { Kamailio } from '../harness/kamailio.ts'
import { freePort } from '../harness/ports.ts'
import { waitFor } from '../harness/wait-for.ts'
import type { WebrtcCall } from '../harness/webrtc-call.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const PHONE_HZ = 440
const BROWSER_HZ = 1_000
const PASSWORD = 'provider secret'

afterEach(closeAll)

const isRegistered = ({ message }: LogLine): boolean => message === 'trunk registered'

const talk = async (daemon: Daemon): Promise<WebrtcCall> => {
  await daemon.waitForLog('the registration', isRegistered)
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ })
  await call.waitForTone(PHONE_HZ)
  return call
}

test('killed in a call to a provider and started again: it is there once, the BYE of that call gets 481, and calls are heard', async () => {
  const phone = closing(await Baresip.start({ media: 'rtp', toneHz: PHONE_HZ, user: '9100' }))
  const provider = closing(await Kamailio.start({ password: PASSWORD, phone: `127.0.0.1:${phone.sipPort}` }))
  const account = { user: 'alice', password: PASSWORD, register: true }
  const killed = closing(
    await Daemon.start({
      trunks: [{ port: provider.port, account }],
      config: { udp: { host: '127.0.0.1', port: await freePort() } },
    }),
  )
  await talk(killed)
  await killed.kill()

  // The socket that `webtrunk metrics` asks is still in the folder.
  const daemon = closing(await killed.startAgain())
  const call = await talk(daemon)
  expect(provider.log.match(/registered: .*/g)).toEqual([1, 2].map(() => 'registered: alice at 1 places'))
  const { status, output } = await daemon.command('metrics')
  expect([status, output]).toEqual([0, expect.stringContaining('webtrunk_calls 1')])
  await call.hangUp()
  await waitFor('its end at the phone', () => phone.events.some(({ type }) => type === 'CALL_CLOSED'))
  phone.hangUp()
  await waitFor(
    'the answer to the BYE of the phone',
    () => provider.log.includes('got 481 of BYE'),
    {},
    () => provider.log,
  )
  expect(phone.events.filter(({ type }) => type === 'CALL_CLOSED')).toHaveLength(2)
  await daemon.waitForNoCalls()
})
