import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { LegId, NativeRoute, Relay } from '../../../media/native/boundary.ts'
import { RelayBench, sameTypes, UdpPeer, until } from '../../harness/relay-bench.ts'
import { parseBareRtp, rtp } from '../../harness/rtp-packet.ts'

const PAYLOAD = Buffer.alloc(160, 7)
/** So that a leg may send as many as fit into the crossing, and one more, without being too fast. */
const LARGE = Buffer.alloc(1_400, 7)
/** What a packet takes up in the crossing, of 512 KiB: eight bytes, its header, its payload. */
const ROOM = Math.floor(2 ** 19 / (8 + 12 + LARGE.length))
const AUDIO = { from: 8, to: 0, clockRateHz: 8_000, isOneOctetATick: true }
const EVENTS = { payloadType: 101, clockRateHz: 8_000 }
const NO_TABLES = { legs: 0, tuples: 0, sockets: 0, players: 0, straySources: 0 }

interface Joined {
  readonly here: RelayBench
  readonly there: RelayBench
  readonly leg: LegId
  /** Of `leg`, on the other relay. */
  readonly visitor: LegId
  readonly target: LegId
  readonly heard: UdpPeer
  send(fields?: Parameters<typeof rtp>[0]): void
  route(route: Omit<NativeRoute, 'target' | 'relay'>): void
}

/** A leg of one relay whose packets go to a leg of another. */
async function join(): Promise<Joined> {
  const [here, there] = [new RelayBench(), new RelayBench()]
  const [speaker, heard] = [await UdpPeer.open(), await UdpPeer.open()]
  const { leg, at } = here.plain(0x5000, speaker)
  const target = there.plain(0x7777, heard).leg
  const visitor = there.relay.addVisitor()
  let sequence = 0
  const joined: Joined = {
    here,
    there,
    leg,
    visitor,
    target,
    heard,
    send: (fields) => {
      sequence += 1
      speaker.send(
        rtp({ payloadType: 8, sequence, timestamp: sequence * 160, payload: PAYLOAD, ...fields }),
        at,
      )
    },
    route: (route) => {
      there.relay.setRoute(visitor, { ...route, target })
      here.relay.setRoute(leg, { ...route, target: visitor, relay: there.relay })
    },
  }
  joined.route({ map: [AUDIO] })
  return joined
}

const received = (bench: RelayBench, leg: LegId): number => bench.relay.stats(leg)?.packetsReceived ?? 0

function event(code: number, ticks: number, isEnd: boolean): Buffer {
  const payload = Buffer.from([code, (isEnd ? 0x80 : 0) | 10, 0, 0])
  payload.writeUInt16BE(ticks, 2)
  return payload
}

test('packets come over in order, mapped, and each figure is where it belongs', async () => {
  const { here, there, leg, visitor, target, heard, send } = await join()
  for (let count = 0; count < 40; count++) {
    send()
    if (count % 10 === 0) send({ payloadType: 9 })
    await delay(1)
  }
  await until(() => heard.received.length === 40, 'all of them')
  const packets = heard.received.map(({ bytes }) => parseBareRtp(bytes))
  expect(packets.every(({ payloadType, ssrc }) => payloadType === 0 && ssrc === 0x7777)).toBe(true)
  const steps = packets.slice(1).map(({ sequence }, at) => (sequence - (packets[at]?.sequence ?? 0)) & 0xffff)
  expect(
    steps.every((step) => step === 1),
    'what has no mapping is no loss',
  ).toBe(true)

  expect(here.relay.stats(leg)).toMatchObject({ packetsReceived: 44, packetsSent: 0, drops: {} })
  expect(here.relay.report(leg)?.received).toMatchObject({ expected: 44, received: 44, clockRateHz: 8_000 })
  expect(there.drops(visitor)).toEqual({ 'rtp.unmapped-payload-type': 4 })
  await until(() => there.relay.stats(target)?.packetsSent === 40, 'all sent')
  expect(there.relay.stats(target)).toMatchObject({ packetsReceived: 0, drops: {} })
  expect(there.relay.report(visitor)).toEqual({})
  await until(() => here.count('first-received') === 1 && there.count('first-sent') === 1, 'both told')
  expect([here.count('first-sent'), there.count('first-received')]).toEqual([0, 0])
})

test('key presses are told of the visitor, or pressed towards the peer, and packets cut there', async () => {
  const { here, there, visitor, heard, send, route } = await join()
  route({ map: [AUDIO], events: { from: [EVENTS] } })
  send({ payloadType: 101, timestamp: 800, payload: event(5, 800, true) })
  expect(await there.record('key-pressed')).toEqual({
    kind: 'key-pressed',
    leg: visitor,
    event: 5,
    durationMs: 100,
  })

  route({ map: [AUDIO], events: { from: [EVENTS], to: { payloadType: 96, clockRateHz: 48_000 } } })
  send({ payloadType: 101, timestamp: 9_000, payload: event(7, 400, true) })
  const pressed = (): readonly Buffer[] =>
    heard.received
      .map(({ bytes }) => parseBareRtp(bytes))
      .filter(({ payloadType }) => payloadType === 96)
      .map(({ payload }) => payload)
  await until(() => pressed().filter((payload) => payload.readUInt8(1) >= 0x80).length === 3, 'three ends')
  expect(pressed().every((payload) => payload.readUInt8(0) === 7)).toBe(true)
  expect(Math.max(...pressed().map((payload) => payload.readUInt16BE(2)))).toBe(2_400)

  route({ map: [AUDIO], frameOctets: 240 })
  for (let count = 0; count < 6; count++) {
    send()
    await delay(20)
  }
  const cut = () => heard.received.filter(({ bytes }) => bytes.length === 12 + 240)
  await until(() => cut().length === 4, 'four packets of 30 ms for six of 20')
  expect(here.count('key-pressed')).toBe(0)
})

test('a key that is down when its visitor goes is let go', async () => {
  const { there, visitor, send, route } = await join()
  route({ map: [AUDIO], events: { from: [EVENTS] } })
  send({ payloadType: 101, timestamp: 800, payload: event(3, 160, false) })
  send()
  send({ payloadType: 9 })
  await there.untilDropped(visitor, 'rtp.unmapped-payload-type')
  there.relay.remove(visitor)
  expect(await there.record('key-pressed')).toMatchObject({ leg: visitor, event: 3 })
})

test('what comes over for a visitor that has gone is dropped and counted, and goes to no other leg', async () => {
  const { here, there, leg, visitor, target, heard, send } = await join()
  send()
  await until(() => heard.received.length === 1, 'a packet')
  there.relay.remove(visitor)
  const next = there.relay.addVisitor()
  there.relay.setRoute(next, { map: [AUDIO], target })
  for (let count = 0; count < 5; count++) send()
  await there.untilCounted('media.crossing-late', 5)
  expect(heard.received).toHaveLength(1)
  here.relay.setRoute(leg, { map: [AUDIO], target: next, relay: there.relay })
  send()
  await until(() => heard.received.length === 2, 'a packet by the next one')
  for (const id of [next, target]) there.relay.remove(id)
  expect(there.relay.tables()).toEqual(NO_TABLES)
})

test('a relay that has closed takes nothing any more: the way to it holds what it can, one packet past is dropped', async () => {
  const { here, there, leg, heard, send } = await join()
  send()
  await until(() => heard.received.length === 1, 'a packet')
  there.relay.close()
  const sendUpTo = async (count: number): Promise<void> => {
    // A leg's socket holds less than all of them, and what is lost there is not what this is about.
    while (received(here, leg) < count) {
      const before = received(here, leg)
      const batch = Math.min(4, count - before)
      for (let at = 0; at < batch; at++) send({ payload: LARGE })
      await until(() => received(here, leg) === before + batch, 'a batch')
    }
  }
  await sendUpTo(1 + ROOM)
  expect(here.drops(leg)).toEqual({})
  await sendUpTo(1 + ROOM + 1)
  await here.untilDropped(leg, 'media.crossing-full')
  expect(here.drops(leg)).toEqual({ 'media.crossing-full': 1 })

  here.relay.setRoute(leg, { map: [AUDIO], target: 1, relay: there.relay })
  send()
  await here.untilDropped(leg, 'media.no-route')
  expect(() => there.relay.addVisitor()).toThrow(expect.objectContaining({ code: 'ECLOSED' }))
})

test('a relay that closes first leaves the other one going', async () => {
  const { here, there, target, heard, send } = await join()
  for (let count = 0; count < 20; count++) send()
  here.relay.close()
  const own = there.plain(0x6000, heard)
  there.relay.setRoute(own.leg, sameTypes(target, 0))
  const before = heard.received.length
  heard.send(rtp(), own.at)
  await until(() => heard.received.length > before, 'a packet')
})

test('a visitor is one of the legs there may be, and only a relay is crossed to, no object like one', () => {
  const bench = new RelayBench({ maxLegs: 2 })
  const visitor = bench.relay.addVisitor()
  const leg = bench.webrtc('other', 1)
  expect(bench.relay.tables()).toEqual({ ...NO_TABLES, legs: 2 })
  expect(() => bench.relay.addVisitor()).toThrow(expect.objectContaining({ code: 'ELIMIT' }))
  for (const relay of [bench.relay, {}, { ...bench.relay }, null, 7])
    expect(() => bench.relay.setRoute(leg, { ...sameTypes(visitor, 0), relay: relay as Relay })).toThrow(
      TypeError,
    )
  bench.relay.remove(visitor)
  bench.relay.addVisitor()
})
