import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { offerOf, PHONE } from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
})
afterEach(() => gateway.close())

let count = 0

interface Raw {
  readonly method?: string
  readonly uri?: string
  readonly version?: string
  readonly to?: string
  readonly from?: string
  readonly callId?: string
  readonly cseq?: number
  readonly headers?: readonly string[]
  readonly body?: string
}

/** A request as its bytes are, each with a branch of its own. */
function raw({ method = 'OPTIONS', uri = 'sip:127.0.0.1', version = 'SIP/2.0', ...more }: Raw): Buffer {
  count += 1
  const {
    to = '<sip:gateway@127.0.0.1>',
    from = '<sip:pbx@127.0.0.1>;tag=t',
    callId = `raw-${count}`,
    cseq = 1,
  } = more
  const { headers = [], body = '' } = more
  const lines = [
    `${method} ${uri} ${version}`,
    `Via: ${version}/UDP 127.0.0.1:5070;branch=z9hG4bKraw${count}`,
    ...(headers.some((line) => line.startsWith('Max-Forwards')) ? [] : ['Max-Forwards: 70']),
    `From: ${from}`,
    `To: ${to}`,
    `Call-ID: ${callId}`,
    `CSeq: ${cseq} ${method}`,
    'Contact: <sip:pbx@127.0.0.1:5070>',
    ...headers,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

/** What the gateway has answered so far: status lines and Reason headers. */
async function answersTo(peer: Peer, ...requests: readonly Buffer[]): Promise<string> {
  const before = gateway.trunkFlow.sent.length
  for (const request of requests) peer.flow.send(request)
  await gateway.time.advance(1_000)
  return gateway.trunkFlow.sent.slice(before).join('\n')
}

/** What the stack has counted under this code, or a Reason that names it. */
const isNamed = (code: string, answers: string): boolean =>
  (gateway.userAgent.counters()[code] ?? 0) > 0 || answers.includes(`text="${code}"`)

describe('a request of a trunk', () => {
  const INVITE = {
    method: 'INVITE',
    uri: 'sip:alice@127.0.0.1',
    body: Buffer.from(offerOf(PHONE).bytes).toString(),
    headers: ['Content-Type: application/sdp'],
  }

  it.each([
    ['sip.unsupported-version', [{ version: 'SIP/3.0' }]],
    ['sip.uri-too-long', [{ uri: `sip:${'a'.repeat(5_000)}@127.0.0.1` }]],
    ['sip.unsupported-method', [{ method: 'PUBLISH' }]],
    ['sip.unsupported-extension', [{ ...INVITE, headers: [...INVITE.headers, 'Require: wonders'] }]],
    ['sip.too-many-hops', [{ ...INVITE, headers: [...INVITE.headers, 'Max-Forwards: 0'] }]],
    [
      'sip.merged-request',
      [
        { ...INVITE, callId: 'twice' },
        { ...INVITE, callId: 'twice' },
      ],
    ],
    ['sip.no-dialog', [{ method: 'BYE', to: '<sip:alice@127.0.0.1>;tag=nobody' }]],
    ['sip.unsupported-media-type', [{ ...INVITE, headers: ['Content-Type: text/plain'] }]],
    ['sip.bad-event', [{ method: 'SUBSCRIBE', uri: 'sip:alice@127.0.0.1', headers: ['Event: weather'] }]],
    [
      'relay.no-subscription',
      [
        {
          method: 'NOTIFY',
          uri: 'sip:alice@127.0.0.1',
          headers: ['Event: presence', 'Subscription-State: active'],
        },
      ],
    ],
    [
      'sip.too-large',
      [
        {
          method: 'MESSAGE',
          uri: 'sip:alice@127.0.0.1',
          headers: ['Content-Type: text/plain'],
          body: 'x'.repeat(9_000),
        },
      ],
    ],
  ] as readonly (readonly [string, readonly Raw[]])[])('%s', async (code, requests) => {
    const alice = await gateway.registered('alice')
    const answers = await answersTo(gateway.trunk, ...requests.map((request) => raw(request)))
    expect({
      code,
      isNamed: isNamed(code, answers),
      counters: isNamed(code, answers) ? {} : gateway.userAgent.counters(),
      answers: isNamed(code, answers) ? '' : answers,
    }).toMatchObject({ code, isNamed: true })
    // The others are no attempts to call.
    if (code === 'sip.unsupported-media-type') gateway.expectsVerdicts(code)
    // The first of the two is a call.
    for (const invite of alice.invites) invite.reject(486)
    if (code === 'sip.merged-request') gateway.expectsVerdicts('call.refused')
  })

  it('sip.handler-failed: a mistake of ours is answered 500 and logged', async () => {
    gateway.relay.onRequest = () => {
      throw new Error('a defect')
    }
    const answers = await answersTo(gateway.trunk, raw({ method: 'OPTIONS' }))
    expect(answers).toContain('SIP/2.0 500')
    expect(gateway.userAgent.counters()).toMatchObject({ 'sip.handler-failed': 1 })
    gateway.expectsInternalErrors(1)
  })
})
