import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import type { TransportAddress } from '../../../media/parameters.ts'
import {
  bindingRequest,
  RelayBench,
  receiverReport,
  sameTypes,
  UdpPeer,
  until,
} from '../../harness/relay-bench.ts'
import { parseBareRtp, rtp } from '../../harness/rtp-packet.ts'
import { SrtpOracle } from '../../harness/srtp-oracle.ts'

/** From 127.0.0.1 and the UDP port 0, which no ordinary socket can have. Needs the right to open a raw socket. */
function sendFromPortZero(bytes: Buffer, { port }: TransportAddress): void {
  const script = `use Socket;
    socket(my $raw, PF_INET, SOCK_RAW, 17) or die "no raw socket: $!";
    my $bytes = pack('H*', '${bytes.toString('hex')}');
    send($raw, pack('nnnn', 0, ${port}, 8 + length $bytes, 0) . $bytes, 0, sockaddr_in(0, inet_aton('127.0.0.1'))) or die $!`
  const { status, stderr } = spawnSync('perl', ['-e', script], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
}

test('whoever cannot be answered, because its port is 0, is not heard', async () => {
  const bench = new RelayBench()
  const { at } = bench.bind()
  bench.webrtc('frag', 1)
  sendFromPortZero(bindingRequest('frag:x'), at)
  await bench.untilCounted('media.no-source-port')
  const announced = await UdpPeer.open()
  const trunk = bench.rtp(2)
  bench.relay.setRemote(trunk.leg, { rtp: announced.address, rtcp: undefined, latchMs: 600_000 })
  bench.relay.setKeys(trunk.leg, 'receive', 'none')
  sendFromPortZero(rtp(), trunk.at)
  await bench.untilDropped(trunk.leg, 'media.no-source-port')
  expect(bench.relay.stats(trunk.leg)).toMatchObject({ packetsReceived: 0, remote: announced.address })
  expect(bench.records).toEqual([])
})

test("a check of one browser does not take the 5-tuple by which another one's media comes", async () => {
  const bench = new RelayBench()
  const oracle = new SrtpOracle('AEAD_AES_128_GCM')
  const victim = await UdpPeer.open()
  const { at, socket } = bench.bind()
  const [own, other] = [bench.webrtc('first', 1), bench.webrtc('other', 2)]
  bench.relay.admit(own, socket, victim.address, true)
  bench.setKeys(own, oracle.suite, oracle)
  bench.relay.setRoute(own, sameTypes(own, 0))
  victim.send(oracle.protect(rtp({ sequence: 1 })), at)
  await victim.next()
  // With the address of the first in it, forged.
  bench.relay.admit(other, socket, victim.address, true)
  await bench.untilDropped(other, 'stun.tuple-in-use')
  victim.send(oracle.protect(rtp({ sequence: 2 })), at)
  expect(parseBareRtp(oracle.unprotect(await victim.next())).sequence).toBeGreaterThan(0)
  expect(bench.relay.stats(own)).toMatchObject({ packetsReceived: 2, drops: {}, remote: victim.address })
  expect(bench.relay.stats(other)?.remote).toBeUndefined()
})

test('the same description again gives a peer that was not heard another chance to be learnt, and nobody one beside a peer that is', async () => {
  const bench = new RelayBench()
  const [announced, natted, stranger] = [await UdpPeer.open(), await UdpPeer.open(), await UdpPeer.open()]
  const reports = await UdpPeer.open()
  const { leg, at } = bench.rtp(1)
  const describe = (latchMs: number): void =>
    bench.relay.setRemote(leg, { rtp: announced.address, rtcp: undefined, latchMs })
  describe(0)
  bench.relay.setKeys(leg, 'receive', 'none')
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  natted.send(rtp({ sequence: 1 }), at)
  await bench.untilDropped(leg, 'media.wrong-source')

  // Believed, because it is from the peer's address; its media may have lost its place at a NAT all the same.
  reports.send(receiverReport(2), { ...at, port: at.port + 1 })
  await bench.record('rtcp')
  describe(600_000)
  bench.relay.tables()
  natted.send(rtp({ sequence: 2 }), at)
  await until(() => bench.relay.stats(leg)?.remote?.port === natted.address.port, 'the peer learnt')

  describe(600_000)
  bench.relay.tables()
  stranger.send(rtp({ sequence: 3 }), at)
  await bench.untilDropped(leg, 'media.wrong-source', 2)
  expect(bench.relay.stats(leg)?.remote).toEqual(natted.address)
})

test('RTCP on the port of media is the peer heard there', async () => {
  const bench = new RelayBench()
  const [announced, stranger] = [await UdpPeer.open(), await UdpPeer.open()]
  const { leg, at } = bench.plain(1, announced)
  announced.send(receiverReport(2), at)
  await bench.record('rtcp')
  bench.relay.setRemote(leg, { rtp: announced.address, rtcp: undefined, latchMs: 600_000 })
  bench.relay.tables()
  stranger.send(rtp(), at)
  await bench.untilDropped(leg, 'media.wrong-source')
})

test('a peer behind a NAT that is described with another port is learnt there, though it still sends from the former one', async () => {
  const bench = new RelayBench()
  const [first, second] = [await UdpPeer.open(), await UdpPeer.open()]
  const { leg, at } = bench.rtp(1)
  const describe = (port: number): void =>
    bench.relay.setRemote(leg, { rtp: { address: '192.0.2.9', port }, rtcp: undefined, latchMs: 600_000 })
  const untilLearnt = (peer: UdpPeer): Promise<void> =>
    until(() => bench.relay.stats(leg)?.remote?.port === peer.address.port, 'the peer learnt')
  describe(4000)
  bench.relay.setKeys(leg, 'receive', 'none')
  first.send(rtp({ sequence: 1 }), at)
  await untilLearnt(first)

  describe(4002)
  bench.relay.tables()
  first.send(rtp({ sequence: 2 }), at)
  await untilLearnt(first)
  second.send(rtp({ sequence: 3 }), at)
  await untilLearnt(second)
  first.send(rtp({ sequence: 4 }), at)
  await bench.untilDropped(leg, 'media.wrong-source')
  expect(bench.relay.stats(leg)).toMatchObject({ packetsReceived: 3, remote: second.address })
})
