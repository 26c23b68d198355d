// A browser that sets our answer at the 200 only (SIP.js) was hung up 15 s after a 183 with SDP, in a waiting queue of 112 too.
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { answerTo, PHONE, place, quiet, ringing, statusOf } from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { until } from '../../harness/until.ts'

/** Time of media is real. */
const LIMIT_MS = 200

let gateway: ScriptedGateway
let alice: Peer
beforeEach(async () => {
  const emergency = { prefix: '', callerId: undefined, maxCalls: 2, drainTimeoutS: 60 }
  gateway = await ScriptedGateway.open(
    {
      emergency: { ...emergency, numbers: ['112'], trunks: ['pbx'] },
    },
    {},
    { media: { iceTimeoutMs: LIMIT_MS, dtlsTimeoutMs: LIMIT_MS } },
  )
  alice = await gateway.registered('alice')
})
afterEach(() => gateway.close())

const failures = () => gateway.logged('call failed').map(({ fields }) => fields.code)

it.each(['0100', '112'])(
  'a browser may wait with its first check until %s answers, however long',
  async (number) => {
    const call = place(alice, 'alice', number)
    const invite = await ringing(gateway, gateway.trunk)
    const answer = answerTo(invite, PHONE)
    invite.progress(183, { body: answer })
    await gateway.time.advance(100)
    expect(call.progress.at(-1)?.body.length).toBeGreaterThan(0)
    await delay(2 * LIMIT_MS)
    await gateway.time.advance(100)
    expect([statusOf(call), failures()]).toEqual([undefined, []])

    invite.accept({ body: answer }, quiet)
    await gateway.time.advance(100)
    expect([statusOf(call), failures()]).toEqual([200, []])
    await until(() => failures().length > 0)
    expect(failures()).toEqual(['ice.no-check-seen'])
    gateway.expectsVerdicts('ice.no-check-seen')
  },
)

it('who talks to an application has no time to wait', async () => {
  const call = place(alice, 'alice', 'echo')
  await gateway.time.advance(100)
  expect(statusOf(call)).toBe(200)
  await until(() => failures().length > 0)
  expect(failures()).toEqual(['ice.no-check-seen'])
  gateway.expectsVerdicts('ice.no-check-seen')
})
