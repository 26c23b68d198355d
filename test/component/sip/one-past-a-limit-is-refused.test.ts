import { expect, test } from 'vitest'
import { parseNameAddr } from '../../../sip/message/name-addr.ts'
import { parseUri } from '../../../sip/message/uri.ts'
import { AGES_MS, expectNothingLeft, howMany } from '../../harness/sip/pair.ts'
import { sdp } from '../../harness/sip/phone.ts'
import { ask, lineOf, reply, scripted, statusOf, tagOf } from '../../harness/sip/scripted-peer.ts'

test('one server transaction past the limit is answered 503 with Retry-After and counted, and copies of it too', () => {
  const { clock, phone, say, sent, last } = scripted({ limits: { maxServerTransactions: 2 } })
  for (const callId of ['one', 'two', 'three', 'three'])
    say(ask('INVITE', { callId, branch: `z9hG4bK${callId}` }))
  expect(phone.diary).toEqual(['invite', 'invite'])
  expect(howMany(sent, 'SIP/2.0 503')).toBe(2)
  expect(last()).toContain('Retry-After: ')
  expect(tagOf(last())).not.toBe('')
  expect(phone.agent.counters()).toMatchObject({ 'sip.overload': 2 })
  // The full table still lets calls end.
  for (const invite of phone.invites) invite.reject(480)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('one server transaction past the share of a scope is answered 503, another scope still has room', () => {
  const { clock, phone, flow, say, sent, last } = scripted({ limits: { maxServerTransactions: 4 } })
  for (const callId of ['one', 'two', 'three', 'four'])
    say(ask('INVITE', { callId, branch: `z9hG4bK${callId}` }))
  expect(statusOf(last())).toBe(503)
  expect(phone.diary).toEqual(['invite', 'invite', 'invite'])
  const other = { ...flow, isOpen: true, scope: 'trunk:other' }
  phone.agent.receive(Buffer.from(ask('INVITE', { callId: 'five', branch: 'z9hG4bKfive' })), other)
  expect(statusOf(last())).toBe(100)
  expect(howMany(sent, 'SIP/2.0 503')).toBe(1)
  for (const invite of phone.invites) invite.reject(480)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('the last places, of all and of a scope, are for INVITEs', () => {
  const { clock, phone, flow, sent } = scripted({ limits: { maxServerTransactions: 22 } })
  /** How many are refused. */
  const refusedOf =
    (by: typeof flow) =>
    (method: string, from: number, count: number): number => {
      const before = howMany(sent, 'SIP/2.0 503')
      for (let index = from; index < from + count; index += 1) {
        const names = { callId: `${by.scope}-${index}`, branch: `z9hG4bK${index}` }
        phone.agent.receive(Buffer.from(ask(method, names)), by)
      }
      return howMany(sent, 'SIP/2.0 503') - before
    }
  const own = refusedOf(flow)
  const others = refusedOf({ ...flow, isOpen: true, scope: 'trunk:other' })
  // Three quarters of 22 are 17, of which 14 are for anything.
  expect([own('MESSAGE', 0, 14), own('MESSAGE', 14, 1)]).toEqual([0, 1])
  expect([own('INVITE', 20, 3), own('INVITE', 23, 1)]).toEqual([0, 1])
  // 19 of all.
  expect([others('MESSAGE', 0, 2), others('MESSAGE', 2, 1)]).toEqual([0, 1])
  expect([others('INVITE', 20, 3), others('INVITE', 23, 1)]).toEqual([0, 1])
  expect(phone.agent.counters()).toMatchObject({ 'sip.overload': 4 })
  for (const request of phone.requests) request.respond(200)
  for (const invite of phone.invites) invite.reject(480)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('a browser has 256 places at most, however many there are', () => {
  const { clock, phone, flow, say, last } = scripted(
    { limits: { maxServerTransactions: 4_000 } },
    { transport: 'wss' },
  )
  const invite = (count: number): void =>
    say(ask('INVITE', { callId: `${count}`, branch: `z9hG4bK${count}` }))
  for (let count = 0; count < 256; count += 1) invite(count)
  expect([phone.invites.length, statusOf(last())]).toEqual([256, 100])
  invite(256)
  expect([phone.invites.length, statusOf(last())]).toEqual([256, 503])
  const other = { ...flow, isOpen: true, scope: 'ws:other' }
  phone.agent.receive(Buffer.from(ask('INVITE', { callId: 'other' })), other)
  expect([phone.invites.length, statusOf(last())]).toEqual([257, 100])
  for (const one of phone.invites) one.reject(480)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('an answer that is given once holds no place, over UDP either, and is given again to a copy', () => {
  const { phone, say, sent } = scripted({
    limits: { maxServerTransactions: 2 },
    onRequest: (request) => request.respond(200, { isOnce: true }),
  })
  for (let count = 0; count < 10; count += 1)
    say(ask('OPTIONS', { callId: `${count}`, branch: `z9hG4bK${count}` }))
  say(ask('OPTIONS', { callId: '9', branch: 'z9hG4bK9' }))
  expect(howMany(sent, 'SIP/2.0 200')).toBe(11)
  expectNothingLeft(phone)
})

test('refused INVITEs over a connection hold nothing, so that a flood of them shuts nobody out', () => {
  // Some 660 unauthenticated INVITEs a second, never acknowledged, filled the table of all within half a minute.
  const { phone, say, sent, last } = scripted(
    { limits: { maxServerTransactions: 2 }, onInvite: (invite) => invite.reject(401) },
    { transport: 'wss' },
  )
  for (let count = 0; count < 10; count += 1) {
    say(ask('INVITE', { callId: `flood${count}`, branch: `z9hG4bK${count}` }))
    expect(statusOf(last())).toBe(401)
  }
  expectNothingLeft(phone)
  const before = sent.length
  say(ask('ACK', { callId: 'flood9', branch: 'z9hG4bK9', toTag: tagOf(last()) }))
  expect(sent).toHaveLength(before)
})

test('one dialog past the limit is refused, incoming and outgoing', () => {
  const { clock, phone, flow, say, sent, last } = scripted({ limits: { maxDialogs: 2 } })
  for (const callId of ['one', 'two', 'three']) say(ask('INVITE', { callId, branch: `z9hG4bK${callId}` }))
  expect(last()).toMatch(/^SIP\/2\.0 503.*Retry-After/s)
  phone.call(flow)
  expect(phone.diary).toEqual(['invite', 'invite'])
  clock.advance(1)
  expect(phone.diary).toEqual(['invite', 'invite', 'reject overload'])
  expect(howMany(sent, 'INVITE')).toBe(0)
  expect(phone.agent.counters()).toMatchObject({ 'sip.overload': 2 })
  for (const invite of phone.invites) invite.reject(480)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('dialogs in reserve are for INVITEs that come in and for urgent ones, and one past them is for nobody', () => {
  const { clock, phone, flow, say, sent, last } = scripted({ limits: { maxDialogs: 5, reserved: 2 } })
  for (let count = 0; count < 4; count += 1) phone.call(flow)
  clock.advance(1)
  expect(phone.diary).toEqual(['reject overload'])
  expect(howMany(sent, 'INVITE')).toBe(3)
  phone.call(flow, { body: sdp('offer'), isUrgent: true })
  say(ask('INVITE', { callId: 'in', branch: 'z9hG4bKin' }))
  expect(howMany(sent, 'INVITE')).toBe(4)
  phone.call(flow, { body: sdp('offer'), isUrgent: true })
  say(ask('INVITE', { callId: 'past', branch: 'z9hG4bKpast' }))
  expect(statusOf(last())).toBe(503)
  clock.advance(1)
  expect(phone.diary).toEqual(['reject overload', 'invite', 'reject overload'])
  for (const invite of phone.invites) invite.reject(480)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('client transactions in reserve are for urgent INVITEs, and for requests inside calls', () => {
  const { clock, phone, flow, say, sent } = scripted({ limits: { maxClientTransactions: 3, reserved: 2 } })
  phone.call(flow)
  phone.call(flow)
  clock.advance(1)
  expect(phone.diary).toEqual(['reject overload'])
  phone.call(flow, { body: sdp('offer'), isUrgent: true })
  say(reply(sent[0] ?? '', 200))
  phone.dialogs[0]?.request('INFO', {}, phone.note)
  expect(howMany(sent, 'INFO')).toBe(1)
  phone.call(flow, { body: sdp('offer'), isUrgent: true })
  phone.dialogs[0]?.request('INFO', {}, phone.note)
  clock.advance(1)
  expect(phone.diary).toEqual(['reject overload', 'accept 200', 'reject overload', 'done overload'])
  expect([howMany(sent, 'INVITE'), howMany(sent, 'INFO')]).toEqual([2, 1])
  phone.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('a full table of server transactions still lets known calls end, and only those', () => {
  const { phone, say, last } = scripted({
    limits: { maxServerTransactions: 2 },
    onInvite: (invite, self) =>
      invite.request.callId === 'one' ? self.answer(invite) : invite.progress(180),
  })
  say(ask('INVITE', { callId: 'one', branch: 'z9hG4bKone' }))
  const toTag = tagOf(last())
  say(ask('INVITE', { callId: 'two', branch: 'z9hG4bKtwo' }))
  say(ask('BYE', { callId: 'unknown', toTag, cseq: 2 }))
  expect(statusOf(last())).toBe(503)
  say(ask('BYE', { callId: 'one', toTag, cseq: 2 }))
  expect(statusOf(last())).toBe(200)
  say(ask('CANCEL', { callId: 'two', branch: 'z9hG4bKtwo' }))
  expect(phone.diary).toEqual(['invite', 'invite', 'end bye', 'cancel CANCEL'])
})

test('one client transaction past the limit is refused to the caller; BYE passes', () => {
  const { clock, phone, flow, say, sent } = scripted({ limits: { maxClientTransactions: 1 } })
  phone.call(flow)
  phone.call(flow)
  clock.advance(1)
  expect(phone.diary).toEqual(['reject overload'])
  say(reply(sent[0] ?? '', 200))
  phone.dialogs[0]?.bye()
  expect(howMany(sent, 'BYE')).toBe(1)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('a call can be given up while the table of client transactions is full', () => {
  const { phone, flow, say, sent } = scripted({ limits: { maxClientTransactions: 1 } })
  const call = phone.call(flow)
  say(reply(sent[0] ?? '', 180))
  call.cancel()
  expect(howMany(sent, 'CANCEL')).toBe(1)
})

test('a flow that is closed fails what is pending on it and what is sent later', () => {
  const { clock, phone, flow, wire } = scripted({}, { transport: 'wss' })
  phone.call(flow)
  wire.cut()
  phone.agent.flowClosed(flow)
  expect(phone.diary).toEqual(['reject transport'])
  phone.call(flow)
  expect(phone.diary).toHaveLength(1)
  clock.advance(AGES_MS)
  expect(phone.diary).toEqual(['reject transport', 'reject transport'])
  expectNothingLeft(phone)
})

test('one offer past the rate of a dialog is refused 500, counted, and the call goes on', () => {
  const { clock, phone, say, sent, last } = scripted({
    onInvite: (invite, self) => self.answer(invite),
    onReinvite: (reinvite) => reinvite.accept({ body: sdp('same') }),
  })
  const offer = { body: 'offer', headers: ['Content-Type: application/sdp'] }
  say(ask('INVITE', offer))
  const toTag = tagOf(last())
  say(ask('ACK', { toTag, branch: 'z9hG4bKack' }))
  const reoffer = (cseq: number): string => {
    const branch = `z9hG4bK${cseq}`
    say(ask('INVITE', { toTag, cseq, branch, ...offer }))
    const answer = last()
    say(ask('ACK', { toTag, cseq, branch: statusOf(answer) === 200 ? `${branch}ack` : branch }))
    return answer
  }
  for (let cseq = 2; cseq < 22; cseq += 1) expect(statusOf(reoffer(cseq))).toBe(200)
  expect(reoffer(22)).toMatch(/^SIP\/2\.0 500.*Retry-After: /s)
  say(ask('UPDATE', { toTag, cseq: 23, ...offer }))
  expect(statusOf(last())).toBe(500)
  expect(phone.agent.counters()).toMatchObject({ 'sip.too-many-offers': 2 })
  clock.advance(500)
  expect(statusOf(reoffer(24))).toBe(200)
  expect(howMany(sent, 'BYE')).toBe(0)
  say(ask('BYE', { toTag, cseq: 25 }))
  expect(phone.diary.at(-1)).toBe('end bye')
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('a required extension we lack is refused 420 and named; BYE is not refused for it', () => {
  const { say, last } = scripted({ onInvite: (invite, self) => self.answer(invite) })
  say(ask('INVITE', { branch: 'z9hG4bKx', callId: 'x', headers: ['Require: Path, 100rel, Gruu'] }))
  expect(last()).toMatch(/^SIP\/2\.0 420/)
  expect(lineOf(last(), 'Unsupported')).toBe('Unsupported: path, gruu')
  say(ask('INVITE'))
  say(ask('BYE', { toTag: tagOf(last()), cseq: 2, headers: ['Require: path'] }))
  expect(statusOf(last())).toBe(200)
})

test('an INVITE with no hops left is refused 483, an OPTIONS is ours to answer', () => {
  const { phone, say, last } = scripted()
  say(ask('INVITE').replace('Max-Forwards: 70', 'Max-Forwards: 0'))
  expect(statusOf(last())).toBe(483)
  say(ask('OPTIONS', { callId: 'x' }).replace('Max-Forwards: 70', 'Max-Forwards: 0'))
  expect(phone.diary).toEqual(['request OPTIONS'])
})

test('a request with an older CSeq in the dialog is answered 500, its repetition as before', () => {
  const { phone, say, last } = scripted({
    onInvite: (invite, self) => self.answer(invite),
    onDialogRequest: (request) => request.respond(200),
  })
  say(ask('INVITE', { cseq: 5 }))
  const toTag = tagOf(last())
  say(ask('ACK', { toTag, cseq: 5, branch: 'z9hG4bKack' }))
  say(ask('INFO', { toTag, cseq: 7 }))
  say(ask('INFO', { toTag, cseq: 6 }))
  expect(statusOf(last())).toBe(500)
  say(ask('INFO', { toTag, cseq: 7, branch: 'z9hG4bKanother' }))
  expect(statusOf(last())).toBe(500)
  say(ask('INFO', { toTag, cseq: 7 }))
  expect(statusOf(last())).toBe(200)
  expect(phone.diary).toEqual(['invite', 'ack', 'inside INFO'])
})

test('a request in an unknown dialog is answered 481, and what another peer knows of a dialog is worth nothing', () => {
  const { phone, flow, say, last } = scripted({ onInvite: (invite, self) => self.answer(invite) })
  say(ask('INVITE'))
  const bye = ask('BYE', { toTag: tagOf(last()), cseq: 2 })
  const replies: string[] = []
  const stranger = {
    ...flow,
    isOpen: true,
    id: 'stranger',
    scope: 'stranger',
    send: (bytes: Uint8Array) => replies.push(Buffer.from(bytes).toString()),
  }
  phone.agent.receive(Buffer.from(bye), stranger)
  expect(replies.map(statusOf)).toEqual([481])
  expect(phone.diary).toEqual(['invite'])
  say(bye)
  expect(phone.diary).toEqual(['invite', 'end bye'])
})

test('a response from another scope is dropped, whatever branch it knows', () => {
  const { phone, flow, sent } = scripted()
  phone.call(flow)
  phone.agent.receive(Buffer.from(reply(sent[0] ?? '', 486)), { ...flow, isOpen: true, scope: 'stranger' })
  expect(phone.diary).toEqual([])
  expect(phone.agent.counters()).toMatchObject({ 'stray-response': 1 })
})

test('a response with two Vias was not for us', () => {
  const { phone, flow, sent, say } = scripted()
  phone.call(flow)
  say(reply(sent[0] ?? '', 486).replace('From:', 'Via: SIP/2.0/UDP else;branch=z9hG4bKx\r\nFrom:'))
  expect(phone.diary).toEqual([])
  say(reply(sent[0] ?? '', 486))
  expect(phone.diary).toEqual(['reject 486'])
})

test('a malformed request is answered 400 when its sender can match the answer, an ACK never', () => {
  const { phone, say, sent, last } = scripted()
  say(ask('OPTIONS').replace('CSeq: 1 OPTIONS', 'CSeq: 1 INVITE'))
  expect(statusOf(last())).toBe(400)
  expect(tagOf(last())).not.toBe('')
  const before = sent.length
  say(ask('ACK').replace('CSeq: 1 ACK', 'CSeq: 1 INVITE'))
  say('\0\0\0')
  say('SIP/2.0 200 OK\r\n\r\n')
  expect(sent).toHaveLength(before)
  expect(phone.agent.counters()).toMatchObject({ 'sip.malformed': 4 })
})

test('a header that would break its line is our own mistake and stays with its request', () => {
  const { clock, phone, say, last } = scripted({
    onRequest: (request) => request.respond(200, { headers: [{ name: 'X', value: 'a\r\nb' }] }),
  })
  say(ask('OPTIONS'))
  expect(statusOf(last())).toBe(500)
  expect(phone.errors).toHaveLength(1)
  clock.advance(AGES_MS)
  expect(phone.agent.tables()).toMatchObject({ serverTransactions: 0, timers: 0 })
})

test('a call, a CANCEL, a BYE and a re-INVITE that cannot be written throw at once and change nothing', () => {
  const { clock, phone, flow, say, sent } = scripted()
  const bad = { headers: [{ name: 'X', value: 'a\r\nb' }], body: sdp('x') }
  const call = (): unknown =>
    phone.agent.invite(
      { ...bad, ...addressesOf(sent[0] ?? ''), flow, dialogHandler: phone.dialogHandler() },
      { onProgress: () => {}, onAccept: () => {}, onReject: () => {} },
    )
  const ringing = phone.call(flow)
  expect(call).toThrow('control character')
  expect(() => ringing.cancel(bad.headers)).toThrow('control character')
  say(reply(sent[0] ?? '', 200))
  const [dialog] = phone.dialogs
  expect(() => dialog?.bye(bad.headers)).toThrow('control character')
  expect(() => dialog?.reinvite(bad, phone.note)).toThrow('control character')
  expect(dialog?.state).toBe('confirmed')
  dialog?.reinvite({ body: sdp('good') }, phone.note)
  say(reply(sent.at(-1) ?? '', 200))
  expect(phone.diary).toEqual(['accept 200', 'done 200'])
  dialog?.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

const addressesOf = (invite: string) => ({
  uri: parseUri('sip:bob@192.0.2.2'),
  from: parseNameAddr(lineOf(invite, 'From').slice(6)),
  to: parseNameAddr(lineOf(invite, 'To').slice(4)),
})

test('close() stops every timer and nothing is sent or heard any more', () => {
  const { clock, phone, flow, say, sent } = scripted({ onInvite: (invite, self) => self.answer(invite) })
  phone.call(flow)
  say(ask('INVITE'))
  const before = sent.length
  phone.agent.close()
  say(ask('OPTIONS'))
  phone.call({ ...flow, isOpen: false })
  clock.advance(AGES_MS)
  expect(sent).toHaveLength(before)
  expect(phone.agent.tables()).toMatchObject({ timers: 0 })
})
