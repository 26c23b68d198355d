import { describe, expect, it } from 'vitest'
import type { Config, TrunkConfig } from '../../../../config/config.ts'
import { loadConfig } from '../../../../config/load.ts'
import { Admission, type Asked, MESSAGE_RATES } from '../../../../gateway/calls/admission.ts'
import { MAX_RATED_PARTIES, PartyRates } from '../../../../sip/party-rates.ts'
import { TokenBucket } from '../../../../sip/token-bucket.ts'

const demo = loadConfig(undefined, {})
const open = (over: Partial<Config> = {}) => {
  let nowMs = 1_000_000
  let load = 0
  const config = { ...demo, ...over }
  const admission = new Admission({ config, nowMs: () => nowMs, mediaLoad: () => load })
  return {
    admission,
    work: (share: number) => {
      load = share
    },
    wait: (ms: number) => {
      nowMs += ms
    },
  }
}
const asked = (more: Partial<Asked> = {}): Asked => ({
  payer: 'user:alice',
  forms: undefined,
  isEmergency: false,
  ...more,
})
const codeOf = (work: () => unknown): unknown => {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}
const times = <Result>(count: number, work: () => Result): readonly Result[] =>
  Array.from({ length: count }, work)
const trunk = (name: string, limits?: TrunkConfig['limits']): TrunkConfig =>
  ({ name, limits }) as Partial<TrunkConfig> as TrunkConfig

const emergency = {
  numbers: ['112'],
  prefix: '',
  trunks: ['pbx'],
  callerId: undefined,
  maxCalls: 2,
  drainTimeoutS: 60,
}

describe('by default', () => {
  it('a user has 10 calls, and 60 a minute; one that ends makes room', () => {
    const { admission, wait } = open()
    const tickets = times(10, () => admission.enter(asked()))
    expect(codeOf(() => admission.enter(asked()))).toBe('limit.concurrent')
    expect(codeOf(() => admission.enter(asked({ payer: 'user:bob' })))).toBeUndefined()
    tickets[0]?.release()
    tickets[0]?.release()
    for (let count = 0; count < 50; count += 1) admission.enter(asked()).release()
    expect(codeOf(() => admission.enter(asked()))).toBe('limit.rate')
    wait(1_000)
    expect(codeOf(() => admission.enter(asked()))).toBeUndefined()
    expect(admission.counters()).toEqual({
      calls: 11,
      emergencyCalls: 0,
      placed: { 'user:alice': 10, 'user:bob': 1 },
      refused: { 'limit.concurrent': 1, 'limit.rate': 1 },
    })
  })

  it('calls from one trunk are three quarters of all, and 600 a minute', () => {
    const { admission } = open({ calls: { ...demo.calls, maxCalls: 1_000 } })
    const payer = 'trunk:pbx'
    for (let count = 0; count < 600; count += 1) admission.enter(asked({ payer }))
    expect(codeOf(() => admission.enter(asked({ payer })))).toBe('limit.rate')
    const small = open({ calls: { ...demo.calls, maxCalls: 7 } })
    for (let count = 0; count < 6; count += 1) small.admission.enter(asked({ payer }))
    expect(codeOf(() => small.admission.enter(asked({ payer })))).toBe('limit.concurrent')
    expect(codeOf(() => small.admission.enter(asked()))).toBeUndefined()
    expect(codeOf(() => small.admission.enter(asked()))).toBe('call.overload')
  })

  it.each(['+870', '+8816', '+8835100', '+979'])('no user calls %s', (number) => {
    const { admission } = open()
    expect(codeOf(() => admission.enter(asked({ forms: [number] })))).toBe('limit.destination')
  })
})

describe('the packet path', () => {
  it('takes no new call at media.maxLoad, but a transfer and an emergency call', () => {
    const { admission, work } = open({ emergency })
    work(0.69)
    expect(codeOf(() => admission.enter(asked()))).toBeUndefined()
    work(0.7)
    expect(codeOf(() => admission.enter(asked()))).toBe('call.media-busy')
    expect(codeOf(() => admission.enter(asked({ isTransfer: true })))).toBeUndefined()
    expect(codeOf(() => admission.enter(asked({ isEmergency: true })))).toBeUndefined()
    expect(admission.counters().refused).toEqual({ 'call.media-busy': 1 })
    work(0)
    expect(codeOf(() => admission.enter(asked()))).toBeUndefined()
  })
})

describe('a destination', () => {
  it.each([
    // Numbers as sent, other forms, what is wrong with it.
    [['+4930123'], undefined],
    [['+49900123'], 'limit.destination'],
    [['+33123'], 'limit.destination'],
    // Sent without the country: any form that is denied counts.
    [['0900123', '+49900123'], 'limit.destination'],
    // What is sent has to be allowed, whatever else the number could be.
    [['882123', '+49882123'], 'limit.destination'],
    [['+49882123', '882123'], undefined],
  ])('%o', (forms, code) => {
    const limits = { ...demo.limits, user: { ...demo.limits.user, allow: ['+49'], deny: ['+49900'] } }
    expect(codeOf(() => open({ limits }).admission.enter(asked({ forms })))).toBe(code)
  })

  it('that one user may call stays denied to the others; in the house nothing is', () => {
    const [alice, ...others] = demo.users
    if (alice === undefined) throw new Error('no user')
    const { admission } = open({
      users: [{ ...alice, limits: { deny: [] } }, ...others],
      limits: { ...demo.limits, user: { ...demo.limits.user, allow: ['+1'] } },
    })
    const forms = ['+1882']
    expect(codeOf(() => admission.enter(asked({ forms })))).toBeUndefined()
    expect(codeOf(() => admission.enter(asked({ forms: ['+882'], payer: 'user:bob' })))).toBe(
      'limit.destination',
    )
    expect(codeOf(() => admission.enter(asked({ payer: 'user:bob' })))).toBeUndefined()
  })

  it('of a trunk has lists and a rate of its own', () => {
    const { admission } = open({
      trunks: [trunk('carrier', { allow: ['+49'], callsPerMinute: 2 }), trunk('pbx')],
    })
    expect(codeOf(() => admission.useTrunk('carrier', ['+33']))).toBe('limit.destination')
    admission.useTrunk('carrier', ['+4930'])
    admission.useTrunk('carrier', ['+4930'])
    expect(codeOf(() => admission.useTrunk('carrier', ['+4930']))).toBe('limit.rate')
    expect(codeOf(() => admission.useTrunk('pbx', ['+33']))).toBeUndefined()
  })
})

describe('a transfer', () => {
  it('out of the house takes a place of the transferor, but not one of all calls', () => {
    const { admission } = open({ calls: { ...demo.calls, maxCalls: 1 } })
    const first = admission.enter(asked())
    const tickets = times(9, () => admission.enter(asked({ forms: ['+49'], isTransfer: true })))
    expect(codeOf(() => admission.enter(asked({ forms: ['+49'], isTransfer: true })))).toBe(
      'limit.concurrent',
    )
    for (const ticket of [first, ...tickets]) ticket.release()
    expect(admission.counters()).toMatchObject({ calls: 0, placed: {} })
  })

  it('to a colleague takes none', () => {
    const { admission } = open()
    expect(times(20, () => admission.enter(asked({ isTransfer: true })).isOutside)).not.toContain(true)
    expect(admission.counters()).toMatchObject({ calls: 0, placed: {} })
  })
})

describe('an emergency call', () => {
  it('is let in past every limit, up to its own maximum', () => {
    const none = { ...demo.limits.user, maxCalls: 1, callsPerMinute: 1, allow: ['+49'] }
    const { admission } = open({
      emergency,
      calls: { ...demo.calls, maxCalls: 1 },
      limits: { ...demo.limits, user: none },
    })
    admission.enter(asked())
    const help = asked({ forms: ['112'], isEmergency: true })
    const [first] = times(2, () => admission.enter(help))
    expect(codeOf(() => admission.enter(help))).toBe('call.overload')
    first?.release()
    expect(codeOf(() => admission.enter(help))).toBeUndefined()
    expect(admission.counters()).toMatchObject({ calls: 1, emergencyCalls: 2 })
  })

  it('leaves room for those of others: a quarter for each, of which one that ends gives its place back', () => {
    const { admission } = open({ emergency: { ...emergency, maxCalls: 12 } })
    const help = () => admission.enter(asked({ isEmergency: true }))
    const [first, second] = times(3, help)
    expect(codeOf(help)).toBe('limit.concurrent')
    expect(codeOf(() => admission.enter(asked({ payer: 'user:bob', isEmergency: true })))).toBeUndefined()
    first?.release()
    second?.release()
    second?.release()
    expect([codeOf(help), codeOf(help), codeOf(help)]).toEqual([undefined, undefined, 'limit.concurrent'])
  })

  it('takes no place of other calls', () => {
    const { admission } = open({ emergency, calls: { ...demo.calls, maxCalls: 1 } })
    admission.enter(asked({ isEmergency: true }))
    expect(codeOf(() => admission.enter(asked()))).toBeUndefined()
  })
})

describe('how long a call may last', () => {
  it('is the least that its parties may', () => {
    const { admission } = open({
      trunks: [trunk('carrier', { maxDurationS: 600 }), trunk('pbx')],
      limits: { ...demo.limits, user: { ...demo.limits.user, maxDurationS: 3_600 } },
    })
    expect(admission.limits.maxDurationS(['user:alice', 'trunk:carrier'])).toBe(600)
    expect(admission.limits.maxDurationS(['user:alice', 'trunk:pbx'])).toBe(3_600)
    expect(admission.limits.maxDurationS(['trunk:pbx'])).toBe(demo.calls.maxDurationS)
  })
})

it('a bucket gives its tokens back one by one, and never more than it holds', () => {
  const bucket = new TokenBucket(1, 60, 0)
  expect(times(61, () => bucket.take(0)).filter(Boolean)).toHaveLength(60)
  // Gained in a thousand steps all the same.
  for (let nowMs = 1; nowMs < 1_000; nowMs += 1) expect(bucket.take(nowMs)).toBe(false)
  expect([bucket.take(1_000), bucket.take(1_000)]).toEqual([true, false])
  expect([bucket.take(3_000), bucket.take(3_000), bucket.take(3_000)]).toEqual([true, true, false])
  expect(times(61, () => bucket.take(1_000_000)).filter(Boolean)).toHaveLength(60)
  // A clock that goes back gives nothing.
  expect(bucket.take(0)).toBe(false)
})

describe('messages', () => {
  it.each(['user', 'trunk'] as const)(
    'of a %s: one past the burst is refused, and then so many a second',
    (kind) => {
      const { admission, wait } = open()
      const { perSecond, burst } = MESSAGE_RATES[kind]
      const pass = (payer = `${kind}:one`) => codeOf(() => admission.passMessage({ payer, forms: undefined }))
      expect(times(burst + 1, () => pass()).filter((code) => code === 'limit.rate')).toHaveLength(1)
      expect(pass(`${kind}:another`)).toBeUndefined()
      wait(1_000)
      expect(times(perSecond + 1, () => pass())).toEqual([...Array(perSecond).fill(undefined), 'limit.rate'])
      expect(admission.counters()).toMatchObject({ calls: 0, refused: { 'limit.rate': 2 } })
    },
  )

  it('to a trunk: as many a minute as calls, counted beside them; to numbers that may be called', () => {
    const { admission } = open({ trunks: [trunk('pbx', { callsPerMinute: 1, deny: ['+1'] })] })
    const pass = (number: string) =>
      codeOf(() => admission.passMessage({ payer: 'user:alice', forms: [number] }))
    const use = (number: string) => codeOf(() => admission.useTrunkForMessage('pbx', [number]))
    expect(pass('+88216')).toBe('limit.destination')
    expect(times(61, () => pass('+49')).at(-1)).toBe('limit.rate')
    expect(codeOf(() => admission.enter(asked({ forms: ['+49'] })).release())).toBeUndefined()
    expect([use('+12'), use('+49'), use('+49')]).toEqual(['limit.destination', undefined, 'limit.rate'])
    expect(codeOf(() => admission.useTrunk('pbx', ['+49']))).toBeUndefined()
  })

  it('to the PBX that keeps the registrations: to no denied number, to names', () => {
    const { admission } = open({ limits: { ...demo.limits, user: { ...demo.limits.user, allow: ['+49'] } } })
    const pass = (form: string) =>
      codeOf(() => admission.passMessage({ payer: 'user:alice', forms: undefined, pbxForms: [form] }))
    expect([pass('bob'), pass('+88216')]).toEqual([undefined, 'limit.destination'])
  })
})

describe('rates', () => {
  it('of one party past the maximum are remembered, and those of the one that was quiet for longest forgotten', () => {
    const rates = new PartyRates()
    const take = (party: string) => rates.take(party, { perSecond: 0, burst: 1 }, 0)
    for (let count = 0; count < MAX_RATED_PARTIES; count += 1) expect(take(`user:${count}`)).toBe(true)
    expect(take('user:0')).toBe(false)
    expect(take('user:more')).toBe(true)
    expect(rates.size).toBe(MAX_RATED_PARTIES)
    expect([take('user:0'), take('user:2'), take('user:1')]).toEqual([false, false, true])
  })
})
