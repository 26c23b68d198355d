import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { native } from '../../../media/native/index.ts'
import { createNativeEngine } from '../../../media/native-engine.ts'
import { tonePlayback } from '../../../media/tone.ts'
import {
  addRtp,
  addWebrtc,
  connect,
  MediaLog as Log,
  openBrowser,
  openEngine,
  openTrunk,
  PCMU,
  PLAIN,
  SDES,
} from '../../harness/media-bench.ts'
import { sdesKey } from '../../harness/scripted-trunk.ts'
import { repeatUntil, until } from '../../harness/until.ts'

describe.each([
  ['active', 'AEAD_AES_128_GCM'],
  ['active', 'AES_CM_128_HMAC_SHA1_80'],
  ['passive', 'AEAD_AES_128_GCM'],
  ['passive', 'AES_CM_128_HMAC_SHA1_80'],
] as const)('a browser that is %s, with %s', (setup, suite) => {
  test('connects and hears its echo', async () => {
    const log = new Log()
    const session = await openEngine().openSession('call', log)
    const browser = await openBrowser({ setup, suites: [suite] })
    const local = await connect(session, browser, log)
    await session.setRoute('caller', { kind: 'echo', map: [PCMU] })
    const payload = randomBytes(160)
    await repeatUntil(
      () => browser.sendRtp(0, payload),
      () => browser.received.length > 2,
    )
    expect(browser.received.every((packet) => packet.payload.equals(payload))).toBe(true)
    expect(browser.received.every((packet) => packet.ssrc === local.ssrc && packet.payloadType === 0)).toBe(
      true,
    )
    await until(() => log.rungs('caller').length === 6)
    expect(log.rungs('caller').slice(0, 4)).toEqual([
      'ice-checked',
      'dtls-started',
      'dtls-connected',
      'keys-ready',
    ])
    expect(log.rungs('caller').slice(4).toSorted()).toEqual(['received', 'sent'])
    expect(log.stages).toContainEqual({ leg: 'caller', event: { kind: 'dtls-connected', suite } })
    const stats = async () => (await session.stats()).legs.caller
    expect(await stats()).toMatchObject({ suite, remote: browser.address })
    expect((await stats())?.packetsReceived).toBeGreaterThan(2)
    // The relay counts just after it has sent.
    await expect
      .poll(async () => (await stats())?.packetsSent, { interval: 2, timeout: 10_000 })
      .toBeGreaterThan(2)
    expect(log.failures).toEqual([])
  })
})

test('IPv6', async () => {
  const log = new Log()
  const session = await openEngine({ addresses: ['::1'] }).openSession('call', log)
  const browser = await openBrowser({ address: '::1' })
  await connect(session, browser, log)
  await session.setRoute('caller', { kind: 'echo', map: [PCMU] })
  await repeatUntil(
    () => browser.sendRtp(0, Buffer.alloc(160)),
    () => browser.received.length > 0,
  )
  expect((await session.stats()).legs.caller?.remote).toBe(browser.address)
  expect(browser.address).toMatch(/^\[::1\]:\d+$/)
})

test('a ClientHello of ours that is lost is sent again', async () => {
  const log = new Log()
  const session = await openEngine().openSession('call', log)
  const browser = await openBrowser({ setup: 'passive', lostDtls: 1 })
  await connect(session, browser, log)
  expect(log.failures).toEqual([])
})

describe('a bridge', () => {
  test('browser and plain RTP, both ways, payload types mapped, nothing left behind', async () => {
    const engine = openEngine()
    const log = new Log()
    const session = await engine.openSession('call', log)
    const browser = await openBrowser()
    const trunk = await openTrunk()
    await connect(session, browser, log)
    const local = await addRtp(session, PLAIN)
    expect(local.crypto).toEqual([])
    expect(local.rtp.port % 2).toBe(0)
    await session.setRemote('callee', trunk.remote())
    trunk.connect(local)
    await session.setRoute('caller', {
      kind: 'bridge',
      to: 'callee',
      map: [{ from: 96, to: 0, clockRateHz: 8000 }],
    })
    await session.setRoute('callee', {
      kind: 'bridge',
      to: 'caller',
      map: [{ from: 0, to: 96, clockRateHz: 8000 }],
    })
    const up = randomBytes(160)
    const down = randomBytes(160)
    await repeatUntil(
      () => {
        browser.sendRtp(96, up)
        browser.sendRtp(97, randomBytes(10))
        trunk.sendRtp(0, down)
      },
      () => browser.received.length > 2 && trunk.received.length > 2,
    )
    expect(trunk.received.every((packet) => packet.payload.equals(up) && packet.payloadType === 0)).toBe(true)
    expect(trunk.received.every((packet) => packet.ssrc === local.ssrc)).toBe(true)
    expect(browser.received.every((packet) => packet.payload.equals(down) && packet.payloadType === 96)).toBe(
      true,
    )
    const { legs } = await session.stats()
    expect(legs.callee).toMatchObject({ suite: 'none', remote: trunk.address })
    expect(legs.caller?.drops['rtp.unmapped-payload-type']).toBeGreaterThan(0)
    await session.close()
    await session.close()
    await until(() => Object.values(engine.tables()).every((size) => size === 0))
  })

  test('browser and SDES-SRTP, both ways, never in clear', async () => {
    const log = new Log()
    const session = await openEngine().openSession('call', log)
    const browser = await openBrowser()
    const trunk = await openTrunk()
    await connect(session, browser, log)
    const local = await addRtp(session, SDES)
    const [ours] = local.crypto
    if (ours === undefined) throw new Error('no crypto line')
    expect(ours).toMatchObject({ tag: 1, suite: 'AES_CM_128_HMAC_SHA1_80' })
    expect(ours.keySalt.reveal()).toHaveLength(30)
    expect(JSON.stringify(local)).not.toContain(Buffer.from(ours.keySalt.reveal()).toString('base64'))
    const theirs = sdesKey(1, ours.suite, randomBytes(30))
    await session.setRoute('caller', { kind: 'bridge', to: 'callee', map: [PCMU] })
    await session.setRoute('callee', { kind: 'bridge', to: 'caller', map: [PCMU] })
    const up = randomBytes(160)
    for (let count = 0; count < 5; count++) browser.sendRtp(0, up)
    await session.setRemote('callee', trunk.remote(theirs), ours)
    trunk.connect(local, { sends: theirs, receives: ours })
    const down = randomBytes(160)
    await repeatUntil(
      () => {
        browser.sendRtp(0, up)
        trunk.sendRtp(0, down)
      },
      () => browser.received.length > 2 && trunk.received.length > 2,
    )
    expect(trunk.received.every((packet) => packet.payload.equals(up))).toBe(true)
    expect(browser.received.every((packet) => packet.payload.equals(down))).toBe(true)
    expect(trunk.raw.some((datagram) => datagram.includes(up))).toBe(false)
    expect((await session.stats()).legs.callee?.suite).toBe('AES_CM_128_HMAC_SHA1_80')
    expect(log.rungs('callee')[0]).toBe('keys-ready')
    await session.close()
    expect(Buffer.from(ours.keySalt.reveal()), 'wiped').toEqual(Buffer.alloc(30))
  })

  test('a leg that is dropped and added again is bridged again', async () => {
    const log = new Log()
    const session = await openEngine().openSession('call', log)
    const browser = await openBrowser()
    await connect(session, browser, log)
    await session.setRoute('caller', { kind: 'bridge', to: 'callee', map: [PCMU] })
    await addRtp(session, PLAIN)
    await session.removeLeg('callee')
    await session.removeLeg('callee')
    const trunk = await openTrunk()
    const local = await addRtp(session, PLAIN)
    await session.setRemote('callee', trunk.remote())
    trunk.connect(local)
    await repeatUntil(
      () => browser.sendRtp(0, Buffer.alloc(160)),
      () => trunk.received.length > 0,
    )
  })

  test('a tone is played to both kinds of leg', async () => {
    const log = new Log()
    const session = await openEngine().openSession('call', log)
    const browser = await openBrowser()
    const trunk = await openTrunk()
    await connect(session, browser, log)
    const local = await addRtp(session, PLAIN)
    await session.setRemote('callee', trunk.remote())
    trunk.connect(local)
    const tone = tonePlayback({ codec: 'PCMU', payloadType: 0, frequencyHz: 440, level: 0.25 })
    await session.play('caller', tone)
    await session.play('callee', tone)
    await until(() => browser.received.length > 6 && trunk.received.length > 6)
    const frames = tone.frames.map((frame) => Buffer.from(frame).toString('hex'))
    for (const { received } of [browser, trunk]) {
      expect(received.every(({ payload }) => frames.includes(payload.toString('hex')))).toBe(true)
    }
    await session.play('caller', undefined)
    await session.play('callee', undefined)
  })
})

describe('the ladder', () => {
  test('another certificate: fingerprint mismatch with both, and no media', async () => {
    const log = new Log()
    const engine = openEngine()
    const session = await engine.openSession('call', log)
    const browser = await openBrowser()
    const local = await addWebrtc(session)
    const described = { hash: 'sha-256', value: Array.from({ length: 32 }, () => 'AB').join(':') }
    await session.setRemote('caller', { ...browser.remote, fingerprints: [described] })
    await session.setRoute('caller', { kind: 'echo', map: [PCMU] })
    await browser.check(local)
    browser.startDtls()
    await until(() => log.failures.length > 0)
    expect(log.failures).toHaveLength(1)
    expect(log.failures[0]?.failure).toMatchObject({
      code: 'dtls.fingerprint-mismatch',
      expected: `sha-256 ${described.value}`,
      seen: `sha-256 ${browser.remote.fingerprints[0]?.value}`,
    })
    expect(log.rungs('caller')).not.toContain('keys-ready')
    await browser.connected()
    await repeatUntil(
      () => browser.sendRtp(0, Buffer.alloc(160)),
      () => (engine.counters()['media.not-admitted'] ?? 0) > 2,
    )
    const stats = (await session.stats()).legs.caller
    expect(stats).toMatchObject({ packetsReceived: 0, packetsSent: 0, suite: undefined })
    expect(browser.received).toEqual([])
  })

  test('check and ClientHello before the description: connected, but no key before it', async () => {
    const log = new Log()
    const session = await openEngine().openSession('call', log)
    const browser = await openBrowser()
    const local = await addWebrtc(session)
    await session.setRoute('caller', { kind: 'echo', map: [PCMU] })
    await browser.check(local)
    browser.startDtls()
    await browser.connected()
    browser.sendRtp(0, Buffer.alloc(160))
    await until(() => log.rungs('caller').includes('dtls-connected'))
    expect(log.rungs('caller')).toEqual(['ice-checked', 'dtls-started', 'dtls-connected'])
    expect((await session.stats()).legs.caller?.suite).toBeUndefined()
    await session.setRemote('caller', browser.remote)
    await repeatUntil(
      () => browser.sendRtp(0, Buffer.alloc(160)),
      () => browser.received.length > 0,
    )
  })

  test('a wrong password is answered 401 and named when time is up', async () => {
    const engine = openEngine({ iceTimeoutMs: 1_500 })
    const log = new Log()
    const session = await engine.openSession('call', log)
    const browser = await openBrowser()
    const local = await addWebrtc(session)
    await session.setRemote('caller', browser.remote)
    await browser.check(local, { password: 'wrong' })
    expect(browser.stunErrors[0]).toBe(401)
    await until(() => log.failures.length > 0)
    expect(log.failures.map(({ leg, failure }) => [leg, failure.code])).toEqual([
      ['caller', 'ice.bad-integrity'],
    ])
    expect(engine.counters()['stun.bad-integrity']).toBeGreaterThan(0)
  })

  test('no ClientHello after good checks', async () => {
    const log = new Log()
    const session = await openEngine({ dtlsTimeoutMs: 200 }).openSession('call', log)
    const browser = await openBrowser()
    const local = await addWebrtc(session)
    await session.setRemote('caller', browser.remote)
    await browser.check(local)
    await until(() => log.failures.length > 0)
    expect(log.failures[0]?.failure.code).toBe('dtls.no-client-hello')
  })

  test('no common SRTP profile', async () => {
    const log = new Log()
    const session = await openEngine().openSession('call', log)
    const browser = await openBrowser({ suites: [] })
    const local = await addWebrtc(session)
    await session.setRemote('caller', browser.remote)
    await browser.check(local)
    browser.startDtls()
    await until(() => log.failures.length > 0)
    expect(log.failures[0]?.failure.code).toBe('dtls.no-common-profile')
  })

  test('consent lost: media stops at once', async () => {
    const log = new Log()
    const session = await openEngine({ consentTimeoutMs: 2_000 }).openSession('call', log)
    const browser = await openBrowser()
    await connect(session, browser, log)
    await session.play(
      'caller',
      tonePlayback({ codec: 'PCMU', payloadType: 0, frequencyHz: 440, level: 0.25 }),
    )
    await until(() => log.failures.length > 0)
    expect(log.failures[0]?.failure.code).toBe('ice.consent-lost')
    const stats = (await session.stats()).legs.caller
    expect(stats?.packetsSent).toBeGreaterThan(0)
    await session.play('caller', undefined)
    await session.setRoute('caller', { kind: 'discard' })
    await session.setRemote('caller', browser.remote)
    expect(await session.stats(), 'the figures of a dead leg stand still').toMatchObject({
      legs: { caller: stats },
    })
  })
})

describe('limits and the end', () => {
  test('one session too many, and one after the end', async () => {
    const engine = openEngine({ maxSessions: 2 })
    const sessions = [await engine.openSession('1', new Log()), await engine.openSession('2', new Log())]
    await expect(engine.openSession('3', new Log())).rejects.toMatchObject({ code: 'media.overload' })
    await sessions[0]?.close()
    const last = await engine.openSession('4', new Log())
    await engine.close()
    await engine.close()
    await expect(engine.openSession('5', new Log())).rejects.toMatchObject({ code: 'media.closed' })
    await expect(last.addLeg('caller', { kind: 'webrtc' })).rejects.toMatchObject({ code: 'media.closed' })
    expect(Object.values(engine.tables()).every((size) => size === 0)).toBe(true)
  })

  test('legs that do not fit', async () => {
    const session = await openEngine().openSession('call', new Log())
    const browser = await openBrowser()
    const trunk = await openTrunk()
    await addWebrtc(session)
    const wrong = { code: 'media.wrong-leg' }
    await expect(session.addLeg('caller', PLAIN)).rejects.toMatchObject(wrong)
    await expect(session.setRemote('caller', trunk.remote())).rejects.toMatchObject(wrong)
    await expect(session.setRemote('callee', browser.remote)).rejects.toMatchObject(wrong)
    const local = await addRtp(session, SDES)
    await expect(session.setRemote('callee', trunk.remote()), 'no clear text').rejects.toMatchObject(wrong)
    const short = sdesKey(1, 'AES_CM_128_HMAC_SHA1_32', randomBytes(30))
    await expect(session.setRemote('callee', trunk.remote(short), local.crypto[0])).rejects.toMatchObject(
      wrong,
    )
  })

  test('one fresh key for each suite, in order, tags from 1', async () => {
    const session = await openEngine().openSession('call', new Log())
    const suites = ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32', 'AEAD_AES_128_GCM'] as const
    const local = await session.addLeg('callee', { kind: 'rtp', localAddress: '127.0.0.1', suites })
    if (local.kind !== 'rtp') throw new Error('not a trunk leg')
    expect(local.crypto.map(({ tag, suite }) => [tag, suite])).toEqual(
      suites.map((suite, at) => [at + 1, suite]),
    )
    const keys = local.crypto.map(({ keySalt }) => Buffer.from(keySalt.reveal()).toString('hex'))
    expect(keys.map((key) => key.length / 2)).toEqual([30, 30, 28])
    expect(new Set(keys).size).toBe(3)
  })

  test('ports that are taken are passed over; none left is media.no-port', async () => {
    const blocker = createSocket('udp4')
    blocker.bind(0, '127.0.0.1')
    await once(blocker, 'listening')
    onTestFinished(() => void blocker.close())
    const taken = blocker.address().port
    const even = taken - (taken % 2)
    const engine = openEngine({ rtpPortMin: even, rtpPortMax: even + 1 })
    const session = await engine.openSession('call', new Log())
    await expect(session.addLeg('callee', PLAIN)).rejects.toMatchObject({ code: 'media.no-port' })
    expect(engine.tables().rtpPorts).toBe(0)
  })

  test.each([
    ['EMFILE', 'media.system-limit'],
    ['ENOBUFS', 'media.system-limit'],
    ['ELIMIT', 'media.overload'],
    ['EADDRNOTAVAIL', 'media.no-port'],
  ] as const)('a leg that cannot be opened, %s: %s', async (seen, code) => {
    const openRelay: typeof native.openRelay = (options) =>
      Object.defineProperty(native.openRelay(options), 'addLeg', {
        value: () => {
          throw Object.assign(new Error('no'), { code: seen })
        },
      })
    const session = await openEngine({}, { addon: { ...native, openRelay } }).openSession('call', new Log())
    await expect(session.addLeg('callee', PLAIN)).rejects.toMatchObject({ code, seen })
    await expect(session.addLeg('caller', { kind: 'webrtc' })).rejects.toMatchObject({ code, seen })
  })

  test('one port on several addresses; a taken fixed port is media.no-port', async () => {
    const engine = openEngine({ addresses: ['127.0.0.1', '127.0.0.2'] })
    const session = await engine.openSession('call', new Log())
    const { candidates } = await addWebrtc(session)
    expect(candidates.map(({ address }) => address)).toEqual(['127.0.0.1', '127.0.0.2'])
    const port = candidates[0]?.port ?? 0
    expect(candidates[1]?.port).toBe(port)
    expect(port).toBeGreaterThan(0)
    expect(() => openEngine({ webrtcPort: port })).toThrow(expect.objectContaining({ code: 'media.no-port' }))
  })

  test('an observer that throws is contained', async () => {
    const errors: unknown[] = []
    const engine = createNativeEngine(
      {
        addresses: ['127.0.0.1'],
        announced: [],
        webrtcPort: 0,
        rtpPortMin: 20_000,
        rtpPortMax: 29_999,
        portRestMs: 0,
        latchMs: 0,
        iceTimeoutMs: 10_000,
        dtlsTimeoutMs: 10_000,
        consentTimeoutMs: 30_000,
        maxSessions: 10,
      },
      { report: (error) => errors.push(error) },
    )
    onTestFinished(() => engine.close())
    const session = await engine.openSession('call', {
      onStage: () => {
        throw new TypeError('in the observer')
      },
      onFailure: () => undefined,
      onKeyPress: () => undefined,
    })
    const browser = await openBrowser()
    const local = await addWebrtc(session)
    await session.setRemote('caller', browser.remote)
    await browser.check(local)
    await browser.check(local)
    expect(errors).toHaveLength(1)
    expect(engine.counters()).toMatchObject({ 'media.internal': 1 })
  })
})
