import { expect, it } from 'vitest'
import { EarlyAnswers, MAX_EARLY_ANSWERS } from '../../../../gateway/calls/early-answers.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'

function response(status: number, tag: string, body = '') {
  const message = parseMessage(
    Buffer.from(
      [
        `SIP/2.0 ${status} Text`,
        'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
        'From: <sip:alice@example.com>;tag=a',
        `To: <sip:100@example.com>;tag=${tag}`,
        'Call-ID: 1',
        'CSeq: 1 INVITE',
        `Content-Length: ${body.length}`,
        ...(body === '' ? [] : ['Content-Type: application/sdp']),
        '',
        body,
      ].join('\r\n'),
    ),
  )
  if (message.kind !== 'response') throw new Error('no response')
  return message
}

it('a 2xx without a description has that of its own fork, unless it is the one in use', () => {
  const answers = new EarlyAnswers()
  const said = (status: number, tag: string, body?: string): string =>
    answers.from(response(status, tag, body)).toString()
  expect(said(183, 'one', 'first')).toBe('first')
  expect(said(180, 'one')).toBe('')
  expect(said(183, 'two', 'second')).toBe('second')
  expect(said(200, 'two')).toBe('')
  expect(said(200, 'one')).toBe('first')
  expect(said(200, 'three')).toBe('')
  expect(said(200, 'two', 'third')).toBe('third')
})

function offer(tag: string) {
  const lines = [
    'UPDATE sip:gateway.example.com SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2',
    `From: <sip:100@example.com>;tag=${tag}`,
    'To: <sip:alice@example.com>;tag=a',
    'Call-ID: 1',
    'CSeq: 1 UPDATE',
    'Content-Length: 0',
  ]
  const message = parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`))
  if (message.kind !== 'request') throw new Error('no request')
  return message
}

it('an offer takes the place of the answer of its own fork, where that holds', () => {
  const answers = new EarlyAnswers()
  const said = (status: number, tag: string, body?: string): string =>
    answers.from(response(status, tag, body)).toString()
  said(183, 'one', 'first')
  said(183, 'two', 'second')
  expect(['one', 'two', 'three'].map((tag) => answers.isOfLatest(offer(tag)))).toEqual([false, true, false])
  answers.supersede(offer('one'))
  expect(said(200, 'two', 'third')).toBe('third')
  answers.supersede(offer('two'))
  expect(said(200, 'two', 'second')).toBe('')
  expect(said(183, 'one', 'fourth')).toBe('fourth')
})

it('past the maximum of forks a new one is not remembered, and an old one is still', () => {
  const answers = new EarlyAnswers()
  for (let fork = 0; fork <= MAX_EARLY_ANSWERS; fork += 1) answers.from(response(183, `t${fork}`, `s${fork}`))
  answers.from(response(183, 't0', 'again'))
  expect(answers.from(response(200, `t${MAX_EARLY_ANSWERS}`)).toString()).toBe('')
  expect(answers.from(response(200, 't1')).toString()).toBe('s1')
})
