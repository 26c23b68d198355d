import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
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
  PCMU,
  PLAIN,
} from '../../harness/media-bench.ts'
import { freePortRange } from '../../harness/ports.ts'
import { repeatUntil, until } from '../../harness/until.ts'
import { VirtualMediaClock } from '../../harness/virtual-media-clock.ts'

const THREADS = 3

const openSessions = (engine: MediaEngine, count: number): Promise<MediaSession[]> =>
  Promise.all(Array.from({ length: count }, (_, at) => engine.openSession(`call ${at}`, new MediaLog())))

const portOf = async (session: MediaSession, name: string): Promise<number> => {
  const { candidates } = await addWebrtc(session, name)
  const [first, ...others] = candidates.map(({ port }) => port)
  if (first === undefined || others.some((port) => port !== first)) throw new Error('not one port')
  return first
}

test('each thread has its browser port, sessions go where the fewest legs are, and stay there', async () => {
  const engine = openEngine({ threads: THREADS, addresses: ['127.0.0.1', '127.0.0.2'], maxSessions: 20 })
  const sessions = await openSessions(engine, 2 * THREADS)
  const ports = await Promise.all(sessions.map((session) => portOf(session, 'caller')))
  expect(new Set(ports).size).toBe(THREADS)
  for (const port of ports) expect(ports.filter((other) => other === port)).toHaveLength(2)
  expect(await Promise.all(sessions.map((session) => portOf(session, 'callee')))).toEqual(ports)

  // The calls of one thread end: what comes next goes there.
  const [freed] = ports
  for (const [at, session] of sessions.entries()) if (ports[at] === freed) await session.close()
  const next = await openSessions(engine, 2)
  expect(await Promise.all(next.map((session) => portOf(session, 'caller')))).toEqual([freed, freed])
  for (const session of [...sessions, ...next]) await session.close()
  await until(() => Object.values(engine.tables()).every((size) => size === 0))
})

test('browsers and trunks on every thread hear each other, and figures are those of all', async () => {
  const engine = openEngine({ threads: THREADS })
  const ports = new Set<number | undefined>()
  for (let call = 0; call < THREADS; call++) {
    const log = new MediaLog()
    const browser = await openBrowser()
    const trunk = await openTrunk()
    const session = await engine.openSession('call', log)
    ports.add((await connect(session, browser, log)).candidates[0]?.port)
    const local = await addRtp(session, PLAIN)
    await session.setRemote('callee', trunk.remote())
    trunk.connect(local)
    await session.setRoute('caller', { kind: 'bridge', to: 'callee', map: [PCMU] })
    await session.setRoute('callee', { kind: 'bridge', to: 'caller', map: [PCMU] })
    const [up, down] = [randomBytes(160), randomBytes(160)]
    await repeatUntil(
      () => {
        browser.sendRtp(0, up)
        trunk.sendRtp(0, down)
      },
      () =>
        trunk.received.some(({ payload }) => payload.equals(up)) &&
        browser.received.some(({ payload }) => payload.equals(down)),
    )
    browser.sendRaw(Buffer.from([99, 99, 99]))
  }
  expect(ports.size).toBe(THREADS)
  await until(() => engine.counters()['media.unknown-kind'] === THREADS)
  expect(engine.tables()).toMatchObject({ sessions: THREADS, legs: 2 * THREADS, relayLegs: 2 * THREADS })
  expect(engine.loads()).toHaveLength(THREADS)
})

test('a fixed port is the first of so many; when one is taken there is no engine, and none of them is held', async () => {
  const port = await freePortRange(THREADS)
  const engine = openEngine({ threads: THREADS, webrtcPort: port })
  const sessions = await openSessions(engine, THREADS)
  const ports = await Promise.all(sessions.map((session) => portOf(session, 'caller')))
  expect(ports).toEqual([port, port + 1, port + 2])
  await engine.close()

  const blocker = createSocket('udp4')
  blocker.bind(port + 2, '127.0.0.1')
  await once(blocker, 'listening')
  onTestFinished(() => void blocker.close())
  expect(() => openEngine({ threads: THREADS, webrtcPort: port })).toThrow(
    expect.objectContaining({ code: 'media.no-port', expected: `127.0.0.1:${port + 2}` }),
  )
  openEngine({ threads: THREADS - 1, webrtcPort: port })
})

test('a thread that has stalled gets no session while there is another, however busy; where all have, calls are refused', async () => {
  const owedMs = [6_000, 0]
  const told: string[] = []
  let opened = 0
  const openRelay: typeof native.openRelay = (options) => {
    const index = opened++
    return Object.defineProperties(native.openRelay(options), {
      heartbeat: { value: () => owedMs[index] ?? 0 },
      load: { value: () => index },
    })
  }
  const onStalled = (name: string): unknown => told.push(`${name} stalled`)
  const onRecovered = (name: string): unknown => told.push(`${name} recovered`)
  const addon = { ...native, openRelay }
  const engine = openEngine({ threads: 2, maxLoad: 0.7 }, { addon, onStalled, onRecovered })
  await until(() => engine.stalledThreads === 1)
  const live = await Promise.all((await openSessions(engine, 3)).map((session) => portOf(session, 'caller')))
  expect(new Set(live).size).toBe(1)
  owedMs[1] = 6_000
  await until(() => engine.stalledThreads === 2)
  await expect(openSessions(engine, 1)).rejects.toMatchObject({ code: 'media.stalled' })
  expect(engine.counters()).toMatchObject({ 'media.stalled': 1 })
  owedMs[0] = 0
  await until(() => engine.stalledThreads === 1)
  const [session] = await openSessions(engine, 1)
  expect(live).not.toContain(session && (await portOf(session, 'caller')))
  expect(told).toEqual(['webtrunk-relay stalled', 'webtrunk-rel-1 stalled', 'webtrunk-relay recovered'])
  // To be closed like any other.
  owedMs[1] = 0
  await until(() => engine.stalledThreads === 0)
})

test('what a browser is not heard for is the thread that has stalled', async () => {
  const openRelay: typeof native.openRelay = (options) =>
    Object.defineProperty(native.openRelay(options), 'heartbeat', { value: () => owedMs })
  let owedMs = 0
  const clock = new VirtualMediaClock()
  const engine = openEngine({ consentTimeoutMs: 7_000 }, { addon: { ...native, openRelay }, clock })
  const log = new MediaLog()
  const session = await engine.openSession('call', log)
  await connect(session, await openBrowser(), log)
  await addWebrtc(session, 'callee')
  await session.setRemote('callee', (await openBrowser()).remote)
  owedMs = 6_000
  await until(() => engine.stalledThreads === 1)
  expect((await session.stats()).pending).toMatchObject({
    callee: { code: 'media.stalled', seen: 'ice.no-check-seen' },
  })
  clock.advance(7_000)
  await until(() => log.failures.length > 0)
  expect(log.failures).toMatchObject([
    { leg: 'caller', failure: { code: 'media.stalled', seen: 'ice.consent-lost' } },
  ])
  owedMs = 0
  await until(() => engine.stalledThreads === 0)
})

test('a thread that is too busy is passed over while there is another, and the load is that of the next', async () => {
  const loads = [0.8, 0.1]
  let opened = 0
  const openRelay: typeof native.openRelay = (options) => {
    const index = opened++
    return Object.defineProperty(native.openRelay(options), 'load', { value: () => loads[index] ?? 0 })
  }
  const engine = openEngine({ threads: 2, maxLoad: 0.7 }, { addon: { ...native, openRelay } })
  const open = async (): Promise<number> => {
    const [session] = await openSessions(engine, 1)
    return session === undefined ? 0 : portOf(session, 'caller')
  }
  expect([engine.load(), engine.loads()]).toEqual([0.1, [0.8, 0.1]])
  const port = await open()
  expect([await open(), await open()]).toEqual([port, port])
  loads[0] = 0.69
  expect(engine.load()).toBe(0.69)
  const other = await open()
  expect(other).not.toBe(port)
  loads.fill(0.9)
  expect([engine.load(), await open()]).toEqual([0.9, other])
})

test('trunk legs that share ports do so with those of their thread', async () => {
  const engine = openEngine({ threads: 2 })
  const parameters = { ...PLAIN, ports: 'shared' } as const
  // The same source for both: on one pair of ports they could not be told apart.
  const trunk = await openTrunk({ address: '127.0.0.9' })
  const ports: number[] = []
  for (const session of await openSessions(engine, 2)) {
    const local = await addRtp(session, parameters)
    expect(await session.setRemote('callee', trunk.remote())).toEqual(local)
    await session.setRoute('callee', { kind: 'echo', map: [PCMU] })
    trunk.connect(local)
    const payload = randomBytes(160)
    await repeatUntil(
      () => trunk.sendRtp(0, payload),
      () => trunk.received.some((packet) => packet.payload.equals(payload) && packet.ssrc === local.ssrc),
    )
    ports.push(local.rtp.port)
  }
  expect(new Set(ports).size).toBe(2)
})

test('threads have names by which an operator finds them', () => {
  openEngine({ threads: THREADS })
  const names = readdirSync('/proc/self/task').map((task) =>
    readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim(),
  )
  expect(names).toEqual(expect.arrayContaining(['webtrunk-relay', 'webtrunk-rel-1', 'webtrunk-rel-2']))
})
