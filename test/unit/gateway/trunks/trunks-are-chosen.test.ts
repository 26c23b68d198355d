import { describe, expect, it } from 'vitest'
import type { GroupConfig, TrunkConfig } from '../../../../config/config.ts'
import { TrunkTable } from '../../../../gateway/trunks/trunk.ts'
import { MAX_WAYS, TrunkChoice } from '../../../../gateway/trunks/trunk-choice.ts'
import { TrunkStates } from '../../../../gateway/trunks/trunk-states.ts'
import type { SipResponse } from '../../../../sip/message/message.ts'
import { resolverOf, trunkConfig } from '../../../harness/trunk-config.ts'

const member = (trunk: string, priority = 1, weight = 1) => ({ trunk, priority, weight })

async function choiceOf(
  configs: readonly Partial<TrunkConfig>[],
  groups: readonly GroupConfig[] = [],
  chance: () => number = () => 0,
  addresses = new Map<string, readonly string[]>(),
) {
  const clock = { nowMs: 0 }
  const states = new TrunkStates(() => clock.nowMs)
  const trunks = new TrunkTable(configs.map(trunkConfig), {
    resolver: resolverOf(addresses),
    nowMs: () => clock.nowMs,
    supported: ['udp'],
  })
  await trunks.refresh()
  const choice = new TrunkChoice({ trunks, groups, states, chance })
  const ways = (...names: string[]) => choice.waysTo(names)
  return { ways, states, clock, names: (...asked: string[]) => ways(...asked).map(({ trunk }) => trunk.name) }
}

const ABC = ['a', 'b', 'c'].map((name, index) => ({ name, host: `192.0.2.${index}` }))

describe('the order in which trunks are tried', () => {
  it('is that of the names given, groups among them, each trunk once', async () => {
    const groups = [{ name: 'g', trunks: [member('b', 2), member('a', 1)] }]
    const { names } = await choiceOf(ABC, groups)
    expect(names('c', 'g', 'b')).toEqual(['c', 'a', 'b'])
    expect(names('b')).toEqual(['b'])
  })

  it('is drawn by weight for each call', async () => {
    let draw = 0
    const groups = [{ name: 'g', trunks: [member('a', 1, 1), member('b', 1, 3)] }]
    const { names } = await choiceOf(ABC, groups, () => draw)
    expect(names('g')[0]).toBe('a')
    draw = 0.3
    expect(names('g')[0]).toBe('b')
  })

  it('is not changed by who is slow to ring, whose codecs do not fit, or who fails for once', async () => {
    const { ways, states } = await choiceOf(ABC)
    const [path] = ways('a')
    if (path === undefined) throw new Error('no way')
    const failed = { status: 500, reason: 'Oops', headers: [] } as Partial<SipResponse> as SipResponse
    for (const how of ['slow', 'unfit', failed] as const) {
      states.failed(path, how)
      expect(states.isResting(path)).toBe(false)
    }
    for (const how of ['silent', 'timeout', 'transport'] as const) {
      states.failed(path, how)
      expect(states.isResting(path)).toBe(true)
      states.answered(path)
      expect(states.isResting(path)).toBe(false)
    }
  })

  it('leaves for last who is down and where nobody answered, and none of them out', async () => {
    const { names, ways, states, clock } = await choiceOf(ABC)
    states.noteHealth('a', 'down')
    expect(names('a', 'b', 'c')).toEqual(['b', 'c', 'a'])
    states.noteHealth('a', 'up')
    const [, b] = ways('a', 'b', 'c')
    if (b !== undefined) states.failed(b, 'silent')
    expect(names('a', 'b', 'c')).toEqual(['a', 'c', 'b'])
    expect(names('b')).toEqual(['b'])
    clock.nowMs += 30_000
    expect(names('a', 'b', 'c')).toEqual(['a', 'b', 'c'])
    if (b !== undefined) states.failed(b, 'transport')
    if (b !== undefined) states.answered(b)
    expect(names('a', 'b', 'c')).toEqual(['a', 'b', 'c'])
  })

  it('has no more ways than 16 for one call', async () => {
    const many = Array.from({ length: MAX_WAYS + 1 }, (_, index) => ({
      name: `t${index}`,
      host: `192.0.2.${index}`,
    }))
    const { names } = await choiceOf(many)
    expect(names(...many.map(({ name }) => name))).toHaveLength(MAX_WAYS)
  })

  it('gives each trunk its turn, however many addresses the one before it has', async () => {
    const addresses = new Map([
      ['many.example', Array.from({ length: 8 }, (_, index) => `192.0.2.${index}`)],
      ['more.example', Array.from({ length: 8 }, (_, index) => `192.0.2.${index + 100}`)],
    ])
    const { names } = await choiceOf(
      [
        { name: 'a', host: 'many.example' },
        { name: 'b', host: 'more.example' },
        { name: 'c', host: '192.0.2.200' },
      ],
      [],
      () => 0,
      addresses,
    )
    expect(names('a', 'b', 'c')).toEqual([...'aaaaa', ...'bbbbb', 'c'])
    expect(names('a', 'b')).toHaveLength(MAX_WAYS)
  })

  it('fails with a code when no name has an address', async () => {
    const { ways } = await choiceOf([{ name: 'a', host: 'nowhere.example' }])
    expect(() => ways('a')).toThrow(expect.objectContaining({ code: 'trunk.unresolved' }))
  })
})

describe('what is remembered of failures', () => {
  it('has an end: beside 4096 resting addresses the oldest is tried again', async () => {
    const { ways, states } = await choiceOf(ABC)
    const [path] = ways('a')
    if (path === undefined) throw new Error('no way')
    for (let port = 1; port <= 4_097; port += 1) {
      states.failed({ ...path, remote: { ...path.remote, port } }, 'silent')
    }
    expect(states.restCount).toBe(4_096)
    expect(states.isResting({ ...path, remote: { ...path.remote, port: 1 } })).toBe(false)
    expect(states.isResting({ ...path, remote: { ...path.remote, port: 2 } })).toBe(true)
  })

  it('tells operators what was seen, and where', async () => {
    const { ways, states } = await choiceOf(ABC)
    const [path] = ways('a')
    if (path !== undefined) states.failed(path, 'silent')
    expect(states.lastFailureOf('a')).toEqual({ atMs: 0, reason: 'silent (udp 192.0.2.0:5060)' })
    states.noteFailure('a', 'REGISTER: 403 Forbidden')
    expect(states.lastFailureOf('a')?.reason).toBe('REGISTER: 403 Forbidden')
    expect(states.lastFailureOf('b')).toBeUndefined()
  })

  it('tells of what was not sent until it is heard again', async () => {
    const { ways, states } = await choiceOf(ABC)
    const [path] = ways('a')
    if (path === undefined) throw new Error('no way')
    states.noteUnsent('a', 'ENETUNREACH')
    const seen = (): string => states.seenOf('a', 'timeout')
    expect(seen()).toBe('timeout: this machine did not send (ENETUNREACH)')
    states.answered(path)
    expect(seen()).toBe('timeout')
  })
})
