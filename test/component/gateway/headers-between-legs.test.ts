import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { Secret } from '../../../config/secret.ts'
import { header, headerValues } from '../../../sip/message/headers.ts'
import type { SipRequest, SipResponse } from '../../../sip/message/message.ts'
import {
  answered,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { asked, endOf, send, statusOfSent, subscribe, subscribedTo } from '../../harness/scripted-relay.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const named = (name: string, value: string) => ({ name, value })

describe('an INVITE from a browser to a trunk', () => {
  const invite = async (headers: { name: string; value: string }[], trunk = {}) => {
    gateway = await ScriptedGateway.open({}, trunk)
    const call = place(await gateway.registered('alice'), 'alice', '0100', { headers })
    const incoming = await ringing(gateway, gateway.trunk)
    const finish = async () => {
      incoming.reject(486)
      await gateway.time.advance(100)
      expect(statusOf(call)).toBe(486)
    }
    return { request: incoming.request, finish }
  }

  it('carries X- headers on and drops what asserts an identity', async () => {
    const { request, finish } = await invite([
      named('X-Customer', '42'),
      named('P-Asserted-Identity', '<sip:president@example.com>'),
      named('P-Preferred-Identity', '<sip:president@example.com>'),
    ])
    expect(header(request, 'X-Customer')).toBe('42')
    expect(request.headers.map((row) => row.value).join()).not.toContain('president')
    await finish()
    gateway.expectsVerdicts('call.refused')
  })

  it.each([
    ['all', ['X-Customer', 'Subject']],
    ['known', ['Subject']],
    ['none', []],
  ] as const)('shows a trunk with passHeaders %s what it is to see', async (passHeaders, names) => {
    const sent = [named('X-Customer', '42'), named('Subject', 'order')]
    const { request, finish } = await invite(sent, { passHeaders })
    expect(sent.map(({ name }) => name).filter((name) => header(request, name) !== undefined)).toEqual(names)
    await finish()
    gateway.expectsVerdicts('call.refused')
  })

  it('does not say that the call was diverted, nor that it is an emergency: a browser proves neither', async () => {
    const { request, finish } = await invite([
      named('Diversion', '<sip:+4930999@example.com>;reason=unconditional'),
      named('History-Info', '<sip:+4930999@example.com>;index=1'),
      named('Priority', 'Emergency'),
      named('Subject', 'order'),
    ])
    const names = ['Diversion', 'History-Info', 'Priority', 'Subject']
    expect(names.filter((name) => header(request, name) !== undefined)).toEqual(['Subject'])
    await finish()
    gateway.expectsVerdicts('call.refused')
  })

  it('says how urgent it is otherwise', async () => {
    const { request, finish } = await invite([named('Priority', 'urgent')])
    expect(header(request, 'Priority')).toBe('urgent')
    await finish()
    gateway.expectsVerdicts('call.refused')
  })

  it('asserts who we know it is towards a trusted trunk, and hides it from the callee when asked', async () => {
    const { request, finish } = await invite([named('Privacy', 'id')], { trusted: true })
    expect(header(request, 'P-Asserted-Identity')).toMatch(/^<sip:alice@/)
    expect(header(request, 'Privacy')).toBe('id')
    expect(request.from.uri.text).toBe('sip:anonymous@anonymous.invalid')
    await finish()
    gateway.expectsVerdicts('call.refused')
  })

  it('tells an untrusted trunk nothing of a caller who wants to be unknown', async () => {
    const { request, finish } = await invite([named('Privacy', 'id')])
    expect(request.headers.map((row) => row.value).join()).not.toContain('alice')
    await finish()
    gateway.expectsVerdicts('call.refused')
  })

  it('has one hop less, and Session-ID of the browser', async () => {
    const uuid = 'ab30317f1a784dc48ff824d0d3715d86'
    const { request, finish } = await invite([named('Session-ID', `${uuid};remote=${'0'.repeat(32)}`)])
    expect(header(request, 'Session-ID')).toBe(`${uuid};remote=${'0'.repeat(32)}`)
    expect(header(request, 'Max-Forwards')).toBe('69')
    await finish()
    gateway.expectsVerdicts('call.refused')
  })
})

describe('a call from a trunk', () => {
  it('shows the browser who has diverted it, and how urgent it is', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const sent = [
      named('Diversion', '<sip:+4930999@example.com>;reason=unconditional'),
      named('History-Info', '<sip:+4930999@example.com>;index=1'),
      named('Priority', 'emergency'),
    ]
    const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(PHONE), headers: sent })
    const invite = await ringing(gateway, alice)
    expect(sent.map(({ name }) => header(invite.request, name))).toEqual(sent.map(({ value }) => value))
    invite.reject(486)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })

  it.each([
    [true, 'sip:+4930999@example.com'],
    [false, 'sip:0301234@example.com'],
  ])('that is trusted (%s) is shown as %s', async (trusted, expected) => {
    gateway = await ScriptedGateway.open({}, { trusted })
    const alice = await gateway.registered('alice')
    const call = place(gateway.trunk, '0301234', 'alice', {
      body: offerOf(PHONE),
      headers: [named('P-Asserted-Identity', '"Real" <sip:+4930999@pbx.example.com>')],
    })
    const invite = await ringing(gateway, alice)
    expect(invite.request.from.uri.text).toBe(expected)
    invite.reject(486)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })
})

// `"Alice" <sip:alice@anything>` of a trunk that asserts nothing was shown to bob as alice of our domain.
describe('a caller of a trunk who has the name of a user of ours', () => {
  const ANONYMOUS = 'sip:anonymous@anonymous.invalid'
  const users = [...loadConfig(undefined, {}).users, { name: '1001', password: new Secret('x') }]

  it.each<[string, boolean, string]>([
    ['alice', false, ANONYMOUS],
    ['alice', true, 'sip:alice@example.com'],
    ['ALICE', false, ANONYMOUS],
    ['alice ', false, ANONYMOUS],
    ['ali\u200bce', false, ANONYMOUS],
    ['\uff41lice', false, ANONYMOUS],
    ['carol', false, 'sip:carol@example.com'],
    ['malice', false, 'sip:malice@example.com'],
    ['0301234', false, 'sip:0301234@example.com'],
    ['1001', false, 'sip:1001@example.com'],
  ])('%j, trusted: %s, is %s to who is called and to who is written to', async (user, trusted, expected) => {
    gateway = await ScriptedGateway.open({ users }, { trusted })
    const bob = await gateway.registered('bob')
    const sent = send(gateway.trunk, 'MESSAGE', user, 'bob', { body: 'x' })
    const message = await asked(gateway, bob)
    message.respond(200)
    const call = place(gateway.trunk, user, 'bob', { body: offerOf(PHONE), fromHost: 'anything.example' })
    const invite = await ringing(gateway, bob)
    invite.reject(486)
    await gateway.time.advance(100)
    expect([message, invite].map(({ request }) => request.from.uri.text)).toEqual([expected, expected])
    expect([statusOfSent(sent), statusOf(call)]).toEqual([200, 486])
    gateway.expectsVerdicts('call.refused')
  })
})

describe('the two halves of Session-ID', () => {
  it('meet in the answer and stay in re-INVITEs', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const [a, b] = ['a'.repeat(32), 'b'.repeat(32)]
    const call = place(alice, 'alice', '0100', {
      headers: [named('Session-ID', `${a};remote=${'0'.repeat(32)}`)],
    })
    const invite = await ringing(gateway, gateway.trunk)
    const callee = new PeerDialog(PHONE)
    invite.accept(
      { body: answerTo(invite, PHONE), headers: [named('Session-ID', `${b};remote=${a}`)] },
      callee.handler,
    )
    await gateway.time.advance(100)
    expect(typeof call.final === 'object' && header(call.final, 'Session-ID')).toBe(`${b};remote=${a}`)
    call.dialog?.bye()
  })
})

describe('Reason', () => {
  it('of a refusal passes to the caller with its Q.850 cause, behind our own', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const reason = (value: string) => named('Reason', value)
    ;(await ringing(gateway, gateway.trunk)).reject(404, {
      headers: [reason('SIP;cause=404;text="10.0.0.7 says no"'), reason('Q.850;cause=1;text="unallocated"')],
    })
    await gateway.time.advance(100)
    const reasons = typeof call.final === 'object' ? headerValues(call.final, 'Reason') : []
    expect(reasons).toEqual(['SIP;cause=404;text="call.refused"', 'Q.850;cause=1;text="unallocated"'])
    gateway.expectsVerdicts('call.refused')
  })

  it.each([
    ['SIP;cause=200;text="10.0.0.7 has it"', 'SIP;cause=200;text="Call completed elsewhere"'],
    ['Q.850;cause=26, SIP;cause=200', 'SIP;cause=200;text="Call completed elsewhere"'],
    ['Q.850;cause=26;text="taken"', 'Q.850;cause=26;text="taken"'],
    ['SIP;cause=487;text="whatever"', undefined],
  ])(
    'of a CANCEL tells a phone that another has the call, and nothing more of the PBX: %s',
    async (said, heard) => {
      gateway = await ScriptedGateway.open()
      const alice = await gateway.registered('alice')
      const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(PHONE) })
      const invite = await ringing(gateway, alice)
      let cancel: SipRequest | undefined
      invite.handler = {
        onCancel: (request) => {
          cancel = request
        },
      }
      invite.progress(180)
      await gateway.time.advance(100)
      call.invite.cancel([named('Reason', said)])
      await gateway.time.advance(100)
      expect(cancel === undefined ? [] : headerValues(cancel, 'Reason')[0]).toBe(heard)
      gateway.expectsVerdicts('cancelled')
    },
  )

  it('of a BYE passes to the other side with its Q.850 cause', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    const dialog = invite.accept({ body: answerTo(invite, PHONE) }, new PeerDialog(PHONE).handler)
    await gateway.time.advance(100)
    dialog.bye([named('Reason', 'Q.850;cause=31;text="normal, unspecified"')])
    await gateway.time.advance(100)
    expect(call.endedBy).toBe('Q.850;cause=31;text="normal, unspecified"')
  })
})

describe('the headers of a BYE, as call centres hand over outcome codes', () => {
  const OUTCOME = [
    named('X-Outcome', 'sold'),
    named('User-to-User', '56a;encoding=hex'),
    named('P-Asserted-Identity', '<sip:president@example.com>'),
    named('Diversion', '<sip:+4930999@example.com>;reason=unconditional'),
    ...Array.from({ length: 20 }, (_, at) => named(`X-More-${at}`, String(at))),
    named('X-Long', 'x'.repeat(513)),
  ]
  const namesIn = (request: SipRequest | undefined): string[] =>
    OUTCOME.map(({ name }) => name).filter((name) => request && header(request, name) !== undefined)

  /** A call between alice and the trunk; what each of them is hung up by. */
  const talk = async (trunk = {}) => {
    gateway = await ScriptedGateway.open({}, trunk)
    const alice = await gateway.registered('alice')
    const call = await answered(
      gateway,
      { peer: alice, user: 'alice', local: BROWSER },
      { peer: gateway.trunk, number: '0100', local: PHONE },
    )
    const byes: { browser?: SipRequest; trunk?: SipRequest } = {}
    call.caller.handler.onEnd = (_reason, request) => Object.assign(byes, { browser: request })
    call.callee.handler.onEnd = (_reason, request) => Object.assign(byes, { trunk: request })
    return { alice, browser: call.caller.dialog, trunk: call.callee.dialog, byes }
  }

  it.each([
    ['all', ['X-Outcome', 'User-to-User', ...Array.from({ length: 13 }, (_, at) => `X-More-${at}`)]],
    ['known', ['User-to-User']],
    ['none', []],
  ] as const)('pass to a trunk with passHeaders %s as those of an INVITE do', async (passHeaders, names) => {
    const { browser, byes } = await talk({ passHeaders })
    browser?.bye(OUTCOME)
    await gateway.time.advance(100)
    expect(byes.trunk?.method).toBe('BYE')
    expect(namesIn(byes.trunk)).toEqual(names)
  })

  it('pass to a browser, who has diverted a call included, since a trunk says so', async () => {
    const { trunk, byes } = await talk({ passHeaders: 'none' })
    trunk?.bye(OUTCOME)
    await gateway.time.advance(100)
    expect(namesIn(byes.browser).slice(0, 4)).toEqual(['X-Outcome', 'User-to-User', 'Diversion', 'X-More-0'])
    expect(namesIn(byes.browser)).toHaveLength(16)
  })

  const CAUSE = named('Reason', 'Q.850;cause=16')
  const outcomeIn = (request: SipRequest | undefined) =>
    request && ['X-Outcome', 'User-to-User', 'Reason'].map((name) => header(request, name))
  const HANDED_OVER = ['sold', '56a;encoding=hex', 'Q.850;cause=16']

  it('pass to a browser that is away when the trunk hangs up, once it is back', async () => {
    const { alice, trunk, byes } = await talk()
    await gateway.disconnect(alice)
    trunk?.bye([CAUSE, ...OUTCOME])
    await gateway.time.advance(1_000)
    await gateway.back(alice, 'alice')
    await gateway.time.advance(1_000)
    expect(outcomeIn(byes.browser)).toEqual(HANDED_OVER)
  })

  it('pass to a trunk whose connection broke, by the next one', async () => {
    const { browser, byes } = await talk()
    gateway.trunkFlow.transport = 'tcp'
    gateway.trunkFlow.isBackedOff = true
    browser?.bye([CAUSE, ...OUTCOME])
    await gateway.time.advance(1_000)
    expect(byes.trunk).toBeUndefined()
    gateway.trunkFlow.isBackedOff = false
    await gateway.time.advance(10_000)
    expect(outcomeIn(byes.trunk)).toEqual(HANDED_OVER)
  })
})

describe('the headers of INFO inside a call', () => {
  it.each([
    ['all', ['X-Step', 'Info-Package']],
    ['known', ['Info-Package']],
    ['none', ['Info-Package']],
  ] as const)(
    'have the rule of the INVITE (%s), but for what names its body; a browser does not say who diverted the call',
    async (passHeaders, names) => {
      gateway = await ScriptedGateway.open({}, { passHeaders })
      const call = await answered(
        gateway,
        { peer: await gateway.registered('alice'), user: 'alice', local: BROWSER },
        { peer: gateway.trunk, number: '0100', local: PHONE },
      )
      let info: SipRequest | undefined
      call.callee.handler.onRequest = (incoming) => {
        info = incoming.request
        incoming.respond(200)
      }
      const headers = [
        named('X-Step', '1'),
        named('Info-Package', 'knock'),
        named('Diversion', '<sip:+4930999@example.com>'),
      ]
      const body = { contentType: 'application/x-knock', bytes: Buffer.from('knock') }
      call.caller.dialog?.request('INFO', { headers, body }, () => {})
      await gateway.time.advance(100)
      expect(headers.map(({ name }) => name).filter((name) => info && header(info, name))).toEqual(names)
      call.caller.dialog?.bye()
    },
  )
})

describe('the headers of requests beside calls', () => {
  const sent = [
    named('X-Step', '1'),
    named('Subject', 'order'),
    named('Diversion', '<sip:+4930999@example.com>'),
    named('History-Info', '<sip:+4930999@example.com>;index=1'),
    named('Priority', 'emergency'),
  ]
  const namesIn = ({ request }: { readonly request: SipRequest }) =>
    sent.map(({ name }) => name).filter((name) => header(request, name) !== undefined)

  it.each([
    ['all', ['X-Step', 'Subject']],
    ['known', ['Subject']],
    ['none', []],
  ] as const)(
    'have the rule of the INVITE (%s): a browser does not say that one was diverted',
    async (passHeaders, names) => {
      gateway = await ScriptedGateway.open({}, { passHeaders })
      const alice = await gateway.registered('alice')
      const message = send(alice, 'MESSAGE', 'alice', '0100', { body: 'x', headers: sent })
      const written = await asked(gateway, gateway.trunk)
      written.respond(200)
      const own = subscribe(alice, 'alice', '0100', 'presence', { headers: sent })
      const subscribed = await subscribedTo(gateway, gateway.trunk)
      subscribed.reject(404)
      await gateway.time.advance(100)
      expect([namesIn(written), namesIn(subscribed)]).toEqual([names, names])
      expect([statusOfSent(message), endOf(own)]).toEqual([200, 404])
    },
  )

  it('pass to a browser, who has diverted them included, since a trunk says so', async () => {
    gateway = await ScriptedGateway.open({}, { passHeaders: 'none' })
    const alice = await gateway.registered('alice')
    const message = send(gateway.trunk, 'MESSAGE', '0100', 'alice', { body: 'x', headers: sent })
    const written = await asked(gateway, alice)
    written.respond(200)
    await gateway.time.advance(100)
    expect(namesIn(written)).toEqual(sent.map(({ name }) => name))
    expect(statusOfSent(message)).toBe(200)
  })
})

describe('the headers of an answer', () => {
  const sent = [
    named('X-Step', '1'),
    named('Subject', 'order'),
    named('Diversion', '<sip:+4930999@example.com>;reason=unconditional'),
    named('History-Info', '<sip:+4930999@example.com>;index=1'),
    named('Priority', 'emergency'),
    named('Retry-After', '7'),
  ]
  const namesIn = (answer: SipResponse | string | undefined) =>
    sent.map(({ name }) => name).filter((name) => typeof answer === 'object' && header(answer, name))
  const body = { contentType: 'application/x-knock', bytes: Buffer.from('knock') }

  /** What the asker sees of the answers of a peer to all that passes beside INVITE. */
  const answersOf = async (peer: Peer, asker: Peer): Promise<string[][]> => {
    const [user, called] = peer === gateway.trunk ? ['alice', '0100'] : ['0301234', 'alice']
    const message = send(asker, 'MESSAGE', user, called, { body: 'x' })
    ;(await asked(gateway, peer)).respond(200, { headers: sent })
    const refused = send(asker, 'MESSAGE', user, called, { body: 'x' })
    ;(await asked(gateway, peer)).respond(486, { headers: sent })
    const subscription = subscribe(asker, user, called, 'presence')
    ;(await subscribedTo(gateway, peer)).reject(403, { headers: sent })
    await gateway.time.advance(50)
    const { ended } = subscription
    return [message.answer, refused.answer, ended].map((answer) => namesIn(answer))
  }

  it.each([
    ['all', ['X-Step', 'Subject', 'Retry-After']],
    ['known', ['Subject', 'Retry-After']],
    ['none', ['Retry-After']],
  ] as const)(
    'beside calls and inside them have the rule of the request (%s), but for what its asker acts on',
    async (passHeaders, names) => {
      gateway = await ScriptedGateway.open({}, { passHeaders })
      const alice = await gateway.registered('alice')
      expect(await answersOf(alice, gateway.trunk)).toEqual([names, names, names])

      const own = subscribe(alice, 'alice', '0100', 'presence')
      own.status = undefined
      const notifier = (await subscribedTo(gateway, gateway.trunk)).accept(
        { expiresS: 300 },
        { onRefresh: (refresh) => refresh.accept({ expiresS: 0 }), onEnd: () => {} },
      )
      const answers: (SipResponse | string)[] = []
      const keep = (answer: SipResponse | string) => answers.push(answer)
      notifier?.notify({ state: 'terminated;reason=noresource' }, keep)
      await gateway.time.advance(50)
      own.notifies[0]?.respond(200, { headers: sent })

      const call = await answered(
        gateway,
        { peer: alice, user: 'alice', local: BROWSER },
        { peer: gateway.trunk, number: '0100', local: PHONE },
      )
      for (const status of [200, 403]) {
        call.caller.handler.onRequest = ({ respond }) => respond(status, { headers: sent })
        call.callee.dialog?.request('INFO', { body }, keep)
        await gateway.time.advance(50)
      }
      expect(answers.map(namesIn)).toEqual([names, names, names])
      call.caller.dialog?.bye()
      await gateway.time.advance(50)
    },
  )

  it('pass to a browser, who has diverted included, since a trunk says so', async () => {
    gateway = await ScriptedGateway.open({}, { passHeaders: 'none' })
    const alice = await gateway.registered('alice')
    const all = sent.map(({ name }) => name)
    expect(await answersOf(gateway.trunk, alice)).toEqual([all, all, all])
  })

  it('pass to a trunk, but a browser does not say that the call was diverted', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(PHONE) })
    const invite = await ringing(gateway, alice)
    const headers = [named('X-Step', '1'), named('Diversion', '<sip:+4930999@example.com>')]
    invite.progress(180, { headers })
    await gateway.time.advance(100)
    const [rung] = call.progress
    expect(rung && [header(rung, 'X-Step'), header(rung, 'Diversion')]).toEqual(['1', undefined])
    invite.reject(486)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })
})

describe('early media', () => {
  it('goes to a browser that can do 100rel in a reliable 183, once acknowledged the call goes on', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(183, { body: answerTo(invite, PHONE) })
    await gateway.time.advance(100)
    const early = gateway.toBrowser(alice).find((text) => text.startsWith('SIP/2.0 183'))
    expect(early).toMatch(/^Require: 100rel\r$/m)
    expect(alice.flow.sent.some((text) => text.startsWith('PRACK'))).toBe(true)
    invite.accept({ body: answerTo(invite, PHONE) }, new PeerDialog(PHONE).handler)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
  })
})
