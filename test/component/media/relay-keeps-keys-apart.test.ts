import { expect, test } from 'vitest'
import { SRTP_SUITES, type SrtpSuite } from '../../../media/parameters.ts'
import { RelayBench, receiverReport, sameTypes, UdpPeer } from '../../harness/relay-bench.ts'
import { parseBareRtp, rtp } from '../../harness/rtp-packet.ts'
import { SrtpReference } from '../../harness/srtp-reference.ts'

test('a key that comes back after others goes on ahead of all it encrypted', async () => {
  const bench = new RelayBench()
  const [first, second] = [
    new SrtpReference('AES_256_CM_HMAC_SHA1_80'),
    new SrtpReference('AEAD_AES_256_GCM'),
  ]
  const [peer, plain] = [await UdpPeer.open(), await UdpPeer.open()]
  const { leg } = bench.rtp(0x51)
  const source = bench.plain(0x52, plain)
  bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
  bench.relay.setRoute(source.leg, sameTypes(leg, 0))
  let sequence = 0
  const send = async (keys: SrtpReference, step = 1): Promise<number> => {
    bench.setKeys(leg, keys.suite, keys)
    bench.relay.tables()
    sequence += step
    plain.send(rtp({ sequence, payload: Buffer.from('voice') }), source.at)
    const heard = parseBareRtp(keys.unprotect(await peer.next()))
    expect(heard.payload.toString()).toBe('voice')
    return heard.sequence
  }
  const reportIndex = async (keys: SrtpReference, tail: number): Promise<number> => {
    bench.setKeys(leg, keys.suite, keys)
    bench.relay.sendRtcp(leg, receiverReport(0x51))
    const packet = await peer.next()
    expect(keys.unprotectRtcp(packet)).toEqual(receiverReport(0x51))
    return packet.readUInt32BE(packet.length - tail) & 0x7fffffff
  }
  const start = await send(first)
  const report = await reportIndex(first, 14)
  expect(await send(second)).toBe(start + 1)
  await reportIndex(second, 4)
  expect(await send(first)).toBe(start + 2)
  expect(await reportIndex(first, 14)).toBe(report + 1)

  // More than half a round later its own numbers would look like late ones, and be refused for minutes.
  for (let step = 0; step < 14; step++) await send(second, 2_900)
  expect(await send(first)).toBe(start + 3)
  expect(await send(first)).toBe(start + 4)
  expect(bench.drops(leg)).toEqual({})
})

test('a new key begins behind the wrap rather than right before it', async () => {
  const bench = new RelayBench()
  const [first, second] = [
    new SrtpReference('AES_CM_128_HMAC_SHA1_80'),
    new SrtpReference('AEAD_AES_128_GCM'),
  ]
  const [peer, plain] = [await UdpPeer.open(), await UdpPeer.open()]
  const { leg } = bench.rtp(0x51)
  const source = bench.plain(0x52, plain)
  bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
  bench.relay.setRoute(source.leg, sameTypes(leg, 0))
  let sequence = 0
  const send = async (keys: SrtpReference, step: number): Promise<number> => {
    sequence += step
    plain.send(rtp({ sequence: sequence & 0xffff }), source.at)
    return parseBareRtp(keys.unprotect(await peer.next())).sequence
  }
  bench.setKeys(leg, first.suite, first)
  let heard = await send(first, 1)
  while (heard < 65_500) heard = await send(first, Math.min(2_900, 65_500 - heard))
  bench.setKeys(leg, second.suite, second)
  bench.relay.tables()
  expect([await send(second, 1), await send(second, 1)]).toEqual([0, 1])
  expect(bench.drops(leg)).toEqual({})
})

test('a trunk leg sends with sixteen keys in its life, and one past that sends nothing', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { leg } = bench.rtp(0x51)
  bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
  const keys = Array.from({ length: 17 }, () => new SrtpReference('AES_CM_128_HMAC_SHA1_80'))
  const report = (at: number): void => {
    const reference = keys[at]
    if (reference === undefined) throw new Error('no such key')
    bench.setKeys(leg, reference.suite, reference)
    bench.relay.sendRtcp(leg, receiverReport(0x51))
  }
  for (let at = 0; at < 16; at++) {
    report(at)
    expect(keys[at]?.unprotectRtcp(await peer.next())).toEqual(receiverReport(0x51))
  }
  report(16)
  await bench.untilDropped(leg, 'srtp.no-keys')
  report(3)
  expect(keys[3]?.unprotectRtcp(await peer.next())).toEqual(receiverReport(0x51))
  expect(peer.received).toHaveLength(17)
})

test.each(Object.keys(SRTP_SUITES) as SrtpSuite[])(
  'with %s, packets without the declared MKI or with another are dropped and counted',
  async (suite) => {
    const bench = new RelayBench()
    const mki = Buffer.from('00000107', 'hex')
    const keys = new SrtpReference(suite, mki)
    const [none, other] = [new SrtpReference(suite), new SrtpReference(suite, Buffer.from('00000108', 'hex'))]
    const peer = await UdpPeer.open()
    const { leg, at } = bench.rtp(0x51)
    bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
    bench.relay.setRoute(leg, sameTypes(leg, 0))
    bench.relay.setKeys(leg, 'receive', { suite, keySalt: keys.toRelay, mki })
    bench.relay.setKeys(leg, 'send', { suite, keySalt: keys.fromRelay })

    peer.send(none.protect(rtp()), at)
    peer.send(other.protect(rtp()), at)
    peer.send(other.protectRtcp(receiverReport(1)), at)
    await bench.untilDropped(leg, 'srtp.wrong-mki', 3)
    peer.send(keys.protect(rtp({ payload: Buffer.from('voice') })), at)
    expect(parseBareRtp(keys.unprotect(await peer.next())).payload.toString()).toBe('voice')
    peer.send(keys.protectRtcp(receiverReport(1)), at)
    expect((await bench.record('rtcp')).bytes).toEqual(receiverReport(1))

    // The same key by another name is still the same key.
    bench.relay.setKeys(leg, 'receive', { suite, keySalt: keys.toRelay, mki: Buffer.from('08', 'hex') })
    peer.send(keys.protect(rtp({ sequence: 2 })), at)
    await bench.untilDropped(leg, 'srtp.wrong-mki', 4)
    expect(bench.drops(leg)).toEqual({ 'srtp.wrong-mki': 4 })
  },
)

test('an MKI is 1 to 128 bytes, and of what is received', () => {
  const bench = new RelayBench()
  const { leg } = bench.rtp(0x51)
  const key = { suite: 'AES_CM_128_HMAC_SHA1_80', keySalt: Buffer.alloc(30) } as const
  for (const length of [0, 129])
    expect(() => bench.relay.setKeys(leg, 'receive', { ...key, mki: Buffer.alloc(length) })).toThrow()
  bench.relay.setKeys(leg, 'receive', { ...key, mki: Buffer.alloc(128) })
  expect(() => bench.relay.setKeys(leg, 'send', { ...key, mki: Buffer.alloc(1) })).toThrow(TypeError)
})
