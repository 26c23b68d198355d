import { expect, test } from 'vitest'
import { AGES_MS, expectNothingLeft, howMany, inCall } from '../../harness/sip/pair.ts'
import { type PhoneOptions, sdp } from '../../harness/sip/phone.ts'
import { ask, lineOf, reply, scripted, statusOf, tagOf } from '../../harness/sip/scripted-peer.ts'

const OFFER = sdp('offer')
const HOUR_MS = 3_600_000
const reinvites: PhoneOptions = {
  onRefreshDue: (phone) => phone.dialogs[0]?.reinvite({ body: OFFER }, phone.note),
}

/** In a call that the phone has made; `lines`: what the 200 says of the session. */
function called(lines: readonly string[], options: PhoneOptions = {}) {
  const made = scripted(options)
  made.phone.call(made.flow)
  const headers = ['Contact: <sip:bob@192.0.2.2>', ...lines]
  made.say(reply(made.sent[0] ?? '', 200, { headers }))
  made.phone.diary.length = 0
  return {
    ...made,
    headers,
    requests: (method: string) => made.sent.filter((text) => text.startsWith(method)),
  }
}

/** In a call that the peer has made. */
function answering(lines: readonly string[], options: PhoneOptions = {}) {
  const made = scripted({ onInvite: (invite, self) => self.answer(invite), ...options })
  made.say(ask('INVITE', { headers: ['Content-Type: application/sdp', ...lines], body: 'v=0' }))
  const answer = made.last()
  const toTag = tagOf(answer)
  made.say(ask('ACK', { toTag }))
  made.phone.diary.length = 0
  return { ...made, answer, toTag }
}

const UPDATES = 'Allow: INVITE, ACK, BYE, UPDATE'
const WE_REFRESH = ['Session-Expires: 1800;refresher=uac', UPDATES]

// ----- making the call

test('our INVITE asks for a session timer and leaves the refresher to the peer', () => {
  const { sent } = called([], { sessionTimer: { expiresOf: () => 600, minSeOf: () => 90 } })
  expect(lineOf(sent[0] ?? '', 'Session-Expires')).toBe('Session-Expires: 600')
  expect(lineOf(sent[0] ?? '', 'Supported')).toContain('timer')
  expect(sent[0]).not.toContain('Min-SE')
})

test('422 is absorbed: the same INVITE again with what the peer asks for', () => {
  const { clock, phone, flow, sent, say } = scripted({
    sessionTimer: { expiresOf: () => 90, minSeOf: () => 90 },
  })
  phone.call(flow)
  const [first = ''] = sent
  say(reply(first, 180, { tag: 'early' }))
  say(reply(first, 422, { headers: ['Min-SE: 300'] }))
  const second = sent.at(-1) ?? ''
  expect(lineOf(second, 'CSeq')).toBe('CSeq: 2 INVITE')
  for (const name of ['Call-ID', 'From', 'To', 'Contact', 'Content-Length']) {
    expect(lineOf(second, name)).toBe(lineOf(first, name))
  }
  expect(lineOf(second, 'Via')).not.toBe(lineOf(first, 'Via'))
  expect(lineOf(second, 'Session-Expires')).toBe('Session-Expires: 300')
  expect(lineOf(second, 'Min-SE')).toBe('Min-SE: 300')
  expect(phone.diary).toEqual(['progress 180'])
  say(reply(second, 200))
  expect(lineOf(sent.at(-1) ?? '', 'CSeq')).toBe('CSeq: 2 ACK')
  expect(phone.diary).toEqual(['progress 180', 'accept 200'])
  phone.dialogs[0]?.bye()
  expect(lineOf(sent.at(-1) ?? '', 'CSeq')).toBe('CSeq: 3 BYE')
  say(reply(sent.at(-1) ?? '', 200))
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('422 a third time, or with nothing to learn from it, is passed on', () => {
  const { clock, phone, flow, sent, say } = scripted()
  phone.call(flow)
  for (const seconds of [2_000, 3_000, 4_000]) {
    const invite = sent.findLast((text) => text.startsWith('INVITE')) ?? ''
    say(reply(invite, 422, { headers: [`Min-SE: ${seconds}`] }))
  }
  expect(phone.diary).toEqual(['reject 422'])
  expect(howMany(sent, 'INVITE')).toBe(3)
  phone.call(flow)
  const invite = sent.at(-1) ?? ''
  say(reply(invite, 422, { headers: ['Min-SE: 1800'] }))
  expect(phone.diary).toEqual(['reject 422', 'reject 422'])
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('CANCEL after a 422 is for the second INVITE; 422 after a CANCEL is the end', () => {
  const { clock, phone, flow, sent, say } = scripted()
  const call = phone.call(flow)
  say(reply(sent[0] ?? '', 180))
  say(reply(sent[0] ?? '', 422, { headers: ['Min-SE: 2000'] }))
  const second = sent.at(-1) ?? ''
  call.cancel()
  expect(howMany(sent, 'CANCEL')).toBe(0)
  // The first INVITE lingers; its end must not touch the second.
  clock.advance(20_000)
  say(reply(second, 180))
  expect(lineOf(sent.at(-1) ?? '', 'CSeq')).toBe('CSeq: 2 CANCEL')
  expect(lineOf(sent.at(-1) ?? '', 'Via')).toBe(lineOf(second, 'Via'))
  say(reply(sent.at(-1) ?? '', 200))
  clock.advance(14_000)
  say(reply(second, 422, { headers: ['Min-SE: 3000'] }))
  expect(phone.diary).toEqual(['progress 180', 'reject 422'])
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('a CANCEL that the peer ignores ends the second INVITE, though the first one ends meanwhile', () => {
  const { clock, phone, flow, sent, say } = scripted()
  const call = phone.call(flow)
  say(reply(sent[0] ?? '', 422, { headers: ['Min-SE: 2000'] }))
  say(reply(sent.at(-1) ?? '', 180))
  clock.advance(20_000)
  call.cancel()
  clock.advance(33_000)
  expect(phone.diary).toEqual(['progress 180', 'reject timeout'])
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('numbers of reliable responses begin anew after a 422', () => {
  const { phone, flow, sent, say } = scripted()
  const reliable = (number: number) => ({
    headers: ['Contact: <sip:bob@192.0.2.2>', 'Require: 100rel', `RSeq: ${number}`],
  })
  phone.call(flow)
  say(reply(sent[0] ?? '', 183, reliable(5)))
  say(reply(sent[0] ?? '', 422, { headers: ['Min-SE: 2000'] }))
  say(reply(sent.at(-1) ?? '', 183, reliable(1)))
  expect(phone.diary).toEqual(['progress 183', 'progress 183'])
  expect(lineOf(sent.at(-1) ?? '', 'RAck')).toBe('RAck: 1 2 INVITE')
})

// ----- being called

test('one second below Min-SE is answered 422 with it, and leaves nothing', () => {
  const session = { expiresOf: () => 1_800, minSeOf: () => 120 }
  const { clock, phone, say, last } = scripted({ sessionTimer: session })
  say(ask('INVITE', { headers: ['Supported: timer', 'Session-Expires: 119'] }))
  expect(last()).toMatch(/^SIP\/2\.0 422 Session Interval Too Small.*Min-SE: 120\r\n/s)
  expect(phone.diary).toEqual([])
  expect(phone.agent.counters()).toMatchObject({ 'sip.session-too-brief': 1 })
  say(ask('INVITE', { headers: ['Supported: timer', 'Session-Expires: 120'], branch: 'z9hG4bK2', cseq: 2 }))
  expect(phone.diary).toEqual(['invite'])
  phone.invites[0]?.reject(480)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('what JsSIP asks for, 90 s, is granted, and an INVITE may require timer', () => {
  const { answer } = answering(['Require: timer', 'Supported: timer', 'Session-Expires: 90'])
  expect(lineOf(answer, 'Session-Expires')).toBe('Session-Expires: 90;refresher=uas')
})

test('a peer without timers gets none', () => {
  const { answer, clock, phone, toTag, say } = answering([])
  expect(answer).not.toContain('Session-Expires')
  clock.advance(24 * HOUR_MS)
  expect(phone.diary).toEqual([])
  say(ask('BYE', { toTag, cseq: 2 }))
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

// ----- we refresh

test('at half the interval by UPDATE without a body, and each 200 starts anew', () => {
  const { clock, phone, say, last, headers, requests } = called(WE_REFRESH)
  clock.advance(899_999)
  expect(requests('UPDATE')).toHaveLength(0)
  for (let round = 1; round <= 3; round += 1) {
    clock.advance(round === 1 ? 1 : 900_000)
    expect(requests('UPDATE')).toHaveLength(round)
    expect(last()).toMatch(/Session-Expires: 1800;refresher=uac\r\n.*Content-Length: 0\r\n/s)
    expect(lineOf(last(), 'Supported')).toBe('Supported: timer')
    say(reply(last(), 200, { headers }))
  }
  expect(phone.diary).toEqual([])
})

test('by re-INVITE of the owner where Allow has no UPDATE', () => {
  const { clock, phone, say, last, headers, requests } = called(
    ['Session-Expires: 1800;refresher=uac', 'Allow: INVITE, ACK, BYE'],
    reinvites,
  )
  for (let round = 1; round <= 2; round += 1) {
    clock.advance(900_000)
    expect(requests('UPDATE')).toHaveLength(0)
    expect(lineOf(last(), 'Session-Expires')).toBe('Session-Expires: 1800;refresher=uac')
    say(reply(last(), 200, { headers, body: 'v=0' }))
  }
  expect(phone.diary).toEqual(['refresh due', 'done 200', 'refresh due', 'done 200'])
})

test('UPDATE is no longer sent when a later answer leaves it out of Allow', () => {
  const { clock, phone, say, last } = called(WE_REFRESH)
  phone.dialogs[0]?.reinvite({ body: OFFER }, phone.note)
  say(reply(last(), 200, { headers: ['Session-Expires: 1800;refresher=uac', 'Allow: INVITE'], body: 'v=0' }))
  clock.advance(900_000)
  expect(phone.diary).toEqual(['done 200', 'refresh due'])
})

test('an UPDATE that nobody answers does not kill the call: a re-INVITE follows and saves it', () => {
  // The shortest interval is the hardest: its UPDATE would time out after the end of the session.
  const short = ['Session-Expires: 90;refresher=uac', UPDATES]
  const { clock, phone, say, last, headers, requests } = called(short, reinvites)
  clock.advance(45_000)
  expect(requests('UPDATE')).toHaveLength(1)
  clock.advance(5_700)
  expect(phone.diary).toEqual(['refresh due'])
  say(reply(last(), 200, { headers, body: 'v=0' }))
  const updates = requests('UPDATE').length
  clock.advance(50_000)
  say(reply(last(), 200, { headers, body: 'v=0' }))
  expect(requests('UPDATE').length).toBeLessThan(updates + 12)
  expect(new Set(requests('UPDATE').map((text) => lineOf(text, 'CSeq'))).size).toBe(1)
  expect(phone.diary).toEqual(['refresh due', 'done 200', 'refresh due', 'done 200'])
  expect(phone.dialogs[0]?.state).toBe('confirmed')
})

test.each([405, 400, 401, 408, 420, 403, 501])(
  'an UPDATE answered %i is followed by a re-INVITE at once',
  (status) => {
    const { clock, phone, say, last } = called(WE_REFRESH, reinvites)
    clock.advance(900_000)
    say(reply(last(), status))
    expect(phone.diary).toEqual(['refresh due'])
  },
)

test.each([302, 491, 500, 503])('a refresh answered %i is tried again later', (status) => {
  const { clock, phone, say, last, headers, requests } = called(WE_REFRESH)
  clock.advance(900_000)
  say(reply(last(), status))
  clock.advance(112_499)
  expect(requests('UPDATE')).toHaveLength(1)
  clock.advance(1)
  expect(requests('UPDATE')).toHaveLength(2)
  say(reply(last(), 200, { headers }))
  clock.advance(800_000)
  expect(phone.diary).toEqual([])
})

test.each([500, 503, 513, 600, 603])(
  'refreshes answered %i twice in a row are followed by a re-INVITE, which saves the call',
  (status) => {
    const { clock, phone, say, last, headers, requests } = called(WE_REFRESH, reinvites)
    clock.advance(900_000)
    say(reply(last(), status))
    clock.advance(112_500)
    expect(phone.diary).toEqual([])
    say(reply(last(), status))
    expect(phone.diary).toEqual(['refresh due'])
    say(reply(last(), 200, { headers, body: 'v=0' }))
    clock.advance(900_000)
    say(reply(last(), 200, { headers, body: 'v=0' }))
    expect(requests('UPDATE')).toHaveLength(2)
    expect(phone.diary).toEqual(['refresh due', 'done 200', 'refresh due', 'done 200'])
    expect(phone.dialogs[0]?.state).toBe('confirmed')
  },
)

test('refreshes that fail now and then go on by UPDATE', () => {
  const { clock, phone, say, last, headers, requests } = called(WE_REFRESH)
  clock.advance(900_000)
  for (const status of [503, 200, 503, 491, 503, 200]) {
    say(reply(last(), status, status === 200 ? { headers } : {}))
    clock.advance(status === 200 ? 900_000 : 112_500)
  }
  expect(requests('UPDATE')).toHaveLength(7)
  expect(phone.diary).toEqual([])
})

test('a refusal that comes after the re-INVITE was asked for asks for no second one', () => {
  const { clock, phone, say, requests } = called(['Session-Expires: 160;refresher=uac', UPDATES])
  clock.advance(90_000)
  expect(phone.diary).toEqual(['refresh due'])
  say(reply(requests('UPDATE')[0] ?? '', 405))
  expect(phone.diary).toEqual(['refresh due'])
})

test.each([200, 405])('an answer %i to a refresh after the end of the dialog starts nothing', (status) => {
  const { clock, phone, say, last, headers, requests } = called(WE_REFRESH)
  clock.advance(900_000)
  const [update = ''] = requests('UPDATE')
  phone.dialogs[0]?.bye()
  say(reply(last(), 200))
  say(reply(update, status, { headers }))
  expect(phone.diary).toEqual([])
  clock.advance(40_000)
  expectNothingLeft(phone)
})

test('a refresh answered 481 ends the dialog with BYE', () => {
  const { clock, phone, say, last, sent } = called(WE_REFRESH)
  clock.advance(900_000)
  say(reply(last(), 481))
  expect(phone.diary).toEqual(['end session-expired'])
  expect(howMany(sent, 'BYE')).toBe(1)
  say(reply(last(), 481))
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test.each([401, 407])('refreshes that are answered %i end the call when the session expires', (status) => {
  const made = called(['Session-Expires: 90;refresher=uac', UPDATES], reinvites)
  const { clock, phone, say, requests } = made
  const challenge = (request: string) => say(reply(request, status))
  clock.advance(45_000)
  challenge(requests('UPDATE')[0] ?? '')
  for (let tries = 0; phone.dialogs[0]?.state === 'confirmed'; tries += 1) {
    expect(tries).toBeLessThan(10)
    challenge(requests('INVITE').at(-1) ?? '')
    clock.advance(6_000)
  }
  expect(phone.diary.at(-1)).toBe('end refresh-challenged')
  // Sent again over UDP, until it is answered.
  expect(new Set(requests('BYE')).size).toBe(1)
  // The peer challenges that too: it is done all the same.
  challenge(requests('BYE')[0] ?? '')
  expect(phone.agent.tables()).toMatchObject({ dialogs: 0 })
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('an UPDATE that is challenged is why the session expires, where nobody sends a re-INVITE in its place', () => {
  const { clock, phone, say, last } = called(['Session-Expires: 90;refresher=uac', UPDATES])
  clock.advance(45_000)
  say(reply(last(), 401))
  clock.advance(90_000)
  expect(phone.diary.at(-1)).toBe('end refresh-challenged')
})

test('a refresh that succeeds after a challenge is as good as any', () => {
  const made = called(['Session-Expires: 90;refresher=uac', 'Allow: INVITE'], reinvites)
  const { clock, phone, say, requests } = made
  clock.advance(45_000)
  say(reply(requests('INVITE').at(-1) ?? '', 401))
  clock.advance(6_000)
  const accepted = ['Session-Expires: 90;refresher=uac', 'Allow: INVITE']
  say(reply(requests('INVITE').at(-1) ?? '', 200, { headers: accepted, body: 'v=0' }))
  clock.advance(90_000)
  expect(phone.diary.at(-1)).toBe('end session-expired')
})

test('a refresh answered 422 is sent again with the longer interval', () => {
  for (const allow of [UPDATES, 'Allow: INVITE']) {
    const made = called(['Session-Expires: 90;refresher=uac', allow], reinvites)
    const { clock, phone, say, last } = made
    clock.advance(45_000)
    say(reply(last(), 422, { headers: ['Min-SE: 200'] }))
    clock.advance(6_000)
    expect(last()).toMatch(allow === UPDATES ? /^UPDATE/ : /^INVITE/)
    expect(lineOf(last(), 'Session-Expires')).toBe('Session-Expires: 200;refresher=uac')
    expect(lineOf(last(), 'Min-SE')).toBe('Min-SE: 200')
    say(reply(last(), 200, { headers: ['Session-Expires: 200;refresher=uac', allow], body: 'v=0' }))
    clock.advance(90_000)
    expect(phone.dialogs[0]?.state).toBe('confirmed')
    expect(phone.diary.filter((line) => line.startsWith('end'))).toEqual([])
  }
})

test('a re-INVITE answered 422 twice is refused to its caller', () => {
  const { phone, say, last } = called(['Session-Expires: 90;refresher=uac'])
  phone.dialogs[0]?.reinvite({ body: OFFER }, phone.note)
  say(reply(last(), 422, { headers: ['Min-SE: 200'] }))
  expect(phone.diary).toEqual([])
  say(reply(last(), 422, { headers: ['Min-SE: 300'] }))
  expect(phone.diary).toEqual(['done 422'])
})

test('a 200 without Session-Expires ends the timer', () => {
  const { clock, phone, say, last, requests } = called(WE_REFRESH)
  clock.advance(900_000)
  say(reply(last(), 200))
  clock.advance(24 * HOUR_MS)
  expect(requests('UPDATE')).toHaveLength(1)
  expect(phone.diary).toEqual([])
  expect(phone.agent.tables()).toMatchObject({ timers: 0 })
})

test('a re-INVITE of the owner that is under way is not disturbed, and refreshes', () => {
  const { clock, phone, say, last, headers } = called(
    ['Session-Expires: 1800;refresher=uac', 'Allow: INVITE'],
    reinvites,
  )
  clock.advance(899_990)
  phone.dialogs[0]?.reinvite({ body: OFFER }, phone.note)
  clock.advance(1_000)
  expect(phone.diary).toEqual([])
  say(reply(last(), 200, { headers, body: 'v=0' }))
  clock.advance(800_000)
  expect(phone.diary).toEqual(['done 200'])
  expect(phone.errors).toEqual([])
})

test('when nothing is answered the call ends and nothing is left', () => {
  const { clock, phone } = called(WE_REFRESH)
  clock.advance(1_800_000)
  expect(phone.diary).toContain('end session-expired')
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

// ----- the peer refreshes

test('a peer that does not refresh is told BYE with a reason, a little before the end', () => {
  const { clock, phone, say, last, sent } = answering([
    'Supported: timer',
    'Session-Expires: 1800;refresher=uac',
  ])
  clock.advance(1_767_999)
  expect(phone.diary).toEqual([])
  clock.advance(1)
  expect(phone.diary).toEqual(['end session-expired'])
  expect(howMany(sent, 'BYE')).toBe(1)
  expect(lineOf(last(), 'Reason')).toContain('cause=408')
  expect(phone.agent.counters()).toMatchObject({ 'session-expired': 1 })
  say(reply(last(), 200))
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test.each(['UPDATE', 'INVITE'])('a refresh by %s starts anew and is answered with the terms', (method) => {
  const onReinvite: PhoneOptions['onReinvite'] = (reinvite) => reinvite.accept({ body: OFFER })
  const session = ['Supported: timer', 'Session-Expires: 90;refresher=uac']
  const { clock, phone, say, last, toTag, answer } = answering(session, { onReinvite })
  expect(answer).toMatch(/Session-Expires: 90;refresher=uac.*Require: timer/s)
  const type = method === 'INVITE' ? ['Content-Type: application/sdp'] : []
  const body = method === 'INVITE' ? 'v=0' : ''
  for (let cseq = 2; cseq < 10; cseq += 1) {
    clock.advance(45_000)
    say(ask(method, { toTag, cseq, headers: [...session, ...type], body }))
    expect(statusOf(last())).toBe(200)
    expect(last()).toMatch(/Session-Expires: 90;refresher=uac.*Require: timer/s)
    expect(last()).toMatch(/Contact: /)
    if (method === 'INVITE') say(ask('ACK', { toTag, cseq }))
  }
  expect(phone.diary.filter((line) => !line.startsWith('reinvite'))).toEqual([])
  clock.advance(60_000)
  expect(phone.diary.at(-1)).toBe('end session-expired')
})

test.each(['UPDATE', 'INVITE'])('%s in the dialog with too short an interval is answered 422', (method) => {
  const { phone, say, last, toTag } = answering([])
  const headers = ['Supported: timer', 'Session-Expires: 89']
  say(ask(method, { toTag, cseq: 2, headers }))
  expect(last()).toMatch(/^SIP\/2\.0 422.*Min-SE: 90/s)
  expect(phone.diary).toEqual([])
})

test('UPDATE without a body moves the target', () => {
  const { phone, say, last, toTag } = answering([])
  say(ask('UPDATE', { toTag, cseq: 2, headers: ['Contact: <sip:moved@192.0.2.9>'] }))
  expect(statusOf(last())).toBe(200)
  phone.dialogs[0]?.bye()
  expect(last()).toMatch(/^BYE sip:moved@192\.0\.2\.9 /)
})

// ----- both

test.each([0, 0.1, 0.25])('a call lasts eight hours at %f loss', (loss) => {
  const { clock, alice, bob, ofAlice, sentByAlice, sentByBob } = inCall({ loss, jitterMs: 30 })
  clock.advance(8 * HOUR_MS)
  // The first ACK may have been lost, and come with a later 200.
  expect([...alice.diary, ...bob.diary].filter((line) => line !== 'ack')).toEqual([])
  expect(howMany([...sentByAlice, ...sentByBob], 'UPDATE')).toBeGreaterThanOrEqual(31)
  ofAlice.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})

test('when the network is gone both sides end their call', () => {
  const { clock, alice, bob, wire } = inCall()
  wire.cut()
  clock.advance(1_800_000)
  for (const phone of [alice, bob]) expect(phone.diary.at(-1)).toBe('end session-expired')
  clock.advance(AGES_MS)
  expectNothingLeft(alice, bob)
})
