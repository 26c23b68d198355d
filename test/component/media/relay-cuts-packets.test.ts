import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { RelayBench, UdpPeer, until } from '../../harness/relay-bench.ts'
import { parseBareRtp, type Rtp, rtp } from '../../harness/rtp-packet.ts'

const ONE_OCTET = { clockRateHz: 8_000, isOneOctetATick: true }

async function openCall(frameMs: number) {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const target = bench.plain(0x7777, peer).leg
  const sender = await UdpPeer.open()
  const { leg, at } = bench.plain(0x5000, sender)
  const route = {
    map: [
      { from: 8, to: 0, ...ONE_OCTET },
      { from: 111, to: 111, clockRateHz: 48_000 },
    ],
  }
  bench.relay.setRoute(leg, { target, ...route, frameOctets: frameMs * 8 })
  let octets = 0
  let sequence = 65_500
  const send = (ms: number, payloadType = 8): void => {
    const payload = Buffer.from(Array.from({ length: ms * 8 }, (_, index) => (octets + index) & 0xff))
    sender.send(rtp({ payloadType, sequence: sequence & 0xffff, timestamp: octets, payload }), at)
    octets += ms * 8
    sequence += 1
  }
  const packets = (): Rtp[] => peer.received.map(({ bytes }) => parseBareRtp(bytes))
  return { bench, target, leg, route, send, packets }
}

describe.each([
  [20, 30],
  [20, 60],
  [60, 20],
  [30, 20],
  [10, 20],
])('row 28: packets of %i ms for a trunk that wants %i', (from, to) => {
  test('all of the media, in one stream, marked once', async () => {
    const { send, packets } = await openCall(to)
    for (let ms = 0; ms < 480; ms += from) {
      send(from)
      await delay(from)
    }
    await until(() => packets().length >= 480 / to, `packets of ${to} ms`)
    const all = packets()
    const [first] = all
    expect(all.every(({ payload, payloadType }) => payload.length === to * 8 && payloadType === 0)).toBe(true)
    expect(
      Buffer.concat(all.map(({ payload }) => payload)).every((octet, index) => octet === (index & 0xff)),
    ).toBe(true)
    all.forEach((packet, index) => {
      expect((packet.sequence - (first?.sequence ?? 0)) & 0xffff).toBe(index)
      expect((packet.timestamp - (first?.timestamp ?? 0)) >>> 0).toBe(index * to * 8)
      expect(packet.marker).toBe(index === 0)
    })
  })
})

test('what is not due yet goes out by itself', async () => {
  const { send, packets } = await openCall(20)
  send(60)
  await until(() => packets().length === 3, 'three packets of one')
})

test('a route that is told again keeps what waits; opus is never cut; the wanted length passes as it is', async () => {
  const { bench, target, leg, route, send, packets } = await openCall(30)
  send(20)
  await until(() => (bench.relay.stats(leg)?.packetsReceived ?? 0) === 1, 'a packet')
  bench.relay.setRoute(leg, { target, ...route, frameOctets: 240 })
  send(20)
  await until(() => packets().length === 1, 'a packet of 30 ms')
  send(7, 111)
  await until(() => packets().length === 2, 'the packet of opus')
  expect(packets().map(({ payload }) => payload.length)).toEqual([240, 56])

  bench.relay.setRoute(leg, { target, ...route, frameOctets: 160 })
  send(20)
  send(20)
  await until(() => packets().length === 4, 'two packets')
  expect(packets().map(({ payload }) => payload.length)).toEqual([240, 56, 160, 160])
  for (const frameOctets of [79, 481, 100.5])
    expect(() => bench.relay.setRoute(leg, { target, ...route, frameOctets })).toThrow(RangeError)
})
