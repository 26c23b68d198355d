import { afterEach, describe, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, type LogLine, PASSWORDS } from '../harness/daemon.ts'
import { Kamailio, type KamailioOptions } from '../harness/kamailio.ts'
import { waitFor } from '../harness/wait-for.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const PHONE_HZ = 440
const BROWSER_HZ = 1000
const PASSWORD = 'provider secret'

afterEach(closeAll)

const isAbout = (message: string) => (line: LogLine) => line.message === message && line.trunk === 'pbx'

describe.each(['udp', 'tcp'] as const)('Kamailio as a provider over %s', (transport) => {
  const start = async (
    account: Readonly<Record<string, unknown>> = {},
    options: Partial<KamailioOptions> = {},
  ) => {
    const phone = closing(await Baresip.start({ media: 'rtp', toneHz: PHONE_HZ, user: '9100' }))
    const provider = closing(
      await Kamailio.start({ password: PASSWORD, phone: `127.0.0.1:${phone.sipPort}`, ...options }),
    )
    const daemon = closing(
      await Daemon.start({
        trunks: [
          {
            port: provider.port,
            transport,
            account: { user: 'alice', password: PASSWORD, register: true, ...account },
            optionsS: 1,
          },
        ],
        config: { tcp: { host: '127.0.0.1', port: 0 } },
      }),
    )
    return { phone, provider, daemon }
  }

  test('knows us by our account alone, and challenges whatever we send: a call there is heard until we hang up', async () => {
    const customer = { user: '4930123450', domain: 'provider.test' }
    const { phone, daemon, provider } = await start({ ...customer, authUser: 'id-1' }, { customer })
    await daemon.waitForLog('the registration', isAbout('trunk registered'))
    await daemon.waitForLog('its health', isAbout('trunk is up'))
    const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
    await alice.register()
    const call = await alice.call('9100', { toneHz: BROWSER_HZ })
    await Promise.all([call.waitForTone(PHONE_HZ, 1_000), phone.waitForTone(BROWSER_HZ)])
    await call.hangUp()
    await phone.waitForEvent('CALL_CLOSED')
    await daemon.waitForNoCalls()
    await waitFor('the BYE in its log', () => provider.log.includes('got BYE from 127.0.0.1'))
    expect(provider.log).not.toContain('nobody of ours')
  })

  test('finds us by our registration: a call from there is heard', async () => {
    const { phone, daemon, provider } = await start()
    const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
    await alice.register()
    await daemon.waitForLog('the registration', isAbout('trunk registered'))
    phone.dial(`sip:alice@127.0.0.1:${provider.port}`)
    const call = await alice.nextInvitation()
    await call.answer({ toneHz: BROWSER_HZ })
    await Promise.all([call.waitForTone(PHONE_HZ, 1_000), phone.waitForTone(BROWSER_HZ)])
    await call.hangUp()
    await phone.waitForEvent('CALL_CLOSED')
    await daemon.waitForNoCalls()
  })

  test('that wants longer registrations gets them', async () => {
    const { daemon } = await start({ expiresS: 60 }, { minExpiresS: 120 })
    const line = await daemon.waitForLog('the registration', isAbout('trunk registered'))
    expect(line.expiresS).toBe(120)
  })

  test('that knows another password refuses us', async () => {
    const { daemon } = await start({ password: 'wrong' })
    const line = await daemon.waitForLog('the refusal', isAbout('trunk not registered'))
    expect(line.reason).toContain('401')
  })
})

describe('Kamailio as a provider that forgets', () => {
  const account = { user: 'alice', password: PASSWORD, register: true }
  const start = async (options: Partial<KamailioOptions>) => {
    const phone = closing(await Baresip.start({ media: 'rtp', toneHz: PHONE_HZ, user: '9100' }))
    const given = { password: PASSWORD, phone: `127.0.0.1:${phone.sipPort}`, ...options }
    const provider = closing(await Kamailio.start(given))
    const daemon = closing(
      await Daemon.start({
        trunks: [{ port: provider.port, transport: 'tcp', account, optionsS: 1 }],
        config: { tcp: { host: '127.0.0.1', port: 0 } },
      }),
    )
    await daemon.waitForLog('the registration', isAbout('trunk registered'))
    return { phone, provider, daemon, given }
  }
  const registersOf = (provider: Kamailio) => provider.log.split('got REGISTER').length - 1

  test('soon: it is told again before a registration of 6 seconds is over', async () => {
    const { provider, daemon } = await start({ maxExpiresS: 6, minExpiresS: 0 })
    const before = registersOf(provider)
    await waitFor('a refresh', () => registersOf(provider) > before)
    expect(daemon.log.filter(isAbout('trunk not registered'))).toEqual([])
  })

  test('because it was killed and started again: it is told again, and a call from there is heard', async () => {
    const { phone, provider, daemon, given } = await start({})
    await daemon.waitForLog('its health', isAbout('trunk is up'))
    await provider.kill()
    await daemon.waitForLog('its death', isAbout('trunk is down'))
    const again = closing(await Kamailio.start({ ...given, port: provider.port }))
    await waitFor('a second registration', () => daemon.log.filter(isAbout('trunk registered')).length === 2)
    await waitFor('it in the log there', () => registersOf(again) > 0)
    const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
    await alice.register()
    phone.dial(`sip:alice@127.0.0.1:${again.port}`)
    const call = await alice.nextInvitation()
    await call.answer({ toneHz: BROWSER_HZ })
    await call.waitForTone(PHONE_HZ, 1_000)
    await call.hangUp()
    await daemon.waitForNoCalls()
  })
})
