import { expect, test } from 'vitest'
import { hostCandidates } from '../../../../media/ice/host-candidates.ts'

test('one candidate per address, earlier ones first', () => {
  expect(hostCandidates(['192.0.2.1', '2001:db8::1'], [], 5000)).toEqual([
    { foundation: '1', priority: 2_130_706_431, type: 'host', address: '192.0.2.1', port: 5000 },
    { foundation: '2', priority: 2_130_706_175, type: 'host', address: '2001:db8::1', port: 5000 },
  ])
})

test('the announced address replaces those of its family, once, and never loopback', () => {
  const addresses = ['10.0.0.1', '10.0.0.2', '127.0.0.1', '2001:db8::1']
  const named = hostCandidates(addresses, ['198.51.100.7'], 5000).map(({ address }) => address)
  expect(named).toEqual(['198.51.100.7', '127.0.0.1', '2001:db8::1'])
})

test('each family may have an announced address of its own', () => {
  const addresses = ['10.0.0.1', 'fd00::1', 'fd00::2', '::1']
  const named = hostCandidates(addresses, ['2001:db8::7', '198.51.100.7'], 5000).map(({ address }) => address)
  expect(named).toEqual(['198.51.100.7', '2001:db8::7', '::1'])
})
