import { afterEach, expect, it } from 'vitest'
import { REFUSAL_RATES } from '../../../gateway/refusals.ts'
import { place, statusOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

// A script with one good password filled disk and history with calls that never were: each had a record, a line and a report.

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const attempt = (peer: Parameters<typeof place>[0], user: string) => place(peer, user, '77', { body: 'none' })

it('one past the rate of a user is refused as ever and counted, without a record; those of another are recorded', async () => {
  gateway = await ScriptedGateway.open()
  const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
  const { burst, perSecond } = REFUSAL_RATES.party
  const calls = Array.from({ length: burst + 1 }, () => attempt(alice, 'alice'))
  await gateway.time.advance(100)
  expect(new Set(calls.map(statusOf))).toEqual(new Set([404]))
  const told = (): readonly number[] => [gateway.records.length, gateway.logged('call refused').length]
  expect(told()).toEqual([burst, burst])
  expect(gateway.refusals.counters()).toEqual({ unlogged: 1 })
  attempt(bob, 'bob')
  await gateway.time.advance(100)
  expect(gateway.records.at(-1)).toMatchObject({ caller: 'user:bob' })
  expect(told()).toEqual([burst + 1, burst + 1])
  await gateway.time.advance(1_000)
  for (let count = 0; count < perSecond; count += 1) attempt(alice, 'alice')
  await gateway.time.advance(100)
  expect(told()).toEqual([burst + 1 + perSecond, burst + 1 + perSecond])
  gateway.expectsVerdicts(
    ...Array.from({ length: burst + 1 + perSecond }, () => 'call.unknown-number' as const),
  )
})

it('calls for help are told past what else a user was refused, and have the same rate by themselves', async () => {
  const emergency = {
    numbers: ['112'],
    prefix: '0',
    trunks: ['pbx'],
    callerId: undefined,
    maxCalls: 0,
    drainTimeoutS: 60,
  }
  gateway = await ScriptedGateway.open({ emergency })
  const alice = await gateway.registered('alice')
  const { burst } = REFUSAL_RATES.party
  for (let count = 0; count <= burst; count += 1) attempt(alice, 'alice')
  for (let count = 0; count <= burst; count += 1) place(alice, 'alice', '112')
  await gateway.time.advance(100)
  const helped = gateway.records.filter(({ callee }) => callee === '112')
  expect([helped.length, gateway.records.length, gateway.logged('call refused').length]).toEqual([
    burst,
    2 * burst,
    2 * burst,
  ])
  expect(gateway.refusals.counters()).toEqual({ unlogged: 2 })
  gateway.expectsVerdicts(
    ...Array.from({ length: burst }, () => 'call.unknown-number' as const),
    ...Array.from({ length: burst }, () => 'call.overload' as const),
  )
})
