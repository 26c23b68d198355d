import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { MediaCode } from '../../../media/failure.ts'
import type { SdesKey } from '../../../media/parameters.ts'
import type { VerdictWord } from '../../harness/call-verdicts.ts'
import { MediaCall, type MediaCallOptions, PCMA } from '../../harness/media-call.ts'
import { reofferOf } from '../../harness/scripted-calls.ts'
import { sdesKey } from '../../harness/scripted-trunk.ts'
import { until } from '../../harness/until.ts'

const open: MediaCall[] = []
afterEach(async () => {
  for (const call of open.splice(0)) await call.close()
})

/** Answered, and the browser has its keys; the trunk knows where to send. */
async function connected(options: MediaCallOptions = {}): Promise<MediaCall> {
  const call = await answered(options)
  await call.connectBrowser()
  call.connectTrunk()
  return call
}

async function answered(options: MediaCallOptions = {}): Promise<MediaCall> {
  const call = await MediaCall.open(options)
  open.push(call)
  await call.answer()
  return call
}

describe('a call with audio both ways', () => {
  it.each(['rtp', 'sdes'] as const)(
    'over a trunk with %s has climbed every rung, and nothing is found',
    async (media) => {
      const call = await connected({ trunk: { media } })
      await call.speak({ browser: 100, trunk: 100 })
      const report = await call.look()
      expect(report).toMatchObject({ outcome: 'ok', findings: [] })
      expect(report.legs.flatMap(({ rungs }) => rungs.filter(({ state }) => state !== 'climbed'))).toEqual([])
      expect(report.timeline.map(({ what }) => what)).toEqual(
        expect.arrayContaining([
          'sdp',
          'ice-checked',
          'dtls-flight',
          'dtls-connected',
          'keys-ready',
          'first-packet',
          'media',
        ]),
      )
      call.caller.dialog?.bye()
      await call.gateway.time.advance(1_000)
      expect(call.report()).toMatchObject({ state: 'ended', outcome: 'ok', findings: [] })
      expect(call.gateway.logged('call impaired')).toEqual([])
    },
  )
})

describe('S6: a call goes on, impaired, and the finding names leg and direction', () => {
  it('when nothing comes from the trunk', async () => {
    const call = await connected()
    await call.speak({ browser: 100 })
    expect(await call.look()).toMatchObject({
      outcome: 'impaired',
      state: 'connected',
      verdict: {
        stage: 'S6',
        code: 'media.none-from-trunk',
        leg: 'callee',
        direction: 'received',
        seen: 'no packet',
      },
    })
    expect(call.gateway.logged('call impaired').map(({ fields }) => fields.code)).toEqual([
      'media.none-from-trunk',
    ])
    call.gateway.expectsVerdicts(['media.none-from-trunk', 'open caller S6 sent'])
  })

  it('when nothing comes from the browser', async () => {
    const call = await connected()
    await call.speak({ trunk: 100 })
    expect((await call.look()).findings).toMatchObject([
      { code: 'media.none-from-browser', leg: 'caller', direction: 'received' },
    ])
    call.gateway.expectsVerdicts(['media.none-from-browser', 'open callee S6 sent'])
  })

  it('at once at its end, when it is too short for a look', async () => {
    const call = await connected()
    await call.speak({ browser: 100 })
    await call.gateway.time.advance(2_500)
    call.caller.dialog?.bye()
    await call.gateway.time.advance(1_000)
    expect(call.report()).toMatchObject({ outcome: 'impaired', verdict: { code: 'media.none-from-trunk' } })
    call.gateway.expectsVerdicts(['media.none-from-trunk', 'open caller S6 sent'])
  })

  it('but not in the first seconds', async () => {
    const call = await connected()
    await call.gateway.time.advance(1_000)
    call.caller.dialog?.bye()
    await call.gateway.time.advance(1_000)
    expect(call.report()).toMatchObject({ outcome: 'ok', findings: [] })
    call.gateway.expectsVerdicts([
      'open caller S6 received',
      'open caller S6 sent',
      'open callee S6 received',
      'open callee S6 sent',
    ])
  })

  it('when the trunk sends from elsewhere than it was learnt to', async () => {
    const call = await connected()
    await call.speak({ browser: 60, trunk: 60 })
    await call.look()
    const stranger = await call.strangerAtTrunk()
    for (let i = 0; i < 60; i += 1) stranger.sendRtp(PCMA, randomBytes(160))
    await call.dropped('callee', 'media.wrong-source', 60)
    expect((await call.look()).findings).toMatchObject([
      {
        code: 'media.wrong-source',
        leg: 'callee',
        direction: 'received',
        seen: '60 of 60 packets: media.wrong-source',
      },
    ])
    stranger.close()
    call.gateway.expectsVerdicts('media.wrong-source')
  })

  it('when payload types come that nobody agreed on', async () => {
    const call = await connected()
    await call.speak({ browser: 60 })
    for (let i = 0; i < 60; i += 1) call.trunk.sendRtp(9, randomBytes(160))
    await call.dropped('callee', 'rtp.unmapped-payload-type', 60)
    expect((await call.look()).findings).toMatchObject([
      { code: 'media.wrong-payload-type', leg: 'callee', seen: '60 of 60 packets with another' },
    ])
    call.gateway.expectsVerdicts(['media.wrong-payload-type', 'open caller S6 sent'])
  })

  it('when payload types come that nobody agreed on, but not when it was just told other ones', async () => {
    const call = await connected()
    await call.speak({ browser: 60, trunk: 60 })
    expect((await call.look()).findings).toEqual([])
    const old = async (total: number): Promise<void> => {
      for (let i = 0; i < 60; i += 1) call.trunk.sendRtp(9, randomBytes(160))
      await call.dropped('callee', 'rtp.unmapped-payload-type', total)
    }
    await call.callee.reoffer(call.gateway, reofferOf(call.callee.local, 'sendrecv'))
    await old(60)
    expect((await call.look()).findings).toEqual([])
    await old(120)
    expect((await call.look()).findings).toMatchObject([{ code: 'media.wrong-payload-type', leg: 'callee' }])
    call.gateway.expectsVerdicts('media.wrong-payload-type')
  })

  it('when its answer says from the first on that it sends nothing', async () => {
    const call = await connected({ answerDirection: 'recvonly' })
    await call.speak({ browser: 60 })
    expect((await call.look()).findings).toMatchObject([
      { code: 'media.direction-forbids', leg: 'callee', expected: 'a=sendrecv', seen: 'a=recvonly' },
    ])
    call.gateway.expectsVerdicts(['media.direction-forbids', 'open caller S6 sent'])
  })

  it('when all that comes is one byte', async () => {
    const call = await connected()
    await call.speak({ browser: 1_100, trunk: 1_100 }, () => Buffer.alloc(160, 0xd5))
    expect((await call.look()).findings.map(({ code, leg }) => `${leg} ${code}`)).toEqual([
      'caller media.digital-silence',
      'callee media.digital-silence',
    ])
    call.gateway.expectsVerdicts(['media.digital-silence', 'media.digital-silence'])
  })

  it('when packets hold more than was asked for', async () => {
    const call = await connected({ onOffer: (text) => `${text}a=ptime:20\r\n` })
    await call.speak({ browser: 300, trunk: 0 })
    await call.speak({ trunk: 300 }, () => randomBytes(480))
    expect((await call.look()).findings).toMatchObject([
      { code: 'media.wrong-ptime', leg: 'callee', expected: '20 ms a packet', seen: '60 ms' },
    ])
    call.gateway.expectsVerdicts('media.wrong-ptime')
  })

  it('when most packets are lost', async () => {
    const call = await connected()
    for (let i = 0; i < 10; i += 1) {
      await call.speak({ browser: 30, trunk: 30 })
      call.trunk.loseRtp(60)
    }
    expect((await call.look()).findings).toMatchObject([{ code: 'media.poor', leg: 'callee' }])
    call.gateway.expectsVerdicts('media.poor')
  })

  it('when the peer says that most of what we send is lost', async () => {
    const call = await connected()
    await call.speak({ browser: 300, trunk: 300 })
    await call.reportLoss(0.8)
    expect((await call.look()).findings).toMatchObject([
      { code: 'media.lost-towards-peer', leg: 'callee', direction: 'sent', seen: '80 % lost, says its RTCP' },
    ])
    call.gateway.expectsVerdicts('media.lost-towards-peer')
  })

  it('when what one leg receives does not go out on the other', async () => {
    // Loopback leads nowhere else.
    const call = await connected({
      onAnswer: (text) => text.replaceAll('c=IN IP4 127.0.0.1', 'c=IN IP4 203.0.113.9'),
    })
    await call.speak({ browser: 100 })
    expect((await call.look()).findings).toMatchObject([
      { code: 'media.none-from-trunk', leg: 'callee', direction: 'received' },
      {
        code: 'media.not-forwarded',
        leg: 'callee',
        direction: 'sent',
        seen: expect.stringContaining('media.send-failed'),
      },
    ])
    call.gateway.expectsVerdicts(['media.none-from-trunk', 'media.not-forwarded', 'open caller S6 sent'])
  })

  it('when timestamps go with another clock than that of the codec', async () => {
    const call = await connected()
    const startMs = performance.now()
    // By the clock and not by the timer, which is late on a machine that has other work.
    for (let index = 0; index < 280; index += 1) {
      while (performance.now() < startMs + index * 20) await new Promise((resolve) => setTimeout(resolve, 5))
      call.browser.sendRtp(PCMA, randomBytes(160))
      call.trunk.sendRtp(PCMA, randomBytes(160), call.trunk.ssrc, index * 320)
    }
    const [finding, ...others] = (await call.look()).findings
    expect(finding).toMatchObject({ code: 'media.wrong-clock', leg: 'callee' })
    expect(others).toEqual([])
    call.gateway.expectsVerdicts('media.wrong-clock')
  })
})

describe('S5: keys', () => {
  async function connectedWithKey(sends: SdesKey): Promise<MediaCall> {
    const call = await answered({ trunk: { media: 'sdes' } })
    await call.connectBrowser()
    call.connectTrunk(sends)
    await call.speak({ browser: 60 })
    return call
  }

  it('of the trunk are others than its description says: no packet authenticates', async () => {
    const call = await connectedWithKey(sdesKey(1, 'AES_CM_128_HMAC_SHA1_80', randomBytes(30)))
    call.trunk.sendRtp(PCMA, randomBytes(160))
    for (let i = 0; i < 60; i += 1) call.trunk.sendRtp(PCMA, randomBytes(160))
    await call.dropped('callee', 'srtp.auth-failed', 61)
    const { verdict, findings } = await call.look()
    expect(verdict).toMatchObject({
      stage: 'S5',
      code: 'srtp.auth-failed',
      leg: 'callee',
      direction: 'received',
      seen: '61 of 61 packets: srtp.auth-failed',
    })
    expect(findings.map(({ code }) => code)).toEqual(['srtp.auth-failed'])
    expect(call.rung('callee', 'S5')).toBe('impaired')
    call.gateway.expectsVerdicts(['srtp.auth-failed', 'open caller S6 sent', 'open callee S6 received'])
  })

  it('authenticated before, and do no more', async () => {
    const call = await connected({ trunk: { media: 'sdes' } })
    await call.speak({ browser: 60, trunk: 60 })
    await call.look()
    call.connectTrunk(sdesKey(1, 'AES_CM_128_HMAC_SHA1_80', randomBytes(30)))
    for (let i = 0; i < 60; i += 1) call.trunk.sendRtp(PCMA, randomBytes(160))
    await call.dropped('callee', 'srtp.auth-failed', 60)
    expect((await call.look()).verdict).toMatchObject({ stage: 'S5', code: 'srtp.auth-lost', leg: 'callee' })
    call.gateway.expectsVerdicts('srtp.auth-lost')
  })

  it('packets that come again', async () => {
    const call = await connected({ trunk: { media: 'sdes' } })
    call.trunk.keepSent = true
    await call.speak({ browser: 60, trunk: 60 })
    await call.look()
    for (const datagram of call.trunk.sent) call.trunk.sendRaw(datagram)
    await call.dropped('callee', 'srtp.replay', 60)
    expect((await call.look()).verdict).toMatchObject({ stage: 'S5', code: 'srtp.replay', leg: 'callee' })
    call.gateway.expectsVerdicts('srtp.replay')
  })

  it('packets with an MKI that nobody described', async () => {
    const call = await connected({ trunk: { media: 'sdes' } })
    call.trunk.mki = Buffer.from([0, 0, 0, 1])
    for (let i = 0; i < 60; i += 1) call.trunk.sendRtp(PCMA, randomBytes(160))
    await call.dropped('callee', 'srtp.unexpected-mki', 60)
    expect((await call.look()).verdict).toMatchObject({
      stage: 'S5',
      code: 'srtp.mki-not-described',
      leg: 'callee',
    })
    call.gateway.expectsVerdicts([
      'media.none-from-browser',
      'srtp.mki-not-described',
      'open caller S6 sent',
      'open callee S6 received',
      'open callee S6 sent',
    ])
  })

  it('packets with another MKI than described', async () => {
    const call = await connected({
      trunk: { media: 'sdes' },
      onAnswer: (text) => text.replace(/(a=crypto:.*)$/m, (line) => `${line.trimEnd()}|7:4`),
    })
    call.trunk.mki = Buffer.from([0, 0, 0, 1])
    for (let i = 0; i < 60; i += 1) call.trunk.sendRtp(PCMA, randomBytes(160))
    await call.dropped('callee', 'srtp.wrong-mki', 60)
    expect((await call.look()).verdict).toMatchObject({ stage: 'S5', code: 'srtp.wrong-mki', leg: 'callee' })
    call.gateway.expectsVerdicts([
      'media.none-from-browser',
      'srtp.wrong-mki',
      'open caller S6 sent',
      'open callee S6 received',
      'open callee S6 sent',
    ])
  })

  it('with more sources than are kept', async () => {
    const call = await connected({ trunk: { media: 'sdes' } })
    for (let i = 0; i < 40; i += 1) call.trunk.sendRtp(PCMA, randomBytes(160), 5_000 + i)
    await call.dropped('callee', 'srtp.too-many-ssrcs', 8)
    expect((await call.look()).verdict).toMatchObject({
      stage: 'S5',
      code: 'srtp.too-many-ssrcs',
      leg: 'callee',
    })
    call.gateway.expectsVerdicts(['media.none-from-browser', 'srtp.too-many-ssrcs', 'open callee S6 sent'])
  })
})

describe('S3 and S4: who hangs up before a handshake has had all of its time', () => {
  const OPEN: readonly VerdictWord[] = ['open caller S4', 'open caller S5', 'open caller S6 received']
  const AFTER: readonly VerdictWord[] = ['open caller S6 sent', 'open callee S6 sent']

  /** A call whose trunk is to be heard. */
  async function heard(options: MediaCallOptions = {}): Promise<MediaCall> {
    const call = await answered(options)
    call.connectTrunk()
    await call.speak({ trunk: 100 })
    return call
  }

  async function hungUp(call: MediaCall, afterS: number) {
    await call.gateway.time.advance(afterS * 1_000)
    call.caller.dialog?.bye()
    await call.gateway.time.advance(1_000)
    return call.report()
  }

  it('a browser behind a path that lets nothing through: the call was not ok', async () => {
    const report = await hungUp(await heard(), 7)
    expect(report).toMatchObject({
      outcome: 'impaired',
      verdict: {
        stage: 'S3',
        code: 'ice.no-check-seen',
        leg: 'caller',
        expected: expect.stringMatching(/^a check at 127\.0\.0\.1:\d+$/),
      },
    })
    expect(report.findings).toHaveLength(1)
    open[0]?.gateway.expectsVerdicts(['ice.no-check-seen', ...OPEN, ...AFTER])
  })

  it('a DTLS handshake whose answers are lost, told while it goes on', async () => {
    const call = await heard({ browser: { lostDtls: 1_000 } })
    await call.check()
    call.browser.startDtls()
    await until(() => call.report().timeline.filter(({ what }) => what === 'dtls-flight').length > 4)
    expect((await call.look(12)).findings).toMatchObject([
      { stage: 'S4', code: 'dtls.flight-unanswered', leg: 'caller' },
    ])
    expect(await hungUp(call, 1)).toMatchObject({ state: 'ended', outcome: 'impaired' })
    expect(call.rung('caller', 'S4')).toBe('impaired')
    call.gateway.expectsVerdicts(['dtls.flight-unanswered', ...OPEN.slice(1), ...AFTER])
  })

  it('but nothing is wrong yet in the first seconds', async () => {
    expect(await hungUp(await heard(), 3)).toMatchObject({ outcome: 'ok', findings: [] })
    open[0]?.gateway.expectsVerdicts(['open caller S3', ...OPEN, ...AFTER])
  })
})

describe('S3 and S4: the call ends, and the caller is told the code', () => {
  const FAST = { iceTimeoutMs: 300, dtlsTimeoutMs: 300, consentTimeoutMs: 400 }
  /** What a browser does comes in time, on a machine that has other work too. */
  const SOON = { iceTimeoutMs: 1_500, dtlsTimeoutMs: 300, consentTimeoutMs: 1_500 }
  /** For a browser that checks: it may be late, on a machine that has other work. */
  const CHECKED = { ...FAST, iceTimeoutMs: 10_000, consentTimeoutMs: 60_000 }

  async function ended(call: MediaCall) {
    await until(() => call.report().state === 'ended')
    await call.gateway.time.advance(1_000)
    return call.report()
  }

  it('a browser behind a path that lets nothing through', async () => {
    const call = await answered({ media: FAST })
    const report = await ended(call)
    expect(report).toMatchObject({
      outcome: 'failed',
      verdict: {
        stage: 'S3',
        code: 'ice.no-check-seen',
        leg: 'caller',
        expected: expect.stringMatching(/^a check at 127\.0\.0\.1:\d+ within 300 ms$/),
      },
    })
    expect(call.caller.endedBy).toBe('SIP;cause=480;text="ice.no-check-seen"')
    expect(call.rung('caller', 'S3')).toBe('failed')
    call.gateway.expectsVerdicts('ice.no-check-seen')
  })

  it('checks with a wrong password', async () => {
    const call = await answered({ media: SOON })
    await call.check({ password: 'wrong-password-of-24-chars' })
    expect((await ended(call)).verdict).toMatchObject({
      stage: 'S3',
      code: 'ice.bad-integrity',
      leg: 'caller',
    })
    call.gateway.expectsVerdicts('ice.bad-integrity')
  })

  it('checks with the credentials of another description', async () => {
    const call = await answered({ media: SOON })
    call.browser.restartIce()
    await call.check()
    expect((await ended(call)).verdict).toMatchObject({ stage: 'S3', code: 'ice.stale-ufrag', leg: 'caller' })
    call.gateway.expectsVerdicts('ice.stale-ufrag')
  })

  it('checks of a client that waits for ours', async () => {
    const call = await answered({ media: SOON })
    await call.check({ isControlled: true })
    expect((await ended(call)).verdict).toMatchObject({
      stage: 'S3',
      code: 'ice.check-refused',
      leg: 'caller',
      seen: 'stun.role-conflict',
    })
    call.gateway.expectsVerdicts('ice.check-refused')
  })

  it.each(['active', 'passive'] as const)(
    'checks that nominate nothing, of a DTLS peer that is %s',
    async (setup) => {
      const call = await answered({ media: SOON, browser: { setup } })
      await call.check({ isNominating: false })
      expect((await ended(call)).verdict).toMatchObject({
        stage: 'S3',
        code: 'ice.no-nomination',
        leg: 'caller',
      })
      call.gateway.expectsVerdicts('ice.no-nomination')
    },
  )

  it('checks that stop', async () => {
    const call = await connected({ media: { ...SOON, dtlsTimeoutMs: 10_000 } })
    await call.speak({ browser: 60, trunk: 60 })
    expect((await ended(call)).verdict).toMatchObject({
      stage: 'S3',
      code: 'ice.consent-lost',
      leg: 'caller',
    })
    call.gateway.expectsVerdicts('ice.consent-lost')
  })

  it('no ClientHello', async () => {
    const call = await answered({ media: { ...FAST, iceTimeoutMs: 10_000, consentTimeoutMs: 10_000 } })
    await call.check()
    expect((await ended(call)).verdict).toMatchObject({
      stage: 'S4',
      code: 'dtls.no-client-hello',
      leg: 'caller',
    })
    call.gateway.expectsVerdicts('dtls.no-client-hello')
  })

  it('a ClientHello whose answers are lost', async () => {
    const call = await answered({
      media: CHECKED,
      browser: { lostDtls: 1_000 },
    })
    await call.check()
    call.browser.startDtls()
    expect((await ended(call)).verdict).toMatchObject({
      stage: 'S4',
      code: 'dtls.flight-unanswered',
      leg: 'caller',
    })
    call.gateway.expectsVerdicts('dtls.flight-unanswered')
  })

  const CLIENT_HELLO = 1
  const isHello = (datagram: Buffer): boolean => datagram[0] === 22 && datagram[13] === CLIENT_HELLO

  /** Where the list of cipher suites begins, and how many octets it has. */
  function ciphersAt(hello: Buffer): { readonly at: number; readonly length: number } {
    const session = 13 + 12 + 2 + 32
    const cookie = session + 1 + hello.readUInt8(session)
    const at = cookie + 1 + hello.readUInt8(cookie)
    return { at: at + 2, length: hello.readUInt16BE(at) }
  }

  /** Where the contents of an extension begin. */
  function extensionAt(hello: Buffer, wanted: number): number {
    const ciphers = ciphersAt(hello)
    const compression = ciphers.at + ciphers.length
    let at = compression + 1 + hello.readUInt8(compression) + 2
    while (hello.readUInt16BE(at) !== wanted) at += 4 + hello.readUInt16BE(at + 2)
    return at + 4
  }

  /** All that is listed there becomes something that nobody knows. */
  const spoil = (hello: Buffer, from: number, length: number): void => {
    hello.fill(0xfa, from, from + length)
  }
  const spoilExtension = (hello: Buffer, type: number): void => {
    const at = extensionAt(hello, type)
    spoil(hello, at + 2, hello.readUInt16BE(at))
  }
  it.each([
    ['dtls.no-common-cipher', (hello) => spoil(hello, ciphersAt(hello).at, ciphersAt(hello).length)],
    ['dtls.no-common-group', (hello) => spoilExtension(hello, 10)],
    [
      'dtls.no-common-version',
      (hello) => {
        hello.writeUInt16BE(0xfeff, 25)
      },
    ],
    // The SRTP profiles: noticed when the transcripts of both sides are compared.
    ['dtls.handshake-failed', (hello) => spoilExtension(hello, 14)],
  ] satisfies readonly (readonly [MediaCode, (hello: Buffer) => void])[])('%s', async (code, alter) => {
    await refused(code, alter)
  })

  it('dtls.no-common-group: those that OpenSSL has and we do not offer', async () => {
    const P_521 = 25
    const verdict = await refused('dtls.no-common-group', (hello) => {
      const at = extensionAt(hello, 10)
      const end = at + 2 + hello.readUInt16BE(at)
      for (let group = at + 2; group < end; group += 2) hello.writeUInt16BE(P_521, group)
    })
    expect(verdict).toMatchObject({ expected: 'X25519 P-256 P-384', seen: expect.stringContaining('0x19') })
  })

  async function refused(code: MediaCode, alter: (hello: Buffer) => void) {
    const alterDtls = (datagram: Buffer): Buffer => {
      const copy = Buffer.from(datagram)
      if (isHello(copy)) alter(copy)
      return copy
    }
    const call = await answered({
      media: { ...CHECKED, dtlsTimeoutMs: 3_000 },
      browser: { alterDtls },
    })
    await call.check()
    call.browser.startDtls()
    const { verdict } = await ended(call)
    expect(verdict).toMatchObject({ stage: 'S4', code, leg: 'caller' })
    call.gateway.expectsVerdicts(code)
    return verdict
  }

  it('dtls.handshake-timeout: the peer has our flight, and its own is lost', async () => {
    let seen = 0
    // The ClientHello and a piece of what follows get through.
    const alterDtls = (datagram: Buffer): Buffer | undefined => {
      if (isHello(datagram)) return datagram
      seen += 1
      return seen === 1 ? datagram : undefined
    }
    const call = await answered({ media: CHECKED, browser: { alterDtls } })
    await call.check()
    call.browser.startDtls()
    expect((await ended(call)).verdict).toMatchObject({
      stage: 'S4',
      code: 'dtls.handshake-timeout',
      seen: 'a part of it',
    })
    call.gateway.expectsVerdicts('dtls.handshake-timeout')
  })

  it('dtls.alert: what the peer says is told by number and name', async () => {
    const alert = Buffer.from([21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40])
    const alterDtls = (datagram: Buffer): Buffer => (isHello(datagram) ? datagram : alert)
    const call = await answered({
      media: { ...CHECKED, dtlsTimeoutMs: 3_000 },
      browser: { alterDtls },
    })
    await call.check()
    call.browser.startDtls()
    expect((await ended(call)).verdict).toMatchObject({
      stage: 'S4',
      code: 'dtls.alert',
      seen: '40 handshake_failure',
    })
    call.gateway.expectsVerdicts('dtls.alert')
  })

  it('a fingerprint that was altered on the way: expected and seen are told', async () => {
    const altered = Array.from({ length: 32 }, () => 'AB').join(':')
    const call = await answered({
      onOffer: (text) => text.replace(/a=fingerprint:sha-256 \S+/, `a=fingerprint:sha-256 ${altered}`),
    })
    await call.check()
    call.browser.startDtls()
    const report = await ended(call)
    const [own] = call.browser.remote.fingerprints
    expect(report.verdict).toMatchObject({ stage: 'S4', code: 'dtls.fingerprint-mismatch', leg: 'caller' })
    expect(report.verdict?.expected).toContain(altered)
    expect(report.verdict?.seen).toContain(own?.value)
    // The caller is told the code and nothing of it.
    expect(call.caller.endedBy).toBe('SIP;cause=480;text="dtls.fingerprint-mismatch"')
    call.gateway.expectsVerdicts('dtls.fingerprint-mismatch')
  })
})
