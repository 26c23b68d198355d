import { expect, it } from 'vitest'
import type { Log } from '../../../../config/logging.ts'
import { TrunkTable } from '../../../../gateway/trunks/trunk.ts'
import { START_MS, TrunkLookup } from '../../../../gateway/trunks/trunk-lookup.ts'
import { resolverOf, trunkConfig } from '../../../harness/trunk-config.ts'
import { VirtualTime } from '../../../harness/virtual-time.ts'

const SILENT = 'silent.test'

function starting(sources: readonly string[] = []) {
  const time = new VirtualTime()
  const told: string[] = []
  const tell = (message: string, fields?: object): void =>
    void told.push(`${message} ${JSON.stringify(Object.values(fields ?? {})[0])}`)
  const log: Log = { error: tell, warn: tell, info: tell, debug: tell, child: () => log }
  let answer = (_addresses: readonly string[]): void => {}
  let asked = 0
  const resolver = resolverOf()
  const trunks = new TrunkTable(
    [trunkConfig({ name: 'cloud', host: SILENT, sources }), trunkConfig({ name: 'pbx', host: '192.0.2.1' })],
    {
      resolver: {
        ...resolver,
        addresses: async (host) => {
          if (host !== SILENT) return resolver.addresses(host)
          asked += 1
          return new Promise((resolve) => {
            answer = (records) => resolve({ records, ttlS: undefined })
          })
        },
      },
      nowMs: () => time.nowMs(),
      supported: ['udp'],
    },
  )
  const lookup = new TrunkLookup({ trunks, environment: time, log })
  const serversOf = (name: string): number => trunks.get(name)?.servers.length ?? 0
  return {
    time,
    told,
    trunks,
    lookup,
    serversOf,
    asked: () => asked,
    answer: (...addresses: readonly string[]) => answer(addresses),
  }
}

it('a start waits a while for a name server that says nothing, then goes on without that trunk', async () => {
  const { time, told, lookup, serversOf, asked, answer } = starting()
  let isStarted = false
  const started = lookup.start().then(() => {
    isStarted = true
  })
  await time.advance(START_MS - 1)
  expect(isStarted).toBe(false)
  await time.advance(1)
  await started
  expect([serversOf('pbx'), serversOf('cloud')]).toEqual([1, 0])
  expect(told).toEqual(['trunk has no address "cloud"'])
  let refreshed = 0
  lookup.keep(() => {
    refreshed += 1
  })
  // The question is still open, and is not asked twice.
  await time.advance(30_000)
  expect([asked(), refreshed]).toEqual([1, 0])
  answer('192.0.2.2')
  await time.advance(1)
  expect([serversOf('pbx'), serversOf('cloud'), refreshed]).toEqual([1, 1, 1])
  expect(told.slice(1)).toEqual(['trunk has an address again "cloud"'])
  lookup.close()
})

it('one whose answers come waits for nothing else, and leaves no timer', async () => {
  const { time, told, lookup, serversOf, answer } = starting()
  const started = lookup.start()
  await time.advance(1)
  answer('192.0.2.2')
  await started
  expect([serversOf('pbx'), serversOf('cloud'), told, time.pending]).toEqual([1, 1, [], 0])
})

it('a trunk whose sources are listed is heard before its name has an address, as when it has none', async () => {
  const { time, trunks, lookup, serversOf, answer } = starting(['203.0.113.10'])
  const heard = () =>
    trunks.bySource({ address: '203.0.113.10', port: 5060 }, 'udp').map(({ config }) => config.name)
  const started = lookup.start()
  await time.advance(START_MS)
  await started
  expect([serversOf('cloud'), heard()]).toEqual([0, ['cloud']])
  expect(trunks.scopeAt({ address: '203.0.113.10', port: 5060 }, 'udp')).toBe('trunk:cloud')
  answer('192.0.2.2')
  await time.advance(1)
  expect([serversOf('cloud'), heard()]).toEqual([1, ['cloud']])
  lookup.close()
})

it('anybody may be a trunk that name servers have said nothing of; not one whose sources are listed, or who has no address', async () => {
  const open = async (sources: readonly string[] = []) => {
    const opened = starting(sources)
    const started = opened.lookup.start()
    await opened.time.advance(START_MS)
    await started
    return opened
  }
  expect((await open(['203.0.113.10'])).trunks.areSourcesKnown).toBe(true)
  for (const addresses of [['192.0.2.2'], []]) {
    const { time, trunks, answer } = await open()
    expect(trunks.areSourcesKnown).toBe(false)
    answer(...addresses)
    await time.advance(1)
    expect(trunks.areSourcesKnown).toBe(true)
  }
})
