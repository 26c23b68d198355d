/** G.711 for 16-bit linear samples (ITU-T G.711 tables 1a and 2a). */

const ULAW_BIAS = 0x84
const ULAW_CLIP = 32_635

export function encodeUlaw(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0
  const magnitude = Math.min(Math.abs(sample), ULAW_CLIP) + ULAW_BIAS
  const exponent = 31 - Math.clz32(magnitude) - 7
  const mantissa = (magnitude >> (exponent + 3)) & 0x0f
  return ~(sign | (exponent << 4) | mantissa) & 0xff
}

export function encodeAlaw(sample: number): number {
  // Negative values count down from -1, so that -1..-16 is the mirror of 0..15.
  const magnitude = Math.min(sample < 0 ? -sample - 1 : sample, 32_767)
  const exponent = Math.max(0, 31 - Math.clz32(magnitude | 1) - 7)
  const mantissa = (magnitude >> (exponent === 0 ? 4 : exponent + 3)) & 0x0f
  const sign = sample < 0 ? 0 : 0x80
  return (sign | (exponent << 4) | mantissa) ^ 0x55
}

function decodeUlaw(code: number): number {
  const bits = ~code & 0xff
  const magnitude = ((((bits & 0x0f) << 3) + ULAW_BIAS) << ((bits >> 4) & 7)) - ULAW_BIAS
  return (bits & 0x80) === 0 ? magnitude : -magnitude
}

function decodeAlaw(code: number): number {
  const bits = code ^ 0x55
  const exponent = (bits >> 4) & 7
  const mantissa = ((bits & 0x0f) << 4) + 8
  const magnitude = exponent === 0 ? mantissa : (mantissa + 0x100) << (exponent - 1)
  return (bits & 0x80) === 0 ? -magnitude : magnitude
}

export type G711 = 'PCMU' | 'PCMA'

const FULL_SCALE = 32_768

/** Samples in -1..1. */
export const decodeG711 = (codec: G711, payload: Uint8Array): Float32Array => {
  const decode = codec === 'PCMU' ? decodeUlaw : decodeAlaw
  return Float32Array.from(payload, (code) => decode(code) / FULL_SCALE)
}

/** Of samples in -1..1. */
export const encodeG711 = (codec: G711, samples: Float32Array): Uint8Array => {
  const encode = codec === 'PCMU' ? encodeUlaw : encodeAlaw
  return Uint8Array.from(samples, (sample) => encode(Math.round(sample * (FULL_SCALE - 1))))
}
