import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, type DaemonOptions, PASSWORDS, type TrunkOptions } from '../harness/daemon.ts'
import { DnsServer, type Zone } from '../harness/dns-server.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { freePort } from '../harness/ports.ts'
import { Sipp } from '../harness/sipp.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const FIRST_HZ = 440
const SECOND_HZ = 620
const BROWSER_HZ = 1_000

afterEach(closeAll)

/** A trunk that takes everything and says nothing. */
async function blackHole(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  closing({ close: async () => void socket.close() })
  return socket.address().port
}

const start = async (options: DaemonOptions) => {
  const daemon = closing(await Daemon.start(options))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  return { daemon, alice }
}

describe('a group of trunks', () => {
  test('of which one answers 503, one says nothing and one dies in mid-call: each call gets through to who is left', async () => {
    const busy = closing(await Sipp.start('uas-503', {}))
    const silent = await blackHole()
    const mortal = closing(await Baresip.start({ media: 'rtp', toneHz: FIRST_HZ, user: '9100' }))
    const last = closing(await Baresip.start({ media: 'rtp', toneHz: SECOND_HZ, user: '9100' }))
    const ports = { busy: busy.sipPort, silent, mortal: mortal.sipPort, last: last.sipPort }
    const { daemon, alice } = await start({
      trunks: Object.entries(ports).map(([name, port]) => ({
        name,
        port,
        ...(name === 'mortal' ? { transport: 'tcp' as const, optionsS: 1 } : {}),
      })),
      groups: { out: Object.keys(ports) },
      routes: [{ prefix: '9', trunk: 'out' }],
      config: {
        tcp: { host: '127.0.0.1', port: 0 },
        calls: { maxCalls: 16, attemptS: 1, drainTimeoutS: 1 },
        media: { rtpTimeoutS: 5 },
      },
    })
    await daemon.waitForLog(
      'its health',
      ({ message, trunk }) => message === 'trunk is up' && trunk === 'mortal',
    )
    const first = await alice.call('9100', { toneHz: BROWSER_HZ })
    await Promise.all([first.waitForTone(FIRST_HZ, 1_000), mortal.waitForTone(BROWSER_HZ)])
    await expectSuccess(busy)
    const hops = daemon.log.filter(({ message }) => message === 'call tried elsewhere')
    expect(hops.map(({ from, to }) => `${from} ${to}`)).toEqual([
      'trunk:busy trunk:silent',
      'trunk:silent trunk:mortal',
    ])

    await mortal.kill()
    await daemon.waitForLog(
      'its death',
      ({ message, trunk }) => message === 'trunk is down' && trunk === 'mortal',
    )
    // Its silence ends the call.
    daemon.expectsVerdicts('media.silent')
    await first.waitForEnd()
    await daemon.waitForNoCalls()
    // Nobody is at the first place any more, the second rests, the third is down.
    const second = await alice.call('9100', { toneHz: BROWSER_HZ })
    await Promise.all([second.waitForTone(SECOND_HZ, 1_000), last.waitForTone(BROWSER_HZ)])
    await second.hangUp()
    await last.waitForEvent('CALL_CLOSED')
    await daemon.waitForNoCalls()
  })
})

describe('a trunk whose servers the DNS names', () => {
  const startWith = async (zone: Zone, trunk: TrunkOptions) => {
    const dns = closing(await DnsServer.start(zone))
    const site = await start({
      trunks: [trunk],
      config: {
        dns: { servers: [dns.address] },
        tcp: { host: '127.0.0.1', port: 0 },
        calls: { maxCalls: 16, attemptS: 1, drainTimeoutS: 1 },
      },
    })
    return { dns, ...site }
  }

  test('by SRV: a call goes on to the second when the first is silent, and calls of both are known', async () => {
    const phone = closing(
      await Baresip.start({ media: 'rtp', toneHz: FIRST_HZ, user: '9100', address: '127.0.0.3' }),
    )
    const zone: Zone = {
      hosts: ['a.pbx.test,127.0.0.2', 'b.pbx.test,127.0.0.3'],
      srv: [
        `_sip._udp.pbx.test,a.pbx.test,${await freePort('127.0.0.2')},1,10`,
        `_sip._udp.pbx.test,b.pbx.test,${phone.sipPort},2,10`,
      ],
    }
    const { daemon, alice, dns } = await startWith(zone, { host: 'pbx.test' })
    const call = await alice.call('9100', { toneHz: BROWSER_HZ })
    await Promise.all([call.waitForTone(FIRST_HZ, 1_000), phone.waitForTone(BROWSER_HZ)])
    await call.hangUp()
    await phone.waitForEvent('CALL_CLOSED')
    expect(dns.log).toContain('query[SRV] _sip._udp.pbx.test')
    const [hop] = daemon.log.filter(({ message }) => message === 'call tried elsewhere')
    expect(hop?.reason).toContain('silent')

    phone.dial(`sip:alice@${daemon.sipAddress}`)
    const incoming = await alice.nextInvitation()
    await incoming.answer({ toneHz: BROWSER_HZ })
    await incoming.waitForTone(FIRST_HZ, 1_000)
    await incoming.hangUp()
    await daemon.waitForNoCalls()
  })

  test('by NAPTR: transport auto takes TCP, which it prefers, at the port of its SRV record', async () => {
    const phone = closing(await Baresip.start({ media: 'rtp', toneHz: FIRST_HZ, user: '9100' }))
    const zone: Zone = {
      hosts: ['a.pbx.test,127.0.0.1'],
      naptr: ['pbx.test,20,10,s,SIP+D2U,,_sip._udp.pbx.test', 'pbx.test,10,10,s,SIP+D2T,,_sip._tcp.pbx.test'],
      srv: [
        `_sip._tcp.pbx.test,a.pbx.test,${phone.sipPort},1,10`,
        `_sip._udp.pbx.test,a.pbx.test,${await freePort()},1,10`,
      ],
    }
    const { daemon, alice, dns } = await startWith(zone, { host: 'pbx.test', transport: 'auto' })
    const call = await alice.call('9100', { toneHz: BROWSER_HZ })
    await call.waitForTone(FIRST_HZ, 1_000)
    await call.hangUp()
    await phone.waitForEvent('CALL_CLOSED')
    expect(dns.log).toContain('query[NAPTR] pbx.test')
    expect(dns.log).not.toContain('query[SRV] _sip._udp.pbx.test')
    await daemon.waitForNoCalls()
  })
})
