import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { STANDARD_CODECS } from '../../../sdp/codecs.ts'
import { createOffer } from '../../../sdp/offer.ts'
import type { Body } from '../../../sip/user-agent.ts'
import {
  answered,
  answerTo,
  BROWSER,
  offerOf,
  PHONE,
  place,
  quiet,
  reasonText,
  ringing,
  sdp,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

// `trunks[].codecs` was for what we offer alone: a trunk that was set to G.711 had calls in opus when it called us.

let gateway: ScriptedGateway
let alice: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open({}, { codecs: ['PCMA', 'PCMU'] })
  alice = await gateway.registered('alice')
})
afterEach(() => gateway.close())

const only = (...names: readonly string[]) =>
  STANDARD_CODECS.filter(({ name }) => names.includes(name) || name === 'telephone-event')
const offered = (...names: readonly string[]): Body => offerOf(PHONE, only(...names))
const formatsOf = (text: string): string | undefined => /^m=audio \d+ \S+ (.*)\r$/m.exec(text)?.[1]
const bodyOf = (response: unknown): string =>
  typeof response === 'object' && response !== null && 'body' in response ? String(response.body) : ''

const call = () =>
  answered(
    gateway,
    { peer: gateway.trunk, user: '030', local: PHONE },
    { peer: alice, number: 'alice', local: BROWSER },
  )

describe('a call from a trunk with codecs of its own', () => {
  it('has those alone, in its order, whatever it offers', async () => {
    const made = place(gateway.trunk, '030', 'alice', { body: offerOf(PHONE) })
    const invite = await ringing(gateway, alice)
    expect(formatsOf(invite.request.body.toString())).toMatch(/^8 0 \d+$/)
    invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(100)
    expect(formatsOf(bodyOf(made.final))).toBe('8 0 101')
    made.dialog?.bye()
  })

  it('is refused when it offers none of them, and nobody rings', async () => {
    const made = place(gateway.trunk, '030', 'alice', { body: offered('opus', 'G722') })
    await gateway.time.advance(200)
    expect([statusOf(made), reasonText(made), alice.invites]).toEqual([
      488,
      'SIP;cause=488;text="sdp.no-common-codec"',
      [],
    ])
    gateway.expectsVerdicts('sdp.no-common-codec')
  })

  it('without an offer is made one of those', async () => {
    const made = place(gateway.trunk, '030', 'alice', { body: 'none' })
    const invite = await ringing(gateway, alice)
    expect(formatsOf(invite.request.body.toString())).toMatch(/^8 0 \d+$/)
    made.answerInAck = PHONE
    invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(200)
    expect(formatsOf(bodyOf(made.final))).toBe('8 0 101')
    made.dialog?.bye()
  })

  it('is not changed to another one by a re-INVITE', async () => {
    const { caller, callee } = await call()
    const origin = { sessionId: '1', version: 2 }
    const codecs = only('opus', 'G722')
    const text = createOffer({ local: PHONE, codecs, origin, direction: 'sendrecv' }).text
    const answer = await caller.reoffer(gateway, sdp(text))
    expect(typeof answer === 'object' && answer.status).toBe(488)
    expect([caller.ended, callee.ended, callee.offers]).toEqual([undefined, undefined, []])
    gateway.expectsVerdicts('sdp.no-common-codec')
    caller.dialog?.bye()
  })

  it('is not taken over by it with another one', async () => {
    const { caller, callee } = await call()
    const { callId, localTag, remoteTag } = caller.dialog ?? {}
    const replaces = { name: 'Replaces', value: `${callId};to-tag=${remoteTag};from-tag=${localTag}` }
    const taker = place(gateway.trunk, '031', 'alice', { body: offered('G722'), headers: [replaces] })
    await gateway.time.advance(200)
    expect(statusOf(taker)).toBe(488)
    const second = place(gateway.trunk, '031', 'alice', {
      body: offered('G722', 'PCMU'),
      headers: [replaces],
    })
    await gateway.time.advance(200)
    expect(formatsOf(bodyOf(second.final))).toBe('0 101')
    expect([caller.ended, callee.ended]).toEqual(['bye', undefined])
    second.dialog?.bye()
    await gateway.time.advance(200)
  })
})
