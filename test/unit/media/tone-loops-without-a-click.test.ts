import { describe, expect, test } from 'vitest'
import { encodeAlaw, encodeUlaw } from '../../../media/g711.ts'
import { tonePlayback } from '../../../media/tone.ts'

/** ITU-T G.711 decoding, written from the tables and not from our encoder. */
function decodeUlaw(code: number): number {
  const bits = ~code & 0xff
  const magnitude = ((((bits & 0x0f) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84
  return bits & 0x80 ? -magnitude : magnitude
}

function decodeAlaw(code: number): number {
  const bits = code ^ 0x55
  const exponent = (bits >> 4) & 7
  const step = (bits & 0x0f) << 4
  const magnitude = exponent === 0 ? step + 8 : (step + 0x108) << (exponent - 1)
  return bits & 0x80 ? magnitude : -magnitude
}

/** Share of the signal's energy at `frequencyHz`, 0..1 (Goertzel). */
function purity(samples: readonly number[], frequencyHz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / 8000)
  let [last, beforeLast] = [0, 0]
  for (const sample of samples) [last, beforeLast] = [sample + coefficient * last - beforeLast, last]
  const power = last * last + beforeLast * beforeLast - coefficient * last * beforeLast
  const energy = samples.reduce((sum, sample) => sum + sample * sample, 0)
  return (2 * power) / (energy * samples.length)
}

const CODECS = [
  ['PCMU', 0, decodeUlaw],
  ['PCMA', 8, decodeAlaw],
] as const

describe.each(CODECS)('%s', (codec, payloadType, decode) => {
  test.each([440, 425, 1000, 1004])('%d Hz is that tone and no other', (frequencyHz) => {
    const playback = tonePlayback({ codec, payloadType, frequencyHz, level: 0.25 })
    const samples = playback.frames.flatMap((frame) => [...frame].map(decode))
    expect(playback).toMatchObject({ payloadType, intervalMs: 20, timestampStep: 160 })
    expect(playback.frames.every((frame) => frame.length === 160)).toBe(true)
    expect(purity(samples, frequencyHz)).toBeGreaterThan(0.995)
    expect(purity(samples, frequencyHz + 100)).toBeLessThan(0.01)
    expect(Math.max(...samples)).toBeGreaterThan(0.23 * 32_767)
    expect(Math.max(...samples)).toBeLessThan(0.27 * 32_767)
    // Played twice it is still one sine: whole periods fit the ring.
    expect(purity([...samples, ...samples], frequencyHz)).toBeGreaterThan(0.995)
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
    if (code !== 0x7f) expect(encodeUlaw(decodeUlaw(code)), `u-law ${code}`).toBe(code)
    expect(encodeAlaw(decodeAlaw(code)), `A-law ${code}`).toBe(code)
  }
})
