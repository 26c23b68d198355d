import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { MediaSession } from '../../../media/engine.ts'
import type { SdesKey } from '../../../media/parameters.ts'
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
  SDES,
} from '../../harness/media-bench.ts'
import { receiverReport } from '../../harness/relay-bench.ts'
import type { ReceivedRtp } from '../../harness/scripted-browser.ts'
import { type ScriptedTrunk, sdesKey } from '../../harness/scripted-trunk.ts'
import { repeatUntil, until } from '../../harness/until.ts'

const WRONG = { code: 'media.wrong-leg' }

/** A trunk leg with its peer, plain or with keys. */
async function addTrunk(
  session: MediaSession,
  name: string,
  parameters: typeof PLAIN | typeof SDES = PLAIN,
): Promise<ScriptedTrunk> {
  const trunk = await openTrunk()
  const local = await addRtp(session, parameters, name)
  const [ours] = local.crypto
  const theirs: SdesKey | undefined = ours && sdesKey(1, ours.suite, randomBytes(30))
  expect(await session.setRemote(name, trunk.remote(theirs), ours)).toBe(local)
  trunk.connect(local, ours && theirs && { sends: theirs, receives: ours })
  return trunk
}

async function bridge(session: MediaSession, one: string, other: string): Promise<void> {
  await session.setRoute(one, { kind: 'bridge', to: other, map: [PCMU] })
  await session.setRoute(other, { kind: 'bridge', to: one, map: [PCMU] })
}

interface Party {
  readonly received: readonly ReceivedRtp[]
  sendRtp(payloadType: number, payload: Buffer): void
}

/** Both hear each other, with what is sent from now on. */
async function talk(one: Party, other: Party): Promise<void> {
  const [hello, answer] = [randomBytes(160), randomBytes(160)]
  const hears = (party: Party, payload: Buffer): boolean =>
    party.received.some((packet) => packet.payload.equals(payload))
  await repeatUntil(
    () => {
      one.sendRtp(0, hello)
      other.sendRtp(0, answer)
    },
    () => hears(one, answer) && hears(other, hello),
  )
}

function expectOneStream(party: Party): void {
  expect(new Set(party.received.map(({ ssrc }) => ssrc)).size).toBe(1)
  const steps = party.received.map(
    ({ sequence }, at) => (sequence - (party.received[at - 1]?.sequence ?? sequence - 1)) & 0xffff,
  )
  expect(steps.every((step) => step === 1)).toBe(true)
}

describe('a browser', () => {
  test('restarts ICE: new credentials, the same DTLS and SRTP, checks by old and new ones', async () => {
    const engine = openEngine()
    const log = new MediaLog()
    const session = await engine.openSession('call', log)
    const browser = await openBrowser()
    const before = await connect(session, browser, log)
    const trunk = await addTrunk(session, 'callee')
    await bridge(session, 'caller', 'callee')
    await talk(browser, trunk)
    expect(await session.setRemote('caller', browser.remote)).toBe(before)

    browser.restartIce()
    const after = await session.setRemote('caller', browser.remote)
    if (after.kind !== 'webrtc') throw new Error('not a browser leg')
    expect(after).toEqual({ ...before, ice: after.ice })
    expect(after.ice.ufrag).not.toBe(before.ice.ufrag)
    expect(after.ice.pwd).not.toBe(before.ice.pwd)
    await browser.check(before)
    await talk(browser, trunk)
    await browser.check(after)
    await talk(browser, trunk)
    expect(browser.stunErrors).toEqual([])
    expect(await session.setRemote('caller', browser.remote)).toBe(after)

    expect(engine.counters()['stun.unknown-ufrag']).toBeUndefined()
    const ended = browser.check(before).catch(() => 'unanswered')
    await until(() => (engine.counters()['stun.unknown-ufrag'] ?? 0) > 0)
    await browser.check(after)
    await ended
    expectOneStream(browser)
    expect(log.failures).toEqual([])
    expect(log.rungs('caller')).toHaveLength(6)
  })

  test.each(['active', 'passive'] as const)(
    'that is %s comes back with another certificate',
    async (setup) => {
      const log = new MediaLog()
      const session = await openEngine().openSession('call', log)
      const browser = await openBrowser({ setup })
      const local = await connect(session, browser, log)
      const trunk = await addTrunk(session, 'callee')
      await bridge(session, 'caller', 'callee')
      await talk(browser, trunk)
      await session.setRoute('callee', { kind: 'discard' })

      await browser.renewCertificate()
      const renewed = await session.setRemote('caller', browser.remote)
      // RFC 8842 §5.3: another association has another name.
      expect('tlsId' in renewed && renewed.tlsId).not.toBe('tlsId' in local && local.tlsId)
      expect({ ...renewed, tlsId: '' }).toEqual({ ...local, tlsId: '' })
      browser.startDtls()
      await browser.connected()
      await talkOneWay(browser, trunk) // So our side has the keys too.
      await session.setRoute('callee', { kind: 'bridge', to: 'caller', map: [PCMU] })
      await talk(browser, trunk)
      expect(new Set(browser.received.map(({ ssrc }) => ssrc))).toEqual(new Set([local.ssrc]))
      expect(log.failures).toEqual([])
    },
  )
})

describe('a trunk leg', () => {
  test.each([PLAIN, SDES])('on hold with 0.0.0.0 gets nothing and is still heard ($suites)', async (kind) => {
    const log = new MediaLog()
    const session = await openEngine().openSession('call', log)
    const browser = await openBrowser()
    await connect(session, browser, log)
    const trunk = await openTrunk()
    const local = await addRtp(session, kind)
    const [ours] = local.crypto
    const theirs = ours && sdesKey(1, ours.suite, randomBytes(30))
    const remote = trunk.remote(theirs)
    await session.setRemote('callee', remote, ours)
    trunk.connect(local, ours && theirs && { sends: theirs, receives: ours })
    await bridge(session, 'caller', 'callee')
    await talk(browser, trunk)

    const held = { ...remote, rtp: { ...remote.rtp, address: '0.0.0.0' } }
    expect(await session.setRemote('callee', held, ours)).toBe(local)
    const [unheard, music] = [randomBytes(160), randomBytes(160)]
    const drops = async () => (await session.stats()).legs.callee?.drops['media.no-target'] ?? 0
    for (let count = 0; count < 20; count++) browser.sendRtp(0, unheard)
    // One more, when the last word of the talk was said twice.
    await expect.poll(drops, { interval: 5 }).toBeGreaterThanOrEqual(20)
    await repeatUntil(
      () => trunk.sendRtp(0, music),
      () => browser.received.some(({ payload }) => payload.equals(music)),
    )

    await session.setRemote('callee', remote, ours)
    await talk(browser, trunk)
    expect(trunk.received.some(({ payload }) => payload.equals(unheard))).toBe(false)
    expectOneStream(trunk)
  })

  test('may mux RTCP', async () => {
    const engine = openEngine()
    const session = await engine.openSession('call', new MediaLog())
    const trunk = await addTrunk(session, 'callee')
    expect(trunk.remote().rtcp).toBeUndefined()
    await repeatUntil(
      () => trunk.sendRaw(receiverReport(0x9abc_def0)),
      () => (engine.counters()['rtcp.receiver-report'] ?? 0) > 0,
    )
    expect((await session.stats()).legs.callee?.drops).toEqual({})
  })
})

describe('routes', () => {
  test('lead to any leg, once it is there, and end with it', async () => {
    const session = await openEngine().openSession('call', new MediaLog())
    const caller = await addTrunk(session, 'caller')
    const callee = await addTrunk(session, 'callee')
    await bridge(session, 'caller', 'callee')
    await talk(caller, callee)

    await session.setRoute('caller', { kind: 'bridge', to: 'target', map: [PCMU] })
    const unrouted = async () => (await session.stats()).legs.caller?.drops['media.no-route'] ?? 0
    const lost = randomBytes(160)
    for (let count = 0; count < 5; count++) caller.sendRtp(0, lost)
    await expect.poll(unrouted, { interval: 5 }).toBe(5)

    const target = await addTrunk(session, 'target')
    await bridge(session, 'caller', 'target')
    await talk(caller, target)
    await session.removeLeg('target')
    for (let count = 0; count < 5; count++) caller.sendRtp(0, lost)
    await expect.poll(unrouted, { interval: 5 }).toBe(10)

    await bridge(session, 'caller', 'callee')
    await talk(caller, callee)
    expectOneStream(callee)
    for (const { received } of [callee, target])
      expect(received.some(({ payload }) => payload.equals(lost))).toBe(false)
  })

  test('a fifth leg is refused', async () => {
    const engine = openEngine({ maxSessions: 1 })
    const session = await engine.openSession('call', new MediaLog())
    for (const name of ['caller', 'callee', 'third', 'fourth']) await session.addLeg(name, { kind: 'webrtc' })
    await expect(session.addLeg('fifth', { kind: 'webrtc' })).rejects.toMatchObject(WRONG)
    expect(engine.tables()).toMatchObject({ legs: 4, relayLegs: 4, legIds: 4 })
    await session.removeLeg('callee')
    await session.addLeg('fifth', { kind: 'webrtc' })
  })
})

describe.each([1, 2])('a leg that moves to another call, with %d threads', (threads) => {
  test('of a browser and of an SDES trunk: the far ends of two calls hear each other in the streams they had', async () => {
    const engine = openEngine({ threads })
    const [log, otherLog] = [new MediaLog(), new MediaLog()]
    const [session, other] = [
      await engine.openSession('one', log),
      await engine.openSession('other', otherLog),
    ]
    const browser = await openBrowser()
    const local = await connect(session, browser, log)
    const transferor = await addTrunk(session, 'callee')
    await bridge(session, 'caller', 'callee')
    await talk(browser, transferor)
    const consultant = await addTrunk(other, 'caller')
    const target = await addTrunk(other, 'callee', SDES)
    await bridge(other, 'caller', 'callee')
    await talk(consultant, target)
    const before = (await other.stats()).legs.callee

    // The trunk's leg into the browser's call, and then both of them into a third.
    await session.adopt(other, 'callee', 'target')
    expect((await other.stats()).legs).not.toHaveProperty('callee')
    expect((await session.stats()).legs.target?.packetsReceived).toBeGreaterThanOrEqual(
      before?.packetsReceived ?? Number.NaN,
    )
    await bridge(session, 'caller', 'target')
    await talk(browser, target)
    await session.removeLeg('callee')
    await other.close()
    await talk(browser, target)

    const thirdLog = new MediaLog()
    const third = await engine.openSession('third', thirdLog)
    await third.adopt(session, 'caller', 'far')
    await third.adopt(session, 'target', 'near')
    await session.close()
    await bridge(third, 'far', 'near')
    await talk(browser, target)
    await browser.check(local)
    expect(browser.stunErrors).toEqual([])
    expect(await third.setRemote('far', browser.remote)).toBe(local)

    expectOneStream(browser)
    expectOneStream(target)
    expect([...log.failures, ...otherLog.failures, ...thirdLog.failures]).toEqual([])
    expect(thirdLog.stages, 'told before').toEqual([])
    expect((await third.stats()).legs.far).toMatchObject({ remote: browser.address })
    await third.close()
    await until(() => Object.values(engine.tables()).every((size) => size === 0))
  })

  test('is fed by routes to its new name, ends those to its old one, and has none of its own', async () => {
    const engine = openEngine({ threads })
    const session = await engine.openSession('one', new MediaLog())
    const other = await engine.openSession('other', new MediaLog())
    const caller = await addTrunk(session, 'caller')
    const stayed = await addTrunk(other, 'caller')
    const moved = await addTrunk(other, 'callee')
    await bridge(other, 'caller', 'callee')
    await session.setRoute('caller', { kind: 'bridge', to: 'target', map: [PCMU] })
    await session.adopt(other, 'callee', 'target')
    const [heard, lost] = [randomBytes(160), randomBytes(160)]
    await repeatUntil(
      () => caller.sendRtp(0, heard),
      () => moved.received.some(({ payload }) => payload.equals(heard)),
    )
    for (let count = 0; count < 3; count++) {
      stayed.sendRtp(0, lost)
      moved.sendRtp(0, lost)
    }
    const unrouted = async (of: MediaSession, name: string) =>
      (await of.stats()).legs[name]?.drops['media.no-route'] ?? 0
    await expect.poll(() => unrouted(other, 'caller'), { interval: 5 }).toBe(3)
    await expect.poll(() => unrouted(session, 'target'), { interval: 5 }).toBe(3)
    await talkOneWay(caller, moved)
    for (const { received } of [caller, stayed, moved])
      expect(received.some(({ payload }) => payload.equals(lost))).toBe(false)
  })

  test('tells the observer of its new call, under its new name, also what was under way', async () => {
    const engine = openEngine({ threads, iceTimeoutMs: 200 })
    const [log, otherLog] = [new MediaLog(), new MediaLog()]
    const session = await engine.openSession('one', log)
    const other = await engine.openSession('other', otherLog)
    const browser = await openBrowser()
    await addWebrtc(other)
    await other.setRemote('caller', browser.remote)
    const trunk = await openTrunk()
    const { crypto } = await addRtp(other, SDES)
    const theirs = sdesKey(1, 'AES_CM_128_HMAC_SHA1_80', randomBytes(30))
    const described = other.setRemote('callee', trunk.remote(theirs), crypto[0])
    const adopted = session.adopt(other, 'callee', 'target')
    await described
    await adopted
    await session.adopt(other, 'caller', 'browser')
    await other.close()
    await until(() => log.failures.length > 0)
    expect(log.failures).toEqual([
      { leg: 'browser', failure: expect.objectContaining({ code: 'ice.no-check-seen' }) },
    ])
    expect(log.stages).toEqual([{ leg: 'target', event: { kind: 'keys-ready' } }])
    expect([otherLog.stages, otherLog.failures]).toEqual([[], []])
  })

  test('must be there, alive and welcome; otherwise nothing has moved', async () => {
    const engine = openEngine({ threads, iceTimeoutMs: 100 })
    const log = new MediaLog()
    const session = await engine.openSession('one', new MediaLog())
    const other = await engine.openSession('other', log)
    const foreign = await openEngine().openSession('foreign', new MediaLog())
    const caller = await addTrunk(session, 'caller')
    const callee = await addTrunk(other, 'callee')
    await foreign.addLeg('callee', { kind: 'webrtc' })
    await expect(session.adopt(other, 'nobody', 'x')).rejects.toMatchObject(WRONG)
    await expect(session.adopt(other, 'callee', 'caller')).rejects.toMatchObject(WRONG)
    await expect(session.adopt(foreign, 'callee', 'x')).rejects.toMatchObject(WRONG)
    await expect(session.adopt({ ...foreign }, 'callee', 'x')).rejects.toMatchObject(WRONG)

    await addWebrtc(other)
    await other.setRemote('caller', (await openBrowser()).remote)
    await until(() => log.failures.length > 0)
    await expect(session.adopt(other, 'caller', 'x'), 'failed').rejects.toMatchObject(WRONG)
    for (const name of ['2', '3', '4']) await session.addLeg(name, { kind: 'webrtc' })
    await expect(session.adopt(other, 'callee', 'x'), 'full').rejects.toMatchObject(WRONG)
    await session.removeLeg('4')

    const closed = await engine.openSession('closed', new MediaLog())
    await closed.close()
    await expect(closed.adopt(other, 'callee', 'x')).rejects.toMatchObject({ code: 'media.closed' })
    await expect(session.adopt(closed, 'callee', 'x')).rejects.toMatchObject({ code: 'media.closed' })
    expect(Object.keys((await other.stats()).legs).toSorted()).toEqual(['callee', 'caller'])
    await session.adopt(other, 'callee', 'x')
    await bridge(session, 'caller', 'x')
    await talk(caller, callee)
  })
})

async function talkOneWay(from: Party, to: Party): Promise<void> {
  const hello = randomBytes(160)
  await repeatUntil(
    () => from.sendRtp(0, hello),
    () => to.received.some(({ payload }) => payload.equals(hello)),
  )
}
