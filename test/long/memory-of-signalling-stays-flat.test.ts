import { expect, test } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { CallHistory } from '../../gateway/ladder/call-history.ts'
import { CallTrace } from '../../gateway/ladder/call-trace.ts'
import { isSipUri } from '../../sip/message/message.ts'
import { type Footprint, footprint } from '../harness/call-churn.ts'
import { answered, BROWSER, PHONE } from '../harness/scripted-calls.ts'
import { ScriptedGateway } from '../harness/scripted-gateway.ts'
import { parseRequest, requestText } from '../harness/sip/sip-messages.ts'

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

// Text cut from a message keeps the whole of it: a thousand remembered calls kept 57 MB of INVITEs.
test('1 000 calls that are remembered keep nothing of the messages that began them', async () => {
  const history = new CallHistory({ maxCalls: 1_000, keepMs: 1e9, nowMs: () => 0 })
  const call = (index: number): void => {
    const lines = [
      `Call-ID: call-${index}-of-somebody`,
      ...Array.from({ length: 15 }, () => `X: ${'x'.repeat(4_000)}`),
    ]
    const { callId, from, to } = parseRequest(requestText('INVITE', lines))
    const [caller, callee] = [from, to].map(({ uri }) => `user:${isSipUri(uri) ? uri.user : ''}`)
    const trace = new CallTrace({
      callId,
      caller: caller ?? '',
      callee: callee ?? '',
      nowMs: () => 0,
      startedAt: new Date(0),
    })
    trace.leg('caller', caller ?? '', 'webrtc')
    trace.dialog(callId.slice(1))
    history.end(trace)
  }
  call(0)
  const before = await footprint()
  for (let index = 1; index < 1_000; index += 1) call(index)
  const after = await footprint()
  expect(history.size).toBe(1_000)
  expect(after.javascript - before.javascript).toBeLessThan(5 * 2 ** 20)
})
