import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { check } from '../../../gateway/commands/check.ts'
import { bufferLines, type CheckWorld, rangeLines } from '../../../gateway/commands/configuration-check.ts'
import { native } from '../../../media/native/index.ts'
import { Authority, type Identity } from '../../harness/certificates.ts'
import { closeAll, closing } from '../../harness/closing.ts'
import { DnsServer } from '../../harness/dns-server.ts'
import { freePort } from '../../harness/ports.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

const authority = new Authority()
const folder = mkdtempSync(join(tmpdir(), 'webtrunk-check-'))
afterEach(closeAll)
afterAll(() => {
  authority.close()
  rmSync(folder, { recursive: true, force: true })
})

const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** Runs `webtrunk check` on a configuration: exit status, and a line for each thing. */
async function checked(config: object) {
  const written: { out: string[]; err: string[] } = { out: [], err: [] }
  const path = file('webtrunk.yaml', JSON.stringify(config))
  const status = await check.run(['--config', path, '--json'], {
    out: (text) => void written.out.push(text),
    err: (text) => void written.err.push(text),
    environment: {},
  })
  const lines: readonly { level: string; what: string; text: string }[] =
    written.out.length === 0 ? [] : JSON.parse(written.out.join(''))
  const of = (what: string) =>
    lines.filter((line) => line.what === what).map(({ level, text }) => `${level}: ${text}`)
  return { status, of, err: written.err.join(''), lines }
}

const BASE = {
  domain: 'phone.test',
  web: { http: { host: '127.0.0.1', port: 0 } },
  udp: { host: '127.0.0.1', port: 0 },
  media: { addresses: ['127.0.0.1'], webrtcPort: 0, rtpPortMin: 20_000, rtpPortMax: 22_001 },
}

function withCertificate(days: number, names = 'DNS:phone.test') {
  return withIdentity(authority.issue({ names, days }))
}

function withIdentity({ certificate, key }: Identity) {
  const https = {
    host: '127.0.0.1',
    port: 0,
    certificate: file('c.pem', certificate),
    key: file('c.key', key),
  }
  return { ...BASE, web: { https } }
}

describe('webtrunk check', () => {
  test('of a configuration without faults ends with 0', async () => {
    const { status, lines } = await checked(BASE)
    expect([status, lines.filter(({ level }) => level === 'error')]).toEqual([0, []])
  })

  test.each([
    [30, 'DNS:phone.test', 0, /^ok: valid until/],
    [5, 'DNS:phone.test', 0, /^warning: expires in [45] days/],
    [-1, 'DNS:phone.test', 1, /^error: expired/],
    [30, 'DNS:other.test', 0, /warning: is not for phone.test: DNS:other.test/],
    [30, 'DNS:*.test', 0, /^ok/],
  ])('of a certificate for %i days and %s', async (days, names, status, text) => {
    const found = await checked(withCertificate(days, names))
    expect(found.status).toBe(status)
    expect(found.of('web.https.certificate').join('\n')).toMatch(text)
  })

  test('of a certificate that browsers refuse: without that of its issuer, or self-signed', async () => {
    const { certificate, key } = authority.issue({ names: 'DNS:phone.test', days: 30, isBelow: true })
    const ofChain = async (pem: string) =>
      (await checked(withIdentity({ certificate: pem, key }))).of('web.https.certificate').slice(1)
    expect(await ofChain(certificate)).toEqual([])
    const [leaf = ''] = certificate.split(/(?<=-----END CERTIFICATE-----\n)/)
    const missing =
      'warning: its file has no certificate of its issuer (CN=below): most browsers then refuse it, unless that is a root they know; use fullchain.pem'
    expect(await ofChain(leaf)).toEqual([missing])
    // That of another authority does not help.
    expect(await ofChain(leaf + authority.certificate)).toEqual([missing])
    const own = native.createCertificate({ commonName: 'phone.test', days: 30, names: ['phone.test'] })
    const selfSigned = withIdentity({ certificate: own.certificatePem, key: own.privateKeyPem })
    expect((await checked(selfSigned)).of('web.https.certificate').slice(1)).toEqual([
      'warning: is self-signed: browsers refuse it unless they are given it',
    ])
  })

  test('of what cannot be used at all ends with 78, and says what', async () => {
    const { status, err, lines } = await checked({ ...BASE, trunks: [{ name: 'a' }] })
    expect([status, lines]).toEqual([78, []])
    expect(err).toContain('trunks[0].host: expected a host name or IP address')
    const { certificate } = authority.issue({ names: 'DNS:phone.test' })
    const { key } = authority.issue({ names: 'DNS:phone.test' })
    const https = { port: 0, certificate: file('one.pem', certificate), key: file('other.key', key) }
    const misfit = await checked({ ...BASE, web: { https } })
    expect([misfit.status, misfit.err]).toEqual([
      78,
      expect.stringContaining('web.https.key: expected the private key of web.https.certificate'),
    ])
  })

  test('asks the name servers of the configuration for hosts of trunks', async () => {
    const dns = closing(
      await DnsServer.start({
        hosts: ['a.pbx.test,127.0.0.2', 'b.pbx.test,127.0.0.3'],
        srv: ['_sip._udp.pbx.test,a.pbx.test,5080,1,10', '_sip._udp.pbx.test,b.pbx.test,5081,2,10'],
      }),
    )
    const trunks = [
      { name: 'there', host: 'pbx.test' },
      { name: 'nowhere', host: 'nobody.test' },
    ]
    const { status, of } = await checked({ ...BASE, trunks, dns: { servers: [dns.address] } })
    expect(status).toBe(1)
    expect(of('trunks there: host pbx.test')).toEqual(['ok: udp 127.0.0.2:5080, udp 127.0.0.3:5081'])
    expect(of('trunks nowhere: host nobody.test')).toEqual(['error: has no address that we can reach'])
  })

  test('tries every port, and tells one in use from one that cannot be had', async () => {
    const taken = createSocket('udp4').bind(0, '127.0.0.1')
    await once(taken, 'listening')
    closing({ close: async () => void taken.close() })
    const free = await freePort()
    const trunks = [{ name: 'a', host: '127.0.0.1' }]
    const { status, of } = await checked({
      ...BASE,
      trunks,
      udp: { host: '127.0.0.1', port: taken.address().port },
      tcp: { host: '127.0.0.1', port: free },
      tls: { port: 'off' },
    })
    expect(status).toBe(0)
    expect(of('udp')).toEqual([
      `warning: udp 127.0.0.1:${taken.address().port} is in use, perhaps by the daemon itself`,
    ])
    expect(of('tcp')).toEqual([`ok: tcp 127.0.0.1:${free} is free`])
    const media = { ...BASE.media, threads: 2, webrtcPort: taken.address().port - 1 }
    expect((await checked({ ...BASE, media })).of('media.webrtcPort')).toEqual([
      expect.stringContaining(`127.0.0.1:${taken.address().port - 1} is `),
      `warning: udp 127.0.0.1:${taken.address().port} is in use, perhaps by the daemon itself`,
    ])
    const foreign = await checked({ ...BASE, trunks, udp: { host: '203.0.113.1', port: 5060 } })
    expect(foreign.status).toBe(1)
    expect(foreign.of('udp')).toEqual([
      'error: udp 203.0.113.1:5060 cannot be bound: no address of this machine; a public address behind NAT goes into udp.announced',
    ])
  })

  test('warns where only private addresses are told to those outside', async () => {
    const dns = closing(
      await DnsServer.start({ hosts: ['carrier.test,203.0.113.10', 'office.test,10.0.0.5'] }),
    )
    const trunks = [
      { name: 'carrier', host: 'carrier.test' },
      { name: 'office', host: 'office.test' },
    ]
    const config = {
      ...BASE,
      trunks,
      udp: { host: '10.0.0.2', port: 0 },
      media: { ...BASE.media, addresses: ['10.0.0.2', 'fd00::2'] },
      dns: { servers: [dns.address] },
    }
    const of = (more: object) => checked({ ...config, ...more }).then(({ of }) => of)
    const inside = await of({})
    expect(inside('media.addresses')).toEqual([
      'warning: only private ones (10.0.0.2, fd00::2): browsers outside this network will have no audio; behind NAT set media.announced to the public one',
    ])
    expect(inside('trunks carrier: host carrier.test')).toEqual([
      'ok: udp 203.0.113.10:5060',
      'warning: is outside, and told our private address 10.0.0.2: its audio and requests may not reach us; behind NAT set udp.announced to the public one',
    ])
    expect(inside('trunks office: host office.test')).toEqual(['ok: udp 10.0.0.5:5060'])
    const announced = '198.51.100.20'
    const behindNat = await of({ udp: { ...config.udp, announced }, media: { ...config.media, announced } })
    expect(behindNat('media.addresses')).toEqual([])
    expect(behindNat('trunks carrier: host carrier.test')).toEqual(['ok: udp 203.0.113.10:5060'])
    const turn = { urls: ['turn:turn.test'], secret: 'a secret of twenty and more' }
    expect((await of({ turn }))('media.addresses')).toEqual([])
  })

  test('warns where no number is one of emergency, and calls can go out', async () => {
    const trunks = [{ name: 'a', host: '127.0.0.1' }]
    const [alone, without, having] = [
      await checked(BASE),
      await checked({ ...BASE, trunks }),
      await checked({ ...BASE, trunks, emergency: { numbers: ['112'], trunks: ['a'] } }),
    ]
    expect(alone.of('emergency.numbers')).toEqual([])
    expect(without.of('emergency.numbers')).toEqual([
      'warning: none, so 112, 110 and 911 are calls like others',
    ])
    expect(having.of('emergency.numbers')).toEqual([])
  })

  test('looks at a PBX that keeps the registrations as at a trunk: its host, port and certificates', async () => {
    const dns = closing(await DnsServer.start({ hosts: ['pbx.test,127.0.0.2'] }))
    const free = await freePort()
    const { certificate, key } = authority.issue({ names: 'DNS:phone.test', days: -1 })
    const files = { certificate: file('own.pem', certificate), key: file('own.key', key) }
    const upstream = {
      host: 'pbx.test',
      transport: 'tls',
      localHost: '127.0.0.1',
      localPort: free,
      tls: { ca: file('ca.pem', authority.certificate), ...files },
    }
    const config = {
      ...BASE,
      upstream,
      registration: { registrar: 'upstream' },
      tls: { port: 'off', ...files },
    }
    const { status, of, lines } = await checked({ ...config, dns: { servers: [dns.address] } })
    expect(of('upstream: host pbx.test')).toEqual(['ok: tls 127.0.0.2:5061'])
    expect(of('upstream.localPort')).toEqual([`ok: tcp 127.0.0.1:${free} is free`])
    expect(of('upstream: tls.ca')).toEqual([expect.stringMatching(/^warning: expires in 1 days/)])
    expect(of('upstream: tls.certificate')).toEqual([expect.stringMatching(/^error: expired/)])
    expect(of('tls.certificate')).toEqual([
      expect.stringMatching(/^error: expired/),
      expect.stringMatching(/^warning: its file has no certificate of its issuer/),
    ])
    expect(lines.some(({ what }) => what.startsWith('media.rtpPortMin'))).toBe(true)
    expect(status).toBe(1)
    const nobody = { ...config, upstream: { ...upstream, host: 'nobody.test' } }
    const unknown = await checked({ ...nobody, dns: { servers: [dns.address] } })
    expect(unknown.of('upstream: host nobody.test')).toEqual([expect.stringContaining('error: has ')])
  })

  test('tries :: of a web listener for both families, as the daemon binds it', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    closing({ close: async () => void taken.close() })
    const { port } = taken.address() as AddressInfo
    const both = { ...BASE, web: { http: { host: '::', port } } }
    expect((await checked(both)).of('web.http')).toEqual([
      `warning: tcp [::]:${port} is in use, perhaps by the daemon itself`,
    ])
    // Where another listener has IPv4, it is only for IPv6.
    const apart = { ...both, web: { ...both.web, listeners: [{ host: '127.0.0.1', port }] } }
    const { of } = await checked(apart)
    expect([of('web.http'), of('web.listeners[0]')]).toEqual([
      [`ok: tcp [::]:${port} is free`],
      [`warning: tcp 127.0.0.1:${port} is in use, perhaps by the daemon itself`],
    ])
  })

  test('asks which file, when it is told none', async () => {
    const err: string[] = []
    const status = await check.run([], { out: () => {}, err: (text) => void err.push(text), environment: {} })
    expect([status, err.join('')]).toEqual([64, expect.stringContaining('Give --config FILE')])
  })
})

const WORLD: CheckWorld = {
  readText: () => '',
  now: () => new Date(),
  bindError: async () => undefined,
  ephemeralPorts: () => undefined,
  mostReceiveBytes: () => undefined,
}

describe('RTP ports that the system gives to others', () => {
  const linesOf = (range: readonly [number, number] | undefined, trunks = [trunkConfig()]) => {
    const base = loadConfig(undefined, {})
    const config = { ...base, trunks, media: { ...base.media, rtpPortMin: 16_384, rtpPortMax: 32_767 } }
    return rangeLines(config, { ...WORLD, ephemeralPorts: () => range }).map(({ level }) => level)
  }

  test.each([
    [32_768, 60_999, 'ok'],
    [32_767, 60_999, 'warning'],
    [1_024, 16_383, 'ok'],
    [1_024, 16_384, 'warning'],
    [20_000, 20_001, 'warning'],
    [1_024, 65_535, 'warning'],
  ])('%i-%i: %s', (first, last, level) => {
    expect(linesOf([first, last])).toEqual([level])
  })

  test('are no matter where no trunk is, or nothing is known of them', () => {
    expect(linesOf([1_024, 65_535], [])).toEqual([])
    expect(linesOf(undefined)).toEqual([])
  })
})

describe('packets that the system keeps for us', () => {
  const linesOf = (bytes: number | undefined) => bufferLines({ ...WORLD, mostReceiveBytes: () => bytes })

  test('fewer than are asked for are a warning, with the line to set', () => {
    expect(linesOf(212_992)).toEqual([
      {
        level: 'warning',
        what: 'net.core.rmem_max',
        text: expect.stringMatching(/^is 212992: .*set net\.core\.rmem_max = 4194304$/),
      },
    ])
    expect(linesOf(4_194_303).map(({ level }) => level)).toEqual(['warning'])
  })

  test('as many as are asked for are none, and nothing is said where nothing is known', () => {
    expect(linesOf(4_194_304).map(({ level }) => level)).toEqual(['ok'])
    expect(linesOf(undefined)).toEqual([])
  })

  test('are looked at by `webtrunk check`', async () => {
    const { lines } = await checked(BASE)
    const most = Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'))
    const level = most < 4_194_304 ? 'warning' : 'ok'
    expect(lines.filter(({ what }) => what === 'net.core.rmem_max')).toEqual([
      { level, what: 'net.core.rmem_max', text: expect.stringContaining(`is ${most}`) },
    ])
  })
})
