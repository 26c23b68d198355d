// Whoever a call was transferred to saw the transferor for as long as it lasted.
import { afterEach, expect, it } from 'vitest'
import type { TrunkConfig } from '../../../config/config.ts'
import { header } from '../../../sip/message/headers.ts'
import type { IncomingInvite } from '../../../sip/user-agent.ts'
import {
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  ringing,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { aliceCallsTrunk, refer, trunkCallsAlice } from '../../harness/scripted-transfers.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

async function open(trunk: Partial<TrunkConfig> = {}): Promise<{ alice: Peer; bob: Peer }> {
  gateway = await ScriptedGateway.open({}, trunk)
  return { alice: await gateway.registered('alice'), bob: await gateway.registered('bob') }
}

const shown = ({ request }: IncomingInvite) => [request.from.uri.text, header(request, 'Referred-By')]

/** Lets the target refuse, and ends the call. */
async function over(invite: IncomingInvite, side: PeerDialog): Promise<void> {
  invite.reject(486)
  await gateway.time.advance(200)
  side.dialog?.bye()
  await gateway.time.advance(200)
}

it('the caller of a trunk, by the number that called, with the transferor beside it', async () => {
  const { alice, bob } = await open()
  const call = await trunkCallsAlice(gateway, alice)
  await refer(gateway, call.callee, '<sip:bob@example.com>')
  const invite = await ringing(gateway, bob)
  expect(shown(invite)).toEqual(['sip:0301234@example.com', '<sip:alice@example.com>'])
  await over(invite, call.caller)
})

it('the number that was called, by the one that a trunk was asked for', async () => {
  const { alice, bob } = await open()
  const call = await aliceCallsTrunk(gateway, alice)
  await refer(gateway, call.caller, '<sip:bob@example.com>')
  const invite = await ringing(gateway, bob)
  expect(shown(invite)).toEqual(['sip:100@example.com', '<sip:alice@example.com>'])
  await over(invite, call.callee)
})

it('a user, when a trunk has transferred', async () => {
  const { alice, bob } = await open()
  const call = await aliceCallsTrunk(gateway, alice)
  await refer(gateway, call.callee, '<sip:bob@example.com>')
  const invite = await ringing(gateway, bob)
  expect(shown(invite)).toEqual(['sip:alice@example.com', '<sip:100@example.com>'])
  await over(invite, call.caller)
})

it('nobody, where the caller does not want to be shown', async () => {
  const { alice, bob } = await open({ trusted: true })
  const caller = new PeerDialog(PHONE)
  const callee = new PeerDialog(BROWSER)
  const privacy = [{ name: 'Privacy', value: 'id' }]
  const call = place(gateway.trunk, '0301234', 'alice', {
    body: offerOf(PHONE),
    handler: caller.handler,
    headers: privacy,
  })
  const first = await ringing(gateway, alice)
  callee.dialog = first.accept({ body: answerTo(first, BROWSER) }, callee.handler)
  await gateway.time.advance(200)
  caller.dialog = call.dialog
  await refer(gateway, callee, '<sip:bob@example.com>')
  const invite = await ringing(gateway, bob)
  expect(shown(invite)[0]).toBe('sip:anonymous@anonymous.invalid')
  await over(invite, caller)
})

it('a trunk is shown the transferor, who pays', async () => {
  const { alice } = await open()
  const call = await trunkCallsAlice(gateway, alice)
  await refer(gateway, call.callee, '<sip:0200@example.com>')
  const invite = await ringing(gateway, gateway.trunk)
  const [from, by] = shown(invite)
  expect([from?.split('@')[0], by]).toEqual(['sip:alice', undefined])
  await over(invite, call.caller)
})
