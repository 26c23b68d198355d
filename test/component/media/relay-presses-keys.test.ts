import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { LegId, NativeRoute } from '../../../media/native/boundary.ts'
import type { TransportAddress } from '../../../media/parameters.ts'
import { RelayBench, UdpPeer, until } from '../../harness/relay-bench.ts'
import { parseBareRtp, type Rtp, rtp } from '../../harness/rtp-packet.ts'

const AUDIO = { from: 0, to: 0, clockRateHz: 8_000 }
const WIDE_AUDIO = { from: 111, to: 96, clockRateHz: 48_000 }
const EVENTS_8 = { payloadType: 101, clockRateHz: 8_000 }
const EVENTS_48 = { payloadType: 110, clockRateHz: 48_000 }

/** RFC 4733 §2.3. */
function event(code: number, duration: number, isEnd = false, volume = 10): Buffer {
  const payload = Buffer.from([code, (isEnd ? 0x80 : 0) | volume, 0, 0])
  payload.writeUInt16BE(duration, 2)
  return payload
}

interface HeardPress {
  readonly code: number
  readonly duration: number
  readonly ends: number
  readonly isMarked: boolean
}

/** Presses among packets, told apart by their timestamps. */
function presses(packets: readonly Rtp[], payloadType: number): HeardPress[] {
  const byTimestamp = new Map<number, Rtp[]>()
  for (const packet of packets.filter((one) => one.payloadType === payloadType))
    byTimestamp.set(packet.timestamp, [...(byTimestamp.get(packet.timestamp) ?? []), packet])
  return [...byTimestamp.values()].map((of) => ({
    code: of[0]?.payload.readUInt8(0) ?? -1,
    duration: Math.max(...of.map(({ payload }) => payload.readUInt16BE(2))),
    ends: of.filter(({ payload }) => payload.readUInt8(1) >= 0x80).length,
    isMarked: of.some(({ marker }) => marker),
  }))
}

class Source {
  readonly leg: LegId
  readonly #peer: UdpPeer
  readonly #at: TransportAddress
  sequence = 700
  timestamp = 1_000_000

  constructor(bench: RelayBench, peer: UdpPeer) {
    const { leg, at } = bench.plain(0x5000, peer)
    this.leg = leg
    this.#at = at
    this.#peer = peer
  }

  audio(payloadType = 0, step = 160): void {
    this.timestamp += step
    this.send({ payloadType })
  }

  send(fields: Partial<Rtp>): void {
    this.sequence += 1
    this.#peer.send(rtp({ sequence: this.sequence, timestamp: this.timestamp, ...fields }), this.#at)
  }
}

async function openCall(route: Omit<NativeRoute, 'target'>) {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const target = bench.plain(0x7777, peer).leg
  const source = new Source(bench, await UdpPeer.open())
  bench.relay.setRoute(source.leg, { target, ...route })
  const packets = (): Rtp[] => peer.received.map(({ bytes }) => parseBareRtp(bytes))
  const ended = async (payloadType: number, count: number): Promise<HeardPress[]> => {
    await until(
      () => presses(packets(), payloadType).filter(({ ends }) => ends === 3).length === count,
      `${count} presses with three ends each: ${JSON.stringify(presses(packets(), payloadType))}`,
    )
    return presses(packets(), payloadType)
  }
  return { bench, target, source, packets, ended }
}

/** One stream: every number once, one after the other. */
function expectUnbroken(packets: readonly Rtp[]): void {
  const numbers = packets.map(({ sequence }) => sequence)
  expect(numbers).toEqual(numbers.map((_, index) => ((numbers[0] ?? 0) + index) & 0xffff))
  expect(new Set(packets.map(({ ssrc }) => ssrc)).size).toBe(1)
}

test.each([
  ['8000 to 48000', EVENTS_8, EVENTS_48, 6],
  ['48000 to 8000', EVENTS_48, EVENTS_8, 1],
] as const)(
  'row 26: a press from %s: durations by the clock, one timestamp, end three times',
  async (_, from, to, times) => {
    const { source, packets, ended } = await openCall({ map: [WIDE_AUDIO], events: { from: [from], to } })
    const beganMs = performance.now()
    source.audio(111, 960)
    const { timestamp } = source
    const unit = from.clockRateHz / 1000
    source.send({ payloadType: from.payloadType, timestamp, marker: true, payload: event(5, 20 * unit) })
    for (let ms = 40; ms <= 80; ms += 20) {
      await delay(15)
      source.send({ payloadType: from.payloadType, timestamp, payload: event(5, ms * unit) })
    }
    for (let end = 0; end < 3; end++)
      source.send({ payloadType: from.payloadType, timestamp, payload: event(5, 100 * unit, true) })
    const [press, ...others] = await ended(to.payloadType, 1)
    const tookMs = performance.now() - beganMs
    expect(others).toEqual([])
    expect(press).toMatchObject({ code: 5, ends: 3, isMarked: true })
    expect(press?.duration).toBeGreaterThanOrEqual(800 * times)
    // Twice as long, or as long as a busy machine took over it.
    expect(press?.duration).toBeLessThan(Math.max(200, tookMs) * 8 * times)
    source.audio(111, 9_600)
    await until(() => packets().at(-1)?.payloadType === 96, 'audio behind the press')
    expectUnbroken(packets())
    // All on the clock of the audio, whatever that of the events is.
    const [first, ...rest] = packets()
    const stamp = rest.find(({ payloadType }) => payloadType === to.payloadType)?.timestamp ?? 0
    const last = rest.at(-1)?.timestamp ?? 0
    expect((stamp - (first?.timestamp ?? 0)) | 0).toBeGreaterThanOrEqual(0)
    expect((stamp - (first?.timestamp ?? 0)) | 0).toBeLessThan(48 * Math.max(50, tookMs))
    expect((last - (first?.timestamp ?? 0)) | 0).toBe(9_600)
  },
)

test('row 27: no marker, only an end packet, a lost end, ends repeated late: each press is one', async () => {
  const { source, ended } = await openCall({ map: [AUDIO], events: { from: [EVENTS_8], to: EVENTS_8 } })
  const send = (timestamp: number, payload: Buffer): void =>
    source.send({ payloadType: 101, timestamp, payload })
  send(1_000, event(1, 800, true))
  send(1_000, event(1, 800, true))
  send(5_000, event(2, 160))
  send(9_000, event(3, 160))
  send(5_000, event(2, 160))
  send(9_000, event(3, 640, true))
  send(20_000, event(3, 160))
  const heard = await ended(101, 4)
  expect(heard.map(({ code }) => code)).toEqual([1, 2, 3, 3])
  expect(heard.map(({ ends }) => ends)).toEqual([3, 3, 3, 3])
  expect(heard[0]?.duration).toBe(800)
})

test('audio gives way to a key, also that of a player, and nothing is lost in the numbers', async () => {
  const { bench, target, source, packets, ended } = await openCall({ map: [AUDIO] })
  source.audio()
  bench.relay.press(target, { ...EVENTS_8, event: 11, durationMs: 300 })
  for (let count = 0; count < 20; count++) {
    await delay(20)
    source.audio()
  }
  await ended(101, 1)
  expect(bench.drops(source.leg)['media.key-down']).toBeGreaterThan(2)
  bench.relay.play(target, { payloadType: 0, frames: [Buffer.alloc(160)], intervalMs: 10, timestampStep: 80 })
  bench.relay.press(target, { ...EVENTS_8, event: 10, durationMs: 100 })
  const heard = await ended(101, 2)
  expect(heard.map(({ code, duration }) => [code, duration])).toEqual([
    [11, 2_400],
    [10, 800],
  ])
  bench.relay.play(target, undefined)
  expectUnbroken(packets())
})

test('a key that waits cuts short the one before it, 32 wait, and one more is dropped', async () => {
  const { bench, target, ended } = await openCall({ map: [AUDIO] })
  for (let key = 0; key < 3; key++)
    bench.relay.press(target, { ...EVENTS_8, event: key, durationMs: key === 2 ? 100 : 5_000 })
  const heard = await ended(101, 3)
  expect(heard.map(({ code }) => code)).toEqual([0, 1, 2])
  // Cut to 100 ms, or to what the thread was held up.
  expect(heard.every(({ duration }) => duration >= 800 && duration < 20_000)).toBe(true)
  for (let key = 0; key < 40; key++) bench.relay.press(target, { ...EVENTS_8, event: 1, durationMs: 40 })
  await bench.untilDropped(target, 'dtmf.queue-full', 7)
  expect(bench.drops(target)['dtmf.queue-full']).toBeLessThanOrEqual(9)
  const press = { ...EVENTS_8, event: 1, durationMs: 40 }
  expect(() => bench.relay.press(target, { ...press, event: 256 })).toThrow(RangeError)
  expect(() => bench.relay.press(target, { ...press, durationMs: 60_001 })).toThrow(RangeError)
  expect(() => bench.relay.press(target, { ...press, clockRateHz: 0 })).toThrow(RangeError)
})

test('told presses go up, once each, and their packets leave no gap; a flood of them is cut', async () => {
  const { bench, source, packets } = await openCall({ map: [AUDIO], events: { from: [EVENTS_8] } })
  source.audio()
  for (let count = 0; count < 5; count++)
    source.send({ payloadType: 101, timestamp: 50, payload: event(12, 480) })
  for (let count = 0; count < 3; count++)
    source.send({ payloadType: 101, timestamp: 50, payload: event(12, 960, true) })
  source.audio()
  expect(await bench.record('key-pressed')).toMatchObject({ leg: source.leg, event: 12, durationMs: 120 })
  await until(() => packets().length === 2, 'audio behind the press')
  expectUnbroken(packets())

  source.send({ payloadType: 101, timestamp: 60_000, payload: Buffer.from([1, 0, 0]) })
  await bench.untilDropped(source.leg, 'dtmf.bad-event')
  const received = (): number => bench.relay.stats(source.leg)?.packetsReceived ?? 0
  const before = received()
  for (let count = 1; count <= 100; count++) {
    source.send({ payloadType: 101, timestamp: 60_000 + count * 2_000, payload: event(1, 800, true) })
    // A leg's socket does not hold all of them.
    if (count % 10 === 0) await until(() => received() === before + count, `${count} presses`)
  }
  await bench.untilDropped(source.leg, 'dtmf.rate', 30)
  expect(bench.count('key-pressed')).toBeLessThanOrEqual(70)
})

test('a key that is down when its route ends, or its leg goes, is let go', async () => {
  const { bench, target, source, ended } = await openCall({
    map: [AUDIO],
    events: { from: [EVENTS_8], to: EVENTS_8 },
  })
  source.send({ payloadType: 101, timestamp: 50, payload: event(4, 160) })
  await bench.record('first-sent')
  bench.relay.setRoute(source.leg, undefined)
  await ended(101, 1)
  bench.relay.setRoute(source.leg, { target, map: [], events: { from: [EVENTS_8], to: EVENTS_8 } })
  source.send({ payloadType: 101, timestamp: 90_000, payload: event(6, 160) })
  await delay(50)
  bench.relay.remove(source.leg)
  expect((await ended(101, 2)).map(({ code }) => code)).toEqual([4, 6])
})

test('a route that is told again while a key is down changes nothing', async () => {
  const route = { map: [AUDIO], events: { from: [EVENTS_8], to: EVENTS_8 } }
  const { bench, target, source, ended } = await openCall(route)
  source.send({ payloadType: 101, timestamp: 50, payload: event(4, 160) })
  await bench.record('first-sent')
  bench.relay.setRoute(source.leg, { target, ...route })
  source.send({ payloadType: 101, timestamp: 50, payload: event(4, 1_600, true) })
  expect(await ended(101, 1)).toMatchObject([{ code: 4, duration: 1_600 }])
})

test('row 31: what has no counterpart leaves no gap in the numbers, and the timestamps go on', async () => {
  const { bench, source, packets } = await openCall({ map: [AUDIO] })
  source.audio()
  source.timestamp += 1_600
  source.send({ payloadType: 13, payload: Buffer.from([40]) })
  source.timestamp += 8_000
  source.send({ payloadType: 13, payload: Buffer.from([40]) })
  source.send({ payloadType: 0, marker: true })
  source.audio()
  await until(() => packets().length === 3, 'three packets')
  expectUnbroken(packets())
  expect(packets().map(({ timestamp }) => timestamp - (packets()[0]?.timestamp ?? 0))).toEqual([
    0, 9_600, 9_760,
  ])
  expect(packets().map(({ marker }) => marker)).toEqual([true, true, false])
  expect(bench.drops(source.leg)).toEqual({ 'rtp.unmapped-payload-type': 2 })
})
