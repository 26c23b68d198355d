import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { header } from '../../../sip/message/headers.ts'
import {
  answerIn,
  answerOfFork,
  answerTo,
  BROWSER,
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
      const call = place(alice, 'alice', '0100', { handler: browser.handler })
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
    [488, 488, 'call.sdp-refused'],
    [415, 415, 'call.sdp-refused'],
    [606, 606, 'call.sdp-refused'],
    [500, 500, 'call.peer-failed'],
    [503, 503, 'call.peer-failed'],
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

  it('that the trunk does not take our media for tells its Warning, and is a matter of SDP', async () => {
    gateway = await ScriptedGateway.open()
    place(await gateway.registered('alice'), 'alice', '0100')
    ;(await ringing(gateway, gateway.trunk)).reject(488, {
      headers: [{ name: 'Warning', value: '304 pbx.example "Media type not available"' }],
    })
    await gateway.time.advance(50)
    const seen = 'trunk:pbx: 488 Not Acceptable Here; Warning: 304 pbx.example "Media type not available"'
    const [report] = gateway.calls.history.list()
    expect(report?.verdict).toMatchObject({ code: 'call.sdp-refused', stage: 'S2', seen })
    gateway.expectsVerdicts('call.sdp-refused')
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

  it.each([
    ['0100', 'trunk.unreachable', 'trunk:pbx'],
    ['bob', 'call.unreachable', 'user:bob'],
  ] as const)(
    'to %s that nobody has even heard of has no answer for another reason',
    async (number, code, party) => {
      const { calls } = loadConfig(undefined, {})
      gateway = await ScriptedGateway.open({ calls: { ...calls, ringTimeoutS: 20 } })
      const bob = await gateway.registered('bob')
      gateway.gatewayEnd(bob).drops = () => true
      gateway.trunkFlow.drops = () => true
      const call = place(await gateway.registered('alice'), 'alice', number)
      await gateway.time.advance(21_000)
      expect(reasonText(call)).toContain(code)
      const [report] = gateway.calls.history.list()
      expect(report?.verdict).toMatchObject({ code, leg: 'callee', seen: `${party}: nothing in 20.0 s` })
      gateway.expectsVerdicts(code)
    },
  )

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
