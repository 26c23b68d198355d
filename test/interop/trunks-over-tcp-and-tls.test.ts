import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { Authority, type Identity } from '../harness/certificates.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS, type TrunkOptions } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { freePort } from '../harness/ports.ts'
import { headerOf } from '../harness/sip-text.ts'
import { Sipp } from '../harness/sipp.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const TRUNK_HZ = 440
const BROWSER_HZ = 1000

const authority = new Authority()
const folder = mkdtempSync(join(tmpdir(), 'webtrunk-tls-'))
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const ours = authority.issue({ names: 'IP:127.0.0.1' })
const LISTENERS = {
  tcp: { host: '127.0.0.1', port: 0 },
  tls: {
    host: '127.0.0.1',
    port: 0,
    certificate: file('gateway.pem', ours.certificate),
    key: file('gateway.key', ours.key),
  },
}
const ca = file('ca.pem', authority.certificate)

afterEach(closeAll)
afterAll(() => {
  authority.close()
  rmSync(folder, { recursive: true, force: true })
})

const gateway = async (trunk: TrunkOptions): Promise<{ daemon: Daemon; alice: WebrtcClient }> => {
  const daemon = closing(await Daemon.start({ trunks: [trunk], config: LISTENERS }))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  return { daemon, alice }
}

// Over TCP, SIPp sends back what it hears, between its own: one tone for both, with whole periods in 20 ms.
const SIPP_HZ = 500

describe('SIPp over TCP', () => {
  test('is called and heard', async () => {
    const trunk = closing(await Sipp.start('uas-answer', { transport: 'tcp', toneHz: SIPP_HZ }))
    const { daemon, alice } = await gateway({ port: trunk.sipPort, transport: 'tcp' })
    const call = await alice.call('9100', { toneHz: SIPP_HZ })
    await call.waitForTone(SIPP_HZ, 1_000)
    await call.hangUp()
    const messages = await expectSuccess(trunk)
    expect(messages).toMatch(new RegExp(`Via: SIP/2.0/TCP ${daemon.tcpAddress};`))
    expect(messages).toContain(`<sip:${daemon.tcpAddress};transport=tcp>`)
    await daemon.waitForNoCalls()
  })

  test('calls and is heard until it hangs up', async () => {
    const { daemon, alice } = await gateway({ port: await freePort(), transport: 'tcp' })
    const options = { transport: 'tcp', toneHz: SIPP_HZ, holdMs: 3_000 } as const
    const trunk = closing(
      await Sipp.start('uac-call', { ...options, target: daemon.tcpAddress, user: 'alice' }),
    )
    const incoming = await alice.nextInvitation()
    await incoming.answer({ toneHz: SIPP_HZ })
    await incoming.waitForTone(SIPP_HZ, 1_000)
    await incoming.waitForEnd()
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })

  test('that is no trunk is refused', async () => {
    const { daemon } = await gateway({ port: await freePort(), transport: 'tcp', sources: ['198.51.100.7'] })
    const options = { transport: 'tcp', target: daemon.tcpAddress, user: 'alice' } as const
    const stranger = closing(await Sipp.start('uac-source-not-trusted', options))
    expect(await expectSuccess(stranger)).toContain('call.forbidden')
  })

  test('that is not there fails a call at once', async () => {
    const { daemon, alice } = await gateway({ port: await freePort(), transport: 'tcp' })
    const call = await alice.call('9100', { toneHz: SIPP_HZ })
    const final = await call.waitForFinal()
    expect(call.finalStatus).toBe(503)
    expect(headerOf(final, 'Reason')).toContain('trunk.unreachable')
    daemon.expectsVerdicts('trunk.unreachable')
  })
})

describe.each(['tcp', 'tls'] as const)('baresip over %s', (transport) => {
  const start = async (identity: Identity = authority.issue({ names: 'IP:127.0.0.1' })) => {
    const options = { media: 'rtp', toneHz: TRUNK_HZ, user: '9100' } as const
    const pbx = closing(await Baresip.start({ ...options, identity, ca: authority.certificate }))
    const isTls = transport === 'tls'
    const port = isTls ? pbx.tlsPort : pbx.sipPort
    return { pbx, ...(await gateway({ port, transport, ...(isTls ? { tls: { ca } } : {}) })) }
  }

  test('is called: both hear each other', async () => {
    const { daemon, pbx, alice } = await start()
    const call = await alice.call('9100', { toneHz: BROWSER_HZ })
    await Promise.all([call.waitForTone(TRUNK_HZ, 1_000), pbx.waitForTone(BROWSER_HZ)])
    await call.hangUp()
    await pbx.waitForEvent('CALL_CLOSED')
    await daemon.waitForNoCalls()
  })

  test('calls: both hear each other', async () => {
    const { daemon, pbx, alice } = await start()
    pbx.dial(
      `sip:alice@${transport === 'tls' ? daemon.tlsAddress : daemon.tcpAddress};transport=${transport}`,
    )
    const call = await alice.nextInvitation()
    await call.answer({ toneHz: BROWSER_HZ })
    await Promise.all([call.waitForTone(TRUNK_HZ, 1_000), pbx.waitForTone(BROWSER_HZ)])
    await call.hangUp()
    await pbx.waitForEvent('CALL_CLOSED')
    await daemon.waitForNoCalls()
  })

  const isNotCalledWhenExpired = async (): Promise<void> => {
    const { daemon, alice } = await start(authority.issue({ names: 'IP:127.0.0.1', days: -1 }))
    const call = await alice.call('9100', { toneHz: BROWSER_HZ })
    await call.waitForFinal()
    expect(call.finalStatus).toBe(503)
    daemon.expectsVerdicts('trunk.certificate-expired')
    await daemon.waitForLog(
      'the reason',
      ({ message, reason }) => message === 'trunk connection failed' && reason === 'CERT_HAS_EXPIRED',
    )
  }
  if (transport === 'tls') test('with an expired certificate is not called', isNotCalledWhenExpired)
})
