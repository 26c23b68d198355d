import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { LegId } from '../../../media/native/boundary.ts'
import type { TransportAddress } from '../../../media/parameters.ts'
import { RelayBench, sameTypes, UdpPeer } from '../../harness/relay-bench.ts'
import { parseBareRtp, type Rtp, rtp } from '../../harness/rtp-packet.ts'
import { SrtpOracle } from '../../harness/srtp-oracle.ts'

/** A source may be ahead by this much without having started over, so a few packets go once round. */
const STEP = 2999
const RATE_KHZ = 8

class Source {
  readonly leg: LegId
  readonly #at: TransportAddress
  readonly #peer: UdpPeer
  sequence: number
  #timestamp: number

  constructor(bench: RelayBench, peer: UdpPeer, start: { sequence: number; timestamp: number }) {
    const { leg, at } = bench.plain(0x5000, peer)
    this.leg = leg
    this.#at = at
    this.#peer = peer
    this.sequence = start.sequence
    this.#timestamp = start.timestamp
  }

  /** All sources have the same SSRC, which is the harder case. */
  send(step = 1): void {
    this.sequence = (this.sequence + step) & 0xffff
    this.#timestamp = (this.#timestamp + 160) >>> 0
    this.#peer.send(rtp({ sequence: this.sequence, timestamp: this.#timestamp }), this.#at)
  }
}

/** A trunk leg, plain or with SDES, that two sources feed in turn. */
async function openCall(suite: 'none' | 'AES_CM_128_HMAC_SHA1_80' | 'AEAD_AES_128_GCM') {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const oracle = suite === 'none' ? undefined : new SrtpOracle(suite)
  const target = bench.plain(0x7777, peer).leg
  if (oracle !== undefined) bench.setKeys(target, oracle.suite, oracle)
  const first = new Source(bench, await UdpPeer.open(), { sequence: 40_000, timestamp: 5 })
  const second = new Source(bench, await UdpPeer.open(), { sequence: 39_990, timestamp: 0xfff0_0000 })
  let before: Rtp | undefined

  /** The next packet that the peer gets, which must authenticate and continue the last one's numbers. */
  async function next(expected: {
    readonly step?: number
    readonly marker: boolean | 'with another payload'
  }): Promise<Rtp> {
    const datagram = await peer.next()
    const packet = parseBareRtp(oracle?.unprotect(datagram) ?? datagram)
    expect(packet.ssrc).toBe(0x7777)
    const isMarked =
      typeof expected.marker === 'boolean'
        ? expected.marker
        : before?.payload.equals(packet.payload) === false
    expect(packet.marker).toBe(isMarked)
    if (before !== undefined) expect((packet.sequence - before.sequence) & 0xffff).toBe(expected.step ?? 1)
    if (before !== undefined) expect((packet.timestamp - before.timestamp) | 0).toBeGreaterThan(0)
    before = packet
    return packet
  }
  return { bench, peer, target, first, second, next }
}

test.each(['none', 'AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'] as const)(
  'two sources in turn, across the rollover, with %s',
  async (suite) => {
    const { bench, target, first, second, next } = await openCall(suite)
    bench.relay.setRoute(first.leg, sameTypes(target, 0))
    first.send()
    let last = await next({ marker: true })
    // Up to the last number before the rollover, so that the change of source is the rollover itself.
    while (last.sequence < 65_534) {
      const step = Math.min(STEP, 65_534 - last.sequence)
      first.send(step)
      last = await next({ step, marker: false })
    }
    const fromMs = performance.now()
    first.send()
    const older = await next({ marker: false })
    const heardMs = performance.now()

    bench.relay.setRoute(first.leg, undefined)
    bench.relay.setRoute(second.leg, sameTypes(target, 0))
    await delay(40)
    const againMs = performance.now()
    second.send()
    last = await next({ marker: true })
    const untilMs = performance.now()
    const ticks = (last.timestamp - older.timestamp) >>> 0
    expect(ticks, 'by the wall clock').toBeGreaterThanOrEqual((againMs - heardMs - 1) * RATE_KHZ)
    expect(ticks).toBeLessThanOrEqual((untilMs - fromMs + 1) * RATE_KHZ)

    expect([older.sequence, last.sequence]).toEqual([65_535, 0])
    second.send()
    await next({ marker: false })
    bench.relay.setRoute(second.leg, undefined)
    bench.relay.setRoute(first.leg, sameTypes(target, 0))
    first.send()
    await next({ marker: true })
    first.send()
    await next({ marker: false })
    expect(bench.drops(target)).toEqual({})
  },
)

test.each(['none', 'AEAD_AES_128_GCM'] as const)(
  'music between, and what was sent meanwhile is no loss, with %s',
  async (suite) => {
    const { bench, target, first, next } = await openCall(suite)
    bench.relay.setRoute(first.leg, sameTypes(target, 0))
    first.send()
    await next({ marker: true })

    bench.relay.play(target, {
      payloadType: 0,
      frames: [Buffer.alloc(160)],
      intervalMs: 10,
      timestampStep: 80,
    })
    const music = await next({ marker: true })
    for (let count = 0; count < 30; count++) first.send()
    await bench.untilDropped(first.leg, 'media.playing', 30)
    bench.relay.play(target, undefined)
    bench.relay.tables() // Waits until it has been carried out.
    first.send()
    // Frames that were under way, then the source: all of them one after the other.
    let packet = music
    while (packet.payload.equals(music.payload)) packet = await next({ marker: 'with another payload' })
  },
)

test('a held route: what was sent meanwhile is no loss', async () => {
  const { bench, target, first, next } = await openCall('AEAD_AES_128_GCM')
  bench.relay.setRoute(first.leg, sameTypes(target, 0))
  first.send()
  await next({ marker: true })
  bench.relay.setRoute(first.leg, undefined)
  for (let count = 0; count < 50; count++) first.send()
  await bench.untilDropped(first.leg, 'media.no-route', 50)
  bench.relay.setRoute(first.leg, sameTypes(target, 0))
  first.send()
  await next({ marker: true })
  bench.relay.setRoute(first.leg, sameTypes(target, 0))
  first.send()
  await next({ marker: false })
})

test('a trunk leg without a target sends nothing, believes whom it believed, and goes on in the same stream', async () => {
  const { bench, peer, target, first, next } = await openCall('none')
  bench.relay.setRoute(first.leg, sameTypes(target, 0))
  bench.relay.setRoute(target, sameTypes(first.leg, 0))
  first.send()
  await next({ marker: true })
  bench.relay.setRemote(target, undefined)
  for (let count = 0; count < 50; count++) first.send()
  await bench.untilDropped(target, 'media.no-target', 50)
  bench.relay.sendRtcp(target, Buffer.from('80c9000100007777', 'hex'))
  await bench.untilDropped(target, 'media.no-target', 51)
  expect(peer.received).toHaveLength(1)
  expect(bench.drops(target)).toEqual({ 'media.no-target': 51 })

  bench.relay.setRemote(target, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
  first.send()
  await next({ marker: true })
  for (const address of ['0.0.0.0', '::', '::ffff:0.0.0.0']) {
    const nowhere = { address, port: 4000 }
    expect(() => bench.relay.setRemote(target, { rtp: nowhere, rtcp: undefined, latchMs: 0 })).toThrow(
      RangeError,
    )
    expect(() => bench.relay.setRemote(target, { rtp: peer.address, rtcp: nowhere, latchMs: 0 })).toThrow(
      RangeError,
    )
  }
  first.send()
  await next({ marker: false })
})
