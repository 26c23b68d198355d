import { describe, expect, it } from 'vitest'
import { CodecMemory, commonCodecs } from '../../../../gateway/calls/codec-memory.ts'
import type { Codec } from '../../../../media/parameters.ts'

const codec = (payloadType: number, name: string, clockRateHz = 8_000): Codec => ({
  payloadType,
  name,
  clockRateHz,
  channels: name.toLowerCase() === 'opus' ? 2 : 1,
  format: undefined,
})
const [PCMU, PCMA, OPUS] = [codec(0, 'PCMU'), codec(8, 'PCMA'), codec(111, 'opus', 48_000)]
const [KEYS, WIDE_KEYS] = [codec(101, 'telephone-event'), codec(110, 'telephone-event', 48_000)]
const typesOf = (codecs: readonly Codec[]) => codecs.map(({ payloadType }) => payloadType)

describe('the codecs that a peer has shown', () => {
  it('are those of its offer, until it offers others; what it had before may be offered to it again', () => {
    const memory = new CodecMemory()
    memory.offered([OPUS, PCMU, PCMA])
    expect(typesOf(memory.willing)).toEqual([111, 0, 8])
    memory.offered([PCMA])
    expect([typesOf(memory.willing), typesOf(memory.known)]).toEqual([[8], [111, 0, 8]])
  })

  it('are those it took of an offer of ours, and those it was not asked about', () => {
    const memory = new CodecMemory()
    memory.answered([PCMA, PCMU], [PCMA])
    expect([typesOf(memory.willing), typesOf(memory.known)]).toEqual([[8], [8, 0]])
    memory.offered([OPUS, PCMU, PCMA])
    memory.answered([PCMA], [PCMA])
    expect(typesOf(memory.willing)).toEqual([8, 111, 0])
    memory.answered([PCMA, PCMU], [PCMU])
    expect(typesOf(memory.willing)).toEqual([0, 111])
  })

  it('are remembered once, by the number they had first', () => {
    const memory = new CodecMemory()
    memory.offered([OPUS])
    memory.offered([codec(96, 'OPUS', 48_000), PCMA])
    expect([typesOf(memory.known), typesOf(memory.willing)]).toEqual([
      [111, 8],
      [96, 8],
    ])
  })

  it('are 64 at most, the newest: one that comes after gives its place to nobody older', () => {
    const memory = new CodecMemory()
    const many = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => codec(96, `made-up-${from + index}`))
    memory.offered([OPUS, ...many(0, 34)])
    memory.offered(many(34, 35))
    const names = memory.known.map(({ name }) => name)
    expect([names.length, names[0], names.at(-1)]).toEqual([64, 'made-up-5', 'made-up-68'])
    memory.offered(many(100, 70))
    expect([memory.known.length, memory.known[0]?.name]).toEqual([64, 'made-up-100'])
  })
})

describe('codecs in common', () => {
  it('are the agreed ones that the others have, in their order, with their key presses', () => {
    expect(typesOf(commonCodecs([PCMA, PCMU, KEYS], [], [PCMU]))).toEqual([0, 101])
    expect(typesOf(commonCodecs([PCMA, KEYS], [], [PCMU]))).toEqual([101])
  })

  it('and then more, behind those, with key presses at their clocks', () => {
    const more = [OPUS, PCMU, WIDE_KEYS, KEYS]
    expect(typesOf(commonCodecs([PCMA, KEYS], more, [PCMU, PCMA, OPUS]))).toEqual([8, 111, 0, 101, 110])
    expect(typesOf(commonCodecs([PCMA, KEYS], more, [PCMU]))).toEqual([0, 101])
  })

  it('never give a number that is taken a second meaning', () => {
    const more = [codec(101, 'PCMU'), codec(96, 'G722'), codec(96, 'PCMU')]
    expect(typesOf(commonCodecs([PCMA, KEYS], more, [PCMA, PCMU, codec(9, 'G722')]))).toEqual([8, 96, 101])
  })

  it('have comfort noise where both have it', () => {
    const noise = codec(13, 'CN')
    expect(typesOf(commonCodecs([PCMA, noise], [], [PCMA, noise]))).toEqual([8, 13])
    expect(typesOf(commonCodecs([PCMA, noise], [], [PCMA]))).toEqual([8])
    expect(typesOf(commonCodecs([OPUS], [noise], [OPUS, noise]))).toEqual([111])
  })
})
