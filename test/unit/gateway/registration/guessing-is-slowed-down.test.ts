import { describe, expect, it } from 'vitest'
import { GuessLimiter } from '../../../../gateway/registration/guess-limiter.ts'

const fail = (limiter: GuessLimiter, address: string, times: number, nowMs: number): void => {
  for (let turn = 0; turn < times; turn += 1) limiter.failed(address, nowMs)
}

describe('who guesses passwords', () => {
  it('is barred after 61 failures at once, for ten seconds', () => {
    const limiter = new GuessLimiter()
    fail(limiter, '198.51.100.1', 60, 0)
    expect(limiter.isBarred('198.51.100.1', 0)).toBe(false)
    fail(limiter, '198.51.100.1', 1, 0)
    expect([limiter.isBarred('198.51.100.1', 9_999), limiter.isBarred('198.51.100.1', 10_000)]).toEqual([
      true,
      false,
    ])
  })

  it('bars nobody else', () => {
    const limiter = new GuessLimiter()
    fail(limiter, '198.51.100.1', 61, 0)
    expect(limiter.isBarred('198.51.100.2', 0)).toBe(false)
  })

  it('cannot hide behind the addresses of one IPv6 network', () => {
    const limiter = new GuessLimiter()
    for (let host = 0; host < 61; host += 1) limiter.failed(`2001:db8:1:2::${host.toString(16)}`, 0)
    expect(limiter.isBarred('2001:db8:1:2:ffff::1', 0)).toBe(true)
  })

  it('who fails twice a second is never barred', () => {
    const limiter = new GuessLimiter()
    for (let second = 0; second < 600; second += 1) fail(limiter, '198.51.100.1', 2, second * 1_000)
    expect(limiter.isBarred('198.51.100.1', 600_000)).toBe(false)
  })

  it('one past the addresses remembered, the one that failed longest ago is forgotten', () => {
    const limiter = new GuessLimiter()
    fail(limiter, '10.0.0.0', 61, 0)
    for (let index = 1; index <= 4_095; index += 1) limiter.failed(`10.1.${index >> 8}.${index & 255}`, 0)
    expect(limiter.isBarred('10.0.0.0', 1)).toBe(true)
    limiter.failed('10.9.9.9', 0)
    expect(limiter.isBarred('10.0.0.0', 1)).toBe(false)
  })
})
