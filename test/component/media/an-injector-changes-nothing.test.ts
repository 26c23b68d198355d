import { describe, expect, test } from 'vitest'
import { RelayBench, receiverReport, UdpPeer, until } from '../../harness/relay-bench.ts'
import { parseBareRtp, type Rtp, rtp } from '../../harness/rtp-packet.ts'
import { SrtpOracle } from '../../harness/srtp-oracle.ts'

const PACKETS = 60

/** Each packet of the peer among datagrams of somebody else, who knows SSRC, payload type and numbers, but sits elsewhere. */
describe.each(['plain RTP', 'SDES-SRTP'] as const)('%s', (kind) => {
  test.each([
    ['when the latch is strict', 0],
    ['in the learning window, once the peer was heard', 600_000],
  ])('%s', async (_, latchMs) => {
    const bench = new RelayBench()
    const [peer, far, injector] = [
      await UdpPeer.open(),
      await UdpPeer.open(),
      await UdpPeer.open('127.0.0.2'),
    ]
    const { leg, at } = bench.plain(0x4444, peer)
    const oracle = kind === 'plain RTP' ? undefined : new SrtpOracle('AES_CM_128_HMAC_SHA1_80')
    if (oracle !== undefined) bench.setKeys(leg, oracle.suite, oracle)
    bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs })
    const target = bench.plain(0x7777, far).leg
    bench.relay.setRoute(leg, { target, map: [{ from: 0, to: 0, clockRateHz: 8_000 }] })
    bench.relay.setRoute(target, { target: leg, map: [{ from: 0, to: 0, clockRateHz: 8_000 }] })
    const protect = (bytes: Buffer): Buffer => oracle?.protect(bytes) ?? bytes
    const packet = (sequence: number, text: string): Buffer =>
      rtp({ sequence, timestamp: sequence * 160, payload: Buffer.from(text) })

    for (let sequence = 1; sequence <= PACKETS; sequence++) {
      const before = far.received.length
      peer.send(protect(packet(sequence, `peer ${sequence}`)), at)
      await until(() => far.received.length > before, 'the packet')
      injector.send(packet(sequence + 1, 'poison'), at)
      injector.send(packet(sequence + 2_000, 'poison'), at)
      injector.send(rtp({ ssrc: sequence, payload: Buffer.from('poison') }), at)
      injector.send(receiverReport(0x4444), at)
    }
    await bench.untilDropped(leg, 'media.wrong-source', 4 * PACKETS)

    const heard: Rtp[] = far.received.map(({ bytes }) => parseBareRtp(bytes))
    expect(heard.map(({ payload }) => payload.toString())).toEqual(
      Array.from({ length: PACKETS }, (_row, index) => `peer ${index + 1}`),
    )
    const [first] = heard
    heard.forEach(({ sequence, timestamp, marker, ssrc }, index) => {
      expect((sequence - (first?.sequence ?? 0)) & 0xffff).toBe(index)
      expect((timestamp - (first?.timestamp ?? 0)) >>> 0).toBe(index * 160)
      expect([marker, ssrc]).toEqual([index === 0, 0x7777])
    })
    expect(bench.count('rtcp')).toBe(0)
    expect(bench.count('target-moved')).toBe(0)
    expect(bench.relay.stats(leg)?.remote).toEqual(peer.address)
    expect(bench.relay.report(leg)?.received).toMatchObject({
      epoch: 1,
      expected: PACKETS,
      received: PACKETS,
    })
    expect(injector.received).toEqual([])
  })
})
