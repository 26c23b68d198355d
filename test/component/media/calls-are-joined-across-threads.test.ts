import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { MediaEngine, MediaSession } from '../../../media/engine.ts'
import { native } from '../../../media/native/index.ts'
import {
  addRtp,
  addWebrtc,
  connect,
  MediaLog,
  openBrowser,
  openEngine,
  openTrunk,
  PLAIN,
  SDES,
} from '../../harness/media-bench.ts'
import type { ReceivedRtp, ScriptedBrowser } from '../../harness/scripted-browser.ts'
import { type ScriptedTrunk, sdesKey } from '../../harness/scripted-trunk.ts'
import { repeatUntil, until } from '../../harness/until.ts'

const UP = { from: 96, to: 0, clockRateHz: 8_000, isOneOctetATick: true }
const DOWN = { from: 0, to: 96, clockRateHz: 8_000, isOneOctetATick: true }
const BROWSER_KEYS = { payloadType: 110, clockRateHz: 48_000 }
const TRUNK_KEYS = { payloadType: 101, clockRateHz: 8_000 }

interface Joined {
  readonly engine: MediaEngine
  readonly session: MediaSession
  readonly log: MediaLog
  readonly browser: ScriptedBrowser
  readonly trunk: ScriptedTrunk
}

/** A browser and an SDES trunk of two calls, on a thread each, that are one call now. */
async function join(): Promise<Joined> {
  const engine = openEngine({ threads: 2 })
  const log = new MediaLog()
  const session = await engine.openSession('one', log)
  const browser = await openBrowser()
  const here = await connect(session, browser, log)
  const other = await engine.openSession('other', new MediaLog())
  // So that there are a browser's port and a second leg on that thread too.
  const there = await addWebrtc(other)
  expect(there.candidates[0]?.port).not.toBe(here.candidates[0]?.port)
  const trunk = await openTrunk()
  const local = await addRtp(other, SDES)
  const theirs = sdesKey(1, 'AES_CM_128_HMAC_SHA1_80', randomBytes(30))
  const [ours] = local.crypto
  if (ours === undefined) throw new Error('no key')
  await other.setRemote('callee', trunk.remote(theirs), ours)
  trunk.connect(local, { sends: theirs, receives: ours })
  await session.adopt(other, 'callee', 'callee')
  await other.close()
  await bridge(session)
  return { engine, session, log, browser, trunk }
}

async function bridge(session: MediaSession): Promise<void> {
  await session.setRoute('caller', { kind: 'bridge', to: 'callee', map: [UP] })
  await session.setRoute('callee', { kind: 'bridge', to: 'caller', map: [DOWN] })
}

const hears = ({ received }: { readonly received: readonly ReceivedRtp[] }, payload: Buffer): boolean =>
  received.some((packet) => packet.payload.equals(payload))

async function talk(browser: ScriptedBrowser, trunk: ScriptedTrunk): Promise<void> {
  const [up, down] = [randomBytes(160), randomBytes(160)]
  await repeatUntil(
    () => {
      browser.sendRtp(96, up)
      trunk.sendRtp(0, down)
    },
    () => hears(trunk, up) && hears(browser, down),
  )
}

function expectOneStream({ received }: { readonly received: readonly ReceivedRtp[] }): void {
  expect(new Set(received.map(({ ssrc }) => ssrc)).size).toBe(1)
  const steps = received
    .slice(1)
    .map(({ sequence }, at) => (sequence - (received[at]?.sequence ?? 0)) & 0xffff)
  expect(steps.every((step) => step === 1)).toBe(true)
}

async function expectNothingLeft(engine: MediaEngine): Promise<void> {
  await until(() => Object.values(engine.tables()).every((size) => size === 0))
}

test('both hear each other in the streams they had, with their keys and payload types, through hold and resume', async () => {
  const { engine, session, log, browser, trunk } = await join()
  await talk(browser, trunk)
  expect(new Set(trunk.received.map(({ payloadType }) => payloadType))).toEqual(new Set([0]))
  expect(new Set(browser.received.map(({ payloadType }) => payloadType))).toEqual(new Set([96]))
  expect(engine.tables()).toMatchObject({ sessions: 1, legs: 2, legIds: 4, relayLegs: 4 })

  await session.setRoute('caller', { kind: 'discard' })
  await session.setRoute('callee', { kind: 'discard' })
  expect(engine.tables(), 'what each has on the other thread stays').toMatchObject({
    legIds: 4,
    relayLegs: 4,
  })
  const unheard = randomBytes(160)
  const dropped = async (name: string, reason: string): Promise<number> =>
    (await session.stats()).legs[name]?.drops[reason] ?? 0
  for (let count = 0; count < 5; count++) browser.sendRtp(96, unheard)
  await expect.poll(() => dropped('caller', 'media.no-route'), { interval: 5 }).toBe(5)

  await bridge(session)
  await talk(browser, trunk)
  // What the visitor drops is the leg's, also when the visitor has gone.
  for (let count = 0; count < 3; count++) browser.sendRtp(97, unheard)
  await expect.poll(() => dropped('caller', 'rtp.unmapped-payload-type'), { interval: 5 }).toBe(3)
  await session.setRoute('caller', { kind: 'echo', map: [{ ...UP, to: 96 }] })
  expect(engine.tables()).toMatchObject({ legIds: 3, relayLegs: 3 })
  expect(await dropped('caller', 'rtp.unmapped-payload-type')).toBe(3)
  expect(await dropped('caller', 'media.no-route')).toBe(5)
  await bridge(session)
  await talk(browser, trunk)

  expect(hears(trunk, unheard)).toBe(false)
  expectOneStream(trunk)
  expectOneStream(browser)
  // Both sides count what is under way.
  const isAllCounted = async (): Promise<boolean> => {
    const { caller, callee } = (await session.stats()).legs
    return caller?.packetsSent === browser.received.length && callee?.packetsSent === trunk.received.length
  }
  await expect.poll(isAllCounted, { interval: 5 }).toBe(true)
  const { caller, callee } = (await session.stats()).legs
  expect(caller).toMatchObject({ remote: browser.address, suite: 'AEAD_AES_128_GCM' })
  expect(callee).toMatchObject({ remote: trunk.address, drops: {} })
  expect(caller?.jitterMs, 'its clock is known from the map').toBeDefined()
  expect(log.failures).toEqual([])
  await session.close()
  await expectNothingLeft(engine)
})

test('keys that are pressed arrive, or are told of the leg; packets are cut', async () => {
  const { session, log, browser, trunk } = await join()
  const event = Buffer.from([5, 0x8a, 0x12, 0xc0]) // 4 800 ticks of 48 000 Hz, its end.
  const keys = { from: [BROWSER_KEYS], to: TRUNK_KEYS }
  await session.setRoute('caller', { kind: 'bridge', to: 'callee', map: [UP], keys })
  browser.sendRtp(110, event, 1_000)
  const ends = () =>
    trunk.received.filter(({ payloadType, payload }) => payloadType === 101 && payload.readUInt8(1) >= 0x80)
  await until(() => ends().length === 3)
  expect(ends().every(({ payload }) => payload.equals(Buffer.from([5, 0x8a, 0x03, 0x20])))).toBe(true)

  await session.setRoute('caller', {
    kind: 'bridge',
    to: 'callee',
    map: [UP],
    keys: { ...keys, to: undefined },
    packetMs: 30,
  })
  browser.sendRtp(110, event, 90_000)
  await until(() => log.keys.length === 1)
  expect(log.keys).toEqual([{ leg: 'caller', key: { event: 5, durationMs: 100 } }])
  // One that is down when the call is held is let go.
  const down = Buffer.from([7, 0x0a, 0x03, 0xc0])
  browser.sendRtp(110, down, 180_000)
  const behind = randomBytes(240)
  browser.sendRtp(96, behind)
  await until(() => hears(trunk, behind))
  await session.setRoute('caller', { kind: 'discard' })
  await until(() => log.keys.length === 2)
  expect(log.keys[1]).toMatchObject({ leg: 'caller', key: { event: 7 } })

  await session.setRoute('caller', {
    kind: 'bridge',
    to: 'callee',
    map: [UP],
    keys: { ...keys, to: undefined },
    packetMs: 30,
  })
  for (let count = 0; count < 6; count++) {
    browser.sendRtp(96, Buffer.alloc(160, count))
    await delay(20)
  }
  await until(() => trunk.received.filter(({ payload }) => payload.length === 240).length === 5)
  expectOneStream(trunk)
})

test('a leg that is removed, or fails, ends what the other one has on its thread', async () => {
  const { engine, session, log, browser, trunk } = await join()
  await talk(browser, trunk)
  await session.watch('callee', 1)
  await until(() => log.failures.length === 1)
  expect(log.failures).toMatchObject([{ leg: 'callee', failure: { code: 'media.silent' } }])
  expect(engine.tables()).toMatchObject({ legs: 2, legIds: 1, relayLegs: 1 })
  const drops = (await session.stats()).legs.callee?.drops
  expect(drops).toEqual({})

  await session.removeLeg('callee')
  const unheard = randomBytes(160)
  const unrouted = async () => (await session.stats()).legs.caller?.drops['media.no-route'] ?? 0
  await repeatUntil(
    () => browser.sendRtp(96, unheard),
    () => true,
  )
  await expect.poll(unrouted, { interval: 5 }).toBeGreaterThan(0)
  expect(hears(trunk, unheard)).toBe(false)
  await session.close()
  await expectNothingLeft(engine)
})

test('a leg that goes from call to call, back and forth 1 000 times, is heard in each, and leaves nothing', async () => {
  const engine = openEngine({ threads: 2, maxSessions: 4 })
  const sessions = [
    await engine.openSession('one', new MediaLog()),
    await engine.openSession('other', new MediaLog()),
  ] as const
  const addTrunk = async (session: MediaSession, name: string): Promise<ScriptedTrunk> => {
    const trunk = await openTrunk()
    const local = await addRtp(session, PLAIN, name)
    await session.setRemote(name, trunk.remote())
    trunk.connect(local)
    return trunk
  }
  const stays = [await addTrunk(sessions[0], 'stays'), await addTrunk(sessions[1], 'stays')] as const
  const goes = await addTrunk(sessions[0], 'goes')
  const PCMU = { from: 0, to: 0, clockRateHz: 8_000 }
  const start = engine.tables()
  for (let round = 0; round < 1_000; round++) {
    const [from, to] = round % 2 === 0 ? sessions : ([sessions[1], sessions[0]] as const)
    await to.adopt(from, 'goes', 'goes')
    await to.setRoute('goes', { kind: 'bridge', to: 'stays', map: [PCMU] })
    await to.setRoute('stays', { kind: 'bridge', to: 'goes', map: [PCMU] })
    if (round % 100 > 1) continue
    const partner = round % 2 === 0 ? stays[1] : stays[0]
    const [one, other] = [randomBytes(160), randomBytes(160)]
    await repeatUntil(
      () => {
        goes.sendRtp(0, one)
        partner.sendRtp(0, other)
      },
      () => hears(partner, one) && hears(goes, other),
    )
  }
  expect(engine.tables()).toEqual(start)
  expectOneStream(goes)
  for (const session of sessions) await session.close()
  await expectNothingLeft(engine)
})

test('where the other thread has no place left, the leg fails with media.overload, and only that', async () => {
  const openRelay: typeof native.openRelay = (options) => native.openRelay({ ...options, maxLegs: 2 })
  const engine = openEngine({ threads: 2 }, { addon: { ...native, openRelay } })
  const log = new MediaLog()
  const session = await engine.openSession('one', log)
  await addWebrtc(session, 'caller')
  const other = await engine.openSession('other', new MediaLog())
  await addWebrtc(other, 'callee')
  await addWebrtc(other, 'third')
  await session.adopt(other, 'callee', 'callee')
  await session.setRoute('callee', { kind: 'bridge', to: 'caller', map: [DOWN] })
  await session.setRoute('caller', { kind: 'bridge', to: 'callee', map: [UP] })
  await until(() => log.failures.length > 0)
  expect(log.failures).toMatchObject([{ leg: 'caller', failure: { code: 'media.overload', seen: 'ELIMIT' } }])
  expect(engine.tables()).toMatchObject({ legs: 3, legIds: 2, relayLegs: 2 })
  for (const one of [session, other]) await one.close()
  await expectNothingLeft(engine)
})
