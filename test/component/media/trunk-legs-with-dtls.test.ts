import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { MediaSession } from '../../../media/engine.ts'
import type { RtpLocal } from '../../../media/parameters.ts'
import { MediaLog, openBrowser, openEngine, openTrunk, PCMU } from '../../harness/media-bench.ts'
import type { ScriptedBrowser } from '../../harness/scripted-browser.ts'
import { repeatUntil, until } from '../../harness/until.ts'

/** A trunk without ICE has nothing but its address to show whose a datagram is (interop quirk 9). */
const DTLS = { kind: 'rtp', localAddress: '127.0.0.1', suites: [], keying: 'dtls' } as const

const HANDSHAKE = Buffer.from([22, 0xfe, 0xfd])
const MAX_EARLY = 8

/** The ClientHello without a cookie, message 0 of its side (RFC 6347 §4.2.2). */
const isFirstHello = (datagram: Buffer): boolean =>
  datagram[0] === 22 && datagram[13] === 1 && datagram.readUInt16BE(17) === 0

interface Bench {
  readonly log: MediaLog
  readonly session: MediaSession
  readonly local: RtpLocal
  readonly counters: () => Readonly<Record<string, number>>
}

async function openLeg(
  over: { readonly dtlsTimeoutMs?: number } = {},
  localAddress = '127.0.0.1',
  isPatient = false,
): Promise<Bench> {
  const log = new MediaLog()
  const engine = openEngine(over)
  const session = await engine.openSession('call', log)
  const local = await session.addLeg('callee', { ...DTLS, localAddress, isPatient })
  if (local.kind !== 'rtp') throw new Error('not a trunk leg')
  await session.setRoute('callee', { kind: 'echo', map: [PCMU] })
  return { log, session, local, counters: () => engine.counters() }
}

const peerOf = async (local: RtpLocal, setup: 'active' | 'passive' = 'active'): Promise<ScriptedBrowser> => {
  const peer = await openBrowser({ setup, address: local.rtp.address })
  peer.aim(local.rtp)
  return peer
}

/** What was sent to the leg before is there: more than it keeps comes from a stranger, until that shows. */
async function arrived(local: RtpLocal, counters: Bench['counters']): Promise<void> {
  const stranger = await peerOf(local)
  for (let sent = 0; sent < MAX_EARLY; sent++) stranger.sendRaw(HANDSHAKE)
  await until(() => counters()['dtls.unexpected'] === 1)
}

const dropsOf = async (session: MediaSession) => (await session.stats()).legs.callee?.drops ?? {}

async function expectEcho(peer: ScriptedBrowser): Promise<void> {
  const payload = randomBytes(160)
  await repeatUntil(
    () => peer.sendRtp(0, payload),
    () => peer.received.some((packet) => packet.payload.equals(payload)),
  )
}

test('keys of the handshake in either role, told rung by rung, and RTCP beside the media', async () => {
  for (const setup of ['active', 'passive'] as const) {
    const { log, session, local } = await openLeg()
    const peer = await peerOf(local, setup)
    expect(local.dtls?.fingerprint.hash).toBe('sha-256')
    await session.setRemote('callee', peer.trunk)
    peer.startDtls()
    await peer.connected()
    await expectEcho(peer)
    // The relay tells of first packets in its own time.
    await expect
      .poll(() => log.rungs('callee'))
      .toEqual(['dtls-started', 'dtls-connected', 'keys-ready', 'received', 'sent'])
    expect((await session.stats()).legs.callee?.suite).toMatch(/^AE/)
    expect(log.failures).toEqual([])
  }
})

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '0:0:0:0:0:0:0:1'],
])(
  'a ClientHello from %s before the description is kept, and answered when that says whose it is: %s',
  async (address, described) => {
    const { session, local, counters } = await openLeg({}, address)
    const firsts: Buffer[] = []
    // What the peer says again is lost.
    const peer = await openBrowser({
      address,
      alterDtls: (datagram) =>
        !isFirstHello(datagram) || firsts.push(datagram) === 1 ? datagram : undefined,
    })
    peer.aim(local.rtp)
    peer.startDtls()
    await arrived(local, counters)
    const rtp = { ...peer.trunk.rtp, address: described }
    const answer = await session.setRemote('callee', { ...peer.trunk, rtp })
    await peer.connected()
    expect(firsts).not.toEqual([])
    expect(counters()['dtls.not-admitted']).toBe(MAX_EARLY - 1)
    await expectEcho(peer)
    expect(await session.setRemote('callee', peer.trunk), 'the same association').toBe(answer)
  },
)

test('row 9: a ClientHello from elsewhere is dropped, before the description and after it, and the peer gets through', async () => {
  const { log, session, local, counters } = await openLeg()
  const [peer, early, late] = [await peerOf(local), await peerOf(local), await peerOf(local)]
  early.startDtls()
  await arrived(local, counters)
  await session.setRemote('callee', peer.trunk)
  expect(counters()['dtls.not-admitted']).toBe(MAX_EARLY)
  late.startDtls()
  await expect.poll(async () => (await dropsOf(session))['dtls.not-admitted'] ?? 0).toBeGreaterThan(0)
  peer.startDtls()
  await peer.connected()
  await expectEcho(peer)
  expect([early.isConnected, late.isConnected, log.failures]).toEqual([false, false, []])
})

test('one past what is kept from before the description is counted', async () => {
  const { local, counters } = await openLeg()
  const peer = await peerOf(local)
  for (let sent = 0; sent <= MAX_EARLY; sent++) peer.sendRaw(HANDSHAKE)
  await until(() => counters()['dtls.unexpected'] === 1)
})

test('nothing passes in clear before the keys, and media from elsewhere never', async () => {
  const { session, local } = await openLeg()
  const [peer, other] = [await peerOf(local), await openTrunk()]
  await session.setRemote('callee', peer.trunk)
  peer.sendRaw(Buffer.concat([Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]), randomBytes(160)]))
  await expect.poll(async () => (await dropsOf(session))['srtp.no-keys']).toBe(1)
  peer.startDtls()
  await peer.connected()
  await expectEcho(peer)
  other.connect(local)
  other.sendRtp(0, randomBytes(160))
  await expect.poll(async () => (await dropsOf(session))['media.wrong-source']).toBe(1)
  expect(other.raw).toEqual([])
})

test('a certificate that the description does not name ends the leg', async () => {
  const { log, session, local } = await openLeg()
  const peer = await peerOf(local)
  const other = await openBrowser()
  await session.setRemote('callee', { ...peer.trunk, dtls: other.trunk.dtls })
  peer.startDtls()
  await until(() => log.failures.length > 0)
  expect(log.failures.map(({ failure }) => failure.code)).toEqual(['dtls.fingerprint-mismatch'])
  expect(log.rungs('callee')).not.toContain('keys-ready')
})

test('a peer that never speaks is a failure in time', async () => {
  const { log, session, local } = await openLeg({ dtlsTimeoutMs: 200 })
  const peer = await peerOf(local)
  await session.setRemote('callee', peer.trunk)
  await until(() => log.failures.length > 0)
  expect(log.failures.map(({ failure }) => failure.code)).toEqual(['dtls.no-client-hello'])
})

test.each([
  ['after the description', false],
  ['before it', true],
])(
  'a peer that speaks from another address than it describes, %s, is told from a silent one',
  async (_, isEarly) => {
    const { log, session, local } = await openLeg({ dtlsTimeoutMs: 400 })
    const [peer, described] = [await peerOf(local), await peerOf(local)]
    if (isEarly) peer.sendRaw(HANDSHAKE)
    else await session.setRemote('callee', described.trunk)
    if (isEarly) await delay(100)
    else peer.sendRaw(HANDSHAKE)
    if (isEarly) await session.setRemote('callee', described.trunk)
    await until(() => log.failures.length > 0)
    expect(log.failures.map(({ failure }) => failure)).toMatchObject([
      {
        code: 'dtls.wrong-source',
        expected: `a handshake within 400 ms from 127.0.0.1:${described.trunk.rtp.port}`,
        seen: 'datagrams from elsewhere: 1',
      },
    ])
  },
)

test('a peer that has called has its time from the answer of the call', async () => {
  const { log, session, local } = await openLeg({ dtlsTimeoutMs: 200 }, '127.0.0.1', true)
  const peer = await peerOf(local)
  await session.setRemote('callee', peer.trunk)
  await delay(400)
  expect(log.failures).toEqual([])
  await session.watch('callee', undefined)
  await until(() => log.failures.length > 0)
  expect(log.failures.map(({ failure }) => failure.code)).toEqual(['dtls.no-client-hello'])
})

test('a description without a fingerprint, or with RTCP on a port of its own, is refused and changes nothing', async () => {
  const { session, local } = await openLeg()
  const peer = await peerOf(local)
  const { rtp, dtls } = peer.trunk
  const bad = [{ dtls: undefined }, { dtls, rtcp: { ...rtp, port: rtp.port + 1 } }]
  for (const over of bad) {
    await expect(session.setRemote('callee', { ...peer.trunk, ...over })).rejects.toMatchObject({
      code: 'media.wrong-leg',
    })
  }
  await session.setRemote('callee', peer.trunk)
  peer.startDtls()
  await peer.connected()
  await expectEcho(peer)
})

test('a re-INVITE with the same description, or a hold, leaves the association; another certificate or address makes one', async () => {
  const { log, session, local } = await openLeg()
  const peer = await peerOf(local)
  await session.setRemote('callee', peer.trunk)
  peer.startDtls()
  await peer.connected()
  await expectEcho(peer)

  expect(await session.setRemote('callee', peer.trunk)).toBe(await session.setRemote('callee', peer.trunk))
  const held = { ...peer.trunk, rtp: { address: '0.0.0.0', port: peer.trunk.rtp.port } }
  await session.setRemote('callee', held)
  await session.setRemote('callee', peer.trunk)
  await expectEcho(peer)

  await peer.renewCertificate()
  const renewed = await session.setRemote('callee', peer.trunk)
  expect(renewed.kind === 'rtp' && renewed.dtls?.tlsId).not.toBe(local.dtls?.tlsId)
  peer.startDtls()
  await peer.connected()
  await expectEcho(peer)

  const moved = await peerOf(local)
  await session.setRemote('callee', moved.trunk)
  moved.startDtls()
  await moved.connected()
  await expectEcho(moved)
  expect(log.failures).toEqual([])
})
