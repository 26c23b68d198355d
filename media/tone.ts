import type { Playback } from './engine.ts'
import { encodeAlaw, encodeUlaw } from './g711.ts'

export interface ToneOptions {
  readonly codec: 'PCMU' | 'PCMA'
  readonly payloadType: number
  /** Whole Hz, below 4 000. */
  readonly frequencyHz: number
  /** Peak relative to full scale, 0..1. */
  readonly level: number
}

const SAMPLE_RATE_HZ = 8000
const FRAME_MS = 20
const FRAME_SAMPLES = (SAMPLE_RATE_HZ * FRAME_MS) / 1000
const FRAMES_PER_SECOND = 1000 / FRAME_MS

/** A sine in as many frames as make whole periods, so that the ring closes without a click. */
export function tonePlayback(options: ToneOptions): Playback {
  const encode = options.codec === 'PCMU' ? encodeUlaw : encodeAlaw
  const count = FRAMES_PER_SECOND / commonDivisor(options.frequencyHz, FRAMES_PER_SECOND)
  const frames = Array.from({ length: count }, (_, frame) =>
    Uint8Array.from({ length: FRAME_SAMPLES }, (_, at) => {
      const turns = ((frame * FRAME_SAMPLES + at) * options.frequencyHz) / SAMPLE_RATE_HZ
      return encode(Math.round(Math.sin(2 * Math.PI * turns) * options.level * 32_767))
    }),
  )
  return {
    payloadType: options.payloadType,
    frames,
    intervalMs: FRAME_MS,
    timestampStep: FRAME_SAMPLES,
  }
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b)
}
