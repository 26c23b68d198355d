import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Secret } from '../../../config/secret.ts'
import { answered, BROWSER, PHONE } from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

/** One of the network of a trunk that signs in; whoever forges it has proven nothing. */
const VICTIM = { address: '203.0.113.66', port: 5060 }

let gateway: ScriptedGateway
let victim: Peer
let drop = true
let sent: () => readonly string[]

beforeEach(async () => {
  gateway = await ScriptedGateway.open(
    {},
    {
      sources: ['203.0.113.0/24'],
      inbound: {
        domain: undefined,
        credentials: { user: 'pbx', password: new Secret('open sesame'), md5: true, md5Only: false },
      },
    },
  )
  const { peer, gatewayFlow } = gateway.trunkAt(VICTIM.port, VICTIM.address)
  victim = peer
  // Whoever is really there answers nothing.
  drop = true
  gatewayFlow.drops = () => drop
  sent = () => gatewayFlow.sent
})
afterEach(() => gateway.close())

let count = 0
function forge(method: string, more: readonly string[] = [], user = 'alice'): void {
  count += 1
  const lines = [
    `${method} sip:${user}@example.com SIP/2.0`,
    `Via: SIP/2.0/UDP ${VICTIM.address};branch=z9hG4bK${count}`,
    `From: <sip:100@${VICTIM.address}>;tag=${count}`,
    'To: <sip:alice@example.com>',
    `Call-ID: forged${count}`,
    `CSeq: 1 ${method}`,
    'Max-Forwards: 70',
    `Contact: <sip:100@${VICTIM.address}>`,
    ...more,
    'Content-Length: 0',
  ]
  victim.flow.send(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`))
}

const finals = (): readonly string[] =>
  sent()
    .map((text) => text.slice(8, 11))
    .filter((status) => status !== '100')

describe('what comes over UDP from the network of a trunk that signs in', () => {
  it.each(['INVITE', 'MESSAGE', 'OPTIONS'])('%s is challenged once, and forgotten', async (method) => {
    forge(method)
    await gateway.time.advance(60_000)
    expect(finals()).toEqual(['401'])
  })

  it('with credentials that prove nothing is refused once', async () => {
    forge('INVITE', ['Authorization: Digest username="pbx", realm="example.com", nonce="x"'])
    await gateway.time.advance(60_000)
    expect(finals()).toEqual(['403'])
  })

  it('that asks for what cannot be dialled is refused once, before it is known who it is', async () => {
    forge('INVITE', [], '9'.repeat(200))
    await gateway.time.advance(60_000)
    expect(finals()).toEqual(['404'])
  })

  it.each([
    ['420', ['Require: what-nobody-knows']],
    ['422', ['Supported: timer', 'Session-Expires: 10']],
    ['400', ['Contact: <sip:']],
  ] as const)('that is answered %s before anybody asks who it is, is so once', async (status, headers) => {
    forge('INVITE', headers)
    await gateway.time.advance(60_000)
    expect(finals()).toEqual([status])
    expect(gateway.userAgent.tables()).toMatchObject({ serverTransactions: 0, mergeKeys: 0 })
  })

  it('fills no table: a thousand of them leave nothing behind', async () => {
    for (let turn = 0; turn < 1_000; turn += 1) forge(turn % 2 === 0 ? 'INVITE' : 'MESSAGE')
    await gateway.time.advance(100)
    expect(gateway.userAgent.tables()).toMatchObject({ serverTransactions: 0, mergeKeys: 0, dialogs: 0 })
  })
})

it('who is really there and has the password calls', async () => {
  drop = false
  victim.account = { user: 'pbx', password: new Secret('open sesame'), md5: true }
  const alice = await gateway.registered('alice')
  const call = await answered(
    gateway,
    { peer: victim, user: '100', local: PHONE },
    { peer: alice, number: 'alice', local: BROWSER },
  )
  expect(gateway.calls.history.list()).toMatchObject([{ caller: 'trunk:pbx', callee: 'user:alice' }])
  call.caller.dialog?.bye()
})
