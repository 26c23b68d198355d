import { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { ClientAddresses } from '../../../../gateway/web/client-addresses.ts'
import { proxiedSource, restLength } from '../../../../gateway/web/proxy-protocol.ts'
import { TrustedProxies } from '../../../../gateway/web/trusted-proxies.ts'

const NETWORKS = ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', '::1']
const proxies = new TrustedProxies(NETWORKS)

describe('a trusted proxy', () => {
  test.each([
    ['10.255.0.1', true],
    ['11.0.0.1', false],
    ['192.0.2.1', true],
    ['192.0.2.2', false],
    ['::ffff:10.1.2.3', true],
    ['::FFFF:11.1.2.3', false],
    ['2001:db8:1::5', true],
    ['2001:db9::5', false],
    ['::1', true],
    ['0:0:0:0:0:0:0:1', true],
    ['', false],
    ['proxy.example', false],
  ])('%s: %s', (address, isTrusted) => {
    expect(proxies.has(address)).toBe(isTrusted)
  })

  test('there is none unless one is named', () => {
    const none = new TrustedProxies([])
    expect(none.has('127.0.0.1')).toBe(false)
    expect(none.clientOf('127.0.0.1', '203.0.113.9')).toBe('127.0.0.1')
  })
})

describe('the client in X-Forwarded-For', () => {
  test.each<[string, string | undefined, string, string]>([
    ['a stranger is believed nothing', '203.0.113.5', '198.51.100.1', '203.0.113.5'],
    ['whom the proxy heard', '10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['nobody is named', '10.0.0.1', '', '10.0.0.1'],
    ['the right-most that is no proxy', '10.0.0.1', '1.1.1.1, 198.51.100.1, 10.0.0.9', '198.51.100.1'],
    ['what the client invented stands left of it', '10.0.0.1', '10.0.0.7, 198.51.100.1', '198.51.100.1'],
    ['proxies all the way: the left-most', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['with a port', '10.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
    ['IPv6', '10.0.0.1', '2a00::7', '2a00::7'],
    ['IPv6 in brackets', '10.0.0.1', '[2a00::7]:4711', '2a00::7'],
    ['IPv4 in IPv6', '::ffff:10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
    ['unknown', '10.0.0.1', 'unknown', '10.0.0.1'],
    ['garbage next to the proxy hides the rest', '10.0.0.1', '198.51.100.1, <script>', '10.0.0.1'],
    ['empty entries', '10.0.0.1', ' , ,', '10.0.0.1'],
    ['a name', '10.0.0.1', 'localhost', '10.0.0.1'],
    ['a Unix socket is a proxy of ours', undefined, '1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['a Unix socket without a word is this host', undefined, '', '127.0.0.1'],
    ['a long list', '10.0.0.1', `1.1.1.1, ${'10.0.0.2, '.repeat(1_000)}10.0.0.3`, '1.1.1.1'],
  ])('%s', (_name, hop, forwardedFor, client) => {
    expect(proxies.clientOf(hop, forwardedFor)).toBe(client)
  })
})

test('a peer that has gone already is no proxy, whatever it sent', () => {
  const clients = new ClientAddresses(proxies)
  const gone = { socket: new Socket(), headers: { 'x-forwarded-for': '198.51.100.1' } }
  expect(clients.of(gone)).toEqual({ address: '', port: 0 })
})

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const prefix = (rest: string): Buffer => Buffer.from(SIGNATURE + rest, 'hex')

describe('a PROXY header', () => {
  test.each([
    ['PROXY, TCP over IPv4', '2111000c', 12],
    ['LOCAL', '20000000', 0],
    ['the longest', '21111000', 4_096],
    ['one byte longer', '21111001', undefined],
    ['version 1', '1111000c', undefined],
    ['version 3', '3111000c', undefined],
    ['an unknown command', '2211000c', undefined],
  ])('%s', (_name, rest, length) => {
    expect(restLength(prefix(rest))).toBe(length)
  })

  test('with another signature, or short, is none', () => {
    const good = prefix('2111000c')
    for (let at = 0; at < 12; at += 1) {
      const bad = Buffer.from(good)
      bad.writeUInt8(bad.readUInt8(at) ^ 1, at)
      expect(restLength(bad)).toBeUndefined()
    }
    expect(restLength(good.subarray(0, 15))).toBeUndefined()
    expect(restLength(Buffer.from('PROXY TCP4 1.2.3'))).toBeUndefined()
  })

  const IPV4 = 'c6336401' + 'c0000201' + '1267' + '01bb'
  const IPV6 = `20010db8${'0'.repeat(22)}07${'0'.repeat(32)}126701bb`
  const MAPPED = `${'0'.repeat(20)}ffffc6336401${'0'.repeat(32)}126701bb`
  test.each<[string, string, string, unknown]>([
    ['IPv4', '2111000c', IPV4, { address: '198.51.100.1', port: 4_711 }],
    ['IPv4 with extensions', '21110010', `${IPV4}04000100`, { address: '198.51.100.1', port: 4_711 }],
    ['IPv6', '21210024', IPV6, { address: '2001:db8:0:0:0:0:0:7', port: 4_711 }],
    ['IPv4 in IPv6', '21210024', MAPPED, { address: '198.51.100.1', port: 4_711 }],
    ['LOCAL, whatever it says', '2011000c', IPV4, 'own'],
    ['no family', '21000000', '', 'own'],
    ['UDP', '2112000c', IPV4, 'own'],
    ['Unix', '213100d8', '00'.repeat(216), 'own'],
    ['IPv4 cut short', '2111000b', IPV4.slice(2), undefined],
    ['IPv6 cut short', '21210023', IPV6.slice(2), undefined],
    ['nothing', '21110000', '', undefined],
  ])('says who: %s', (_name, head, rest, source) => {
    expect(proxiedSource(prefix(head), Buffer.from(rest, 'hex'))).toEqual(source)
  })
})
