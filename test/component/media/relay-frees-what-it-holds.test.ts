import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import {
  bindingRequest,
  RelayBench,
  receiverReport,
  sameTypes,
  UdpPeer,
  until,
} from '../../harness/relay-bench.ts'
import { rtp } from '../../harness/rtp-packet.ts'

const NOTHING = { legs: 0, tuples: 0, sockets: 0, players: 0, straySources: 0 }
const PLAYBACK = { payloadType: 0, frames: [Buffer.alloc(160)], intervalMs: 20, timestampStep: 160 }

test('a removed leg leaves nothing, and its ports can be bound again at once', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { socket } = bench.bind()
  const web = bench.webrtc('gone', 1)
  bench.relay.admit(web, socket, peer.address, true)
  const { leg, at } = bench.plain(2, peer)
  bench.relay.play(leg, PLAYBACK)
  expect(bench.relay.tables()).toEqual({ legs: 2, tuples: 1, sockets: 3, players: 1, straySources: 0 })

  bench.relay.remove(web)
  bench.relay.remove(leg)
  for (let i = 0; i < 50; i++)
    bench.relay.remove(bench.relay.addLeg({ kind: 'rtp', address: at.address, rtpPort: at.port, ssrc: 3 }))
  expect(bench.relay.tables()).toEqual({ ...NOTHING, sockets: 1 })
  bench.webrtc('gone', 4)
})

test('ids of removed legs, and ids that never were, do nothing', async () => {
  const bench = new RelayBench({ maxLegs: 1 })
  const peer = await UdpPeer.open()
  const { socket } = bench.bind()
  const old = bench.webrtc('first', 1)
  bench.relay.remove(old)
  const current = bench.webrtc('second', 2)
  expect(current).not.toBe(old)
  for (const id of [old, 0, -1, 1.5, 7, 0xffffffff, 2 ** 40, Number.NaN]) {
    bench.relay.admit(id, socket, peer.address, true)
    bench.relay.setRemote(id, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
    bench.relay.setKeys(id, 'send', 'none')
    bench.relay.setRoute(id, sameTypes(id, 0))
    bench.relay.play(id, PLAYBACK)
    bench.relay.sendRtcp(id, receiverReport(1))
    expect(bench.relay.stats(id)).toBeUndefined()
    bench.relay.remove(id)
  }
  expect(bench.relay.tables()).toMatchObject({ legs: 1, tuples: 0, players: 0 })
  expect(bench.relay.stats(current)).toMatchObject({ packetsReceived: 0, drops: {}, remote: undefined })
})

test('one leg past maxLegs is refused, one mux socket past the sixteenth too', () => {
  const bench = new RelayBench({ maxLegs: 2 })
  bench.webrtc('one_', 1)
  const second = bench.webrtc('two_', 2)
  expect(() => bench.webrtc('three', 3)).toThrow(expect.objectContaining({ code: 'ELIMIT' }))
  expect(() => bench.rtp(3)).toThrow(expect.objectContaining({ code: 'ELIMIT' }))
  bench.relay.remove(second)
  bench.webrtc('three', 3)
  for (let i = 0; i < 16; i++) bench.bind()
  expect(() => bench.bind()).toThrow(expect.objectContaining({ code: 'ELIMIT' }))
})

test('the seventeenth 5-tuple of a leg replaces its oldest that is not the target', async () => {
  const bench = new RelayBench()
  const [target, oldest] = [await UdpPeer.open(), await UdpPeer.open()]
  const { at, socket } = bench.bind()
  const web = bench.webrtc('many', 1)
  bench.relay.admit(web, socket, target.address, true)
  bench.relay.admit(web, socket, oldest.address, false)
  for (let port = 1; port <= 14; port++)
    bench.relay.admit(web, socket, { address: '192.0.2.99', port }, false)
  expect(bench.relay.tables().tuples).toBe(16)
  oldest.send(rtp(), at)
  await bench.untilDropped(web, 'srtp.no-keys')

  bench.relay.admit(web, socket, { address: '192.0.2.99', port: 15 }, false)
  expect(bench.relay.tables().tuples).toBe(16)
  oldest.send(rtp(), at)
  await bench.untilCounted('media.not-admitted')
  target.send(rtp(), at)
  await bench.untilDropped(web, 'srtp.no-keys', 2)
  expect(bench.relay.stats(web)?.remote).toEqual(target.address)
})

test('a 5-tuple belongs to the leg whose check was authenticated last', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { at, socket } = bench.bind()
  const [before, after] = [bench.webrtc('before', 1), bench.webrtc('after', 2)]
  bench.relay.admit(before, socket, peer.address, true)
  bench.relay.admit(after, socket, peer.address, true)
  expect(bench.relay.tables().tuples).toBe(1)
  peer.send(rtp(), at)
  await bench.untilDropped(after, 'srtp.no-keys')
  // Removing the leg that had it does not take it from the one that has it.
  bench.relay.remove(before)
  peer.send(rtp(), at)
  await bench.untilDropped(after, 'srtp.no-keys', 2)
})

test('stray sources are forgotten when their bucket has recovered, and never more than the limit', async () => {
  const bench = new RelayBench({ maxStraySources: 2, strayPerSecond: 1_000, strayBurst: 5 })
  const { at } = bench.bind()
  bench.webrtc('known', 1)
  for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.3']) {
    const peer = await UdpPeer.open(address)
    peer.send(bindingRequest('known:x'), at)
    await until(() => bench.records.some((r) => r.kind === 'stun' && r.remote.address === address), address)
    expect(bench.relay.tables().straySources).toBeLessThanOrEqual(2)
  }
  await until(() => bench.relay.tables().straySources === 0, 'no stray source')
})

test('close ends everything, twice is once, and the relay refuses what comes after', async () => {
  const bench = new RelayBench()
  const { relay } = bench
  const peer = await UdpPeer.open()
  const { at, socket } = bench.bind()
  const { leg } = bench.plain(1, peer)
  relay.play(leg, PLAYBACK)
  relay.close()
  relay.close()
  expect(relay.tables()).toEqual(NOTHING)
  expect(relay.counters()).toEqual({})
  expect(relay.takeBatch()).toBeUndefined()
  expect(relay.stats(leg)).toBeUndefined()
  relay.send(socket, peer.address, Buffer.from('late'))
  relay.remove(leg)
  relay.play(leg, PLAYBACK)
  expect(() => relay.bind({ address: '127.0.0.1', port: 0 })).toThrow(
    expect.objectContaining({ code: 'ECLOSED' }),
  )
  expect(() => relay.addLeg({ kind: 'webrtc', ufrag: 'late', ssrc: 1 })).toThrow(
    expect.objectContaining({ code: 'ECLOSED' }),
  )
  // The port is free again.
  const other = createSocket('udp4')
  other.bind(at.port, at.address)
  await once(other, 'listening')
  other.close()
})

test('system errors carry their code', async () => {
  const bench = new RelayBench()
  const taken = bench.bind()
  expect(() => bench.relay.bind(taken.at)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
  expect(() => bench.relay.bind({ address: '192.0.2.254', port: 0 })).toThrow(
    expect.objectContaining({ code: 'EADDRNOTAVAIL' }),
  )
  // Only the second of the pair is taken: the first must not stay bound.
  const trunk = bench.rtp(1)
  const rtpPort = trunk.at.port - 1
  const add = () => bench.relay.addLeg({ kind: 'rtp', address: '127.0.0.1', rtpPort, ssrc: 2 })
  expect(add).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
  expect(bench.relay.tables()).toMatchObject({ legs: 1, sockets: 3 })
  bench.relay.remove(trunk.leg)
  add()
})

test('wrong arguments throw TypeError or RangeError and change nothing', async () => {
  const bench = new RelayBench()
  const { relay } = bench
  const peer = await UdpPeer.open()
  const { socket } = bench.bind()
  const web = bench.webrtc('fine', 1)
  const trunk = bench.rtp(2).leg
  // Past the type checker, as a mistake in the caller would be.
  const call = (method: keyof typeof relay, ...values: readonly unknown[]) => {
    return () => Reflect.apply(relay[method], relay, values)
  }
  const key = { suite: 'AEAD_AES_128_GCM', keySalt: Buffer.alloc(28) }
  const types = [
    call('bind', undefined),
    call('bind', { address: 'localhost', port: 0 }),
    call('bind', { address: '[::1]', port: 0 }),
    call('addLeg', { kind: 'other', ssrc: 1 }),
    call('addLeg', { kind: 'webrtc', ufrag: 'fine', ssrc: 1 }),
    call('admit', 'leg', socket, peer.address, true),
    call('admit', trunk, socket, peer.address, true),
    call('setRemote', web, { rtp: peer.address, latchMs: 0 }),
    call('setRemote', trunk, { rtp: peer.address, rtcp: null, latchMs: 0 }),
    call('setKeys', web, 'both', key),
    call('setKeys', web, 'send', 'some'),
    call('setKeys', web, 'send', { ...key, suite: 'NULL_HMAC_SHA1_80' }),
    call('setKeys', web, 'send', { ...key, keySalt: 'text' }),
    call('setRoute', web, { target: trunk, map: 'all' }),
    call('send', socket, peer.address, 'text'),
  ]
  for (const wrong of types) expect(wrong).toThrow(TypeError)
  const ranges = [
    call('bind', { address: '127.0.0.1', port: 65_536 }),
    call('bind', { address: '127.0.0.1', port: 0.5 }),
    call('addLeg', { kind: 'webrtc', ufrag: 'abc', ssrc: 1 }),
    call('addLeg', { kind: 'webrtc', ufrag: 'a'.repeat(65), ssrc: 1 }),
    call('addLeg', { kind: 'rtp', address: '127.0.0.1', rtpPort: 65_535, ssrc: 1 }),
    call('addLeg', { kind: 'webrtc', ufrag: 'more', ssrc: 2 ** 32 }),
    call('admit', web, socket + 1, peer.address, true),
    call('admit', web, socket, { address: '127.0.0.1', port: 0 }, true),
    call('setKeys', web, 'send', { ...key, keySalt: Buffer.alloc(30) }),
    call('setRoute', web, { target: trunk, map: [{ from: 128, to: 0, clockRateHz: 8_000 }] }),
    call('setRoute', web, { target: trunk, map: [{ from: 0, to: 0, clockRateHz: 0 }] }),
    call('send', socket, peer.address, Buffer.alloc(1_601)),
    call('sendRtcp', web, Buffer.alloc(0)),
  ]
  for (const wrong of ranges) expect(wrong).toThrow(RangeError)
  expect(() => new RelayBench({ maxLegs: 0 })).toThrow(RangeError)
  expect(() => new RelayBench({ queueBytes: 1_000 })).toThrow(RangeError)
  expect(() => new RelayBench({ gatherUs: 5_001 })).toThrow(RangeError)
  expect(() => new RelayBench({ sharedBufferBytes: 65_535 })).toThrow(RangeError)
  expect(relay.tables()).toEqual({ ...NOTHING, legs: 2, sockets: 3 })
})

test.each([
  ['is left open when the process ends', 'process.exit(7)', 7],
  ['is closed, and lets the process end by itself', 'relay.close()', 0],
])('a relay that %s', async (_, ending, code) => {
  const addon = fileURLToPath(new URL('../../../media/native/build/Release/webtrunk.node', import.meta.url))
  const script = `
    const relay = require(${JSON.stringify(addon)}).openRelay({ threadName: 'relay', maxLegs: 4, queueBytes: 65536, strayPerSecond: 10,
      strayBurst: 10, maxStraySources: 10, dscp: 0, gatherUs: 500, sharedBufferBytes: 65536, onReady() {} })
    const { port, socket } = relay.bind({ address: '127.0.0.1', port: 0 })
    const leg = relay.addLeg({ kind: 'webrtc', ufrag: 'open', ssrc: 1 })
    relay.admit(leg, socket, { address: '127.0.0.1', port }, true)
    relay.play(leg, { payloadType: 0, frames: [Buffer.alloc(160)], intervalMs: 1, timestampStep: 8 })
    relay.send(socket, { address: '127.0.0.1', port }, Buffer.from('16fefd', 'hex'))
    setTimeout(() => { ${ending} }, 20)`
  const run = promisify(execFile)(process.execPath, ['-e', script], { timeout: 10_000 })
  const result = await run.then(
    () => ({ code: 0 }),
    (error: { code?: number; signal?: string }) => ({ code: error.signal ?? error.code }),
  )
  expect(result.code).toBe(code)
})
