import { describe, expect, it } from 'vitest'
import { fittingPlan, isWorthAnother } from '../../../../gateway/calls/fail-over.ts'
import type { PartyPlan } from '../../../../gateway/calls/plan.ts'
import type { Unreached } from '../../../../gateway/trunks/trunk-states.ts'
import type { Codec } from '../../../../media/parameters.ts'
import type { SipResponse } from '../../../../sip/message/message.ts'

const answered = (status: number): Unreached => ({ status }) as Partial<SipResponse> as SipResponse

describe('a call is tried elsewhere', () => {
  it.each<[string, Unreached]>([
    ['nobody answered in time', 'timeout'],
    ['there is no connection', 'transport'],
    ['it is silent', 'silent'],
    ['it is slow', 'slow'],
    ['its codecs do not fit', 'unfit'],
    ['it failed', answered(500)],
    ['it failed in the last way there is', answered(599)],
  ])('where %s', (_name, how) => {
    expect(isWorthAnother(how)).toBe(true)
  })

  it.each<[string, Unreached]>([
    ['a table of ours is full', 'overload'],
    ['it redirects', answered(302)],
    ['the callee is busy', answered(486)],
    ['the callee refuses', answered(499)],
    ['nobody anywhere takes it', answered(600)],
  ])('not where %s', (_name, how) => {
    expect(isWorthAnother(how)).toBe(false)
  })
})

const codec = (payloadType: number, name: string, clockRateHz = 8_000): Codec => ({
  payloadType,
  name,
  clockRateHz,
  channels: 1,
  format: undefined,
})
const [OPUS, PCMU, PCMA, G722] = [
  codec(111, 'opus', 48_000),
  codec(0, 'PCMU'),
  codec(8, 'pcma'),
  codec(9, 'G722'),
]
const plan = (kind: 'rtp' | 'webrtc', codecs: readonly string[], next?: PartyPlan['next']): PartyPlan =>
  ({
    name: codecs.join(),
    media: { kind, codecs, dtmf: 'rfc4733' },
    next,
  }) as unknown as PartyPlan
const offered = (...of: Parameters<typeof fittingPlan>) => {
  const fitting = fittingPlan(...of)
  return [
    fitting.plan.name,
    fitting.codecs.map(({ name }) => name).filter((name) => name !== 'telephone-event'),
  ]
}

describe('a party is offered', () => {
  it('by a trunk what it takes, in its order; by a browser in that of the caller', () => {
    const best = [PCMU, G722, PCMA]
    expect(offered(plan('rtp', ['PCMA', 'PCMU']), best)).toEqual(['PCMA,PCMU', ['pcma', 'PCMU']])
    expect(offered(plan('webrtc', ['PCMA', 'PCMU']), best)).toEqual(['PCMA,PCMU', ['PCMU', 'pcma']])
  })

  it('of the best what it takes, and of more where it takes none of those', () => {
    expect(offered(plan('rtp', ['G722', 'pcmu']), [OPUS, PCMU], [OPUS, PCMU, G722])).toEqual([
      'G722,pcmu',
      ['PCMU'],
    ])
    expect(offered(plan('rtp', ['G722']), [OPUS, PCMU], [OPUS, PCMU, G722])).toEqual(['G722', ['G722']])
  })

  it('what the next one takes, where it takes nothing at all; and when nobody does, the call fails', () => {
    const asked: Unreached[] = []
    const next = (how: Unreached) => {
      asked.push(how)
      return plan('rtp', ['PCMU'])
    }
    expect(offered(plan('rtp', ['iLBC'], next), [PCMU])).toEqual(['PCMU', ['PCMU']])
    expect(asked).toEqual(['unfit'])
    expect(() => fittingPlan(plan('rtp', ['iLBC']), [PCMU])).toThrow(
      expect.objectContaining({ code: 'sdp.no-common-codec' }),
    )
  })
})
