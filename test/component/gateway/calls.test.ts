import { afterEach, describe, expect, it } from 'vitest'
import type { Code } from '../../../gateway/diagnosis.ts'
import { STANDARD_CODECS } from '../../../sdp/codecs.ts'
import { header } from '../../../sip/message/headers.ts'
import type { Body } from '../../../sip/user-agent.ts'
import {
  answerIn,
  answerOfFork,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  quiet,
  reasonText,
  ringing,
  sdp,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

describe('a call from a browser to a trunk', () => {
  it('rings, is answered, and the browser hangs up', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    expect(invite.request.uri.text).toBe('sip:100@127.0.0.1:5070')
    expect(invite.request.from.uri.text).toMatch(/^sip:alice@/)
    invite.progress(180)
    await gateway.time.advance(50)
    expect(call.progress.map((response) => response.status)).toEqual([180])
    let ended: string | undefined
    const answer = answerTo(invite, PHONE)
    invite.accept({ body: answer }, { ...quiet, onEnd: (reason) => (ended = reason) })
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(200)
    expect(gateway.calls.size).toBe(1)
    call.dialog?.bye()
    await gateway.time.advance(50)
    expect(ended).toBe('bye')
    expect(gateway.logged('call ended').at(-1)?.fields).toMatchObject({ event: 'hung-up', leg: 'caller' })
  })

  it('is hung up by the trunk', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    const dialog = invite.accept({ body: answerTo(invite, PHONE) }, quiet)
    await gateway.time.advance(50)
    dialog.bye()
    await gateway.time.advance(50)
    expect(call.ended).toBe('bye')
  })

  it('shows the browser one answer, byte-identical in 183 and 200', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(183, { body: answerTo(invite, PHONE) })
    await gateway.time.advance(50)
    invite.progress(180)
    await gateway.time.advance(50)
    invite.accept({ body: answerTo(invite, PHONE) }, quiet)
    await gateway.time.advance(50)
    const early = call.progress[0]?.body.toString()
    expect(early).toContain('a=fingerprint:sha-256')
    expect(typeof call.final === 'object' && call.final.body.toString()).toBe(early)
    expect(call.progress.map((response) => [response.status, response.body.length > 0])).toEqual([
      [183, true],
      [180, false],
    ])
    call.dialog?.bye()
  })

  it.each([
    ['another codec', ['PCMU'], 'sendrecv', ['PCMA'], 'sendrecv', ['8 101 sendrecv']],
    ['one of two codecs', ['PCMU', 'PCMA'], 'sendrecv', ['PCMA'], 'sendrecv', ['8 101 sendrecv']],
    ['both directions after one', ['PCMU'], 'sendonly', ['PCMU'], 'sendrecv', ['0 101 sendrecv']],
    ['both directions after none', ['PCMU'], 'inactive', ['PCMU'], 'sendrecv', ['0 101 sendrecv']],
    ['the same', ['PCMU', 'PCMA'], 'sendonly', ['PCMU', 'PCMA'], 'sendonly', []],
  ] as const)(
    'tells the browser by a re-INVITE that the 200 has %s',
    async (_what, early, earlyWay, late, lateWay, told) => {
      gateway = await ScriptedGateway.open()
      const browser = new PeerDialog(BROWSER)
      const alice = await gateway.registered('alice')
      const call = place(alice, 'alice', '0100', offerOf(BROWSER), browser.handler)
      const invite = await ringing(gateway, gateway.trunk)
      invite.progress(183, { body: answerIn(invite, early, earlyWay) })
      await gateway.time.advance(50)
      const phone = new PeerDialog(PHONE)
      phone.dialog = invite.accept({ body: answerIn(invite, late, lateWay) }, phone.handler)
      await gateway.time.advance(500)
      const [first] = call.progress
      expect(typeof call.final === 'object' && call.final.body.toString()).toBe(first?.body.toString())
      const offers = browser.offers.map((text) => {
        const [, types] = /^m=audio \d+ \S+ (.*)\r$/m.exec(text) ?? []
        const [, direction] = /^a=(sendrecv|sendonly|recvonly|inactive)\r$/m.exec(text) ?? []
        return `${types} ${direction}`
      })
      expect(offers).toEqual(told)
      expect(phone.offers).toEqual([])
      expect(await gateway.sessions[0]?.stats()).toMatchObject({
        legs: { callee: { remote: '127.0.0.1:40002' } },
      })
      phone.dialog.bye()
      await gateway.time.advance(50)
      expect(browser.ended).toBe('bye')
    },
  )

  it('goes on with the description of the fork that answers, though another one has said its own since', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    await ringing(gateway, gateway.trunk)
    answerOfFork(gateway, 183, 'first', 40_010)
    await gateway.time.advance(50)
    answerOfFork(gateway, 183, 'second', 40_020)
    await gateway.time.advance(50)
    answerOfFork(gateway, 200, 'first', undefined)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    expect(await gateway.sessions[0]?.stats()).toMatchObject({
      legs: { callee: { remote: '127.0.0.1:40010' } },
    })
    call.dialog?.bye()
    await gateway.time.advance(50)
  })

  it('whose callee hangs up behind its answer, before the caller has that, ends', async () => {
    // The caller was answered, and alone in the call.
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    const texts: string[] = []
    gateway.trunk.flow.drops = (text) => texts.push(text) > 0
    invite.accept({ body: answerTo(invite, PHONE) }, quiet)
    gateway.trunk.flow.drops = () => false
    const [answer = ''] = texts
    const lineOf = (name: string): string => new RegExp(`^${name}: (.*)\r$`, 'm').exec(answer)?.[1] ?? ''
    const bye = [
      `BYE ${/<([^>]*)>/.exec(header(invite.request, 'Contact') ?? '')?.[1]} SIP/2.0`,
      'Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKbye;rport',
      'Max-Forwards: 70',
      `From: ${lineOf('To')}`,
      `To: ${lineOf('From')}`,
      `Call-ID: ${lineOf('Call-ID')}`,
      'CSeq: 1 BYE',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n')
    for (const text of [answer, bye]) gateway.userAgent.receive(Buffer.from(text), gateway.trunkFlow)
    await gateway.time.advance(500)
    expect([statusOf(call), gateway.calls.size]).toEqual([480, 0])
    gateway.expectsVerdicts('call.refused')
  })

  it('hears a trunk through a 183 without SDP, and through a 180 after early media (quirk 25)', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(180)
    await gateway.time.advance(50)
    invite.progress(183)
    await gateway.time.advance(50)
    // Nothing that would make a browser take its own ringing for early media.
    expect(call.progress.map(({ body }) => body.length)).toEqual([0, 0])
    invite.progress(183, { body: answerTo(invite, PHONE) })
    await gateway.time.advance(50)
    invite.progress(180)
    await gateway.time.advance(50)
    expect(call.progress.map(({ status, body }) => [status, body.length > 0])).toEqual([
      [180, false],
      [183, false],
      [183, true],
      [180, false],
    ])
    invite.accept({ body: answerTo(invite, PHONE) }, quiet)
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
  })

  it.each(['application/ISUP;version=itu-t92+', 'application/x-q931', 'application/gtd'])(
    'passes over what a trunk says in %s, which is no description',
    async (contentType) => {
      gateway = await ScriptedGateway.open()
      const call = place(await gateway.registered('alice'), 'alice', '0100')
      const invite = await ringing(gateway, gateway.trunk)
      const body = { contentType, bytes: Buffer.from([1, 0, 0x48, 0, 0x0a, 3, 2]) }
      invite.progress(180, { body })
      await gateway.time.advance(50)
      invite.progress(183, { body })
      await gateway.time.advance(50)
      expect(call.progress.map((response) => [response.status, response.body.length])).toEqual([
        [180, 0],
        [183, 0],
      ])
      invite.accept({ body: answerTo(invite, PHONE) }, quiet)
      await gateway.time.advance(50)
      expect(statusOf(call)).toBe(200)
      call.dialog?.bye()
    },
  )

  it('leaks nothing of the browser to the trunk: no ICE, no fingerprint, no Contact of it', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    const text = gateway.trunkFlow.sent.join('\n')
    expect(text).toContain('INVITE sip:100@')
    expect(text).not.toMatch(/ice-|fingerprint|candidate|\.invalid|198\.51\.100\.7/)
    expect(gateway.trunkFlow.sent[0]?.length).toBeLessThan(1_300)
    invite.reject(486)
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })

  it.each([
    [486, 486, 'call.refused'],
    [404, 404, 'call.refused'],
    [603, 603, 'call.refused'],
    [302, 480, 'call.refused'],
    [401, 503, 'trunk.credentials-wanted'],
    [407, 503, 'trunk.credentials-wanted'],
    [503, 503, 'call.refused'],
  ] as const)('that the trunk answers %i ends with %i and the code %s', async (status, expected, code) => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    ;(await ringing(gateway, gateway.trunk)).reject(status, {
      headers: [{ name: 'Contact', value: '<sip:private@10.0.0.1>' }],
    })
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(expected)
    expect(reasonText(call)).toContain(code)
    expect(typeof call.final === 'object' && call.final.headers.map((row) => row.value).join()).not.toContain(
      '10.0.0.1',
    )
    gateway.expectsVerdicts(code)
  })

  it('is cancelled while it rings', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    let cancelled = false
    invite.handler = { onCancel: () => (cancelled = true) }
    invite.progress(180)
    await gateway.time.advance(50)
    call.invite.cancel()
    await gateway.time.advance(50)
    expect(cancelled).toBe(true)
    expect(statusOf(call)).toBe(487)
    gateway.expectsVerdicts('cancelled')
  })

  it('is cancelled in the moment it is answered: the trunk gets ACK and BYE', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(180)
    await gateway.time.advance(50)
    let ended: string | undefined
    call.invite.cancel()
    invite.accept({ body: answerTo(invite, PHONE) }, { ...quiet, onEnd: (reason) => (ended = reason) })
    await gateway.time.advance(1_000)
    expect(ended).toBe('bye')
    expect(statusOf(call)).toBe(487)
    gateway.expectsVerdicts('cancelled')
  })

  it('that nobody answers is given up after the ring limit, and the trunk is cancelled', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    let cancelled = false
    invite.handler = { onCancel: () => (cancelled = true) }
    invite.progress(180)
    await gateway.time.advance(gateway.config.calls.ringTimeoutS * 1_000 + 1_000)
    expect(statusOf(call)).toBe(480)
    expect(reasonText(call)).toContain('call.no-answer')
    expect(cancelled).toBe(true)
    gateway.expectsVerdicts('call.no-answer')
  })

  it('to a trunk that is silent ends with 503 and trunk.unreachable', async () => {
    gateway = await ScriptedGateway.open()
    gateway.trunkFlow.drops = () => true
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    await gateway.time.advance(40_000)
    expect(statusOf(call)).toBe(503)
    expect(reasonText(call)).toContain('trunk.unreachable')
    expect(gateway.logged('call failed').at(-1)?.fields).toMatchObject({
      code: 'trunk.unreachable',
      stage: 'S1',
    })
    gateway.expectsVerdicts('trunk.unreachable')
  })

  it('answered by garbage ends with a stage and the trunk gets BYE', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    let ended: string | undefined
    invite.accept({ body: sdp('this is no SDP\r\n') }, { ...quiet, onEnd: (reason) => (ended = reason) })
    await gateway.time.advance(100)
    expect(gateway.logged('call failed').at(-1)?.fields).toMatchObject({ stage: 'S2', code: 'sdp.malformed' })
    expect(typeof call.final === 'object' && call.final.status >= 400).toBe(true)
    expect(ended).toBe('bye')
    gateway.expectsVerdicts('sdp.malformed')
  })

  it('is ended at the maximum duration', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.accept({ body: answerTo(invite, PHONE) }, quiet)
    await gateway.time.advance(gateway.config.calls.maxDurationS * 1_000 + 1_000)
    expect(call.ended).toBe('bye')
    expect(call.endedBy).toContain('call.too-long')
    gateway.expectsVerdicts(['media.none-from-trunk', 'call.too-long'])
  })
})

describe('a call to a browser', () => {
  it('from a trunk rings the registered browser and is answered', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(gateway.trunk, '0301234', 'alice', offerOf(PHONE))
    const invite = await ringing(gateway, alice)
    expect(invite.request.from.uri.text).toBe('sip:0301234@example.com')
    expect(invite.request.body.toString()).toMatch(/UDP\/TLS\/RTP\/SAVPF[\s\S]*a=setup:actpass/)
    invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(200)
    expect(typeof call.final === 'object' && call.final.body.toString()).toMatch(/m=audio \d+ RTP\/AVP /)
    call.dialog?.bye()
  })

  it('from another browser is answered, and the callee hangs up', async () => {
    gateway = await ScriptedGateway.open()
    const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
    const call = place(alice, 'alice', 'bob')
    const invite = await ringing(gateway, bob)
    const dialog = invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(50)
    expect(statusOf(call)).toBe(200)
    dialog.bye()
    await gateway.time.advance(50)
    expect(call.ended).toBe('bye')
  })

  it('whose WebSocket is gone ends with 480', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const bob = await gateway.registered('bob')
    bob.flow.close()
    const call = place(alice, 'alice', 'bob')
    await gateway.time.advance(60_000)
    expect(statusOf(call)).toBe(480)
    gateway.expectsVerdicts('call.not-registered')
  })
})

describe('a call that cannot be', () => {
  it.each([
    ['to an unknown number', 'alice', 'nobody', offerOf(BROWSER), 404, 'call.unknown-number'],
    [
      'to a number of 129 characters',
      'alice',
      `0${'1'.repeat(128)}`,
      offerOf(BROWSER),
      404,
      'call.unknown-number',
    ],
    [
      'to a number of which the route leaves nothing',
      'alice',
      '0',
      offerOf(BROWSER),
      484,
      'call.nothing-to-dial',
    ],
    ['to a user who is not registered', 'alice', 'bob', offerOf(BROWSER), 480, 'call.not-registered'],
    ['without SDP', 'alice', 'echo', 'none', 488, 'call.no-offer'],
    [
      'with another body type',
      'alice',
      'echo',
      { contentType: 'text/plain', bytes: Buffer.from('hello') },
      415,
      'sip.unsupported-media-type',
    ],
    ['with garbage for SDP', 'alice', 'echo', sdp('garbage'), 400, 'sdp.malformed'],
    [
      'without a fingerprint',
      'alice',
      'echo',
      sdp(
        Buffer.from(offerOf(BROWSER).bytes)
          .toString()
          .replace(/a=fingerprint.*\r\n/g, ''),
      ),
      488,
      'sdp.no-fingerprint',
    ],
    [
      'with no codec that the trunk has',
      'alice',
      '0100',
      offerOf(BROWSER, [
        STANDARD_CODECS[0] ?? { name: '', clockRateHz: 0, channels: 1, payloadType: 0, format: undefined },
      ]),
      488,
      'sdp.no-common-codec',
    ],
    [
      'to tone with opus only',
      'alice',
      'tone',
      offerOf(BROWSER, [
        STANDARD_CODECS[0] ?? { name: '', clockRateHz: 0, channels: 1, payloadType: 0, format: undefined },
      ]),
      488,
      'sdp.no-common-codec',
    ],
  ] satisfies readonly (readonly [string, string, string, Body | 'none', number, Code])[])(
    '%s is refused with its status and code',
    async (_name, from, to, body, status, code) => {
      gateway = await ScriptedGateway.open()
      const call = place(await gateway.registered('alice'), from, to, body)
      await gateway.time.advance(500)
      expect([statusOf(call), reasonText(call)]).toEqual([status, `SIP;cause=${status};text="${code}"`])
      // The next call is served.
      const next = place(await gateway.registered('alice'), 'alice', 'echo')
      await gateway.time.advance(500)
      expect(statusOf(next)).toBe(200)
      next.dialog?.bye()
      // What can be nobody's number is refused before it is asked who calls, and so not kept.
      if (to.length <= 128) gateway.expectsVerdicts(code)
    },
  )

  it('from a stranger over UDP is refused with 403', async () => {
    gateway = await ScriptedGateway.open()
    await gateway.registered('alice')
    const call = place(gateway.stranger(), 'pbx', 'alice', offerOf(PHONE))
    await gateway.time.advance(500)
    expect([statusOf(call), reasonText(call)]).toEqual([403, 'SIP;cause=403;text="call.forbidden"'])
  })

  it('from a browser that never signed in is challenged', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(gateway.browser(), 'alice', 'echo')
    await gateway.time.advance(500)
    expect(statusOf(call)).toBe(401)
    expect(
      typeof call.final === 'object' &&
        call.final.headers
          .filter((row) => row.name === 'WWW-Authenticate')
          .map((row) => /algorithm=[\w-]+/.exec(row.value)?.[0]),
    ).toEqual(['algorithm=SHA-512-256', 'algorithm=SHA-256', 'algorithm=MD5'])
  })

  it('in the name of another user is challenged, not believed', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'bob', 'echo')
    await gateway.time.advance(500)
    expect(statusOf(call)).toBe(401)
  })

  it('one past the maximum of calls is refused with 503 and Retry-After', async () => {
    const base = await ScriptedGateway.open()
    const { calls } = base.config
    await base.close()
    gateway = await ScriptedGateway.open({ calls: { ...calls, maxCalls: 1 } })
    const alice = await gateway.registered('alice')
    const first = place(alice, 'alice', 'echo')
    await gateway.time.advance(500)
    const second = place(alice, 'alice', 'echo')
    await gateway.time.advance(500)
    expect([statusOf(first), statusOf(second)]).toEqual([200, 503])
    expect(reasonText(second)).toContain('call.overload')
    first.dialog?.bye()
    gateway.expectsVerdicts('call.overload')
  })
})

describe('built-in applications', () => {
  it.each(['echo', 'tone'])('%s answers at once', async (name) => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', name)
    await gateway.time.advance(500)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
    await gateway.time.advance(50)
    expect(gateway.calls.size).toBe(0)
  })
})

describe('registration', () => {
  it.each([
    ['alice', 'wrong'],
    ['nobody', 'wrong'],
  ])('of %s with a wrong password is refused alike', async (user, password) => {
    gateway = await ScriptedGateway.open()
    expect(await gateway.register(gateway.browser(), user, password)).toBe(403)
    expect(gateway.logged('REGISTER refused').at(-1)?.fields).toMatchObject({
      code: 'sip.bad-credentials',
      stage: 'S1',
    })
    expect(JSON.stringify(gateway.log)).not.toContain('wrong"')
  })

  it('cuts a WebSocket after ten wrong passwords', async () => {
    gateway = await ScriptedGateway.open()
    const peer = gateway.browser()
    for (let turn = 0; turn < 10; turn += 1)
      expect(await gateway.register(peer, 'alice', `wrong${turn}`)).toBe(403)
    expect(await gateway.register(peer, 'alice', 'wrong')).toBe('transport')
  })

  it('is refused for a while at an address that guesses, but not to who has signed in there', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const guesses = Array.from({ length: 80 }, () => gateway.register(gateway.browser(), 'bob', 'wrong'))
    await Promise.all(guesses)
    const bob = gateway.browser()
    expect(await gateway.register(bob, 'bob', gateway.passwordOf('bob'))).toBe(503)
    const call = place(bob, 'bob', 'echo')
    await gateway.time.advance(100)
    expect(reasonText(call)).toContain('sip.barred')
    expect(await gateway.register(alice, 'alice', gateway.passwordOf('alice'))).toBe(200)
    // Who has an account does not guess at others' with it.
    expect(await gateway.register(alice, 'bob', 'wrong')).toBe(403)
    expect(await gateway.register(alice, 'bob', 'wrong')).toBe(503)
    await gateway.time.advance(10_000)
    expect(await gateway.register(bob, 'bob', gateway.passwordOf('bob'))).toBe(200)
  })
})

describe('the end of the daemon', () => {
  it('hangs up calls with a reason and refuses new ones', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', 'echo')
    await gateway.time.advance(500)
    const drained = gateway.calls.drain()
    await gateway.time.advance(500)
    await drained
    expect(call.ended).toBe('bye')
    expect(call.endedBy).toContain('call.draining')
    const late = place(alice, 'alice', 'echo')
    await gateway.time.advance(500)
    expect(statusOf(late)).toBe(503)
    gateway.expectsVerdicts('call.draining')
  })
})
