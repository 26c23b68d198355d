import { expect, test } from 'vitest'
import { parseNameAddr } from '../../../sip/message/name-addr.ts'
import type { Notifier } from '../../../sip/user-agent.ts'
import { AGES_MS, expectNothingLeft } from '../../harness/sip/pair.ts'
import { type PhoneOptions, sdp } from '../../harness/sip/phone.ts'
import { ask, lineOf, reply, scripted } from '../../harness/sip/scripted-peer.ts'

const ACCOUNT: PhoneOptions = {
  credentials: { user: 'ann', password: { reveal: () => 's3cret' }, md5: true },
}
const CONTACT = 'Contact: <sip:bob@192.0.2.2>'
const challenge = (nonce: string, more = '') => [
  `WWW-Authenticate: Digest realm="pbx", nonce="${nonce}", qop="auth"${more}`,
]

function asked(options: PhoneOptions = ACCOUNT) {
  const made = scripted(options)
  return {
    ...made,
    lastOf: (method: string) => made.sent.findLast((text) => text.startsWith(method)) ?? '',
    count: (method: string) => made.sent.filter((text) => text.startsWith(method)).length,
  }
}

/** In a call for which the INVITE was challenged. */
function inCall() {
  const made = asked()
  made.phone.call(made.flow)
  made.say(reply(made.lastOf('INVITE'), 401, { headers: challenge('i') }))
  made.say(reply(made.lastOf('INVITE'), 200, { headers: [CONTACT] }))
  made.phone.diary.length = 0
  return made
}

test('INVITE is sent again with the next number and nothing else changed; its ACK has the same credentials', () => {
  const { phone, flow, sent, say, lastOf } = asked()
  phone.call(flow)
  const [first = ''] = sent
  say(
    reply(first, 407, {
      tag: 'proxy',
      headers: ['Proxy-Authenticate: Digest realm="pbx", nonce="i", qop="auth"'],
    }),
  )
  expect(lineOf(sent[1] ?? '', 'CSeq')).toBe('CSeq: 1 ACK')
  const second = lastOf('INVITE')
  expect(lineOf(second, 'CSeq')).toBe('CSeq: 2 INVITE')
  for (const name of ['Call-ID', 'From', 'To', 'Contact', 'Session-Expires', 'Content-Length']) {
    expect(lineOf(second, name)).toBe(lineOf(first, name))
  }
  expect(lineOf(second, 'Via')).not.toBe(lineOf(first, 'Via'))
  const credentials = lineOf(second, 'Proxy-Authorization')
  expect(credentials).toContain('Digest username="ann", realm="pbx", nonce="i"')
  say(reply(second, 200, { headers: [CONTACT] }))
  expect(phone.diary).toEqual(['accept 200'])
  expect(lineOf(lastOf('ACK'), 'CSeq')).toBe('CSeq: 2 ACK')
  expect(lineOf(lastOf('ACK'), 'Proxy-Authorization')).toBe(credentials)
})

test('INVITE that was answered and is challenged once more is rejected, and so is one without an account', () => {
  const { clock, phone, flow, say, lastOf, count } = asked()
  phone.call(flow)
  say(reply(lastOf('INVITE'), 401, { headers: challenge('1') }))
  say(reply(lastOf('INVITE'), 401, { headers: challenge('2') }))
  expect(phone.diary).toEqual(['reject 401'])
  expect(count('INVITE')).toBe(2)
  const other = asked({})
  other.phone.call(other.flow)
  other.say(reply(other.lastOf('INVITE'), 401, { headers: challenge('1') }))
  expect(other.phone.diary).toEqual(['reject 401'])
  clock.advance(AGES_MS)
  other.clock.advance(AGES_MS)
  expectNothingLeft(phone, other.phone)
})

test('INVITE may be challenged and asked for a longer session, in any order', () => {
  for (const order of [
    [401, 422],
    [422, 401],
  ]) {
    const { phone, flow, say, lastOf } = asked({
      ...ACCOUNT,
      sessionTimer: { expiresOf: () => 90, minSeOf: () => 90 },
    })
    phone.call(flow)
    for (const status of order) {
      say(reply(lastOf('INVITE'), status, { headers: status === 422 ? ['Min-SE: 300'] : challenge('i') }))
    }
    const third = lastOf('INVITE')
    expect(lineOf(third, 'CSeq')).toBe('CSeq: 3 INVITE')
    expect(lineOf(third, 'Session-Expires')).toBe('Session-Expires: 300')
    // Each use of a nonce has a count of its own.
    expect(lineOf(third, 'Authorization')).toContain(order[0] === 401 ? 'nc=00000002' : 'nc=00000001')
  }
})

test('a call that was given up before the challenge is not tried again', () => {
  const { phone, flow, say, lastOf, count } = asked()
  const call = phone.call(flow)
  say(reply(lastOf('INVITE'), 100, { tag: '' }))
  call.cancel()
  say(reply(lastOf('INVITE'), 401, { headers: challenge('i') }))
  expect(count('INVITE')).toBe(1)
  expect(phone.diary).toEqual(['reject 401'])
})

test('BYE is sent again, and the dialog is gone when that is answered', () => {
  const { clock, phone, say, lastOf } = inCall()
  phone.dialogs[0]?.bye()
  expect(lineOf(lastOf('BYE'), 'CSeq')).toBe('CSeq: 3 BYE')
  say(reply(lastOf('BYE'), 401, { headers: challenge('b') }))
  expect(lineOf(lastOf('BYE'), 'CSeq')).toBe('CSeq: 4 BYE')
  expect(lineOf(lastOf('BYE'), 'Authorization')).toContain('nonce="b"')
  expect(phone.agent.tables().dialogs).toBe(1)
  say(reply(lastOf('BYE'), 200))
  expect(phone.agent.tables().dialogs).toBe(0)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('re-INVITE is sent again, acknowledged with its number, and the dialog counts on', () => {
  const { phone, say, lastOf } = inCall()
  phone.dialogs[0]?.reinvite({ body: sdp('again') }, phone.note)
  say(reply(lastOf('INVITE'), 401, { headers: challenge('r') }))
  const again = lastOf('INVITE')
  expect(lineOf(again, 'CSeq')).toBe('CSeq: 4 INVITE')
  expect(again).toContain('\r\n\r\nagain')
  say(reply(again, 200, { headers: [CONTACT] }))
  expect(lineOf(lastOf('ACK'), 'CSeq')).toBe('CSeq: 4 ACK')
  expect(lineOf(lastOf('ACK'), 'Authorization')).toBe(lineOf(again, 'Authorization'))
  phone.dialogs[0]?.request('INFO', {}, phone.note)
  expect(lineOf(lastOf('INFO'), 'CSeq')).toBe('CSeq: 5 INFO')
  say(reply(lastOf('INFO'), 407, { headers: ['Proxy-Authenticate: Digest realm="p", nonce="n"'] }))
  expect(lineOf(lastOf('INFO'), 'CSeq')).toBe('CSeq: 6 INFO')
  expect(lineOf(lastOf('INFO'), 'Proxy-Authorization')).toContain('nonce="n"')
  say(reply(lastOf('INFO'), 200))
  expect(phone.diary).toHaveLength(2)
})

test('CANCEL of a re-INVITE is not sent again: it has the number and branch of that', () => {
  const { phone, say, lastOf, count, clock } = inCall()
  phone.dialogs[0]?.reinvite({ body: sdp('again') }, phone.note)
  say(reply(lastOf('INVITE'), 100))
  clock.advance(32_100)
  say(reply(lastOf('CANCEL'), 401, { headers: challenge('c') }))
  expect(count('CANCEL')).toBe(1)
  say(reply(lastOf('INVITE'), 487))
  expect(phone.diary).toEqual(['done cancelled'])
})

test('NOTIFY is sent again, and the subscription goes on', () => {
  let notifier: Notifier | undefined
  const made = asked({
    ...ACCOUNT,
    onSubscribe: (subscribe) => {
      notifier = subscribe.accept(
        { expiresS: 600 },
        { onRefresh: () => {}, onEnd: (reason) => made.phone.diary.push(`end ${reason}`) },
      )
    },
  })
  const { clock, phone, say, lastOf } = made
  say(ask('SUBSCRIBE', { headers: ['Contact: <sip:peer@192.0.2.2:5060>', 'Event: message-summary'] }))
  notifier?.notify({ state: 'active', headers: [{ name: 'X-State', value: 'one' }] }, phone.note)
  const number = Number(/\d+/.exec(lineOf(lastOf('NOTIFY'), 'CSeq'))?.[0])
  say(reply(lastOf('NOTIFY'), 401, { headers: challenge('n') }))
  expect(lineOf(lastOf('NOTIFY'), 'CSeq')).toBe(`CSeq: ${number + 1} NOTIFY`)
  expect(lineOf(lastOf('NOTIFY'), 'Authorization')).toContain('nonce="n"')
  expect(lineOf(lastOf('NOTIFY'), 'X-State')).toBe('X-State: one')
  say(reply(lastOf('NOTIFY'), 200))
  expect([phone.diary, notifier?.isOpen]).toEqual([['done 200'], true])
  notifier?.notify({ state: 'terminated' }, phone.note)
  expect(lineOf(lastOf('NOTIFY'), 'CSeq')).toBe(`CSeq: ${number + 2} NOTIFY`)
  say(reply(lastOf('NOTIFY'), 407, { headers: ['Proxy-Authenticate: Digest realm="p", nonce="n"'] }))
  expect(lineOf(lastOf('NOTIFY'), 'CSeq')).toBe(`CSeq: ${number + 3} NOTIFY`)
  say(reply(lastOf('NOTIFY'), 200))
  expect(phone.diary).toEqual(['done 200', 'done 200'])
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('requests outside a dialog are sent again, once more when the nonce was stale', () => {
  const { phone, flow, say, lastOf, count } = asked()
  const us = parseNameAddr('<sip:ann@pbx>')
  const outcomes: unknown[] = []
  phone.agent.request({ method: 'REGISTER', flow, uri: us.uri, from: us, to: us }, (outcome) =>
    outcomes.push(outcome),
  )
  const callId = lineOf(lastOf('REGISTER'), 'Call-ID')
  say(reply(lastOf('REGISTER'), 401, { headers: challenge('1') }))
  say(reply(lastOf('REGISTER'), 401, { headers: challenge('2', ', stale=true') }))
  expect(lineOf(lastOf('REGISTER'), 'CSeq')).toBe('CSeq: 3 REGISTER')
  expect(lineOf(lastOf('REGISTER'), 'Call-ID')).toBe(callId)
  expect(lastOf('REGISTER').match(/^Authorization: /gm)).toHaveLength(1)
  say(reply(lastOf('REGISTER'), 200))
  expect([outcomes.length, count('REGISTER')]).toEqual([1, 3])
})
