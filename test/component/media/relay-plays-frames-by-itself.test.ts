import { expect, test } from 'vitest'
import { RelayBench, sameTypes, UdpPeer, until } from '../../harness/relay-bench.ts'
import { parseBareRtp, rtp } from '../../harness/rtp-packet.ts'
import { SrtpOracle } from '../../harness/srtp-oracle.ts'

const FRAMES = ['one', 'two', 'three'].map((text) => Buffer.from(text))
const PLAYBACK = { payloadType: 8, frames: FRAMES, intervalMs: 5, timestampStep: 40 }

test('frames come in turn, forever, as one stream', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { leg } = bench.plain(0xf00d, peer)
  bench.relay.play(leg, PLAYBACK)
  const packets = []
  for (let i = 0; i < 7; i++) packets.push(parseBareRtp(await peer.next()))
  bench.relay.play(leg, undefined)

  expect(packets.map(({ payload }) => payload.toString()).join(' ')).toBe('one two three one two three one')
  expect(packets.every(({ ssrc, payloadType }) => ssrc === 0xf00d && payloadType === 8)).toBe(true)
  expect(packets.map(({ marker }) => marker)).toEqual([true, false, false, false, false, false, false])
  for (const [index, packet] of packets.entries()) {
    const previous = packets[index - 1]
    if (previous === undefined) continue
    expect((packet.sequence - previous.sequence) & 0xffff).toBe(1)
    // More than one step when the machine was late and frames were skipped.
    const step = (packet.timestamp - previous.timestamp) >>> 0
    expect(step % 40).toBe(0)
    expect(step).toBeGreaterThan(0)
  }
  expect(bench.relay.tables().players).toBe(0)
})

test('a stopped playback sends nothing more', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { leg, at } = bench.plain(1, peer)
  bench.relay.play(leg, { ...PLAYBACK, intervalMs: 1 })
  await peer.next()
  bench.relay.play(leg, undefined)
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  bench.relay.tables()
  const sent = bench.relay.stats(leg)?.packetsSent
  // Five echoes later the player has long been due.
  for (let sequence = 1; sequence <= 5; sequence++) {
    peer.send(rtp({ sequence }), at)
    await until(() => bench.relay.stats(leg)?.packetsReceived === sequence, 'an echo')
  }
  await until(() => bench.relay.stats(leg)?.packetsSent === (sent ?? 0) + 5, 'exactly the echoes')
})

test('media that follows a playback continues its numbers', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { leg, at } = bench.plain(0xcafe, peer)
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  bench.relay.play(leg, PLAYBACK)
  await peer.next()
  peer.send(rtp({ sequence: 9_000 }), at)
  await bench.untilDropped(leg, 'media.playing')
  bench.relay.play(leg, undefined)
  bench.relay.tables()
  peer.send(rtp({ sequence: 9_001, timestamp: 5, payload: Buffer.from('live') }), at)
  await until(() => peer.received.at(-1)?.bytes.includes('live') ?? false, 'live media')

  const [before, live] = peer.received.slice(-2).map(({ bytes }) => parseBareRtp(bytes))
  expect(live).toMatchObject({ ssrc: 0xcafe, marker: true, payloadType: 0 })
  expect(((live?.sequence ?? 0) - (before?.sequence ?? 0)) & 0xffff).toBe(1)
  const step = ((live?.timestamp ?? 0) - (before?.timestamp ?? 0)) >>> 0
  expect(step).toBeGreaterThan(0)
  expect(step).toBeLessThan(8_000 * 20)
})

test('a playback waits, uncounted, until the leg may send, and is encrypted as the leg is', async () => {
  const bench = new RelayBench()
  const oracle = new SrtpOracle('AEAD_AES_128_GCM')
  const [peer, clock] = [await UdpPeer.open(), await UdpPeer.open()]
  const { socket } = bench.bind()
  const web = bench.webrtc('listener', 0xbeef)
  bench.relay.play(web, { ...PLAYBACK, intervalMs: 1 })
  // Another playback shows that time has passed.
  const { leg } = bench.plain(1, clock)
  bench.relay.play(leg, { ...PLAYBACK, intervalMs: 1 })
  for (let i = 0; i < 10; i++) await clock.next()
  bench.relay.admit(web, socket, peer.address, true)
  for (let i = 0; i < 10; i++) await clock.next()
  expect(bench.relay.stats(web)).toMatchObject({ packetsSent: 0, drops: {} })
  bench.setKeys(web, oracle.suite, oracle)
  expect(parseBareRtp(oracle.unprotect(await peer.next()))).toMatchObject({ ssrc: 0xbeef, payloadType: 8 })
})

test('what is no playback is refused', () => {
  const bench = new RelayBench()
  const { leg } = bench.rtp(1)
  const play = (changes: object) => () => bench.relay.play(leg, { ...PLAYBACK, ...changes })
  expect(play({ frames: [] })).toThrow(RangeError)
  expect(play({ frames: [Buffer.alloc(0)] })).toThrow(RangeError)
  expect(play({ frames: [Buffer.alloc(1_401)] })).toThrow(RangeError)
  expect(play({ frames: Array(10_001).fill(Buffer.alloc(1)) })).toThrow(RangeError)
  expect(play({ intervalMs: 0 })).toThrow(RangeError)
  expect(play({ payloadType: 128 })).toThrow(RangeError)
  expect(play({ timestampStep: 1.5 })).toThrow(RangeError)
  expect(bench.relay.tables().players).toBe(0)
})
