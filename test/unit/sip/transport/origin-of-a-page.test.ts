import { expect, test } from 'vitest'
import { TokenBucket } from '../../../../sip/token-bucket.ts'
import { addressGroup } from '../../../../sip/transport/address-group.ts'
import { isAllowedOrigin } from '../../../../sip/transport/origin.ts'

test.each([
  [undefined, 'gw.example', [], true],
  ['https://gw.example', 'gw.example', [], true],
  ['https://gw.example', 'gw.example:443', [], true],
  ['https://GW.example', 'gw.EXAMPLE', [], true],
  ['http://gw.example:8080', 'gw.example:8080', [], true],
  ['https://gw.example', 'gw.example:8443', [], false],
  ['https://evil.example', 'gw.example', [], false],
  ['https://gw.example.evil.example', 'gw.example', [], false],
  ['https://evil.example', 'gw.example', ['https://other.example'], false],
  ['https://other.example', 'gw.example', ['https://other.example'], true],
  ['https://evil.example', 'gw.example', ['*'], true],
  ['null', 'gw.example', [], false],
  ['file://', '', [], false],
  ['https://gw.example', undefined, [], false],
  ['not a url', 'not a url', [], false],
])('origin %s at host %s with list %j: %s', (origin, host, list, allowed) => {
  expect(isAllowedOrigin(origin, host, list)).toBe(allowed)
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:0db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('connections from %s are counted as %s', (address, group) => {
  expect(addressGroup(address)).toBe(group)
})

test('a bucket gives its burst, then its rate', () => {
  const bucket = new TokenBucket(10, 3, 0)
  const take = (nowMs: number): boolean => bucket.take(nowMs)
  expect([0, 0, 0, 0].map(take)).toEqual([true, true, true, false])
  expect([99, 101, 101].map(take)).toEqual([false, true, false])
  expect([10_000, 10_000, 10_000, 10_000].map(take)).toEqual([true, true, true, false])
})

test('a bucket gives many at a time, or none of them', () => {
  const bucket = new TokenBucket(10, 30, 0)
  const take = (amount: number): boolean => bucket.take(0, amount)
  expect([20, 11, 10, 1].map(take)).toEqual([true, false, true, false])
  expect([bucket.take(100, 2), bucket.take(100, 1)]).toEqual([false, true])
})
