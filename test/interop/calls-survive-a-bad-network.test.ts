import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { closeAll } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { atRandomOnce } from '../harness/lossy-udp.ts'
import { TrunkSite } from '../harness/trunk-site.ts'

const TRUNK_HZ = 425
const BROWSER_HZ = 1000
const CALLS = 5

/** With a seed each. SIPp sends its tone only behind the ACK: were that lost for seconds, the gateway would rightly miss the tone. */
describe.each([
  ['10 % loss', 11, { drop: 0.1 }],
  ['25 % loss', 12, { drop: 0.25 }],
  ['half of all datagrams twice', 13, { twice: 0.5 }],
  ['a third of all datagrams out of order', 14, { late: 0.33 }],
  ['loss, doubles and disorder together', 15, { drop: 0.1, twice: 0.2, late: 0.2 }],
] as const)('with %s', (_name, seed, shares) => {
  // One each, for a second try too: SIPp takes a BYE that is still said to the one before it for a call, and answers one call less.
  let site: TrunkSite
  beforeEach(async () => {
    site = await TrunkSite.start()
  })
  afterEach(async () => {
    await closeAll()
    await site.close()
  })

  test(`${CALLS} calls to a trunk are answered, heard and ended`, async () => {
    const trunk = await site.trunkBehind(atRandomOnce(seed, shares), 'uas-answer', {
      toneHz: TRUNK_HZ,
      calls: CALLS,
      timeoutS: 60,
    })
    const alice = await site.phone()
    const calls = await Promise.all(
      Array.from({ length: CALLS }, () => alice.call('9100', { toneHz: BROWSER_HZ })),
    )
    await Promise.all(calls.map((call) => call.waitForTone(TRUNK_HZ, 300, { timeoutMs: 40_000 })))
    expect(calls.map((call) => call.finalStatus)).toEqual(calls.map(() => 200))
    await Promise.all(calls.map((call) => call.hangUp()))
    await expectSuccess(trunk)
    await site.daemon.waitForNoCalls()
  })

  test('a call from a trunk is answered, heard and ended', async () => {
    const alice = await site.phone()
    const trunk = await site.callerBehind(atRandomOnce(seed, shares), 'uac-call', {
      toneHz: TRUNK_HZ,
      holdMs: 3_000,
      timeoutS: 60,
    })
    const call = await alice.nextInvitation({ timeoutMs: 40_000 })
    await call.answer({ toneHz: BROWSER_HZ })
    await call.waitForTone(TRUNK_HZ, 300, { timeoutMs: 40_000 })
    await call.waitForEnd({ timeoutMs: 40_000 })
    await expectSuccess(trunk)
  })
})
