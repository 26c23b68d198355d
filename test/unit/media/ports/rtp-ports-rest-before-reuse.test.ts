import { expect, test } from 'vitest'
import { PortPool } from '../../../../media/ports/port-pool.ts'

function pool(min: number, max: number, random = 0, restMs = 1000): PortPool {
  return new PortPool({ min, max, restMs, random: () => random })
}

function leaseAll(ports: PortPool, nowMs: number): number[] {
  const leased: number[] = []
  for (;;) {
    try {
      leased.push(ports.lease(nowMs))
    } catch {
      return leased
    }
  }
}

test('even ports whose neighbour is in the range', () => {
  expect(leaseAll(pool(10_000, 10_005), 0)).toEqual([10_000, 10_002, 10_004])
  expect(leaseAll(pool(10_001, 10_006), 0)).toEqual([10_002, 10_004])
  expect(leaseAll(pool(10_000, 10_000), 0)).toEqual([])
})

test('starts anywhere, goes round', () => {
  expect(leaseAll(pool(10_000, 10_005, 0.5), 0)).toEqual([10_002, 10_004, 10_000])
  expect(leaseAll(pool(10_000, 10_005, 0.999), 0)).toEqual([10_004, 10_000, 10_002])
})

test('none left: media.no-port with what is in use', () => {
  const ports = pool(10_000, 10_003)
  leaseAll(ports, 0)
  expect(() => ports.lease(0)).toThrow(expect.objectContaining({ code: 'media.no-port', seen: '2 in use' }))
})

test('a port that is kept is neither in use nor ever handed out again', () => {
  const ports = pool(10_000, 10_003)
  const port = ports.lease(0)
  ports.keep(port)
  expect(ports.leased).toBe(0)
  ports.release(port, 0)
  expect(leaseAll(ports, 5_000)).toEqual([10_002])
})

test('a released port rests, then comes last', () => {
  const ports = pool(10_000, 10_007)
  expect(ports.lease(0)).toBe(10_000)
  ports.release(10_000, 500)
  expect(ports.lease(600)).toBe(10_002)
  expect(ports.lease(600)).toBe(10_004)
  expect(ports.lease(1500)).toBe(10_006)
  expect(ports.lease(1500)).toBe(10_000)
})

test('where all that are free rest, no call is refused for it: the one that has rested longest is taken', () => {
  const ports = pool(10_000, 10_005)
  leaseAll(ports, 0)
  ports.release(10_004, 100)
  ports.release(10_000, 200)
  expect(ports.lease(300)).toBe(10_004)
  ports.release(10_002, 300)
  expect(leaseAll(ports, 350)).toEqual([10_000, 10_002])
})

test('ports wake in the order of their release', () => {
  const ports = pool(10_000, 10_005)
  leaseAll(ports, 0)
  ports.release(10_004, 100)
  ports.release(10_000, 200)
  expect(ports.lease(1100)).toBe(10_004)
  ports.release(10_002, 1150)
  expect(leaseAll(ports, 1300)).toEqual([10_000, 10_002])
})

test('a port is given back once, and only if it was leased', () => {
  const ports = pool(10_000, 10_003)
  const port = ports.lease(0)
  ports.release(port, 0)
  ports.release(port, 0)
  ports.release(9998, 0)
  expect(leaseAll(ports, 1000)).toEqual([10_002, 10_000])
  expect(ports.leased).toBe(2)
})
