import { expect, test } from 'vitest'
import {
  agreed,
  answered,
  demanded,
  isTooBrief,
  MAX_SESSION_S,
  proposal,
} from '../../../../sip/dialog/session-terms.ts'
import { SessionTimer } from '../../../../sip/invite/session-timer.ts'
import type { Header, SipRequest, SipResponse } from '../../../../sip/message/message.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'

const message = (start: string, lines: readonly string[]): string =>
  [
    start,
    'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
    'From: <sip:a@192.0.2.1>;tag=a',
    'To: <sip:b@192.0.2.2>',
    'Call-ID: c',
    'CSeq: 1 INVITE',
    ...lines,
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n')

const request = (...lines: string[]): SipRequest => {
  const read = parseMessage(Buffer.from(message('INVITE sip:b@192.0.2.2 SIP/2.0', lines)))
  if (read.kind !== 'request') throw new Error('no request')
  return read
}
const response = (status: number, ...lines: string[]): SipResponse => {
  const read = parseMessage(Buffer.from(message(`SIP/2.0 ${status} Whatever`, lines)))
  if (read.kind !== 'response') throw new Error('no response')
  return read
}
const text = (headers: readonly Header[]): readonly string[] =>
  headers.map(({ name, value }) => `${name}: ${value}`)

const WISH = { expiresS: 1_800, minSeS: 90 }
const US = { intervalS: 600, refresher: 'us' } as const
const PEER = { intervalS: 600, refresher: 'peer' } as const

/** RFC 4028 §9 table 2, with who refreshes where the choice is ours. */
test.each([
  ['nobody asks', [], undefined, undefined],
  ['timer known, not asked for', ['Supported: timer'], 1_800, 'us'],
  ['asked, refresher left to us', ['Supported: timer', 'Session-Expires: 600'], 600, 'us'],
  ['asked, caller refreshes', ['Supported: timer', 'Session-Expires: 600;refresher=uac'], 600, 'peer'],
  ['asked, callee refreshes', ['Supported: timer', 'x: 600;refresher=UAS'], 600, 'us'],
  ['a proxy asks', ['Session-Expires: 600'], 600, 'us'],
  ['a proxy asks with a role the caller does not know', ['Session-Expires: 600;refresher=uac'], 600, 'us'],
  ['longer than we grant', ['Supported: timer', 'Session-Expires: 86400'], 1_800, 'us'],
  ['longer than we grant, and Min-SE too', ['Supported: timer', 'x: 86400', 'Min-SE: 3600'], 3_600, 'us'],
  ['shorter than there is, from a proxy', ['Session-Expires: 1'], 90, 'us'],
  ['unreadable', ['Supported: timer', 'Session-Expires: soon'], 1_800, 'us'],
] as const)('as callee: %s', (_, lines, intervalS, refresher) => {
  const { terms, headers } = answered(request(...lines), WISH, undefined)
  expect(terms).toEqual(intervalS === undefined ? undefined : { intervalS, refresher })
  const role = refresher === 'us' ? 'uas' : 'uac'
  expect(text(headers)).toEqual([
    ...(intervalS === undefined ? [] : [`Session-Expires: ${intervalS};refresher=${role}`]),
    'Supported: timer',
    ...(refresher === 'peer' ? ['Require: timer'] : []),
  ])
})

test('as callee: a request in the dialog that says nothing keeps the terms', () => {
  expect(answered(request('Supported: timer'), WISH, PEER).terms).toEqual(PEER)
  expect(answered(request('Supported: timer'), WISH, US).terms).toEqual(US)
  // It cannot refresh what it does not know of.
  expect(answered(request(), WISH, PEER).terms).toEqual(US)
  expect(answered(request('Supported: timer', 'Session-Expires: 300'), WISH, PEER).terms).toEqual({
    intervalS: 300,
    refresher: 'peer',
  })
})

test('422 only for one second below the least, and only to who knows the extension', () => {
  expect(isTooBrief(request('Supported: timer', 'Session-Expires: 89'), 90)).toBe(true)
  expect(isTooBrief(request('Supported: timer', 'Session-Expires: 90'), 90)).toBe(false)
  expect(isTooBrief(request('Session-Expires: 89'), 90)).toBe(false)
  expect(isTooBrief(request('Supported: timer'), 90)).toBe(false)
})

test('as caller: what is asked for, and Min-SE only above the default', () => {
  expect(text(proposal(1_800, 0))).toEqual(['Session-Expires: 1800'])
  expect(text(proposal(90, 120))).toEqual(['Session-Expires: 120', 'Min-SE: 120'])
  expect(text(proposal(600, 90, 'us'))).toEqual(['Session-Expires: 600;refresher=uac'])
  expect(text(proposal(600, 90, 'peer'))).toEqual(['Session-Expires: 600;refresher=uas'])
})

test('as caller: the 2xx decides, within bounds', () => {
  expect(agreed(response(200))).toBeUndefined()
  expect(agreed(response(200, 'Session-Expires: x'))).toBeUndefined()
  expect(agreed(response(200, 'Session-Expires: 600'))).toEqual(US)
  expect(agreed(response(200, 'Session-Expires: 600;refresher=uac'))).toEqual(US)
  expect(agreed(response(200, 'Session-Expires: 600;refresher=uas'))).toEqual(PEER)
  expect(agreed(response(200, 'Session-Expires: 0'))?.intervalS).toBe(90)
  expect(agreed(response(200, 'Session-Expires: 99999999999'))?.intervalS).toBe(MAX_SESSION_S)
})

test('as caller: 422 is followed when it asks for more than we did and for something possible', () => {
  expect(demanded(response(422, 'Min-SE: 120'), 90)).toBe(120)
  expect(demanded(response(422, 'Min-SE: 90'), 90)).toBeUndefined()
  expect(demanded(response(422), 90)).toBeUndefined()
  expect(demanded(response(422, `Min-SE: ${MAX_SESSION_S}`), 90)).toBe(MAX_SESSION_S)
  expect(demanded(response(422, `Min-SE: ${MAX_SESSION_S + 1}`), 90)).toBeUndefined()
  expect(demanded(response(488, 'Min-SE: 120'), 90)).toBeUndefined()
})

function watch(machine: SessionTimer): string[] {
  const events: string[] = []
  for (let at = machine.deadlineMs; at !== undefined; at = machine.deadlineMs) {
    for (const output of machine.handle({ kind: 'timeout' }, at)) events.push(`${at} ${output.kind}`)
  }
  return events
}

test('who refreshes does so at half the interval and tries again until the end', () => {
  const machine = new SessionTimer()
  machine.handle({ kind: 'agreed', terms: { intervalS: 160, refresher: 'us' } }, 0)
  expect(watch(machine)).toEqual([
    ...[80, 90, 100, 110, 120, 130, 140, 150].map((second) => `${second}000 refresh`),
    '160000 expire',
  ])
})

test.each([
  [1_800, 1_768_000],
  [90, 60_000],
])('who waits gives up %i s after the last refresh, less 32 s or a third', (intervalS, expectedMs) => {
  const machine = new SessionTimer()
  machine.handle({ kind: 'agreed', terms: { intervalS, refresher: 'peer' } }, 0)
  expect(watch(machine)).toEqual([`${expectedMs} expire`])
})

test('each agreement starts anew, and one without a timer ends it', () => {
  const machine = new SessionTimer()
  expect(machine.deadlineMs).toBeUndefined()
  machine.handle({ kind: 'agreed', terms: PEER }, 0)
  machine.handle({ kind: 'agreed', terms: US }, 100_000)
  expect(machine.deadlineMs).toBe(400_000)
  expect(machine.handle({ kind: 'timeout' }, 399_999)).toEqual([])
  machine.handle({ kind: 'off' }, 200_000)
  expect(watch(machine)).toEqual([])
})
