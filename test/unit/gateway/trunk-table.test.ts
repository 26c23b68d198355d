import { describe, expect, it } from 'vitest'
import type { TrunkConfig } from '../../../config/config.ts'
import { PROFILES } from '../../../config/trunk-profiles.ts'
import { TrunkTable } from '../../../gateway/trunk.ts'

const config = (over: Partial<TrunkConfig>): TrunkConfig => ({
  name: 'pbx',
  host: 'pbx.example.com',
  port: 5060,
  transport: 'udp',
  tls: undefined,
  account: undefined,
  optionsS: 0,
  sources: [],
  profile: 'generic',
  ...PROFILES.generic,
  codecs: ['PCMA'],
  suites: ['AES_CM_128_HMAC_SHA1_80'],
  callerId: undefined,
  trusted: false,
  ...over,
})

const tableOf = (names: Map<string, readonly string[]>, ...configs: TrunkConfig[]): TrunkTable =>
  new TrunkTable(configs, {
    addressesOf: async (host) => {
      const found = names.get(host)
      if (found === undefined) throw new Error('ENOTFOUND')
      return found
    },
    localAddressTowards: async () => '192.0.2.1',
  })

describe('trunk table', () => {
  it('knows a trunk by all addresses of its host, and nobody else', async () => {
    const table = tableOf(new Map([['pbx.example.com', ['198.51.100.1', '198.51.100.2']]]), config({}))
    expect(await table.refresh()).toEqual([])
    expect(table.bySource('198.51.100.2', 'udp')?.config.name).toBe('pbx')
    expect(table.bySource('198.51.100.3', 'udp')).toBeUndefined()
  })

  it('believes listed sources only, where there is a list', async () => {
    const names = new Map([
      ['pbx.example.com', ['198.51.100.1']],
      ['203.0.113.9', ['203.0.113.9']],
    ])
    const table = tableOf(names, config({ sources: ['203.0.113.9'] }))
    await table.refresh()
    expect(table.bySource('203.0.113.9', 'udp')?.config.name).toBe('pbx')
    expect(table.bySource('198.51.100.1', 'udp')).toBeUndefined()
  })

  it('knows a trunk over TLS by TLS alone, and others by any transport', async () => {
    const names = new Map([
      ['pbx.example.com', ['198.51.100.1']],
      ['safe.example.com', ['198.51.100.2']],
    ])
    const table = tableOf(
      names,
      config({}),
      config({ name: 'safe', host: 'safe.example.com', transport: 'tls' }),
    )
    await table.refresh()
    for (const transport of ['udp', 'tcp', 'tls'] as const) {
      expect(table.bySource('198.51.100.1', transport)?.config.name).toBe('pbx')
      expect(table.bySource('198.51.100.2', transport)?.config.name).toBe(
        transport === 'tls' ? 'safe' : undefined,
      )
    }
  })

  it('keeps the last path and source of a name that fails later', async () => {
    const names = new Map([['pbx.example.com', ['198.51.100.1']]])
    const table = tableOf(names, config({}))
    await table.refresh()
    names.clear()
    expect(await table.refresh()).toEqual([])
    const trunk = table.bySource('198.51.100.1', 'udp')
    expect(trunk && table.pathOf(trunk)).toEqual({
      trunk: config({}),
      remote: { address: '198.51.100.1', port: 5060 },
      localAddress: '192.0.2.1',
    })
  })

  it('says which trunk has no address, and fails calls to it with a code', async () => {
    const table = tableOf(new Map(), config({}))
    expect(await table.refresh()).toEqual(['pbx'])
    const trunk = table.get('pbx')
    expect(trunk).toBeDefined()
    expect(() => trunk && table.pathOf(trunk)).toThrow(expect.objectContaining({ code: 'trunk.unresolved' }))
  })

  it('offers crypto suites only to a trunk of SDES media', async () => {
    const table = tableOf(new Map(), config({}), config({ name: 'safe', media: 'sdes' }))
    expect(table.get('pbx')?.media.suites).toEqual([])
    expect(table.get('safe')?.media.suites).toEqual(['AES_CM_128_HMAC_SHA1_80'])
  })
})
