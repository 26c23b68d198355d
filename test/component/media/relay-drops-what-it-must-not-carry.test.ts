import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { LegId } from '../../../media/native/boundary.ts'
import {
  bindingRequest,
  DTLS_RECORD,
  RelayBench,
  receiverReport,
  sameTypes,
  UdpPeer,
  until,
} from '../../harness/relay-bench.ts'
import { parseBareRtp, rtp } from '../../harness/rtp-packet.ts'
import { SrtpOracle } from '../../harness/srtp-oracle.ts'

/** An admitted browser leg with keys that echoes, so that what it accepts is heard. */
async function echoingBrowser(bench: RelayBench, suite: SrtpOracle['suite'] = 'AES_CM_128_HMAC_SHA1_80') {
  const oracle = new SrtpOracle(suite)
  const peer = await UdpPeer.open()
  const { at, socket } = bench.bind()
  const leg = bench.webrtc('echoing', 0xe0e0)
  bench.relay.admit(leg, socket, peer.address, true)
  bench.setKeys(leg, suite, oracle)
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  return { oracle, peer, at, socket, leg }
}

test('STUN without a known local ufrag goes no further', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { at } = bench.bind()
  bench.webrtc('known', 1)
  for (const username of ['unknown:peer', 'know:peer', 'known1:peer', 'known', `${'x'.repeat(300)}:peer`])
    peer.send(bindingRequest(username), at)
  peer.send(bindingRequest('known:peer').subarray(0, 24), at)
  await bench.untilCounted('stun.unknown-ufrag', 6)
  peer.send(bindingRequest('known:peer'), at)
  await bench.record('stun')
  expect(bench.records).toHaveLength(1)
})

test('a source without an admitted 5-tuple is limited, an admitted one beside it is not', async () => {
  const bench = new RelayBench({ strayPerSecond: 1, strayBurst: 3 })
  const [stray, admitted] = [await UdpPeer.open(), await UdpPeer.open()]
  const { at, socket } = bench.bind()
  const leg = bench.webrtc('known', 1)
  bench.relay.admit(leg, socket, admitted.address, true)
  for (let i = 0; i < 20; i++) stray.send(bindingRequest('known:peer'), at)
  // A second of the bucket may pass on a busy machine.
  await bench.untilCounted('stun.rate', 15)
  expect(bench.relay.tables().straySources).toBe(1)
  for (let i = 0; i < 20; i++) admitted.send(bindingRequest('known:peer'), at)
  const fromAdmitted = () =>
    bench.records.filter(
      ({ kind, ...rest }) =>
        kind === 'stun' && 'remote' in rest && rest.remote.port === admitted.address.port,
    )
  await until(() => fromAdmitted().length === 20, 'all checks of the admitted 5-tuple')
})

test('checks for one ufrag from everywhere are limited, those for another are not', async () => {
  const bench = new RelayBench({ strayPerSecond: 1000, strayBurst: 1000 })
  const strays = await Promise.all(Array.from({ length: 40 }, (_, at) => UdpPeer.open(`127.0.1.${at + 1}`)))
  const honest = await UdpPeer.open()
  const { at } = bench.bind()
  const known = bench.webrtc('known', 1)
  const other = bench.webrtc('other', 2)
  for (let i = 0; i < 20; i++) for (const stray of strays) stray.send(bindingRequest('known:peer'), at)
  await until(() => (bench.drops(known)['stun.rate'] ?? 0) > 100, 'a limit')
  honest.send(bindingRequest('other:peer'), at)
  await until(
    () => bench.records.some(({ kind, leg }) => kind === 'stun' && leg === other),
    'the check of the other leg',
  )
})

test('an admitted peer cannot flood the way up, nor crowd out its own checks', async () => {
  const bench = new RelayBench()
  const { peer, at, leg } = await echoingBrowser(bench)
  for (let i = 0; i < 1_000; i++) {
    peer.send(DTLS_RECORD, at)
    if (i % 50 === 0) await new Promise(setImmediate)
  }
  await bench.untilDropped(leg, 'media.up-rate')
  await until(() => bench.count('dtls') >= 400, 'the burst')
  peer.send(bindingRequest('echoing:peer'), at)
  await bench.record('stun')
})

test('DTLS and media of a 5-tuple that was not admitted go no further', async () => {
  const bench = new RelayBench()
  const { oracle, at, leg } = await echoingBrowser(bench)
  const other = await UdpPeer.open()
  other.send(DTLS_RECORD, at)
  await bench.untilCounted('dtls.not-admitted')
  // Even with the right keys.
  other.send(oracle.protect(rtp()), at)
  other.send(oracle.protectRtcp(receiverReport(1)), at)
  await bench.untilCounted('media.not-admitted', 2)
  expect(bench.relay.stats(leg)).toMatchObject({ packetsReceived: 0, drops: {} })
  expect(bench.records).toEqual([])
})

test('a 5-tuple admitted on one mux socket is a stranger on another', async () => {
  const bench = new RelayBench()
  const { peer } = await echoingBrowser(bench)
  peer.send(DTLS_RECORD, bench.bind().at)
  await bench.untilCounted('dtls.not-admitted')
})

test('nothing leaves an encrypted leg before its key is set', async () => {
  const bench = new RelayBench()
  const oracle = new SrtpOracle('AEAD_AES_128_GCM')
  const [browser, secure, plain] = [await UdpPeer.open(), await UdpPeer.open(), await UdpPeer.open()]
  const { socket } = bench.bind()
  const web = bench.webrtc('keyless', 0x1)
  const sdes = bench.rtp(0x2)
  const source = bench.plain(0x3, plain)
  bench.relay.admit(web, socket, browser.address, true)
  bench.relay.setRemote(sdes.leg, { rtp: secure.address, rtcp: undefined, latchMs: 0 })
  // The key of the other direction does not open this one.
  bench.relay.setKeys(web, 'receive', { suite: oracle.suite, keySalt: oracle.toRelay })

  for (const target of [web, sdes.leg]) {
    bench.relay.setRoute(source.leg, sameTypes(target, 0))
    plain.send(rtp({ sequence: target & 0xffff }), source.at)
    await bench.untilDropped(target, 'srtp.no-keys')
    bench.relay.sendRtcp(target, receiverReport(1))
    await bench.untilDropped(target, 'srtp.no-keys', 2)
    bench.relay.play(target, { payloadType: 0, frames: [Buffer.alloc(160)], intervalMs: 1, timestampStep: 8 })
  }
  bench.relay.tables()
  bench.relay.play(web, undefined)
  bench.relay.play(sdes.leg, undefined)

  bench.relay.setRoute(source.leg, sameTypes(web, 0))
  bench.relay.setKeys(web, 'send', { suite: oracle.suite, keySalt: oracle.fromRelay })
  plain.send(rtp({ sequence: 900, payload: Buffer.from('now') }), source.at)
  plain.send(rtp({ sequence: 901, payload: Buffer.from('now') }), source.at)
  expect(parseBareRtp(oracle.unprotect(await browser.next())).payload.toString()).toBe('now')
  expect(secure.received).toEqual([])
})

test("'none' is refused on a browser leg, and nothing is sent by a plain leg before it was said", async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const web = bench.webrtc('never-plain', 1)
  expect(() => bench.relay.setKeys(web, 'send', 'none')).toThrow(TypeError)
  expect(() => bench.relay.setKeys(web, 'receive', 'none')).toThrow(TypeError)

  const { leg, at } = bench.rtp(2)
  bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  peer.send(rtp(), at)
  await bench.untilDropped(leg, 'srtp.no-keys')
  bench.relay.setKeys(leg, 'receive', 'none')
  peer.send(rtp({ sequence: 2 }), at)
  await bench.untilDropped(leg, 'srtp.no-keys', 2)
  expect(bench.relay.stats(leg)?.packetsReceived).toBe(1)
  expect(peer.received).toEqual([])
})

test.each(['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32', 'AEAD_AES_128_GCM'] as const)(
  'cleartext, forged and replayed packets into a leg with %s are dropped by their reason',
  async (suite) => {
    const bench = new RelayBench()
    const { oracle, peer, at, leg } = await echoingBrowser(bench, suite)
    peer.send(rtp({ payload: randomBytes(160) }), at)
    peer.send(receiverReport(1), at)
    await until(() => Object.values(bench.drops(leg)).reduce((sum, n) => sum + n, 0) === 2, 'both dropped')

    const good = oracle.protect(rtp({ sequence: 10 }))
    const forged = Buffer.from(good)
    forged.writeUInt8(forged.readUInt8(good.length - 1) ^ 1, good.length - 1)
    peer.send(forged, at)
    await bench.untilDropped(leg, 'srtp.auth-failed', 2)
    expect(bench.relay.stats(leg)?.packetsReceived).toBe(0)

    peer.send(good, at)
    peer.send(good, at)
    await bench.untilDropped(leg, 'srtp.replay')
    await peer.next()
    peer.send(oracle.protect(rtp({ sequence: 11, payload: Buffer.from('next') })), at)
    expect(parseBareRtp(oracle.unprotect(await peer.next())).payload.toString()).toBe('next')
    expect(bench.count('rtcp')).toBe(0)
  },
)

test('the same key again keeps the replay window, a new key begins anew', async () => {
  const bench = new RelayBench()
  const { oracle, peer, at, leg } = await echoingBrowser(bench)
  const packet = oracle.protect(rtp())
  peer.send(packet, at)
  await peer.next()
  bench.setKeys(leg, oracle.suite, oracle)
  peer.send(packet, at)
  await bench.untilDropped(leg, 'srtp.replay')

  const next = new SrtpOracle('AEAD_AES_128_GCM')
  bench.setKeys(leg, next.suite, next)
  peer.send(packet, at)
  await bench.untilDropped(leg, 'srtp.auth-failed')
  peer.send(next.protect(rtp({ sequence: 2 })), at)
  next.unprotect(await peer.next())
})

test('a key that comes back after cleartext goes on with the index it had', async () => {
  const bench = new RelayBench()
  const oracle = new SrtpOracle('AES_CM_128_HMAC_SHA1_80')
  const peer = await UdpPeer.open()
  const { leg } = bench.rtp(0x51)
  bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
  const sendWithKey = async (): Promise<number> => {
    bench.setKeys(leg, oracle.suite, oracle)
    bench.relay.sendRtcp(leg, receiverReport(0x51))
    const packet = await peer.next()
    expect(oracle.unprotectRtcp(packet)).toEqual(receiverReport(0x51))
    // RFC 3711 §3.4: E bit and index before the tag.
    return packet.readUInt32BE(packet.length - 14) & 0x7fffffff
  }
  const first = await sendWithKey()
  bench.relay.setKeys(leg, 'send', 'none')
  expect(await sendWithKey()).toBe(first + 1)
})

test('an unmapped payload type, and media without a route, are dropped and counted', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { leg, at } = bench.plain(1, peer)
  peer.send(rtp(), at)
  await bench.untilDropped(leg, 'media.no-route')
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  peer.send(rtp({ payloadType: 8 }), at)
  await bench.untilDropped(leg, 'rtp.unmapped-payload-type')
  bench.relay.setRoute(leg, sameTypes(0xffffffff, 0))
  peer.send(rtp(), at)
  await bench.untilDropped(leg, 'media.no-route', 2)
  expect(peer.received).toEqual([])
})

test('another source is refused after the latch window, with RTCP too', async () => {
  const bench = new RelayBench()
  const [peer, other] = [await UdpPeer.open(), await UdpPeer.open('127.0.0.2')]
  const { leg, at } = bench.plain(1, peer)
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  other.send(rtp(), at)
  await bench.untilDropped(leg, 'media.wrong-source')
  other.send(receiverReport(1), at)
  other.send(receiverReport(1), { address: at.address, port: at.port + 1 })
  await bench.untilDropped(leg, 'media.wrong-source', 3)
  expect(bench.relay.stats(leg)).toMatchObject({ packetsReceived: 0, remote: peer.address })
  expect(bench.records).toEqual([])
})

test('an SDES leg is not moved by packets that do not authenticate, nor its replay window spent by a wrong source', async () => {
  const bench = new RelayBench()
  const oracle = new SrtpOracle('AES_CM_128_HMAC_SHA1_80')
  const [peer, other] = [await UdpPeer.open(), await UdpPeer.open()]
  const { leg, at } = bench.rtp(1)
  bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 600_000 })
  bench.setKeys(leg, oracle.suite, oracle)
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  other.send(rtp({ payload: randomBytes(160) }), at)
  await bench.untilDropped(leg, 'srtp.auth-failed')
  expect(bench.relay.stats(leg)?.remote).toEqual(peer.address)

  bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 0 })
  const packet = oracle.protect(rtp())
  other.send(packet, at)
  await bench.untilDropped(leg, 'media.wrong-source')
  peer.send(packet, at)
  oracle.unprotect(await peer.next())
})

test('in the latch window of a plain leg, a stranger with a payload type we did not agree on moves nothing', async () => {
  const bench = new RelayBench()
  const [peer, other] = [await UdpPeer.open(), await UdpPeer.open()]
  const { leg, at } = bench.plain(1, peer)
  bench.relay.setRemote(leg, { rtp: peer.address, rtcp: undefined, latchMs: 600_000 })
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  other.send(rtp({ payloadType: 77 }), at)
  other.send(rtp({ payloadType: 34 }), at)
  await bench.untilDropped(leg, 'rtp.unmapped-payload-type')
  expect(bench.relay.stats(leg)?.remote).toEqual(peer.address)
})

test('overflow of the queue is counted, and its last quarter is kept for admitted 5-tuples', async () => {
  const bench = new RelayBench({ queueBytes: 4_096 })
  bench.isTaking = false
  const [stray, admitted] = [await UdpPeer.open(), await UdpPeer.open()]
  const { at, socket } = bench.bind()
  const leg = bench.webrtc('known', 1)
  bench.relay.admit(leg, socket, admitted.address, true)
  for (let i = 0; i < 200; i++) stray.send(bindingRequest('known:stray'), at)
  await bench.untilCounted('media.queue-full')
  const lengthOf = (peer: UdpPeer, bytes: Buffer) => 16 + peer.address.address.length + bytes.length
  const strays = Math.floor((4_096 * 3) / 4 / lengthOf(stray, bindingRequest('known:stray')))
  await bench.untilCounted('media.queue-full', 200 - strays)

  admitted.send(bindingRequest('known:admitted'), at)
  for (let i = 0; i < 100; i++) admitted.send(DTLS_RECORD, at)
  const used = strays * lengthOf(stray, bindingRequest('known:stray'))
  const left = 4_096 - used - lengthOf(admitted, bindingRequest('known:admitted'))
  const dtls = Math.floor(left / lengthOf(admitted, DTLS_RECORD))
  await bench.untilDropped(leg, 'media.queue-full', 100 - dtls)
  expect(bench.readyCalls).toBe(1)
  bench.take()
  expect(bench.count('stun')).toBe(strays + 1)
  expect(bench.count('dtls')).toBe(dtls)
  expect(bench.relay.takeBatch()).toBeUndefined()

  // The way up is open again.
  bench.isTaking = true
  bench.records.length = 0
  admitted.send(bindingRequest('known:admitted'), at)
  await bench.record('stun')
})

test('garbage on every socket harms nothing', async () => {
  const bench = new RelayBench()
  const { oracle, peer, at, leg } = await echoingBrowser(bench)
  const [trunkPeer, stranger] = [await UdpPeer.open(), await UdpPeer.open()]
  const trunk = bench.plain(0x7, trunkPeer)
  const sdes = bench.rtp(0x8)
  bench.relay.setRemote(sdes.leg, { rtp: trunkPeer.address, rtcp: undefined, latchMs: 600_000 })
  bench.setKeys(sdes.leg, 'AEAD_AES_128_GCM', new SrtpOracle('AEAD_AES_128_GCM'))
  bench.relay.setRoute(trunk.leg, sameTypes(leg, 0, 8))
  const shared = bench.shared()
  const sharing = bench.sharing(0x9, shared, trunkPeer)
  const targets = [at, trunk.at, sdes.at, shared.at, shared.rtcpAt]
  for (const { address, port } of [trunk.at, sdes.at]) targets.push({ address, port: port + 1 })

  const total = (legId: LegId): number => Object.values(bench.drops(legId)).reduce((sum, n) => sum + n, 0)
  for (let round = 0; round < 800; round++) {
    const datagram = randomBytes(Math.floor(Math.random() * (round % 10 === 0 ? 3_000 : 200)))
    // Beyond the first test of most parsers: a first byte of each kind.
    if (round % 2 === 0 && datagram.length > 0) datagram[0] = [0, 22, 0x80, 0x90, 0xbf][round % 5] ?? 0
    for (const target of targets) {
      peer.send(datagram, target)
      stranger.send(datagram, target)
      trunkPeer.send(datagram, target)
    }
    if (round % 10 === 0) await new Promise(setImmediate)
  }
  await until(() => total(leg) + total(trunk.leg) + total(sdes.leg) > 1_000, 'a thousand drops')
  await until(() => total(sharing) > 100, 'a hundred of the leg on shared ports')
  await bench.untilCounted('media.unmatched', 100)

  peer.send(oracle.protect(rtp({ sequence: 100, payload: Buffer.from('still here') })), at)
  await until(
    () =>
      peer.received.some(({ bytes }) => {
        try {
          return oracle.unprotect(bytes).includes('still here')
        } catch {
          return false
        }
      }),
    'the echo',
  )
  expect(bench.relay.tables()).toMatchObject({ legs: 4, tuples: 2, sockets: 7 })
})
