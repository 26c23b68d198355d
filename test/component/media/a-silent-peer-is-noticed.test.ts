import { expect, test } from 'vitest'
import type { RelayRecord } from '../../../media/native/boundary.ts'
import { addRtp, MediaLog, openEngine, openTrunk, PLAIN } from '../../harness/media-bench.ts'
import { RelayBench, receiverReport, UdpPeer } from '../../harness/relay-bench.ts'
import { rtp } from '../../harness/rtp-packet.ts'
import { repeatUntil, until } from '../../harness/until.ts'

test('the relay tells once, RTP and RTCP are both signs of life, and who is not watched may be silent', async () => {
  const bench = new RelayBench()
  const peers = await Promise.all([UdpPeer.open(), UdpPeer.open(), UdpPeer.open(), UdpPeer.open()])
  const legs = peers.map((peer, index) => bench.plain(0x1000 + index, peer))
  const [media, reports, silent, unwatched] = legs
  if (media === undefined || reports === undefined || silent === undefined || unwatched === undefined)
    throw new Error('unreachable')
  for (const { leg } of [media, reports, silent]) bench.relay.watch(leg, 1_500)
  bench.relay.watch(unwatched.leg, 1)
  bench.relay.watch(unwatched.leg, undefined)
  let sequence = 1
  await repeatUntil(
    () => {
      peers[0]?.send(rtp({ sequence: sequence++ }), media.at)
      peers[1]?.send(receiverReport(9), reports.at)
    },
    () => bench.count('silent') > 0,
  )
  expect(bench.records.filter(({ kind }) => kind === 'silent')).toEqual([{ kind: 'silent', leg: silent.leg }])
  bench.relay.watch(silent.leg, 200)
  // The others are silent too by now, and may be told of as well.
  const isOfIt = (record: RelayRecord): boolean => record.kind === 'silent' && record.leg === silent.leg
  await until(() => bench.records.filter(isOfIt).length === 2)
  expect(() => bench.relay.watch(silent.leg, 0)).toThrow(RangeError)
})

test('a leg that was never heard, and one that fell silent, fail once with a code of their own', async () => {
  const log = new MediaLog()
  const session = await openEngine().openSession('call', log)
  const trunk = await openTrunk()
  const local = await addRtp(session, PLAIN, 'caller')
  await addRtp(session, PLAIN, 'callee')
  await session.setRemote('caller', trunk.remote())
  trunk.connect(local)
  trunk.sendRtp(0, Buffer.alloc(160))
  await until(() => log.rungs('caller').includes('received'))
  await session.watch('caller', 0.5)
  await session.watch('callee', 0.5)
  await until(() => log.failures.length === 2)
  expect(log.failures.map(({ leg, failure }) => [leg, failure.code]).toSorted()).toEqual([
    ['callee', 'media.none-from-trunk'],
    ['caller', 'media.silent'],
  ])
  await session.watch('caller', 0.5)
})

test('patience that came while the news was under way counts', async () => {
  const log = new MediaLog()
  const session = await openEngine().openSession('call', log)
  await addRtp(session, PLAIN, 'caller')
  await addRtp(session, PLAIN, 'callee')
  await session.watch('caller', 0.2)
  await session.watch('caller', undefined)
  await session.watch('callee', 0.2)
  await until(() => log.failures.length === 1)
  expect(log.failures[0]?.leg).toBe('callee')
})
