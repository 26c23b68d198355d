import { expect, test } from 'vitest'
import { bindingRequest, DTLS_RECORD, RelayBench, UdpPeer, until } from '../../harness/relay-bench.ts'

test('during an ICE restart checks for both ufrags go up, afterwards for the new one', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { at } = bench.bind()
  const leg = bench.webrtc('old-frag', 1)
  bench.relay.setUfrags(leg, ['new-frag', 'old-frag'])
  for (const ufrag of ['old-frag', 'new-frag']) peer.send(bindingRequest(`${ufrag}:x`), at)
  await until(() => bench.count('stun') === 2, 'both')
  expect(bench.records.every((record) => record.leg === leg)).toBe(true)

  bench.relay.setUfrags(leg, ['new-frag'])
  peer.send(bindingRequest('old-frag:x'), at)
  await bench.untilCounted('stun.unknown-ufrag')
  peer.send(bindingRequest('new-frag:x'), at)
  await until(() => bench.count('stun') === 3, 'the new one')

  bench.webrtc('old-frag', 2) // Free again.
  bench.relay.remove(leg)
  peer.send(bindingRequest('new-frag:x'), at)
  await bench.untilCounted('stun.unknown-ufrag', 2)
  bench.webrtc('new-frag', 3)
})

test('after a restart a nomination chooses the target again, until there is something better', async () => {
  const bench = new RelayBench()
  const [before, after] = [await UdpPeer.open(), await UdpPeer.open()]
  const { at, socket } = bench.bind()
  const leg = bench.webrtc('old-frag', 1)
  const target = () => bench.relay.stats(leg)?.remote?.port
  bench.relay.admit(leg, socket, before.address, true)
  before.send(DTLS_RECORD, at)
  await bench.record('dtls')
  bench.relay.admit(leg, socket, after.address, true)
  bench.relay.tables()
  expect(target()).toBe(before.address.port)

  bench.relay.setUfrags(leg, ['new-frag'])
  bench.relay.admit(leg, socket, after.address, true)
  bench.relay.tables()
  expect(target()).toBe(after.address.port)
  before.send(DTLS_RECORD, at)
  await until(() => target() === before.address.port, 'the path in use')
})

test('three ufrags, none, one of another leg, and those of a trunk leg are refused, and nothing changes', async () => {
  const bench = new RelayBench()
  const peer = await UdpPeer.open()
  const { at } = bench.bind()
  const leg = bench.webrtc('mine', 1)
  bench.webrtc('other', 2)
  const trunk = bench.rtp(3)
  expect(() => bench.relay.setUfrags(leg, ['one_', 'two_', 'three'])).toThrow(RangeError)
  expect(() => bench.relay.setUfrags(leg, [])).toThrow(RangeError)
  expect(() => bench.relay.setUfrags(leg, ['one_', 'a'.repeat(65)])).toThrow(RangeError)
  expect(() => bench.relay.setUfrags(leg, ['one_', 'other'])).toThrow('ufrag is in use')
  expect(() => bench.relay.setUfrags(trunk.leg, ['one_'])).toThrow(TypeError)
  bench.relay.setUfrags(0xffff_ffff, ['one_'])
  peer.send(bindingRequest('mine:x'), at)
  expect(await bench.record('stun')).toMatchObject({ leg })
  peer.send(bindingRequest('one_:x'), at)
  await bench.untilCounted('stun.unknown-ufrag')
  bench.webrtc('one_', 4)
})

test('every leg of a full relay may have two', async () => {
  const bench = new RelayBench({ maxLegs: 8 })
  const peer = await UdpPeer.open()
  const { at } = bench.bind()
  for (let number = 0; number < 8; number++) {
    const leg = bench.webrtc(`old-${number}`, number)
    bench.relay.setUfrags(leg, [`new-${number}`, `old-${number}`])
  }
  for (let number = 0; number < 8; number++) {
    for (const age of ['old', 'new']) peer.send(bindingRequest(`${age}-${number}:x`), at)
  }
  await until(() => bench.count('stun') === 16, 'all')
})
