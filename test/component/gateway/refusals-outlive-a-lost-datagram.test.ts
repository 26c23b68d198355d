import { afterEach, expect, it } from 'vitest'
import { Secret } from '../../../config/secret.ts'
import {
  answerTo,
  BROWSER,
  offerOf,
  PHONE,
  place,
  quiet,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

/** The first answer of this status to a trunk is lost; whoever has heard 100 would wait for it for ever. */
function loseFirst(status: number): void {
  let isLost = false
  gateway.trunkFlow.drops = (text) => {
    const isIt = !isLost && text.startsWith(`SIP/2.0 ${status} `)
    isLost ||= isIt
    return isIt
  }
}

it('the challenge to a trunk that signs in', async () => {
  const password = new Secret('open sesame')
  gateway = await ScriptedGateway.open(
    {},
    { inbound: { domain: undefined, credentials: { user: 'pbx', password, md5: true, md5Only: false } } },
  )
  const alice = await gateway.registered('alice')
  gateway.trunk.account = { user: 'pbx', password, md5: true }
  loseFirst(401)
  const call = place(gateway.trunk, '100', 'alice', { body: offerOf(PHONE) })
  await gateway.time.advance(1_000)
  const invite = await ringing(gateway, alice)
  const dialog = invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
  await gateway.time.advance(100)
  expect(statusOf(call)).toBe(200)
  dialog.bye()
})

it('the refusal of a gateway that stops', async () => {
  gateway = await ScriptedGateway.open()
  await gateway.registered('alice')
  await gateway.calls.drain()
  loseFirst(503)
  const call = place(gateway.trunk, '100', 'alice', { body: offerOf(PHONE) })
  await gateway.time.advance(1_000)
  expect(statusOf(call)).toBe(503)
})
