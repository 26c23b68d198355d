import { expect, test } from 'vitest'
import { AGES_MS, expectNothingLeft, howMany } from '../../harness/sip/pair.ts'
import { sdp } from '../../harness/sip/phone.ts'
import { ask, lineOf, reply, scripted, statusOf, tagOf } from '../../harness/sip/scripted-peer.ts'

// Each test is named after an entry of the list of pitfalls met in sip.js 0.21.2, and shows that this stack has none of it.

const fails = (): never => {
  throw new Error('handler')
}

test('D1: a body without Content-Type is refused 400 and leaves no dialog', () => {
  const { phone, say, last } = scripted()
  say(ask('INVITE', { body: 'v=0' }))
  expect(statusOf(last())).toBe(400)
  expect(phone.diary).toEqual([])
  expect(phone.agent.tables()).toMatchObject({ dialogs: 0 })
})

test('D1: a body in a coding we do not know is refused 415', () => {
  const { say, last } = scripted()
  say(ask('INVITE', { headers: ['Content-Type: a/b', 'Content-Encoding: gzip'], body: 'x' }))
  expect(last()).toMatch(/^SIP\/2\.0 415.*Accept-Encoding: identity/s)
})

test.each(['Contact: <sip:', 'Contact: *', 'Contact: <mailto:a@b>', 'Contact: <tel:+1>'])(
  'D2: an INVITE with "%s" is refused 400',
  (contact) => {
    const { phone, say, last } = scripted()
    say(ask('INVITE', { headers: [contact] }))
    expect(statusOf(last())).toBe(400)
    expect(phone.agent.tables()).toMatchObject({ dialogs: 0 })
  },
)

test('D2: an INVITE whose Record-Route could never be used is refused 400', () => {
  const { say, last } = scripted()
  say(ask('INVITE', { headers: ['Record-Route: <tel:1>'] }))
  expect(statusOf(last())).toBe(400)
})

test.each(['PRACK', 'BYE', 'UPDATE', 'CANCEL'])('D3: %s outside a dialog is answered 481', (method) => {
  const { phone, say, last } = scripted()
  say(ask(method))
  expect(statusOf(last())).toBe(481)
  expect(phone.errors).toEqual([])
})

test('D3: ACK outside a dialog is dropped', () => {
  const { phone, say, sent } = scripted()
  say(ask('ACK'))
  say(ask('ACK', { toTag: 'none' }))
  expect(sent).toEqual([])
  expect(phone.agent.counters()).toMatchObject({ 'stray-ack': 2 })
})

test('D4: an exception in onInvite is answered 500, reported, and leaves nothing', () => {
  const { clock, phone, say, last } = scripted({ onInvite: fails })
  say(ask('INVITE'))
  expect(statusOf(last())).toBe(500)
  expect(phone.errors).toHaveLength(1)
  clock.advance(AGES_MS)
  expect(phone.agent.tables()).toMatchObject({ serverTransactions: 0, dialogs: 0, timers: 0 })
})

test('D4: an exception after accept ends the dialog', () => {
  const { clock, phone, say, sent } = scripted({
    onInvite: (invite, self) => {
      self.answer(invite)
      fails()
    },
  })
  say(ask('INVITE'))
  clock.advance(AGES_MS)
  expect(new Set(sent.filter((text) => text.startsWith('BYE'))).size).toBe(1)
  expect(phone.agent.tables()).toMatchObject({ serverTransactions: 0, dialogs: 0, timers: 0 })
})

test('D4: an exception in onRequest is answered 500', () => {
  const { phone, say, last } = scripted({ onRequest: fails })
  say(ask('OPTIONS'))
  expect(statusOf(last())).toBe(500)
  expect(phone.errors).toHaveLength(1)
})

test('P1: an exception in a callback of a timer is reported and leaks nothing', () => {
  const { clock, phone, flow } = scripted()
  phone.agent.request({ ...addresses(), method: 'OPTIONS', flow }, fails)
  clock.advance(AGES_MS)
  expect(phone.errors).toHaveLength(1)
  expect(phone.agent.tables()).toMatchObject({ clientTransactions: 0, timers: 0 })
})

test('P2: a handler may end everything from within a timeout', () => {
  const { clock, phone, flow } = scripted()
  const call = phone.agent.invite(
    { ...addresses(), flow, dialogHandler: phone.dialogHandler() },
    {
      onProgress: () => {},
      onAccept: () => {},
      onReject: () => {
        call.cancel()
        phone.agent.close()
        phone.diary.push('closed')
      },
    },
  )
  clock.advance(AGES_MS)
  expect(phone.diary).toEqual(['closed'])
  expectNothingLeft(phone)
})

test('P3: a BYE before ACK leaves no timer that fires on the dead dialog', () => {
  const { clock, phone, say, sent } = scripted({ onInvite: (invite, self) => self.answer(invite) })
  say(ask('INVITE'))
  say(ask('BYE', { toTag: tagOf(sent.at(-1) ?? ''), cseq: 2 }))
  clock.advance(AGES_MS)
  expect(phone.diary).toEqual(['invite', 'end bye'])
  expect(howMany(sent, 'BYE')).toBe(0)
  expectNothingLeft(phone)
})

test('P4: answers in the wrong state are ignored, except a second accept, which is our own mistake', () => {
  const { phone, say, sent } = scripted()
  say(ask('INVITE'))
  const [invite] = phone.invites
  if (invite === undefined) throw new Error('no INVITE')
  invite.reject(486)
  const before = sent.length
  invite.progress(180)
  invite.reject(603)
  expect(sent).toHaveLength(before)
  expect(() => phone.answer(invite)).toThrow('an INVITE is answered once')
})

test('P4: a reject that comes after accept leaves the dialog alone', () => {
  const { phone, say, last } = scripted({ onInvite: (invite, self) => self.answer(invite) })
  say(ask('INVITE'))
  const toTag = tagOf(last())
  phone.invites[0]?.reject(486)
  say(ask('BYE', { toTag, cseq: 2 }))
  expect(phone.diary).toEqual(['invite', 'end bye'])
})

test("P6: the Contact of the 200 counts, not that of the 180; later that of our re-INVITE's 200", () => {
  const { phone, flow, say, sent, last } = scripted()
  phone.call(flow)
  const [invite = ''] = sent
  say(reply(invite, 180, { headers: ['Contact: <sip:early@192.0.2.2>'] }))
  say(reply(invite, 200, { headers: ['Contact: <sip:final@192.0.2.2>'] }))
  expect(last()).toMatch(/^ACK sip:final@/)
  phone.dialogs[0]?.reinvite({ body: sdp('x') }, phone.note)
  say(reply(last(), 200, { headers: ['Contact: <sip:newer@192.0.2.2>'] }))
  expect(last()).toMatch(/^ACK sip:newer@/)
})

test('P6: a re-INVITE or UPDATE of the peer moves the target', () => {
  const { phone, say, sent, last } = scripted({
    onInvite: (invite, self) => self.answer(invite),
    onDialogRequest: (request) => request.respond(200),
  })
  say(ask('INVITE'))
  const toTag = tagOf(last())
  say(ask('ACK', { toTag }))
  say(ask('UPDATE', { toTag, cseq: 2, headers: ['Contact: <sip:moved@192.0.2.9>'] }))
  expect(statusOf(last())).toBe(200)
  phone.dialogs[0]?.bye()
  expect(sent.at(-1)).toMatch(/^BYE sip:moved@192\.0\.2\.9 /)
})

test('P7: a 1xx without To tag and a 200 without Contact or tag make a call all the same', () => {
  const { phone, flow, say, sent, last } = scripted()
  phone.call(flow)
  const [invite = ''] = sent
  say(reply(invite, 180, { tag: '', headers: [] }))
  say(reply(invite, 200, { tag: '', headers: [] }))
  expect(phone.diary).toEqual(['progress 180', 'accept 200'])
  expect(last()).toMatch(/^ACK sip:bob@192\.0\.2\.2 /)
})

test('P8: a call cancelled in Calling is not forgotten when 401 or 200 is the first response', () => {
  for (const status of [401, 200]) {
    const { phone, flow, say, sent } = scripted()
    phone.call(flow).cancel()
    say(reply(sent[0] ?? '', status))
    expect(phone.diary).toEqual([`reject ${status}`])
    expect(howMany(sent, 'ACK')).toBe(1)
    expect(howMany(sent, 'BYE')).toBe(status === 200 ? 1 : 0)
  }
})

test("P9: a request that the handler never answers is freed; a ringing INVITE is the handler's to end", () => {
  const { clock, phone, say } = scripted()
  say(ask('OPTIONS'))
  say(ask('INVITE', { callId: 'ringing' }))
  clock.advance(AGES_MS)
  expect(phone.agent.tables()).toMatchObject({ serverTransactions: 1, dialogs: 1 })
  phone.invites[0]?.reject(480)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('P13: requests say User-Agent, responses Server', () => {
  const { phone, flow, say, sent, last } = scripted()
  phone.call(flow)
  expect(lineOf(sent[0] ?? '', 'User-Agent')).toBe('User-Agent: test')
  say(ask('BYE'))
  expect(lineOf(last(), 'Server')).toBe('Server: test')
  expect(last()).not.toContain('User-Agent')
})

test('P14: the sign of life of a ringing call ends with the call', () => {
  const { clock, phone, say, sent } = scripted({ onInvite: (invite) => invite.progress(183) })
  say(ask('INVITE'))
  clock.advance(61_000)
  expect(howMany(sent, 'SIP/2.0 183')).toBe(2)
  phone.invites[0]?.reject(480)
  clock.advance(AGES_MS)
  expect(howMany(sent, 'SIP/2.0 183')).toBe(2)
})

test('P15: a link that delivers within send() works', () => {
  const { clock, phone, flow, say, sent } = scripted()
  const immediate = {
    ...flow,
    isOpen: true,
    send: (bytes: Uint8Array) => {
      flow.send(bytes)
      if (Buffer.from(bytes).toString().startsWith('INVITE')) say(reply(sent.at(-1) ?? '', 200))
    },
  }
  phone.call(immediate)
  expect(phone.diary).toEqual(['accept 200'])
  phone.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('P16: tags, branches and Call-IDs have 128 random bits', () => {
  const { phone, flow, sent, say, last } = scripted({ onInvite: (invite) => invite.progress(180) })
  phone.call(flow)
  const [invite = ''] = sent
  expect(lineOf(invite, 'Call-ID')).toMatch(/^Call-ID: [0-9a-f]{32}$/)
  expect(lineOf(invite, 'From')).toMatch(/;tag=[0-9a-f]{32}$/)
  expect(lineOf(invite, 'Via')).toMatch(/;branch=z9hG4bK[0-9a-f]{32}/)
  say(ask('INVITE'))
  expect(tagOf(last())).toMatch(/^[0-9a-f]{32}$/)
})

test('P17: an exception of a handler called for a lost flow is reported, not swallowed', () => {
  const { phone, flow } = scripted({}, { transport: 'wss' })
  phone.agent.request({ ...addresses(), method: 'OPTIONS', flow }, fails)
  phone.agent.flowClosed(flow)
  expect(phone.errors).toHaveLength(1)
})

test('section b: RFC 2543 peers without a branch cookie do not collide with each other', () => {
  const { phone, say, sent } = scripted({ onRequest: (request) => request.respond(200) })
  const via = 'SIP/2.0/UDP 192.0.2.2:5060;branch=1'
  for (const callId of ['one', 'two', 'two']) say(ask('OPTIONS', { via, callId }))
  expect(phone.diary).toEqual(['request OPTIONS', 'request OPTIONS'])
  expect(howMany(sent, 'SIP/2.0 200')).toBe(3)
})

test("section b: an RFC 2543 peer's ACK is found by what it has in common with its INVITE", () => {
  const { clock, phone, say, sent } = scripted({ onInvite: (invite) => invite.reject(486) })
  const via = 'SIP/2.0/UDP 192.0.2.2:5060'
  say(ask('INVITE', { via }))
  say(ask('ACK', { via, toTag: tagOf(sent.at(-1) ?? '') }))
  clock.advance(AGES_MS)
  expect(howMany(sent, 'SIP/2.0 486')).toBe(1)
  expectNothingLeft(phone)
})

test('section b: ACK for a 2xx on the branch of its INVITE reaches the dialog', () => {
  const { phone, say, last } = scripted({ onInvite: (invite, self) => self.answer(invite) })
  say(ask('INVITE', { branch: 'z9hG4bKsame' }))
  say(ask('ACK', { branch: 'z9hG4bKsame', toTag: tagOf(last()) }))
  expect(phone.diary).toEqual(['invite', 'ack'])
})

test('section b: the same request by another path is answered 482, and only while the first one lives', () => {
  const { clock, phone, say, last } = scripted({ onRequest: (request) => request.respond(200) })
  say(ask('OPTIONS', { branch: 'z9hG4bKone' }))
  say(ask('OPTIONS', { branch: 'z9hG4bKtwo' }))
  expect(statusOf(last())).toBe(482)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
  say(ask('OPTIONS', { branch: 'z9hG4bKthree' }))
  expect(statusOf(last())).toBe(200)
})

test('section b: an early dialog of ours that is asked for something is told to wait', () => {
  const { phone, flow, say, sent, last } = scripted()
  phone.call(flow)
  const [invite = ''] = sent
  say(reply(invite, 183))
  const names = {
    callId: lineOf(invite, 'Call-ID').slice(9),
    toTag: /tag=(\w+)/.exec(lineOf(invite, 'From'))?.[1] ?? '',
  }
  say(ask('INFO', { ...names, fromTag: 'bob' }))
  expect(last()).toMatch(/^SIP\/2\.0 500.*Retry-After/s)
})

test('section b: a strict router becomes the Request-URI and the target the last Route', () => {
  const { phone, flow, say, sent, last } = scripted()
  phone.call(flow)
  const headers = [
    'Contact: <sip:bob@192.0.2.7>',
    'Record-Route: <sip:second.example;lr>, <sip:strict.example?x=y>',
  ]
  say(reply(sent[0] ?? '', 200, { headers }))
  expect(last()).toMatch(/^ACK sip:strict\.example SIP\/2\.0\r\n/)
  expect(last().match(/Route: .*/g)).toEqual(['Route: <sip:second.example;lr>', 'Route: <sip:bob@192.0.2.7>'])
})

test('section b: Record-Route is kept in order by the callee and copied into its answer', () => {
  const { phone, say, last } = scripted({ onInvite: (invite, self) => self.answer(invite) })
  say(ask('INVITE', { headers: ['Record-Route: <sip:p2;lr>', 'Record-Route: <sip:p1;lr>'] }))
  expect(last().match(/Record-Route: .*/g)).toEqual([
    'Record-Route: <sip:p2;lr>',
    'Record-Route: <sip:p1;lr>',
  ])
  say(ask('ACK', { toTag: tagOf(last()) }))
  phone.dialogs[0]?.bye()
  expect(last().match(/Route: .*/g)).toEqual(['Route: <sip:p2;lr>', 'Route: <sip:p1;lr>'])
})

test('section b: the source is written into the Via of the answer (RFC 3581)', () => {
  const { say, last } = scripted({ onRequest: (request) => request.respond(200) })
  say(ask('OPTIONS', { via: 'SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bKnat' }))
  expect(lineOf(last(), 'Via')).toMatch(/received=192\.0\.2\.2.*rport=5060/)
})

function addresses() {
  const uri = { scheme: 'tel', user: undefined, host: undefined, text: 'tel:1' } as const
  const address = { displayName: undefined, uri, parameters: new Map<string, string>() }
  return { uri, from: address, to: address }
}
