import { afterEach, describe, expect, it } from 'vitest'
import { REFUSAL_RATES } from '../../../gateway/refusals.ts'
import {
  MAX_CREDENTIAL_LENGTH,
  MAX_PASSED_CREDENTIALS,
} from '../../../gateway/registration/upstream-credentials.ts'
import { MAX_SERVICE_ROUTES } from '../../../gateway/registration/upstream-register.ts'
import { MAX_BINDINGS_PER_FLOW } from '../../../gateway/registration/upstream-registrar.ts'
import { header, rawValues } from '../../../sip/message/headers.ts'
import type { Header } from '../../../sip/message/message.ts'
import { MAX_STORED_LENGTH } from '../../../sip/registration/registrar.ts'
import type { NoAnswer } from '../../../sip/user-agent.ts'
import { place, reasonText, ringing, statusOf } from '../../harness/scripted-calls.ts'
import { type Peer, reasonOf, statusIn } from '../../harness/scripted-gateway.ts'
import { ScriptedPbx, valuesIn } from '../../harness/scripted-pbx.ts'
import { send } from '../../harness/scripted-relay.ts'

let pbx: ScriptedPbx
afterEach(() => pbx.gateway.close())

type Answer = Awaited<ReturnType<ScriptedPbx['register']>>
const reasonIn = (answer: Answer | NoAnswer): string =>
  typeof answer === 'object' ? (reasonOf(answer) ?? '') : answer
const challenge = (value: string): Header => ({ name: 'WWW-Authenticate', value })

describe('a REGISTER', () => {
  it('goes to the PBX with the credentials of the browser, and a Contact of ours in place of its own', async () => {
    pbx = await ScriptedPbx.open()
    const browser = pbx.browser('1001')
    const answer = await pbx.register(browser, '1001', { expiresS: 240 })
    expect(statusIn(answer)).toBe(200)
    expect(valuesIn(answer, 'Contact')).toEqual([
      '<sip:1001@df7jal23ls0d.invalid;transport=ws>;+sip.instance="<urn:uuid:1001>";expires=240',
    ])
    expect(pbx.registers).toHaveLength(2)
    const [challenged, taken] = pbx.registers
    expect(taken?.uri.text).toBe('sip:example.com')
    expect(taken?.from.uri.text).toBe('sip:1001@example.com')
    // One sign-in: the second goes on with what the first began.
    expect(taken?.callId).toBe(challenged?.callId)
    expect(taken?.from.parameters.get('tag')).toBe(challenged?.from.parameters.get('tag'))
    expect(taken?.cseq.number).toBe((challenged?.cseq.number ?? 0) + 1)
    const contact = header(taken ?? pbx.registers[0] ?? fail(), 'Contact') ?? ''
    expect(contact).toMatch(
      /^<sip:[0-9a-f]{32}@127\.0\.0\.1:5061;transport=udp>;\+sip\.instance="<urn:uuid:1001>"$/,
    )
    expect(taken?.via).toHaveLength(1)
    expect(pbx.gateway.pbxFlow.sent.join()).not.toMatch(/\.invalid|198\.51\.100\.7/)
    expect(rawValues(taken ?? fail(), 'Path')).toEqual([])
    expect(pbx.gateway.registration.size).toBe(1)
    expect(pbx.gateway.logged('registration')).toMatchObject([{ fields: { user: '1001', expiresS: 240 } }])
  })

  it('sees what the PBX challenges with, MD5 last, without a word of ours', async () => {
    pbx = await ScriptedPbx.open()
    const answer = await pbx.register(pbx.gateway.browser(), '1001')
    expect(statusIn(answer)).toBe(401)
    const lines = valuesIn(answer, 'WWW-Authenticate')
    expect(lines.map((line) => /algorithm=([\w-]+)/.exec(line)?.[1])).toEqual(['SHA-256', 'MD5'])
    expect(lines.every((line) => line.includes('realm="example.com"'))).toBe(true)
    expect(pbx.gateway.registration.size).toBe(0)
    expect(pbx.gateway.logged('REGISTER refused')).toMatchObject([
      { level: 'info', fields: { code: 'upstream.challenged' } },
    ])
  })

  it('with a wrong password is refused by the PBX, and a WebSocket that goes on guessing is cut', async () => {
    pbx = await ScriptedPbx.open()
    const browser = pbx.browser('1001', 'wrong')
    const answer = await pbx.register(browser, '1001')
    expect(statusIn(answer)).toBe(401)
    expect(reasonIn(answer)).toContain('upstream.bad-credentials')
    for (let tries = 1; tries < 10; tries += 1) {
      expect(browser.flow.isOpen).toBe(true)
      await pbx.register(browser, '1001')
    }
    expect(browser.flow.isOpen).toBe(false)
    expect(pbx.gateway.registration.size).toBe(0)
  })

  it('that is too brief for the PBX hears its Min-Expires', async () => {
    pbx = await ScriptedPbx.open()
    pbx.minExpiresS = 600
    const answer = await pbx.register(pbx.browser('1001'), '1001', { expiresS: 60 })
    expect(statusIn(answer)).toBe(423)
    expect(valuesIn(answer, 'Min-Expires')).toEqual(['600'])
    expect(pbx.gateway.registration.size).toBe(0)
  })

  it('lasts as long as the PBX has granted', async () => {
    pbx = await ScriptedPbx.open()
    pbx.grantsS = 120
    const browser = pbx.browser('1001')
    const answer = await pbx.register(browser, '1001', { expiresS: 3_600 })
    expect(valuesIn(answer, 'Contact').join()).toMatch(/;expires=120$/)
    await pbx.gateway.time.advance(119_000)
    expect(pbx.gateway.registration.bindingsOf('1001')).toHaveLength(1)
    await pbx.gateway.time.advance(1_000)
    expect(pbx.gateway.registration.bindingsOf('1001')).toEqual([])
    const call = place(browser, '1001', '1002')
    await pbx.gateway.time.advance(100)
    expect([statusOf(call), reasonText(call)]).toEqual([
      403,
      expect.stringContaining('upstream.not-registered'),
    ])
  })

  it.each([
    [403, 403, 'upstream.refused'],
    [404, 404, 'upstream.refused'],
    [503, 503, 'upstream.refused'],
    [302, 403, 'upstream.refused'],
  ])('that the PBX answers %i is answered %i', async (status, seen, code) => {
    pbx = await ScriptedPbx.open()
    pbx.refusal = { status, headers: [{ name: 'Contact', value: '<sip:private@10.0.0.1>' }] }
    const answer = await pbx.register(pbx.browser('1001'), '1001')
    expect(statusIn(answer)).toBe(seen)
    expect(reasonIn(answer)).toContain(code)
    expect(valuesIn(answer, 'Contact')).toEqual([])
  })

  it('that the PBX does not answer is answered before the browser gives up', async () => {
    pbx = await ScriptedPbx.open()
    pbx.isSilent = true
    const answer = await pbx.register(pbx.browser('1001'), '1001')
    expect(statusIn(answer)).toBe(503)
    expect(reasonIn(answer)).toContain('upstream.unreachable')
  })

  it('of zero seconds takes the registration back; Contact: * those of all devices', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001', { callId: 'a' })
    expect(statusIn(await pbx.register(browser, '1001', { callId: 'a', cseq: 3, expiresS: 0 }))).toBe(200)
    expect(pbx.gateway.registration.size).toBe(0)
    expect(pbx.bindings.get('1001')).toEqual([])
    await pbx.registered('1001', { instance: 'one' })
    const second = await pbx.registered('1001', { instance: 'two' })
    expect(pbx.gateway.registration.size).toBe(2)
    expect(statusIn(await pbx.register(second, '1001', { contact: '*', expiresS: 0 }))).toBe(200)
    expect(pbx.gateway.registration.size).toBe(0)
    expect(pbx.bindings.has('1001')).toBe(false)
  })

  it('without a Contact asks, and sees no device of anybody else', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001', { expiresS: 300 })
    const answer = await pbx.register(browser, '1001', { contact: '' })
    expect(statusIn(answer)).toBe(200)
    const [own, ...others] = valuesIn(answer, 'Contact')
    expect(own).toMatch(/df7jal23ls0d\.invalid.*;expires=(?:299|300)$/)
    expect(others).toEqual([])
  })

  it.each([
    ['of another domain', { domain: 'elsewhere.example' }, 403, 'upstream.foreign-domain'],
    ['of somebody else', { by: '1002' }, 403, 'sip.foreign-address'],
    ['with two Contacts', { contact: '<sip:a@a.invalid>, <sip:b@b.invalid>' }, 403, 'upstream.one-contact'],
    [
      'with a Contact longer than what is stored',
      { contact: `<sip:${'a'.repeat(MAX_STORED_LENGTH)}@a.invalid>` },
      513,
      'sip.too-large',
    ],
    [
      'with more credentials than pass',
      {
        headers: Array.from({ length: MAX_PASSED_CREDENTIALS + 1 }, (_, index) => ({
          name: 'Authorization',
          value: `Digest username="${index}"`,
        })),
      },
      513,
      'sip.too-large',
    ],
    [
      'with longer credentials than pass',
      {
        headers: [{ name: 'Authorization', value: `Digest username="${'a'.repeat(MAX_CREDENTIAL_LENGTH)}"` }],
      },
      513,
      'sip.too-large',
    ],
    [
      'that requires an extension',
      { headers: [{ name: 'Require', value: 'timer' }] },
      420,
      'sip.unsupported-extension',
    ],
  ])('%s is refused here', async (_, options, status, code) => {
    pbx = await ScriptedPbx.open()
    const answer = await pbx.register(pbx.browser('1001'), '1001', options)
    expect([statusIn(answer), reasonIn(answer)]).toEqual([status, expect.stringContaining(code)])
    expect(pbx.registers).toEqual([])
  })

  it.each([
    ['of one WebSocket', MAX_BINDINGS_PER_FLOW, true],
    ['of one user', 10, false],
  ])('has a place among so many devices %s, and one more has none', async (_, places, isOneSocket) => {
    pbx = await ScriptedPbx.open()
    const one = pbx.browser('1001')
    for (let device = 0; device < places; device += 1) {
      const browser = isOneSocket ? one : pbx.browser('1001')
      expect(statusIn(await pbx.register(browser, '1001', { instance: `device-${device}` }))).toBe(200)
    }
    const browser = isOneSocket ? one : pbx.browser('1001')
    const sent = pbx.registers.length
    const answer = await pbx.register(browser, '1001', { instance: 'one more' })
    expect([statusIn(answer), reasonIn(answer)]).toEqual([
      403,
      expect.stringContaining('sip.too-many-bindings'),
    ])
    expect(pbx.registers).toHaveLength(sent)
    // A device that is there already needs none.
    expect(statusIn(await pbx.register(browser, '1001', { instance: 'device-0' }))).toBe(200)
  })

  it('whose challenge wants the body answered for too passes without that', async () => {
    pbx = await ScriptedPbx.open()
    const browser = pbx.gateway.browser()
    const line =
      'Digest realm="example.com", nonce="n", algorithm=MD5, stale=false, qop="auth-int, auth", opaque="o,qop=x"'
    pbx.peer.answers = (request) => {
      request.respond(401, { headers: [challenge(line), challenge('Bearer realm="example.com"')] })
      return true
    }
    const answer = await pbx.register(browser, '1001')
    expect(valuesIn(answer, 'WWW-Authenticate')).toEqual([
      'bearer realm="example.com"',
      'Digest realm="example.com", nonce="n", algorithm=MD5, stale=false, qop="auth", opaque="o,qop=x"',
    ])
  })

  it('whose challenge wants nothing else than the body answered for is refused', async () => {
    pbx = await ScriptedPbx.open()
    pbx.peer.answers = (request) => {
      request.respond(401, { headers: [challenge('Digest realm="r", nonce="n", qop="auth-int"')] })
      return true
    }
    const answer = await pbx.register(pbx.gateway.browser(), '1001')
    expect([statusIn(answer), reasonIn(answer)]).toEqual([502, expect.stringContaining('upstream.auth-int')])
  })
})

describe('the ladder of the own calls', () => {
  it('is for whoever the PBX has taken, by a ticket; for nobody else, and not behind the last goodbye', async () => {
    pbx = await ScriptedPbx.open()
    const browser = pbx.browser('1001')
    const [ticket = '', ...more] = valuesIn(await pbx.register(browser, '1001'), 'X-Ladder-Ticket')
    expect(more).toEqual([])
    expect(pbx.gateway.tickets.userOf(ticket)).toBe('1001')
    const guess = await pbx.register(pbx.browser('1002', 'wrong'), '1002')
    expect(valuesIn(guess, 'X-Ladder-Ticket')).toEqual([])
    expect(valuesIn(await pbx.register(browser, '1001', { expiresS: 0 }), 'X-Ladder-Ticket')).toEqual([])
  })
})

describe('Path', () => {
  it("leads to us where it is configured, and Contact stays the browser's", async () => {
    pbx = await ScriptedPbx.open({ path: true })
    const browser = await pbx.registered('1001')
    const taken = pbx.registers.at(-1) ?? fail()
    expect(header(taken, 'Contact')).toMatch(/^<sip:1001@df7jal23ls0d\.invalid;transport=ws>/)
    expect(header(taken, 'Path')).toMatch(/^<sip:[0-9a-f]{32}@127\.0\.0\.1:5061;transport=udp;lr>$/)
    expect(rawValues(taken, 'Supported').join()).toContain('path')
    const { uri, path = '' } = pbx.uriOf('1001')
    const call = pbx.calls(uri, { headers: [{ name: 'Route', value: path }] })
    const invite = await ringing(pbx.gateway, browser)
    expect(invite.request.uri.text).toBe(uri)
    invite.reject(486)
    await pbx.gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    // Who knows the Contact knows nothing.
    const forged = pbx.calls(uri)
    await pbx.gateway.time.advance(100)
    expect([statusOf(forged), reasonText(forged)]).toEqual([
      404,
      expect.stringContaining('upstream.unknown-token'),
    ])
    pbx.gateway.expectsVerdicts('call.refused', 'upstream.unknown-token')
  })
})

describe('a WebSocket that is lost', () => {
  it('keeps its registration for the grace time, and the device that comes back has it again', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001', { callId: 'a' })
    const { uri } = pbx.uriOf('1001')
    await pbx.gateway.disconnect(browser)
    await pbx.gateway.time.advance(20_000)
    const away = pbx.calls(uri)
    await pbx.gateway.time.advance(100)
    expect(statusOf(away)).toBe(480)
    const again = pbx.gateway.reconnect(browser)
    expect(statusIn(await pbx.register(again, '1001', { callId: 'b' }))).toBe(200)
    // The same Contact: the PBX has one device, not two.
    expect(pbx.bindings.get('1001')?.map((row) => row.uri)).toEqual([uri])
    await pbx.gateway.time.advance(60_000)
    expect(pbx.gateway.registration.size).toBe(1)
    const call = pbx.calls(uri)
    const invite = await ringing(pbx.gateway, again)
    invite.reject(486)
    await pbx.gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    pbx.gateway.expectsVerdicts('call.not-registered', 'call.refused')
  })

  it('for good is taken back at the PBX, with what the user has shown last', async () => {
    pbx = await ScriptedPbx.open()
    pbx.takesReplays = true
    const browser = await pbx.registered('1001')
    const last = pbx.registers.at(-1) ?? fail()
    await pbx.gateway.disconnect(browser)
    await pbx.gateway.time.advance(29_000)
    expect(pbx.bindings.get('1001')).toHaveLength(1)
    await pbx.gateway.time.advance(2_000)
    const gone = pbx.registers.at(-1) ?? fail()
    expect(gone).not.toBe(last)
    expect([header(gone, 'Expires'), header(gone, 'Authorization')]).toEqual([
      '0',
      header(last, 'Authorization'),
    ])
    expect([gone.callId, gone.cseq.number]).toEqual([last.callId, last.cseq.number + 1])
    expect(pbx.bindings.get('1001')).toEqual([])
    expect(pbx.gateway.registration.size).toBe(0)
    expect(pbx.gateway.logged('registration taken back')).toHaveLength(1)
  })

  it('is left to expire where the PBX wants a password that we do not have', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    await pbx.gateway.disconnect(browser)
    const sent = pbx.registers.length
    await pbx.gateway.time.advance(40_000)
    expect(pbx.registers).toHaveLength(sent + 1)
    expect(pbx.gateway.registration.size).toBe(0)
    expect(pbx.gateway.logged('registration left to expire')).toMatchObject([
      { fields: { user: '1001', seen: '401 Unauthorized' } },
    ])
    // What the PBX still thinks leads nowhere.
    const call = pbx.calls(pbx.uriOf('1001').uri)
    await pbx.gateway.time.advance(100)
    expect([statusOf(call), reasonText(call)]).toEqual([
      404,
      expect.stringContaining('upstream.unknown-token'),
    ])
    pbx.gateway.expectsVerdicts('upstream.unknown-token')
  })

  it('before the PBX has answered is taken back too', async () => {
    pbx = await ScriptedPbx.open({ graceS: 0 })
    pbx.takesReplays = true
    const browser = pbx.browser('1001')
    const answers = pbx.peer.answers
    // The WebSocket goes while the second REGISTER is on its way.
    pbx.peer.answers = (request) => {
      const isCredentialed = header(request.request, 'Authorization') !== undefined
      if (isCredentialed && browser.flow.isOpen) browser.flow.close()
      return answers(request)
    }
    // Nobody is left to hear the answer.
    void pbx.register(browser, '1001')
    await pbx.gateway.time.advance(1_000)
    expect(pbx.gateway.registration.size).toBe(0)
    expect(pbx.bindings.get('1001')).toEqual([])
  })
})

describe('a stop', () => {
  it('takes the registrations back', async () => {
    pbx = await ScriptedPbx.open()
    pbx.takesReplays = true
    await pbx.registered('1001')
    await pbx.registered('1002')
    const stopped = pbx.gateway.mode.stop()
    await pbx.gateway.time.advance(100)
    await stopped
    expect([pbx.bindings.get('1001'), pbx.bindings.get('1002')]).toEqual([[], []])
  })
})

describe('Service-Route', () => {
  it('is where the requests of the user go through', async () => {
    pbx = await ScriptedPbx.open()
    pbx.serviceRoute = ['<sip:edge.example.com;lr>', '<sip:core.example.com;lr>']
    const browser = await pbx.registered('1001')
    const call = place(browser, '1001', '1002')
    const invite = await ringing(pbx.gateway, pbx.peer)
    expect(rawValues(invite.request, 'Route')).toEqual(pbx.serviceRoute)
    expect(invite.request.uri.text).toBe('sip:1002@example.com')
    invite.reject(486)
    await pbx.gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    pbx.gateway.expectsVerdicts('call.refused')
  })

  it('of more values than are kept is none', async () => {
    pbx = await ScriptedPbx.open()
    pbx.serviceRoute = Array.from(
      { length: MAX_SERVICE_ROUTES + 1 },
      (_, row) => `<sip:hop${row}.example.com;lr>`,
    )
    const browser = await pbx.registered('1001')
    place(browser, '1001', '1002')
    const invite = await ringing(pbx.gateway, pbx.peer)
    expect(rawValues(invite.request, 'Route')).toEqual([])
    invite.reject(486)
    await pbx.gateway.time.advance(100)
    pbx.gateway.expectsVerdicts('call.refused')
  })
})

function fail(): never {
  throw new Error('nothing was sent')
}

describe('who has not signed in', () => {
  const CONTACTS = [{ name: 'Contact', value: '<sip:a@a.invalid>, <sip:b@b.invalid>' }]

  it.each([
    ['REGISTER refused', (browser: Peer) => send(browser, 'REGISTER', '1001', '1001', { headers: CONTACTS })],
    ['request refused', (browser: Peer) => send(browser, 'MESSAGE', '1001', '1002', { body: 'x' })],
    ['call refused', (browser: Peer) => place(browser, '1001', '1002')],
  ])('is told of in so many lines a second (%s), and counted beyond', async (message, ask) => {
    pbx = await ScriptedPbx.open()
    const { gateway } = pbx
    const browser = gateway.browser()
    for (let batch = 0; batch < 10; batch += 1) {
      for (let turn = 0; turn < 100; turn += 1) ask(browser)
      await gateway.time.advance(20)
    }
    const lines = gateway.logged(message).length
    expect(lines).toBeGreaterThan(0)
    expect(lines).toBeLessThan(30)
    expect(gateway.refusals.counters()).toEqual({ unlogged: 1_000 - lines })
  })

  it('is not who has: of a device that is refused is told up to a rate of its own', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    const before = pbx.gateway.logged('REGISTER refused').length
    for (let turn = 0; turn <= REFUSAL_RATES.party.burst; turn += 1)
      send(browser, 'REGISTER', '1001', '1001', { headers: CONTACTS })
    await pbx.gateway.time.advance(20)
    expect(pbx.gateway.logged('REGISTER refused')).toHaveLength(before + REFUSAL_RATES.party.burst)
  })
})

describe('a REGISTER while the gateway stops', () => {
  it('is refused, told when to try again, and never seen by the PBX', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    const stopped = pbx.gateway.mode.stop()
    await pbx.gateway.time.advance(100)
    await stopped
    const sent = pbx.registers.length
    const answer = await pbx.register(browser, '1001', { callId: 'late' })
    expect([statusIn(answer), valuesIn(answer, 'Retry-After')]).toEqual([503, ['10']])
    expect(pbx.registers).toHaveLength(sent)
    expect(pbx.gateway.registration.size).toBe(0)
  })

  it('and was under way when all others were taken back, is taken back too', async () => {
    pbx = await ScriptedPbx.open()
    pbx.takesReplays = true
    const browser = pbx.browser('1001')
    let stopped: Promise<void> | undefined
    const { answers } = pbx.peer
    pbx.peer.answers = (request) => {
      if (header(request.request, 'Authorization') !== undefined) stopped ??= pbx.gateway.mode.stop()
      return answers(request)
    }
    await pbx.register(browser, '1001')
    await pbx.gateway.time.advance(100)
    await stopped
    expect(pbx.registers.map((request) => header(request, 'Expires'))).toEqual(['300', '300', '0'])
    expect(pbx.bindings.get('1001')).toEqual([])
    expect(pbx.gateway.registration.size).toBe(0)
  })
})
