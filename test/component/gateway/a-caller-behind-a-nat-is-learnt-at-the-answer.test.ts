import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { LocalTransport } from '../../../media/parameters.ts'
import { UdpPeer } from '../../harness/relay-bench.ts'
import { rtp } from '../../harness/rtp-packet.ts'
import { answerTo, BROWSER, offerOf, PHONE, place, quiet, ringing } from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

/** Of the relay's clock, which is real. */
const LATCH_MS = 1_000
const PCMA = 8

let gateway: ScriptedGateway
let alice: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open({}, {}, { media: { latchMs: LATCH_MS } })
  alice = await gateway.registered('alice')
})
afterEach(() => gateway.close())

const portOf = (body: Buffer): number => Number(/m=audio (\d+)/.exec(body.toString())?.[1])
const callerStats = async () => (await gateway.sessions.at(-1)?.stats())?.legs.caller

it('though early media was answered long before: its phone says nothing until it hears that the call is answered', async () => {
  const [described, natted] = [await UdpPeer.open(), await UdpPeer.open()]
  const phone: LocalTransport = { ...PHONE, rtp: described.address } as LocalTransport
  const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(phone), handler: quiet })
  const invite = await ringing(gateway, alice)
  const answer = answerTo(invite, BROWSER)
  invite.progress(183, { body: answer })
  await gateway.time.advance(100)
  const early = call.progress.find(({ status }) => status === 183)
  const at = { address: '127.0.0.1', port: portOf(early?.body ?? Buffer.alloc(0)) }

  await delay(LATCH_MS + 20)
  natted.send(rtp({ payloadType: PCMA, sequence: 1 }), at)
  await expect.poll(async () => (await callerStats())?.drops).toMatchObject({ 'media.wrong-source': 1 })

  invite.accept({ body: answer }, quiet)
  await gateway.time.advance(100)
  natted.send(rtp({ payloadType: PCMA, sequence: 2 }), at)
  await expect.poll(async () => (await callerStats())?.packetsReceived).toBe(1)
  expect((await callerStats())?.remote).toBe(`127.0.0.1:${natted.address.port}`)
  gateway.expectsVerdicts('climbed caller S6 received')
  call.dialog?.bye()
  await gateway.time.advance(1_000)
})
