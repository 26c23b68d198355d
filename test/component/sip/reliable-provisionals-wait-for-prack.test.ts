import { expect, test } from 'vitest'
import type { IncomingInvite } from '../../../sip/user-agent.ts'
import type { LinkOptions } from '../../harness/sip/link.ts'
import { AGES_MS, expectNothingLeft, howMany, pair } from '../../harness/sip/pair.ts'
import { type Phone, sdp } from '../../harness/sip/phone.ts'
import { ask, lineOf, reply, scripted, statusOf, tagOf } from '../../harness/sip/scripted-peer.ts'

const early = { reliable: true, body: sdp('answer') }
const OFFER = { headers: ['Content-Type: application/sdp', 'Supported: 100rel'], body: 'v=0' }
const REQUIRES = { ...OFFER, headers: ['Content-Type: application/sdp', 'Require: 100rel'] }

const fromTagOf = (text: string): string => /;tag=(\w+)/.exec(lineOf(text, 'From'))?.[1] ?? ''
const rseqOf = (text: string): number => Number(lineOf(text, 'RSeq').slice(6))
const provisionals = (sent: readonly string[]): readonly string[] =>
  sent.filter((text) => /^SIP\/2\.0 18\d/.test(text))

/** PRACK of the scripted peer for the last provisional response. */
const prack = (sent: readonly string[], cseq: number, over: { rack?: string; body?: string } = {}) => {
  const last = provisionals(sent).at(-1) ?? ''
  const headers = [`RAck: ${over.rack ?? `${rseqOf(last)} 1 INVITE`}`]
  if (over.body !== undefined) headers.push('Content-Type: application/sdp')
  return ask('PRACK', { toTag: tagOf(last), cseq, headers, body: over.body ?? '' })
}

// ----- as callee

test('a reliable 183 is repeated over a stream too until its PRACK, which is answered 200', () => {
  for (const transport of ['udp', 'wss'] as const) {
    const onInvite = (invite: IncomingInvite) => invite.progress(183, early)
    const { clock, phone, say, sent, last } = scripted({ onInvite }, { transport })
    say(ask('INVITE', OFFER))
    clock.advance(1_500)
    expect(provisionals(sent)).toHaveLength(3)
    expect(lineOf(last(), 'Require')).toBe('Require: 100rel')
    expect(new Set(sent.map(rseqOf).filter((number) => number > 0)).size).toBe(1)
    say(prack(sent, 2))
    expect(statusOf(last())).toBe(200)
    clock.advance(30_000)
    expect(provisionals(sent)).toHaveLength(3)
    expect(phone.diary).toEqual(['invite'])
    phone.invites[0]?.reject(480)
    clock.advance(AGES_MS)
    expectNothingLeft(phone)
  }
})

test('of two reliable ones the second waits for the PRACK of the first and has the next number', () => {
  const onInvite = (invite: IncomingInvite) => {
    invite.progress(183, early)
    invite.progress(180, { reliable: true })
  }
  const { say, sent } = scripted({ onInvite })
  say(ask('INVITE', OFFER))
  expect(provisionals(sent).map(statusOf)).toEqual([183])
  say(prack(sent, 2))
  expect(provisionals(sent).map(statusOf)).toEqual([183, 180])
  const [first = 0, second] = provisionals(sent).map(rseqOf)
  expect(second).toBe(first + 1)
})

test('without PRACK for 64*T1 the INVITE is answered 504 and the handler is told', () => {
  const { clock, phone, say, sent } = scripted({ onInvite: (invite) => invite.progress(183, early) })
  say(ask('INVITE', OFFER))
  clock.advance(31_999)
  expect(phone.diary).toEqual(['invite'])
  clock.advance(1)
  expect(phone.diary).toEqual(['invite', 'prack timeout'])
  expect(howMany(sent, 'SIP/2.0 504')).toBe(1)
  expect(phone.agent.counters()).toMatchObject({ 'prack-timeout': 1 })
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test.each(['1 1 INVITE', '@ 2 INVITE', '@ 1 UPDATE', '@ 1', 'x 1 INVITE', '@ 1 INVITE x', ''])(
  'a PRACK with RAck "%s" acknowledges nothing and is answered 481',
  (rack) => {
    const { clock, say, sent, last } = scripted({ onInvite: (invite) => invite.progress(183, early) })
    say(ask('INVITE', OFFER))
    say(prack(sent, 2, { rack: rack.replace('@', String(rseqOf(last()))) }))
    expect(statusOf(last())).toBe(481)
    clock.advance(500)
    expect(provisionals(sent)).toHaveLength(2)
  },
)

test('a second PRACK for the same response is answered 481, a repeated one gets its 200 again', () => {
  const { say, sent, last } = scripted({ onInvite: (invite) => invite.progress(183, early) })
  say(ask('INVITE', OFFER))
  const first = prack(sent, 2)
  say(first)
  say(first)
  expect(howMany(sent, 'SIP/2.0 200')).toBe(2)
  say(prack(sent, 3))
  expect(statusOf(last())).toBe(481)
})

test('an offer in PRACK is refused 488, and the response counts as acknowledged', () => {
  const { clock, say, sent, last } = scripted({ onInvite: (invite) => invite.progress(183, early) })
  say(ask('INVITE', OFFER))
  say(prack(sent, 2, { body: 'v=0' }))
  expect(statusOf(last())).toBe(488)
  clock.advance(AGES_MS / 10)
  expect(provisionals(sent)).toHaveLength(1)
})

test('who does not know 100rel gets an 18x as ever, and who requires it gets every one reliable', () => {
  const onInvite = (invite: IncomingInvite) => invite.progress(180, { reliable: true })
  const plain = scripted({ onInvite })
  plain.say(ask('INVITE', { ...OFFER, headers: ['Content-Type: application/sdp'] }))
  expect(plain.last()).not.toMatch(/100rel|RSeq/)
  const strict = scripted({ onInvite: (invite) => invite.progress(180) })
  strict.say(ask('INVITE', REQUIRES))
  expect(strict.phone.invites[0]).toMatchObject({ supports100rel: true, requires100rel: true })
  expect(rseqOf(strict.last())).toBeGreaterThan(0)
})

test('an INVITE without an offer gets no reliable 18x, which would have to be the offer', () => {
  for (const [header, count] of [
    ['Supported: 100rel', 1],
    ['Require: 100rel', 0],
  ] as const) {
    const { say, sent } = scripted({ onInvite: (invite) => invite.progress(180, { reliable: true }) })
    say(ask('INVITE', { headers: [header] }))
    expect(provisionals(sent)).toHaveLength(count)
    expect(sent.some((text) => text.includes('RSeq'))).toBe(false)
  }
})

test('the 200 waits for the PRACK of a reliable 183 with a body, and for no other', () => {
  for (const [options, waits] of [
    [early, true],
    [{ reliable: true }, false],
    [{ body: sdp('answer') }, false],
  ] as const) {
    const onInvite = (invite: IncomingInvite, phone: Phone) => {
      invite.progress(183, options)
      phone.answer(invite)
    }
    const { clock, phone, say, sent, last } = scripted({ onInvite })
    say(ask('INVITE', OFFER))
    expect(howMany(sent, 'SIP/2.0 200')).toBe(waits ? 0 : 1)
    clock.advance(400)
    if (waits) say(prack(sent, 2))
    expect(lineOf(last(), 'CSeq')).toBe('CSeq: 1 INVITE')
    expect(statusOf(last())).toBe(200)
    const toTag = tagOf(last())
    say(ask('ACK', { toTag }))
    say(ask('BYE', { toTag, cseq: 3 }))
    expect(phone.diary).toEqual(['invite', 'ack', 'end bye'])
    clock.advance(AGES_MS)
    expectNothingLeft(phone)
  }
})

const answersEarly = (invite: IncomingInvite, phone: Phone): void => {
  invite.progress(183, early)
  phone.answer(invite)
}

test.each(['CANCEL', 'BYE'])('%s before that PRACK ends the dialog', (method) => {
  const { clock, phone, say, sent, last } = scripted({ onInvite: answersEarly })
  say(ask('INVITE', OFFER))
  const toTag = tagOf(last())
  say(method === 'CANCEL' ? ask('CANCEL', { branch: 'z9hG4bKINVITE1' }) : ask('BYE', { toTag, cseq: 2 }))
  expect(phone.diary).toEqual(['invite', 'end bye'])
  expect(phone.dialogs[0]?.state).toBe('ended')
  expect(howMany(sent, 'SIP/2.0 487')).toBe(1)
  clock.advance(AGES_MS)
  expect(sent.some((text) => /^SIP\/2\.0 200.*CSeq: 1 INVITE/s.test(text))).toBe(false)
  expectNothingLeft(phone)
})

test('when that PRACK never comes the dialog ends and the INVITE is answered 504', () => {
  const { clock, phone, say, sent } = scripted({ onInvite: answersEarly })
  say(ask('INVITE', OFFER))
  clock.advance(AGES_MS)
  expect(phone.diary).toEqual(['invite', 'end ack-timeout'])
  expect(howMany(sent, 'SIP/2.0 504')).toBeGreaterThan(0)
  expectNothingLeft(phone)
})

test('hanging up before that PRACK sends BYE after 200 and ACK', () => {
  const { clock, phone, say, sent, last } = scripted({ onInvite: answersEarly })
  say(ask('INVITE', OFFER))
  phone.dialogs[0]?.bye()
  expect(howMany(sent, 'BYE')).toBe(0)
  say(prack(sent, 2))
  const toTag = tagOf(last())
  expect(howMany(sent, 'BYE')).toBe(0)
  say(ask('ACK', { toTag }))
  expect(howMany(sent, 'BYE')).toBe(1)
  say(reply(last(), 200))
  clock.advance(AGES_MS)
  expect(phone.diary).toEqual(['invite'])
  expectNothingLeft(phone)
})

test('hanging up before a PRACK that never comes ends with 504 and leaves nothing', () => {
  const { clock, phone, say, sent } = scripted({ onInvite: answersEarly })
  say(ask('INVITE', OFFER))
  phone.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expect(phone.diary).toEqual(['invite'])
  expect(howMany(sent, 'SIP/2.0 504')).toBeGreaterThan(0)
  expect(howMany(sent, 'BYE')).toBe(0)
  expectNothingLeft(phone)
})

test('a reliable 180 without a body that nobody acknowledged does not end the answered call', () => {
  const onInvite = (invite: IncomingInvite, phone: Phone): void => {
    invite.progress(180, { reliable: true })
    invite.progress(182, { reliable: true })
    phone.answer(invite)
  }
  const { clock, phone, say, sent, last } = scripted({ onInvite })
  say(ask('INVITE', OFFER))
  const toTag = tagOf(last())
  say(ask('ACK', { toTag }))
  clock.advance(AGES_MS)
  expect(phone.diary).toEqual(['invite', 'ack'])
  expect(provisionals(sent).map(statusOf)).toEqual([180])
  say(ask('BYE', { toTag, cseq: 2 }))
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test.each(['before', 'behind'])(
  'the PRACK of a 180 that comes %s the ACK of the 200 is answered 200, once',
  (when) => {
    const onInvite = (invite: IncomingInvite, phone: Phone): void => {
      invite.progress(180, { reliable: true })
      phone.answer(invite)
    }
    const { clock, phone, say, sent, last } = scripted({ onInvite })
    say(ask('INVITE', OFFER))
    const toTag = tagOf(last())
    if (when === 'behind') say(ask('ACK', { toTag }))
    const answers = (): readonly number[] =>
      sent.filter((text) => lineOf(text, 'CSeq').endsWith(' PRACK')).map(statusOf)
    say(prack(sent, 2, { rack: `${rseqOf(provisionals(sent)[0] ?? '') + 1} 1 INVITE` }))
    say(prack(sent, 3))
    say(prack(sent, 4))
    expect(answers()).toEqual([481, 200, 481])
    if (when === 'before') say(ask('ACK', { toTag }))
    expect(phone.diary).toEqual(['invite', 'ack'])
    say(ask('BYE', { toTag, cseq: 5 }))
    clock.advance(AGES_MS)
    expectNothingLeft(phone)
  },
)

test('of several that wait for PRACK when the call is answered only the first counts', () => {
  const onInvite = (invite: IncomingInvite, phone: Phone): void => {
    invite.progress(183, early)
    invite.progress(180, early)
    phone.answer(invite)
  }
  const { clock, phone, say, sent, last } = scripted({ onInvite })
  say(ask('INVITE', OFFER))
  say(prack(sent, 2))
  const toTag = tagOf(last())
  say(ask('ACK', { toTag }))
  clock.advance(AGES_MS)
  expect(provisionals(sent).map(statusOf)).toEqual([183])
  expect(phone.diary).toEqual(['invite', 'ack'])
  say(ask('BYE', { toTag, cseq: 3 }))
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('a dialog that moves to another flow while its 200 waits is found there, and only there', () => {
  const onInvite = (invite: IncomingInvite, self: Phone): void => {
    invite.party = 'user:alice'
    answersEarly(invite, self)
  }
  const { clock, phone, flow, say, sent } = scripted({ onInvite })
  say(ask('INVITE', OFFER))
  const [dialog] = phone.dialogs
  const other = { ...flow, scope: 'trunk:other' }
  phone.agent.rehome(flow, other, 'user:alice', undefined)
  phone.agent.receive(Buffer.from(prack(sent, 2)), other)
  expect(phone.agent.tables()).toMatchObject({ dialogs: 1 })
  const { callId, localTag, remoteTag } = dialog ?? { callId: '', localTag: '', remoteTag: '' }
  expect(phone.agent.findDialog(callId, localTag, remoteTag, 'trunk:other')).toBe(dialog)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('what comes after accept changes nothing while the 200 waits', () => {
  const { phone, say, sent } = scripted({ onInvite: answersEarly })
  say(ask('INVITE', OFFER))
  phone.invites[0]?.progress(180)
  phone.invites[0]?.reject(486)
  expect(() => phone.answer(phone.invites[0] as IncomingInvite)).toThrow()
  expect(provisionals(sent).map(statusOf)).toEqual([183])
  say(prack(sent, 2))
  expect(sent.some((text) => /^SIP\/2\.0 200.*CSeq: 1 INVITE/s.test(text))).toBe(true)
})

test('UPDATE in an early dialog: without a body 200, with an offer it must wait', () => {
  const { say, last } = scripted({ onInvite: (invite) => invite.progress(180) })
  say(ask('INVITE', OFFER))
  const toTag = tagOf(last())
  say(ask('UPDATE', { toTag, cseq: 2 }))
  expect(statusOf(last())).toBe(200)
  say(ask('UPDATE', { toTag, cseq: 3, headers: ['Content-Type: application/sdp'], body: 'v=0' }))
  expect(last()).toMatch(/^SIP\/2\.0 500.*Retry-After/s)
})

// ----- as caller

const calling = (link: LinkOptions = {}) => {
  const made = scripted({}, link)
  made.phone.call(made.flow)
  const [invite = ''] = made.sent
  const reliable = (status: number, number: number, tag = 'bob', body = '') =>
    made.say(
      reply(invite, status, {
        tag,
        body,
        headers: ['Contact: <sip:bob@192.0.2.2>', 'Require: 100rel', `RSeq: ${number}`],
      }),
    )
  return { ...made, invite, reliable, pracks: () => made.sent.filter((text) => text.startsWith('PRACK')) }
}

test('our INVITE offers 100rel, but not without an offer of media', () => {
  const { sent, phone, flow } = calling()
  expect(lineOf(sent[0] ?? '', 'Supported')).toContain('100rel')
  phone.call(flow, { body: undefined })
  expect(lineOf(sent[1] ?? '', 'Supported')).not.toContain('100rel')
})

test('each reliable response gets one PRACK in order; repeated and early ones are passed over', () => {
  const { clock, phone, sent, say, reliable, pracks } = calling()
  reliable(183, 20)
  expect(pracks()).toHaveLength(1)
  expect(lineOf(sent.at(-1) ?? '', 'RAck')).toBe('RAck: 20 1 INVITE')
  expect(sent.at(-1)).toMatch(/^PRACK sip:bob@192\.0\.2\.2 SIP.*To: .*;tag=bob.*CSeq: 2 PRACK/s)
  say(reply(sent.at(-1) ?? '', 200))
  reliable(183, 20)
  reliable(183, 22)
  reliable(180, 19)
  expect(pracks()).toHaveLength(1)
  expect(phone.diary).toEqual(['progress 183'])
  reliable(180, 21)
  expect(lineOf(sent.at(-1) ?? '', 'RAck')).toBe('RAck: 21 1 INVITE')
  expect(lineOf(sent.at(-1) ?? '', 'CSeq')).toBe('CSeq: 3 PRACK')
  say(reply(sent.at(-1) ?? '', 200))
  expect(phone.diary).toEqual(['progress 183', 'progress 180'])
  expect(phone.agent.counters()).toMatchObject({
    'provisional-repeated': 2,
    'provisional-out-of-order': 1,
  })
  clock.advance(100)
})

test('a PRACK that was lost with its connection is said anew when the response comes again, once', () => {
  const { phone, flow, sent, say, reliable, pracks } = calling({ transport: 'tcp' })
  reliable(183, 20)
  phone.agent.flowClosed(flow)
  // Whether it still rings.
  say(reply(sent.at(-1) ?? '', 200))
  reliable(183, 20)
  reliable(183, 20)
  expect(pracks().map((text) => lineOf(text, 'RAck'))).toEqual(['RAck: 20 1 INVITE', 'RAck: 20 1 INVITE'])
  expect(pracks().map((text) => lineOf(text, 'CSeq'))).toEqual(['CSeq: 2 PRACK', 'CSeq: 4 PRACK'])
  expect(phone.diary).toEqual(['progress 183'])
})

test('an offer in UPDATE is for the handler once a reliable response has answered ours, one at a time and at a rate', () => {
  const { phone, say, last, invite, reliable } = calling()
  const names = { callId: lineOf(invite, 'Call-ID').slice(9), toTag: fromTagOf(invite), fromTag: 'bob' }
  const update = (cseq: number): number => {
    const headers = ['Content-Type: application/sdp']
    say(ask('UPDATE', { ...names, cseq, headers, body: 'v=0' }))
    return lineOf(last(), 'CSeq') === `CSeq: ${cseq} UPDATE` ? statusOf(last()) : 0
  }
  reliable(180, 1)
  expect(update(1)).toBe(491)
  reliable(183, 2, 'bob', 'v=0')
  expect(update(2)).toBe(500)
  expect(lineOf(last(), 'Retry-After')).not.toBe('')

  phone.takesEarlyOffers = true
  expect(update(3)).toBe(0)
  expect(update(4)).toBe(500)
  phone.reinvites[0]?.accept({ body: sdp('answer') })
  expect(last()).toMatch(/^SIP\/2\.0 200 .*CSeq: 3 UPDATE.*Contact: /s)
  expect(update(5)).toBe(0)
  phone.reinvites[1]?.reject(488)
  expect(statusOf(last())).toBe(488)

  const statuses = Array.from({ length: 20 }, (_, index) => {
    const status = update(6 + index)
    phone.reinvites.at(-1)?.reject(488)
    return status
  })
  expect(statuses.filter((status) => status === 500).length).toBeGreaterThan(0)
  expect(phone.agent.counters()['sip.too-many-offers']).toBeGreaterThan(0)
})

test('a handler that throws at an early offer costs no more than that', () => {
  const { phone, say, last, invite, reliable } = calling()
  reliable(183, 1, 'bob', 'v=0')
  phone.takesEarlyOffers = 'throws'
  const names = { callId: lineOf(invite, 'Call-ID').slice(9), toTag: fromTagOf(invite), fromTag: 'bob' }
  say(ask('UPDATE', { ...names, headers: ['Content-Type: application/sdp'], body: 'v=0' }))
  expect(statusOf(last())).toBe(500)
  expect(phone.errors).toHaveLength(1)
  say(reply(invite, 200))
  expect(phone.diary.at(-1)).toBe('accept 200')
})

test('PRACK goes where the latest Contact says', () => {
  const { sent, say, invite, reliable } = calling()
  reliable(183, 1)
  const headers = ['Contact: <sip:moved@192.0.2.9>', 'Require: 100rel', 'RSeq: 2']
  say(reply(invite, 180, { headers }))
  expect(sent.at(-1)).toMatch(/^PRACK sip:moved@192\.0\.2\.9 /)
})

test('each branch of a fork has numbers of its own', () => {
  const { reliable, pracks } = calling()
  reliable(183, 5, 'one')
  reliable(183, 900, 'two')
  reliable(180, 6, 'one')
  expect(pracks().map((text) => lineOf(text, 'RAck'))).toEqual([
    'RAck: 5 1 INVITE',
    'RAck: 900 1 INVITE',
    'RAck: 6 1 INVITE',
  ])
})

test('requests after the 200 go on counting where PRACK stopped', () => {
  const { clock, phone, sent, say, invite, reliable } = calling()
  reliable(183, 1)
  say(reply(sent.at(-1) ?? '', 200))
  say(reply(invite, 200))
  expect(lineOf(sent.at(-1) ?? '', 'CSeq')).toBe('CSeq: 1 ACK')
  phone.dialogs[0]?.bye()
  expect(lineOf(sent.at(-1) ?? '', 'CSeq')).toBe('CSeq: 3 BYE')
  say(reply(sent.at(-1) ?? '', 200))
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test.each(['Require: 100rel', 'RSeq: 4', 'Require: 100rel\r\nRSeq: x'])(
  'a 183 with only "%s" is as any other',
  (header) => {
    const { phone, sent, say, invite } = calling()
    say(reply(invite, 183, { headers: ['Contact: <sip:bob@192.0.2.2>', header] }))
    expect(phone.diary).toEqual(['progress 183'])
    expect(howMany(sent, 'PRACK')).toBe(0)
  },
)

test('after our CANCEL nothing is acknowledged any more', () => {
  const made = scripted()
  const call = made.phone.call(made.flow)
  const [invite = ''] = made.sent
  made.say(reply(invite, 180))
  call.cancel()
  const headers = ['Contact: <sip:bob@192.0.2.2>', 'Require: 100rel', 'RSeq: 1']
  made.say(reply(invite, 183, { headers }))
  expect(howMany(made.sent, 'PRACK')).toBe(0)
})

test('UPDATE of the callee: 200 without a body, 491 before our offer has its answer, later it must wait', () => {
  const { say, last, invite, reliable } = calling()
  const update = (cseq: number, body: string, branch = `z9hG4bK${cseq}`) =>
    ask('UPDATE', {
      callId: lineOf(invite, 'Call-ID').slice(9),
      fromTag: 'bob',
      branch,
      toTag: /;tag=(\w+)/.exec(lineOf(invite, 'From'))?.[1] ?? '',
      cseq,
      headers: body === '' ? [] : ['Content-Type: application/sdp'],
      body,
    })
  reliable(180, 1)
  say(update(1, ''))
  expect(statusOf(last())).toBe(200)
  say(update(2, 'v=0'))
  expect(statusOf(last())).toBe(491)
  reliable(183, 2, 'bob', 'v=0')
  say(update(3, 'v=0'))
  expect(last()).toMatch(/^SIP\/2\.0 500.*Retry-After/s)
  say(update(3, '', 'z9hG4bKother'))
  expect(last()).toMatch(/^SIP\/2\.0 500 CSeq/)
})

// ----- both

test.each([
  [0.1, 10],
  [0.25, 10],
  [0.4, 8],
])(
  'a call with a reliable 183 and 180 gets through at %f loss, each seen once, %i times of ten or more',
  (loss, atLeast) => {
    let complete = 0
    for (let seed = 1; seed <= 10; seed += 1) {
      const onInvite = (invite: IncomingInvite, phone: Phone): void => {
        invite.progress(183, early)
        invite.progress(180, { reliable: true })
        clock.schedule(clock.nowMs() + 5_000, () => phone.answer(invite))
      }
      const made = pair({ loss, jitterMs: 40, duplicates: 0.1 }, { seed, bob: { onInvite } })
      const { clock, alice, bob, from } = made
      alice.call(from)
      clock.advance(60_000)
      const seen = alice.diary.filter((line) => line.startsWith('progress'))
      expect(seen.filter((line) => line === 'progress 183').length).toBeLessThanOrEqual(1)
      expect(seen.filter((line) => line === 'progress 180').length).toBeLessThanOrEqual(1)
      if (alice.diary.includes('accept 200')) {
        if (seen.length === 2) complete += 1
        expect(seen).toContain('progress 183')
      }
      for (const dialog of [...alice.dialogs, ...bob.dialogs]) dialog.bye()
      clock.advance(AGES_MS)
      expectNothingLeft(alice, bob)
    }
    expect(complete).toBeGreaterThanOrEqual(atLeast)
  },
)
