import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { answerDigest } from '../../harness/digest-answer.ts'
import { type AnsweredCall, answered, BROWSER, PHONE } from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
let call: AnsweredCall
let alice: Peer
let cseq: number

beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  alice = await gateway.registered('alice')
  call = await answered(
    gateway,
    { peer: alice, user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: PHONE },
  )
  cseq = 100
})

afterEach(async () => {
  call.callee.dialog?.bye()
  await gateway.time.advance(100)
  await gateway.close()
})

interface Asked {
  /** User part of From. */
  readonly as?: string
  /** Who signs it: after a challenge. */
  readonly signedBy?: string
  readonly contact?: string
}

/** An INFO in Alice's call by a WebSocket; the answer. It goes to the trunk when it is taken, which answers 200. */
async function info(by: Peer, { as = 'alice', signedBy, contact }: Asked = {}): Promise<string> {
  const first = await send(by, as, contact, undefined)
  if (signedBy === undefined || !first.startsWith('SIP/2.0 401')) return first
  const challenges = first.split('\r\n').filter((line) => line.startsWith('WWW-Authenticate: '))
  const authorization = answerDigest({
    challenge: (challenges.at(-1) ?? '').slice('WWW-Authenticate: '.length),
    method: 'INFO',
    uri: 'sip:example.com',
    user: signedBy,
    password: gateway.passwordOf(signedBy),
  })
  return send(by, as, contact, authorization)
}

async function send(
  by: Peer,
  as: string,
  contact: string | undefined,
  authorization: string | undefined,
): Promise<string> {
  const { dialog } = call.caller
  cseq += 1
  const lines = [
    'INFO sip:example.com SIP/2.0',
    `Via: SIP/2.0/WSS x.invalid;branch=z9hG4bKinfo${cseq}`,
    'Max-Forwards: 70',
    `From: <sip:${as}@example.com>;tag=${dialog?.localTag}`,
    `To: <sip:0100@example.com>;tag=${dialog?.remoteTag}`,
    `Call-ID: ${dialog?.callId}`,
    `CSeq: ${cseq} INFO`,
    ...(contact === undefined ? [] : [`Contact: ${contact}`]),
    ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
    'Content-Length: 0',
    '',
    '',
  ]
  gateway.gatewayEnd(by).sent.length = 0
  by.flow.send(Buffer.from(lines.join('\r\n')))
  await gateway.time.advance(200)
  return gateway.toBrowser(by).find((text) => text.includes(`CSeq: ${cseq} INFO`)) ?? ''
}

const status = async (asked: Promise<string>): Promise<string> => (await asked).slice(8, 11)

const DEVICE = '<sip:alice@df7jal23ls0d.invalid;transport=ws;ob>'

describe('a request in a call from a new WebSocket, before it has registered', () => {
  it('is challenged, and taken from the user whose Contact is the device', async () => {
    await gateway.disconnect(alice)
    const back = gateway.reconnect(alice)
    expect(await status(info(back, { contact: DEVICE }))).toBe('401')
    expect(await status(info(back, { contact: DEVICE, signedBy: 'alice' }))).toBe('200')
    expect(gateway.logged('connection replaced')).toHaveLength(1)
    expect(await status(info(back)), 'at home now').toBe('200')
  })

  it('is taken when its Contact names the instance', async () => {
    const contact = '<sip:other@other.invalid>;+sip.instance="<urn:uuid:alice>"'
    expect(await status(info(gateway.browser(), { contact, signedBy: 'alice' }))).toBe('200')
    gateway.expectsVerdicts('call.dialog-lost')
  })

  it('is refused without a word of the device, and with that of another one', async () => {
    const other = gateway.browser()
    expect(await status(info(other, { signedBy: 'alice' }))).toBe('403')
    const contact = '<sip:x@x.invalid>;+sip.instance="<urn:uuid:desk>"'
    const answer = await info(other, { contact, signedBy: 'alice' })
    expect(answer).toMatch(/^SIP\/2\.0 403 [\s\S]*call\.other-device/)
    expect(gateway.logged('connection replaced')).toEqual([])
  })

  it('is nothing to another user, whatever it says', async () => {
    const bob = gateway.browser()
    expect(await status(info(bob, { as: 'bob', signedBy: 'bob', contact: DEVICE }))).toBe('481')
    expect(await status(info(bob, { as: 'alice', signedBy: 'bob', contact: DEVICE }))).toBe('403')
    expect(gateway.logged('connection replaced')).toEqual([])
    expect(gateway.trunkFlow.sent.filter((text) => text.startsWith('INFO'))).toEqual([])
  })
})

describe('a request in a call from another WebSocket that has registered', () => {
  it('is taken from the same device, without a challenge', async () => {
    const back = await gateway.back(alice, 'alice')
    expect(await status(info(back))).toBe('200')
  })

  it('is taken from a second flow of the device', async () => {
    const second = gateway.reconnect(alice)
    expect(await gateway.register(second, 'alice', gateway.passwordOf('alice'), 'alice;reg-id=2')).toBe(200)
    expect(await status(info(second))).toBe('200')
  })

  it('is refused from another device of the user, and from another user with a device of the same name', async () => {
    expect(await status(info(await gateway.registered('alice', 'desk')))).toBe('403')
    const bob = await gateway.registered('bob', 'alice')
    expect(await status(info(bob, { as: 'bob' }))).toBe('481')
    expect(await status(info(bob, { as: 'alice' })), 'Bob is not Alice').toBe('401')
    expect(gateway.logged('connection replaced')).toEqual([])
  })
})
