import { afterEach, expect, it } from 'vitest'
import type { TrunkConfig } from '../../../config/config.ts'
import { answerTo, PeerDialog, PHONE, place, ringing, statusOf } from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

async function open(first: Partial<TrunkConfig> = {}): Promise<Peer> {
  gateway = await ScriptedGateway.open(
    {
      trunks: [
        trunkConfig({ host: '127.0.0.1', port: 5070, ...first }),
        trunkConfig({ name: 'second', host: '127.0.0.1', port: 5071 }),
      ],
      emergency: {
        numbers: ['112'],
        prefix: '',
        trunks: ['pbx', 'second'],
        callerId: undefined,
        maxCalls: 2,
        drainTimeoutS: 60,
      },
    },
    {},
    {
      resolver: {
        addresses: async (host) => {
          if (host !== '127.0.0.1') throw new Error(`ENOTFOUND ${host}`)
          return { records: [host], ttlS: undefined }
        },
      },
    },
  )
  return gateway.registered('alice')
}

const second = (): Peer => gateway.trunkAt(5071).peer

/** Within a tenth of a second; nothing is sent to the first trunk. */
async function expectAtOnce(alice: Peer): Promise<void> {
  const sent = gateway.trunkFlow.sent.length
  const call = place(alice, 'alice', '112')
  const startMs = gateway.time.nowMs()
  const invite = await ringing(gateway, second())
  expect(gateway.time.nowMs() - startMs).toBeLessThan(100)
  const centre = new PeerDialog(PHONE)
  centre.dialog = invite.accept({ body: answerTo(invite, PHONE) }, centre.handler)
  await gateway.time.advance(200)
  expect(statusOf(call)).toBe(200)
  expect(gateway.trunkFlow.sent.slice(sent)).toEqual([])
  call.dialog?.bye()
  await gateway.time.advance(200)
}

it('a trunk that OPTIONS have found down is passed by, and is tried all the same after the others', async () => {
  const alice = await open()
  gateway.states.noteHealth('pbx', 'down')
  await expectAtOnce(alice)
  second().invites.length = 0
  const call = place(alice, 'alice', '112')
  ;(await ringing(gateway, second())).reject(503)
  const invite = await ringing(gateway, gateway.trunk)
  const centre = new PeerDialog(PHONE)
  centre.dialog = invite.accept({ body: answerTo(invite, PHONE) }, centre.handler)
  await gateway.time.advance(200)
  expect(statusOf(call)).toBe(200)
  call.dialog?.bye()
  await gateway.time.advance(200)
})

it('a trunk that has asked to be left alone is passed by', async () => {
  const alice = await open()
  const call = place(alice, 'alice', '112')
  const refused = await ringing(gateway, gateway.trunk)
  refused.reject(503, { headers: [{ name: 'Retry-After', value: '120' }] })
  const invite = await ringing(gateway, second())
  const centre = new PeerDialog(PHONE)
  centre.dialog = invite.accept({ body: answerTo(invite, PHONE) }, centre.handler)
  await gateway.time.advance(200)
  expect(statusOf(call)).toBe(200)
  call.dialog?.bye()
  await gateway.time.advance(10_000)
  second().invites.length = 0
  await expectAtOnce(alice)
})

it('a trunk whose name has no address is passed by', async () => {
  await expectAtOnce(await open({ host: 'nowhere.example' }))
})
