import { expect, test } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { type Footprint, footprint } from '../harness/call-churn.ts'
import { answered, BROWSER, PHONE } from '../harness/scripted-calls.ts'
import { ScriptedGateway } from '../harness/scripted-gateway.ts'

/** Until the history of calls is full, code is compiled, and tables have the size that they keep. */
const WARM = 2_000
const CALLS = 5_000
/** Calls of one WebSocket: then its browser goes, and the next one comes and registers. */
const CALLS_A_BROWSER = 4
/** What V8 keeps of compiled code; 5 000 calls that leave 200 octets each are more. */
const MAX_JAVASCRIPT = 2 ** 20

/** Ours and of both peers, each a user agent of the same stack. */
async function run(gateway: ScriptedGateway, count: number): Promise<void> {
  for (let done = 0; done < count; done += CALLS_A_BROWSER) {
    const alice = await gateway.registered('alice')
    for (let call = 0; call < CALLS_A_BROWSER; call += 1) {
      const { caller, callee } = await answered(
        gateway,
        { peer: alice, user: 'alice', local: BROWSER },
        { peer: gateway.trunk, number: '0100', local: PHONE },
      )
      caller.dialog?.bye()
      await gateway.time.advance(50)
      expect(callee.ended).toBe('bye')
      gateway.trunk.invites.length = 0
    }
    await gateway.disconnect(alice)
    gateway.forget()
  }
  // The last transactions, and what is kept for who may come back.
  expect(await gateway.leftovers()).toEqual({})
  gateway.forget()
}

test('5 000 calls and 1 250 registrations, made and ended, leave no memory', async () => {
  const demo = loadConfig(undefined, {})
  const gateway = await ScriptedGateway.open({
    limits: { ...demo.limits, user: { ...demo.limits.user, callsPerMinute: 0 } },
  })
  await run(gateway, WARM)
  const before = await footprint()
  await run(gateway, CALLS)
  const after = await footprint()
  const kib = ({ javascript }: Footprint): number => Math.round(javascript / 1024)
  console.log(`${kib(before)} KiB before, ${kib(after)} KiB after`)
  expect(after.javascript - before.javascript).toBeLessThan(MAX_JAVASCRIPT)
  await gateway.close()
}, 1_800_000)
