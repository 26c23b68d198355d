import { afterEach, expect, it } from 'vitest'
import { Secret } from '../../../config/secret.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(async () => {
  const stopped = gateway.trunkWatch.stop()
  await gateway.time.advance(40_000)
  await stopped
  await gateway.close()
})

it('a trunk that was down, and answers OPTIONS again, may have been started anew: REGISTER is sent at once', async () => {
  gateway = await ScriptedGateway.open(
    {},
    {
      optionsS: 10,
      account: {
        user: '4930',
        password: new Secret('secret'),
        md5: true,
        register: true,
        expiresS: 3_600,
        bulk: false,
      },
    },
  )
  const { time, trunk, trunkWatch, states } = gateway
  const seen: string[] = []
  let isDead = false
  trunk.answers = ({ request, respond }) => {
    seen.push(request.method)
    respond(isDead ? 503 : 200)
    return true
  }
  const registers = () => seen.filter((method) => method === 'REGISTER').length
  expect(trunkWatch.counts()).toEqual({ up: 0, down: 0, unknown: 1, registered: 0, unregistered: 1 })
  trunkWatch.start()
  await time.advance(15_000)
  expect([states.healthOf('pbx'), registers()]).toEqual(['up', 1])
  expect(trunkWatch.counts()).toEqual({ up: 1, down: 0, unknown: 0, registered: 1, unregistered: 0 })
  isDead = true
  await time.advance(30_000)
  expect([states.healthOf('pbx'), registers()]).toEqual(['down', 1])
  expect(trunkWatch.counts()).toMatchObject({ up: 0, down: 1, registered: 1 })
  isDead = false
  await time.advance(20_000)
  expect([states.healthOf('pbx'), registers()]).toEqual(['up', 2])
  await time.advance(60_000)
  expect(registers()).toBe(2)
})
