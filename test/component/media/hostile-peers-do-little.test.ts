import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { RelayBench, sameTypes, UdpPeer, until } from '../../harness/relay-bench.ts'
import { parseBareRtp, rtp } from '../../harness/rtp-packet.ts'

const FRAME = 240

/** A source of 20 ms packets towards a peer that wants 30 ms. */
async function cutCall() {
  const bench = new RelayBench()
  const [source, peer] = [await UdpPeer.open(), await UdpPeer.open()]
  const { leg, at } = bench.plain(0x5000, source)
  const target = bench.plain(0x7777, peer).leg
  const map = [{ from: 8, to: 8, clockRateHz: 8_000, isOneOctetATick: true }]
  bench.relay.setRoute(leg, { target, map, frameOctets: FRAME })
  const send = (sequence: number, timestamp: number, fill: number): void =>
    source.send(
      rtp({
        payloadType: 8,
        sequence: sequence & 0xffff,
        timestamp: timestamp >>> 0,
        payload: Buffer.alloc(160, fill),
      }),
      at,
    )
  const heard = (fill: number): boolean =>
    peer.received.some(({ bytes }) => parseBareRtp(bytes).payload.every((octet) => octet === fill))
  return { bench, leg, send, heard }
}

test('audio that is cut is heard again after its source has set its clock back, without another SSRC', async () => {
  const { bench, leg, send, heard } = await cutCall()
  for (let i = 0; i < 6; i++) send(i, 1_000_000 + i * 160, 1)
  await until(() => heard(1), 'audio before')
  for (let i = 0; i < 12; i++) {
    send(6 + i, 5_000 + i * 160, 2)
    await delay(5)
  }
  await until(() => heard(2), 'audio after')
  expect(bench.drops(leg)['media.late'] ?? 0).toBeLessThan(3)
})

test.each([
  ['far ahead in time', 0, 2 ** 30],
  ['far ahead in time and numbers', 20_000, 2 ** 30],
  ['far back in time', 0, -(2 ** 30)],
  ['far back in time and numbers', -20_000, -(2 ** 30)],
])('one forged packet %s does not silence what is cut', async (_, numbers, ticks) => {
  const { send, heard } = await cutCall()
  for (let i = 0; i < 6; i++) send(i, 1_000_000 + i * 160, 1)
  await until(() => heard(1), 'audio before')
  send(6 + numbers, 1_000_000 + 6 * 160 + ticks, 0xee)
  for (let i = 6; i < 18; i++) {
    send(i, 1_000_000 + i * 160, 2)
    await delay(5)
  }
  await until(() => heard(2), 'audio after')
  expect(heard(0xee)).toBe(false)
})

test('packets that two echoes pass to each other come to an end', async () => {
  const bench = new RelayBench()
  const [one, other] = [bench.rtp(1), bench.rtp(2)]
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    bench.relay.setKeys(from.leg, 'receive', 'none')
    bench.relay.setKeys(from.leg, 'send', 'none')
    bench.relay.setRemote(from.leg, { rtp: to.at, rtcp: undefined, latchMs: 0 })
    bench.relay.setRoute(from.leg, sameTypes(from.leg, 101))
  }
  const key = { event: 1, durationMs: 20, payloadType: 101, clockRateHz: 8_000 }
  for (let i = 0; i < 20; i++) bench.relay.press(one.leg, key)
  const refused = (): number =>
    (bench.drops(one.leg)['media.rate'] ?? 0) + (bench.drops(other.leg)['media.rate'] ?? 0)
  // Each packet goes round until it is the one too many.
  await until(
    () => refused() >= 60,
    'the end of every packet that is pressed, a first one, updates and three ends',
  )
})
