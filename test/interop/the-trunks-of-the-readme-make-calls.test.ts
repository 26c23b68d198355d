import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { parse } from 'yaml'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, type LogLine, PASSWORDS } from '../harness/daemon.ts'
import { DnsServer } from '../harness/dns-server.ts'
import { Kamailio } from '../harness/kamailio.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const [, TRUNKS = ''] = /## Trunks\n[\s\S]*?```yaml\n([\s\S]*?)```/.exec(README) ?? []

const PROVIDER_HZ = 440
const PBX_HZ = 620
const BROWSER_HZ = 1_000

const folder = mkdtempSync(join(tmpdir(), 'webtrunk-readme-'))
afterEach(closeAll)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('are at most 12 lines', () => {
  const lines = TRUNKS.trimEnd().split('\n')
  expect(lines[0]).toBe('trunks:')
  expect(lines.length).toBeLessThanOrEqual(12)
})

test('call and are called, with Kamailio and with baresip', async () => {
  const subscriber = closing(await Baresip.start({ media: 'rtp', toneHz: PROVIDER_HZ, user: '0100' }))
  const provider = closing(
    await Kamailio.start({ password: 'provider secret', phone: `127.0.0.1:${subscriber.sipPort}` }),
  )
  const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: PBX_HZ, user: '100' }))
  // What the names in it stand for is the one thing that is ours; so is the folder of its password.
  const dns = closing(
    await DnsServer.start({
      hosts: ['here.test,127.0.0.1'],
      srv: [
        `_sip._udp.pbx.example.com,here.test,${pbx.sipPort},1,1`,
        `_sip._udp.sip.provider.example,here.test,${provider.port},1,1`,
      ],
    }),
  )
  writeFileSync(join(folder, 'provider.password'), 'provider secret\n')
  const daemon = closing(
    await Daemon.start({
      config: { dns: { servers: [dns.address] } },
      sections: parse(TRUNKS.replaceAll('/etc/webtrunk/', `${folder}/`)),
    }),
  )
  const isAbout = (message: string) => (line: LogLine) =>
    line.message === message && line.trunk === 'provider'
  await daemon.waitForLog('the registration', isAbout('trunk registered'))
  await daemon.waitForLog('its health', isAbout('trunk is up'))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()

  for (const [number, phone, toneHz] of [
    ['0100', subscriber, PROVIDER_HZ],
    ['100', pbx, PBX_HZ],
  ] as const) {
    const call = await alice.call(number, { toneHz: BROWSER_HZ })
    await Promise.all([call.waitForTone(toneHz, 1_000), phone.waitForTone(BROWSER_HZ)])
    await call.hangUp()
    await phone.waitForEvent('CALL_CLOSED')
  }
  for (const [uri, phone, toneHz] of [
    [`sip:4930123450@127.0.0.1:${provider.port}`, subscriber, PROVIDER_HZ],
    [`sip:alice@${daemon.sipAddress}`, pbx, PBX_HZ],
  ] as const) {
    phone.dial(uri)
    const incoming = await alice.nextInvitation()
    await incoming.answer({ toneHz: BROWSER_HZ })
    await incoming.waitForTone(toneHz, 1_000)
    await incoming.hangUp()
    await daemon.waitForNoCalls()
  }

  const { status, output } = await daemon.command('trunks')
  expect(status).toBe(0)
  expect(output).toMatch(/^pbx +outside +ready +not asked +- +0 +udp 127\.0\.0\.1:\d+$/m)
  expect(output).toMatch(/^provider +outside +ready +up +yes +0 +udp 127\.0\.0\.1:\d+/m)
})
