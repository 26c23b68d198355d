import { expect, test } from 'vitest'
import type { Flow, TransportName } from '../../../sip/flow.ts'
import { AGES_MS, expectNothingLeft } from '../../harness/sip/pair.ts'
import { ask, scripted, statusOf, tagOf } from '../../harness/sip/scripted-peer.ts'

/**
 * Some gateways send from any port, listen at 5060, and do not ask for answers to where they send from (RFC 3581): they
 * heard neither our answers nor our BYE.
 */

const FROM = { address: '192.0.2.2', port: 49_152 }
const LISTENS = 5_060

/** Called by `via`; where our 200 and our BYE went: to where it came from, or to where it listens. */
function called(via: string, transport: TransportName = 'udp') {
  const sent: string[] = []
  const to = (port: number): Flow => ({
    ...made.flow,
    transport,
    remote: { ...FROM, port },
    send: (bytes) => {
      const text = Buffer.from(bytes).toString()
      if (!/^SIP\/2\.0 1/.test(text)) sent.push(`${text.split(' ', 2).join(' ')} to ${port}`)
      if (statusOf(text) === 200 && tag === '') tag = tagOf(text)
    },
  })
  let tag = ''
  const made = scripted({
    onInvite: (invite, phone) => phone.answer(invite),
    flowToListener: (_flow, port) => (port === LISTENS ? to(port) : undefined),
  })
  const say = (text: string): void => made.phone.agent.receive(Buffer.from(text), to(FROM.port))
  say(ask('INVITE', { via }))
  made.clock.advance(600)
  say(ask('ACK', { toTag: tag, via: `${via}ack` }))
  made.phone.dialogs[0]?.bye()
  made.clock.advance(100)
  made.clock.advance(AGES_MS)
  expectNothingLeft(made.phone)
  return [...new Set(sent)]
}

test.each(['192.0.2.2:5060', '192.0.2.2'])(
  'answers, their copies and BYE go to %s of a Via without rport',
  (host) => {
    expect(called(`SIP/2.0/UDP ${host};branch=z9hG4bK1`)).toEqual([
      `SIP/2.0 200 to ${LISTENS}`,
      `BYE sip:peer@192.0.2.2:5060 to ${LISTENS}`,
    ])
  },
)

test.each([
  ['who asks for that', 'SIP/2.0/UDP 192.0.2.2:5060;rport;branch=z9hG4bK1'],
  ['who is behind a NAT', 'SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK1'],
  ['who gives a name', 'SIP/2.0/UDP pbx.example:5060;branch=z9hG4bK1'],
  ['who is not known to listen there', 'SIP/2.0/UDP 192.0.2.2:9;branch=z9hG4bK1'],
  ['who says where it sends from', 'SIP/2.0/UDP 192.0.2.2:49152;branch=z9hG4bK1'],
])('they go to where the request came from for %s', (_who, via) => {
  expect(called(via)).toEqual([`SIP/2.0 200 to ${FROM.port}`, `BYE sip:peer@192.0.2.2:5060 to ${FROM.port}`])
})

test('over a connection they go by it', () => {
  expect(called('SIP/2.0/TCP 192.0.2.2:5060;branch=z9hG4bK1', 'tcp')[0]).toBe(`SIP/2.0 200 to ${FROM.port}`)
})

test('a refusal of what cannot be read goes there too', () => {
  const sent: number[] = []
  const made = scripted({
    flowToListener: (flow, port) => ({
      ...flow,
      remote: { ...flow.remote, port },
      send: () => sent.push(port),
    }),
  })
  const invite = ask('INVITE', { via: 'SIP/2.0/UDP 192.0.2.2:5080;branch=z9hG4bK1' })
  made.say(invite.replace('CSeq: 1 INVITE', 'CSeq: 1 INVITE\r\nCSeq: 2 INVITE'))
  expect(sent).toEqual([5_080])
})
