import { describe, expect, it } from 'vitest'
import { UpstreamLine } from '../../../../gateway/registration/upstream-line.ts'
import { FORMER_LIMITS } from '../../../../gateway/trunks/former-servers.ts'
import type { TrunkTable } from '../../../../gateway/trunks/trunk.ts'
import type { Flow } from '../../../../sip/flow.ts'
import { at, config, namesOf, remotesOf, tableOf } from '../../../harness/trunk-tables.ts'

describe('an address that a name no longer stands for', () => {
  const NAME = 'pbx.example.com'
  const scopeOf = (table: TrunkTable, address: string, transport: 'udp' | 'tcp' = 'udp') =>
    table.scopeAt(at(address), transport)
  const moved = async (
    { table, clock, names }: ReturnType<typeof tableOf>,
    addresses: readonly string[],
    host = NAME,
  ) => {
    names.set(host, addresses)
    clock.nowMs += 60_000
    await table.refresh()
  }

  it('stays in the scope of its trunk, where calls are, and may begin nothing', async () => {
    const world = tableOf({ names: new Map([[NAME, ['198.51.100.1']]]) }, config())
    const { table } = world
    await table.refresh()
    await moved(world, ['198.51.100.2'])
    expect(remotesOf(table)).toEqual([['198.51.100.2:5060']])
    expect([scopeOf(table, '198.51.100.1'), scopeOf(table, '198.51.100.2')]).toEqual([
      'trunk:pbx',
      'trunk:pbx',
    ])
    expect(table.bySource(at('198.51.100.1'), 'udp')).toEqual([])
    expect(table.isAt(at('198.51.100.1'), 'udp')).toBe(false)
    expect(table.isAt(at('198.51.100.2'), 'udp')).toBe(true)
    // Connections of there are kept, and made anew for what goes on.
    expect(namesOf(table.everBySource(at('198.51.100.1', 40_000), 'tcp'))).toEqual(['pbx'])
    expect(scopeOf(table, '198.51.100.3')).toBeUndefined()
  })

  it('is forgotten a day later, counted from when it left', async () => {
    const world = tableOf({ names: new Map([[NAME, ['198.51.100.1']]]) }, config())
    const { table, clock } = world
    await table.refresh()
    for (let turn = 0; turn < 3; turn += 1) {
      await moved(world, ['198.51.100.2'])
      await moved(world, ['198.51.100.1'])
    }
    await moved(world, ['198.51.100.2'])
    clock.nowMs += FORMER_LIMITS.keepMs - 60_001
    await moved(world, ['198.51.100.2'])
    expect(scopeOf(table, '198.51.100.1')).toBe('trunk:pbx')
    await moved(world, ['198.51.100.2'])
    expect(scopeOf(table, '198.51.100.1')).toBeUndefined()
    expect(scopeOf(table, '198.51.100.2')).toBe('trunk:pbx')
  })

  it('is the first to be forgotten when one past the most of them leave', async () => {
    const first = '198.51.100.250'
    const world = tableOf({ names: new Map([[NAME, [first]]]) }, config())
    const { table } = world
    await table.refresh()
    for (let last = 0; last < FORMER_LIMITS.perTrunk; last += 1) await moved(world, [`198.51.100.${last}`])
    expect(scopeOf(table, first)).toBe('trunk:pbx')
    await moved(world, ['203.0.113.1'])
    expect(scopeOf(table, first)).toBeUndefined()
    expect(scopeOf(table, '198.51.100.0')).toBe('trunk:pbx')
  })

  it('gives answers only, where sources are listed: it never was one', async () => {
    const sources = ['203.0.113.9']
    const world = tableOf({ names: new Map([[NAME, ['198.51.100.1']]]) }, config({ sources }))
    const { table } = world
    await table.refresh()
    await moved(world, ['198.51.100.2'])
    expect(scopeOf(table, '198.51.100.1')).toBe('trunk:pbx')
    expect(table.scopeAt(at('198.51.100.1', 5061), 'udp')).toBeUndefined()
    expect(table.everBySource(at('198.51.100.1'), 'tcp')).toEqual([])
  })

  it('is of whoever has it now, for all that begins; what began before goes on', async () => {
    const world = tableOf(
      {
        names: new Map([
          [NAME, ['198.51.100.1']],
          ['other.example.com', ['198.51.100.7']],
        ]),
      },
      config(),
      config({ name: 'other', host: 'other.example.com' }),
    )
    const { table } = world
    await table.refresh()
    await moved(world, ['198.51.100.2'])
    await moved(world, ['198.51.100.1'], 'other.example.com')
    expect(namesOf(table.bySource(at('198.51.100.1'), 'udp'))).toEqual(['other'])
    expect(namesOf(table.everBySource(at('198.51.100.1'), 'udp'))).toEqual(['other'])
    expect(scopeOf(table, '198.51.100.1')).toBe('trunk:pbx')
    expect(scopeOf(table, '198.51.100.7')).toBe('trunk:other')
  })

  it('keeps its scope when trunks come to share it, and when they stop', async () => {
    const world = tableOf(
      {
        names: new Map([
          ['a.example.com', ['198.51.100.1']],
          ['b.example.com', ['198.51.100.2']],
        ]),
      },
      config({ name: 'a', host: 'a.example.com' }),
      config({ name: 'b', host: 'b.example.com' }),
    )
    const { table } = world
    const scopes = () => ['198.51.100.1', '198.51.100.2'].map((address) => scopeOf(table, address))
    await table.refresh()
    await moved(world, ['198.51.100.2', '198.51.100.3'], 'a.example.com')
    expect(scopes()).toEqual(['trunk:a', 'trunk:b'])
    expect(namesOf(table.bySource(at('198.51.100.2'), 'udp'))).toEqual(['a', 'b'])
    // What is new to both is in one place.
    await moved(world, ['198.51.100.3'], 'b.example.com')
    expect([...scopes(), scopeOf(table, '198.51.100.3')]).toEqual(['trunk:a', 'trunk:b', 'trunk:a'])
    await moved(world, ['198.51.100.4'], 'b.example.com')
    expect([...scopes(), scopeOf(table, '198.51.100.3')]).toEqual(['trunk:a', 'trunk:b', 'trunk:a'])
    expect(scopeOf(table, '198.51.100.4')).toBe('trunk:a')
  })

  it('of the PBX that keeps the registrations is where what began goes on, and nothing new comes from', async () => {
    const trunk = config({ name: 'upstream' })
    const world = tableOf({ names: new Map([[NAME, ['198.51.100.1']]]) }, trunk)
    const { table } = world
    await table.refresh()
    await moved(world, ['198.51.100.2'])
    const line = new UpstreamLine({
      config: {
        ...{ trunk, credentials: 'gateway', domain: 'example.com', path: false, expiresS: 300, graceS: 30 },
        ...{ local: { host: [], port: 0, announced: [] }, certificate: undefined },
      },
      trunks: table,
      flowTo: () => flowAt('198.51.100.2'),
      nowMs: () => 0,
      sentBy: () => ({ host: '192.0.2.1', port: 5060 }),
    })
    const flowAt = (address: string): Flow => ({
      ...{ id: '', transport: 'udp', local: at('192.0.2.1'), remote: at(address), isOpen: true },
      ...{ scope: scopeOf(table, address) ?? '', send: () => {}, close: () => {} },
    })
    const seen = (address: string) => [line.leadsThere(flowAt(address)), line.isFrom(flowAt(address))]
    expect(seen('198.51.100.1')).toEqual([true, false])
    expect(seen('198.51.100.2')).toEqual([true, true])
    expect(seen('198.51.100.3')).toEqual([false, false])
  })

  it('that was in the network of another keeps the scope it had there', async () => {
    const world = tableOf(
      { names: new Map([[NAME, ['198.51.100.1']]]) },
      config(),
      config({ name: 'roaming', host: '203.0.113.1', sources: ['10.0.0.0/8'] }),
    )
    const { table } = world
    await table.refresh()
    expect(scopeOf(table, '10.0.0.5')).toBe('trunk:roaming')
    await moved(world, ['10.0.0.5'])
    expect(namesOf(table.bySource(at('10.0.0.5'), 'udp'))).toEqual(['pbx'])
    expect(scopeOf(table, '10.0.0.5')).toBe('trunk:roaming')
  })
})
