import { afterEach, describe, expect, it } from 'vitest'
import type { Config } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import type { NoAnswer } from '../../../sip/user-agent.ts'
import {
  answered,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  type PlacedCall,
  place,
  quiet,
  reasonText,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway, statusIn } from '../../harness/scripted-gateway.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

let gateway: ScriptedGateway
afterEach(async () => {
  await gateway.close()
  expect(gateway.calls.counters()).toMatchObject({ calls: 0, emergencyCalls: 0, placed: {} })
})

const demo = loadConfig(undefined, {})
const limits = (
  user: Partial<Config['limits']['user']>,
  trunk: Partial<Config['limits']['trunk']> = {},
): Config['limits'] => ({
  user: { ...demo.limits.user, ...user },
  trunk: { ...demo.limits.trunk, ...trunk },
})
const open = (of: Config['limits'], more: Partial<Config> = {}) =>
  ScriptedGateway.open({ limits: of, ...more })

const seen = (call: PlacedCall) => [statusOf(call), /text="([^"]*)"/.exec(reasonText(call) ?? '')?.[1]]
const hangUp = async (...calls: { readonly dialog: { bye(): void } | undefined }[]) => {
  for (const { dialog } of calls) dialog?.bye()
  await gateway.time.advance(200)
}

describe('calls of a user', () => {
  it('one past the 10 of one user is refused, while others call; one that ends makes room', async () => {
    gateway = await ScriptedGateway.open()
    const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
    const calls = Array.from({ length: 11 }, () => place(alice, 'alice', 'echo'))
    await gateway.time.advance(500)
    const ofBob = place(bob, 'bob', 'echo')
    await gateway.time.advance(500)
    expect(calls.slice(0, 10).map(statusOf)).toEqual(Array(10).fill(200))
    const last = calls[10]
    expect(last === undefined ? [] : seen(last)).toEqual([503, 'limit.concurrent'])
    expect(gateway.calls.counters()).toMatchObject({ placed: { 'user:alice': 10, 'user:bob': 1 } })
    await hangUp(...calls.slice(0, 1))
    const next = place(alice, 'alice', 'echo')
    await gateway.time.advance(500)
    expect([statusOf(ofBob), statusOf(next)]).toEqual([200, 200])
    await hangUp(...calls, ofBob, next)
    gateway.expectsVerdicts('limit.concurrent')
  })

  it('one past the calls of a minute is refused until there is room, with Retry-After', async () => {
    gateway = await open(limits({ callsPerMinute: 2 }))
    const alice = await gateway.registered('alice')
    const calls = Array.from({ length: 3 }, () => place(alice, 'alice', 'echo'))
    await gateway.time.advance(500)
    expect(calls.map(seen)).toEqual([
      [200, undefined],
      [200, undefined],
      [503, 'limit.rate'],
    ])
    await gateway.time.advance(30_000)
    const later = place(alice, 'alice', 'echo')
    await gateway.time.advance(500)
    expect(statusOf(later)).toBe(200)
    await hangUp(...calls, later)
    gateway.expectsVerdicts('limit.rate')
  })

  it('last as long as the user may, and no second longer', async () => {
    gateway = await open(limits({ maxDurationS: 60 }))
    const call = place(await gateway.registered('alice'), 'alice', 'echo')
    await gateway.time.advance(59_000)
    expect(call.ended).toBeUndefined()
    await gateway.time.advance(1_500)
    expect([call.ended, call.endedBy]).toEqual(['bye', expect.stringContaining('call.too-long')])
    gateway.expectsVerdicts('call.too-long')
  })

  it('go to no number that is denied, by whatever form it is dialled', async () => {
    gateway = await open(limits({}), {
      numbers: { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' },
      routes: [{ prefix: '', trunk: 'pbx', strip: 0, add: '' }],
    })
    const alice = await gateway.registered('alice')
    const calls = ['+88216', '0088216', '00-882 16'].map((number) => place(alice, 'alice', number))
    await gateway.time.advance(200)
    for (const call of calls) expect(seen(call)).toEqual([403, 'limit.destination'])
    const allowed = place(alice, 'alice', '88216')
    ;(await ringing(gateway, gateway.trunk)).reject(404)
    await gateway.time.advance(200)
    expect(seen(allowed)).toEqual([404, 'call.refused'])
    gateway.expectsVerdicts('call.refused', 'limit.destination', 'limit.destination', 'limit.destination')
  })
})

describe('calls from a trunk', () => {
  it('one past its share is refused, and there is room for users', async () => {
    gateway = await open(limits({}, { maxShare: 50 }), { calls: { ...demo.calls, maxCalls: 2 } })
    const alice = await gateway.registered('alice')
    const [first, second] = [1, 2].map(() => place(gateway.trunk, '030', 'alice', { body: offerOf(PHONE) }))
    const invite = await ringing(gateway, alice)
    invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(200)
    if (first === undefined || second === undefined) throw new Error('no calls')
    expect([seen(first), seen(second)]).toEqual([
      [200, undefined],
      [503, 'limit.concurrent'],
    ])
    const own = place(alice, 'alice', 'echo')
    await gateway.time.advance(200)
    expect(statusOf(own)).toBe(200)
    await hangUp(first, own)
    gateway.expectsVerdicts('limit.concurrent')
  })
})

describe('calls to a trunk', () => {
  it('that is not for the number go to the next of the group; to none with 403', async () => {
    const groups = [
      {
        name: 'out',
        trunks: [
          { trunk: 'pbx', priority: 1, weight: 1 },
          { trunk: 'world', priority: 2, weight: 1 },
        ],
      },
    ]
    gateway = await ScriptedGateway.open({
      trunks: [
        trunkConfig({ host: '127.0.0.1', port: 5070, limits: { allow: ['+49'] } }),
        trunkConfig({ name: 'world', host: '127.0.0.1', port: 5071, limits: { deny: ['+1'] } }),
      ],
      groups,
      routes: [{ prefix: '+', trunk: 'out', strip: 0, add: '' }],
    })
    const alice = await gateway.registered('alice')
    const world = gateway.trunkAt(5071).peer
    const abroad = place(alice, 'alice', '+33123')
    ;(await ringing(gateway, world)).reject(486)
    await gateway.time.advance(200)
    expect([statusOf(abroad), gateway.trunk.invites]).toEqual([486, []])
    const nowhere = place(alice, 'alice', '+12125550100')
    await gateway.time.advance(200)
    expect(seen(nowhere)).toEqual([403, 'limit.destination'])
    gateway.expectsVerdicts('call.refused', 'limit.destination')
  })
})

describe('transfers', () => {
  const number = '0100'
  const aliceParty = (alice: Peer) => ({ peer: alice, user: 'alice', local: BROWSER })
  const refer = async (side: PeerDialog, target: string) => {
    let status: number | NoAnswer | undefined
    const fragments: string[] = []
    side.onNotify = (body) => fragments.push(body.trim())
    side.dialog?.request('REFER', { headers: [{ name: 'Refer-To', value: target }] }, (response) => {
      status = statusIn(response)
    })
    await gateway.time.advance(200)
    return { fragments, status: () => status }
  }
  /** The trunk calls alice, who answers. */
  const called = async (alice: Peer) =>
    answered(
      gateway,
      { peer: gateway.trunk, user: '030', local: PHONE },
      { peer: alice, number: 'alice', local: BROWSER },
    )

  it('go to no number that a call may not go to', async () => {
    gateway = await open(limits({ deny: ['9'] }))
    const call = await called(await gateway.registered('alice'))
    const transfer = await refer(call.callee, '<sip:0900@example.com>')
    expect([transfer.status(), gateway.trunk.invites]).toEqual([403, []])
    expect(call.callee.ended).toBeUndefined()
    await hangUp(call.caller)
  })

  it('out by a trunk count as a call of the transferor for as long as it lasts', async () => {
    gateway = await open(limits({ maxCalls: 1 }))
    const alice = await gateway.registered('alice')
    const call = await called(alice)
    await refer(call.callee, '<sip:0100@example.com>')
    const invite = await ringing(gateway, gateway.trunk)
    const target = new PeerDialog(PHONE)
    target.dialog = invite.accept({ body: answerTo(invite, PHONE) }, target.handler)
    await gateway.time.advance(200)
    expect([call.callee.ended, call.caller.ended]).toEqual(['bye', undefined])
    // Alice has hung up, and has no call of her own left.
    const second = place(alice, 'alice', 'echo')
    await gateway.time.advance(200)
    expect(seen(second)).toEqual([503, 'limit.concurrent'])
    await hangUp(target)
    const third = place(alice, 'alice', 'echo')
    await gateway.time.advance(200)
    expect(statusOf(third)).toBe(200)
    await hangUp(third)
    gateway.expectsVerdicts('limit.concurrent')
  })

  it('one past is refused, and the call goes on; a failed one gives its place back', async () => {
    gateway = await open(limits({ maxCalls: 1 }))
    const alice = await gateway.registered('alice')
    const call = await called(alice)
    const failing = await refer(call.callee, '<sip:0100@example.com>')
    ;(await ringing(gateway, gateway.trunk)).reject(486)
    await gateway.time.advance(200)
    expect(failing.fragments.at(-1)).toBe('SIP/2.0 486 Transfer Failed')
    const own = place(alice, 'alice', 'echo')
    await gateway.time.advance(200)
    expect(statusOf(own)).toBe(200)
    const refused = await refer(call.callee, '<sip:0100@example.com>')
    expect([refused.status(), call.callee.ended]).toEqual([503, undefined])
    await hangUp(own, call.caller)
  })

  it('to a colleague take no place', async () => {
    gateway = await open(limits({ maxCalls: 1 }))
    const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
    const call = await called(alice)
    await refer(call.callee, '<sip:bob@example.com>')
    const invite = await ringing(gateway, bob)
    const target = new PeerDialog(BROWSER)
    target.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, target.handler)
    await gateway.time.advance(200)
    const own = place(alice, 'alice', 'echo')
    await gateway.time.advance(200)
    expect(statusOf(own)).toBe(200)
    await hangUp(own, call.caller)
  })

  it('that join two calls to a trunk leave both counted, and end when the first would', async () => {
    gateway = await open(limits({ maxCalls: 2, maxDurationS: 60 }))
    const alice = await gateway.registered('alice')
    const one = await answered(gateway, aliceParty(alice), { peer: gateway.trunk, number, local: PHONE })
    await gateway.time.advance(30_000)
    gateway.trunk.invites.length = 0
    const two = await answered(gateway, aliceParty(alice), { peer: gateway.trunk, number, local: PHONE })
    const { dialog } = one.caller
    const replaces = `${dialog?.callId};to-tag=${dialog?.remoteTag};from-tag=${dialog?.localTag}`
    await refer(two.caller, `<sip:0100@example.com?Replaces=${encodeURIComponent(replaces)}>`)
    await gateway.time.advance(500)
    expect([gateway.calls.size, one.caller.ended, two.caller.ended]).toEqual([1, 'bye', 'bye'])
    expect(gateway.calls.counters()).toMatchObject({ placed: { 'user:alice': 2 } })
    const third = place(alice, 'alice', 'echo')
    await gateway.time.advance(200)
    expect(seen(third)).toEqual([503, 'limit.concurrent'])
    await gateway.time.advance(30_000)
    expect([one.callee.ended, two.callee.ended]).toEqual(['bye', 'bye'])
    gateway.expectsVerdicts('limit.concurrent', 'media.none-from-trunk', [
      'media.none-from-trunk',
      'media.none-from-trunk',
      'call.too-long',
    ])
  })

  it('give a call no more time than its transferor has', async () => {
    gateway = await open(limits({ maxDurationS: 60 }))
    const call = await called(await gateway.registered('alice'))
    await refer(call.callee, '<sip:0100@example.com>')
    const invite = await ringing(gateway, gateway.trunk)
    const target = new PeerDialog(PHONE)
    target.dialog = invite.accept({ body: answerTo(invite, PHONE) }, target.handler)
    await gateway.time.advance(59_000)
    expect(target.ended).toBeUndefined()
    await gateway.time.advance(2_000)
    expect([target.ended, call.caller.ended]).toEqual(['bye', 'bye'])
    gateway.expectsVerdicts(['media.none-from-trunk', 'media.none-from-trunk', 'call.too-long'])
  })
})

describe('a number that is denied', () => {
  it.each([
    ['as it is', '0900123'],
    ['in international form', '+49900123'],
    ['with a plus too many', '++49900123'],
    ['with a plus before the prefix', '+0049900123'],
    ['behind what carriers pass over', '~0900123'],
    ['behind a slash', '/0900123'],
    ['behind a blank of another kind', '\u00a00900123'],
    ['behind the code that hides the caller', '*31#0900123'],
    ['behind two of them', '#31#*67+49900123'],
    ['behind the code of other countries', '*670900123'],
    ['in full-width digits', '\uff10\uff19\uff10\uff10123'],
    ['with the end of dialling', '0900123#'],
    ['with a letter', '0900123A'],
    ['with more digits than a number has', `0900${'1'.repeat(20)}`],
    ['with more digits than a number has, from abroad', `0049900${'1'.repeat(20)}`],
    ['with a plus inside', '00+49900123'],
    ['with the prefix of the country behind its code', '+49(0)900123'],
    ['with that and the end of dialling', '+490900123#'],
    ['without the plus that many trunks leave away', '49900123456'],
    ['without it, behind what carriers pass over', '~49900123456'],
    ['behind a letter', 'p0900123'],
    ['with a plus behind a digit', '0+49900123'],
    ['behind another number', '100&SIP/carrier/0900123'],
    ['in digits of another script', '\u0660\u0669\u0660\u0660\u0661\u0662\u0663'],
  ])('is denied %s', async (_, number) => {
    gateway = await open(limits({ deny: ['0900', '+49900'] }), {
      numbers: { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' },
    })
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', `0${number}`)
    await gateway.time.advance(200)
    expect(seen(call)).toEqual([403, 'limit.destination'])
    expect(gateway.trunk.invites).toEqual([])
    gateway.expectsVerdicts('limit.destination')
  })

  it.each(['00881612345678', '+881612345678', '881612345678'])(
    'is denied as %s where nobody has said which country this is',
    async (number) => {
      gateway = await open(limits({}))
      const call = place(await gateway.registered('alice'), 'alice', `0${number}`)
      await gateway.time.advance(200)
      expect([seen(call), gateway.trunk.invites]).toEqual([[403, 'limit.destination'], []])
      gateway.expectsVerdicts('limit.destination')
    },
  )

  // An extension, a name with a number in it, and a number of the place.
  it.each(['8812345', 'room0900', '4990012345'])('is not %s', async (number) => {
    gateway = await open(limits({ deny: ['+49900', '+881'] }), {
      numbers: { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' },
    })
    const call = place(await gateway.registered('alice'), 'alice', `0${number}`)
    ;(await ringing(gateway, gateway.trunk)).reject(486)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts('call.refused')
  })

  it('is denied where a trunk sends a call on to it, and a number that is not is called', async () => {
    gateway = await open(limits({ deny: ['+49900', '+881'] }), {
      numbers: { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' },
    })
    const alice = await gateway.registered('alice')
    const sentOn = async (number: string) => {
      gateway.trunk.invites.length = 0
      const call = place(alice, 'alice', '0100')
      const contact = { name: 'Contact', value: `<sip:${number}@127.0.0.1:5070?Subject=x>` }
      ;(await ringing(gateway, gateway.trunk)).reject(302, { headers: [contact] })
      await gateway.time.advance(200)
      return { call, asked: gateway.trunk.invites.map(({ request }) => request.uri.text).slice(1) }
    }
    // Many trunks leave the + away.
    for (const number of ['0900123', '*31#0900123', '+49900123', '49900123', '881612345678']) {
      const denied = await sentOn(number)
      expect([...seen(denied.call), denied.asked]).toEqual([403, 'limit.destination', []])
    }
    const { call, asked } = await sentOn('0301234')
    expect(asked).toEqual(['sip:0301234@127.0.0.1:5070'])
    gateway.trunk.invites[1]?.reject(486)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    gateway.expectsVerdicts(...Array.from({ length: 5 }, () => 'limit.destination' as const), 'call.refused')
  })

  it.each(['49301234', '+49301234', 'queue7'])(
    'is not %s, sent on to by a trunk, for who may only call that country',
    async (number) => {
      gateway = await open(limits({ allow: ['+49'] }), {
        numbers: { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' },
      })
      const call = place(await gateway.registered('alice'), 'alice', '0030100')
      const contact = { name: 'Contact', value: `<sip:${number}@127.0.0.1:5070>` }
      ;(await ringing(gateway, gateway.trunk)).reject(302, { headers: [contact] })
      await gateway.time.advance(200)
      expect(gateway.trunk.invites[1]?.request.uri.text).toBe(`sip:${number}@127.0.0.1:5070`)
      gateway.trunk.invites[1]?.reject(486)
      await gateway.time.advance(100)
      expect(statusOf(call)).toBe(486)
      gateway.expectsVerdicts('call.refused')
    },
  )

  it('is denied to a trunk that transfers a call to it, however it is written', async () => {
    gateway = await ScriptedGateway.open({
      trunks: [trunkConfig({ host: '127.0.0.1', port: 5070, limits: { deny: ['+49900'] } })],
      numbers: { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' },
    })
    const alice = await gateway.registered('alice')
    const call = await answered(
      gateway,
      { peer: gateway.trunk, user: '030', local: PHONE },
      { peer: alice, number: 'alice', local: BROWSER },
    )
    for (const number of ['0900123', '*31%230900123', '~0900123']) {
      let status: number | NoAnswer | undefined
      const headers = [{ name: 'Refer-To', value: `<sip:${number}@example.com>` }]
      call.caller.dialog?.request('REFER', { headers }, (response) => {
        status = statusIn(response)
      })
      await gateway.time.advance(200)
      expect(status, number).toBe(403)
    }
    expect(gateway.trunk.invites).toEqual([])
    call.caller.dialog?.bye()
  })
})
