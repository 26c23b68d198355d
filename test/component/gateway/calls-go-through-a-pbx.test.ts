import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { header, rawValues } from '../../../sip/message/headers.ts'
import type { Header } from '../../../sip/message/message.ts'
import type { IncomingInvite } from '../../../sip/user-agent.ts'
import {
  answered,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  quiet,
  reasonText,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import type { Peer } from '../../harness/scripted-gateway.ts'
import { ScriptedPbx } from '../../harness/scripted-pbx.ts'
import { asked, endOf, send, statusOfSent, subscribe } from '../../harness/scripted-relay.ts'

let pbx: ScriptedPbx
afterEach(() => pbx.gateway.close())

/** The INVITE that comes after the PBX has challenged the first. */
async function challenged(status: 401 | 407 = 401): Promise<IncomingInvite> {
  const name = status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate'
  const first = await ringing(pbx.gateway, pbx.peer)
  first.reject(status, { headers: pbx.challenges(name) })
  await pbx.gateway.time.advance(200)
  const second = pbx.peer.invites[1]
  if (second === undefined)
    throw new Error(`the challenge led to nothing: ${JSON.stringify(pbx.gateway.log)}`)
  return second
}

describe('a call of a browser', () => {
  it.each([401, 407] as const)(
    'passes the challenge %i of the PBX, and comes again with its answer',
    async (status) => {
      pbx = await ScriptedPbx.open()
      const browser = await pbx.registered('1001')
      const call = place(browser, '1001', '9100', {
        headers: [
          { name: 'P-Asserted-Identity', value: '<sip:ceo@example.com>' },
          { name: 'Privacy', value: 'id' },
        ],
      })
      const invite = await challenged(status)
      const [first] = pbx.peer.invites
      const { request } = invite
      // What the digest covers is what the browser has signed.
      expect(request.uri.text).toBe('sip:9100@example.com')
      expect(pbx.provenBy(request)).toBe('1001')
      const credentials = header(request, status === 401 ? 'Authorization' : 'Proxy-Authorization') ?? ''
      expect(credentials).toContain('uri="sip:9100@example.com"')
      expect(request.from.uri.text).toBe('sip:1001@example.com')
      // One sign-in at the PBX, as it is one at the browser.
      expect([request.callId, request.from.parameters.get('tag')]).toEqual([
        first?.request.callId,
        first?.request.from.parameters.get('tag'),
      ])
      expect(request.cseq.number).toBe((first?.request.cseq.number ?? 0) + 1)
      // It is a call of ours: our Contact, our media, and of the browser only what it has said who it is.
      expect(request.callId).not.toBe(call.invite.callId)
      expect(request.body.toString()).not.toMatch(/fingerprint|ice-ufrag/)
      expect(rawValues(request, 'P-Asserted-Identity')).toEqual([])
      expect(header(request, 'Privacy')).toBe('id')
      expect(pbx.gateway.pbxFlow.sent.join('\n')).not.toMatch(/\.invalid|198\.51\.100\.7/)
      invite.accept({ body: answerTo(invite, PHONE) }, quiet)
      await pbx.gateway.time.advance(100)
      expect(statusOf(call)).toBe(200)
      // ACK cannot be challenged, and has what its INVITE had.
      const ack = pbx.gateway.pbxFlow.sent.find(
        (text) => text.startsWith('ACK') && text.includes(credentials),
      )
      expect(ack).toBeDefined()
      expect(pbx.gateway.logged('call challenged')).toMatchObject([{ level: 'info' }])
      call.dialog?.bye()
      await pbx.gateway.time.advance(100)
    },
  )

  it('with a wrong password is challenged again, and rings nowhere', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    browser.account = pbx.browser('1001', 'wrong').account
    const call = place(browser, '1001', '9100')
    const invite = await challenged()
    expect(pbx.provenBy(invite.request)).toBeUndefined()
    invite.reject(401, { headers: pbx.challenges() })
    await pbx.gateway.time.advance(100)
    expect([statusOf(call), reasonText(call)]).toEqual([
      401,
      expect.stringContaining('upstream.bad-credentials'),
    ])
    pbx.gateway.expectsVerdicts('upstream.bad-credentials')
  })

  it('does not ask the PBX for a number that is denied', async () => {
    const numbers = { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' }
    pbx = await ScriptedPbx.open({}, { numbers })
    const browser = await pbx.registered('1001')
    // Satellites, denied where nothing is said.
    const call = place(browser, '1001', '0088216123')
    await pbx.gateway.time.advance(200)
    expect([statusOf(call), reasonText(call)]).toEqual([403, expect.stringContaining('limit.destination')])
    expect(pbx.peer.invites).toEqual([])
    pbx.gateway.expectsVerdicts('limit.destination')
  })

  it('goes to one place, whatever the PBX says of others', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    const call = place(browser, '1001', '9100')
    const invite = await challenged()
    const sent = pbx.gateway.pbxFlow.sent.length
    invite.reject(302, { headers: [{ name: 'Contact', value: '<sip:9100@127.0.0.1:5080>' }] })
    await pbx.gateway.time.advance(1_000)
    expect(statusOf(call)).toBe(480)
    const later = pbx.gateway.pbxFlow.sent.slice(sent)
    expect(later.filter((text) => text.startsWith('INVITE'))).toEqual([])
    expect(pbx.gateway.trunkFlow.sent).toEqual([])
    pbx.gateway.expectsVerdicts('call.refused')
  })

  it('is refused without a word to the PBX while the browser is not registered there', async () => {
    pbx = await ScriptedPbx.open()
    await pbx.registered('1001')
    const stranger = pbx.browser('1001')
    const refusedRegister = await pbx.register(pbx.browser('1002', 'wrong'), '1002')
    expect(refusedRegister).toMatchObject({ status: 401 })
    const call = place(stranger, '1001', '9100')
    await pbx.gateway.time.advance(200)
    expect([statusOf(call), reasonText(call)]).toEqual([
      403,
      expect.stringContaining('upstream.not-registered'),
    ])
    expect(pbx.peer.invites).toEqual([])
  })

  it.each([
    ['1002', 'example.com'],
    ['1001', 'elsewhere.example'],
  ])('from %s@%s is refused to who is registered as another', async (user, host) => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    await pbx.registered('1002')
    const call = place(browser, user, '9100', { fromHost: host })
    await pbx.gateway.time.advance(200)
    expect([statusOf(call), reasonText(call)]).toEqual([403, expect.stringContaining('call.wrong-identity')])
    expect(pbx.peer.invites).toEqual([])
  })

  it('that the PBX wants the body signed for is refused with a code of its own', async () => {
    pbx = await ScriptedPbx.open()
    const call = place(await pbx.registered('1001'), '1001', '9100')
    const invite = await ringing(pbx.gateway, pbx.peer)
    const value = 'Digest realm="r", nonce="n", qop="auth-int"'
    invite.reject(401, { headers: [{ name: 'WWW-Authenticate', value }] })
    await pbx.gateway.time.advance(100)
    expect([statusOf(call), reasonText(call)]).toEqual([502, expect.stringContaining('upstream.auth-int')])
    pbx.gateway.expectsVerdicts('upstream.auth-int')
  })

  it('that the PBX does not answer says so', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    pbx.gateway.pbxFlow.drops = (text) => text.startsWith('INVITE')
    const call = place(browser, '1001', '9100')
    await pbx.gateway.time.advance(33_000)
    expect([statusOf(call), reasonText(call)]).toEqual([503, expect.stringContaining('upstream.unreachable')])
    pbx.gateway.expectsVerdicts('upstream.unreachable')
  })

  it('goes out by a trunk where a route says so, and echo stays here', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    const call = place(browser, '1001', '0100')
    const invite = await ringing(pbx.gateway, pbx.gateway.trunk)
    expect(invite.request.uri.text).toBe('sip:100@127.0.0.1:5070')
    expect(rawValues(invite.request, 'Authorization')).toEqual([])
    invite.reject(486)
    await pbx.gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    const echo = place(browser, '1001', 'echo')
    await pbx.gateway.time.advance(100)
    expect(statusOf(echo)).toBe(200)
    expect(pbx.peer.invites).toEqual([])
    echo.dialog?.bye()
    await pbx.gateway.time.advance(100)
    pbx.gateway.expectsVerdicts('call.refused')
  })
})

describe('a call of the PBX', () => {
  it('rings the browser behind the Contact, from whom the PBX says', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    const other = await pbx.registered('1002')
    const call = pbx.calls(pbx.uriOf('1001').uri, {
      headers: [{ name: 'P-Asserted-Identity', value: '"Anna" <sip:4930@pbx>' }],
    })
    const invite = await ringing(pbx.gateway, browser)
    expect(invite.request.uri.text).toBe('sip:1001@df7jal23ls0d.invalid;transport=ws')
    expect(invite.request.from.uri.text).toBe('sip:4930@example.com')
    expect(other.invites).toEqual([])
    const dialog = invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await pbx.gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    dialog.bye()
    await pbx.gateway.time.advance(100)
    expect(call.ended).toBe('bye')
  })

  it.each(['sip:1001@127.0.0.1:5061', `sip:${'0'.repeat(32)}@127.0.0.1:5061`, 'sip:echo@127.0.0.1:5061'])(
    'to %s, which no registration has, is refused',
    async (uri) => {
      pbx = await ScriptedPbx.open()
      const browser = await pbx.registered('1001')
      const call = pbx.calls(uri)
      await pbx.gateway.time.advance(200)
      expect([statusOf(call), reasonText(call)]).toEqual([
        404,
        expect.stringContaining('upstream.unknown-token'),
      ])
      expect(browser.invites).toEqual([])
      pbx.gateway.expectsVerdicts('upstream.unknown-token')
    },
  )

  it('is not taken from a trunk, nor from anybody else who knows the Contact', async () => {
    pbx = await ScriptedPbx.open({}, { routes: [] })
    const browser = await pbx.registered('1001')
    const { uri } = pbx.uriOf('1001')
    const token = /sip:(.*)@/.exec(uri)?.[1] ?? ''
    const byTrunk = place(pbx.gateway.trunk, 'x', token, { body: offerOf(PHONE) })
    const byStranger = place(pbx.gateway.stranger(), 'x', token, { body: offerOf(PHONE) })
    const byUser = place(await pbx.registered('1002'), '1002', token)
    await pbx.gateway.time.advance(200)
    expect([statusOf(byTrunk), statusOf(byStranger)]).toEqual([404, 403])
    expect(browser.invites).toEqual([])
    // A user's call goes to the PBX like any other.
    ;(await ringing(pbx.gateway, pbx.peer)).reject(404)
    await pbx.gateway.time.advance(100)
    expect(statusOf(byUser)).toBe(404)
    pbx.gateway.expectsVerdicts('call.refused', 'call.unknown-number')
  })
})

describe('a request that we make in a call', () => {
  const challenges = (): readonly Header[] => pbx.challenges()

  async function talking(): Promise<{ browser: Peer; caller: PeerDialog; callee: PeerDialog }> {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    const ends = await answered(
      pbx.gateway,
      { peer: browser, user: '1001', local: BROWSER },
      { peer: pbx.peer, number: '9100', local: PHONE },
    )
    return { browser, ...ends }
  }

  it('BYE: is done, even when it is challenged', async () => {
    const { caller } = await talking()
    // The PBX's own user agent would take BYE; here it challenges.
    pbx.gateway.pbxFlow.drops = (text) => text.startsWith('BYE')
    caller.dialog?.bye()
    await pbx.gateway.time.advance(20)
    const bye = pbx.gateway.pbxFlow.sent.findLast((text) => text.startsWith('BYE')) ?? ''
    expect(bye).not.toContain('Authorization')
    pbx.answerRaw(bye, 401, challenges())
    await pbx.gateway.time.advance(100)
    expect(pbx.gateway.userAgent.tables()).toMatchObject({ unansweredRequests: 0 })
    expect(pbx.gateway.calls.size).toBe(0)
    const sent = new Set(pbx.gateway.pbxFlow.sent.filter((text) => text.startsWith('BYE')))
    expect(sent.size).toBe(1)
  })

  it('a refresh: ends the call when the session expires, with a code of its own', async () => {
    pbx = await ScriptedPbx.open({}, {})
    const browser = await pbx.registered('1001')
    const call = place(browser, '1001', '9100')
    const invite = await ringing(pbx.gateway, pbx.peer)
    const headers = [
      { name: 'Session-Expires', value: '90;refresher=uac' },
      { name: 'Require', value: 'timer' },
    ]
    const callee = new PeerDialog(PHONE)
    callee.dialog = invite.accept({ headers, body: answerTo(invite, PHONE) }, callee.handler)
    await pbx.gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    const isRefresh = (text: string): boolean => /^(?:UPDATE|INVITE) /.test(text)
    pbx.gateway.pbxFlow.drops = isRefresh
    const answeredTexts = new Set(pbx.gateway.pbxFlow.sent)
    for (let second = 0; second < 100 && call.ended === undefined; second += 1) {
      await pbx.gateway.time.advance(1_000)
      for (const text of pbx.gateway.pbxFlow.sent.filter(isRefresh)) {
        if (!answeredTexts.has(text)) pbx.answerRaw(text, 401, challenges())
        answeredTexts.add(text)
      }
    }
    expect(call.endedBy).toContain('call.refresh-challenged')
    expect(pbx.gateway.logged('call failed').at(-1)?.fields).toMatchObject({
      code: 'call.refresh-challenged',
    })
    pbx.gateway.expectsVerdicts(['media.none-from-trunk', 'call.refresh-challenged'])
  })

  it('a transfer to a number of the PBX: says that only the browser has the password', async () => {
    const { caller } = await talking()
    const notes: string[] = []
    caller.onNotify = (body) => notes.push(body)
    caller.dialog?.request(
      'REFER',
      // What it would put into our INVITE stays out of it.
      { headers: [{ name: 'Refer-To', value: '<sip:9200@example.com?Subject=free&X-Account=1>' }] },
      () => {},
    )
    await pbx.gateway.time.advance(200)
    const invite = pbx.peer.invites[1]
    expect(invite?.request.uri.text).toBe('sip:9200@example.com')
    expect(invite?.request.from.uri.text).toBe('sip:1001@example.com')
    expect(rawValues(invite?.request ?? { headers: [] }, 'Authorization')).toEqual([])
    invite?.reject(407, { headers: pbx.challenges('Proxy-Authenticate') })
    await pbx.gateway.time.advance(200)
    expect(notes.at(-1)).toContain('403')
    expect(pbx.gateway.logged('transfer failed')).toMatchObject([
      { fields: { code: 'upstream.no-credentials' } },
    ])
    caller.dialog?.bye()
    await pbx.gateway.time.advance(100)
  })

  it('a transfer by the PBX: goes to the PBX in the name of the user who stays', async () => {
    const { caller, callee } = await talking()
    callee.dialog?.request(
      'REFER',
      { headers: [{ name: 'Refer-To', value: '<sip:9200@10.0.0.5>' }] },
      () => {},
    )
    await pbx.gateway.time.advance(200)
    const invite = pbx.peer.invites[1]
    expect(invite?.request.uri.text).toBe('sip:9200@10.0.0.5')
    expect(invite?.request.from.uri.text).toBe('sip:1001@example.com')
    const target = new PeerDialog(PHONE)
    if (invite === undefined) throw new Error('nobody was called')
    target.dialog = invite.accept({ body: answerTo(invite, PHONE) }, target.handler)
    await pbx.gateway.time.advance(200)
    expect(callee.ended).toBe('bye')
    expect(caller.ended).toBeUndefined()
    caller.dialog?.bye()
    await pbx.gateway.time.advance(100)
    expect(target.ended).toBe('bye')
  })
})

describe('calls by the PBX to outside', () => {
  const OUTSIDE = '+4930200'
  const openWith = async (maxCalls: number): Promise<Peer> => {
    const { limits } = loadConfig(undefined, {})
    pbx = await ScriptedPbx.open({}, { limits: { ...limits, user: { ...limits.user, maxCalls } } })
    return pbx.registered('1001')
  }
  const placed = (): unknown => pbx.gateway.calls.counters().placed
  const talkingTo = async (browser: Peer, number: string) => {
    pbx.peer.invites.length = 0
    return answered(
      pbx.gateway,
      { peer: browser, user: '1001', local: BROWSER },
      { peer: pbx.peer, number, local: PHONE },
    )
  }
  const refer = async (side: PeerDialog, target: string): Promise<void> => {
    pbx.peer.invites.length = 0
    side.dialog?.request('REFER', { headers: [{ name: 'Refer-To', value: target }] }, () => {})
    await pbx.gateway.time.advance(200)
  }

  it.each([
    [OUTSIDE, { 'user:1001': 2 }],
    ['9200', { 'user:1001': 1 }],
  ])('a transfer to %s takes places %o, also when the transferor has hung up', async (number, expected) => {
    const browser = await openWith(2)
    const { caller, callee } = await talkingTo(browser, OUTSIDE)
    expect(placed()).toEqual({ 'user:1001': 1 })
    await refer(caller, `<sip:${number}@example.com>`)
    const invite = await ringing(pbx.gateway, pbx.peer)
    const target = new PeerDialog(PHONE)
    target.dialog = invite.accept({ body: answerTo(invite, PHONE) }, target.handler)
    await pbx.gateway.time.advance(200)
    expect([caller.ended, callee.ended]).toEqual(['bye', undefined])
    expect(placed()).toEqual(expected)
    callee.dialog?.bye()
    await pbx.gateway.time.advance(200)
    expect([target.ended, placed()]).toEqual(['bye', {}])
  })

  it('two that are joined stay counted', async () => {
    const browser = await openWith(2)
    const one = await talkingTo(browser, OUTSIDE)
    const two = await talkingTo(browser, '+4930300')
    const { dialog } = one.caller
    const replaces = `${dialog?.callId};to-tag=${dialog?.remoteTag};from-tag=${dialog?.localTag}`
    await refer(two.caller, `<sip:x@example.com?Replaces=${encodeURIComponent(replaces)}>`)
    await pbx.gateway.time.advance(500)
    expect([one.caller.ended, two.caller.ended, placed()]).toEqual(['bye', 'bye', { 'user:1001': 2 }])
    const third = place(browser, '1001', '9100')
    await pbx.gateway.time.advance(200)
    expect(reasonText(third)).toContain('limit.concurrent')
    one.callee.dialog?.bye()
    await pbx.gateway.time.advance(200)
    expect([two.callee.ended, placed()]).toEqual(['bye', {}])
    pbx.gateway.expectsVerdicts('limit.concurrent')
  })
})

describe('beside calls', () => {
  it('MESSAGE passes the challenge, and comes again', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    const sent = send(browser, 'MESSAGE', '1001', '1002', { body: 'hello' })
    const first = await asked(pbx.gateway, pbx.peer)
    first.respond(407, { headers: pbx.challenges('Proxy-Authenticate') })
    await pbx.gateway.time.advance(100)
    const second = pbx.peer.requests[1]
    expect(second?.request.uri.text).toBe('sip:1002@example.com')
    expect(second === undefined ? '' : pbx.provenBy(second.request)).toBe('1001')
    expect(second?.request.callId).toBe(first.request.callId)
    second?.respond(202)
    await pbx.gateway.time.advance(100)
    expect(statusOfSent(sent)).toBe(202)
  })

  it('SUBSCRIBE passes the challenge, and its NOTIFY comes back', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    const watcher = subscribe(browser, '1001', '1001', 'message-summary')
    await pbx.gateway.time.advance(50)
    pbx.peer.subscribes[0]?.reject(401, { headers: pbx.challenges() })
    await pbx.gateway.time.advance(50)
    const second = pbx.peer.subscribes[1]
    expect(second === undefined ? '' : pbx.provenBy(second.request)).toBe('1001')
    const notifier = second?.accept(
      { expiresS: 600 },
      { onRefresh: (r) => r.accept({ expiresS: 0 }), onEnd: () => {} },
    )
    notifier?.notify({
      state: 'active',
      body: { contentType: 'application/simple-message-summary', bytes: Buffer.from('x') },
    })
    await pbx.gateway.time.advance(50)
    expect(watcher.accepted?.expiresS).toBe(600)
    expect(watcher.notifies).toHaveLength(1)
    notifier?.notify({ state: 'terminated' })
    await pbx.gateway.time.advance(100)
    expect(endOf(watcher)).toBe('terminated')
  })

  it('nobody who is not registered at the PBX is heard there', async () => {
    pbx = await ScriptedPbx.open()
    const browser = pbx.browser('1001')
    const sent = send(browser, 'MESSAGE', '1001', '1002', { body: 'hello' })
    const watcher = subscribe(browser, '1001', '1002', 'presence')
    const probe = send(browser, 'OPTIONS', '1001', '1002')
    await pbx.gateway.time.advance(100)
    expect([statusOfSent(sent), endOf(watcher), statusOfSent(probe)]).toEqual([403, 403, 403])
    expect(pbx.peer.requests).toEqual([])
  })

  it('the PBX asks by OPTIONS whether the browser lives, and tells of messages waiting', async () => {
    pbx = await ScriptedPbx.open()
    const browser = await pbx.registered('1001')
    const { uri } = pbx.uriOf('1001')
    const lives = pbx.asks('OPTIONS', uri)
    const notify = pbx.asks('NOTIFY', uri, {
      headers: [
        { name: 'Event', value: 'message-summary' },
        { name: 'Subscription-State', value: 'active' },
      ],
      body: 'Messages-Waiting: yes',
    })
    const message = pbx.asks('MESSAGE', uri, { body: 'hello' })
    const forged = pbx.asks('OPTIONS', 'sip:1001@127.0.0.1:5061')
    await pbx.gateway.time.advance(50)
    for (const { respond } of browser.requests) respond(200)
    await pbx.gateway.time.advance(50)
    expect([lives, notify, message, forged].map(statusOfSent)).toEqual([200, 200, 200, 404])
    expect(browser.requests.map(({ request }) => request.method).sort()).toEqual(['MESSAGE', 'NOTIFY'])
    await pbx.gateway.disconnect(browser)
    const gone = pbx.asks('OPTIONS', uri)
    await pbx.gateway.time.advance(50)
    expect(statusOfSent(gone)).toBe(480)
  })
})
