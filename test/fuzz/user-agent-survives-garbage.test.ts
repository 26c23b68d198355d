import { expect, test } from 'vitest'
import type { OutgoingInvite } from '../../sip/user-agent.ts'
import { seeded } from '../harness/seeded.ts'
import { AGES_MS } from '../harness/sip/pair.ts'
import { sdp } from '../harness/sip/phone.ts'
import { ask, lineOf, reply, scripted, tagOf } from '../harness/sip/scripted-peer.ts'

const ROUNDS = 20_000

/** Of 100rel and session timers, for requests and responses. */
const EXTENSIONS = [
  'Contact: <sip:peer@192.0.2.2>',
  'Supported: 100rel, timer',
  'Session-Expires: 90;refresher=uac',
  'Min-SE: 2000',
  'Require: 100rel',
  'RSeq: 7',
  'RAck: 7 1 INVITE',
  'Allow: INVITE, UPDATE',
]

test('mutated and shuffled messages throw nothing, call onError for nothing, and leave nothing behind', () => {
  const random = seeded(7)
  const understood = { invites: 0, requests: 0, inDialogs: 0, acks: 0 }
  const { clock, phone, flow, sent } = scripted({
    limits: { maxServerTransactions: 200, maxClientTransactions: 50, maxDialogs: 50 },
    onInvite: (invite, self) => {
      understood.invites += 1
      const kind = random()
      if (kind < 0.3) {
        invite.reject(486)
        return
      }
      if (kind > 0.6) invite.progress(183, { reliable: true, body: sdp('early') })
      if (kind > 0.8) invite.progress(180, { reliable: true })
      self.answer(invite)
    },
    onRequest: (request) => {
      understood.requests += 1
      request.respond(200)
    },
    onReinvite: (reinvite) => reinvite.reject(488),
    onDialogRequest: (request) => {
      understood.inDialogs += 1
      request.respond(200)
    },
  })
  const pick = <Item>(items: readonly Item[]): Item | undefined => items[Math.floor(random() * items.length)]
  const methods = ['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'UPDATE', 'INFO', 'PRACK', 'REGISTER']
  const seeds = [['Require: x'], EXTENSIONS].flatMap((lines) =>
    methods.map((method) =>
      ask(method, { headers: ['Content-Type: a/b', 'Record-Route: <sip:p;lr>', ...lines], body: 'v=0' }),
    ),
  )
  /** A request in a dialog that the phone is in as the callee. */
  const inDialog = (cseq: number): string => {
    const answer = pick(sent.slice(-200).filter((text) => isAnswer(text))) ?? ''
    const method = pick(methods) ?? 'ACK'
    return ask(method, {
      callId: lineOf(answer, 'Call-ID').slice('Call-ID: '.length),
      fromTag: /;tag=(\w+)/.exec(lineOf(answer, 'From'))?.[1] ?? '',
      toTag: tagOf(answer),
      cseq: method === 'ACK' ? Number(/\d+/.exec(lineOf(answer, 'CSeq'))?.[0] ?? 0) : cseq,
      branch: `z9hG4bKdialog${cseq}`,
      headers: ['Content-Type: a/b', ...(random() < 0.5 ? EXTENSIONS : [])],
      body: 'v=0',
    })
  }
  const calls: OutgoingInvite[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    if (round % 100 === 0) calls.push(phone.call(flow))
    const [text = '', other = ''] = [pick(random() < 0.3 ? sent.slice(-50) : seeds), pick(seeds)]
    const message =
      text.startsWith('SIP/') || random() < 0.7
        ? text
        : reply(text, 100 + Math.floor(random() * 599), { headers: EXTENSIONS })
    if (round % 5 === 0) {
      const asked = Buffer.from(inDialog(round + 2))
      phone.agent.receive(random() < 0.5 ? asked : mutate(asked, Buffer.from(other), random), flow)
    }
    phone.agent.receive(mutate(Buffer.from(message), Buffer.from(other), random), flow)
    if (round % 10 === 0) clock.advance(500)
  }
  // How long a phone may ring is the caller's matter.
  for (const call of calls) call.cancel()
  for (const dialog of phone.dialogs) dialog.bye()
  clock.advance(AGES_MS)
  expect(phone.errors).toEqual([])
  understood.acks = phone.acks.length
  // So much of it is no garbage that it gets past the parser.
  expect(understood.invites).toBeGreaterThan(50)
  expect(understood.requests).toBeGreaterThan(20)
  expect(understood.inDialogs).toBeGreaterThan(40)
  expect(understood.acks).toBeGreaterThan(10)
  const { clientTransactions, serverTransactions, dialogs, timers } = phone.agent.tables()
  expect({ clientTransactions, serverTransactions, dialogs, timers }).toEqual({
    clientTransactions: 0,
    serverTransactions: 0,
    dialogs: 0,
    timers: 0,
  })
})

const isAnswer = (text: string): boolean =>
  /^SIP\/2\.0 (?:18|20)\d/.test(text) && /^CSeq: \d+ INVITE/m.test(text)

function mutate(bytes: Buffer, other: Buffer, random: () => number): Buffer {
  const at = Math.floor(random() * bytes.length)
  switch (Math.floor(random() * 5)) {
    case 0:
      return Buffer.concat([bytes.subarray(0, at), other.subarray(Math.floor(random() * other.length))])
    case 1:
      return bytes.subarray(0, at)
    case 2:
      for (let i = 0; i < 4; i += 1) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
      return bytes
    case 3: {
      const lines = bytes.toString().split('\r\n')
      const line = Math.floor(random() * lines.length)
      lines.splice(line, 1, ...(random() < 0.5 ? [] : [lines[line] ?? '', lines[line] ?? '']))
      return Buffer.from(lines.join('\r\n'))
    }
    default:
      return Buffer.from(
        bytes.toString().replace(/z9hG4bK\w*/, () => `z9hG4bK${Math.floor(random() * 1_000)}`),
      )
  }
}
