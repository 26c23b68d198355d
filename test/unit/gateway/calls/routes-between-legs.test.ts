import { describe, expect, test } from 'vitest'
import {
  keptPtimeMs,
  keyWayOf,
  packetTimeTo,
  type RouteEnd,
  type RouteMedia,
  routeBetween,
} from '../../../../gateway/calls/leg-route.ts'
import type { Codec } from '../../../../media/parameters.ts'

const codec = (payloadType: number, name: string, clockRateHz = 8_000): Codec => ({
  name,
  clockRateHz,
  channels: name === 'opus' ? 2 : 1,
  payloadType,
  format: undefined,
})
const OPUS = codec(111, 'opus', 48_000)
const EVENTS = codec(101, 'telephone-event')
const WIDE_EVENTS = codec(110, 'telephone-event', 48_000)
const BROWSER: RouteMedia = { kind: 'webrtc' }
const trunk = (over: Partial<Extract<RouteMedia, { kind: 'rtp' }>> = {}): RouteMedia => ({
  kind: 'rtp',
  dtmf: 'rfc4733',
  ptimeMs: undefined,
  ...over,
})
const end = (media: RouteMedia, codecs: readonly Codec[], ptimeMs?: number): RouteEnd => ({
  name: media.kind,
  media,
  own: codecs,
  remote: codecs,
  ptimeMs,
})

describe('row 28: the packet time of what a peer is sent', () => {
  test('is that of its trunk, else of its description, if we can cut to it', () => {
    expect(packetTimeTo(trunk(), undefined)).toBeUndefined()
    expect(packetTimeTo(trunk(), 30)).toBe(30)
    expect(packetTimeTo(trunk({ ptimeMs: 20 }), 30)).toBe(20)
    expect(packetTimeTo(BROWSER, 40)).toBe(40)
    expect([5, 10, 25, 60, 70, 200].map(keptPtimeMs)).toEqual([
      undefined,
      10,
      undefined,
      60,
      undefined,
      undefined,
    ])
  })

  test('goes with the route, whatever the codec: the relay knows which ones it can cut', () => {
    const route = routeBetween(end(BROWSER, [OPUS, codec(8, 'PCMA')]), end(trunk(), [codec(8, 'PCMA')], 30))
    expect(route).toMatchObject({
      packetMs: 30,
      map: [{ from: 8, to: 8, clockRateHz: 8_000, isOneOctetATick: true }],
    })
  })
})

describe('key presses', () => {
  test.each([
    [
      'into the media, at the clock of its audio',
      trunk(),
      [OPUS, WIDE_EVENTS, EVENTS],
      { payloadType: 110, clockRateHz: 48_000 },
    ],
    ['into the media, at what it has', trunk(), [OPUS, EVENTS], { payloadType: 101, clockRateHz: 8_000 }],
    ['of a browser, too', BROWSER, [OPUS, EVENTS], { payloadType: 101, clockRateHz: 8_000 }],
    ['up, for a trunk that takes INFO', trunk({ dtmf: 'info-dtmf' }), [OPUS, EVENTS], undefined],
    ['up, for a peer that has no events', trunk(), [OPUS], undefined],
  ] as const)('%s', (_, media, codecs, to) => {
    const route = routeBetween(end(BROWSER, [OPUS, WIDE_EVENTS]), end(media, codecs))
    expect(route).toMatchObject({ keys: { from: [{ payloadType: 110, clockRateHz: 48_000 }], to } })
    expect(route).toMatchObject({ map: [{ from: 111, to: 111 }] })
  })

  test('none are expected of a peer that has none, and no route without a codec', () => {
    expect(routeBetween(end(trunk(), [OPUS]), end(BROWSER, [OPUS, EVENTS]))).toMatchObject({
      keys: undefined,
    })
    expect(routeBetween(end(trunk(), [EVENTS]), end(BROWSER, [OPUS, EVENTS]))).toEqual({ kind: 'discard' })
  })

  test('by INFO in the way of the trunk, of application/dtmf-relay where nothing says', () => {
    expect(keyWayOf(trunk({ dtmf: 'info-dtmf' }), [EVENTS])).toEqual({ kind: 'info', way: 'info-dtmf' })
    expect(keyWayOf(trunk(), [])).toEqual({ kind: 'info', way: 'info-relay' })
    expect(keyWayOf(BROWSER, [])).toEqual({ kind: 'info', way: 'info-relay' })
  })
})

describe('a peer that sends the payload types of its own description', () => {
  const sending = (own: readonly Codec[], remote: readonly Codec[]) =>
    routeBetween({ ...end(trunk(), own), remote }, end(BROWSER, [OPUS, codec(0, 'PCMU'), EVENTS]))

  test('is heard, and its keys too', () => {
    const route = sending([OPUS, EVENTS], [codec(96, 'opus', 48_000), codec(97, 'telephone-event')])
    expect(route).toMatchObject({
      map: [
        { from: 111, to: 111 },
        { from: 96, to: 111 },
      ],
      keys: { from: [{ payloadType: 101 }, { payloadType: 97 }] },
    })
  })

  test('is not where ours mean something else, nor for a codec that we do not have', () => {
    const route = sending(
      [OPUS, EVENTS],
      [codec(101, 'opus', 48_000), codec(0, 'PCMU'), codec(111, 'telephone-event')],
    )
    expect(route).toMatchObject({ map: [{ from: 111, to: 111 }], keys: { from: [{ payloadType: 101 }] } })
  })
})
