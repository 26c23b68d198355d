import { afterEach, expect, it } from 'vitest'
import { answered, BROWSER, PHONE, place, ringing } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

// Every test with a gateway relies on this: a call that is not as good as its test believes makes the test fail.

let gateway: ScriptedGateway
afterEach(async () => {
  // Nothing is expected any more.
  gateway.verdicts.expectNoOtherThan(['call.refused', 'climbed callee S6 received'])
  await gateway.close()
})

async function refusedCall(): Promise<void> {
  gateway = await ScriptedGateway.open()
  place(await gateway.registered('alice'), 'alice', '0100')
  ;(await ringing(gateway, gateway.trunk)).reject(486)
  await gateway.time.advance(100)
}

async function goodCall(meanwhile = (): void => {}): Promise<void> {
  gateway = await ScriptedGateway.open()
  const call = await answered(
    gateway,
    { peer: await gateway.registered('alice'), user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: PHONE },
  )
  meanwhile()
  call.caller.dialog?.bye()
  await gateway.time.advance(100)
}

const check = (): void => gateway.verdicts.check(gateway.records)

it('that nobody expects', async () => {
  await refusedCall()
  expect(check).toThrow('user:alice -> trunk:pbx: call.refused')
  gateway.expectsVerdicts('call.refused')
  expect(check).not.toThrow()
})

it('that is another than expected, is missing, or comes once more', async () => {
  await refusedCall()
  for (const calls of [
    ['call.no-answer'],
    ['call.refused', 'call.refused'],
    [['call.refused', 'cancelled']],
  ] as const) {
    gateway.expectsVerdicts(...calls)
    expect(check, calls.join()).toThrow('verdicts of calls')
  }
})

it('of a good call', async () => {
  await goodCall()
  expect(check).not.toThrow()
  gateway.expectsVerdicts('cancelled')
  expect(check).toThrow('verdicts of calls')
})

it('that says less than there was: rungs that were not climbed', async () => {
  await goodCall()
  gateway.verdicts.isWithoutMedia = false
  expect(check).toThrow('open caller S3, open caller S4, open caller S5, open caller S6 received')
  gateway.verdicts.isWithoutMedia = true
})

it('that claims media where there is none', async () => {
  await goodCall(() =>
    gateway.observers[0]?.onStage('callee', {
      kind: 'first-packet',
      direction: 'received',
      remote: 'nowhere',
    }),
  )
  expect(check).toThrow('climbed callee S6 received')
})
