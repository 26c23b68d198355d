import { expect, test } from 'vitest'
import type { LegId } from '../../../media/native/boundary.ts'
import type { TransportAddress } from '../../../media/parameters.ts'
import {
  DTLS_RECORD,
  RelayBench,
  receiverReport,
  type SharedSockets,
  sameTypes,
  UdpPeer,
  until,
} from '../../harness/relay-bench.ts'
import { parseBareRtp, rtp } from '../../harness/rtp-packet.ts'
import { SrtpReference } from '../../harness/srtp-reference.ts'

const COLLISION = expect.objectContaining({ code: 'ECOLLISION' })

const said = (packet: Buffer): string => parseBareRtp(packet).payload.toString()
const saying = (sequence: number, text: string, ssrc = 0x11111111): Buffer =>
  rtp({ sequence, timestamp: sequence * 160, ssrc, payload: Buffer.from(text) })

interface SharingCall {
  readonly peer: UdpPeer
  readonly leg: LegId
  readonly far: UdpPeer
  readonly farAt: TransportAddress
}

/** A call between a peer on shared sockets and one on ports of its own. */
async function call(bench: RelayBench, shared: SharedSockets, ssrc: number): Promise<SharingCall> {
  const [peer, far] = [await UdpPeer.open(shared.at.address), await UdpPeer.open()]
  const leg = bench.sharing(ssrc, shared, peer)
  const { leg: farLeg, at: farAt } = bench.plain(0xf000 + ssrc, far)
  bench.relay.setRoute(leg, sameTypes(farLeg, 0))
  bench.relay.setRoute(farLeg, sameTypes(leg, 0))
  return { peer, leg, far, farAt }
}

/** A leg on shared sockets that echoes. */
async function echo(bench: RelayBench, shared: SharedSockets, ssrc = 0xe0) {
  const peer = await UdpPeer.open()
  const leg = bench.sharing(ssrc, shared, peer)
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  return { peer, leg }
}

test.each(['127.0.0.1', '::1'])('calls on one port are heard apart, both ways, on %s', async (address) => {
  const bench = new RelayBench()
  const shared = bench.shared(address)
  const calls = [
    await call(bench, shared, 0xa0),
    await call(bench, shared, 0xa1),
    await call(bench, shared, 0xa2),
  ]
  for (const sequence of [1, 2, 3])
    for (const [at, { peer }] of calls.entries())
      peer.send(saying(sequence, `${sequence} of ${at}`), shared.at)
  for (const [at, { far }] of calls.entries())
    expect([said(await far.next()), said(await far.next()), said(await far.next())]).toEqual([
      `1 of ${at}`,
      `2 of ${at}`,
      `3 of ${at}`,
    ])
  for (const [at, { far, farAt }] of calls.entries()) far.send(saying(1, `to ${at}`), farAt)
  for (const [at, { peer }] of calls.entries()) {
    const heard = parseBareRtp(await peer.next())
    expect([heard.payload.toString(), heard.ssrc]).toEqual([`to ${at}`, 0xa0 + at])
    expect(peer.received[0]?.from).toEqual(shared.at)
  }
  expect(bench.relay.counters()).toEqual({})
})

test('what a stranger sends is dropped and counted, whatever it looks like, and no leg moves to it', async () => {
  const bench = new RelayBench()
  const shared = bench.shared()
  const { peer, leg } = await echo(bench, shared)
  const stranger = await UdpPeer.open()
  for (const bytes of [
    saying(1, 'intruder'),
    receiverReport(1),
    DTLS_RECORD,
    Buffer.of(0),
    Buffer.alloc(1_700, 0x80),
  ])
    for (const at of [shared.at, shared.rtcpAt]) stranger.send(bytes, at)
  await bench.untilCounted('media.unmatched', 10)
  peer.send(saying(2, 'still here'), shared.at)
  expect(said(await peer.next())).toBe('still here')
  expect(bench.relay.stats(leg)).toMatchObject({ packetsReceived: 1, drops: {}, remote: peer.address })
  expect(stranger.received).toEqual([])
  expect(bench.count('rtcp') + bench.count('dtls')).toBe(0)
})

test('the right address with another port is a stranger, and so is the peer before its description', async () => {
  const bench = new RelayBench()
  const shared = bench.shared('127.0.0.2')
  const [peer, besides] = [await UdpPeer.open('127.0.0.3'), await UdpPeer.open('127.0.0.3')]
  const leg = bench.relay.addLeg({ kind: 'rtp', ssrc: 5, shared: shared.place })
  bench.relay.setKeys(leg, 'receive', 'none')
  bench.relay.setKeys(leg, 'send', 'none')
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  peer.send(saying(1, 'too early'), shared.at)
  await bench.untilCounted('media.unmatched', 1)
  // A learning window is not opened on shared ports, however long it would be.
  bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 60_000 })
  besides.send(saying(1, 'another port'), shared.at)
  await bench.untilCounted('media.unmatched', 2)
  peer.send(saying(2, 'described'), shared.at)
  expect(said(await peer.next())).toBe('described')
})

test('RTCP is heard on the shared port for it, from where it was announced, and on that of RTP when muxed', async () => {
  const bench = new RelayBench()
  const shared = bench.shared()
  const [apart, muxed] = [await echo(bench, shared, 1), await echo(bench, shared, 2)]
  const rtcp = await UdpPeer.open()
  bench.relay.setRemote(apart.leg, { rtp: apart.peer.address, rtcp: rtcp.address, latchMs: 0 })

  rtcp.send(receiverReport(0xaa), shared.rtcpAt)
  muxed.peer.send(receiverReport(0xbb), shared.at)
  await until(() => bench.count('rtcp') === 2, 'both reports')
  const reports = bench.records.filter((record) => record.kind === 'rtcp')
  expect(reports.map(({ leg }) => leg).sort()).toEqual([apart.leg, muxed.leg].sort())

  bench.relay.sendRtcp(apart.leg, receiverReport(1))
  bench.relay.sendRtcp(muxed.leg, receiverReport(2))
  expect(await rtcp.next()).toEqual(receiverReport(1))
  expect(await muxed.peer.next()).toEqual(receiverReport(2))
  expect(rtcp.received[0]?.from).toEqual(shared.rtcpAt)

  // The RTP port of the one, and nobody's port: no RTCP of theirs is expected there.
  apart.peer.send(receiverReport(0xcc), shared.rtcpAt)
  muxed.peer.send(receiverReport(0xdd), shared.rtcpAt)
  rtcp.send(receiverReport(0xee), shared.at)
  await bench.untilCounted('media.unmatched', 3)
  expect(bench.count('rtcp')).toBe(2)
})

test('a remote of another leg, for RTP or for RTCP, is refused and changes nothing', async () => {
  const bench = new RelayBench()
  const shared = bench.shared()
  const { peer, leg } = await echo(bench, shared)
  const [rtcp, other] = [await UdpPeer.open(), await UdpPeer.open()]
  bench.relay.setRemote(leg, { rtp: peer.address, rtcp: rtcp.address, latchMs: 0 })
  const second = bench.sharing(9, shared, other)
  const taken = (target: Parameters<typeof bench.relay.setRemote>[1]) => () =>
    bench.relay.setRemote(second, target)
  expect(taken({ rtp: peer.address, rtcp: undefined, latchMs: 0 })).toThrow(COLLISION)
  expect(taken({ rtp: other.address, rtcp: rtcp.address, latchMs: 0 })).toThrow(COLLISION)
  // One spelling of an address is as good as another.
  const mapped = { address: `::ffff:${peer.address.address}`, port: peer.address.port }
  expect(taken({ rtp: mapped, rtcp: undefined, latchMs: 0 })).toThrow(COLLISION)

  bench.relay.setRoute(second, sameTypes(second, 0))
  peer.send(saying(1, 'first'), shared.at)
  other.send(saying(1, 'second'), shared.at)
  expect([said(await peer.next()), said(await other.next())]).toEqual(['first', 'second'])

  // The same remote on another pair is another 5-tuple.
  const elsewhere = bench.shared()
  const third = bench.sharing(10, elsewhere, peer)
  bench.relay.setRoute(third, sameTypes(third, 0))
  peer.send(saying(2, 'third'), elsewhere.at)
  expect(parseBareRtp(await peer.next()).ssrc).toBe(10)
})

test('while another call of the same source is told its own port, a foreign SSRC does not get into the first', async () => {
  const bench = new RelayBench()
  const shared = bench.shared()
  const first = await call(bench, shared, 0xa0)
  first.peer.send(saying(1, 'of the first', 0x1111), shared.at)
  expect(said(await first.far.next())).toBe('of the first')

  const second = bench.relay.addLeg({ kind: 'rtp', ssrc: 2, shared: shared.place })
  const target = { rtp: first.peer.address, rtcp: undefined, latchMs: 1_000 }
  expect(() => bench.relay.setRemote(second, target)).toThrow(COLLISION)
  first.peer.send(saying(7, 'of the second', 0x2222), shared.at)
  first.peer.send(saying(2, 'of the first again', 0x1111), shared.at)
  expect(said(await first.far.next())).toBe('of the first again')
  expect(bench.drops(first.leg)).toEqual({ 'media.contested': 1 })

  const own = bench.move(second)
  bench.relay.setKeys(second, 'receive', 'none')
  bench.relay.setKeys(second, 'send', 'none')
  bench.relay.setRemote(second, target)
  bench.relay.setRoute(second, sameTypes(second, 0))
  first.peer.send(saying(8, 'on its own port', 0x2222), own)
  expect(said(await first.peer.next())).toBe('on its own port')
  expect(first.peer.received[0]?.from).toEqual(own)
})

test('a leg that moves to ports of its own goes on with stream, keys and target, and its old tuple is free', async () => {
  const bench = new RelayBench()
  const suite = 'AES_CM_128_HMAC_SHA1_80'
  const shared = bench.shared()
  const { peer, leg } = await echo(bench, shared)
  const oracle = new SrtpReference(suite)
  bench.setKeys(leg, suite, oracle)
  peer.send(oracle.protect(saying(1, 'before')), shared.at)
  const before = parseBareRtp(oracle.unprotect(await peer.next()))

  const own = bench.move(leg)
  peer.send(oracle.protect(saying(2, 'after')), own)
  const after = parseBareRtp(oracle.unprotect(await peer.next()))
  expect(after).toMatchObject({ sequence: (before.sequence + 1) & 0xffff, payload: Buffer.from('after') })
  expect(peer.received[1]?.from).toEqual(own)
  peer.send(oracle.protect(saying(3, 'to the old port')), shared.at)
  await bench.untilCounted('media.unmatched')

  const next = bench.sharing(0xe1, shared, peer)
  bench.relay.setRoute(next, sameTypes(next, 0))
  peer.send(saying(1, 'the next call'), shared.at)
  expect(parseBareRtp(await peer.next())).toMatchObject({ ssrc: 0xe1, payload: Buffer.from('the next call') })
  expect(() => bench.move(leg)).toThrow(TypeError)
})

test('a peer that moves is known by its new remote alone; a hold keeps the tuple', async () => {
  const bench = new RelayBench()
  const shared = bench.shared()
  const { peer, leg } = await echo(bench, shared)
  const moved = await UdpPeer.open()
  bench.relay.setRemote(leg, { rtp: moved.address, rtcp: undefined, latchMs: 0 })
  peer.send(saying(1, 'from the old place'), shared.at)
  await bench.untilCounted('media.unmatched')
  moved.send(saying(1, 'from the new one'), shared.at)
  expect(said(await moved.next())).toBe('from the new one')

  bench.relay.setRemote(leg, undefined)
  const other = bench.relay.addLeg({ kind: 'rtp', ssrc: 3, shared: shared.place })
  expect(() => bench.relay.setRemote(other, { rtp: moved.address, rtcp: undefined, latchMs: 0 })).toThrow(
    COLLISION,
  )
  moved.send(saying(2, 'held'), shared.at)
  await bench.untilDropped(leg, 'media.no-target')
})

test('keys are those of the call: what the other one encrypts is refused', async () => {
  const bench = new RelayBench()
  const suite = 'AEAD_AES_128_GCM'
  const shared = bench.shared()
  const [one, two] = [await echo(bench, shared, 1), await echo(bench, shared, 2)]
  const [oracle, other] = [new SrtpReference(suite), new SrtpReference(suite)]
  bench.setKeys(one.leg, suite, oracle)
  bench.setKeys(two.leg, suite, other)
  one.peer.send(oracle.protect(saying(1, 'one')), shared.at)
  two.peer.send(other.protect(saying(1, 'two')), shared.at)
  expect(said(oracle.unprotect(await one.peer.next()))).toBe('one')
  expect(said(other.unprotect(await two.peer.next()))).toBe('two')
  two.peer.send(oracle.protect(saying(2, 'with the wrong key')), shared.at)
  await bench.untilDropped(two.leg, 'srtp.auth-failed')
  expect(bench.drops(one.leg)).toEqual({})
})

test('after a hang-up the tuple is free at once, and nothing of the call before is left', async () => {
  const bench = new RelayBench()
  const shared = bench.shared()
  const { peer, leg } = await echo(bench, shared)
  for (let round = 0; round < 50; round++) {
    const before = round === 0 ? leg : bench.sharing(round, shared, peer)
    bench.relay.remove(before)
  }
  peer.send(saying(1, 'to nobody'), shared.at)
  await bench.untilCounted('media.unmatched')
  expect(bench.relay.tables()).toMatchObject({ legs: 0, tuples: 0, sockets: 2 })
  const next = bench.sharing(0x77, shared, peer)
  bench.relay.setRoute(next, sameTypes(next, 0))
  peer.send(saying(1, 'to the next'), shared.at)
  expect(parseBareRtp(await peer.next())).toMatchObject({ ssrc: 0x77 })
})

test('one past the shared sockets is refused, and so is a place that is none', async () => {
  const bench = new RelayBench()
  const { place, at } = bench.shared()
  const ports = { address: at.address, rtpPort: at.port }
  expect(() => bench.relay.bindShared(ports)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
  for (let pair = 1; pair < 16; pair++) bench.shared()
  expect(() => bench.shared()).toThrow(expect.objectContaining({ code: 'ELIMIT' }))
  const { socket } = bench.bind()
  const add =
    (shared: { rtp: number; rtcp: number }, dtls = false) =>
    () =>
      bench.relay.addLeg({ kind: 'rtp', ssrc: 1, shared, dtls } as Parameters<typeof bench.relay.addLeg>[0])
  expect(add({ rtp: place.rtcp, rtcp: place.rtp })).toThrow(TypeError)
  expect(add({ rtp: socket, rtcp: place.rtcp })).toThrow(TypeError)
  expect(add({ rtp: 99, rtcp: place.rtcp })).toThrow(RangeError)
  expect(add(place, true)).toThrow(TypeError)
  const web = bench.webrtc('webfrag', 4)
  expect(() => bench.relay.admit(web, place.rtp, { address: '127.0.0.1', port: 9 }, true)).toThrow(TypeError)
  expect(() => bench.relay.send(place.rtp, { address: '127.0.0.1', port: 9 }, DTLS_RECORD)).toThrow(TypeError)
  expect(bench.relay.tables()).toMatchObject({ legs: 1, sockets: 33 })
})
