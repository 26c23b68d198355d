import { beforeEach, describe, expect, it } from 'vitest'
import { RegistrationWay } from '../../../../gateway/trunks/registration-way.ts'
import type { TrunkPath } from '../../../../gateway/trunks/trunk.ts'
import { trunkConfig } from '../../../harness/trunk-config.ts'

const trunk = trunkConfig()
const [a, b, c] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(
  (address): TrunkPath => ({
    trunk,
    transport: 'udp',
    remote: { address, port: 5060 },
    localAddress: '192.0.2.9',
  }),
) as [TrunkPath, TrunkPath, TrunkPath]
const never = (): boolean => false

describe('the way of a registration', () => {
  let way: RegistrationWay
  beforeEach(() => {
    way = new RegistrationWay()
  })

  it('is each once, in the order to try, and then the first again', () => {
    const tried = [a, b, c, a, b].map((expected) => {
      const chosen = way.choose([a, b, c], never)
      expect(chosen).toBe(expected)
      return way.failed(chosen ?? c, [a, b, c])
    })
    expect(tried).toEqual([true, true, false, true, true])
  })

  it('stays the one that took it, whatever order they come in, until it fails or is known to be silent', () => {
    way.failed(a, [a, b, c])
    expect(way.choose([a, b, c], never)).toBe(b)
    way.succeeded()
    expect(way.choose([c, a, b], never)).toBe(b)
    expect(way.choose([a, c, b], (one) => one === b)).toBe(a)
    expect(way.choose([b, a, c], never)).toBe(a)
    // What failed before the last success is not held against it.
    way.failed(a, [a, b, c])
    expect(way.choose([b, c, a], never)).toBe(b)
  })

  it('is the same for the Contact and the REGISTER of one try, though the order is drawn each time', () => {
    expect([way.choose([b, a], never), way.choose([a, b], never)]).toEqual([b, b])
  })

  it('is the only one, or none', () => {
    expect(way.choose([a], never)).toBe(a)
    expect(way.failed(a, [a])).toBe(false)
    expect(way.choose([a], never)).toBe(a)
    expect(way.choose([], never)).toBeUndefined()
  })

  it('remembers nothing of addresses that the name has left', () => {
    way.failed(a, [a, b])
    // Only `c` is new to it.
    expect(way.failed(b, [b, c])).toBe(true)
    expect(way.choose([a, b, c], never)).toBe(a)
  })
})
