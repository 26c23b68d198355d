import { expect, test } from 'vitest'
import { SRTP_SUITES, type SrtpSuite } from '../../../media/parameters.ts'
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
import { SrtpReference } from '../../harness/srtp-reference.ts'

const SUITES = Object.keys(SRTP_SUITES) as SrtpSuite[]

test.each(['127.0.0.1', '::1'])(
  'plain RTP crosses with the SSRC of the other leg, on %s',
  async (address) => {
    const bench = new RelayBench()
    const [alice, bob] = [await UdpPeer.open(address), await UdpPeer.open(address)]
    const [a, b] = [bench.plain(0xaaaa, alice), bench.plain(0xbbbb, bob)]
    bench.relay.setRoute(a.leg, { target: b.leg, map: [{ from: 0, to: 8, clockRateHz: 8_000 }] })

    for (const sequence of [500, 501, 503])
      alice.send(
        rtp({ sequence, timestamp: sequence * 160, payload: Buffer.from(`frame ${sequence}`) }),
        a.at,
      )

    const seen = [
      parseBareRtp(await bob.next()),
      parseBareRtp(await bob.next()),
      parseBareRtp(await bob.next()),
    ]
    expect(seen.map(({ payload }) => payload.toString())).toEqual(['frame 500', 'frame 501', 'frame 503'])
    expect(seen.map(({ ssrc, payloadType }) => [ssrc, payloadType])).toEqual([
      [0xbbbb, 8],
      [0xbbbb, 8],
      [0xbbbb, 8],
    ])
    const first = seen[0]
    // The loss of 502 stays visible.
    expect(seen.map(({ sequence }) => sequence - (first?.sequence ?? 0))).toEqual([0, 1, 3])
    expect(seen.map(({ timestamp }) => (timestamp - (first?.timestamp ?? 0)) >>> 0)).toEqual([0, 160, 480])
    expect(bob.received[0]?.from).toEqual(b.at)

    await until(() => bench.relay.stats(b.leg)?.packetsSent === 3, 'three packets sent')
    expect(bench.relay.stats(a.leg)).toMatchObject({ packetsReceived: 3, octetsReceived: 27, drops: {} })
    expect(bench.relay.stats(b.leg)).toMatchObject({ octetsSent: 27, drops: {}, remote: bob.address })
    expect(await bench.record('first-received')).toEqual({
      kind: 'first-received',
      leg: a.leg,
      remote: alice.address,
    })
    expect(await bench.record('first-sent')).toEqual({ kind: 'first-sent', leg: b.leg, remote: bob.address })
    expect(bench.records).toHaveLength(2)
  },
)

test.each(SUITES)('SDES %s on one side, plain RTP on the other', async (suite) => {
  const bench = new RelayBench()
  const oracle = new SrtpReference(suite)
  const [secure, plain] = [await UdpPeer.open(), await UdpPeer.open()]
  const s = bench.rtp(0x5555)
  const p = bench.plain(0x6666, plain)
  bench.relay.setRemote(s.leg, { rtp: secure.address, rtcp: undefined, latchMs: 0 })
  bench.setKeys(s.leg, suite, oracle)
  bench.relay.setRoute(s.leg, sameTypes(p.leg, 0))
  bench.relay.setRoute(p.leg, sameTypes(s.leg, 0))

  secure.send(oracle.protect(rtp({ payload: Buffer.from('to the trunk') })), s.at)
  expect(parseBareRtp(await plain.next())).toMatchObject({
    ssrc: 0x6666,
    payload: Buffer.from('to the trunk'),
  })

  for (const sequence of [7, 8])
    plain.send(rtp({ sequence, payload: Buffer.from(`to the browser ${sequence}`) }), p.at)
  expect(parseBareRtp(oracle.unprotect(await secure.next()))).toMatchObject({
    ssrc: 0x5555,
    payload: Buffer.from('to the browser 7'),
  })
  expect(parseBareRtp(oracle.unprotect(await secure.next())).payload.toString()).toBe('to the browser 8')
})

test.each(['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'] as const)(
  'a browser leg with %s and a plain trunk, media and RTCP both ways',
  async (suite) => {
    const bench = new RelayBench()
    const oracle = new SrtpOracle(suite)
    const [browser, trunk] = [await UdpPeer.open(), await UdpPeer.open()]
    const mux = bench.bind()
    const web = bench.webrtc('ourfrag', 0x7777)
    const p = bench.plain(0x8888, trunk)
    bench.relay.setRoute(web, { target: p.leg, map: [{ from: 111, to: 96, clockRateHz: 48_000 }] })
    bench.relay.setRoute(p.leg, { target: web, map: [{ from: 96, to: 111, clockRateHz: 48_000 }] })

    browser.send(bindingRequest('ourfrag:theirs'), mux.at)
    const check = await bench.record('stun')
    expect(check).toMatchObject({ leg: web, socket: mux.socket, remote: browser.address })
    expect(check.bytes).toEqual(bindingRequest('ourfrag:theirs'))

    bench.relay.send(mux.socket, check.remote, Buffer.from('a response'))
    expect((await browser.next()).toString()).toBe('a response')

    bench.relay.admit(web, mux.socket, check.remote, true)
    bench.setKeys(web, suite, oracle)
    browser.send(oracle.protect(rtp({ payloadType: 111 })), mux.at)
    expect(parseBareRtp(await trunk.next())).toMatchObject({ payloadType: 96, ssrc: 0x8888 })
    trunk.send(rtp({ payloadType: 96, payload: Buffer.from('an answer') }), p.at)
    const heard = await browser.next()
    expect(heard.includes('an answer')).toBe(false)
    expect(parseBareRtp(oracle.unprotect(heard))).toMatchObject({
      payloadType: 111,
      ssrc: 0x7777,
      payload: Buffer.from('an answer'),
    })

    browser.send(oracle.protectRtcp(receiverReport(0x11111111)), mux.at)
    expect(await bench.record('rtcp')).toEqual({
      kind: 'rtcp',
      leg: web,
      bytes: receiverReport(0x11111111),
    })
    bench.relay.sendRtcp(web, receiverReport(0x7777))
    expect(oracle.unprotectRtcp(await browser.next())).toEqual(receiverReport(0x7777))
  },
)

test('RTCP of a trunk leg has its own port, or shares the RTP port', async () => {
  const bench = new RelayBench()
  const [media, control] = [await UdpPeer.open(), await UdpPeer.open()]
  const { leg, at } = bench.plain(0x9999, media)
  media.send(receiverReport(1), at)
  await until(() => bench.count('rtcp') === 1, 'muxed RTCP')
  bench.relay.sendRtcp(leg, receiverReport(0x9999))
  expect(await media.next()).toEqual(receiverReport(0x9999))

  bench.relay.setRemote(leg, { rtp: media.address, rtcp: control.address, latchMs: 0 })
  const rtcpAt = { address: at.address, port: at.port + 1 }
  control.send(receiverReport(2), rtcpAt)
  await until(() => bench.count('rtcp') === 2, 'RTCP on its own port')
  bench.relay.sendRtcp(leg, receiverReport(0x9999))
  expect(await control.next()).toEqual(receiverReport(0x9999))
  expect(control.received[0]?.from).toEqual(rtcpAt)
})

test('a leg that is its own target is an echo', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { leg, at } = bench.plain(0xec40, peer)
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  peer.send(rtp({ payload: Buffer.from('hello, hello') }), at)
  expect(parseBareRtp(await peer.next())).toMatchObject({
    ssrc: 0xec40,
    payload: Buffer.from('hello, hello'),
  })
})

test('browser media follows the path that the browser uses', async () => {
  const bench = new RelayBench()
  const oracle = new SrtpOracle('AEAD_AES_128_GCM')
  const [first, second, third] = [await UdpPeer.open(), await UdpPeer.open(), await UdpPeer.open()]
  const mux = bench.bind()
  const web = bench.webrtc('moving', 0x1234)
  bench.relay.setRoute(web, sameTypes(web, 0))
  const target = () => bench.relay.stats(web)?.remote

  // Nominations count until there is something better.
  bench.relay.admit(web, mux.socket, third.address, false)
  bench.relay.admit(web, mux.socket, first.address, true)
  await until(() => target() !== undefined, 'a target')
  expect(target()).toEqual(first.address)
  bench.relay.admit(web, mux.socket, second.address, true)
  await until(() => target()?.port === second.address.port, 'the newer nomination')

  first.send(DTLS_RECORD, mux.at)
  expect(await bench.record('dtls')).toMatchObject({ leg: web, remote: first.address, bytes: DTLS_RECORD })
  expect(target()).toEqual(first.address)
  bench.relay.admit(web, mux.socket, second.address, true)

  bench.setKeys(web, oracle.suite, oracle)
  second.send(DTLS_RECORD, mux.at)
  await until(() => bench.count('dtls') === 2, 'a record that anybody could have written')
  expect(target()).toEqual(first.address)
  third.send(oracle.protect(rtp()), mux.at)
  expect(parseBareRtp(oracle.unprotect(await third.next())).ssrc).toBe(0x1234)
  expect(target()).toEqual(third.address)
  const moves = bench.records.filter((record) => record.kind === 'target-moved')
  expect(moves.map(({ remote }) => remote)).toEqual([second.address, first.address, third.address])
})

test('a trunk behind NAT is learnt within the latch window and believed after', async () => {
  const bench = new RelayBench()
  const [announced, real] = [await UdpPeer.open(), await UdpPeer.open()]
  const { leg, at } = bench.plain(0x4444, announced)
  bench.relay.setRoute(leg, sameTypes(leg, 0))
  bench.relay.setRemote(leg, { rtp: announced.address, rtcp: undefined, latchMs: 600_000 })
  real.send(rtp(), at)
  await real.next()
  expect(await bench.record('target-moved')).toEqual({ kind: 'target-moved', leg, remote: real.address })
  expect(bench.relay.stats(leg)?.remote).toEqual(real.address)
})
