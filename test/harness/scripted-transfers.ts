import type { SipResponse } from '../../sip/message/message.ts'
import type { InviteDialog, NoAnswer } from '../../sip/user-agent.ts'
import { answered, BROWSER, type PeerDialog, PHONE } from './scripted-calls.ts'
import type { Peer, ScriptedGateway } from './scripted-gateway.ts'

export const aliceParty = (alice: Peer) => ({ peer: alice, user: 'alice', local: BROWSER })
export const trunkParty = (gateway: ScriptedGateway) => ({
  peer: gateway.trunk,
  user: '0301234',
  number: '0100',
  local: PHONE,
})
export const aliceCallsTrunk = (gateway: ScriptedGateway, alice: Peer) =>
  answered(gateway, aliceParty(alice), trunkParty(gateway))
export const trunkCallsAlice = (gateway: ScriptedGateway, alice: Peer) =>
  answered(gateway, trunkParty(gateway), { peer: alice, number: 'alice', local: BROWSER })

/** Sends REFER; the final answer and every sipfrag that NOTIFY brings. */
export async function refer(
  gateway: ScriptedGateway,
  side: PeerDialog,
  target: string,
  headers: { name: string; value: string }[] = [],
) {
  const fragments: string[] = []
  side.onNotify = (body) => fragments.push(body.trim())
  let status: number | NoAnswer | undefined
  side.dialog?.request(
    'REFER',
    { headers: [{ name: 'Refer-To', value: target }, ...headers] },
    (response: SipResponse | NoAnswer) => {
      status = typeof response === 'string' ? response : response.status
    },
  )
  await gateway.time.advance(200)
  return { fragments, status: () => status }
}

export const replacesOf = (dialog: InviteDialog | undefined): string =>
  // The transferor's own tag is from-tag, ours is to-tag (RFC 3891 §3), escaped as a URI header.
  encodeURIComponent(`${dialog?.callId};to-tag=${dialog?.remoteTag};from-tag=${dialog?.localTag}`)
