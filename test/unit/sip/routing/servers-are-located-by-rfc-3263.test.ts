import { describe, expect, it } from 'vitest'
import {
  type DnsAnswer,
  type DnsQueries,
  type Domain,
  LOCATE_LIMITS,
  locate,
  type NaptrRecord,
  type SrvRecord,
} from '../../../../sip/routing/locate.ts'

interface Zone {
  readonly naptr?: Readonly<Record<string, readonly NaptrRecord[]>>
  readonly srv?: Readonly<Record<string, readonly SrvRecord[]>>
  readonly addresses?: Readonly<Record<string, readonly string[]>>
  readonly ttlS?: Readonly<Record<string, number>>
  /** Names whose questions get no answer. */
  readonly silent?: readonly string[]
}

function dnsOf(zone: Zone): DnsQueries & { readonly asked: string[] } {
  const asked: string[] = []
  const answer =
    <Entry>(kind: string, table: Readonly<Record<string, readonly Entry[]>> = {}) =>
    async (name: string): Promise<DnsAnswer<Entry>> => {
      asked.push(`${kind} ${name}`)
      if (zone.silent?.includes(name)) throw new Error('ETIMEOUT')
      return { records: table[name] ?? [], ttlS: zone.ttlS?.[name] }
    }
  return {
    asked,
    naptr: answer('NAPTR', zone.naptr),
    srv: answer('SRV', zone.srv),
    addresses: answer('A', zone.addresses),
  }
}

const domain = (over: Partial<Domain> = {}): Domain => ({
  host: 'example.com',
  port: undefined,
  transport: 'udp',
  supported: ['tls', 'tcp', 'udp'],
  ...over,
})
const srv = (name: string, priority = 1, weight = 1, port = 5060): SrvRecord => ({
  name,
  priority,
  weight,
  port,
})
const naptr = (service: string, replacement: string, order = 1, preference = 1): NaptrRecord => ({
  service,
  replacement,
  order,
  preference,
  flags: 's',
})
const A = { 'a.example.com': ['192.0.2.1'], 'b.example.com': ['192.0.2.2', '2001:db8::2'] }

describe('where a trunk is', () => {
  it('an address is itself, and nobody is asked', async () => {
    const dns = dnsOf({})
    for (const [over, expected] of [
      [{ host: '192.0.2.9' }, { transport: 'udp', port: 5060 }],
      [
        { host: '192.0.2.9', transport: 'tls' },
        { transport: 'tls', port: 5061 },
      ],
      [
        { host: '192.0.2.9', transport: 'auto', port: 5070 },
        { transport: 'udp', port: 5070 },
      ],
      [
        { host: '2001:db8::9', transport: 'tcp' },
        { transport: 'tcp', port: 5060 },
      ],
    ] as const) {
      const { servers } = await locate(domain(over), dns)
      expect(servers).toEqual([{ ...expected, priority: 0, weight: 0, addresses: [over.host] }])
    }
    expect(dns.asked).toEqual([])
  })

  it('with a port given, only addresses are asked for', async () => {
    const dns = dnsOf({ addresses: { 'example.com': ['192.0.2.1', '2001:db8::1'] } })
    const { servers } = await locate(domain({ port: 5070, transport: 'tcp' }), dns)
    expect(servers).toEqual([
      { transport: 'tcp', port: 5070, priority: 0, weight: 0, addresses: ['192.0.2.1', '2001:db8::1'] },
    ])
    expect(dns.asked).toEqual(['A example.com'])
  })

  it.each([
    ['udp', '_sip._udp.example.com'],
    ['tcp', '_sip._tcp.example.com'],
    ['tls', '_sips._tcp.example.com'],
  ] as const)(
    'without a port, over %s, SRV says it, with ports, priorities and weights',
    async (transport, name) => {
      const zone = {
        srv: { [name]: [srv('a.example.com', 2, 5, 5080), srv('b.example.com', 1, 7)] },
        addresses: A,
      }
      const { servers, isDoubtful } = await locate(domain({ transport }), dnsOf(zone))
      expect(servers).toEqual([
        { transport, port: 5060, priority: 1, weight: 7, addresses: ['192.0.2.2', '2001:db8::2'] },
        { transport, port: 5080, priority: 2, weight: 5, addresses: ['192.0.2.1'] },
      ])
      expect(isDoubtful).toBe(false)
    },
  )

  it('without SRV records it is the host, at the usual port', async () => {
    const dns = dnsOf({ addresses: { 'example.com': ['192.0.2.1'] } })
    expect((await locate(domain({ transport: 'tls' }), dns)).servers).toEqual([
      { transport: 'tls', port: 5061, priority: 0, weight: 0, addresses: ['192.0.2.1'] },
    ])
    expect(dns.asked).toEqual(['SRV _sips._tcp.example.com', 'A example.com'])
  })

  it('a service that is decidedly not there has no server, and neither has a host without address', async () => {
    const zone: Zone = {
      srv: { '_sip._udp.example.com': [srv('.'), srv('')] },
      addresses: { 'example.com': ['192.0.2.1'] },
    }
    expect((await locate(domain(), dnsOf(zone))).servers).toEqual([])
    const lost: Zone = { srv: { '_sip._udp.example.com': [srv('gone.example.com')] } }
    expect((await locate(domain(), dnsOf(lost))).servers).toEqual([])
  })

  it('NAPTR chooses the transport: the first that we can do, by order and preference', async () => {
    const zone: Zone = {
      naptr: {
        'example.com': [
          naptr('SIP+D2U', 'u.example.com', 20),
          naptr('SIP+D2S', 'sctp.example.com', 1),
          naptr('SIP+D2T', 't.example.com', 10, 2),
          naptr('SIPS+D2T', 's.example.com', 10, 1),
          { ...naptr('SIPS+D2T', 'rewritten.example.com', 0), flags: 'u' },
        ],
      },
      srv: {
        'u.example.com': [srv('a.example.com')],
        't.example.com': [srv('a.example.com')],
        's.example.com': [srv('b.example.com', 1, 1, 5061)],
      },
      addresses: A,
    }
    const of = async (supported: Domain['supported']) =>
      (await locate(domain({ transport: 'auto', supported }), dnsOf(zone))).servers.map(
        (row) => row.transport,
      )
    expect(await of(['tls', 'tcp', 'udp'])).toEqual(['tls'])
    expect(await of(['tcp', 'udp'])).toEqual(['tcp'])
    expect(await of(['udp'])).toEqual(['udp'])
  })

  it('without NAPTR the SRV records that are there choose it, and without those it is UDP', async () => {
    const tcpOnly = dnsOf({ srv: { '_sip._tcp.example.com': [srv('a.example.com')] }, addresses: A })
    expect(
      (await locate(domain({ transport: 'auto' }), tcpOnly)).servers.map((row) => row.transport),
    ).toEqual(['tcp'])
    expect(tcpOnly.asked).toEqual([
      'NAPTR example.com',
      'SRV _sips._tcp.example.com',
      'SRV _sip._tcp.example.com',
      'A a.example.com',
    ])
    const plain = dnsOf({ addresses: { 'example.com': ['192.0.2.1'] } })
    expect((await locate(domain({ transport: 'auto' }), plain)).servers).toEqual([
      { transport: 'udp', port: 5060, priority: 0, weight: 0, addresses: ['192.0.2.1'] },
    ])
  })

  it('the shortest life of all answers counts', async () => {
    const zone: Zone = {
      srv: { '_sip._udp.example.com': [srv('a.example.com'), srv('b.example.com')] },
      addresses: A,
      ttlS: { '_sip._udp.example.com': 300, 'a.example.com': 30, 'b.example.com': 60 },
    }
    expect((await locate(domain(), dnsOf(zone))).ttlS).toBe(30)
    expect((await locate(domain({ host: '192.0.2.1' }), dnsOf(zone))).ttlS).toBeUndefined()
  })

  it('a question without an answer makes the rest doubtful, and does not stop it', async () => {
    const zone: Zone = { silent: ['_sip._udp.example.com'], addresses: { 'example.com': ['192.0.2.1'] } }
    const located = await locate(domain(), dnsOf(zone))
    expect(located).toMatchObject({ isDoubtful: true, servers: [{ addresses: ['192.0.2.1'] }] })
  })

  it('who keeps the answer about a better transport from us does not make us take a worse one', async () => {
    const tlsFirst: Zone = {
      naptr: { 'example.com': [naptr('SIPS+D2T', 's.example.com', 1), naptr('SIP+D2U', 'u.example.com', 2)] },
      srv: { 'u.example.com': [srv('a.example.com')], '_sip._udp.example.com': [srv('a.example.com')] },
      addresses: { ...A, 'example.com': ['192.0.2.1'] },
      silent: ['s.example.com'],
    }
    const usual: Zone = { ...tlsFirst, naptr: {}, silent: ['_sips._tcp.example.com'] }
    for (const zone of [tlsFirst, usual]) {
      const dns = dnsOf(zone)
      expect(await locate(domain({ transport: 'auto' }), dns)).toEqual({
        servers: [],
        ttlS: undefined,
        isDoubtful: true,
      })
      expect(dns.asked.at(-1)).toBe(`SRV ${zone.silent?.[0]}`)
      // Once it is told that there is none, the next one is good.
      const told = await locate(domain({ transport: 'auto' }), dnsOf({ ...zone, silent: [] }))
      expect(told.servers.map(({ transport }) => transport)).toEqual(['udp'])
    }
    // Name servers that do not know NAPTR say nothing to it, and the usual names say the same.
    const noNaptr = await locate(domain({ transport: 'auto' }), dnsOf({ ...usual, silent: ['example.com'] }))
    expect(noNaptr).toMatchObject({ servers: [{ transport: 'udp' }], isDoubtful: true })
  })

  it('takes no more records than there is room for, the best by priority', async () => {
    const { srvRecords, addressesPerHost, naptrRecords } = LOCATE_LIMITS
    const many = Array.from({ length: srvRecords + 1 }, (_, index) =>
      srv('a.example.com', srvRecords - index),
    )
    const addresses = {
      'a.example.com': Array.from({ length: addressesPerHost + 1 }, (_, index) => `192.0.2.${index}`),
    }
    const { servers } = await locate(domain(), dnsOf({ srv: { '_sip._udp.example.com': many }, addresses }))
    expect(servers.map(({ priority }) => priority)).toEqual(
      Array.from({ length: srvRecords }, (_, index) => index),
    )
    expect(servers[0]?.addresses).toHaveLength(addressesPerHost)
    const turned = { 'a.example.com': addresses['a.example.com'].toReversed() }
    const again = await locate(domain(), dnsOf({ srv: { '_sip._udp.example.com': many }, addresses: turned }))
    // The same ones, and in the order of the answer: that is how a name server spreads the load.
    expect(again.servers[0]?.addresses).toEqual(servers[0]?.addresses.toReversed())

    const lures = Array.from({ length: naptrRecords }, (_, index) =>
      naptr('SIP+D2U', `n${index}.example.com`, index),
    )
    const last = naptr('SIP+D2U', 'real.example.com', naptrRecords)
    const dns = dnsOf({
      naptr: { 'example.com': [last, ...lures] },
      srv: { 'real.example.com': [srv('a.example.com')] },
      addresses,
    })
    await locate(domain({ transport: 'auto' }), dns)
    expect(dns.asked).toContain(`SRV n${naptrRecords - 1}.example.com`)
    expect(dns.asked).not.toContain('SRV real.example.com')
  })
})
