import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { closeAll } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { attributeOf, type Direction, directionOf } from '../harness/redescribe.ts'
import { methodOf, statusOf } from '../harness/sip-text.ts'
import type { Sipp } from '../harness/sipp.ts'
import { TrunkSite } from '../harness/trunk-site.ts'
import { waitFor } from '../harness/wait-for.ts'
import type { WebrtcCall } from '../harness/webrtc-call.ts'

const TRUNK_HZ = 425
const BROWSER_HZ = 1000

let site: TrunkSite
beforeAll(async () => {
  site = await TrunkSite.start()
})
afterEach(closeAll)
afterAll(() => site.close())

const talk = async (): Promise<WebrtcCall> => {
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ })
  await call.waitForTone(TRUNK_HZ)
  return call
}

/** What must not change in mid-call: a browser that finds it changed drops the call or starts ICE and DTLS anew. */
const transportOf = (description: string): readonly (string | undefined)[] =>
  ['ice-ufrag', 'ice-pwd', 'fingerprint', 'mid'].map((name) => attributeOf(description, name))

/** ACKs both ways. */
const waitForAcks = (trunk: Sipp, count: number): Promise<void> =>
  expect
    .poll(async () => (await trunk.messages()).match(/^CSeq: \d+ ACK/gm)?.length ?? 0, { timeout: 15_000 })
    .toBeGreaterThanOrEqual(count)

describe('the trunk holds and resumes, spelt', () => {
  test.each([
    ['sendonly', '[media_ip]', 'a=sendonly', 'sendonly', 'recvonly'],
    ['inactive', '[media_ip]', 'a=inactive', 'inactive', 'inactive'],
    // RFC 3264 §8.4: the old spelling says that nothing can be received.
    ['0.0.0.0', '0.0.0.0', 'a=sendrecv', 'sendonly', undefined],
    ['0.0.0.0 without a direction', '0.0.0.0', 'a=ptime:20', 'sendonly', undefined],
  ] as const)('%s', async (_name, hold_address, hold_line, towardsBrowser, answer) => {
    const address = hold_address === '0.0.0.0' ? hold_address : '127.0.0.1'
    const trunk = await site.trunk('uas-holds', {
      toneHz: TRUNK_HZ,
      holdMs: 1_200,
      keys: { hold_address: address, hold_line },
    })
    const call = await talk()
    const first = call.remoteDescription
    await call.waitForRemoteDirection(towardsBrowser)
    expect(call.remoteDescription).not.toContain('0.0.0.0')
    await call.waitForRemoteDirection('sendrecv')
    await call.waitForMoreTone(TRUNK_HZ)
    expect(transportOf(call.remoteDescription)).toEqual(transportOf(first))
    await call.hangUp()
    const log = await expectSuccess(trunk)
    if (answer !== undefined) expect(log).toContain(`a=${answer}`)
  })

  test('by UPDATE', async () => {
    const trunk = await site.trunk('uas-holds-by-update', { toneHz: TRUNK_HZ, holdMs: 1_200 })
    const call = await talk()
    await call.waitForRemoteDirection('sendonly')
    await call.waitForRemoteDirection('sendrecv')
    await call.waitForMoreTone(TRUNK_HZ)
    await call.hangUp()
    await expectSuccess(trunk)
  })
})

test('the browser holds and resumes', async () => {
  const trunk = await site.trunk('uas-is-held', { toneHz: TRUNK_HZ })
  const call = await talk()
  const held = await call.reoffer('sendonly')
  expect(statusOf(held), held.startLine).toBe(200)
  expect(directionOf(held.body)).toBe('recvonly')
  const resumed = await call.reoffer('sendrecv')
  expect(directionOf(resumed.body)).toBe('sendrecv')
  expect(transportOf(resumed.body)).toEqual(transportOf(held.body))
  await call.waitForMoreTone(TRUNK_HZ)
  await call.hangUp()
  await expectSuccess(trunk)
})

test('the browser holds by UPDATE', async () => {
  const trunk = await site.trunk('uas-is-held', { toneHz: TRUNK_HZ })
  const call = await talk()
  expect(statusOf(await call.reoffer('sendonly', 'UPDATE'))).toBe(200)
  expect(statusOf(await call.reoffer('sendrecv', 'UPDATE'))).toBe(200)
  await call.waitForMoreTone(TRUNK_HZ)
  await call.hangUp()
  await expectSuccess(trunk)
})

test('a re-INVITE of the trunk without an offer gets the whole offer and does not disturb the browser', async () => {
  const trunk = await site.trunk('uas-reinvite-without-sdp', { toneHz: TRUNK_HZ, holdMs: 500 })
  const call = await talk()
  await call.waitForMoreTone(TRUNK_HZ, 1_500)
  await call.hangUp()
  await expectSuccess(trunk)
  expect(call.received.filter((message) => methodOf(message) === 'INVITE')).toEqual([])
})

test('a re-INVITE of the browser without an offer is offered what there is', async () => {
  const trunk = await site.trunk('uas-answer', { toneHz: TRUNK_HZ })
  const call = await talk()
  const first = call.remoteDescription
  const response = await call.reoffer(undefined)
  expect(statusOf(response), response.startLine).toBe(200)
  expect(directionOf(response.body)).toBe('sendrecv')
  expect(transportOf(response.body)).toEqual(transportOf(first))
  await call.waitForMoreTone(TRUNK_HZ)
  await call.hangUp()
  await expectSuccess(trunk)
})

describe('a delayed offer', () => {
  test('of the trunk: the gateway offers to both', async () => {
    const alice = await site.phone()
    const trunk = await site.caller('uac-delayed-offer', { toneHz: TRUNK_HZ, holdMs: 2_000 })
    const call = await alice.nextInvitation()
    expect(call.remoteDescription === '' ? call.received[0]?.body : call.remoteDescription).toContain(
      'm=audio',
    )
    await call.answer({ toneHz: BROWSER_HZ })
    await call.waitForTone(TRUNK_HZ)
    await call.waitForEnd()
    await expectSuccess(trunk)
  })

  test('of the browser: it answers in its ACK', async () => {
    const trunk = await site.trunk('uas-agrees', { toneHz: TRUNK_HZ })
    const alice = await site.phone()
    const call = await alice.call('9100', { toneHz: BROWSER_HZ, isOfferless: true })
    await call.waitForTone(TRUNK_HZ)
    await call.hangUp()
    await expectSuccess(trunk)
  })
})

describe('glare', () => {
  test('491 of the trunk is met by another try', async () => {
    const trunk = await site.trunk('uas-491-then-agrees', { toneHz: TRUNK_HZ })
    const call = await talk()
    expect(statusOf(await call.reoffer('sendonly'))).toBe(200)
    // RFC 3261 §14.1: 2.1 to 4 s, as the Call-ID is ours.
    await waitForAcks(trunk, 3)
    await call.hangUp()
    await expectSuccess(trunk)
  })

  test('re-INVITEs that cross are both refused, and both come again', async () => {
    const trunk = await site.trunk('uas-glare', { toneHz: TRUNK_HZ })
    const call = await talk()
    expect(statusOf(await call.reoffer('sendonly'))).toBe(200)
    await waitForAcks(trunk, 5)
    await call.hangUp()
    await expectSuccess(trunk)
  })

  test('491 of the browser is met by another try', async () => {
    const trunk = await site.trunk('uas-holds', {
      toneHz: TRUNK_HZ,
      holdMs: 800,
      keys: { hold_address: '127.0.0.1', hold_line: 'a=sendonly' },
    })
    const call = await talk()
    call.onReoffer = '491 Request Pending'
    await call.waitForRequest('INVITE')
    call.onReoffer = 'agree'
    await call.waitForRequest('INVITE', 2, { timeoutMs: 10_000 })
    await call.waitForRemoteDirection('sendrecv')
    await call.hangUp()
    await expectSuccess(trunk)
  })
})

const refusals = (): number =>
  site.daemon.log.filter(({ message }) => message === 'change refused by peer').length

test('a change that the trunk refuses leaves the call as it was', async () => {
  const trunk = await site.trunk('uas-refuses-reinvites', { toneHz: TRUNK_HZ })
  const call = await talk()
  const before = refusals()
  const held = await call.reoffer('sendonly')
  await waitFor('a refused hold', () => refusals() > before)
  await call.reoffer('sendonly')
  await waitFor('the next one, which the trunk is told though it had refused', () => refusals() > before + 1)
  // The trunk holds nothing, and has nothing to resume.
  const resumed = await call.reoffer('sendrecv')
  // The hold of the browser is between it and us: whatever the trunk says, what it sends is not passed on.
  expect([statusOf(held), directionOf(held.body)]).toEqual([200, 'recvonly'])
  expect([statusOf(resumed), directionOf(resumed.body)]).toEqual([200, 'sendrecv'])
  await call.waitForMoreTone(TRUNK_HZ)
  await call.hangUp()
  await expectSuccess(trunk)
  expect(call.received.filter((message) => methodOf(message) === 'INVITE')).toEqual([])
  site.daemon.expectsVerdicts('call.change-refused')
})

test.each(['sendonly', 'inactive'] satisfies Direction[])(
  'the trunk holds (%s), the browser holds and resumes, the trunk resumes',
  async (direction) => {
    const trunk = await site.trunk('uas-holds-while-held', {
      toneHz: TRUNK_HZ,
      holdMs: 1_200,
      keys: { hold_address: '127.0.0.1', hold_line: `a=${direction}` },
    })
    const call = await talk()
    await call.waitForRemoteDirection(direction)
    const held = await call.reoffer('inactive')
    expect(directionOf(held.body)).toBe('inactive')
    const resumed = await call.reoffer('sendrecv')
    // The trunk still holds: RFC 6337 §5.3.
    expect(directionOf(resumed.body)).toBe(direction)
    await call.waitForRemoteDirection('sendrecv')
    await call.waitForMoreTone(TRUNK_HZ)
    await call.hangUp()
    await expectSuccess(trunk)
  },
)
