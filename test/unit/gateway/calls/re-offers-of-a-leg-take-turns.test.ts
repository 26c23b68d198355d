import { describe, expect, it } from 'vitest'
import { glareBackOffMs, Renegotiation } from '../../../../gateway/calls/renegotiation.ts'

describe('re-offers of one leg', () => {
  it('go out at once when the way is free', () => {
    const leg = new Renegotiation()
    expect(leg.handle({ kind: 'wish' }, 0)).toBe(true)
    expect(leg.state).toBe('offering')
  })

  it('wait for the one under way, and then the newest wish alone is offered', () => {
    const leg = new Renegotiation()
    leg.handle({ kind: 'wish' }, 0)
    expect(leg.handle({ kind: 'wish' }, 1)).toBe(false)
    expect(leg.handle({ kind: 'wish' }, 2)).toBe(false)
    expect(leg.handle({ kind: 'answered' }, 3)).toBe(true)
    expect(leg.handle({ kind: 'answered' }, 4)).toBe(false)
    expect(leg.state).toBe('idle')
  })

  it('are given up when the peer refuses, but a wish that came meanwhile is not', () => {
    const leg = new Renegotiation()
    leg.handle({ kind: 'wish' }, 0)
    expect(leg.handle({ kind: 'refused' }, 1)).toBe(false)
    leg.handle({ kind: 'wish' }, 2)
    leg.handle({ kind: 'wish' }, 3)
    expect(leg.handle({ kind: 'refused' }, 4)).toBe(true)
  })

  it('wait for the answer to an offer in a 2xx, which has what was wished before', () => {
    const leg = new Renegotiation()
    leg.handle({ kind: 'wish' }, 0)
    leg.handle({ kind: 'glare', backOffMs: 500 }, 100)
    expect(leg.handle({ kind: 'offered' }, 200)).toBe(false)
    expect([leg.state, leg.deadlineMs]).toEqual(['offering', undefined])
    expect(leg.handle({ kind: 'answered' }, 300)).toBe(false)
    leg.handle({ kind: 'offered' }, 400)
    expect(leg.handle({ kind: 'wish' }, 500)).toBe(false)
    expect(leg.handle({ kind: 'answered' }, 600)).toBe(true)
  })

  it('back off after glare and then try again', () => {
    const leg = new Renegotiation()
    leg.handle({ kind: 'wish' }, 0)
    expect(leg.handle({ kind: 'glare', backOffMs: 500 }, 100)).toBe(false)
    expect(leg.deadlineMs).toBe(600)
    expect(leg.handle({ kind: 'wish' }, 200)).toBe(false)
    expect(leg.handle({ kind: 'timeout' }, 599)).toBe(false)
    expect(leg.handle({ kind: 'timeout' }, 600)).toBe(true)
    expect(leg.deadlineMs).toBeUndefined()
  })

  it('are tried for as long as the peer cannot be reached', () => {
    const leg = new Renegotiation()
    leg.handle({ kind: 'wish' }, 0)
    for (let turn = 0; turn < 20; turn += 1) {
      expect(leg.handle({ kind: 'unreached', backOffMs: 10 }, 10 * turn)).toBe(false)
      expect(leg.handle({ kind: 'timeout' }, 10 * turn + 10)).toBe(true)
    }
  })

  it('stop after five collisions in a row', () => {
    const leg = new Renegotiation()
    let nowMs = 0
    leg.handle({ kind: 'wish' }, nowMs)
    for (let turn = 0; turn < 5; turn += 1) {
      leg.handle({ kind: 'glare', backOffMs: 10 }, nowMs)
      nowMs += 10
      expect(leg.handle({ kind: 'timeout' }, nowMs)).toBe(true)
    }
    expect(leg.handle({ kind: 'glare', backOffMs: 10 }, nowMs)).toBe(false)
    expect(leg.state).toBe('idle')
  })
})

describe('back-off after glare (RFC 3261 §14.1)', () => {
  it.each([
    [true, 0, 2_100],
    [true, 0.999_999, 4_000],
    [false, 0, 0],
    [false, 0.999_999, 2_000],
  ])('owner of the Call-ID %s draws %f: %i ms', (isOwner, random, expected) => {
    expect(glareBackOffMs(isOwner, random)).toBe(expected)
  })
})
