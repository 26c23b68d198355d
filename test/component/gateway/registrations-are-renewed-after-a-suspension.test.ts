import { afterEach, expect, it } from 'vitest'
import { Secret } from '../../../config/secret.ts'
import { ClockWatch } from '../../../gateway/clock-watch.ts'
import { ringing } from '../../harness/scripted-calls.ts'
import { EXTENSIONS, ScriptedPbx } from '../../harness/scripted-pbx.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

const SUSPENDED_MS = 3_600_000

let pbx: ScriptedPbx
afterEach(async () => {
  const stopped = Promise.all([pbx.gateway.mode.stop(), pbx.gateway.trunkWatch.stop()])
  await pbx.gateway.time.advance(1_000)
  await stopped
  await pbx.gateway.close()
})

const account = (user: keyof typeof EXTENSIONS) => ({
  user,
  password: new Secret(EXTENSIONS[user]),
  md5: true,
})
const user = (name: string, extension: keyof typeof EXTENSIONS) => ({
  name,
  password: new Secret(`${name} at the gateway`),
  account: account(extension),
})

it('at the trunk, and at the PBX for users who are here: their timers stood still, those of the others did not', async () => {
  const provided = { ...account('1001'), register: true, expiresS: 3_600, bulk: false }
  pbx = await ScriptedPbx.open(
    { credentials: 'gateway' },
    {
      users: [user('alice', '1001'), user('bob', '1002')],
      trunks: [trunkConfig({ host: '127.0.0.1', port: 5070, account: provided })],
    },
  )
  const { gateway } = pbx
  let registersAtTrunk = 0
  gateway.trunk.answers = ({ request, respond }) => {
    if (request.method === 'REGISTER') registersAtTrunk += 1
    respond(200)
    return true
  }
  gateway.trunkWatch.start()
  const alice = await gateway.registered('alice')
  await gateway.time.advance(100)
  let aheadMs = 0
  const clock = new ClockWatch({
    nowMs: () => gateway.time.nowMs(),
    dateMs: () => gateway.time.nowMs() + aheadMs,
    log: { warn() {} },
    onForward: () => gateway.signalling.renewRegistrations(),
  })
  expect([[...pbx.bindings.keys()], registersAtTrunk]).toEqual([['1001'], 1])

  pbx.bindings.clear()
  aheadMs = SUSPENDED_MS
  clock.look()
  await gateway.time.advance(100)
  expect([[...pbx.bindings.keys()], registersAtTrunk]).toEqual([['1001'], 2])
  const call = pbx.calls(pbx.uriOf('1001').uri)
  ;(await ringing(gateway, alice)).reject(486)
  await gateway.time.advance(100)
  expect(typeof call.final === 'object' && call.final.status).toBe(486)
  gateway.expectsVerdicts('call.refused')

  // One that is set back says nothing of time that has gone by.
  const sent = pbx.registers.length
  aheadMs = 0
  clock.look()
  await gateway.time.advance(1_000)
  expect([pbx.registers.length, registersAtTrunk]).toEqual([sent, 2])
})
