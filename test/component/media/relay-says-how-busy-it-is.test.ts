import { expect, test } from 'vitest'
import { RelayBench, UdpPeer, until } from '../../harness/relay-bench.ts'

test('the load is the share of a core that the thread takes, and goes when its work does', async () => {
  const bench = new RelayBench({ maxLegs: 40 })
  const peer = await UdpPeer.open()
  expect(bench.relay.load()).toBe(0)
  const legs = Array.from({ length: 40 }, (_, at) => bench.plain(at + 1, peer).leg)
  const frames = [Buffer.alloc(160)]
  for (const leg of legs) bench.relay.play(leg, { payloadType: 0, frames, intervalMs: 2, timestampStep: 16 })
  await until(() => bench.relay.load() > 0.02, 'a load')
  expect(bench.relay.load()).toBeLessThanOrEqual(1)
  for (const leg of legs) bench.relay.remove(leg)
  await until(() => bench.relay.load() === 0, 'no load')
})
