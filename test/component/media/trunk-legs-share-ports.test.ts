import { expect, test } from 'vitest'
import type { LegParameters, MediaEngine, MediaSession } from '../../../media/engine.ts'
import type { NativeEngineOptions } from '../../../media/native-engine.ts'
import type { RtpLocal, RtpRemote } from '../../../media/parameters.ts'
import { addRtp, MediaLog, openEngine, openTrunk, PCMU, PLAIN, SDES } from '../../harness/media-bench.ts'
import { type ScriptedTrunk, type ScriptedTrunkOptions, sdesKey } from '../../harness/scripted-trunk.ts'
import { repeatUntil, until } from '../../harness/until.ts'
import { VirtualMediaClock } from '../../harness/virtual-media-clock.ts'

const SHARED = { ...PLAIN, localAddress: '127.0.0.7', ports: 'shared' } as const
const SHARED_SDES = { ...SDES, localAddress: '127.0.0.7', ports: 'shared' } as const
/** Not one of the engine's. */
const PBX = '127.0.0.2'

interface EchoCall {
  readonly session: MediaSession
  readonly trunk: ScriptedTrunk
  readonly log: MediaLog
  readonly local: RtpLocal
}

/** A leg that echoes, with its peer at the PBX, which has not described itself yet. */
async function open(
  engine: MediaEngine,
  parameters: LegParameters & { readonly kind: 'rtp' } = SHARED,
  options: ScriptedTrunkOptions = {},
): Promise<EchoCall> {
  const log = new MediaLog()
  const session = await engine.openSession('call', log)
  const local = await addRtp(session, parameters)
  await session.setRoute('callee', { kind: 'echo', map: [PCMU] })
  return { session, trunk: await openTrunk({ address: PBX, ...options }), log, local }
}

/** Its local side afterwards. */
async function describe({ session }: EchoCall, remote: RtpRemote): Promise<RtpLocal> {
  const local = await session.setRemote('callee', remote)
  if (local.kind !== 'rtp') throw new Error('not a trunk leg')
  return local
}

async function hearsItself({ trunk }: Pick<EchoCall, 'trunk'>, text: string): Promise<void> {
  const isHeard = () => trunk.received.some(({ payload }) => payload.equals(Buffer.from(text)))
  await repeatUntil(() => trunk.sendRtp(0, Buffer.from(text)), isHeard)
}

const openOn = (options: Partial<NativeEngineOptions>): MediaEngine => openEngine(options)

test('legs of several calls have one port, and each peer hears itself alone', async () => {
  const engine = openEngine()
  const calls = [await open(engine), await open(engine), await open(engine)]
  for (const call of calls) {
    expect(call.local.rtp).toEqual(calls[0]?.local.rtp)
    expect(call.local.rtcpPort).toBe(call.local.rtp.port + 1)
    // The same object: nothing is new that an answer would have to say.
    expect(await describe(call, call.trunk.remote())).toBe(call.local)
    call.trunk.connect(call.local)
  }
  for (const [at, call] of calls.entries()) await hearsItself(call, `call ${at}`)
  for (const [at, { trunk, local }] of calls.entries()) {
    expect(new Set(trunk.received.map(({ payload }) => payload.toString()))).toEqual(new Set([`call ${at}`]))
    expect(new Set(trunk.received.map(({ ssrc }) => ssrc))).toEqual(new Set([local.ssrc]))
  }
  expect(engine.tables()).toMatchObject({ rtpPorts: 0, relayLegs: 3, relayTuples: 3 })
  for (const { session } of calls) await session.close()
  expect(engine.tables()).toMatchObject({ rtpPorts: 0, relayLegs: 0, relayTuples: 0 })
})

test('beside them, legs that did not ask for it and those with DTLS have ports of their own', async () => {
  const engine = openEngine()
  const shared = await open(engine)
  const others = [
    await open(engine, { ...SHARED, ports: 'per-call' }),
    await open(engine, { ...SHARED, suites: [], keying: 'dtls' }),
    await open(engine, { ...SHARED, localAddress: '127.0.0.3' }),
  ]
  const ports = [shared, ...others].map(({ local }) => local.rtp.port)
  expect(new Set(ports).size).toBe(4)
  expect(engine.tables().rtpPorts).toBe(2)
})

test('each call has its keys on the port that they share', async () => {
  const engine = openEngine()
  const calls = [await open(engine, SHARED_SDES), await open(engine, SHARED_SDES)]
  for (const [at, { session, trunk, local }] of calls.entries()) {
    const sends = sdesKey(1, 'AES_CM_128_HMAC_SHA1_80', Buffer.alloc(30, at + 1))
    const [receives] = local.crypto
    if (receives === undefined) throw new Error('no key')
    trunk.connect(local, { sends, receives })
    await session.setRemote('callee', trunk.remote(sends), receives)
  }
  expect(calls[0]?.local.rtp).toEqual(calls[1]?.local.rtp)
  for (const [at, call] of calls.entries()) await hearsItself(call, `secret ${at}`)
  for (const { session } of calls) expect((await session.stats()).legs.callee?.drops).toEqual({})
})

test('RTCP of a call has its shared port as well, and goes to where that of its peer is', async () => {
  const engine = openEngine()
  const calls = [
    await open(engine, SHARED, { hasRtcpPort: true }),
    await open(engine, SHARED, { hasRtcpPort: true }),
  ]
  for (const call of calls) {
    call.trunk.connect(await describe(call, call.trunk.remote()))
    await hearsItself(call, 'to be reported on')
  }
  for (const { session, trunk } of calls) {
    await session.close()
    await until(() => trunk.rtcp.length > 0)
  }
})

test('a remote that another call has: the next one gets ports of its own, both are heard, and the history says why', async () => {
  const engine = openEngine()
  const first = await open(engine)
  const second = await open(engine)
  first.trunk.connect(await describe(first, first.trunk.remote()))
  await hearsItself(first, 'first')

  const moved = await describe(second, first.trunk.remote())
  expect(moved.rtp.port).not.toBe(first.local.rtp.port)
  expect(moved).toMatchObject({ rtcpPort: moved.rtp.port + 1, ssrc: second.local.ssrc, crypto: [] })
  await until(() => second.log.notes.length > 0)
  expect(second.log.notes).toEqual([
    {
      leg: 'callee',
      what: 'port-moved',
      detail: `${moved.rtp.port}: another call has ${first.trunk.address}`,
    },
  ])
  expect(second.log.moves, 'said by setRemote').toEqual([])
  expect(engine.counters()['relay.port-moved']).toBe(1)
  expect(engine.tables().rtpPorts).toBe(1)

  await hearsItself(first, 'still the first')
  first.trunk.connect(moved)
  await hearsItself(first, 'the second')
  expect(first.trunk.received.at(-1)?.ssrc).toBe(second.local.ssrc)
  // It stays there, also when its peer could be told apart again.
  expect(await describe(second, second.trunk.remote())).toBe(moved)
  await second.session.close()
  expect(engine.tables().rtpPorts).toBe(0)
})

test('a collision of RTCP alone counts as well', async () => {
  const engine = openEngine()
  const [first, second] = [await open(engine, SHARED, { hasRtcpPort: true }), await open(engine)]
  const remote = first.trunk.remote()
  await describe(first, remote)
  const moved = await describe(second, { ...second.trunk.remote(), rtcp: remote.rtcp })
  expect(moved.rtp.port).not.toBe(first.local.rtp.port)
  second.trunk.connect(moved)
  await hearsItself(second, 'on its own ports')
})

test.each([
  ['that of the engine', '127.0.0.1', {}],
  ['that of the leg', '127.0.0.7', {}],
  ['an announced one', '192.0.2.200', { announced: ['192.0.2.200'] }],
  ['one towards trunks', '192.0.2.201', { ownAddresses: ['192.0.2.201'] }],
  ['in another spelling', '::ffff:127.0.0.1', {}],
])('a remote at an address of ours, %s, gets ports of its own', async (_, address, options) => {
  const engine = openOn(options)
  const call = await open(engine)
  const moved = await describe(call, { ...call.trunk.remote(), rtp: { address, port: 5_004 } })
  expect(moved.rtp.port).not.toBe(call.local.rtp.port)
  await until(() => call.log.notes.length > 0)
  expect(call.log.notes[0]?.detail).toContain('an address of ours')
})

test('so does one whose RTCP is to go to an address of ours', async () => {
  const engine = openEngine()
  const call = await open(engine)
  const rtcp = { address: '127.0.0.7', port: call.local.rtcpPort }
  const moved = await describe(call, { ...call.trunk.remote(), rtcp })
  expect(moved.rtp.port).not.toBe(call.local.rtp.port)
})

test('two legs of ours that name each other hear each other', async () => {
  const engine = openEngine()
  const [one, other] = [await open(engine), await open(engine)]
  // The offer came by a PBX that keeps out of the media, the answer goes back by it, and then we tell our new port.
  const answered = await describe(other, { ...one.trunk.remote(), rtp: one.local.rtp })
  const told = await describe(one, { ...one.trunk.remote(), rtp: answered.rtp })
  expect(await describe(other, { ...one.trunk.remote(), rtp: told.rtp })).toBe(answered)
  await other.session.setRoute('callee', { kind: 'discard' })
  await one.session.play('callee', {
    payloadType: 0,
    frames: [Buffer.alloc(160, 7)],
    intervalMs: 20,
    timestampStep: 160,
  })
  const heard = async () => (await other.session.stats()).legs.callee?.packetsReceived ?? 0
  await expect.poll(heard).toBeGreaterThan(5)
})

test('a peer that moves by re-INVITE keeps the port, unless another call has its new place', async () => {
  const engine = openEngine()
  const [first, second] = [await open(engine), await open(engine)]
  await describe(first, first.trunk.remote())
  await describe(second, second.trunk.remote())
  const elsewhere = await openTrunk({ address: '127.0.0.4' })
  expect(await describe(second, elsewhere.remote())).toBe(second.local)
  elsewhere.connect(second.local)
  await hearsItself({ trunk: elsewhere }, 'from elsewhere')
  // Its old place is free for the next call.
  const third = await open(engine)
  expect(await describe(third, second.trunk.remote())).toBe(third.local)

  const moved = await describe(second, first.trunk.remote())
  expect(moved.rtp.port).not.toBe(first.local.rtp.port)
})

test('a peer behind a NAT that is not heard gets ports of its own, where its source is learnt', async () => {
  const clock = new VirtualMediaClock()
  const engine = openEngine({}, { clock })
  const call = await open(engine)
  const described = { ...call.trunk.remote(), rtp: { address: '10.0.0.9', port: 4_000 } }
  expect(await describe(call, described)).toBe(call.local)
  await call.session.watch('callee', 30)
  call.trunk.connect(call.local)
  await repeatUntil(
    () => call.trunk.sendRtp(0, Buffer.from('through a NAT')),
    () => (engine.counters()['media.unmatched'] ?? 0) > 0,
  )
  clock.advance(1_999)
  expect(engine.counters()['relay.port-moved']).toBeUndefined()
  clock.advance(1)
  await until(() => call.log.moves.length > 0)
  const [{ local } = { local: call.local }] = call.log.moves
  if (local.kind !== 'rtp') throw new Error('not a trunk leg')
  expect(local.rtp.port).not.toBe(call.local.rtp.port)
  expect(call.log.notes[0]?.detail).toBe(`${local.rtp.port}: nothing came from 10.0.0.9:4000`)
  call.trunk.connect(local)
  await hearsItself(call, 'through a NAT')
})

test('one that is heard, and one that is silent while no packet is nobody’s, stay', async () => {
  const clock = new VirtualMediaClock()
  const engine = openEngine({}, { clock })
  const [silent, heard] = [await open(engine), await open(engine)]
  await describe(silent, silent.trunk.remote())
  await silent.session.watch('callee', 30)
  clock.advance(10_000)
  heard.trunk.connect(await describe(heard, heard.trunk.remote()))
  await hearsItself(heard, 'here')
  await heard.session.watch('callee', 30)
  const stranger = await openTrunk({ address: PBX })
  stranger.connect(heard.local)
  await repeatUntil(
    () => stranger.sendRtp(0, Buffer.from('nobody’s')),
    () => (engine.counters()['media.unmatched'] ?? 0) > 0,
  )
  clock.advance(10_000)
  await new Promise(setImmediate)
  expect([...silent.log.moves, ...heard.log.moves]).toEqual([])
  expect(engine.counters()['relay.port-moved']).toBeUndefined()
  expect(clock.pending, 'timers, but those of reports').toBeLessThanOrEqual(2)
})

test('one whose packets come and cannot be decrypted stays as well: another port would not help', async () => {
  const clock = new VirtualMediaClock()
  const engine = openEngine({}, { clock })
  const { session, trunk, local, log } = await open(engine, SHARED_SDES)
  const [receives] = local.crypto
  if (receives === undefined) throw new Error('no key')
  const key = (byte: number) => sdesKey(1, 'AES_CM_128_HMAC_SHA1_80', Buffer.alloc(30, byte))
  trunk.connect(local, { sends: key(1), receives })
  await session.setRemote('callee', trunk.remote(key(2)), receives)
  await session.watch('callee', 30)
  const stranger = await openTrunk({ address: PBX })
  stranger.connect(local)
  const drops = async () => (await session.stats()).legs.callee?.drops['srtp.auth-failed'] ?? 0
  trunk.sendRtp(0, Buffer.from('with the wrong key'))
  stranger.sendRtp(0, Buffer.from('nobody’s'))
  await expect.poll(drops).toBe(1)
  await until(() => engine.counters()['media.unmatched'] === 1)
  clock.advance(10_000)
  await new Promise(setImmediate)
  expect(log.moves).toEqual([])
})

test('where there is no port left for it, a collision is refused, and the first call goes on', async () => {
  const engine = openEngine({ rtpPortMin: 29_000, rtpPortMax: 29_001 })
  const [first, second] = [await open(engine), await open(engine)]
  first.trunk.connect(await describe(first, first.trunk.remote()))
  const refused = describe(second, first.trunk.remote())
  await expect(refused).rejects.toMatchObject({ code: 'media.no-port' })
  await hearsItself(first, 'undisturbed')
  expect(await describe(second, second.trunk.remote())).toBe(second.local)
})

test('a peer on hold by an unusable address keeps its place', async () => {
  const engine = openEngine()
  const [held, other] = [await open(engine), await open(engine)]
  const remote = held.trunk.remote()
  held.trunk.connect(await describe(held, remote))
  await describe(held, { ...remote, rtp: { ...remote.rtp, port: 0 } })
  expect((await describe(other, remote)).rtp.port).not.toBe(held.local.rtp.port)
  expect(await describe(held, remote)).toBe(held.local)
  await hearsItself(held, 'back again')
})
