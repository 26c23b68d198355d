import { expect, it } from 'vitest'
import type { Log } from '../../../../config/logging.ts'
import { TrunkLookup } from '../../../../gateway/trunks/trunk-lookup.ts'
import { config, remotesOf, tableOf } from '../../../harness/trunk-tables.ts'
import { VirtualTime } from '../../../harness/virtual-time.ts'

const NAME = 'pbx.example.com'

it('a trunk is looked up again when its answers are no longer good, until the end; that it has no address is said once', async () => {
  const time = new VirtualTime()
  const names = new Map<string, readonly string[]>()
  const world = tableOf({ names, ttlS: 0 }, config())
  const told: string[] = []
  const note = (message: string) => void told.push(message)
  const log: Log = { error: note, warn: note, info: note, debug: () => {}, child: () => log }
  const lookup = new TrunkLookup({ trunks: world.table, environment: time, log })
  let refreshed = 0
  const wait = async (ms: number): Promise<void> => {
    for (let turn = 0; turn < ms; turn += 1_000) {
      world.clock.nowMs = time.nowMs() + 1_000
      await time.advance(1_000)
    }
  }
  world.clock.nowMs = time.nowMs()
  await lookup.refresh()
  lookup.keep(() => {
    refreshed += 1
  })
  await wait(120_000)
  expect([told, refreshed > 0]).toEqual([['trunk has no address'], true])
  names.set(NAME, ['198.51.100.1'])
  await wait(120_000)
  expect([told.slice(1), remotesOf(world.table)]).toEqual([
    ['trunk has an address again'],
    [['198.51.100.1:5060']],
  ])
  lookup.close()
  const asked = world.asked.length
  await wait(120_000)
  expect([world.asked.length, time.pending]).toEqual([asked, 0])
})
