import { describe, expect, test } from 'vitest'
import { toneShare } from '../../../gateway/selftest/selftest-tone.ts'
import { encodeAlaw, encodeUlaw } from '../../../media/g711.ts'
import { tonePlayback } from '../../../media/tone.ts'
import { decodeG711 } from '../../harness/g711.ts'

describe.each([
  ['PCMU', 0],
  ['PCMA', 8],
] as const)('%s', (codec, payloadType) => {
  test.each([440, 425, 1000, 1004])('%d Hz is that tone and no other', (frequencyHz) => {
    const playback = tonePlayback({ codec, payloadType, frequencyHz, level: 0.25 })
    const samples = playback.frames.flatMap((frame) => [...decodeG711(codec, frame)])
    expect(playback).toMatchObject({ payloadType, intervalMs: 20, timestampStep: 160 })
    expect(playback.frames.every((frame) => frame.length === 160)).toBe(true)
    expect(toneShare(samples, 8000, frequencyHz)).toBeGreaterThan(0.995)
    expect(toneShare(samples, 8000, frequencyHz + 100)).toBeLessThan(0.01)
    expect(Math.max(...samples)).toBeGreaterThan(0.23)
    expect(Math.max(...samples)).toBeLessThan(0.27)
    // Played twice it is still one sine: whole periods fit the ring.
    expect(toneShare([...samples, ...samples], 8000, frequencyHz)).toBeGreaterThan(0.995)
    expect(samples.length * frequencyHz).toSatisfy((product: number) => product % 8000 === 0)
  })
})

test('440 Hz needs five frames', () => {
  expect(tonePlayback({ codec: 'PCMU', payloadType: 0, frequencyHz: 440, level: 0.25 }).frames).toHaveLength(
    5,
  )
})

test('the encoders agree with G.711 at its fixed points', () => {
  expect([0, 32_767, -32_768, 8, -8].map(encodeUlaw)).toEqual([0xff, 0x80, 0x00, 0xfe, 0x7e])
  expect([0, 32_767, -32_768, 16, -17].map(encodeAlaw)).toEqual([0xd5, 0xaa, 0x2a, 0xd4, 0x54])
})

test('every code word survives decoding and encoding', () => {
  for (let code = 0; code < 256; code++) {
    const byte = Uint8Array.of(code)
    const [ulaw = 0] = decodeG711('PCMU', byte)
    const [alaw = 0] = decodeG711('PCMA', byte)
    // 0x7f is minus zero.
    if (code !== 0x7f) expect(encodeUlaw(ulaw * 32_768), `u-law ${code}`).toBe(code)
    expect(encodeAlaw(alaw * 32_768), `A-law ${code}`).toBe(code)
  }
})
