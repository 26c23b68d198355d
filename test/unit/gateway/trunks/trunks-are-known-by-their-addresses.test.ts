import { describe, expect, it } from 'vitest'
import { noWayTo } from '../../../../gateway/trunks/trunk.ts'
import { at, config, namesOf, remotesOf, tableOf, type World } from '../../../harness/trunk-tables.ts'

describe('trunk table', () => {
  it('knows a trunk by all addresses of its host, and nobody else', async () => {
    const { table } = tableOf(
      { names: new Map([['pbx.example.com', ['198.51.100.1', '198.51.100.2']]]) },
      config(),
    )
    await table.refresh()
    expect(namesOf(table.bySource(at('198.51.100.2', 9), 'udp'))).toEqual(['pbx'])
    expect(table.bySource(at('198.51.100.3'), 'udp')).toEqual([])
    expect(table.scopeAt(at('198.51.100.3'), 'udp')).toBeUndefined()
  })

  it('knows it by all addresses of all servers that SRV names, and ranks these', async () => {
    const srv = new Map([
      [
        '_sip._udp.pbx.example.com',
        [
          { name: 'b.example.com', port: 5062, priority: 2, weight: 7 },
          { name: 'a.example.com', port: 5061, priority: 1, weight: 3 },
        ],
      ],
    ])
    const names = new Map([
      ['a.example.com', ['198.51.100.1', '198.51.100.2']],
      ['b.example.com', ['198.51.100.3']],
    ])
    const { table } = tableOf({ srv, names }, config({ port: undefined }))
    await table.refresh()
    expect(remotesOf(table)).toEqual([['198.51.100.1:5061', '198.51.100.2:5061'], ['198.51.100.3:5062']])
    for (const address of ['198.51.100.1', '198.51.100.2', '198.51.100.3']) {
      expect(namesOf(table.bySource(at(address, 40_000), 'udp'))).toEqual(['pbx'])
    }
  })

  it('believes listed sources only, where there is a list, and hears answers of its servers all the same', async () => {
    const { table } = tableOf(
      { names: new Map([['pbx.example.com', ['198.51.100.1']]]) },
      config({ sources: ['203.0.113.9', '2001:DB8:0::9'] }),
    )
    await table.refresh()
    expect(namesOf(table.bySource(at('203.0.113.9'), 'udp'))).toEqual(['pbx'])
    expect(namesOf(table.bySource(at('2001:db8::9'), 'udp'))).toEqual(['pbx'])
    expect(table.bySource(at('198.51.100.1'), 'udp')).toEqual([])
    expect(table.scopeAt(at('198.51.100.1', 5060), 'udp')).toBe('trunk:pbx')
    expect(table.scopeAt(at('198.51.100.1', 5061), 'udp')).toBeUndefined()
  })

  it('takes networks as sources, and an address of a trunk before them', async () => {
    const { table } = tableOf(
      {},
      config({ name: 'roaming', host: '198.51.100.1', sources: ['10.0.0.0/8', '2001:db8::/32'] }),
      config({ name: 'fixed', host: '10.0.0.5' }),
    )
    await table.refresh()
    expect(namesOf(table.bySource(at('10.9.9.9'), 'udp'))).toEqual(['roaming'])
    expect(namesOf(table.bySource(at('2001:db8::1'), 'udp'))).toEqual(['roaming'])
    expect(namesOf(table.bySource(at('10.0.0.5'), 'udp'))).toEqual(['fixed'])
    expect(table.bySource(at('11.0.0.1'), 'udp')).toEqual([])
  })

  it('knows a trunk over TLS by TLS alone, and others by any transport', async () => {
    const names = new Map([
      ['pbx.example.com', ['198.51.100.1']],
      ['safe.example.com', ['198.51.100.2']],
    ])
    const { table } = tableOf(
      { names },
      config(),
      config({ name: 'safe', host: 'safe.example.com', transport: 'tls' }),
    )
    await table.refresh()
    for (const transport of ['udp', 'tcp', 'tls'] as const) {
      expect(namesOf(table.bySource(at('198.51.100.1'), transport))).toEqual(['pbx'])
      expect(namesOf(table.bySource(at('198.51.100.2'), transport))).toEqual(
        transport === 'tls' ? ['safe'] : [],
      )
    }
  })

  it('keeps dialogs of trunks that share an address in one place, and those of others apart', async () => {
    const { table } = tableOf(
      {},
      config({ name: 'alone', host: '198.51.100.9' }),
      config({ name: 'a', host: '198.51.100.1' }),
      config({ name: 'b', host: '198.51.100.2', sources: ['198.51.100.1', '198.51.100.3'] }),
      config({ name: 'c', host: '198.51.100.3' }),
    )
    await table.refresh()
    const scopes = [9, 1, 2, 3].map((last) => table.scopeAt(at(`198.51.100.${last}`), 'udp'))
    expect(scopes).toEqual(['trunk:alone', 'trunk:a', 'trunk:a', 'trunk:a'])
    expect(namesOf(table.bySource(at('198.51.100.1'), 'udp'))).toEqual(['a', 'b'])
    const { table: byServer } = tableOf(
      {},
      config({ name: 'a', host: '198.51.100.1' }),
      config({ name: 'b', host: '198.51.100.1', port: 5_070, sources: ['198.51.100.2'] }),
    )
    await byServer.refresh()
    expect(byServer.scopeAt(at('198.51.100.1', 5_070), 'udp')).toBe(
      byServer.scopeAt(at('198.51.100.2'), 'udp'),
    )
    expect(table.scopeAt(at('198.51.100.3'), 'udp')).toBe('trunk:a')
  })

  it('keeps the last path and source of a name that fails later', async () => {
    const { table, names, clock } = tableOf(
      { names: new Map([['pbx.example.com', ['198.51.100.1']]]) },
      config(),
    )
    await table.refresh()
    names.clear()
    clock.nowMs += 60_000
    await table.refresh()
    const [trunk] = table.bySource(at('198.51.100.1'), 'udp')
    expect(trunk?.servers[0]?.paths[0]).toEqual({
      trunk: config(),
      transport: 'udp',
      remote: { address: '198.51.100.1', port: 5060 },
      localAddress: '192.0.2.1',
    })
  })

  it('keeps the servers of SRV while nobody answers that question, where somebody once did', async () => {
    const world: World = {
      srv: new Map([
        ['_sip._udp.pbx.example.com', [{ name: 'a.example.com', port: 5061, priority: 1, weight: 1 }]],
      ]),
      names: new Map([
        ['a.example.com', ['198.51.100.1']],
        ['pbx.example.com', ['198.51.100.9']],
      ]),
    }
    const { table, clock } = tableOf(world, config({ port: undefined }))
    await table.refresh()
    world.isMute = true
    clock.nowMs += 60_000
    await table.refresh()
    expect(remotesOf(table)).toEqual([['198.51.100.1:5061']])
    expect(table.nextRefreshMs - clock.nowMs).toBe(10_000)
  })

  it('takes the addresses of a name where that question never has an answer, and follows them', async () => {
    const { table, clock, names } = tableOf(
      { isMute: true, names: new Map([['pbx.example.com', ['198.51.100.1']]]) },
      config({ port: undefined }),
    )
    await table.refresh()
    expect(remotesOf(table)).toEqual([['198.51.100.1:5060']])
    names.set('pbx.example.com', ['198.51.100.2'])
    clock.nowMs += 60_000
    await table.refresh()
    expect(remotesOf(table)).toEqual([['198.51.100.2:5060']])
  })

  it('looks a name up again when its answers are no longer good, not every few milliseconds and not before', async () => {
    for (const [ttlS, waitMs] of [
      [30, 30_000],
      [0, 5_000],
      [86_400, 60_000],
      [undefined, 60_000],
    ] as const) {
      const world: World = {
        names: new Map([['pbx.example.com', ['198.51.100.1']]]),
        ...(ttlS === undefined ? {} : { ttlS }),
      }
      const { table, clock, asked } = tableOf(world, config())
      await table.refresh()
      expect(table.nextRefreshMs).toBe(waitMs)
      clock.nowMs = waitMs - 1
      await table.refresh()
      expect(asked).toHaveLength(1)
      clock.nowMs = waitMs
      await table.refresh()
      expect(asked).toHaveLength(2)
    }
  })

  it('leaves out addresses without a way to them', async () => {
    const names = new Map([['pbx.example.com', ['2001:db8::1', '198.51.100.1']]])
    const { table } = tableOf({ names, far: new Set(['2001:db8::1']) }, config())
    await table.refresh()
    expect(remotesOf(table)).toEqual([['198.51.100.1:5060']])
  })

  it('fails calls to a trunk without an address with a code', async () => {
    const { table } = tableOf({}, config())
    await table.refresh()
    const trunk = table.get('pbx')
    expect(trunk?.servers).toEqual([])
    expect(trunk && noWayTo([trunk])).toMatchObject({ code: 'trunk.unresolved', seen: 'pbx.example.com' })
  })

  it('tells why no way leads to the address that a trunk has, as long as none does', async () => {
    const far = new Set(['2001:db8::1'])
    const names = new Map([['pbx.example.com', ['2001:db8::1']]])
    const { table, clock } = tableOf({ names, far }, config())
    await table.refresh()
    const trunk = table.get('pbx')
    expect(trunk?.noWay).toContain('2001:db8::1: ')
    expect(trunk && noWayTo([trunk])).toMatchObject({ code: 'trunk.no-route', seen: trunk?.noWay })
    far.clear()
    clock.nowMs = table.nextRefreshMs
    await table.refresh()
    expect(table.get('pbx')?.noWay).toBeUndefined()
  })

  it('offers crypto suites only to a trunk of SDES media', () => {
    const suites = ['AES_CM_128_HMAC_SHA1_80'] as const
    const { table } = tableOf({}, config({ suites }), config({ name: 'safe', media: 'sdes', suites }))
    expect(table.get('pbx')?.media.suites).toEqual([])
    expect(table.get('safe')?.media.suites).toEqual(['AES_CM_128_HMAC_SHA1_80'])
  })
})
