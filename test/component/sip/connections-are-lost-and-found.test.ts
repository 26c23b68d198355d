import { expect, test } from 'vitest'
import { parseUri } from '../../../sip/message/uri.ts'
import type { ForeignRequest } from '../../../sip/user-agent.ts'
import { agrees, browserCall, PARTY, rings, site } from '../../harness/sip/browser-site.ts'
import { Link } from '../../harness/sip/link.ts'
import { AGES_MS, expectNothingLeft, howMany } from '../../harness/sip/pair.ts'
import { Phone, sdp } from '../../harness/sip/phone.ts'
import { ask, tagOf } from '../../harness/sip/scripted-peer.ts'

test('a dialog goes on by the new connection, both ways, and its peer is asked whether it still knows it', () => {
  const { clock, gateway, browser, connect, lose, find, old, ofGateway } = browserCall({
    onDialogRequest: (request) => request.respond(200),
  })
  lose(old)
  expect(ofGateway.isAway).toBe(true)
  const next = connect()
  find(old, next)
  expect(ofGateway.isAway).toBe(false)
  clock.advance(100)
  expect(howMany(next.b.sent, 'UPDATE ')).toBe(1)
  expect(gateway.diary, 'it does').toEqual([])
  ofGateway.request('INFO', {}, gateway.note)
  clock.advance(100)
  for (const request of browser.requests) request.respond(202)
  clock.advance(100)
  expect(gateway.diary).toEqual(['done 202'])
  ofGateway.bye()
  clock.advance(AGES_MS)
  expect(browser.diary).toEqual(['inside INFO', 'end bye'])
  expectNothingLeft(gateway, browser)
})

test('a peer that came back and does not know the dialog has ended it', () => {
  const { clock, gateway, browser, lose, find, old } = browserCall()
  lose(old)
  const wire = new Link(clock, { transport: 'wss', scope: 'ws:reloaded' })
  const reloaded = new Phone(clock)
  wire.connect(reloaded.agent, gateway.agent)
  find(old, wire)
  clock.advance(100)
  expect(gateway.diary).toEqual(['end forgotten'])
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
  expect(browser.diary).toEqual([])
})

test('what belongs to another party stays where it is', () => {
  const { clock, gateway, connect, lose, find, old, ofGateway } = browserCall()
  lose(old)
  find(old, connect(), 'user:mallory')
  clock.advance(100)
  expect(ofGateway.isAway).toBe(true)
  gateway.agent.forsake(old.b.flow, 'all')
  expect(gateway.diary).toEqual(['end flow-lost'])
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})

test('a dialog that outlives its connection is left when nobody comes back, until all are forsaken', () => {
  let isVital = true
  const { clock, gateway, lose, old, ofGateway } = browserCall({ outlivesFlow: () => isVital })
  lose(old)
  clock.advance(60_000)
  gateway.agent.forsake(old.b.flow, 'not-vital')
  expect([ofGateway.state, gateway.agent.usesOf(old.b.flow)]).toEqual(['confirmed', 1])
  // It is asked each time.
  isVital = false
  gateway.agent.forsake(old.b.flow, 'not-vital')
  expect(gateway.diary).toEqual(['end flow-lost'])
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})

test('a session is not over for want of a refresh while its peer is away, where the dialog outlives its connection', () => {
  for (const outlives of [true, false]) {
    const sessionTimer = { expiresOf: () => 90, minSeOf: () => 90 }
    const { clock, gateway, browser, connect, lose, find, old, ofGateway } = browserCall({
      outlivesFlow: () => outlives,
      sessionTimer,
    })
    lose(old)
    clock.advance(200_000)
    expect(ofGateway.state).toBe(outlives ? 'confirmed' : 'ended')
    expect(gateway.diary).toEqual(outlives ? [] : ['end session-expired'])
    find(old, connect())
    clock.advance(100)
    // Whoever has not waited so long says so when asked.
    expect(gateway.diary).toEqual([outlives ? 'end forgotten' : 'end session-expired'])
    clock.advance(AGES_MS)
    expectNothingLeft(gateway, browser)
  }
})

test('a BYE of it that was not heard is given up with all else, and forsaking all ends the dialog itself', () => {
  const ended = browserCall({ outlivesFlow: () => true })
  ended.lose(ended.old)
  ended.clock.advance(60_000)
  ended.ofGateway.bye()
  ended.gateway.agent.forsake(ended.old.b.flow, 'not-vital')
  expect(ended.gateway.agent.usesOf(ended.old.b.flow)).toBe(0)
  const talking = browserCall({ outlivesFlow: () => true })
  talking.lose(talking.old)
  talking.gateway.agent.forsake(talking.old.b.flow, 'all')
  expect(talking.gateway.diary).toEqual(['end flow-lost'])
  for (const { clock, gateway } of [ended, talking]) {
    clock.advance(AGES_MS)
    expectNothingLeft(gateway)
  }
})

test('a re-INVITE that is wished for, or under way, when the connection is lost is sent when it is back', () => {
  const { clock, gateway, browser, connect, lose, find, old, ofGateway } = browserCall({}, agrees)
  ofGateway.reinvite({ body: sdp('under way') }, gateway.note)
  lose(old)
  clock.advance(1_000)
  expect(gateway.diary, 'no verdict yet').toEqual([])
  const next = connect()
  find(old, next)
  clock.advance(100)
  expect(gateway.diary).toEqual(['done 200'])
  expect(browser.diary).toEqual(['reinvite INVITE'])
  lose(next)
  ofGateway.reinvite({ body: sdp('wished for') }, gateway.note)
  clock.advance(1_000)
  const last = connect()
  find(next, last)
  clock.advance(100)
  expect(gateway.diary).toEqual(['done 200', 'done 200'])
  ofGateway.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(gateway, browser)
})

test('a re-INVITE that waits for the peer is answered 481 when nobody comes back', () => {
  const { clock, gateway, lose, old, ofGateway } = browserCall()
  lose(old)
  ofGateway.reinvite({ body: sdp('wished for') }, gateway.note)
  ofGateway.reinvite({ body: sdp('one more') }, gateway.note)
  clock.advance(1)
  expect(gateway.diary, 'one can wait').toEqual(['done 491'])
  gateway.agent.forsake(old.b.flow, 'all')
  clock.advance(AGES_MS)
  expect(gateway.diary.slice(1)).toEqual(['end flow-lost', 'done 481'])
  expectNothingLeft(gateway)
})

test('a peer that comes back with an offer is heard first', () => {
  const { clock, gateway, browser, connect, lose, old, ofGateway, ofBrowser } = browserCall({
    ...agrees,
    onForeign: ({ home, flow, party, resume }) => {
      gateway.agent.rehome(home, flow, party, undefined)
      resume()
    },
  })
  lose(old)
  ofGateway.reinvite({ body: sdp('ours') }, gateway.note)
  connect()
  ofBrowser.reinvite({ body: sdp('theirs') }, browser.note)
  clock.advance(200)
  expect(gateway.diary).toContain('reinvite INVITE')
  expect(browser.diary).toContain('done 200')
  ofGateway.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})

test('a BYE that was not heard is said again when the peer is back', () => {
  const { clock, gateway, browser, connect, lose, find, old, ofGateway } = browserCall()
  lose(old)
  ofGateway.bye([{ name: 'Reason', value: 'Q.850;cause=16' }])
  clock.advance(1_000)
  expect(gateway.agent.tables()).toMatchObject({ dialogs: 1 })
  const next = connect()
  find(old, next)
  clock.advance(100)
  expect(browser.diary).toEqual(['end bye'])
  expect(next.b.sent.find((text) => text.startsWith('BYE '))).toContain('Reason: Q.850;cause=16')
  clock.advance(AGES_MS)
  expectNothingLeft(gateway, browser)
})

test('a BYE that nobody came back for is forgotten, and leaves those who talk alone', () => {
  const { clock, gateway, lose, old, ofGateway } = browserCall()
  gateway.call(old.b.flow, { body: sdp('second'), party: PARTY })
  clock.advance(100)
  lose(old)
  ofGateway.bye()
  clock.advance(100)
  gateway.agent.forsake(old.b.flow, 'not-talking')
  expect(gateway.agent.tables()).toMatchObject({ dialogs: 1 })
  expect(gateway.diary).toEqual(['accept 200'])
  gateway.agent.forsake(old.b.flow, 'all')
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})

test('a phone that rang answers by its new connection', () => {
  const { clock, gateway, browser, connect, lose, find } = site({}, { onInvite: rings })
  const old = connect()
  gateway.call(old.b.flow, { body: sdp('offer'), party: PARTY })
  clock.advance(100)
  lose(old)
  clock.advance(5_000)
  expect(gateway.diary).toEqual(['progress 180'])
  const next = connect()
  find(old, next)
  clock.advance(100)
  expect(browser.invites, 'the same INVITE, by its branch').toHaveLength(1)
  const [invite] = browser.invites
  if (invite !== undefined) browser.answer(invite)
  clock.advance(100)
  expect(gateway.diary).toEqual(['progress 180', 'progress 180', 'accept 200'])
  expect(browser.diary).toEqual(['invite', 'ack'])
  gateway.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(gateway, browser)
})

test('a phone that rang and does not come back could not be reached', () => {
  const { clock, gateway, connect, lose } = site({}, { onInvite: rings })
  const old = connect()
  gateway.call(old.b.flow, { body: sdp('offer'), party: PARTY })
  clock.advance(100)
  lose(old)
  gateway.agent.forsake(old.b.flow, 'not-talking')
  clock.advance(AGES_MS)
  expect(gateway.diary).toEqual(['progress 180', 'reject transport'])
  expectNothingLeft(gateway)
})

test('a phone that came back as another one could not be reached at the old address', () => {
  const { clock, gateway, connect, lose } = site({}, { onInvite: rings })
  const old = connect()
  gateway.call(old.b.flow, { body: sdp('offer'), party: PARTY })
  clock.advance(100)
  lose(old)
  const elsewhere = parseUri('sip:x@y.invalid')
  gateway.agent.rehome(old.b.flow, connect().b.flow, PARTY, elsewhere)
  clock.advance(100)
  expect(gateway.diary).toEqual(['progress 180', 'reject transport'])
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})

test('a call given up while its phone was away is cancelled when it is back', () => {
  const { clock, gateway, browser, connect, lose, find } = site({}, { onInvite: rings })
  const old = connect()
  const call = gateway.call(old.b.flow, { body: sdp('offer'), party: PARTY })
  clock.advance(100)
  lose(old)
  call.cancel()
  clock.advance(1_000)
  const next = connect()
  find(old, next)
  clock.advance(100)
  expect(browser.diary).toEqual(['invite', 'cancel CANCEL'])
  clock.advance(AGES_MS)
  expectNothingLeft(gateway, browser)
})

test('a caller that comes back hears again how far its call is, and is asked whether it still calls', () => {
  const { clock, gateway, browser, flow, connect, lose, find } = site({ onInvite: rings })
  const old = connect()
  browser.call(flow)
  clock.advance(100)
  lose(old)
  clock.advance(1_000)
  const next = connect()
  find(old, next)
  clock.advance(100)
  expect(howMany(next.b.sent, 'SIP/2.0 180 ')).toBe(1)
  expect(howMany(next.b.sent, 'UPDATE ')).toBe(1)
  expect(gateway.diary).toEqual(['invite'])
  const [invite] = gateway.invites
  if (invite !== undefined) gateway.answer(invite)
  clock.advance(100)
  expect(browser.diary).toEqual(['progress 180', 'progress 180', 'accept 200'])
  gateway.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(gateway, browser)
})

test('a caller that came back and does not call any more has given up', () => {
  const { clock, gateway, browser, flow, connect, lose, find } = site({ onInvite: rings })
  const old = connect()
  browser.call(flow)
  clock.advance(100)
  lose(old)
  const wire = new Link(clock, { transport: 'wss', scope: 'ws:reloaded' })
  wire.connect(new Phone(clock).agent, gateway.agent)
  find(old, wire)
  clock.advance(100)
  expect(gateway.diary).toEqual(['invite', 'lost'])
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})

test('a caller that does not come back has given up', () => {
  const { clock, gateway, browser, flow, connect, lose } = site({ onInvite: rings })
  const old = connect()
  browser.call(flow)
  clock.advance(100)
  lose(old)
  gateway.agent.forsake(old.b.flow, 'not-talking')
  expect(gateway.diary).toEqual(['invite', 'lost'])
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})

test('a 200 that the caller did not hear is repeated by its new connection', () => {
  const { clock, gateway, browser, flow, connect, lose, find } = site({ onInvite: rings })
  const old = connect()
  browser.call(flow)
  clock.advance(100)
  lose(old)
  const [invite] = gateway.invites
  if (invite !== undefined) gateway.answer(invite)
  const next = connect()
  find(old, next)
  clock.advance(5_000)
  expect(browser.diary).toEqual(['progress 180', 'accept 200'])
  expect(howMany(next.b.sent, 'SIP/2.0 200 ')).toBeGreaterThan(0)
  gateway.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(gateway, browser)
})

test.each([1_000, 31_900, 600_000])(
  'a call whose ACK was lost with the connection, %i ms ago, goes on when its caller is back',
  (awayMs) => {
    const { clock, gateway, browser, flow, connect, lose, find } = site()
    const old = connect()
    browser.call(flow)
    while (browser.diary.length === 0) clock.advance(1)
    lose(old)
    clock.advance(awayMs)
    const next = connect()
    find(old, next)
    clock.advance(60_000)
    expect(browser.diary).toEqual(['accept 200'])
    // Late, the client hears no 200 any more: whether it has it is asked.
    expect(gateway.diary).toEqual(awayMs < 30_000 ? ['invite', 'ack'] : ['invite'])
    expect(howMany(next.b.sent, 'UPDATE ')).toBe(awayMs < 30_000 ? 0 : 1)
    gateway.dialogs[0]?.bye()
    clock.advance(100)
    expect(browser.diary).toEqual(['accept 200', 'end bye'])
    clock.advance(AGES_MS)
    expectNothingLeft(gateway, browser)
  },
)

test('a call whose 200 was lost with the connection ends when its caller is back and knows of none', () => {
  const { clock, gateway, browser, flow, connect, lose, find } = site()
  const old = connect()
  browser.call(flow)
  while (howMany(old.b.sent, 'SIP/2.0 200 ') === 0) clock.advance(1)
  lose(old)
  clock.advance(60_000)
  expect([browser.diary, gateway.diary]).toEqual([['reject timeout'], ['invite']])
  find(old, connect())
  clock.advance(100)
  expect(gateway.diary).toEqual(['invite', 'end forgotten'])
  clock.advance(AGES_MS)
  expectNothingLeft(gateway, browser)
})

test.each([1_000, 60_000])(
  'a call without ACK ends when who came back after %i ms says nothing',
  (awayMs) => {
    const { clock, gateway, browser, flow, connect, lose, find } = site()
    const old = connect()
    browser.call(flow)
    while (browser.diary.length === 0) clock.advance(1)
    lose(old)
    clock.advance(awayMs)
    const next = new Link(clock, { transport: 'wss', scope: 'ws:silent' })
    next.connect({ receive: () => {} }, gateway.agent)
    find(old, next)
    clock.advance(70_000)
    expect(gateway.diary).toEqual(['invite', 'end ack-timeout'])
    clock.advance(AGES_MS)
    expectNothingLeft(gateway)
  },
)

test('a call whose ACK was lost with the connection ends when nobody comes back, and at once when it was hung up', () => {
  const { clock, gateway, browser, flow, connect, lose, find } = site()
  const first = connect()
  browser.call(flow)
  while (browser.diary.length === 0) clock.advance(1)
  lose(first)
  clock.advance(40_000)
  gateway.agent.forsake(first.b.flow, 'all')
  expect(gateway.diary).toEqual(['invite', 'end flow-lost'])
  const second = connect()
  browser.call(flow)
  while (browser.diary.length === 1) clock.advance(1)
  lose(second)
  gateway.dialogs[1]?.bye()
  clock.advance(40_000)
  const third = connect()
  find(second, third)
  clock.advance(100)
  expect(howMany(third.b.sent, 'BYE ')).toBe(1)
  expect(browser.diary).toEqual(['accept 200', 'accept 200', 'end bye'])
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})

test('a request that names a dialog from another connection is for the owner to judge', () => {
  const foreign: ForeignRequest[] = []
  const { clock, gateway, connect, old, ofGateway } = browserCall({
    onForeign: (request) => foreign.push(request),
  })
  const names = { callId: ofGateway.callId, us: ofGateway.localTag, them: ofGateway.remoteTag }
  const ask = (to: string): string =>
    [
      `INFO sip:us@192.0.2.2 SIP/2.0`,
      `Via: SIP/2.0/WSS x.invalid;branch=z9hG4bK${clock.token()}`,
      'Max-Forwards: 70',
      `From: <sip:alice@example.com>;tag=${names.them}`,
      `To: <sip:us@192.0.2.2>;tag=${to}`,
      `Call-ID: ${names.callId}`,
      'CSeq: 7 INFO',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n')
  const wire = connect()
  gateway.agent.receive(Buffer.from(ask(names.us)), wire.b.flow)
  expect(foreign).toHaveLength(1)
  const [asked] = foreign
  expect(asked?.party).toBe(PARTY)
  expect(asked?.home).toBe(old.b.flow)
  expect(gateway.diary, 'nothing has happened to the dialog').toEqual([])
  asked?.respond(403)
  gateway.agent.receive(Buffer.from(ask(names.us)), wire.b.flow)
  foreign[1]?.resume()
  gateway.agent.receive(Buffer.from(ask('guessed')), wire.b.flow)
  expect(wire.b.sent.map((text) => text.slice(8, 11))).toEqual(['403', '481', '481'])
  expect(foreign).toHaveLength(2)
  ofGateway.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})

test('a peer that takes no UPDATE is asked by OPTIONS', () => {
  const { clock, gateway, connect, lose, find } = site({ onInvite: rings })
  const old = connect()
  const say = (text: string, wire: Link): void => gateway.agent.receive(Buffer.from(text), wire.b.flow)
  const headers = ['Allow: INVITE, ACK, BYE, CANCEL, OPTIONS']
  say(ask('INVITE', { headers, via: 'SIP/2.0/WSS x.invalid;branch=z9hG4bKx' }), old)
  lose(old)
  const early = connect()
  find(old, early)
  const [invite] = gateway.invites
  if (invite !== undefined) gateway.answer(invite)
  const ok = early.b.sent.find((text) => text.startsWith('SIP/2.0 200')) ?? ''
  say(ask('ACK', { toTag: tagOf(ok) }), early)
  lose(early)
  const later = connect()
  find(early, later)
  expect(
    [early, later].map(({ b }) => b.sent.filter((text) => /^(UPDATE|OPTIONS) /.test(text)).length),
  ).toEqual([1, 1])
  expect(later.b.sent.find((text) => text.startsWith('OPTIONS '))).toContain(
    `From: <sip:us@192.0.2.1>;tag=${tagOf(ok)}`,
  )
  // A browser that knows nothing of the call, which a hand has written.
  clock.advance(1_000)
  expect(gateway.diary).toEqual(['invite', 'ack', 'end forgotten'])
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})
